"""People's rows and mail as tests look at them, and ways into an account as a squatter leaves them behind."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..adapters.persistence.squats import PLANTED
from ..adapters.persistence.tables import identity
from .app import DonkiesTestApp, Person


def mailed_link(app: DonkiesTestApp, to: str, page: str) -> str:
    """The path and query of the newest link to a page that was mailed to somebody."""
    address = re.escape(app.settings.public_url)
    found = [re.search(rf"^{address}({page}\?token=\S+)$", mail.text, re.M) for mail in app.mails(to)]
    return [match[1] for match in found if match][-1]


def subjects(app: DonkiesTestApp, to: str) -> list[str]:
    """Of the mails to somebody, the oldest first."""
    return [mail.subject for mail in app.mails(to)]


def user_row(app: DonkiesTestApp, user_id: UUID) -> Any:
    with app.engine().connect() as connection:
        return connection.execute(sa.select(identity.users).where(identity.users.c.id == user_id)).one()


def set_user(app: DonkiesTestApp, person: Person, **values: Any) -> None:
    """Change a person's row as no service would: `set_user(app, person, email_verified=True)`."""
    with app.engine().begin() as connection:
        connection.execute(sa.update(identity.users).where(identity.users.c.id == person.id).values(**values))


def is_logged_in(browser: DonkiesTestApp) -> bool:
    """Whether somebody is, in this browser."""
    return not re.search(r"/login$", browser.get("/email", status="*").headers.get("Location", "").partition("?")[0])


def plant(app: DonkiesTestApp, user_id: UUID) -> None:
    """Leave an identity at Google, an authenticator, a recovery code and a passkey behind."""
    now = {"user_id": user_id, "created_at": sa.func.current_timestamp()}
    google = {"provider": "google", "subject": "1", "updated_at": now["created_at"]}
    passkey = {"credential_id": b"c", "public_key": b"k", "sign_count": 0, "name": "", "transports": ""}
    with app.engine().begin() as connection:
        connection.execute(sa.insert(identity.external_identities).values(now | google))
        connection.execute(sa.insert(identity.totp_secrets).values(now | {"secret": "JBSWY3DP", "last_step": 0}))
        connection.execute(sa.insert(identity.recovery_codes).values(now | {"code_hash": b"r" * 32}))
        connection.execute(sa.insert(identity.passkeys).values(now | passkey | {"is_synced": False}))


def planted(app: DonkiesTestApp, user_id: UUID) -> set[str]:
    """The tables of ways in that have a row of this account's."""
    found = set()
    with app.engine().connect() as connection:
        for table in PLANTED:
            if connection.execute(sa.select(table.c.user_id).where(table.c.user_id == user_id)).first():
                found.add(table.name)
    return found
