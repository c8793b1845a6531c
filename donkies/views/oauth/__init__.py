"""The authorization server: Authlib's engine bound to Pyramid, its endpoints, and its metadata."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    config.include(".engine")
    config.include(".authorize")
    config.include(".logout")
