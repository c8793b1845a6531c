"""The same for granian, as `donkies web` serves it."""

from __future__ import annotations

from donkies.rsgi import make_application

from . import app  # noqa: F401 - with what it sets

application = make_application()
