"""A random bank, a random client and a plain model beside them: equal whenever it is quiet.

`make test` walks a short way, the same each time; `make model STEPS=10000` a long one, another each time.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select, update

from donkies.adapters.persistence.annotations import SqlAnnotationStore
from donkies.adapters.persistence.tables import banking, identity
from donkies.domain.downloading import DownloadService
from donkies.domain.downloads import AHEAD, EARLIEST, DownloadTiming
from donkies.domain.duplicates import DuplicateService
from donkies.domain.feed import FeedPlace
from donkies.domain.linked_accounts import LinkTiming
from donkies.domain.matching import AFTER, TIP
from donkies.domain.mirroring import FeedService
from donkies.domain.relinking import Relinking
from donkies.domain.stopping import StopFlag
from donkies.domain.transactions import TransactionQuery
from donkies.testing.banking import SqlWorld, SteppedClock, as_json
from donkies.testing.factories import make_link
from donkies.testing.random_bank import ACTS, Killed, RandomBank, chooser

STEPS = int(os.environ.get("DONKIES_MODEL_STEPS", "0"))
STEPS_OF_ONE = 30
TIMING = DownloadTiming(retry_s=0, give_up_s=0)
RECENT = timedelta(days=TIMING.recent_days)
EVER, NEVER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)
Rows = dict[str, dict[str, Any]]
seeds = st.integers(0, 2**32 - 1)
acts = st.lists(st.tuples(st.sampled_from(ACTS), seeds), max_size=8)
happenings = st.lists(st.tuples(st.sampled_from(("nothing", "bank", "feed", "kill", "overtake")), seeds), max_size=6)


class Linked:
    """A link, its bank, and what was seen of it when it was last quiet."""

    def __init__(self, world: SqlWorld, user_id: UUID, number: int) -> None:
        self.world, self.stores, self.user_id = world, world.stores(), user_id
        self.link = make_link(user_id, member_guid=f"MBR-{number}")
        with self.stores.unit_of_work:
            self.stores.links.add(self.link)
            self.stores.links.keep_aggregator_user(user_id, "USR-1")
        self.today = self.now().date()
        self.bank = RandomBank(number, self.today)
        self.shown: Rows = {}  # by guid
        self.missed: set[str] = set()  # guids of posted rows that one proved walk did not see
        self.is_proved = False

    def now(self) -> datetime:
        with self.stores.unit_of_work:
            now: datetime = self.stores.unit_of_work.now()
        return now

    def request(self, is_full: bool) -> date:
        """Ask for a download. Returns: the first day that it covers."""
        with self.stores.unit_of_work:
            now = self.stores.unit_of_work.now()
            self.stores.downloads.request(self.user_id, self.link.id, now, EVER if is_full else NEVER)
        return self.today - RECENT if self.is_proved and not is_full else EARLIEST

    def work(self) -> None:
        """As a worker that was woken."""
        stores, timing = self.world.stores(), LinkTiming()
        DownloadService(
            stores.unit_of_work, stores.links, stores.downloads, stores.ledger, self.bank, TIMING, timing,
            stores.jobs, StopFlag(),
            DuplicateService(stores.links, stores.ledger, stores.removals, stores.jobs, timing),
            Relinking(
                stores.unit_of_work, stores.links, stores.downloads, stores.ledger, stores.adoptions, timing,
                stores.jobs,
            ),
        ).run(self.user_id, self.link.id)  # fmt: skip

    def work_to_the_end(self) -> None:
        """Whatever dies on the way."""
        for _ in range(60):
            with suppress(Killed):
                self.work()
            if self.is_complete():
                return
            self.let_leases_pass()
        raise AssertionError("the download never came to its end")

    def is_complete(self) -> bool:
        shown = self.world.reader.poll_link(self.user_id, self.link.id)
        return shown is not None and shown["transactions_status"] == "complete"

    def let_leases_pass(self) -> None:
        d, due_at = banking.downloads.c, self.now() - timedelta(seconds=1)
        with self.world.engine.begin() as connection:
            statement = update(banking.downloads).where(d.user_id == self.user_id, d.due_at.is_not(None))
            connection.execute(statement.values(lease_until=None, due_at=due_at))

    def rows(self) -> Rows:
        query = TransactionQuery(limit=500, linked_account_id=self.link.id)
        rows = [as_json(row) for row in self.world.reader.list_transactions(self.user_id, query, with_raw=True)]
        by_guid = {row["raw"]["guid"]: row for row in rows}
        assert len(by_guid) == len(rows) < query.limit
        return by_guid


class Model(RuleBasedStateMachine):
    """One person with two links. Hypothesis looks for the shortest way to a disagreement."""

    world: SqlWorld

    def __init__(self) -> None:
        super().__init__()
        self.user_id = self.world.person()
        self.made = 0
        self.links = [self._link(), self._link()]
        self.notes: dict[str, str | None] = {}
        self.feed = FeedService(self.world.reader, SteppedClock())
        self.place: FeedPlace | None = None
        self.mirror: Rows = {}  # by id
        self.mirrored: Rows = {}  # what it was at the last end of the feed
        self.named: set[str] = set()  # ids, since then

    def teardown(self) -> None:
        with self.world.engine.begin() as connection:
            connection.execute(delete(identity.users).where(identity.users.c.id == self.user_id))
            for table in (banking.transactions, banking.transaction_tombstones, banking.transaction_feeds):
                left = select(func.count()).where(table.c.user_id == self.user_id)
                assert 0 == connection.scalar(left), table.name

    def _link(self) -> Linked:
        self.made += 1
        return Linked(self.world, self.user_id, self.made)

    # the bank

    @initialize(beginnings=st.tuples(*[st.lists(seeds, min_size=1, max_size=12)] * 2))
    def the_banks_have_a_history(self, beginnings: tuple[list[int], list[int]]) -> None:
        for linked, history in zip(self.links, beginnings, strict=True):
            for seed in history:
                linked.bank.act("add", chooser(seed))

    @rule(acts=acts, is_full=st.booleans(), per_page=st.integers(1, 4), happens=happenings)
    def a_day_of_the_first_bank(self, **day: Any) -> None:
        self._day(self.links[0], **day)

    @rule(acts=acts, is_full=st.booleans(), per_page=st.integers(1, 4), happens=happenings)
    def a_day_of_the_second_bank(self, **day: Any) -> None:
        self._day(self.links[1], **day)

    def _day(
        self, linked: Linked, acts: list[tuple[str, int]], is_full: bool, per_page: int, happens: list[tuple[str, int]]
    ) -> None:
        """The bank does something, and a download begins; more happens before the aggregator answers: the rows move,
        the worker is killed or overtaken.
        """
        for what, seed in acts:
            linked.bank.act(what, chooser(seed))
        linked.bank.per_page = per_page
        linked.bank.named.clear()
        linked.bank.between = [partial(self._meanwhile, linked, what, seed) for what, seed in happens]
        first = linked.request(is_full)
        linked.work_to_the_end()
        linked.bank.between = []
        self._compare(linked, first.isoformat())

    def _meanwhile(self, linked: Linked, what: str, seed: int) -> None:
        if what == "feed":
            self.the_feed_is_followed(1 + seed % 4, 1 + seed // 4 % 4)
        elif linked.is_complete():
            return  # another worker has proved it: what happens now belongs to the next download
        elif what == "bank":
            linked.bank.act(ACTS[seed % len(ACTS)], chooser(seed // len(ACTS)))
        elif what == "kill":
            raise Killed
        elif what == "overtake":
            linked.let_leases_pass()
            linked.work()

    @rule(which=st.integers(0, 1), turn=st.integers(0, 5))
    def a_link_is_deleted(self, which: int, turn: int) -> None:
        if turn:
            return  # seldom
        linked = self.links[which]
        now = linked.now()
        with linked.stores.unit_of_work:
            linked.stores.links.erase(linked.stores.links.lock(self.user_id, linked.link.id), now)
        self.links[which] = self._link()

    # the person

    @precondition(lambda self: any(linked.shown for linked in self.links))
    @rule(seed=seeds, note=st.sampled_from(("mine", "gift", None)))
    def the_person_says(self, seed: int, note: str | None) -> None:
        linked = max(self.links, key=lambda one: len(one.shown))
        row = linked.shown[sorted(linked.shown)[seed % len(linked.shown)]]
        now = linked.now()
        with linked.stores.unit_of_work:
            store = SqlAnnotationStore(linked.stores.unit_of_work, linked.stores.ledger)
            assert store.annotate(self.user_id, UUID(row["id"]), {"note": note}, now)
        self.notes[row["id"]] = note

    # the client

    @rule(pages=st.sampled_from((1, 2, 99)), limit=st.integers(1, 7))
    def the_feed_is_followed(self, pages: int, limit: int) -> None:
        """Some pages, and away; or to the end, and then it equals the list."""
        for _ in range(pages):
            page = self.feed.read(self.user_id, self.place, limit)
            rows = {str(row["id"]): as_json(row) for row in (*page.added, *page.modified)}
            removed = set(map(str, page.removed))
            assert len(rows) + len(removed) == len(page.added) + len(page.modified) + len(page.removed) <= limit
            assert {str(row["id"]) for row in page.modified} <= self.mirror.keys(), "what is modified was added before"
            self.mirror = {row_id: row for row_id, row in (self.mirror | rows).items() if row_id not in removed}
            self.named |= rows.keys() | removed
            self.place = page.next
            if not page.has_more:
                return self._feed_ended()

    def _feed_ended(self) -> None:
        assert self._listed() == self.mirror
        for row_id in self.named & self.mirror.keys() & self.mirrored.keys():
            assert self.mirror[row_id] != self.mirrored[row_id], "what never changed is never named again"
        self.mirrored, self.named = dict(self.mirror), set()

    @rule(seed=seeds, limit=st.integers(1, 5))
    def the_list_is_filtered(self, seed: int, limit: int) -> None:
        choose = chooser(seed)
        wanted: dict[str, Any] = {
            "status": (None, "posted", "pending")[choose(3)],
            "type": (None, "debit", "credit")[choose(3)],
            "min_amount": (None, Decimal("5.25"), Decimal(10))[choose(3)],
            "words": ((), ("shop",), ("caf",), ("RENT",))[choose(4)],
        }
        expected = [row for row in self._listed().values() if passes(row, **wanted)]
        expected.sort(key=lambda row: (row["date"], row["id"]), reverse=True)
        found: list[Any] = []
        query = TransactionQuery(limit=limit, **wanted)
        while page := self.world.reader.list_transactions(self.user_id, query):
            found += page
            query = TransactionQuery(limit=limit, after=(page[-1]["date"], page[-1]["id"]), **wanted)
        assert expected == [as_json(row) for row in found]

    def _listed(self) -> Rows:
        rows = self.world.reader.list_transactions(self.user_id, TransactionQuery(limit=500))
        return {str(row["id"]): as_json(row) for row in rows}

    # the model

    def _compare(self, linked: Linked, first: str) -> None:
        """The download is proved: what is there now, and under which ids?"""
        bank, before, after = linked.bank, linked.shown, linked.rows()
        last = (linked.today + AHEAD).isoformat()
        covered = {guid: row for guid, row in bank.rows.items() if first <= row.date.isoformat() <= last}
        accounts = {row.account_guid for row in covered.values()}
        assert len(accounts) == len({after[guid]["account_id"] for guid in covered})
        for guid, row in covered.items():
            assert orjson.loads(row.raw) == after[guid]["raw"]
            for name in ("status", "type", "description"):
                assert getattr(row, name) == after[guid][name], name
            assert (row.amount, str(row.date)) == (Decimal(after[guid]["amount"]), after[guid]["date"])

        def uncovered(rows: Rows) -> set[str]:
            return {guid for guid, row in rows.items() if first <= row["date"] <= last and guid not in covered}

        unseen, left = uncovered(before), uncovered(after)
        assert {"posted"} >= {after[guid]["status"] for guid in left}, "pending rows that vanished are gone"
        assert not left & (linked.missed - bank.named), "posted rows that were missed twice are gone"
        ids = {row["id"] for row in after.values()}
        for guid in unseen - linked.missed:
            assert before[guid]["status"] == "pending" or before[guid]["id"] in ids, "posted ones missed once are not"
        for guid in {guid for guid, row in before.items() if not first <= row["date"] <= last} - bank.named:
            assert unsaid(before[guid]) == unsaid(after[guid]), "what was not read did not change"
        self._compare_ids(before, after, unseen, {guid: after[guid] for guid in covered if guid not in before})
        for row in after.values():
            assert self.notes.get(row["id"]) == row["note"], "what the person said stays with its row"
        shown = self.world.reader.poll_link(self.user_id, linked.link.id)
        assert shown is not None
        assert len(after) == shown["transactions_count"]
        linked.missed = (linked.missed - unseen - covered.keys()) | left
        linked.shown, linked.is_proved = after, True

    def _compare_ids(self, before: Rows, after: Rows, unseen: set[str], fresh: Rows) -> None:
        assert len({row["id"] for row in after.values()}) == len(after)
        for guid in before.keys() & after.keys():
            assert before[guid]["id"] == after[guid]["id"], "the same guid, the same id"
        groups: dict[Hashable, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for guid in unseen:
            groups[looks(before[guid])][0].add(before[guid]["id"])
        for row in fresh.values():
            groups[looks(row)][1].add(row["id"])
        for olds, news in groups.values():
            assert min(len(olds), len(news)) == len(olds & news), "issued anew, the same ids"
        taken = set().union(*(olds & news for olds, news in groups.values()))
        names = Counter(named(before[guid]) for guid in unseen) + Counter(map(named, fresh.values()))
        for old in (before[guid] for guid in unseen if before[guid]["id"] not in taken):
            came = [row for row in fresh.values() if named(row) == named(old) and is_what_became_of(old, row)]
            if names[named(old)] == 2 and came:  # it and what it is now: nothing else has the name
                assert old["id"] == came[0]["id"], "posted anew, perhaps with a tip: the same id"


def looks(row: dict[str, Any]) -> Hashable:
    return row["account_id"], row["date"], row["type"], row["amount"], row["description"]


def named(row: dict[str, Any]) -> Hashable:
    return row["account_id"], row["type"], row["description"]


def is_what_became_of(old: dict[str, Any], new: dict[str, Any]) -> bool:
    days = date.fromisoformat(new["date"]) - date.fromisoformat(old["date"])
    most = Decimal(old["amount"]) * (TIP if old["type"] == "debit" else 1)
    is_near = timedelta() <= days <= AFTER
    return old["status"] == "pending" and is_near and Decimal(old["amount"]) <= Decimal(new["amount"]) <= most


def unsaid(row: dict[str, Any]) -> dict[str, Any]:
    """A row but for what the person said of it."""
    return {name: value for name, value in row.items() if name not in ("note", "updated_at")}


def passes(
    row: dict[str, Any], status: str | None, type: str | None, min_amount: Decimal | None, words: tuple[str, ...]
) -> bool:
    return (
        status in (None, row["status"])
        and type in (None, row["type"])
        and Decimal(row["amount"]) >= (min_amount or 0)
        and all(row["description"].lower().startswith(word.lower()) for word in words)
    )


@pytest.fixture
def world(database_url: str) -> Iterator[SqlWorld]:
    world = SqlWorld(database_url)
    yield world
    world.close()


@pytest.mark.timeout(600 + STEPS)
def test_the_service_does_what_the_model_says(world: SqlWorld, database_url: str) -> None:
    class Walk(Model):
        pass

    Walk.world = world
    how = settings(
        max_examples=max(1, STEPS // STEPS_OF_ONE) if STEPS else 4,
        stateful_step_count=STEPS_OF_ONE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not STEPS,
        print_blob=True,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(Walk, settings=how)
