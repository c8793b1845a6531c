"""The command line: `donkies -c development.ini …`."""

from __future__ import annotations

import gc
import warnings

# Pyramid and Cornice import pkg_resources, which warns; nobody at a command line can do a thing about it
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

gc.disable()  # a fifth of the start would go to looking for garbage among modules, and later too, were they not frozen

from . import clients, demo, keys, people, processes  # noqa: E402, F401 - each puts its commands on `main`
from .base import main  # noqa: E402

gc.freeze()
gc.enable()

__all__ = ["main"]
