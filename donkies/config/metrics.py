"""Bindings of what is told of the service: events, metrics, readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import svcs
from celery import Celery
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from ..adapters.audit import LoggedEvents
from ..adapters.metrics import BacklogCollector, Metrics, QueueDepths, WatchedNeighbours
from ..adapters.persistence.backlog import SqlBacklogReader
from ..domain.events import Events
from ..domain.health import BacklogReader, Neighbours, RequestMeter

if TYPE_CHECKING:
    from .binding import Binder


def bind_metrics(binder: Binder) -> Metrics:
    """Metrics of this process, which other bindings hand on to what they make. Role: events."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    binder.registry.register_value(CollectorRegistry, registry)
    binder.registry.register_value(Metrics, metrics)
    binder.registry.register_value(RequestMeter, metrics)
    binder.single("events", Events, lambda: LoggedEvents(metrics))
    return metrics


def watch(binder: Binder, engine: Engine, metrics: Metrics) -> None:
    """What is looked at when somebody asks. Roles: backlog, neighbours."""
    queues = QueueDepths(svcs.Container(binder.registry).get(Celery))
    backlog = binder.single("backlog", BacklogReader, lambda: SqlBacklogReader(engine))
    binder.single("neighbours", Neighbours, lambda: WatchedNeighbours(metrics, queues))
    metrics.registry.register(BacklogCollector(backlog, queues))
