"""A pool of threads of which no key takes more than its share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from donkies.adapters.read_pool import ThreadReadPool

WAIT_S = 5


@pytest.fixture
def one_thread() -> Iterator[ThreadReadPool]:
    pool = ThreadReadPool(threads=1, per_key=1)
    yield pool
    pool.close()


def test_no_key_holds_more_than_its_share() -> None:
    pool = ThreadReadPool(threads=4, per_key=2)
    go, other_done = threading.Event(), threading.Event()
    running, most, lock = 0, 0, threading.Lock()
    started, done = threading.Semaphore(0), threading.Semaphore(0)

    def slow() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        started.release()
        go.wait(WAIT_S)
        with lock:
            running -= 1
        done.release()

    for _ in range(6):
        pool.submit("slow bank", slow)
    pool.submit("other bank", other_done.set)
    assert other_done.wait(WAIT_S), "a slow bank delays nobody"
    for _ in range(2):
        assert started.acquire(timeout=WAIT_S), "its share is its own"
    go.set()
    for _ in range(6):
        assert done.acquire(timeout=WAIT_S)
    assert 2 == most
    pool.close()


def test_keys_take_turns(one_thread: ThreadReadPool) -> None:
    order: list[str] = []
    start, done = threading.Event(), threading.Semaphore(0)

    def call(name: str) -> None:
        order.append(name)
        done.release()

    one_thread.submit("first", lambda: start.wait(WAIT_S) and None)
    for name in ("a1", "a2", "a3", "b1"):
        one_thread.submit(name[0], lambda name=name: call(name))  # type: ignore[misc]
    start.set()
    for _ in range(4):
        assert done.acquire(timeout=WAIT_S)
    assert ["a1", "b1", "a2", "a3"] == order


def test_a_call_that_raises_costs_no_place(one_thread: ThreadReadPool) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    done = threading.Event()
    for _ in range(3):
        one_thread.submit("bank", fail)
    one_thread.submit("bank", done.set)
    assert done.wait(WAIT_S)


def test_nothing_is_kept_of_a_key_whose_calls_have_ended(one_thread: ThreadReadPool) -> None:
    done = threading.Semaphore(0)
    for number in range(10):
        one_thread.submit(f"bank {number}", done.release)  # type: ignore[arg-type]
    last = threading.Event()
    for _ in range(10):
        assert done.acquire(timeout=WAIT_S)
    one_thread.submit("last", last.set)
    assert last.wait(WAIT_S)
    assert {"last"} >= set(one_thread._waiting) | set(one_thread._running)


def test_a_closed_pool_starts_nothing_more() -> None:
    pool = ThreadReadPool(threads=1, per_key=1)
    begun, go = threading.Event(), threading.Event()
    ran: list[int] = []

    def first() -> None:
        begun.set()
        go.wait(WAIT_S)

    pool.submit("bank", first)
    assert begun.wait(WAIT_S)
    pool.submit("bank", lambda: ran.append(1))
    pool.close()
    go.set()
    pool._executor.shutdown(wait=True)
    assert [] == ran
