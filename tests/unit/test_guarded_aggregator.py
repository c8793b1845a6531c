"""What stands before another package's adapter: its calls are counted, and its mistakes become the port's errors."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import structlog

from donkies.adapters.guarded import GuardedAggregator
from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.domain.aggregator import (
    Aggregator,
    AggregatorDown,
    AggregatorMisbehaved,
    MemberExists,
)
from donkies.testing.aggregator import credentials
from donkies.testing.contracts.aggregator import MxTestBankContract

Seen = list[tuple[str, str, bool]]


class Broken(MemoryAggregator):
    def create_member(self, user_guid: str, institution_code: str, credentials: Any, identifier: str) -> Any:
        raise KeyError(credentials[1].value)

    def list_members(self, user_guid: str) -> Any:
        return int("no number, canary")


class TestGuardedAggregator(MxTestBankContract):
    @pytest.fixture
    def aggregator(self) -> Aggregator:
        return GuardedAggregator(MemoryAggregator())


@pytest.fixture
def seen() -> Seen:
    return []


def guarded(inner: Aggregator, seen: Seen) -> GuardedAggregator:
    return GuardedAggregator(inner, lambda name, outcome, _, is_down: seen.append((name, outcome, is_down)))


def test_each_call_is_counted_with_its_outcome(seen: Seen) -> None:
    aggregator = guarded(MemoryAggregator(), seen)
    user = aggregator.ensure_user("me")
    aggregator.create_member(user, "mxbank", credentials("any"), "link")
    with pytest.raises(MemberExists):
        aggregator.create_member(user, "mxbank", credentials("any"), "link")
    assert [("ensure_user", "ok", False), ("create_member", "ok", False)] == seen[:2]
    assert ("create_member", "already_linked", False) == seen[2]


def test_a_mistake_of_the_adapters_is_the_aggregators_fault_and_its_text_is_kept_from_everybody(seen: Seen) -> None:
    aggregator = guarded(Broken(), seen)
    with structlog.testing.capture_logs() as logs, pytest.raises(AggregatorMisbehaved) as refused:
        aggregator.list_members("USR-1")
    assert "canary" not in "".join(traceback.format_exception(refused.value))
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
    assert [("list_members", "broken", True)] == seen
    (line,) = logs
    assert ("list_members", "ValueError") == (line["call"], line["kind"])
    assert line["where"].startswith("test_guarded_aggregator.py:")
    assert "canary" not in str(logs)


def test_of_a_creation_that_broke_it_is_unknown_whether_it_was_done(seen: Seen) -> None:
    typed = credentials("".join(["can", "ary"]))  # a trace shows the lines of the code
    with pytest.raises(AggregatorDown) as refused:
        guarded(Broken(), seen).create_member("USR-1", "mxbank", typed, "link")
    assert refused.value.outcome_unknown
    assert "canary" not in "".join(traceback.format_exception(refused.value))
