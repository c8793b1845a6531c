"""What goes wrong at MX, and which of the port's errors it becomes: by status, by call, by kind of break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.domain.aggregator import (
    ActBy,
    Aggregator,
    AggregatorDown,
    AggregatorError,
    AggregatorMisbehaved,
    AggregatorRefusedUs,
    AggregatorThrottled,
    Credential,
    CredentialsNotAccepted,
    JobRunning,
    MemberExists,
    MemberGone,
    MemberLimitReached,
    MemberRef,
    NotChallenged,
)
from donkies.testing.aggregator import Recorded, RecordedTransport, recorded

REF = MemberRef("USR-1", "MBR-1")
TYPED = [Credential("CRD-1", "name")]
DAY = date(2024, 1, 1)

CALLS: dict[str, tuple[str, Callable[[Aggregator], Any]]] = {
    "ensure_user": ("POST", lambda a: a.ensure_user("me")),
    "delete_user": ("DELETE", lambda a: a.delete_user("USR-1")),
    "search_institutions": ("GET", lambda a: a.search_institutions("x", 1, 25)),
    "read_institution": ("GET", lambda a: a.read_institution("mxbank")),
    "list_institution_credentials": ("GET", lambda a: a.list_institution_credentials("mxbank")),
    "list_member_credentials": ("GET", lambda a: a.list_member_credentials(REF)),
    "create_member": ("POST", lambda a: a.create_member("USR-1", "mxbank", TYPED, "l")),
    "create_oauth_member": ("POST", lambda a: a.create_oauth_member("USR-1", "mxbank", "l", "https://r.example")),
    "read_oauth_window_uri": ("GET", lambda a: a.read_oauth_window_uri(REF, "https://r.example")),
    "list_members": ("GET", lambda a: a.list_members("USR-1")),
    "update_member_credentials": ("PUT", lambda a: a.update_member_credentials(REF, TYPED)),
    "delete_member": ("DELETE", lambda a: a.delete_member(REF)),
    "aggregate_member": ("POST", lambda a: a.aggregate_member(REF)),
    "read_member_status": ("GET", lambda a: a.read_member_status(REF)),
    "resume_aggregation": ("PUT", lambda a: a.resume_aggregation(REF, TYPED)),
    "list_accounts": ("GET", lambda a: a.list_accounts(REF)),
    "read_transactions_page": ("GET", lambda a: a.read_transactions_page(REF, DAY, DAY, 1)),
}

EVERYWHERE: dict[int, type[AggregatorError] | None] = {
    301: AggregatorMisbehaved,
    302: AggregatorMisbehaved,
    307: AggregatorMisbehaved,
    400: AggregatorMisbehaved,
    401: AggregatorRefusedUs,
    403: AggregatorRefusedUs,
    404: MemberGone,
    405: AggregatorMisbehaved,
    406: AggregatorRefusedUs,
    409: AggregatorMisbehaved,
    418: AggregatorMisbehaved,
    422: AggregatorMisbehaved,
    429: AggregatorThrottled,
    500: AggregatorDown,
    502: AggregatorDown,
    503: AggregatorDown,
    504: AggregatorDown,
}

_MAKING = {
    400: CredentialsNotAccepted,
    405: MemberLimitReached,
    409: MemberExists,
    422: CredentialsNotAccepted,
}

OF_THE_CALL: dict[str, dict[int, type[AggregatorError] | None]] = {
    "ensure_user": {404: AggregatorRefusedUs},  # 409 is looked up: see the calls
    "search_institutions": {404: AggregatorRefusedUs},
    "delete_user": {404: None},
    "delete_member": {404: None},
    "create_member": _MAKING,
    "create_oauth_member": _MAKING,
    "update_member_credentials": {400: CredentialsNotAccepted, 409: JobRunning, 422: CredentialsNotAccepted},
    "aggregate_member": {409: JobRunning},
    "resume_aggregation": {
        400: CredentialsNotAccepted,
        405: NotChallenged,
        409: NotChallenged,
        422: CredentialsNotAccepted,
    },
}

ACT_BY = {
    AggregatorRefusedUs: ActBy.OPERATOR,
    MemberLimitReached: ActBy.OPERATOR,
    CredentialsNotAccepted: ActBy.USER,
    MemberExists: ActBy.USER,
    NotChallenged: ActBy.USER,
    MemberGone: ActBy.USER,
}

Play = Callable[..., tuple[AtriumAggregator, RecordedTransport]]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def play(waits: list[float]) -> Iterator[Play]:
    made = []

    def make(*answers: Recorded | Exception, **options: Any) -> tuple[AtriumAggregator, RecordedTransport]:
        atrium = AtriumAggregator("https://mx.example", "key", "client", sleep=waits.append, **options)
        transport = RecordedTransport(*answers)
        atrium.transport.session.mount("https://", transport)
        made.append(atrium)
        return atrium, transport

    yield make
    for atrium in made:
        atrium.close()


@pytest.mark.parametrize("status", EVERYWHERE)
@pytest.mark.parametrize("name", CALLS)
def test_a_status_becomes_the_ports_own_error(play: Play, name: str, status: int) -> None:
    if (name, status) == ("ensure_user", 409):
        return  # found by listing instead: test_a_user_that_exists_is_found_on_whatever_page
    atrium, transport = play(recorded({"error": {"message": "canary"}}, status, Location="https://evil.example/"))
    method, call = CALLS[name]
    expected = OF_THE_CALL.get(name, {}).get(status, EVERYWHERE[status])
    if status in OF_THE_CALL.get(name, {}) and expected is None:
        assert None is call(atrium)
        return
    with pytest.raises(AggregatorError) as caught:
        call(atrium)
    assert expected is type(caught.value)
    assert ACT_BY.get(expected) is caught.value.act_by
    assert "canary" not in caught.value.detail
    tries = 3 if method in ("GET", "DELETE") and status in (429, 500, 502, 503, 504) else 1
    assert tries == len(transport.requests)
    if expected is AggregatorDown:
        assert (method != "GET") is caught.value.outcome_unknown


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"{", b"[NaN]", b"\xff", b"7", b'"text"', b"[]"])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_makes_no_sense(play: Play, name: str, body: bytes) -> None:
    method, call = CALLS[name]
    needs_no_answer = name in ("aggregate_member", "update_member_credentials", "resume_aggregation")
    if body in (b"7", b'"text"', b"[]") and (needs_no_answer or method == "DELETE"):
        return  # JSON, and nobody looks into it
    atrium, transport = play(recorded(body))
    with pytest.raises(AggregatorError) as caught:
        call(atrium)
    assert 1 == len(transport.requests)
    if method in ("GET", "DELETE"):
        assert AggregatorMisbehaved is type(caught.value)
    else:
        assert AggregatorDown is type(caught.value)
        assert caught.value.outcome_unknown is True


@pytest.mark.parametrize("status", [201, 206, 299])
def test_another_2xx_leaves_open_what_was_done(play: Play, status: int) -> None:
    atrium, _ = play(recorded({}, status))
    with pytest.raises(AggregatorDown) as caught:
        atrium.resume_aggregation(REF, TYPED)
    assert caught.value.outcome_unknown is True
    with pytest.raises(AggregatorMisbehaved):
        atrium.read_member_status(REF)


def refused() -> Exception:
    reason = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    return requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (refused(), False),
        (requests.ConnectTimeout("x"), False),
        (requests.ReadTimeout("x"), True),
        (requests.ConnectionError("cut"), True),
        (requests.exceptions.ChunkedEncodingError("cut"), True),
        (requests.exceptions.SSLError("odd"), True),
        (OSError("odd"), True),
    ],
)
@pytest.mark.parametrize("name", CALLS)
def test_a_broken_connection_says_whether_it_may_have_been_done(
    play: Play, name: str, error: Exception, unknown: bool
) -> None:
    method, call = CALLS[name]
    atrium, transport = play(error)
    with pytest.raises(AggregatorDown) as caught:
        call(atrium)
    assert (unknown and method != "GET") is caught.value.outcome_unknown
    assert (3 if method in ("GET", "DELETE") else 1) == len(transport.requests)


# repeating


@pytest.mark.parametrize("trouble", [recorded(status=503), recorded(status=429), requests.ConnectionError("cut")])
def test_a_read_is_repeated_until_it_works(play: Play, waits: list[float], trouble: Any) -> None:
    atrium, transport = play(trouble, trouble, recorded({"institution": {"code": "mxbank", "name": "MX Bank"}}))
    assert "MX Bank" == atrium.read_institution("mxbank").name
    assert 3 == len(transport.requests)
    assert 2 == len(waits)
    assert all(0 <= wait <= limit for wait, limit in zip(waits, [0.25, 0.5], strict=True))


def test_repeats_can_be_switched_off(play: Play) -> None:
    atrium, transport = play(recorded(status=500), retries=0)
    with pytest.raises(AggregatorDown):
        atrium.read_institution("mxbank")
    assert 1 == len(transport.requests)


def test_retry_after_is_obeyed(play: Play, waits: list[float]) -> None:
    done = recorded({"institution": {"code": "mxbank"}})
    in_three = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    atrium, _ = play(recorded(status=429, Retry_After="2"), recorded(status=503, Retry_After=in_three), done)
    atrium.read_institution("mxbank")
    assert 2 == waits[0]
    assert 1 < waits[1] <= 3


@pytest.mark.parametrize(
    ("header", "told"),
    [("60", 60), (" 6 ", 6), ("99999999999999", 86_400), ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400)],
)
def test_a_long_retry_after_is_told_at_once(play: Play, waits: list[float], header: str, told: float) -> None:
    atrium, transport = play(recorded(status=429, Retry_After=header))
    with pytest.raises(AggregatorThrottled) as caught:
        atrium.read_institution("mxbank")
    assert told == caught.value.retry_after_s
    assert (1, []) == (len(transport.requests), waits)


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5", "inf", "٣", "Wed, 99 Oct 2099"])
def test_a_retry_after_that_makes_no_sense_is_passed_over(play: Play, header: str) -> None:
    atrium, transport = play(recorded(status=429, Retry_After=header))
    with pytest.raises(AggregatorThrottled) as caught:
        atrium.read_institution("mxbank")
    assert (30, 3) == (caught.value.retry_after_s, len(transport.requests))


def test_a_retry_after_in_the_past_means_now(play: Play, waits: list[float]) -> None:
    past = recorded(status=503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    atrium, _ = play(past, recorded({"institution": {"code": "mxbank"}}))
    atrium.read_institution("mxbank")
    assert [0] == waits


def test_a_throttled_command_is_not_repeated(play: Play, waits: list[float]) -> None:
    atrium, transport = play(recorded(status=429, Retry_After="1"))
    with pytest.raises(AggregatorThrottled) as caught:
        atrium.aggregate_member(REF)
    assert (1, 1, []) == (caught.value.retry_after_s, len(transport.requests), waits)


def test_no_wait_goes_past_the_deadline(play: Play, waits: list[float]) -> None:
    atrium, transport = play(recorded(status=503, Retry_After="4"), total_timeout_s=3)
    with pytest.raises(AggregatorDown):
        atrium.read_institution("mxbank")
    assert (1, []) == (len(transport.requests), waits)


def test_every_answer_is_closed(play: Play) -> None:
    atrium, transport = play(recorded(status=503), recorded({"institution": {"code": "mxbank"}}))
    atrium.read_institution("mxbank")
    assert [True, True] == [body.closed for body in transport.open]


@pytest.mark.parametrize(
    ("base_url", "api_key", "client_id"),
    [
        ("ftp://mx.example", "key", "client"),
        ("mx.example", "key", "client"),
        ("https://", "key", "client"),
        ("https://user:secret@mx.example", "key", "client"),
        ("https://mx.example/?key=secret", "key", "client"),
        ("https://mx.example:port", "key", "client"),
        ("https://mx.example", "", "client"),
        ("https://mx.example", "secret\nX-Evil: 1", "client"),
        ("https://mx.example", "key", "secret\u00e9"),
        ("https://mx.example", "key", " secret"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(base_url: str, api_key: str, client_id: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        AtriumAggregator(base_url, api_key, client_id)
    assert "secret" not in str(caught.value)
