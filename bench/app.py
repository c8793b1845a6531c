"""The WSGI application as it is measured: the real one, by production.ini and the environment."""

from __future__ import annotations

from datetime import timedelta

from donkies.domain import granting

# The peers' check plays a used refresh token again at once and wants it refused. For 30 seconds we would give the
# same successor again; without that time the work done for each rotation is the same.
granting.RETRY_WINDOW = timedelta(0)

from donkies.wsgi import application  # noqa: E402, F401
