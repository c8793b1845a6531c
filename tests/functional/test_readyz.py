"""/readyz: 503 for the database alone; what the service can do without for a while is `degraded` in a 200."""

from __future__ import annotations

import socket

import pytest

from donkies.adapters.persistence import schema
from donkies.testing.app import sign_in
from donkies.testing.links import PersonAtTheApi


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_all_is_well(testapp):
    assert {"status": "ready", "database": "up", "broker": "up", "aggregator": "unknown"} == testapp.get("/readyz").json


class TestWithADeadBroker:
    @pytest.fixture
    def settings(self, settings, closed_port):
        broker = f"amqp://guest:guest@127.0.0.1:{closed_port}//"
        return settings | {"donkies.broker_url": broker, "donkies.link.look_s": 0.05}

    def test_it_is_degraded_and_the_api_stays_up(self, testapp):
        assert "degraded" == testapp.get("/readyz", status=200).json["broker"]
        person = PersonAtTheApi(testapp)
        link = person.link()
        assert "processing" == person.state(link)["link_status"]
        assert "success" == person.settled(link)["link_status"], "the row brings the work back, not the message"


class TestWithADeadAggregator:
    @pytest.fixture
    def settings(self, settings, closed_port):
        return settings | {
            "donkies.aggregator": "atrium",
            "donkies.atrium.url": f"http://127.0.0.1:{closed_port}/atrium",
            "donkies.aggregator.timeout_s": 1,
        }

    def test_it_is_degraded_once_calls_have_failed_and_the_api_stays_up(self, testapp):
        assert "unknown" == testapp.get("/readyz").json["aggregator"], "readyz itself calls nobody"
        headers = sign_in(testapp)
        for _ in range(3):
            testapp.get("/v1/institutions", headers=headers, status=503)
        assert "degraded" == testapp.get("/readyz", status=200).json["aggregator"]
        assert [] == testapp.get("/v1/linked_accounts", headers=headers, status=200).json["data"]


def test_with_an_old_schema_it_is_unready(testapp):
    schema.downgrade(testapp.engine(), "-1")
    try:
        answer = testapp.get("/readyz", status=503).json
    finally:
        schema.upgrade(testapp.engine())  # the database is other tests' too
    assert ("unready", "schema is old") == (answer["status"], answer["database"])
    assert "alive" == testapp.get("/healthz").json["status"]
