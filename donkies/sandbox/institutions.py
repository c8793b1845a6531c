"""The institutions that the sandbox offers, and what their login forms ask for.

Source: ATRIUM.md 2.2, 2.3, 4.1; DESIGN.md 11.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from .wire import derived_guid

THROTTLE_S = 3 * 60 * 60


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a login form."""

    guid: str
    field_name: str
    label: str
    type: str

    def to_wire(self, display_order: int) -> dict[str, Any]:
        return {
            "guid": self.guid,
            "field_name": self.field_name,
            "label": self.label,
            "type": self.type,
            "display_order": display_order,
        }


@dataclass(frozen=True, slots=True)
class Institution:
    """A pretended bank.

    Args: throttle_s, how long after a job another is not started, 0 for never; is_down, every job
        ends as if the bank could not be reached; logo, `none` for a bank without one, `broken` for one whose
        addresses give no picture.
    """

    code: str
    name: str
    url: str
    fields: tuple[Field, ...]
    throttle_s: int = 0
    is_down: bool = False
    supports_oauth: bool = False
    supports_account_verification: bool = False
    logo: Literal["picture", "none", "broken"] = "picture"

    def to_wire(self, base_url: str) -> dict[str, Any]:
        has_logo = self.logo != "none"
        return {
            "code": self.code,
            "name": self.name,
            "url": self.url,
            "small_logo_url": f"{base_url}/logos/50x50/{self.code}.png" if has_logo else None,
            "medium_logo_url": f"{base_url}/logos/100x100/{self.code}.png" if has_logo else None,
            "supports_account_identification": False,
            "supports_account_statement": False,
            "supports_account_verification": self.supports_account_verification,
            "supports_transaction_history": False,
            "supports_oauth": self.supports_oauth,
        }

    def form(self) -> list[dict[str, Any]]:
        """List the credentials that a member of this institution must bring."""
        return [field.to_wire(order) for order, field in enumerate(self.fields, start=1)]


def _login_fields(code: str) -> tuple[Field, Field]:
    return (
        Field(derived_guid("CRD", code, "LOGIN"), "LOGIN", "Username", "LOGIN"),
        Field(derived_guid("CRD", code, "PASSWORD"), "PASSWORD", "Password", "PASSWORD"),
    )


_MXBANK_FIELDS = (  # MX's own GUIDs: clients in the wild have them written down
    Field("CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1", "LOGIN", "Username", "LOGIN"),
    Field("CRD-e3d7ea81-aac7-05e9-fbdd-4b493c6e474d", "PASSWORD", "Password", "PASSWORD"),
)


def _third_fields(code: str) -> tuple[Field, ...]:
    member_number = Field(derived_guid("CRD", code, "NUMBER"), "MEMBER_NUMBER", "Member number", "TEXT")
    return (*_login_fields(code), member_number)


_TEST_BANKS = (
    Institution("mxbank", "MX Bank", "https://www.mx.com", _MXBANK_FIELDS, supports_account_verification=True),
    Institution(
        "mxbank_throttled",
        "MX Bank Throttled",
        "https://throttled.example",
        _login_fields("mxbank_throttled"),
        throttle_s=THROTTLE_S,
    ),
    Institution("mxbank_down", "MX Bank Down", "https://down.example", _login_fields("mxbank_down"), is_down=True),
    Institution(
        "mxbank_three_fields",
        "MX Bank Three Fields",
        "https://three-fields.example",
        _third_fields("mxbank_three_fields"),
        logo="none",
    ),
    Institution("mxbank_oauth", "MX Bank OAuth", "https://oauth.example", (), supports_oauth=True),
)

_PLACES = (
    "Amberwick", "Birchmere", "Copperleaf", "Dunmarrow", "Elderglen", "Fernhollow", "Gullcrest",
    "Hazelmoor", "Ironbrook", "Juniper Pass", "Kestrel Bay", "Larkspur Hollow", "Mossbridge", "Northfold",
    "Otterford", "Pinewarden", "Quillhaven", "Rookery Point", "Saltmarrow", "Thistledown", "Umberfield",
    "Violet Ridge", "Wrenfield", "Yarrow Creek", "Zephyr Cove",
)  # fmt: skip
_KINDS = ("Federal Credit Union", "Savings Bank", "Community Bank", "Trust Company")
_KIND_WITHOUT_LOGOS = "Trust Company"
_BROKEN_LOGO = "Zephyr Cove Community Bank"


def _invented(place: str, kind: str) -> Institution:
    name = f"{place} {kind}"
    code = re.sub(r"[^a-z]+", "_", name.lower())
    logo: Literal["picture", "none", "broken"] = "none" if kind == _KIND_WITHOUT_LOGOS else "picture"
    if name == _BROKEN_LOGO:
        logo = "broken"
    return Institution(code, name, f"https://{code.replace('_', '-')}.example", _login_fields(code), logo=logo)


INSTITUTIONS: dict[str, Institution] = {
    institution.code: institution
    for institution in (*_TEST_BANKS, *(_invented(place, kind) for place in _PLACES for kind in _KINDS))
}


def search(name: str, flags: dict[str, bool]) -> list[Institution]:
    """Find institutions by part of their name, whatever its case, and by `supports_…` flags.

    The test bank comes first, the others by name: people look for it first.
    """
    found = [i for i in INSTITUTIONS.values() if name.casefold() in i.name.casefold()]
    for flag, wanted in flags.items():
        found = [i for i in found if i.to_wire("")[flag] is wanted]
    return found
