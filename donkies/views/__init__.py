"""What the web sees: REST resources (Cornice), OAuth endpoints, hosted pages, errors."""

from pyramid.config import Configurator

# routes are tried in their order, and none are asked for as often as a link that is polled, and tokens
# the last two before `/v1/transactions/{id}`, which would take `summary` and `sync` for ids
FIRST = (
    "donkies.views.api.linked_accounts",
    "donkies.views.oauth.tokens",
    "donkies.views.api.transaction_reports",
    "donkies.views.api.transaction_feed",
)


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
    config.include(".openapi")
    for module in FIRST:
        config.scan(module)
    config.include(".oauth")
    config.include(".health")
    config.include(".metrics")
    config.include(".hooks")
    config.include(".pages.account")
    config.include(".pages.brand")
    config.include(".pages.email")
    config.include(".pages.factors")
    config.include(".pages.home")
    config.include(".pages.leaving")
    config.include(".pages.link")
    config.include(".pages.link_data")
    config.include(".pages.link_return")
    config.include(".pages.link_widget")
    config.include(".pages.login")
    config.include(".pages.logos")
    config.include(".pages.password")
    config.include(".pages.second")
    config.include(".pages.signup")
    config.include(".pages.social")
    config.include(".pages.social_signup")
    config.add_static_view("static", "donkies.views:static", cache_max_age=3600, request_method=("GET", "HEAD"))
    config.scan("donkies.views", ignore=list(FIRST))
