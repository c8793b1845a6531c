"""What the web sees: REST resources (Cornice), OAuth endpoints, hosted pages, errors."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Everything that answers HTTP."""
    config.add_settings(handle_exceptions=False)  # errors.py answers, not Cornice
    config.include("cornice")
    config.include("pyramid_jinja2")
    config.include(".errors")
    config.include(".security")
    config.include(".edge")
    config.include(".requests")  # after .edge, so that it is outermost
    config.include(".guard")
    config.include(".oauth")
    config.include(".health")
    config.include(".metrics")
    config.include(".pages.home")
    config.include(".pages.link_return")
    config.include(".pages.login")
    config.include(".pages.signup")
    config.add_static_view("static", "donkies.views:static", cache_max_age=3600, request_method=("GET", "HEAD"))
    config.scan("donkies.views")
