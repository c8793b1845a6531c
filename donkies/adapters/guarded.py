"""What stands before an aggregator of another package: it counts calls, and lets only the port's errors out."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from ..domain.aggregator import (
    Aggregator,
    AggregatorDown,
    AggregatorError,
    AggregatorMisbehaved,
    AggregatorThrottled,
)

log = structlog.get_logger(__name__)

Observe = Callable[[str, str, float, bool], None]
FAULTS = (AggregatorDown, AggregatorMisbehaved, AggregatorThrottled)
CREATING = ("create_member", "create_oauth_member")


class GuardedAggregator:
    """An Aggregator whose mistakes stay its own.

    An error that the port does not know becomes one that it does, without the text: that could repeat a credential.
    Of a call that creates something it is then unknown whether it was done.

    Args:
        inner: whom calls go to.
        observe: told of each call: its name, its outcome in a word, seconds, and whether the fault is the aggregator's.
    """

    def __init__(self, inner: Aggregator, observe: Observe | None = None) -> None:
        self.inner = inner
        self._observe = observe or (lambda *_: None)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            started, outcome, error = time.monotonic(), "ok", None
            try:
                return method(*arguments, **named)
            except AggregatorError as known:
                outcome, error = known.code, known
                raise
            except Exception as unknown:
                outcome, error = "broken", _instead(name, unknown)
            finally:
                self._observe(name, outcome, time.monotonic() - started, isinstance(error, FAULTS))
            raise error  # outside of the except block, so that it does not carry the other along

        return call


def _instead(name: str, error: Exception) -> AggregatorError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    log.error("aggregator_adapter_broken", call=name, kind=type(error).__name__, where=where)
    if name in CREATING:
        return AggregatorDown("The aggregator's adapter failed.", outcome_unknown=True)
    return AggregatorMisbehaved("The aggregator's adapter failed.")
