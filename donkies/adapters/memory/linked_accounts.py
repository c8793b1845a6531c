"""Links in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from ...domain.errors import Conflict, NotFound
from ...domain.link_store import DueLink, IdempotencyKey, MemberHint
from ...domain.linked_accounts import LinkedAccount
from .banking import is_free, is_past, seconds_to
from .ledger import belongs, remove_transactions
from .unit_of_work import MemoryUnitOfWork

# what a looker may not write, for a command or a download may be writing it at the same time
NOT_LOOKED_AT = {
    "user_id", "id", "institution_code", "institution_name", "transactions_status", "transactions_count",
    "last_synced", "last_attempted_at", "next_attempt_at", "created_at", "lease_no", "wake_at", "synced_job_at",
    "fresh_until",
    "duplicate_of",
}  # fmt: skip
LOOKED_AT = [one.name for one in fields(LinkedAccount) if one.name not in NOT_LOOKED_AT]


@dataclass
class MemoryLinkedAccountStore:
    """LinkedAccountStore in dicts."""

    unit_of_work: MemoryUnitOfWork

    def add(self, link: LinkedAccount) -> None:
        self.unit_of_work.unit.loaded[link.user_id, link.id] = link, None
        self.unit_of_work.tables.links[link.user_id, link.id] = replace(link)

    def get(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        unit = self.unit_of_work.unit
        key = user_id, link_id
        if key not in unit.loaded:
            kept = unit.tables.links.get(key)
            if kept is None:
                raise NotFound("There is no linked account with this id.")
            unit.loaded[key] = replace(kept), kept.lease_no
        return unit.loaded[key][0]

    def lock(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        return self.get(user_id, link_id)

    def list_of(self, user_id: UUID) -> Sequence[LinkedAccount]:
        ids = sorted((link_id for owner, link_id in self.unit_of_work.tables.links if owner == user_id), reverse=True)
        return [self.get(user_id, link_id) for link_id in ids]

    def lock_all_of(self, user_id: UUID) -> None:
        """Units of work here come one after another anyway."""

    def claim_due(
        self, limit: int, lease_s: float, per_institution: int, leave_out: Collection[str] = ()
    ) -> Sequence[DueLink]:
        tables, now = self.unit_of_work.tables, self.unit_of_work.now()
        due = [
            link for link in tables.links.values()
            if (is_past(link.next_look_at, now) or is_past(link.wake_at, now) or link.is_due_for_fresh_data(now))
            and is_free(link, now) and link.institution_code not in leave_out
        ]  # fmt: skip
        due.sort(key=lambda link: link.next_look_at or now)
        lease_until = now + timedelta(seconds=lease_s)
        claimed = []
        places: Counter[str] = Counter()
        for link in due[:limit]:
            places[link.institution_code] += 1
            if places[link.institution_code] > per_institution:
                continue
            taken = replace(
                link, lease_no=link.lease_no + 1, lease_until=lease_until, next_look_at=lease_until, wake_at=None
            )
            tables.links[link.user_id, link.id] = taken
            claimed.append(DueLink(replace(taken), tables.aggregator_users.get(link.user_id)))
        return claimed

    def save_looked_at(self, links: Sequence[LinkedAccount]) -> set[UUID]:
        tables = self.unit_of_work.tables
        written = set()
        for link in links:
            kept = tables.links.get((link.user_id, link.id))
            if kept is not None and kept.lease_no == link.lease_no:
                seen = {name: getattr(link, name) for name in LOOKED_AT}
                if kept.next_attempt_at and link.next_attempt_at:  # only ever put off
                    seen["next_attempt_at"] = max(kept.next_attempt_at, link.next_attempt_at)
                tried = [at for at in (kept.last_attempted_at, link.last_attempted_at) if at]
                seen["last_attempted_at"] = max(tried, default=None)
                tables.links[link.user_id, link.id] = replace(kept, **seen)
                written.add(link.id)
        return written

    def seconds_to_next(self, within_s: float) -> float | None:
        now = self.unit_of_work.now()
        links = self.unit_of_work.tables.links.values()
        moments = [link.next_look_at for link in links] + [link.wake_at for link in links if is_free(link, now)]
        return seconds_to(moments, now, within_s)

    def wake(self, hint: MemberHint, at: datetime, pause: timedelta = timedelta(0)) -> bool:
        tables, is_changed = self.unit_of_work.tables, False
        for key, link in list(tables.links.items()):
            is_owners = hint.user_guid in (None, tables.aggregator_users.get(link.user_id))
            if link.member_guid != hint.member_guid or not is_owners:
                continue
            job_at = None if hint.is_changed else link.synced_job_at
            is_fresh = link.last_synced is not None and link.last_synced > at - pause
            woken = replace(link, wake_at=link.wake_at or (at + pause if is_fresh else at), synced_job_at=job_at)
            is_changed |= (woken.wake_at, woken.synced_job_at) != (link.wake_at, link.synced_job_at)
            tables.links[key] = woken
        return is_changed

    def remember(self, user_id: UUID, key: IdempotencyKey, link_id: UUID) -> UUID | None:
        kept = self.unit_of_work.tables.idempotency
        fingerprint, made_id = kept.setdefault((user_id, key.client_id, key.key), (key.fingerprint, link_id))
        if fingerprint != key.fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request; use a fresh one.", code="idempotency_key_reused"
            )
        return None if made_id == link_id else made_id

    def aggregator_user(self, user_id: UUID) -> str | None:
        return self.unit_of_work.tables.aggregator_users.get(user_id)

    def keep_aggregator_user(self, user_id: UUID, user_guid: str) -> None:
        self.unit_of_work.tables.aggregator_users.setdefault(user_id, user_guid)

    def erase(self, link: LinkedAccount, now: datetime) -> None:
        tables, key = self.unit_of_work.tables, (link.user_id, link.id)
        gone = [row for row in tables.transactions.values() if belongs(row, *key)]
        remove_transactions(tables, link.user_id, gone, now)
        for at in [at for at, row in tables.accounts.items() if belongs(row, *key)]:
            gone = tables.accounts.pop(at)["id"]
            for day in [day for day in tables.balances if day[:2] == (key[0], gone)]:
                del tables.balances[day]
        for at in [at for at in tables.adoptions if at[:2] == key]:
            del tables.adoptions[at]
        point_to_it = [at for at, one in tables.links.items() if (at[0], one.duplicate_of) == key]
        for at in (key, *point_to_it):
            tables.downloads.pop(at, None)
            tables.links.pop(at, None)
            self.unit_of_work.unit.loaded.pop(at, None)
