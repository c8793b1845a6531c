"""Secrets are kept out of logs by their types, by both loggers, in both shapes of lines."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field

import pytest
import structlog
from pydantic import SecretStr

from donkies.adapters.mx.transport import sealed
from donkies.adapters.sealing import Keyring
from donkies.config.logs import processors
from donkies.config.redaction import REDACTED, RedactionFilter, is_secret, redacted
from donkies.domain.aggregator import Credential, MemberRef
from donkies.domain.challenges import ChallengeAnswer
from donkies.domain.users import SignUp
from donkies.views.api.challenges import AnswerIn, AnswersIn
from donkies.views.api.linked_accounts import CredentialIn, CredentialsIn, LinkIn
from donkies.views.api.users import NewUser

CANARY = "canary-redaction-51d3"
SIGN_UP = {"first_name": "A", "last_name": "B", "email": "a@b.example", "birthday": "1990-12-31", "password": CANARY}


@dataclass
class Holder:
    """Something of no secret type that holds one."""

    name: str
    held: object


@dataclass
class Tokens:
    """A type that is named nowhere, but hides a field."""

    access_token: str = field(repr=False)


class Loud:
    """Shows all that it is."""

    def __repr__(self) -> str:
        return "loud"


SECRETS = {
    "credential": Credential("CRD-1", CANARY),
    "answer": ChallengeAnswer("CHA-1", CANARY),
    "member": MemberRef(CANARY, CANARY),
    "setting": SecretStr(CANARY),
    "typed": CredentialIn(guid="g", value=CANARY),
    "new link": LinkIn(institution_code="mxbank", credentials=[{"guid": "g", "value": CANARY}]),
    "new credentials": CredentialsIn(credentials=[{"guid": "g", "value": CANARY}]),
    "answered": AnswerIn(guid="g", value=CANARY),
    "answers": AnswersIn(answers=[{"guid": "g", "value": CANARY}]),
    "new user": NewUser(**SIGN_UP),
    "sign-up": SignUp(**SIGN_UP),
    "body": sealed({"value": CANARY}),
    "keys": Keyring(Keyring.new_key()),
    "tokens": Tokens(CANARY),
}
NESTINGS = {
    "alone": lambda it: it,
    "in a list": lambda it: [1, it],
    "in a tuple": lambda it: ((it,), "x"),
    "in a dict": lambda it: {"deep": {"deeper": [it]}},
    "in an object": lambda it: Holder("h", [it]),
    "very deep": lambda it: [[[[[[[[[[[[it]]]]]]]]]]]],
}


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_never_written_however_deep(kind: str, nesting: str) -> None:
    secret = SECRETS[kind]
    assert is_secret(type(secret))
    value = NESTINGS[nesting](secret)
    shown = redacted(value)
    assert REDACTED in str(shown)
    assert CANARY not in repr(shown)
    for as_json in (True, False):
        line = written_by_structlog(as_json, "event", value=value)
        assert CANARY not in line
        assert REDACTED in line
    line = written_by_logging("value %s", value) + written_by_logging("value %(it)r", {"it": value})
    assert CANARY not in line + written_by_logging(value)
    assert 2 == line.count(REDACTED)


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_shows_itself_even_without_us(kind: str) -> None:
    assert CANARY not in f"{SECRETS[kind]!r} {SECRETS[kind]}"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_trace_shows_no_variables_and_no_secret(as_json: bool) -> None:
    def fails(typed: Credential, raw: str) -> None:
        several = [raw, typed]
        raise RuntimeError("it broke", len(several))

    try:
        fails(Credential("CRD-1", CANARY), CANARY)
    except RuntimeError as error:
        line = written_by_structlog(as_json, "unexpected_error", exc_info=error)
        try:
            raise error
        except RuntimeError:
            line += written_by_structlog(as_json, "again", exc_info=True)
    assert 2 == line.count("RuntimeError: ")
    assert "in fails" in line
    assert CANARY not in line


def test_what_is_no_secret_is_written_as_it_is() -> None:
    plain = {"a": 1, "b": [2.5, None, True], "c": "text", "d": ("x",), "e": Loud}
    assert {**plain, "d": ["x"]} == redacted(plain)
    loud = Loud()
    assert loud is redacted(loud)
    holder = Holder("h", 3)
    assert holder is redacted(holder)
    assert "plain 1 text" in written_by_logging("plain %d %s", 1, "text")


def written_by_structlog(as_json: bool, event: str, **values: object) -> str:
    stream = io.StringIO()
    added, written = processors(as_json=as_json)
    logger = structlog.wrap_logger(
        structlog.WriteLogger(stream), processors=[*added, *written], wrapper_class=structlog.BoundLogger
    )
    logger.info(event, **values)
    return stream.getvalue()


def written_by_logging(message: object, *args: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactionFilter())
    handler.handle(logging.LogRecord("any", logging.INFO, __file__, 1, message, args, None))  # type: ignore[arg-type]
    return stream.getvalue()
