"""Keeps secrets out of logs by their types: no name of a field is guessed at, no text is searched.

What a secret lives in (a typed credential, an answer, a token, a request's body, a setting) has a type of its own
everywhere in this code. Whatever logger such an object is given to, alone or within something, `[redacted]` is
written in its place. The types show nothing of their secrets in their own repr either: this is the second wall.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import SecretBytes, SecretStr
from structlog.typing import EventDict

from ..adapters.mx.transport import SealedBody
from ..adapters.sealing import Keyring
from ..domain.aggregator import Credential, MemberRef
from ..domain.challenges import ChallengeAnswer
from ..views.api.schemas import Body

REDACTED = "[redacted]"
SECRET_TYPES = (Credential, ChallengeAnswer, MemberRef, SealedBody, Body, Keyring, SecretStr, SecretBytes)
_PLAIN = (str, int, float, bool, type(None))
_DEEPEST = 8


@cache
def is_secret(kind: type) -> bool:
    """Whether objects of a type are kept out: those named above, and dataclasses that hide a field."""
    hides = dataclasses.is_dataclass(kind) and not all(field.repr for field in dataclasses.fields(kind))
    return issubclass(kind, SECRET_TYPES) or hides


def redacted(value: Any, depth: int = 0) -> Any:
    """The value, with `[redacted]` in place of all that is secret in it; itself where nothing is."""
    if isinstance(value, _PLAIN):
        return value
    if is_secret(type(value)) or depth > _DEEPEST:
        return REDACTED
    if isinstance(value, Mapping):
        return {redacted(name, depth + 1): redacted(one, depth + 1) for name, one in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [redacted(one, depth + 1) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if type(value).__repr__ is object.__repr__:
            return value
        inner = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        cleaned = {name: redacted(one, depth + 1) for name, one in inner.items()}
        return value if all(cleaned[name] is one for name, one in inner.items()) else cleaned
    return value


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """A structlog processor: goes before whatever turns objects into text."""
    return {
        name: one if isinstance(one, _PLAIN) or name == "exc_info" else redacted(one) for name, one in event.items()
    }


class RedactionFilter(logging.Filter):
    """The same for the standard library's logging: put it on a handler, so that every logger's records pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.msg, str):
            record.msg = redacted(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(one) for one in record.args)
        elif record.args:
            record.args = redacted(record.args)
        return True
