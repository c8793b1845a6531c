"""What the service tells Prometheus: one set of metrics for each registry of services, so that many fit a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

import structlog
from celery import Celery
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..domain.events import DownloadComplete, Event
from ..domain.health import BacklogReader

log = structlog.get_logger(__name__)

KEPT_S = 10.0  # readings that cost something are not made more often, however often they are asked for
DOWN_AFTER = 3  # failures in a row
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_S = (0.005, 0.02, 0.1, 0.5, 2, 10)
_CALL_S = (0.05, 0.2, 0.5, 1, 2, 5, 10)

Read = TypeVar("Read")


class Kept(Generic[Read]):
    """A reading that is made at most once in `seconds`; one thread makes it, and others have the last one."""

    def __init__(self, read: Callable[[], Read], seconds: float = KEPT_S) -> None:
        self._read, self._seconds = read, seconds
        self._lock, self._until = Lock(), 0.0
        self._value: Read | None = None

    def get(self) -> Read | None:
        if time.monotonic() >= self._until and self._lock.acquire(blocking=self._until == 0.0):
            try:
                if time.monotonic() >= self._until:
                    self._value = self._read()
                    self._until = time.monotonic() + self._seconds
            finally:
                self._lock.release()
        return self._value


class Metrics:
    """Counters of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Histogram(
            "donkies_request_seconds", "Requests answered, by route and class of status.",
            ("method", "route", "status"), registry=registry, buckets=_REQUEST_S,
        )  # fmt: skip
        self._grants = Counter(
            "donkies_token_requests", "Answers of the token endpoint.", ("grant_type", "outcome"), registry=registry
        )
        self._events = Counter(
            "donkies_events", "What happened to links and to people.", ("event", "outcome"), registry=registry
        )
        self._rows = Counter("donkies_downloaded_rows", "Transactions of proved downloads.", registry=registry)
        self._calls = Histogram(
            "donkies_aggregator_call_seconds", "Calls to the aggregator.", ("call", "outcome"),
            registry=registry, buckets=_CALL_S,
        )  # fmt: skip
        self._known: dict[tuple[str, str, str], Callable[[float], None]] = {}
        self._failures = 0
        self._was_asked = False
        ProcessCollector(registry=registry)

    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        key = (method, route, status)
        observe = self._known.get(key)
        if observe is None:  # finding a child by its labels costs more than all the rest
            method = method if method in _METHODS else "other"
            observe = self._requests.labels(method, route, f"{status[0]}xx").observe
            if method != "other":  # anybody may think of methods
                self._known[key] = observe
        observe(seconds)

    def grant(self, grant_type: str, is_granted: bool) -> None:
        self._grants.labels(grant_type, "granted" if is_granted else "refused").inc()

    def event(self, event: Event) -> None:
        self._events.labels(event.name, event.outcome).inc()
        if isinstance(event, DownloadComplete):
            self._rows.inc(event.rows)

    def aggregator_call(self, call: str, outcome: str, seconds: float, is_down: bool) -> None:
        """One call ended.

        Args:
            call: the method and the path's pattern.
            outcome: the status, or what went wrong, in a word.
            is_down: whether the fault is the aggregator's.
        """
        self._calls.labels(call, outcome).observe(seconds)
        self._was_asked = True
        self._failures = self._failures + 1 if is_down else 0

    @property
    def aggregator(self) -> str:
        """How the aggregator looked in this process's last calls."""
        if not self._was_asked:
            return "unknown"
        return "degraded" if self._failures >= DOWN_AFTER else "up"


class QueueDepths:
    """How many messages wait in each of the broker's queues; nothing is made there, only looked at."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._kept = Kept(self._read)

    def get(self) -> Mapping[str, int] | None:
        """By the queue's role; None when the broker cannot be reached."""
        return self._kept.get()

    def _read(self) -> Mapping[str, int] | None:
        names: Mapping[str, str] = getattr(self._app, "queue_names", {})
        depths: dict[str, int] = {}
        try:
            with self._app.connection_for_write(connect_timeout=1) as connection:
                connection.connect()
                for role, name in names.items():
                    try:
                        with connection.channel() as channel:
                            depths[role] = channel.queue_declare(name, passive=True).message_count
                    except connection.channel_errors:
                        depths[role] = 0  # no worker has made it yet
        except Exception as error:  # every transport has its own ways to fail, and all mean the same here
            log.debug("broker_unreachable", error=type(error).__name__)
            return None
        return depths


class WatchedNeighbours:
    """What this process knows of its neighbours."""

    def __init__(self, metrics: Metrics, queues: QueueDepths) -> None:
        self._metrics, self._queues = metrics, queues

    def states(self) -> Mapping[str, str]:
        broker = "degraded" if self._queues.get() is None else "up"
        return {"broker": broker, "aggregator": self._metrics.aggregator}


class BacklogCollector(Collector):
    """Gauges that need a look at the database and the broker, made when they are asked for."""

    def __init__(self, reader: BacklogReader, queues: QueueDepths) -> None:
        self._backlog, self._queues = Kept(reader.read), queues

    def describe(self) -> Iterable[Any]:
        return []  # or registering it would look already

    def collect(self) -> Iterable[Any]:
        backlog, depths = self._backlog.get(), self._queues.get()
        yield GaugeMetricFamily("donkies_database_up", "Whether it can be read.", value=backlog is not None)
        yield GaugeMetricFamily("donkies_broker_up", "Whether it can be reached.", value=depths is not None)
        if backlog is not None:
            yield _gauge("donkies_links", "Links by what they show.", "link_status", backlog.links)
            yield _gauge("donkies_late_seconds", "Age of what is overdue the longest.", "kind", backlog.late)
        if depths is not None:
            yield _gauge("donkies_queue_messages", "Messages that wait.", "queue", depths)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def serve_metrics(registry: CollectorRegistry, port: int) -> Callable[[], None]:
    """Serve them on a loopback port of their own, for processes that answer no requests.

    Returns: what stops it.
    """
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(5)

    return stop
