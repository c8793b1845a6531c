"""People in SQL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ...domain.users import EmailTaken, User
from .tables import identity
from .unit_of_work import ZopeUnitOfWork


class SqlUserStore:
    """UserStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, user: User) -> None:
        session = self._unit_of_work.session
        session.add(user)
        try:
            session.flush()
        except IntegrityError as error:
            if "email_key" in str(error.orig):
                raise EmailTaken("Somebody has this e-mail address already.") from None
            raise

    def find(self, user_id: UUID) -> User | None:
        return self._unit_of_work.session.get(User, user_id)

    def find_by_email(self, email_key: str) -> User | None:
        statement = select(User).where(identity.users.c.email_key == email_key)
        return self._unit_of_work.session.scalars(statement).one_or_none()
