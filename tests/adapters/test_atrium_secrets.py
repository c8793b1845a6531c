"""Canary keys, credentials and guids, searched for in every error, its chain and frames, and in every log."""

from __future__ import annotations

import io
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import requests
import structlog
from structlog.testing import capture_logs

from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.domain.aggregator import AggregatorError, Credential, CredentialsNotAccepted, MemberRef
from donkies.testing.aggregator import Recorded, RecordedTransport, recorded

KEY = "canary-key-1f0e"
CLIENT = "canary-client-77aa"
LOGIN = "canary-login-5c5c"
PASSWORD = "canary-password-9d9d"
USER = "USR-canary-3b3b"
MEMBER = "MBR-canary-8e8e"
ECHO = "canary-echo-2222"
CANARIES = [KEY, CLIENT, LOGIN, PASSWORD, USER, MEMBER, ECHO]

REF = MemberRef(USER, MEMBER)
TYPED = [Credential("CRD-1", LOGIN), Credential("CRD-2", PASSWORD)]

CALLS: dict[str, Callable[[AtriumAggregator], Any]] = {
    "create_member": lambda a: a.create_member(USER, "mxbank", TYPED, "link"),
    "update_member_credentials": lambda a: a.update_member_credentials(REF, TYPED),
    "resume_aggregation": lambda a: a.resume_aggregation(REF, TYPED),
    "read_member_status": lambda a: a.read_member_status(REF),
    "list_accounts": lambda a: a.list_accounts(REF),
    "read_oauth_window_uri": lambda a: a.read_oauth_window_uri(REF, f"https://us.example/?s={ECHO}"),
}

_ECHO = {"error": {"message": f"{ECHO} {PASSWORD}"}, "member": {"guid": 7, "note": ECHO}, "accounts": [ECHO]}
TROUBLES: dict[str, Recorded | Exception] = {
    **{str(status): recorded(_ECHO, status) for status in (400, 401, 403, 404, 405, 406, 409, 422, 429, 500, 503)},
    "302": recorded(b"", 302, Location=f"https://x.example/?{ECHO}"),
    "html": recorded(f"<html>{ECHO}{PASSWORD}".encode()),
    "not json": recorded(f'{{"{PASSWORD}'.encode()),
    "cut": requests.ConnectionError(f"{ECHO} {PASSWORD}"),
    "late": requests.ReadTimeout(f"{ECHO} {PASSWORD}"),
    "odd": ValueError(f"{ECHO} {PASSWORD}"),
}


@pytest.fixture
def shown() -> Iterator[Callable[[], str]]:
    """Everything that any logger says, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with capture_logs() as entries:
        yield lambda: stream.getvalue() + repr(entries)
    root.removeHandler(handler)
    root.setLevel(level)


def everything_of(error: BaseException) -> str:
    """An error's texts, its whole chain, and the variables of its frames outside of this module."""
    parts = []
    while error is not None:
        parts += [repr(error), str(error), repr(error.args), repr(vars(error))]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                parts.append(repr(frame.f_locals))
        parts.append("".join(traceback.format_exception(error, chain=True)))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "\n".join(parts)


def found(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


def play(trouble: Recorded | Exception) -> AtriumAggregator:
    atrium = AtriumAggregator("https://mx.example", KEY, CLIENT, sleep=lambda seconds: None)
    atrium.transport.session.mount("https://", RecordedTransport(trouble))
    return atrium


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", CALLS)
def test_no_error_and_no_log_holds_a_secret(shown: Callable[[], str], name: str, trouble: str) -> None:
    atrium = play(TROUBLES[trouble])
    with pytest.raises(AggregatorError) as caught:
        CALLS[name](atrium)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    secrets = [canary for canary in found(everything_of(caught.value)) if canary in (KEY, CLIENT, LOGIN, PASSWORD)]
    assert [] == secrets
    assert [] == found("".join(traceback.format_exception(caught.value)) + repr(caught.value.args))
    assert [] == found(shown())
    atrium.close()


@pytest.mark.parametrize("name", ["create_member", "read_member_status", "list_accounts", "read_oauth_window_uri"])
def test_no_error_and_no_log_repeats_what_mx_sent(shown: Callable[[], str], name: str) -> None:
    atrium = play(recorded(_ECHO))
    with pytest.raises(AggregatorError) as caught:
        CALLS[name](atrium)
    assert caught.value.__context__ is None
    assert [] == found("".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)))
    assert [] == found(shown())
    atrium.close()


def test_text_that_cannot_be_sent_is_not_shown(shown: Callable[[], str]) -> None:
    atrium = play(recorded())
    with pytest.raises(CredentialsNotAccepted) as caught:
        atrium.update_member_credentials(REF, [Credential("CRD-1", f"{PASSWORD}\ud800")])
    assert [] == [canary for canary in found(everything_of(caught.value)) if canary == PASSWORD]
    assert [] == found(shown())
    atrium.close()


def test_reprs_show_the_host_only() -> None:
    atrium = AtriumAggregator("https://mx.example:8443/atrium", KEY, CLIENT)
    assert "<AtriumAggregator mx.example:8443>" == repr(atrium)
    assert [] == found(f"{atrium!r} {atrium.transport!r} {REF!r} {TYPED!r}")
    atrium.close()


@pytest.fixture
def refusing_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_urllib3_logs_no_guids_and_no_headers_of_ours(shown: Callable[[], str], refusing_url: str) -> None:
    atrium = AtriumAggregator(refusing_url, KEY, CLIENT, retries=0)
    for call in CALLS.values():
        with pytest.raises(AggregatorError) as caught:
            call(atrium)
        assert [] == [one for one in found(everything_of(caught.value)) if one in (KEY, CLIENT, LOGIN, PASSWORD)]
        assert caught.value.__context__ is None
    assert [] == found(shown())
    assert "urllib3" not in shown()
    atrium.close()


def test_urllib3_still_logs_the_calls_of_others(shown: Callable[[], str], refusing_url: str) -> None:
    AtriumAggregator(refusing_url, KEY, CLIENT).close()
    with requests.Session() as session, pytest.raises(requests.ConnectionError):
        session.get(refusing_url + "/of-others")
    assert "Starting new HTTP connection" in shown()


def test_a_call_is_logged_by_its_kind() -> None:
    atrium = play(recorded({"member": {"connection_status": "CONNECTED"}}, X_Request_Id="a1b2\nforged=1" + "f" * 99))
    with capture_logs() as logs:
        atrium.read_member_status(REF)
    (entry,) = logs
    assert isinstance(entry.pop("ms"), float)
    assert {
        "event": "atrium_call",
        "log_level": "debug",
        "method": "GET",
        "path": "/users/{user}/members/{member}/status",
        "status": 200,
        "mx_request_id": "a1b2forged1" + "f" * 51,
    } == entry
    atrium.close()


def test_the_rendered_log_is_clean_too() -> None:
    stream = io.StringIO()
    logger = structlog.wrap_logger(structlog.WriteLogger(stream))
    logger.info("probe", ref=REF, typed=TYPED, raw=orjson.dumps({}))
    assert "probe" in stream.getvalue()
    assert [] == found(stream.getvalue())
