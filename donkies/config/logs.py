"""Structured logs: JSON lines in production, logfmt in development; UTC, one line an event.

Lines of other packages, which write to the standard library's logging, take the same shape.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from ..domain import tracing
from .redaction import RedactionFilter, redact
from .settings import Settings

# these write secrets (tokens, request bodies) at DEBUG, whatever the level asked for
NEVER_BELOW_WARNING = ("authlib", "authomatic", "urllib3", "kombu", "amqp", "celery", "alembic", "pyramid_jwt")

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = (str, int, float, bool, type(None))


def add_trace(_: Any, __: str, event: EventDict) -> EventDict:
    """The ids of the work under way; what the line says itself wins."""
    return {**tracing.current(), **event}


def escape_controls(_: Any, __: str, event: EventDict) -> EventDict:
    """No value can end its line, move the cursor of whoever reads it, or be unwritable (S37)."""
    shown: EventDict = {}
    for name, value in event.items():
        value = value if isinstance(value, _PLAIN) else str(value)
        shown[name] = _CONTROLS.sub(_escaped, value) if isinstance(value, str) else value
    return shown


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def processors(*, as_json: bool) -> tuple[list[Processor], list[Processor]]:
    """What makes a line of an event: what is added to it, and how it is written."""
    added: list[Processor] = [
        add_trace,
        redact,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if as_json:  # escapes all that is not ASCII
        return added, [structlog.processors.JSONRenderer(default=str)]
    renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    return added, [escape_controls, renderer]


def configure_logs(settings: Settings) -> None:
    """Set up structlog and the standard library's logging alike, on standard error."""
    added, written = processors(as_json=settings.is_production)
    structlog.configure(
        processors=[*added, *written],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactionFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *added],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    root = logging.getLogger()
    for other in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(other)  # pserve's, or ours of an earlier call; nobody else's
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in NEVER_BELOW_WARNING:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
