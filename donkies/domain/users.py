"""Who logs in: people, their profile and their password. Ports UserStore and PasswordHasher."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from .errors import Conflict, DomainError, Invalid, NotFound
from .hashes import hash_of
from .ids import new_id
from .limits import Limit, Limits
from .mailed_links import MailedLinks
from .unit_of_work import Clock, UnitOfWork

SIGNUPS_OF_ADDRESS = Limit("signup-address", 30, 3600)
LOGINS_OF_ACCOUNT_AT_ADDRESS = Limit("login-account-address", 10, 900)
LOGINS_OF_ADDRESS = Limit("login-address", 100, 900)
LOGINS_OF_ACCOUNT = Limit("login-account", 100, 3600)
LOGINS_OF_DEVICE = Limit("login-device", 20, 3600)

PASSWORD_MIN, PASSWORD_MAX = 8, 128
PRODUCT_WORDS = ("donkies", "donkey")
EMAIL = re.compile(
    r"[^@\s<>\"(),:;\\\[\]\x00-\x1f]{1,64}@(?=.{3,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}",
    re.I,
)
LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
CONTROLS = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class EmailTaken(Conflict):
    """Somebody has this address already."""

    code = "email_taken"


class LoginRefused(DomainError):
    """The address or the password is wrong; which of the two is not told."""

    code = "login_refused"


@dataclass(eq=False, kw_only=True)
class User:
    """A person.

    Args:
        email: as typed; `email_key` is what is compared.
        password_hash: None for somebody who only comes through Google or Facebook.
    """

    id: UUID
    email: str = field(repr=False)
    email_key: str = field(repr=False)
    email_verified: bool = False
    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    birthday: date | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)
    locale: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    is_disabled: bool = False
    created_at: datetime
    updated_at: datetime

    @property
    def has_password(self) -> bool:
        return self.password_hash is not None


@dataclass(frozen=True, slots=True)
class PasswordShown:
    """Somebody who has shown their password.

    Args:
        password_mark: of the password that it was held against; when the session begins it must be the same still.
    """

    user_id: UUID
    password_mark: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person's profile shows, outside a unit of work."""

    id: UUID
    first_name: str
    last_name: str
    email: str = field(repr=False)
    email_verified: bool
    birthday: date | None
    picture: str | None
    locale: str | None
    has_password: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> Profile:
        return cls(**{name: getattr(user, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody typed to sign up; not checked yet."""

    first_name: str
    last_name: str
    email: str = field(repr=False)
    birthday: str
    password: str | None = field(default=None, repr=False)
    locale: str | None = None


class UserStore(Protocol):
    """Keeps people; all within a unit of work."""

    def add(self, user: User) -> None:
        """Raises: EmailTaken."""
        ...

    def find(self, user_id: UUID) -> User | None: ...

    def find_locked(self, user_id: UUID) -> User | None:
        """The same as it is now, and it stays so for others until the unit of work ends."""
        ...

    def find_by_email(self, email_key: str) -> User | None: ...

    def change_email(self, user: User, email: str, email_key: str) -> None:
        """Raises: EmailTaken."""
        ...

    def find_for_removal(self, user_id: UUID) -> User | None:
        """As `find`, and until the unit of work ends nothing can be made that belongs to this person."""
        ...

    def remove(self, user_id: UUID) -> None:
        """Delete the person and all that belongs to them."""
        ...

    def replace_password(self, user_id: UUID, known: str, new: str) -> bool:
        """Put a password's hash in place of the known one, in one conditional statement.

        Returns: whether the known one was still there; else nothing is changed.
        """
        ...


class PasswordHasher(Protocol):
    """Slow on purpose: never called while a unit of work is open."""

    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password fits; without a hash it takes as long and says no."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than are used now."""
        ...


class KnownPasswords(Protocol):
    """Knows the passwords that are tried first; asks nobody over the network."""

    def holds(self, password: str) -> bool:
        """Whether it is one of them, or so near to one that a guesser comes by it soon."""
        ...


class KnownDevices(Protocol):
    """Tells browsers that logged in to an account before, so that guesses made elsewhere do not lock them out."""

    def mark(self, account: str) -> str:
        """What such a browser is given to keep; it names nobody."""
        ...

    def knows(self, mark: str, account: str) -> bool: ...


def mark_of(password_hash: str | None) -> str:
    """Changes with the password, also when there is none, and tells nothing of it."""
    return hash_of(password_hash or "").hex()


def email_key(email: str) -> str:
    """What is compared of an address: trimmed, in lower case."""
    return email.strip().casefold()


@dataclass
class UserService:
    """Signs people up and keeps their profile."""

    unit_of_work: UnitOfWork
    users: UserStore
    hasher: PasswordHasher
    known_passwords: KnownPasswords
    limits: Limits
    links: MailedLinks
    clock: Clock

    def sign_up(
        self,
        typed: SignUp,
        *,
        address: str | None = None,
        password_required: bool = True,
        mail_link: bool = False,
        is_proved: bool = False,
        picture: str | None = None,
        before: Callable[[], None] | None = None,
        after: Callable[[UUID], None] | None = None,
    ) -> UUID:
        """Make a local account.

        Args:
            address: where the request came from, to limit; None for a trusted client or the command line.
            mail_link: whether the person gets a letter that asks to verify the address.
            is_proved: whether it is known already that the address is the person's own.
            before, after: what belongs to it, in the same unit of work, before and after the account is there.
        Returns: the person's id.
        Raises: Invalid with every bad field; EmailTaken; TooMany.
        """
        today = self.clock.now().date()
        bad = _bad_profile({"first_name": typed.first_name, "last_name": typed.last_name, "locale": typed.locale})
        birthday, problem = read_birthday(typed.birthday, today)
        bad |= problem | bad_email(typed.email)
        if password_required or typed.password:
            bad |= bad_password(typed.password or "", typed.email, self.known_passwords)
        if bad:
            raise Invalid("Some fields cannot be used; see errors.", bad)
        if address is not None:
            self.limits.spend(SIGNUPS_OF_ADDRESS, address)
        password_hash = self.hasher.hash(typed.password) if typed.password else None
        now = self.clock.now()
        user = User(
            id=new_id(),
            email=typed.email.strip(),
            email_key=email_key(typed.email),
            email_verified=is_proved,
            first_name=typed.first_name.strip(),
            last_name=typed.last_name.strip(),
            birthday=birthday,
            picture=picture,
            locale=typed.locale,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
        )
        with self.unit_of_work:
            if before:
                before()
            self.users.add(user)
            if mail_link:
                self.links.mail("verify", user.id, user.email)
            if after:
                after(user.id)
        return user.id

    def profile(self, user_id: UUID) -> Profile:
        """Raises: NotFound."""
        with self.unit_of_work:
            return Profile.of(self._find(user_id))

    def profile_by_email(self, email: str) -> Profile:
        """Raises: NotFound."""
        with self.unit_of_work:
            user = self.users.find_by_email(email_key(email))
            if user is None:
                raise NotFound("There is no such person.")
            return Profile.of(user)

    def change_profile(self, user_id: UUID, changes: dict[str, Any]) -> Profile:
        """Change some of first_name, last_name, birthday (ISO 8601 text) and locale.

        Raises: Invalid with every bad field; NotFound.
        """
        now, changes = self.clock.now(), dict(changes)
        bad = _bad_profile(changes)
        if "birthday" in changes:
            changes["birthday"], problem = read_birthday(changes["birthday"] or "", now.date())
            bad |= problem
        if bad:
            raise Invalid("Some fields cannot be used; see errors.", bad)
        with self.unit_of_work:
            user = self._find(user_id)
            for name, value in changes.items():
                setattr(user, name, value.strip() if isinstance(value, str) else value)
            user.updated_at = now
            return Profile.of(user)

    def _find(self, user_id: UUID) -> User:
        user = self.users.find(user_id)
        if user is None or user.is_disabled:
            raise NotFound("There is no such person.")
        return user


@dataclass
class LoginService:
    """Checks passwords, alike for known and unknown addresses (OWASP ASVS 5.0, 6.3.8)."""

    unit_of_work: UnitOfWork
    users: UserStore
    hasher: PasswordHasher
    limits: Limits
    devices: KnownDevices

    def log_in(self, email: str, password: str, *, address: str, device: str = "") -> PasswordShown:
        """Who this is.

        Args:
            address: where the request came from.
            device: the mark that the browser was given by ArrivalService; what it is limited by is its own.
        Raises: LoginRefused; TooMany.
        """
        key = email_key(email)
        is_known = bool(device) and self.devices.knows(device, key)
        if is_known:
            self.limits.spend(LOGINS_OF_DEVICE, device)
        else:
            self.limits.spend(LOGINS_OF_ADDRESS, address)
            self.limits.spend(LOGINS_OF_ACCOUNT_AT_ADDRESS, key, address)
            self.limits.spend(LOGINS_OF_ACCOUNT, key)
        with self.unit_of_work:
            # what is no address is looked for neither: PostgreSQL would choke on some of what strangers send
            user = None if CONTROLS.search(key) else self.users.find_by_email(key)
            user_id, stored = (user.id, user.password_hash) if user and not user.is_disabled else (None, None)
        # a password that is too long is hashed all the same: the time must not tell
        if not self.hasher.verify(stored, password[: PASSWORD_MAX * 8]) or user_id is None or stored is None:
            raise LoginRefused("The e-mail address or the password is wrong.")
        if not is_known:  # else its owner's log-ins would give a guesser beside them new tries
            self.limits.forget(LOGINS_OF_ACCOUNT_AT_ADDRESS, key, address)
        if self.hasher.is_outdated(stored):
            stored = self._renew(user_id, stored, password)
        return PasswordShown(user_id, mark_of(stored))

    def _renew(self, user_id: UUID, stored: str, password: str) -> str:
        """Hash a password anew. Returns: what is stored now, which may be what another log-in made of it.

        Raises: LoginRefused when that is another password.
        """
        renewed = self.hasher.hash(password)
        with self.unit_of_work:
            if self.users.replace_password(user_id, stored, renewed):
                return renewed
            user = self.users.find_locked(user_id)
            found = user.password_hash if user is not None else None
        if found is None or not self.hasher.verify(found, password):
            raise LoginRefused("The e-mail address or the password is wrong.")
        return found


def _bad_profile(values: dict[str, Any]) -> dict[str, str]:
    bad: dict[str, str] = {}
    for name in ("first_name", "last_name"):
        if name not in values:
            continue
        value = (values[name] or "").strip()
        if not value:
            bad[name] = "Enter your first name." if name == "first_name" else "Enter your last name."
        elif len(value) > 100:
            bad[name] = "Use at most 100 characters."
        elif CONTROLS.search(value):
            bad[name] = "Use no control characters."
    if (locale := values.get("locale")) and not LOCALE.fullmatch(locale):
        bad["locale"] = "Give a language tag such as en or en-GB."
    return bad


def bad_email(email: str) -> dict[str, str]:
    """What is wrong with an address, under `email`; nothing when mail can be sent there."""
    email = email.strip()
    if not email:
        return {"email": "Enter your e-mail address."}
    if len(email) > 254 or not EMAIL.fullmatch(email) or ".." in email or email.split("@")[0].strip(".") == "":
        return {"email": "Enter an e-mail address such as name@example.com."}
    return {}


def read_birthday(typed: str, today: date) -> tuple[date | None, dict[str, str]]:
    """A birthday of ISO 8601 text, and what is wrong with it, under `birthday`."""
    try:
        birthday = date.fromisoformat(typed.strip())
    except ValueError:
        return None, {"birthday": "Enter your birthday as year, month and day, such as 1990-12-31."}
    if birthday.year < 1900 or birthday >= today:
        return None, {"birthday": "Enter the day you were born, after 1900 and before today."}
    years = today.year - birthday.year - ((today.month, today.day) < (birthday.month, birthday.day))
    if years < 13:
        return None, {"birthday": "You must be at least 13 years old."}
    return birthday, {}


def bad_password(password: str, email: str, known: KnownPasswords) -> dict[str, str]:
    """What is wrong with a new password, under `password`; nothing when it can be used.

    Source: OWASP ASVS 5.0, 6.2.
    """
    folded = password.casefold()
    mailbox, _, domain = email_key(email).partition("@")
    own = [email_key(email), *(word for word in (mailbox, domain.rpartition(".")[0]) if len(word) >= 6)]
    if len(password) < PASSWORD_MIN:
        problem = f"Use at least {PASSWORD_MIN} characters."
    elif len(password) > PASSWORD_MAX:
        problem = f"Use at most {PASSWORD_MAX} characters."
    elif known.holds(password) or len(set(password)) < 3:
        problem = "This password is among the first that are tried. Choose another."
    elif any(word in folded for word in PRODUCT_WORDS):
        problem = "Choose a password without this service's name."
    elif any(word and word in folded for word in own):
        problem = "Choose a password without your e-mail address."
    else:
        return {}
    return {"password": problem}
