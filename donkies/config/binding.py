"""One registry of ports and adapters for web, worker, command line and tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import svcs
from sqlalchemy import Engine

from ..adapters.clock import SystemClock
from ..adapters.persistence.engine import make_engine
from ..adapters.persistence.mappers import start_mappers
from ..adapters.persistence.schema import SqlDatabaseProbe
from ..adapters.persistence.unit_of_work import ZopeUnitOfWork
from ..adapters.sealing import Keyring
from ..domain.health import DatabaseProbe
from ..domain.unit_of_work import Clock, UnitOfWork
from .banking import bind_banking
from .factors import bind_factors
from .identity import bind_identity
from .metrics import bind_metrics, watch
from .settings import Settings, make_keyring
from .wiring import autowired


class Binder:
    """Registers ports by role name, each once, and lets `swapped` win.

    Values live as long as the process; factories make one object per container (a request, a task).
    """

    def __init__(self, swapped: dict[str, Any]) -> None:
        self.registry = svcs.Registry()
        self._swapped = dict(swapped)
        self._roles: set[str] = set()

    def port(self, role: str, port: type, factory: Callable[..., Any]) -> None:
        """A port whose adapter is made anew for each container."""
        self._roles.add(role)
        if role in self._swapped:
            self.registry.register_value(port, self._swapped[role])
        else:
            self.registry.register_factory(port, factory, enter=False)

    def single(self, role: str, port: type, make: Callable[[], Any], close: Callable[..., Any] | None = None) -> Any:
        """A port whose one adapter serves all threads of the process."""
        self._roles.add(role)
        value = self._swapped[role] if role in self._swapped else make()
        self.registry.register_value(port, value, on_registry_close=close)
        return value

    def service(self, *services: type) -> None:
        """Domain services: dataclasses whose fields are ports."""
        for service in services:
            self.registry.register_factory(service, autowired(service))

    def finish(self) -> svcs.Registry:
        """Raises: TypeError when something was swapped that is no role."""
        if unknown := self._swapped.keys() - self._roles:
            raise TypeError(f"no such role: {', '.join(sorted(unknown))}; there are {', '.join(sorted(self._roles))}")
        return self.registry


def bind(settings: Settings, engine: Engine | None = None, **swapped: Any) -> svcs.Registry:
    """Bind every port once.

    Args:
        engine: made from the settings when not given; the registry closes it either way.
        swapped: adapters to use instead, by role: `bind(settings, aggregator=ScriptedAggregator("DENIED"))`.
    Raises: BadSettings; TypeError for a role that does not exist.
    """
    keyring = make_keyring(settings)
    engine = engine or make_engine(settings.database_url, keyring, pool_size=settings.web_threads)
    start_mappers()
    binder = Binder(swapped)
    try:
        return _bind_all(binder, settings, engine, keyring)
    except Exception:
        binder.registry.close()
        raise


def _bind_all(binder: Binder, settings: Settings, engine: Engine, keyring: Keyring) -> svcs.Registry:
    binder.registry.register_value(Settings, settings)
    binder.registry.register_value(Keyring, keyring)
    binder.registry.register_value(Engine, engine, on_registry_close=engine.dispose)
    clock = binder.single("clock", Clock, SystemClock)
    binder.registry.register_factory(ZopeUnitOfWork, _unit_of_work, enter=False)
    binder.port("unit_of_work", UnitOfWork, _same_unit_of_work)
    binder.port("database_probe", DatabaseProbe, autowired(SqlDatabaseProbe))
    metrics = bind_metrics(binder)
    bind_identity(binder, settings, engine, keyring, clock)
    bind_factors(binder, settings)
    bind_banking(binder, settings, metrics)
    watch(binder, engine, metrics)
    return binder.finish()


def _unit_of_work(container: svcs.Container) -> ZopeUnitOfWork:
    return ZopeUnitOfWork(container.get(Engine))


def _same_unit_of_work(container: svcs.Container) -> UnitOfWork:
    return container.get(ZopeUnitOfWork)
