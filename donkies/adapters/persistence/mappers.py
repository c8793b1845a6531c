"""Imperative mapping: domain classes onto tables, once per process (docs/adr/0001)."""

from __future__ import annotations

from .tables import mapper_registry


def start_mappers() -> None:
    """Map the domain classes; a second call does nothing."""
    if mapper_registry.mappers:
        return
