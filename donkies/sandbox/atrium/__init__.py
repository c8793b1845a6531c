"""MX's endpoints, mounted under `/atrium`. Source: ATRIUM.md 2."""

from pyramid.config import Configurator

from . import data, institutions, members, users


def includeme(config: Configurator) -> None:
    """Bind MX's paths; the caller sets the prefix."""
    for module in (users, institutions, members, data):
        config.include(module)
