"""Consents, codes and token families in SQL: plain statements, no entities, for these are the busiest writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, LargeBinary, bindparam, exists, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ...domain.grants import AuthorizationCode, TokenFamily
from .tables.identity import authorization_codes, consents, revoked_access_tokens, token_families, users
from .types import UtcDateTime, database_now
from .unit_of_work import ZopeUnitOfWork

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


class SqlRotations:
    """Rotations in autocommit: one round trip, no session, no entity."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

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
        with self._engine.connect() as connection:
            row = connection.execute(ROTATE, given).first()
        return None if row is None else TokenFamily(**_fields(row._mapping))


class SqlGrantStore:
    """GrantStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def record_consent(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        session = self._unit_of_work.session
        mine = (consents.c.user_id == user_id, consents.c.client_id == client_id)
        known = session.execute(select(consents.c.scopes).where(*mine)).scalar_one_or_none()
        together = " ".join(dict.fromkeys([*(known or "").split(), *scopes]))
        if known == together:
            return
        row = {"user_id": user_id, "client_id": client_id, "scopes": together, "created_at": now, "updated_at": now}
        upsert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        session.execute(
            upsert(consents)
            .values(row)
            .on_conflict_do_update(
                index_elements=["user_id", "client_id"], set_={"scopes": together, "updated_at": now}
            )
        )

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None:
        self._unit_of_work.session.execute(
            insert(authorization_codes), {"code_hash": code_hash, "used_at": None, **_row(code, CODE)}
        )

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
        self._unit_of_work.session.execute(insert(token_families), _row(family, FAMILY))

    def find_family(self, family_id: UUID) -> TokenFamily | None:
        statement = select(*FAMILY).where(token_families.c.id == family_id)
        row = self._unit_of_work.session.execute(statement).first()
        return None if row is None else TokenFamily(**_fields(row._mapping))

    def revoke_family(self, family_id: UUID, reason: str) -> bool:
        return self._revoke(token_families.c.id == family_id, reason) > 0

    def revoke_families_of(self, user_id: UUID, reason: str) -> int:
        return self._revoke(token_families.c.user_id == user_id, reason)

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        session = self._unit_of_work.session
        upsert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        statement = upsert(revoked_access_tokens).values(jti=jti, revoked_at=database_now(), expires_at=expires_at)
        session.execute(statement.on_conflict_do_nothing())

    def erase_successors(self, before: datetime) -> int:
        stale = (token_families.c.superseded_at < before, token_families.c.successor_sealed.is_not(None))
        result = self._unit_of_work.session.execute(update(token_families).where(*stale).values(successor_sealed=None))
        return result.rowcount  # type: ignore[attr-defined,no-any-return]

    def _revoke(self, which: Any, reason: str) -> int:
        # by the database's clock: every process asks it for what was revoked since
        statement = (
            update(token_families)
            .where(which, token_families.c.revoked_at.is_(None))
            .values(revoked_at=database_now(), revoked_reason=reason, successor_sealed=None)
        )
        return self._unit_of_work.session.execute(statement).rowcount  # type: ignore[attr-defined,no-any-return]


def _row(value: Any, columns: list[Any]) -> dict[str, Any]:
    row = {column.name: getattr(value, column.name) for column in columns}
    return row | {"scopes": " ".join(value.scopes)}


def _fields(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {**row, "scopes": tuple(row["scopes"].split())}
