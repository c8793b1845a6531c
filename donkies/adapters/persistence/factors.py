"""Second factors in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.factors import CodeSecret, Passkey, PasskeyKnown, PasskeyUse
from .tables.identity import passkeys, recovery_codes, totp_secrets
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

secrets = totp_secrets.c
codes = recovery_codes.c


class SqlFactorStore:
    """FactorStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def passkeys_of(self, user_id: UUID) -> Sequence[Passkey]:
        query = select(passkeys).where(passkeys.c.user_id == user_id)
        query = query.order_by(passkeys.c.created_at, passkeys.c.credential_id)
        return [_passkey(row) for row in self._unit_of_work.session.execute(query)]

    def find_passkey(self, credential_id: bytes) -> Passkey | None:
        query = select(passkeys).where(passkeys.c.credential_id == credential_id)
        row = self._unit_of_work.session.execute(query).first()
        return None if row is None else _passkey(row)

    def add_passkey(self, passkey: Passkey) -> None:
        row = {name: getattr(passkey, name) for name in Passkey.__slots__}
        row["transports"] = " ".join(passkey.transports)[:100]
        try:
            self._unit_of_work.session.execute(passkeys.insert().values(row))
        except IntegrityError:
            raise PasskeyKnown("This passkey was added before.") from None

    def rename_passkey(self, user_id: UUID, credential_id: bytes, name: str) -> bool:
        return self._did(update(passkeys).where(*_is(user_id, credential_id)).values(name=name))

    def note_use(self, passkey: Passkey, use: PasskeyUse, now: datetime) -> bool:
        is_as_read = (passkeys.c.sign_count == passkey.sign_count, *_is(passkey.user_id, passkey.credential_id))
        values = {"sign_count": use.sign_count, "is_synced": use.is_synced, "last_used_at": now}
        return self._did(update(passkeys).where(*is_as_read).values(values))

    def remove_passkey(self, user_id: UUID, credential_id: bytes) -> bool:
        return self._did(delete(passkeys).where(*_is(user_id, credential_id)))

    def secret_of(self, user_id: UUID) -> CodeSecret | None:
        query = select(secrets.secret, secrets.last_step, secrets.created_at, secrets.confirmed_at)
        row = self._unit_of_work.session.execute(query.where(secrets.user_id == user_id)).first()
        return None if row is None else CodeSecret(*row)

    def put_secret(self, user_id: UUID, secret: str, now: datetime) -> bool:
        row = {"secret": secret, "last_step": 0, "created_at": now}
        statement = insert(self._unit_of_work.session, totp_secrets).values(user_id=user_id, **row)
        statement = statement.on_conflict_do_update(
            index_elements=["user_id"], set_=row, where=secrets.confirmed_at.is_(None)
        )
        # its rowcount says nothing on PostgreSQL
        return self._unit_of_work.session.execute(statement.returning(secrets.user_id)).first() is not None

    def confirm_secret(self, user_id: UUID, created_at: datetime, step: int, now: datetime) -> bool:
        waits = (secrets.user_id == user_id, secrets.created_at == created_at, secrets.confirmed_at.is_(None))
        return self._did(update(totp_secrets).where(*waits).values(confirmed_at=now, last_step=step))

    def take_step(self, user_id: UUID, step: int) -> bool:
        unused = (secrets.user_id == user_id, secrets.last_step < step, secrets.confirmed_at.is_not(None))
        return self._did(update(totp_secrets).where(*unused).values(last_step=step))

    def remove_secret(self, user_id: UUID) -> bool:
        return self._did(delete(totp_secrets).where(secrets.user_id == user_id))

    def put_recovery_codes(self, user_id: UUID, hashes: Sequence[bytes], now: datetime) -> None:
        session = self._unit_of_work.session
        session.execute(delete(recovery_codes).where(codes.user_id == user_id))
        if hashes:
            rows = [{"user_id": user_id, "code_hash": one, "created_at": now} for one in hashes]
            session.execute(recovery_codes.insert(), rows)

    def take_recovery_code(self, user_id: UUID, code_hash: bytes) -> bool:
        return self._did(delete(recovery_codes).where(codes.user_id == user_id, codes.code_hash == code_hash))

    def count_recovery_codes(self, user_id: UUID) -> int:
        query = select(func.count()).where(codes.user_id == user_id)
        return self._unit_of_work.session.execute(query).scalar_one()

    def _did(self, statement: Any) -> bool:
        return bool(self._unit_of_work.session.execute(statement).rowcount)  # type: ignore[attr-defined]


def _is(user_id: UUID, credential_id: bytes) -> tuple[Any, ...]:
    return passkeys.c.user_id == user_id, passkeys.c.credential_id == credential_id


def _passkey(row: Row[Any]) -> Passkey:
    values = dict(row._mapping)
    return Passkey(**values | {"transports": tuple(values["transports"].split())})
