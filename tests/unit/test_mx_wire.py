"""MX's small objects at the edge: what may be missing, what may not, and what a status answer means."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from donkies.adapters.mx import wire
from donkies.domain.aggregator import AggregatorMisbehaved, CredentialField, Institution, LinkStatus

CANARY = "canary-b4c1"

STATUS: dict[str, Any] = {
    "guid": "MBR-1",
    "connection_status": "CONNECTED",
    "status": "COMPLETED",
    "is_being_aggregated": False,
    "is_authenticated": True,
    "has_processed_accounts": True,
    "has_processed_transactions": True,
    "aggregated_at": "2024-01-01T00:00:00Z",
    "successfully_aggregated_at": "2024-01-01T00:00:14Z",
}
QUESTION = {
    "guid": "CRD-77",
    "type": "OPTIONS",
    "field_name": None,
    "label": "Pick one",
    "options": [{"label": "First", "value": "correct"}, {"label": "Second", "value": "other"}],
}
ACCOUNT: dict[str, Any] = {
    "guid": "ACT-1",
    "user_guid": "USR-1",
    "name": "Everyday checking",
    "type": "CHECKING",
    "subtype": None,
    "account_number": "XXXX0042",
    "currency_code": "USD",
    "balance": 1250.75,
    "available_balance": -3,
    "credit_limit": 5000.1,
    "apr": 19.9,
    "is_closed": False,
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in STATUS.items() if name not in names}


def test_a_status_is_read_with_its_flags_and_times() -> None:
    status = wire.read_status(STATUS)
    assert ("CONNECTED", LinkStatus.SUCCESS) == (status.connection_status, status.verdict.link_status)
    assert (False, True) == (status.is_being_aggregated, status.has_processed_transactions)
    assert datetime(2024, 1, 1, tzinfo=UTC) == status.aggregated_at
    assert datetime(2024, 1, 1, 0, 0, 14, tzinfo=UTC) == status.successfully_aggregated_at


def test_a_link_that_is_connected_may_have_a_running_job() -> None:
    status = wire.read_status(STATUS | {"is_being_aggregated": True, "status": "INITIATED"})
    assert (LinkStatus.SUCCESS, True) == (status.verdict.link_status, status.is_being_aggregated)


@pytest.mark.parametrize(
    ("word", "state", "runs"),
    [
        ("INITIATED", LinkStatus.PROCESSING, True),
        ("TRANSFERRED", LinkStatus.PROCESSING, True),
        ("CHALLENGED", LinkStatus.CHALLENGED, False),
        ("COMPLETED", LinkStatus.SUCCESS, False),
        ("DENIED", LinkStatus.WRONG_CREDENTIALS, False),
        ("HALTED", LinkStatus.OTHER_ERROR, False),
    ],
)
def test_the_old_vocabulary_alone_tells_all(word: str, state: LinkStatus, runs: bool) -> None:
    row = without("connection_status", "is_being_aggregated", "is_authenticated") | {"status": word}
    status = wire.read_status(row)
    assert (word, state, runs) == (
        status.connection_status,
        status.verdict.link_status,
        status.is_being_aggregated,
    )


def test_a_member_without_a_feed_is_not_judged_by_its_job() -> None:
    status = wire.read_status(STATUS | {"connection_status": None})
    assert (None, "no_feed") == (status.connection_status, status.verdict.reason)


def test_a_status_with_neither_vocabulary_is_refused() -> None:
    with pytest.raises(AggregatorMisbehaved, match=r"member\.connection_status"):
        wire.read_status(without("connection_status", "status"))


def test_flags_that_are_missing_are_not_made_up() -> None:
    status = wire.read_status({"connection_status": "CREATED"})
    assert (True, None, None) == (
        status.is_being_aggregated,
        status.has_processed_transactions,
        status.aggregated_at,
    )


def test_questions_come_with_their_choices() -> None:
    status = wire.read_status(STATUS | {"connection_status": "CHALLENGED", "challenges": [QUESTION]})
    (challenge,) = status.challenges
    assert ("CRD-77", "OPTIONS", "Pick one") == (challenge.guid, challenge.type, challenge.label)
    assert [("First", "correct"), ("Second", "other")] == [(one.label, one.value) for one in challenge.options]


def test_a_rejected_answer_with_fresh_questions_is_a_challenge() -> None:
    status = wire.read_status(STATUS | {"connection_status": "REJECTED", "challenges": [QUESTION]})
    assert (LinkStatus.CHALLENGED, 1) == (status.verdict.link_status, len(status.challenges))


def test_an_unknown_word_is_kept_clipped() -> None:
    status = wire.read_status(STATUS | {"connection_status": "X" * 500})
    assert ("X" * 40, "unknown_status") == (status.connection_status, status.verdict.reason)


@pytest.mark.parametrize(
    ("sent", "picture"),
    [
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="),
        ("/9j/4AAQ\nSkZJ", "data:image/jpeg;base64,/9j/4AAQSkZJ"),
        ("https://tracker.example/x.png?", None),
        ("javascript:alert(1)", None),
        ("data:text/html;base64,AAAA", None),
        ("", None),
        (None, None),
    ],
)
def test_a_picture_is_a_data_uri_or_nothing(sent: str | None, picture: str | None) -> None:
    (challenge,) = wire.read_challenges(
        {
            "challenges": [
                {
                    "guid": "CRD-1",
                    "type": "IMAGE_OPTIONS",
                    "label": None,
                    "field_name": "which",
                    "image_data": sent,
                    "image_options": [{"label": None, "value": 1, "data_uri": sent}],
                }
            ]
        }
    )
    assert ("which", picture) == (challenge.label, challenge.image_data)
    assert [("1", "1", picture)] == [(one.label, one.value, one.data_uri) for one in challenge.options]


def test_a_form_is_sorted_by_display_order() -> None:
    form = wire.read_credentials(
        {
            "credentials": [
                {"guid": "CRD-3", "field_name": "MEMO", "label": None, "type": None},
                {
                    "guid": "CRD-2",
                    "field_name": "PASSWORD",
                    "label": "Password",
                    "type": "PASSWORD",
                    "display_order": 2,
                },
                {
                    "guid": "CRD-1",
                    "field_name": None,
                    "label": "Bank",
                    "type": "OPTIONS",
                    "display_order": 0,
                    "options": [{"label": "A", "value": "a"}, {"label": None, "value": 2}],
                },
            ]
        }
    )
    assert (
        CredentialField("CRD-1", None, "Bank", "OPTIONS", 0, (("A", "a"), ("2", "2"))),
        CredentialField("CRD-2", "PASSWORD", "Password", "PASSWORD", 2),
        CredentialField("CRD-3", "MEMO", "MEMO", "TEXT", 3),
    ) == form


def test_an_institution_of_2016_has_only_five_fields() -> None:
    row = {"code": "mxbank", "name": "MX Bank", "url": None, "small_logo_url": "https://s", "medium_logo_url": None}
    assert Institution("mxbank", "MX Bank", None, "https://s", False) == wire.read_institution(row)
    assert "chase" == wire.read_institution({"code": "chase"}).name


def test_an_account_holds_exact_money_and_mxs_other_balances() -> None:
    account = wire.read_account(ACCOUNT, "USR-1")
    assert (Decimal("1250.75"), Decimal(-3)) == (account.balance, account.available_balance)
    assert {"credit_limit": Decimal("5000.1")} == account.balances
    assert ("XXXX0042", "USD", False, ACCOUNT) == (
        account.masked_number,
        account.currency_code,
        account.is_closed,
        account.raw,
    )


def test_an_account_of_nulls_is_borne() -> None:
    account = wire.read_account(dict.fromkeys(ACCOUNT) | {"guid": "ACT-1"}, "USR-1")
    assert ("UNKNOWN", "UNKNOWN", "USD", None, {}) == (
        account.name,
        account.type,
        account.currency_code,
        account.balance,
        account.balances,
    )


MEMBER = {"guid": "MBR-1", "institution_code": "mxbank", "identifier": "link-1", "connection_status": "CREATED"}


def test_a_member_is_read_in_both_vocabularies() -> None:
    assert "CREATED" == wire.read_member(MEMBER, "USR-1").connection_status
    old = {"guid": "MBR-1", "institution_code": "mxbank", "status": "INITIATED"}
    assert ("INITIATED", None) == (
        wire.read_member(old, "USR-1").connection_status,
        wire.read_member(old, "USR-1").identifier,
    )


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x", "//bank.example", 7, ""])
def test_an_address_that_is_not_of_the_web_is_refused(uri: Any) -> None:
    with pytest.raises(AggregatorMisbehaved):
        wire.read_member(MEMBER | {"oauth_window_uri": uri}, "USR-1")
    with pytest.raises(AggregatorMisbehaved):
        wire.read_oauth_window_uri({"guid": "MBR-1", "oauth_window_uri": uri})
    with pytest.raises(AggregatorMisbehaved):
        wire.read_oauth_window_uri({"guid": "MBR-1", "oauth_window_uri": None})


@pytest.mark.parametrize(
    ("read", "field"),
    [
        (lambda: wire.read_user({"guid": None, "identifier": CANARY}), "user.guid"),
        (lambda: wire.read_user({"guid": "USR-1", "identifier": [CANARY]}), "user.identifier"),
        (lambda: wire.read_user(CANARY), "user"),
        (lambda: wire.read_institution({"name": CANARY}), "institution.code"),
        (lambda: wire.read_member(MEMBER | {"guid": 7, "identifier": CANARY}, "USR-1"), "member.guid"),
        (lambda: wire.read_member(MEMBER | {"guid": CANARY * 20}, "USR-1"), "member.guid"),
        (lambda: wire.read_status(STATUS | {"is_being_aggregated": CANARY}), "member.is_being_aggregated"),
        (lambda: wire.read_status(STATUS | {"aggregated_at": CANARY}), "member.aggregated_at"),
        (lambda: wire.read_status(STATUS | {"challenges": [{"label": CANARY}]}), "member.challenges.0.guid"),
        (lambda: wire.read_credentials({"credentials": {CANARY: 1}}), "credentials"),
        (lambda: wire.read_credentials({"credentials": [{"label": CANARY}]}), "credentials.guid"),
        (lambda: wire.read_challenges(CANARY), "challenges"),
        (lambda: wire.read_account(ACCOUNT | {"balance": CANARY}, "USR-1"), "account.balance"),
        (lambda: wire.read_account(ACCOUNT | {"credit_limit": CANARY}, "USR-1"), "account.credit_limit"),
        (lambda: wire.read_account(ACCOUNT | {"user_guid": CANARY}, "USR-1"), "account.user_guid"),
        (lambda: wire.read_pagination({"pagination": {"current_page": CANARY}}), "pagination.current_page"),
        (lambda: wire.read_pagination({}), "pagination"),
        (lambda: wire.envelope([CANARY], "member"), "member"),
        (lambda: wire.envelope(None, "member"), "member"),
    ],
)
def test_a_bad_field_is_named_and_its_value_is_not(read: Any, field: str) -> None:
    with pytest.raises(AggregatorMisbehaved) as caught:
        read()
    assert f"MX sent an answer that cannot be read: {field}." == caught.value.detail
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
