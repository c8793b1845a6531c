"""Background work, one module per concept. Tasks take ids, can run twice, and stop when nothing is left to do."""

from __future__ import annotations

from typing import cast

import svcs
from celery import Celery


def services(app: Celery) -> svcs.Container:
    """A container of services for one piece of work: use it in a `with`.

    The registry hangs on the Celery application, where config put it.
    """
    return svcs.Container(cast(svcs.Registry, app.services))
