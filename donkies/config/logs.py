"""Structured logs: JSON lines in production, readable ones in development."""

from __future__ import annotations

import logging
import sys

import structlog

from .settings import Settings

# these write secrets (tokens, request bodies) at DEBUG, whatever the level asked for
NEVER_BELOW_WARNING = ("authlib", "authomatic", "urllib3", "kombu", "amqp", "celery", "alembic", "pyramid_jwt")


def configure_logs(settings: Settings) -> None:
    """Set up structlog and the standard library's logging alike; UTC times, no newline a value could forge."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.processors.JSONRenderer() if settings.is_production else structlog.processors.LogfmtRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for name in NEVER_BELOW_WARNING:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
