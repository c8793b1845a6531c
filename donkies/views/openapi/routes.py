"""What is served, from Pyramid's own records of the routes and views that were registered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyramid.registry import Registry
from pyramid.security import NO_PERMISSION_REQUIRED

from ..edge import OPEN, OPEN_EXACTLY
from .operation import Operation

# what programs ask, and so what is documented: what other sites' scripts may ask, and what whoever runs it asks
FOR_PROGRAMS = OPEN_EXACTLY | {"/healthz", "/readyz"}


@dataclass(frozen=True)
class Served:
    """One method of one route.

    Args:
        path: as `/v1/accounts/{id}`.
        scope: what a token must have; None where no token is asked for.
        view: its function; the document tells its name and docstring.
        operation: what it declares; None where it declares nothing.
    """

    path: str
    method: str
    scope: str | None
    view: Callable[..., Any]
    operation: Operation | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def declared(self) -> Operation:
        """Raises: LookupError when nothing is."""
        if self.operation is None:
            raise LookupError(f"{self.name} declares no operation")
        return self.operation

    @property
    def view_name(self) -> str:
        """Its function's; Cornice puts `__GET` behind it."""
        return str(self.view.__name__).partition("__")[0]

    @property
    def operation_id(self) -> str:
        """The view's name, as `readLink`."""
        words = self.view_name.split("_")
        return words[0] + "".join(word.capitalize() for word in words[1:])

    @property
    def summary(self) -> str:
        """The first line of the view's docstring."""
        return (self.view.__doc__ or "").strip().partition("\n")[0].rstrip(".")

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def is_for_programs(self) -> bool:
        return self.path.startswith(OPEN) or self.path in FOR_PROGRAMS


def served(registry: Registry) -> Iterator[Served]:
    """Each method of each route; HEAD comes with GET."""
    introspector = registry.introspector
    routes = {one["introspectable"]["name"]: one["introspectable"] for one in introspector.get_category("routes")}
    for entry in introspector.get_category("views"):
        view = entry["introspectable"]
        if view["route_name"] is None or getattr(view["callable"], "refuses", False):
            continue
        route = routes[view["route_name"]]
        methods = view["request_methods"] or route["request_methods"]
        if methods is None:
            continue  # Cornice's view for the methods that a service has not
        scopes = [one.title for one in entry["related"] if one.category_name == "permissions"]
        (scope,) = [None if one == NO_PERMISSION_REQUIRED else one for one in scopes]
        for method in [methods] if isinstance(methods, str) else methods:
            if method not in ("HEAD", "OPTIONS"):
                path = "/" + route["pattern"].lstrip("/")
                yield Served(path, method, scope, view["callable"], view.get("operation"))
