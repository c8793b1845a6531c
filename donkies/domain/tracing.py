"""For whom and for what a piece of work is done: ids that its log lines carry, from the click to the worker.

Ids only, never anything that a person typed. They are no part of the rules: nothing is decided by them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType
from uuid import UUID

_NOTHING: Mapping[str, str] = MappingProxyType({})
_trace: ContextVar[Mapping[str, str]] = ContextVar("trace", default=_NOTHING)
_REMEMBERED = 10_000

Opened = Token[Mapping[str, str]]


def current() -> Mapping[str, str]:
    """The ids of the work under way in this thread: `request_id`, `task_id`, `link_id`, `user_id`."""
    return _trace.get()


def begin(**ids: str) -> Opened:
    """Work begins. Returns: what `end` wants. Cheap enough for every request."""
    return _trace.set(ids)


def end(opened: Opened) -> None:
    """The work has ended, and what was noted about it is forgotten."""
    _trace.reset(opened)


def note(**ids: object) -> None:
    """More is known about the work under way; where none is, nothing is noted.

    A request that notes a link is the one that asked for it last: a looker in this process may be there before the
    message.
    """
    known = _trace.get()
    if known:
        merged = {**known, **{name: str(value) for name, value in ids.items()}}
        if "link_id" in ids and "request_id" in merged:
            asked_by.put(merged["link_id"], merged["request_id"])
        _trace.set(merged)


@contextmanager
def tracing(**ids: object) -> Iterator[None]:
    """Work of its own within what is under way, whose ids it keeps; one given as None is taken away."""
    merged: dict[str, object] = {**_trace.get(), **ids}
    opened = begin(**{name: str(value) for name, value in merged.items() if value is not None})
    try:
        yield
    finally:
        end(opened)


def tracing_link(user_id: UUID, link_id: UUID) -> AbstractContextManager[None]:
    """Work on one link, where the work under way is on many: its request is the one that asked for it last."""
    return tracing(user_id=user_id, link_id=link_id, request_id=asked_by.get(str(link_id)))


class AskedBy:
    """Which request asked last for a link, as far as this process was told; the oldest are forgotten.

    One looker serves many requests, so the message that woke it says little of whose link it looks at.
    """

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._size, self._lock = size, threading.Lock()
        self._requests: OrderedDict[str, str] = OrderedDict()

    def put(self, link_id: str, request_id: str) -> None:
        with self._lock:
            self._requests[link_id] = request_id
            self._requests.move_to_end(link_id)
            if len(self._requests) > self._size:
                self._requests.popitem(last=False)

    def get(self, link_id: str) -> str | None:
        return self._requests.get(link_id)


asked_by = AskedBy()
