"""An inbox of mail: an SMTP server that keeps what it gets in memory, and pages to read it. Source: DESIGN.md 11."""

from pyramid.config import Configurator

from . import views


def includeme(config: Configurator) -> None:
    config.include(views)
