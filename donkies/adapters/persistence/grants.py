"""Codes and token families in SQL: plain statements, no entities, for these are the busiest writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Engine,
    LargeBinary,
    String,
    Table,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...domain.grants import AuthorizationCode, ClientGone, TokenFamily
from ...domain.tokens import ACCESS_TOKEN_S, CLIENT_TOKENS_LATE_S
from .purging import delete_batch
from .quick import QuickStatements
from .tables.identity import (
    authorization_codes,
    browser_sessions,
    clients,
    revoked_access_tokens,
    token_families,
    users,
)
from .types import UtcDateTime, database_now
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

CODE = [column for column in authorization_codes.c if column.name not in ("code_hash", "used_at")]
FAMILY = [column for column in token_families.c if column.name != "revoked_reason"]

NOW, SEALED = bindparam("now", type_=UtcDateTime()), bindparam("sealed", type_=LargeBinary())
PRESENTED, SUCCESSOR = bindparam("presented", type_=LargeBinary()), bindparam("successor", type_=LargeBinary())

USE_CODE = (
    update(authorization_codes)
    .where(
        authorization_codes.c.code_hash == bindparam("hash"),
        authorization_codes.c.client_id == bindparam("client"),
        authorization_codes.c.used_at.is_(None),
        authorization_codes.c.expires_at > NOW,
        or_(
            authorization_codes.c.session_hash.is_(None),
            exists().where(browser_sessions.c.id_hash == authorization_codes.c.session_hash),
        ),
        exists().where(users.c.id == authorization_codes.c.user_id, users.c.is_disabled.is_(False)),
    )
    .values(used_at=NOW)
    .returning(*CODE)
)
ROTATE = (
    update(token_families)
    .where(
        token_families.c.id == bindparam("family"),
        token_families.c.current_hash == PRESENTED,
        token_families.c.client_id == bindparam("client"),
        token_families.c.revoked_at.is_(None),
        token_families.c.expires_at > NOW,
        exists().where(users.c.id == token_families.c.user_id, users.c.is_disabled.is_(False)),
    )
    .values(
        current_hash=SUCCESSOR,
        previous_hash=PRESENTED,
        superseded_at=NOW,
        successor_sealed=SEALED,
    )
    .returning(*FAMILY)
)
FIND_FAMILY = select(*FAMILY).where(token_families.c.id == bindparam("family"))


class SqlRotations:
    """Rotations in autocommit: one round trip, no session, no entity."""

    def __init__(self, engine: Engine) -> None:
        # run again after a cut, the rotation finds its own successor in place: the retry window gives that one
        self._statements = QuickStatements(engine)

    def rotate(
        self, family_id: UUID, client_id: str, presented: bytes, successor: bytes, sealed: bytes, now: datetime
    ) -> TokenFamily | None:
        given = {
            "family": family_id,
            "client": client_id,
            "presented": presented,
            "successor": successor,
            "sealed": sealed,
            "now": now,
        }
        row = self._statements.first(ROTATE, **given)
        return None if row is None else TokenFamily(**_fields(row))

    def find(self, family_id: UUID) -> TokenFamily | None:
        row = self._statements.first(FIND_FAMILY, family=family_id)
        return None if row is None else TokenFamily(**_fields(row))


class SqlGrantStore:
    """GrantStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None:
        row = {"code_hash": code_hash, "used_at": None, **_row(code, CODE)}
        try:
            self._unit_of_work.session.execute(authorization_codes.insert(), row)
        except IntegrityError:  # readers of clients may be seconds behind
            raise ClientGone("The app that sent you here is not registered any more.") from None

    def use_code(self, code_hash: bytes, client_id: str, now: datetime) -> AuthorizationCode | None:
        given = {"hash": code_hash, "client": client_id, "now": now}
        row = self._unit_of_work.session.execute(USE_CODE, given).first()
        return None if row is None else AuthorizationCode(**_fields(row._mapping))

    def family_of_used_code(self, code_hash: bytes, client_id: str) -> UUID | None:
        statement = select(authorization_codes.c.family_id).where(
            authorization_codes.c.code_hash == code_hash,
            authorization_codes.c.client_id == client_id,
            authorization_codes.c.used_at.is_not(None),
        )
        return self._unit_of_work.session.execute(statement).scalar_one_or_none()

    def add_family(self, family: TokenFamily) -> None:
        self._unit_of_work.session.execute(token_families.insert(), _row(family, FAMILY))

    def find_family(self, family_id: UUID) -> TokenFamily | None:
        statement = select(*FAMILY).where(token_families.c.id == family_id)
        row = self._unit_of_work.session.execute(statement).first()
        return None if row is None else TokenFamily(**_fields(row._mapping))

    def revoke_family(self, family_id: UUID, reason: str) -> bool:
        return bool(self._revoke(token_families.c.id == family_id, reason))

    def revoke_families_of(self, user_id: UUID, reason: str, *, but: bytes | None = None) -> Sequence[UUID]:
        self._end_codes(_theirs(authorization_codes, user_id, but))
        return self._revoke(_theirs(token_families, user_id, but), reason)

    def end_families_for_good(self, user_id: UUID, reason: str) -> Sequence[UUID]:
        families = token_families.c
        self._revoke(families.user_id == user_id, reason)
        self._keep_in_mind(families.user_id == user_id)
        theirs = select(families.id).where(families.user_id == user_id, _may_have_live_tokens())
        return self._unit_of_work.session.execute(theirs).scalars().all()

    def revoke_families_of_session(self, session_hash: bytes, reason: str) -> Sequence[UUID]:
        self._end_codes(authorization_codes.c.session_hash == session_hash)
        return self._revoke(token_families.c.session_hash == session_hash, reason)

    def move_session(self, session_hash: bytes, to: bytes, user_id: UUID) -> None:
        for table in (authorization_codes, token_families):
            theirs = (table.c.session_hash == session_hash, table.c.user_id == user_id)
            self._unit_of_work.session.execute(update(table).where(*theirs).values(session_hash=to))

    def revoke_families_between(self, user_id: UUID, client_id: str, reason: str) -> Sequence[UUID]:
        codes, families = authorization_codes.c, token_families.c
        self._end_codes(and_(codes.user_id == user_id, codes.client_id == client_id))
        return self._revoke(and_(families.user_id == user_id, families.client_id == client_id), reason)

    def revoke_families_of_client(self, client_id: str, reason: str) -> Sequence[UUID]:
        self._end_codes(authorization_codes.c.client_id == client_id)
        ended = self._revoke(token_families.c.client_id == client_id, reason)
        self._keep_in_mind(token_families.c.client_id == client_id)
        return ended

    def is_user_disabled(self, user_id: UUID) -> bool:
        statement = select(users.c.is_disabled).where(users.c.id == user_id)
        return self._unit_of_work.session.execute(statement).scalar_one_or_none() is not False

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        session = self._unit_of_work.session
        statement = insert(session, revoked_access_tokens).values(
            jti=jti, revoked_at=database_now(), expires_at=expires_at
        )
        # the newest counts: every process asks for what was revoked since
        newest = {"revoked_at": database_now(), "expires_at": statement.excluded.expires_at}
        session.execute(statement.on_conflict_do_update(index_elements=["jti"], set_=newest))

    def is_client_token_live(self, client_id: str, jti: str, issued_at: datetime | None = None) -> bool:
        tokens = revoked_access_tokens.c
        all_of_client = tokens.jti == client_id
        if issued_at is not None:
            late = timedelta(seconds=CLIENT_TOKENS_LATE_S)
            all_of_client = and_(all_of_client, tokens.revoked_at >= issued_at - late)
        statement = select(clients.c.client_id).where(
            clients.c.client_id == client_id, ~exists().where(or_(tokens.jti == jti, all_of_client))
        )
        return self._unit_of_work.session.execute(statement).first() is not None

    def erase_successors(self, before: datetime) -> int:
        stale = (token_families.c.superseded_at < before, token_families.c.successor_sealed.is_not(None))
        return self._execute(update(token_families).where(*stale).values(successor_sealed=None))

    def purge(self, before: datetime) -> int:
        codes, families, tokens = authorization_codes.c, token_families.c, revoked_access_tokens.c
        over = or_(families.expires_at < before, families.revoked_at < before)
        return (
            self._execute(delete_batch(codes.expires_at < before, codes.code_hash))
            + self._execute(delete_batch(over, families.id))
            + self._execute(delete_batch(tokens.expires_at < before, tokens.jti))
        )

    def _keep_in_mind(self, which: ColumnElement[bool]) -> None:
        """Note families whose access tokens may still live where it outlasts their rows."""
        ids = cast(token_families.c.id, String).label("jti")
        live = select(ids, database_now(), database_now(ACCESS_TOKEN_S)).where(which, _may_have_live_tokens())
        session = self._unit_of_work.session
        statement = insert(session, revoked_access_tokens).from_select(["jti", "revoked_at", "expires_at"], live)
        session.execute(statement.on_conflict_do_nothing())

    def _end_codes(self, which: ColumnElement[bool]) -> None:
        # before the families: an exchange that is under way is waited for here, and its family then seen
        self._execute(
            update(authorization_codes)
            .where(which, authorization_codes.c.used_at.is_(None))
            .values(used_at=database_now())
        )

    def _revoke(self, which: ColumnElement[bool], reason: str) -> Sequence[UUID]:
        # by the database's clock: every process asks it for what was revoked since
        statement = (
            update(token_families)
            .where(which, token_families.c.revoked_at.is_(None))
            .values(revoked_at=database_now(), revoked_reason=reason, successor_sealed=None)
            .returning(token_families.c.id)
        )
        return self._unit_of_work.session.execute(statement).scalars().all()

    def _execute(self, statement: Any) -> int:
        session = self._unit_of_work.session
        session.flush()
        return session.execute(statement).rowcount  # type: ignore[attr-defined,no-any-return]


def _theirs(table: Table, user_id: UUID, but: bytes | None) -> ColumnElement[bool]:
    """A person's rows, less those of one session."""
    theirs = table.c.user_id == user_id
    return theirs if but is None else and_(theirs, or_(table.c.session_hash.is_(None), table.c.session_hash != but))


def _may_have_live_tokens() -> ColumnElement[bool]:
    last_used = func.coalesce(token_families.c.superseded_at, token_families.c.created_at)
    return last_used > database_now(-ACCESS_TOKEN_S - 60)


def _row(value: Any, columns: list[Any]) -> dict[str, Any]:
    row = {column.name: getattr(value, column.name) for column in columns}
    return row | {"scopes": " ".join(value.scopes)}


def _fields(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {**row, "scopes": tuple(row["scopes"].split())}
