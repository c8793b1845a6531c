"""Google's and Facebook's sign-in, pretended: people to be, codes, tokens, profiles. Source: DESIGN.md 11."""

from pyramid.config import Configurator

from . import facebook, google, portraits


def includeme(config: Configurator) -> None:
    """Bind both providers' paths, each under its own prefix."""
    config.include(google, route_prefix="/google")
    config.include(facebook, route_prefix="/facebook")
    config.include(portraits)
