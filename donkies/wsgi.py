"""The WSGI application for any server: `granian --interface wsgi donkies.wsgi:application`.

Its settings stand in the ini file that the variable DONKIES_INI names, else in `production.ini`.
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


def make_application(ini: str) -> Any:
    """The application that an ini file describes.

    Raises: SystemExit, with one line that names the setting, when it cannot start.
    """
    app: Any = main(**plaster.get_settings(ini, "app:main"))
    with svcs.Container(app.registry.svcs) as container:
        proxies = container.get(Settings).web_trusted_proxies
    if not proxies:
        return app
    from granian.utils.proxies import wrap_wsgi_with_proxy_headers

    # without it all people would share the proxy's address, and its limits
    return wrap_wsgi_with_proxy_headers(app, trusted_hosts=[one.strip() for one in proxies.split(",")])


application = make_application(os.environ.get("DONKIES_INI", "production.ini"))
