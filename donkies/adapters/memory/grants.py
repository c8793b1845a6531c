"""Grants in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.grants import AuthorizationCode, ClientGone, TokenFamily
from ...domain.tokens import ACCESS_TOKEN_S, CLIENT_TOKENS_LATE_S

if TYPE_CHECKING:
    from .identity import MemoryIdentity


class MemoryGrantStore:
    """GrantStore in dicts."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None:
        if code.client_id not in self._rows.clients:
            raise ClientGone("The app that sent you here is not registered any more.")
        self._rows.codes[code_hash] = code

    def use_code(self, code_hash: bytes, client_id: str, now: datetime) -> AuthorizationCode | None:
        code = self._rows.codes.get(code_hash)
        if code is None or code_hash in self._rows.used_codes or code.client_id != client_id or code.expires_at <= now:
            return None
        if self._rows.users[code.user_id].is_disabled:
            return None
        if code.session_hash is not None and code.session_hash not in self._rows.sessions:
            return None
        self._rows.used_codes.add(code_hash)
        return code

    def family_of_used_code(self, code_hash: bytes, client_id: str) -> UUID | None:
        code = self._rows.codes.get(code_hash)
        used = code is not None and code_hash in self._rows.used_codes and code.client_id == client_id
        return code.family_id if code is not None and used else None

    def add_family(self, family: TokenFamily) -> None:
        self._rows.families[family.id] = family

    def rotate(
        self, family_id: UUID, client_id: str, presented: bytes, successor: bytes, sealed: bytes, now: datetime
    ) -> TokenFamily | None:
        family = self._rows.families.get(family_id)
        if family is None or family.current_hash != presented or family.client_id != client_id:
            return None
        if family.revoked_at is not None or family.expires_at <= now or self._rows.users[family.user_id].is_disabled:
            return None
        family = replace(
            family, current_hash=successor, previous_hash=presented, superseded_at=now, successor_sealed=sealed
        )
        self._rows.families[family_id] = family
        return family

    def find_family(self, family_id: UUID) -> TokenFamily | None:
        return self._rows.families.get(family_id)

    find = find_family  # as Rotations calls it

    def revoke_family(self, family_id: UUID, reason: str) -> bool:
        return bool(self._revoke_families(lambda family: family.id == family_id))

    def revoke_families_of(self, user_id: UUID, reason: str, *, but: bytes | None = None) -> Sequence[UUID]:
        return self._revoke(lambda grant: grant.user_id == user_id and (but is None or grant.session_hash != but))

    def end_families_for_good(self, user_id: UUID, reason: str) -> Sequence[UUID]:
        self._revoke_families(lambda family: family.user_id == user_id)
        since = self._rows.now() - timedelta(seconds=ACCESS_TOKEN_S + 60)
        theirs = [family for family in self._rows.families.values() if family.user_id == user_id]
        ended = [family for family in theirs if (family.superseded_at or family.created_at) > since]
        for family in ended:
            self._rows.revoked_tokens[str(family.id)] = self._rows.now() + timedelta(seconds=ACCESS_TOKEN_S)
        return [family.id for family in ended]

    def revoke_families_of_session(self, session_hash: bytes, reason: str) -> Sequence[UUID]:
        return self._revoke(lambda grant: grant.session_hash == session_hash)

    def move_session(self, session_hash: bytes, to: bytes, user_id: UUID) -> None:
        for rows in (self._rows.codes, self._rows.families):
            for key, grant in list(rows.items()):
                if grant.session_hash == session_hash and grant.user_id == user_id:
                    rows[key] = replace(grant, session_hash=to)

    def revoke_families_between(self, user_id: UUID, client_id: str, reason: str) -> Sequence[UUID]:
        return self._revoke(lambda grant: grant.user_id == user_id and grant.client_id == client_id)

    def revoke_families_of_client(self, client_id: str, reason: str) -> Sequence[UUID]:
        return self._revoke(lambda grant: grant.client_id == client_id)

    def is_user_disabled(self, user_id: UUID) -> bool:
        user = self._rows.users.get(user_id)
        return user is None or user.is_disabled

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        self._rows.revoked_tokens[jti] = expires_at
        self._rows.tokens_revoked_at[jti] = self._rows.now()

    def is_client_token_live(self, client_id: str, jti: str, issued_at: datetime | None = None) -> bool:
        if client_id not in self._rows.clients or jti in self._rows.revoked_tokens:
            return False
        if client_id not in self._rows.revoked_tokens:
            return True
        late = timedelta(seconds=CLIENT_TOKENS_LATE_S)
        return issued_at is not None and self._rows.tokens_revoked_at[client_id] < issued_at - late

    def erase_successors(self, before: datetime) -> int:
        families = self._rows.families.values()
        stale = [f for f in families if f.successor_sealed and f.superseded_at and f.superseded_at < before]
        for family in stale:
            self._rows.families[family.id] = replace(family, successor_sealed=None)
        return len(stale)

    def purge(self, before: datetime) -> int:
        codes = [key for key, code in self._rows.codes.items() if code.expires_at < before]
        families = [
            family.id
            for family in self._rows.families.values()
            if family.expires_at < before or (family.revoked_at and family.revoked_at < before)
        ]
        tokens = [jti for jti, expires_at in self._rows.revoked_tokens.items() if expires_at < before]
        for rows, keys in (
            (self._rows.codes, codes),
            (self._rows.families, families),
            (self._rows.revoked_tokens, tokens),
        ):
            for key in keys:
                del rows[key]  # type: ignore[attr-defined]
        return len(codes) + len(families) + len(tokens)

    def _revoke(self, which: Callable[[Any], bool]) -> Sequence[UUID]:
        self._rows.used_codes |= {key for key, code in self._rows.codes.items() if which(code)}
        return self._revoke_families(which)

    def _revoke_families(self, which: Callable[[TokenFamily], bool]) -> Sequence[UUID]:
        alive = [family for family in self._rows.families.values() if which(family) and family.revoked_at is None]
        for family in alive:
            self._rows.families[family.id] = replace(family, revoked_at=self._rows.now(), successor_sealed=None)
        return [family.id for family in alive]
