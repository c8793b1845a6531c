"""The WSGI application for any server: `waitress-serve … donkies.wsgi:application`; `donkies.rsgi` is granian's.

Its settings stand in the ini file that the variable DONKIES_INI names, else in `production.ini`. A server of your
choice must read a whole request before it gives it a thread, and keep X-Forwarded-For but no name with an underscore.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

# Pyramid and Cornice import pkg_resources, which warns; nobody who runs this can do a thing about it
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

import plaster  # noqa: E402
import svcs  # noqa: E402

from .config import Settings, main  # noqa: E402
from .proxies import Wsgi, behind_proxies  # noqa: E402


def load(ini: str) -> tuple[Wsgi, Settings]:
    """The application that an ini file describes, and its settings.

    Raises: SystemExit, with one line that names the setting, when it cannot start.
    """
    app: Any = main(**plaster.get_settings(ini, "app:main"))
    with svcs.Container(app.registry.svcs) as container:
        settings = container.get(Settings)
    # without it all people would share the proxy's address, and its limits
    return behind_proxies(app, settings.web_trusted_proxies), settings


application, settings = load(os.environ.get("DONKIES_INI", "production.ini"))
