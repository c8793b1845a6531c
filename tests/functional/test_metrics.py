"""/metrics: numbers for the operator, and for nobody else."""

from __future__ import annotations

import re

import pytest

from donkies.testing.app import sign_in
from donkies.testing.broker import RABBITMQ, queues_of_its_own
from donkies.testing.links import PersonAtTheApi

NEAR = {"REMOTE_ADDR": "127.0.0.1"}


def metric(text: str, name: str, **labels: str) -> float | None:
    for line in text.splitlines():
        if line.startswith((name + "{", name + " ")) and all(
            f'{key}="{value}"' in line for key, value in labels.items()
        ):
            return float(line.rpartition(" ")[2])
    return None


def test_requests_are_counted_by_pattern_and_class_never_by_path(testapp):
    headers = sign_in(testapp)
    unknown = "/v1/linked_accounts/00000000-0000-7000-8000-000000000000"
    testapp.get(unknown, headers=headers, status=404)
    testapp.get("/v1/nowhere-at-all", headers=headers, status=404)
    text = testapp.get("/metrics", extra_environ=NEAR).text
    counted = "donkies_request_seconds_count"
    assert 1 == metric(text, counted, route="/v1/linked_accounts/{id}", status="4xx", method="GET")
    assert 1 == metric(text, counted, route="-", status="4xx")
    assert "00000000-0000" not in text
    assert "nowhere" not in text


def test_methods_that_nobody_knows_make_no_new_series(testapp):
    for method in ("TRACE",):
        testapp.request("/v1/accounts", method=method, status="*")
    text = testapp.get("/metrics", extra_environ=NEAR).text
    assert {"GET", "POST", "other"} >= set(re.findall(r'donkies_request_seconds_count\{method="([^"]+)"', text))


def test_what_waits_is_read_from_database_and_broker(testapp):
    text = testapp.get("/metrics", extra_environ=NEAR).text
    assert 1 == metric(text, "donkies_database_up")
    assert 1 == metric(text, "donkies_broker_up")
    assert {"look", "sync", "download", "removal", "erasure"} == set(
        re.findall(r'donkies_late_seconds\{kind="(\w+)"\} 0\.0', text)
    )
    assert 0 == metric(text, "donkies_queue_messages", queue="downloads")


class TestWithRabbitMq:
    @pytest.fixture
    def database_url(self, sqlite_databases, tmp_path):
        return sqlite_databases.fresh(tmp_path)

    @pytest.fixture
    def settings(self, settings):
        with queues_of_its_own() as prefix:
            yield settings | {"donkies.broker_url": RABBITMQ, "donkies.queue_prefix": prefix}

    def test_what_no_worker_takes_is_seen_to_wait(self, testapp):
        person = PersonAtTheApi(testapp)
        for name in ("first", "second"):
            person.link(user_name=name)
        text = testapp.get("/metrics", extra_environ=NEAR).text
        assert 1 == metric(text, "donkies_broker_up")
        assert 2 == metric(text, "donkies_queue_messages", queue="links")
        assert 0 == metric(text, "donkies_queue_messages", queue="downloads")


def test_refused_grants_are_counted(testapp):
    testapp.post(
        "/oauth/token", {"grant_type": "refresh_token", "client_id": "nobody", "refresh_token": "x"}, status=401
    )
    text = testapp.get("/metrics", extra_environ=NEAR).text
    assert 1 == metric(text, "donkies_token_requests_total", grant_type="refresh_token", outcome="refused")


@pytest.mark.parametrize(
    "environ", [{}, NEAR | {"HTTP_X_FORWARDED_FOR": "192.0.2.9"}, NEAR | {"HTTP_FORWARDED": "for=192.0.2.9"}]
)
def test_who_comes_from_elsewhere_is_refused(testapp, environ):
    assert "forbidden" == testapp.get("/metrics", extra_environ=environ, status=403).json["code"]


class TestWithAToken:
    @pytest.fixture
    def settings(self, settings):
        return settings | {"donkies.metrics.token": "a-token-of-the-operators"}

    def test_it_opens_the_door_from_anywhere_and_nothing_else_does(self, testapp):
        good = {"Authorization": "Bearer a-token-of-the-operators"}
        assert "donkies_database_up" in testapp.get("/metrics", headers=good).text
        testapp.get("/metrics", headers={"Authorization": "Bearer another"}, extra_environ=NEAR, status=403)
        testapp.get("/metrics", extra_environ=NEAR, status=403)


def test_two_applications_of_one_process_count_apart(make_testapp):
    one, other = make_testapp(), make_testapp()
    one.get("/healthz")
    counted = ("donkies_request_seconds_count", "/healthz")
    assert 1 == metric(one.get("/metrics", extra_environ=NEAR).text, counted[0], route=counted[1])
    assert None is metric(other.get("/metrics", extra_environ=NEAR).text, counted[0], route=counted[1])
