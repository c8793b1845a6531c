"""The OpenAPI document, made from what routes declare (`operation.py`), and the page that shows it."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    config.include(".operation")
    config.include(".served")
