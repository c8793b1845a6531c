"""What the web sees: REST resources (Cornice), OAuth endpoints, hosted pages, errors."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Everything that answers HTTP."""
    config.include("cornice")
    config.include("pyramid_jinja2")
    config.include(".errors")
    config.scan("donkies.views")
