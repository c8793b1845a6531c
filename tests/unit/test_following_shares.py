"""Many links of a bank that hangs: it gets no more than its share of the readings, and others are read at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import svcs

from donkies.adapters.read_pool import ThreadReadPool
from donkies.domain.aggregator import LinkStatus, MemberRef, MemberStatus
from donkies.domain.downloading import DownloadService
from donkies.domain.following import IN_HAND, LookService
from donkies.domain.jobs import Jobs
from donkies.domain.linked_accounts import LinkTiming
from donkies.domain.stopping import StopFlag
from donkies.tasks.linked_accounts import Looker
from donkies.testing.banking import BankingServices
from donkies.testing.factories import make_link, make_status

THREADS, PER_BANK = 64, 16
SHARE = IN_HAND * PER_BANK
WAIT_S = 5


class OneBankHangs:
    """Members that are connected; those of the bank `hanging` say so once it has healed."""

    def __init__(self) -> None:
        self.asked, self.healed = threading.Event(), threading.Event()
        self.read: Counter[str] = Counter()

    def read_member_status(self, member: MemberRef) -> MemberStatus:
        self.asked.set()
        if member.institution_code == "hanging":
            assert self.healed.wait(WAIT_S)
        self.read[member.institution_code] += 1
        return make_status("CONNECTED")


@pytest.fixture
def bank() -> Iterator[OneBankHangs]:
    bank = OneBankHangs()
    yield bank
    bank.healed.set()


@pytest.fixture
def pool() -> Iterator[ThreadReadPool]:
    pool = ThreadReadPool(THREADS, PER_BANK)
    yield pool
    pool.close()


def looking_at(bank: OneBankHangs, pool: ThreadReadPool, **fields: Any) -> BankingServices:
    services = BankingServices(bank, **fields)
    services.looking.pool = pool
    return services


def add(services: BankingServices, code: str, count: int, due_for_s: float) -> None:
    with services.stores.unit_of_work as unit_of_work:
        services.stores.links.keep_aggregator_user(services.user_id, "USR-1")
        due_at = unit_of_work.now() - timedelta(seconds=due_for_s)
        for number in range(count):
            link = make_link(services.user_id, institution_code=code, next_look_at=due_at)
            link.member_guid = f"MBR-{code}-{number}"
            services.stores.links.add(link)


def healthy(services: BankingServices) -> Counter[str]:
    links = services.world.rows.committed.links.values()
    return Counter(link.institution_code for link in links if link.link_status == LinkStatus.SUCCESS)


def drain(looking: LookService) -> None:
    while looking.outstanding:
        assert looking.collect(wait_s=WAIT_S)


def test_a_thousand_links_of_a_bank_that_hangs_keep_no_other_banks_waiting(
    bank: OneBankHangs, pool: ThreadReadPool
) -> None:
    services = looking_at(bank, pool)
    add(services, "hanging", 1_200, due_for_s=60)  # longer than the others: they come first
    add(services, "quick", 3, due_for_s=0)
    began = time.monotonic()
    while {"quick": 3} != healthy(services):
        services.looking.claim()
        services.looking.collect(wait_s=0.1)
        assert time.monotonic() - began < 1
    add(services, "quick later", 1, due_for_s=0)
    assert 1 == services.looking.claim()
    assert 1 == services.looking.collect(wait_s=WAIT_S)
    assert 1 == healthy(services)["quick later"]
    assert SHARE == services.looking.outstanding, "what hangs is a share, and still under way"


def test_a_bank_that_has_healed_is_read_to_the_end(bank: OneBankHangs, pool: ThreadReadPool) -> None:
    services = looking_at(bank, pool)
    add(services, "hanging", 2 * SHARE + 1, due_for_s=1)
    assert SHARE == services.looking.claim()
    assert 0 == services.looking.claim(), "it is full"
    bank.healed.set()
    drain(services.looking)
    while services.looking.claim():
        drain(services.looking)
    assert {"hanging": 2 * SHARE + 1} == healthy(services) == bank.read


def test_banks_that_hang_hold_every_thread_before_they_hold_every_place(
    bank: OneBankHangs, pool: ThreadReadPool
) -> None:
    services = looking_at(bank, pool)
    for number in range(THREADS // PER_BANK - 1):
        add(services, f"slow {number}", 2 * SHARE, due_for_s=60)
    stuck = threading.Event()
    services.aggregator.instead("read_member_status", *[lambda _: stuck.wait(WAIT_S)] * (THREADS - PER_BANK))
    for _ in range(10):
        services.looking.claim()
    add(services, "quick", 1, due_for_s=0)
    assert 1 == services.looking.claim()
    stuck.set()


def test_a_looker_whose_due_links_are_all_of_a_full_bank_waits_and_does_not_spin(
    bank: OneBankHangs, pool: ThreadReadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = looking_at(bank, pool)
    add(services, "hanging", 2 * SHARE, due_for_s=1)
    claims: list[float] = []
    claim = services.looking.claim
    monkeypatch.setattr(services.looking, "claim", lambda: claims.append(time.monotonic()) or claim())
    registry, stop = svcs.Registry(), StopFlag()
    registry.register_value(LookService, services.looking)
    registry.register_value(DownloadService, services.downloading)
    registry.register_value(Jobs, services.jobs)
    with svcs.Container(registry) as container:
        looker, began = threading.Thread(target=Looker(stop).run, args=(container,)), time.monotonic()
        looker.start()
        time.sleep(0.5)
        stop.set()
        waits = (time.monotonic() - began) / 0.2  # on a busy machine more than 2.5
        bank.healed.set()
        looker.join(WAIT_S)
    assert not looker.is_alive()
    assert 2 <= len(claims) <= waits + 2, "one at once, then one for each wait of 0.2 s"


def test_a_reading_that_waited_for_a_thread_beyond_its_lease_is_dropped_and_taken_up_anew(bank: OneBankHangs) -> None:
    pool = ThreadReadPool(1, 1)
    services = looking_at(bank, pool, timing=LinkTiming(lease_s=0.2))
    add(services, "hanging", 2, due_for_s=1)
    assert 2 == services.looking.claim()
    assert bank.asked.wait(WAIT_S)
    time.sleep(0.2)
    bank.healed.set()
    drain(services.looking)
    assert {"hanging": 1} == bank.read, "the second was not asked for"
    assert {"hanging": 1} == healthy(services)
    services.clock.advance(1)
    assert 1 == services.looking.claim()
    drain(services.looking)
    assert {"hanging": 2} == healthy(services)
    pool.close()
