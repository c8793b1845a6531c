"""The port `Aggregator`: one contract, kept by the twin in memory and by Atrium over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from donkies.adapters.memory_aggregator import MemoryAggregator
from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.sandbox import Sandbox
from donkies.testing.aggregator import AggregatorContract


class TestMemoryAggregator(AggregatorContract):
    @pytest.fixture
    def aggregator(self) -> MemoryAggregator:
        return MemoryAggregator()


class TestAtriumAggregator(AggregatorContract):
    @pytest.fixture
    def aggregator(self) -> Iterator[AtriumAggregator]:
        sandbox = Sandbox(port=0, job_s=0)
        sandbox.start()
        atrium = AtriumAggregator(sandbox.atrium_url, "key", "client")
        yield atrium
        atrium.close()
        sandbox.stop()
