"""Second factors in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ...domain.factors import CodeSecret, Passkey, PasskeyKnown, PasskeyUse
from .identity import MemoryIdentity


class MemoryFactorStore:
    """FactorStore in dicts."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def passkeys_of(self, user_id: UUID) -> Sequence[Passkey]:
        theirs = [passkey for passkey in self._rows.passkeys.values() if passkey.user_id == user_id]
        return sorted(theirs, key=lambda passkey: (passkey.created_at, passkey.credential_id))

    def find_passkey(self, credential_id: bytes) -> Passkey | None:
        return self._rows.passkeys.get(credential_id)

    def add_passkey(self, passkey: Passkey) -> None:
        if passkey.credential_id in self._rows.passkeys:
            raise PasskeyKnown("This passkey was added before.")
        self._rows.passkeys[passkey.credential_id] = passkey

    def rename_passkey(self, user_id: UUID, credential_id: bytes, name: str) -> bool:
        passkey = self._passkey(user_id, credential_id)
        if passkey is not None:
            self._rows.passkeys[credential_id] = replace(passkey, name=name)
        return passkey is not None

    def note_use(self, passkey: Passkey, use: PasskeyUse, now: datetime) -> bool:
        kept = self._passkey(passkey.user_id, passkey.credential_id)
        if kept is None or kept.sign_count != passkey.sign_count:
            return False
        used = replace(kept, sign_count=use.sign_count, is_synced=use.is_synced, last_used_at=now)
        self._rows.passkeys[passkey.credential_id] = used
        return True

    def remove_passkey(self, user_id: UUID, credential_id: bytes) -> bool:
        is_there = self._passkey(user_id, credential_id) is not None
        if is_there:
            del self._rows.passkeys[credential_id]
        return is_there

    def secret_of(self, user_id: UUID) -> CodeSecret | None:
        return self._rows.code_secrets.get(user_id)

    def put_secret(self, user_id: UUID, secret: str, now: datetime) -> bool:
        kept = self.secret_of(user_id)
        if kept is not None and kept.confirmed_at is not None:
            return False
        self._rows.code_secrets[user_id] = CodeSecret(secret, 0, now)
        return True

    def confirm_secret(self, user_id: UUID, created_at: datetime, step: int, now: datetime) -> bool:
        kept = self.secret_of(user_id)
        if kept is None or kept.confirmed_at is not None or kept.created_at != created_at:
            return False
        self._rows.code_secrets[user_id] = replace(kept, confirmed_at=now, last_step=step)
        return True

    def take_step(self, user_id: UUID, step: int) -> bool:
        kept = self.secret_of(user_id)
        if kept is None or kept.confirmed_at is None or kept.last_step >= step:
            return False
        self._rows.code_secrets[user_id] = replace(kept, last_step=step)
        return True

    def remove_secret(self, user_id: UUID) -> bool:
        return self._rows.code_secrets.pop(user_id, None) is not None

    def put_recovery_codes(self, user_id: UUID, hashes: Sequence[bytes], now: datetime) -> None:
        self._rows.recovery_codes[user_id] = set(hashes)

    def take_recovery_code(self, user_id: UUID, code_hash: bytes) -> bool:
        left = self._rows.recovery_codes.get(user_id, set())
        is_there = code_hash in left
        left.discard(code_hash)
        return is_there

    def count_recovery_codes(self, user_id: UUID) -> int:
        return len(self._rows.recovery_codes.get(user_id, ()))

    def _passkey(self, user_id: UUID, credential_id: bytes) -> Passkey | None:
        found = self.find_passkey(credential_id)
        return found if found is not None and found.user_id == user_id else None
