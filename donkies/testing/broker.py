"""A real RabbitMQ for tests: where it is, and queues of a test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from ..adapters.messaging import make_celery

RABBITMQ = os.environ.get("DONKIES_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")


def rabbitmq_or_skip() -> None:
    """Skip with one line where no RabbitMQ is reachable, or fail where there must be one."""
    app = Celery(broker=RABBITMQ, set_as_current=False)
    try:
        with app.connection_for_write(connect_timeout=2) as connection:
            connection.connect()
    except (OperationalError, OSError):
        reason = "RabbitMQ is not reachable: set DONKIES_TEST_BROKER_URL"
        if "rabbitmq" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    finally:
        app.close()


@contextmanager
def queues_of_its_own() -> Iterator[str]:
    """A prefix of queues that nobody else uses; they are deleted afterwards. Skips without a RabbitMQ."""
    rabbitmq_or_skip()
    prefix = f"test-{uuid4()}."
    yield prefix
    app = make_celery(RABBITMQ, 30, prefix)
    delete_queues(app)
    app.close()


def delete_queues(app: Celery) -> None:
    """Delete an application's queues, as far as there are any."""
    with app.connection_for_read() as connection:
        for queue in app.conf.task_queues:
            with suppress(*connection.channel_errors), connection.channel() as channel:
                bound = queue(channel)
                bound.delete()
                bound.exchange.delete()
