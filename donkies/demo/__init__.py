"""The demo front end: a small money app on a site of its own, made to be copied. Imports nothing of the rest."""

from .server import Demo

__all__ = ["Demo"]
