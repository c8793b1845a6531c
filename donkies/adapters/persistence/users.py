"""People in SQL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.users import EmailTaken, User
from .tables import identity
from .unit_of_work import ZopeUnitOfWork


class SqlUserStore:
    """UserStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, user: User) -> None:
        self._unit_of_work.session.add(user)
        self._flush()

    def find(self, user_id: UUID) -> User | None:
        return self._unit_of_work.session.get(User, user_id)

    def find_locked(self, user_id: UUID) -> User | None:
        # not FOR UPDATE: who exchanges a code holds it and then refers to the person, whose codes may be ended here
        key_share = {"key_share": True}
        return self._unit_of_work.session.get(User, user_id, with_for_update=key_share, populate_existing=True)

    def find_by_email(self, email_key: str) -> User | None:
        statement = select(User).where(identity.users.c.email_key == email_key)
        return self._unit_of_work.session.scalars(statement).one_or_none()

    def find_for_removal(self, user_id: UUID) -> User | None:
        # the strongest lock: foreign keys that refer to the row wait for it, too
        return self._unit_of_work.session.get(User, user_id, with_for_update=True, populate_existing=True)

    def remove(self, user_id: UUID) -> None:
        session = self._unit_of_work.session
        session.flush()
        session.expunge_all()  # what it holds of theirs is gone with the row, by the foreign keys
        session.execute(delete(identity.users).where(identity.users.c.id == user_id))

    def replace_password(self, user_id: UUID, known: str, new: str) -> bool:
        users = identity.users.c
        statement = update(identity.users).where(users.id == user_id, users.password_hash == known)
        replaced = self._unit_of_work.session.execute(statement.values(password_hash=new))
        return bool(replaced.rowcount)  # type: ignore[attr-defined]

    def change_email(self, user: User, email: str, email_key: str) -> None:
        user.email, user.email_key = email, email_key
        self._flush()  # at once: another person's row may be given this address next

    def _flush(self) -> None:
        try:
            self._unit_of_work.session.flush()
        except IntegrityError as error:
            if "email_key" in str(error.orig):
                raise EmailTaken("Somebody has this e-mail address already.") from None
            raise
