"""Accounts that links have from disconnected ones, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from ...domain.aggregator import AggregatedTransaction
from ...domain.ids import new_id
from ...domain.linked_accounts import DISCONNECTED
from ...domain.matching import match_exactly
from ...domain.relinking import (
    AdoptionState,
    FormerAccount,
    adopted_further,
    former_guid,
    former_link_gone,
    is_former,
    nothing_adopted,
    state_of,
)
from .banking import Row
from .ledger import belongs, candidate, exact, take_changes
from .unit_of_work import MemoryUnitOfWork, change_link


@dataclass
class MemoryAdoptionStore:
    """AdoptionStore in dicts."""

    unit_of_work: MemoryUnitOfWork

    def former_accounts(self, user_id: UUID, link_id: UUID) -> Sequence[FormerAccount]:
        tables = self.unit_of_work.tables
        code = tables.links[user_id, link_id].institution_code
        others = {
            one.id: one.reason == DISCONNECTED.reason for one in tables.links.values()
            if one.user_id == user_id and one.id != link_id and one.institution_code == code
        }  # fmt: skip
        names = ("id", "linked_account_id", "guid", "name", "type", "currency_code", "masked_number")
        return [
            FormerAccount(**{name: row[name] for name in names}, is_free=others[row["linked_account_id"]])
            for row in tables.accounts.values()
            if row["user_id"] == user_id and row["linked_account_id"] in others
            and (user_id, link_id, row["id"]) not in tables.adoptions
        ]  # fmt: skip

    def adopt(self, user_id: UUID, link_id: UUID, former: FormerAccount, guid: str, now: datetime) -> bool:
        tables = self.unit_of_work.tables
        twin = tables.accounts.get((user_id, guid))
        if twin is not None and twin["id"] != former.id:
            return False
        self._give(self._account(user_id, former.id), link_id, guid, now)
        if kept := tables.downloads.get((user_id, former.linked_account_id)):
            download = replace(
                kept.download, lease_no=kept.download.lease_no + 1, lease_until=None, due_at=None, from_date=None
            )
            tables.downloads[user_id, former.linked_account_id] = replace(kept, download=download)
        tables.adoptions[user_id, link_id, former.id] = {
            "former_link_id": former.linked_account_id, "change_no": tables.last_changes.get(user_id, 0),
            "adopted_at": now, "moved_at": None, "undone_at": None, "returned_at": None, "own_account_id": None,
        }  # fmt: skip
        return True

    def give_back(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        tables = self.unit_of_work.tables
        adoptions = {key: one for key, one in self._of(user_id, link_id).items() if one["undone_at"] is None}
        if not adoptions:
            raise nothing_adopted()
        for key, one in adoptions.items():
            account = self._account(user_id, key[2])
            if account is None or account["linked_account_id"] != link_id:
                raise adopted_further()
            if (user_id, one["former_link_id"]) not in tables.links:
                raise former_link_gone()
            self._give(account, one["former_link_id"], former_guid(account["id"]), now)
            own = account | {"id": new_id(), "created_at": now, "updated_at": now}
            tables.accounts[user_id, own["guid"]] = own
            tables.adoptions[key] = one | {"undone_at": now, "own_account_id": own["id"]}

    def move(self, user_id: UUID, link_id: UUID, limit: int, now: datetime) -> bool:
        tables = self.unit_of_work.tables
        for key, one in self._of(user_id, link_id).items():
            former_id, account_id = one["former_link_id"], key[2]
            if one["undone_at"] is None and one["moved_at"] is None:
                rows = self._rows(user_id, former_id, account_id)[:limit]
                self._move_rows(rows, link_id, now)
                done = "moved_at"
            elif one["undone_at"] is not None and one["returned_at"] is None:
                rows = self._rows(user_id, link_id, account_id)[:limit]
                self._move_rows([row for row in rows if row["added_no"] <= one["change_no"]], former_id, now)
                for row in rows:
                    if row["added_no"] > one["change_no"]:
                        (number,) = take_changes(tables, user_id, 1)
                        changes = {"account_id": one["own_account_id"], "change_no": number, "updated_at": now}
                        tables.transactions[user_id, row["guid"]] = row | changes
                done = "returned_at"
            else:
                continue
            if len(rows) == limit:
                return True
            tables.adoptions[key] = one | {done: now}
        return False

    def is_moving(self, user_id: UUID, link_id: UUID) -> bool:
        adoptions = self._of(user_id, link_id).values()
        states = [state_of(one["moved_at"], one["undone_at"], one["returned_at"]) for one in adoptions]
        return AdoptionState.MOVING in states or AdoptionState.RETURNING in states

    def is_any(self, user_id: UUID, link_id: UUID) -> bool:
        return any(one["undone_at"] is None for one in self._of(user_id, link_id).values())

    def recognise(
        self, user_id: UUID, link_id: UUID, account_ids: Mapping[str, UUID], rows: Sequence[AggregatedTransaction]
    ) -> int:
        kept = self.unit_of_work.tables.transactions
        olds = {
            row["id"]: row for row in kept.values() if belongs(row, user_id, link_id) and is_former(row["guid"])
        }  # fmt: skip
        news = {row.guid: row for row in rows if (user_id, row.guid) not in kept}
        guids, fresh = {}, []
        for row in news.values():
            its = {"id": new_id(), "account_id": account_ids[row.account_guid], "amount": exact(row.amount)}
            its |= {name: getattr(row, name) for name in ("date", "type", "description", "status")}
            guids[its["id"]] = row.guid
            fresh.append(candidate(its))
        pairs = match_exactly(map(candidate, olds.values()), fresh)
        for old, new in pairs:
            row_kept = kept.pop((user_id, olds[old.id]["guid"]))
            kept[user_id, guids[new.id]] = row_kept | {"guid": guids[new.id]}
        return len(pairs)

    def report(self, user_id: UUID, link_id: UUID) -> Sequence[Mapping[str, Any]]:
        shown = []
        for (_, _, account_id), one in self._of(user_id, link_id).items():
            account = self._account(user_id, account_id) or {"name": None, "masked_number": None}
            rows = [
                row for row in self._rows(user_id, link_id, account_id) if row["added_no"] <= one["change_no"]
            ]  # fmt: skip
            shown.append(
                {
                    "account_id": account_id,
                    "name": account["name"],
                    "masked_number": account["masked_number"],
                    "former_linked_account_id": one["former_link_id"],
                    "state": state_of(one["moved_at"], one["undone_at"], one["returned_at"]),
                    "transactions_count": len(rows),
                    "recognised_count": sum(not is_former(row["guid"]) for row in rows),
                    "adopted_at": one["adopted_at"],
                    "undone_at": one["undone_at"],
                }
            )
        return shown

    def _of(self, user_id: UUID, link_id: UUID) -> dict[tuple[UUID, UUID, UUID], Row]:
        adoptions = self.unit_of_work.tables.adoptions
        return {key: adoptions[key] for key in sorted(adoptions) if key[:2] == (user_id, link_id)}

    def _account(self, user_id: UUID, account_id: UUID) -> Row | None:
        rows = self.unit_of_work.tables.accounts.values()
        return next((row for row in rows if (row["user_id"], row["id"]) == (user_id, account_id)), None)

    def _rows(self, user_id: UUID, link_id: UUID, account_id: UUID) -> list[Row]:
        rows = self.unit_of_work.tables.transactions.values()
        return [row for row in rows if belongs(row, user_id, link_id) and row["account_id"] == account_id]

    def _give(self, account: Row, link_id: UUID, guid: str, now: datetime) -> None:
        kept = self.unit_of_work.tables.accounts
        del kept[account["user_id"], account["guid"]]
        changes = {"linked_account_id": link_id, "guid": guid, "is_listed": True, "updated_at": now}
        kept[account["user_id"], guid] = account | changes

    def _move_rows(self, rows: Sequence[Row], to_id: UUID, now: datetime) -> None:
        tables = self.unit_of_work.tables
        for row in rows:
            user_id, from_id, guid = row["user_id"], row["linked_account_id"], former_guid(row["id"])
            (number,) = take_changes(tables, user_id, 1)
            del tables.transactions[user_id, row["guid"]]
            tables.transactions[user_id, guid] = row | {
                "linked_account_id": to_id, "guid": guid, "change_no": number, "missed_reads": 0, "updated_at": now
            }  # fmt: skip
            for link_id, more in ((from_id, -1), (to_id, 1)):
                count = tables.links[user_id, link_id].transactions_count + more
                change_link(self.unit_of_work, (user_id, link_id), transactions_count=count, updated_at=now)
