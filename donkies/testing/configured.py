"""Applications that are configured once and serve one test after another.

Configuring Pyramid takes longer than most tests do. What an application captured while it was configured stands for
whatever serves the test at hand; all else is looked up with each request anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pkg_resources
import svcs
from _pytest.assertion.rewrite import AssertionRewritingHook
from pyramid.router import Router

from ..config import Settings, make_app
from ..domain.assertions import UsedAssertions
from ..domain.clients import Clients
from ..domain.health import RequestMeter
from ..domain.tokens import AccessTokens, IdTokens, PublicKeys
from ..domain.unit_of_work import Clock

CAPTURED: tuple[type, ...] = (AccessTokens, Clients, Clock, IdTokens, PublicKeys, RequestMeter, UsedAssertions)

_free: dict[str, list[ConfiguredApp]] = defaultdict(list)


class _Stand:
    """Stands for a port of the registry that is served now."""

    def __init__(self, app: ConfiguredApp, port: type) -> None:
        self._find: Callable[[], Any] = lambda: svcs.Container(app.services).get(port)

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self._find(), name)):
            return getattr(self._find(), name)
        return lambda *arguments, **named: getattr(self._find(), name)(*arguments, **named)


# pytest rewrites the modules of a package that brings a plugin, this one's; Pyramid asks pkg_resources for the files
# beside them, which knows no loader but Python's own
pkg_resources.register_loader_type(AssertionRewritingHook, pkg_resources.DefaultProvider)


class ConfiguredApp:
    """One application, for as long as it is configured as these settings want it."""

    def __init__(self, key: str, settings: Settings, services: svcs.Registry) -> None:
        self._key = key
        self.services = services
        stands = svcs.Registry()
        for port in CAPTURED:
            stands.register_value(port, _Stand(self, port))
        self.router: Router = make_app(settings, stands)
        self.router.registry.svcs = services

    @classmethod
    def take(cls, settings: Settings, services: svcs.Registry) -> ConfiguredApp:
        """One that nobody uses, now serving from this registry."""
        # which database it is, no view knows
        key = settings.model_dump_json(exclude={"database_url"})
        if not _free[key]:
            return cls(key, settings, services)
        app = _free[key].pop()
        app.services = app.router.registry.svcs = services
        app.router.registry.settings["donkies"] = settings
        return app

    def give_back(self) -> None:
        """The next test may have it."""
        _free[self._key].append(self)
