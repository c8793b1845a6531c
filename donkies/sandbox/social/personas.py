"""The people whom one can be at the pretended Google and Facebook."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Somebody with an account at both providers.

    Args: number, what both subjects are made of; shows, what this one is good for; is_email_verified,
        which Google tells and Facebook never does; is_minimal, whether a provider knows hardly anything.
    """

    key: str
    number: int
    shows: str
    first_name: str
    last_name: str
    initials: str
    email: str | None
    middle_name: str | None = None
    is_email_verified: bool = True
    birthday: date | None = field(default=None, repr=False)
    gender: str | None = None
    locale: str = "en-GB"
    has_picture: bool = True
    is_minimal: bool = False

    @property
    def given_names(self) -> str:
        return f"{self.first_name} {self.middle_name}" if self.middle_name else self.first_name

    @property
    def name(self) -> str:
        return f"{self.given_names} {self.last_name}"

    @property
    def google_subject(self) -> str:
        return f"1100000000000000000{self.number:02}"

    @property
    def facebook_id(self) -> str:
        return f"101600000000000{self.number:02}"


_VERIFIED = Persona(
    key="verified",
    number=1,
    shows="everything, and a verified address",
    first_name="Vera",
    last_name="Fielding",
    initials="V F",
    email="vera@example.com",
    birthday=date(1990, 4, 12),
    gender="female",
)
_PERSONAS = (
    _VERIFIED,
    Persona(
        key="second",
        number=2,
        shows="everything, and a long name in many letters",
        first_name="Zoë",
        middle_name="Þórgunnur Aðalheiður",
        last_name="Świętosława-Nguyễn de la Peñarroya y Αλεξανδροπούλου",
        initials="Z S",
        email="zoe.second@example.org",
        birthday=date(1984, 2, 29),
        gender="female",
        locale="is-IS",
    ),
    Persona(
        key="unverified",
        number=3,
        shows="an address that Google has not verified",
        first_name="Umar",
        last_name="Quill",
        initials="U Q",
        email="umar@example.com",
        is_email_verified=False,
    ),
    Persona(
        key="no_email",
        number=4,
        shows="no address and no picture",
        first_name="Noor",
        last_name="Able",
        initials="N A",
        email=None,
        has_picture=False,
    ),
    Persona(
        key="minimal",
        number=5,
        shows="Google: subject and address only; Facebook: id and name only",
        first_name="Mina",
        last_name="Small",
        initials="M S",
        email="mina@example.com",
        has_picture=False,
        is_minimal=True,
    ),
    replace(_VERIFIED, key="renamed", shows="the first one again, with another address", email="vera.new@example.com"),
    Persona(
        key="squatter",
        number=6,
        shows="the address of somebody who has a local account",
        first_name="Sid",
        last_name="Hollow",
        initials="S H",
        email="ada@example.com",
    ),
)


def personas(squatter_email: str, is_squatter_verified: bool) -> Sequence[Persona]:
    """List everybody, with the squatter's address as it is set."""
    return [
        replace(one, email=squatter_email, is_email_verified=is_squatter_verified) if one.key == "squatter" else one
        for one in _PERSONAS
    ]


def initials_of(key: str) -> str | None:
    """Tell what a persona's picture shows; None for one without a picture."""
    return next((one.initials for one in _PERSONAS if one.key == key and one.has_picture), None)
