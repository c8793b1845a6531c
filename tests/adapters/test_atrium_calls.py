"""What the adapter sends to MX for each call, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorMisbehaved,
    Credential,
    LinkStatus,
    MemberGone,
    MemberRef,
)
from donkies.testing.aggregator import Recorded, RecordedTransport, recorded

REF = MemberRef("USR-1", "MBR-1")
TYPED = [Credential("CRD-1", "test_atrium"), Credential("CRD-2", "pass")]
MEMBER = {"guid": "MBR-1", "institution_code": "mxbank", "identifier": "link-1", "connection_status": "CREATED"}
CHALLENGED = {"connection_status": "CHALLENGED", "is_being_aggregated": True}
QUESTION = {"guid": "CRD-7", "type": "TEXT", "label": "Which?"}
PATH = "/users/USR-1/members/MBR-1"

Play = Callable[..., tuple[AtriumAggregator, RecordedTransport]]


@pytest.fixture
def play() -> Iterator[Play]:
    made = []

    def make(*answers: Recorded | Exception) -> tuple[AtriumAggregator, RecordedTransport]:
        atrium = AtriumAggregator("https://mx.example/atrium/", "key", "client", sleep=lambda seconds: None)
        transport = RecordedTransport(*answers)
        atrium.transport.session.mount("https://", transport)
        made.append(atrium)
        return atrium, transport

    yield make
    for atrium in made:
        atrium.close()


def sent(transport: RecordedTransport) -> list[tuple[str, str, dict[str, str], Any]]:
    """What was asked: method, path below the base address, query, JSON body."""
    asked = []
    for request in transport.requests:
        url = urlsplit(str(request.url))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = json.loads(request.body) if request.body else None
        asked.append((request.method, url.path.removeprefix("/atrium"), query, body))
    return asked


def listed(key: str, rows: list[Any], page: int = 1, per_page: int = 1000, pages: int = 1) -> Recorded:
    total = len(rows) * pages
    pagination = {"current_page": page, "per_page": per_page, "total_entries": total, "total_pages": pages}
    return recorded({key: rows, "pagination": pagination})


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda a: a.delete_user("USR-1"), ("DELETE", "/users/USR-1", {}, None)),
        (lambda a: a.delete_member(REF), ("DELETE", PATH, {}, None)),
        (lambda a: a.aggregate_member(REF), ("POST", f"{PATH}/aggregate", {}, None)),
        (
            lambda a: a.update_member_credentials(REF, TYPED[1:]),
            ("PUT", PATH, {}, {"member": {"credentials": [{"guid": "CRD-2", "value": "pass"}]}}),
        ),
        (
            lambda a: a.resume_aggregation(REF, [Credential("CRD-7", "correct")]),
            ("PUT", f"{PATH}/resume", {}, {"member": {"challenges": [{"guid": "CRD-7", "value": "correct"}]}}),
        ),
    ],
)
@pytest.mark.parametrize("answer", [recorded(status=202), recorded(status=204), recorded({"member": MEMBER})])
def test_commands_are_sent_and_need_no_body_in_return(play: Play, call: Any, asked: Any, answer: Recorded) -> None:
    atrium, transport = play(answer)
    assert None is call(atrium)
    assert [asked] == sent(transport)


def test_every_request_carries_the_keys_and_the_version(play: Play) -> None:
    atrium, transport = play(recorded(status=204))
    atrium.aggregate_member(REF)
    atrium.update_member_credentials(REF, TYPED)
    bare, full = (dict(request.headers) for request in transport.requests)
    for headers in (bare, full):
        assert ("key", "client") == (headers["MX-API-Key"], headers["MX-Client-ID"])
        assert "application/vnd.mx.atrium.v1+json" == headers["Accept"]
    assert "Content-Type" not in bare
    assert "0" == bare["Content-Length"]
    assert "application/json" == full["Content-Type"]


def test_a_member_is_made_under_our_identifier(play: Play) -> None:
    atrium, transport = play(recorded({"member": MEMBER}))
    member = atrium.create_member("USR-1", "mxbank", TYPED, "link-1")
    assert (REF, "mxbank", "link-1", "CREATED") == (
        member.ref,
        member.institution_code,
        member.identifier,
        member.connection_status,
    )
    body = {
        "member": {
            "institution_code": "mxbank",
            "identifier": "link-1",
            "credentials": [{"guid": "CRD-1", "value": "test_atrium"}, {"guid": "CRD-2", "value": "pass"}],
        }
    }
    assert [("POST", "/users/USR-1/members", {}, body)] == sent(transport)


@pytest.mark.parametrize("answer", [recorded(status=202), recorded({"member": {"guid": None}}), recorded({})])
def test_a_member_that_was_made_but_not_shown_may_exist(play: Play, answer: Recorded) -> None:
    atrium, _ = play(answer)
    with pytest.raises(AggregatorDown) as caught:
        atrium.create_member("USR-1", "mxbank", TYPED, "link-1")
    assert caught.value.outcome_unknown is True


def test_a_member_of_a_bank_with_its_own_sign_in_is_made_without_credentials(play: Play) -> None:
    made = MEMBER | {"connection_status": "PENDING", "oauth_window_uri": "https://bank.example/once"}
    atrium, transport = play(recorded({"member": made}))
    member = atrium.create_oauth_member("USR-1", "mxbank_oauth", "link-1", "https://us.example/link/return")
    assert "https://bank.example/once" == member.oauth_window_uri
    assert "bank.example" not in repr(member)
    (asked,) = sent(transport)
    assert {
        "institution_code": "mxbank_oauth",
        "identifier": "link-1",
        "is_oauth": True,
        "referral_source": "BROWSER",
        "client_redirect_url": "https://us.example/link/return",
    } == asked[3]["member"]


def test_the_banks_consent_page_is_read_fresh(play: Play) -> None:
    atrium, transport = play(recorded({"member": {"guid": "MBR-1", "oauth_window_uri": "https://bank.example/2"}}))
    assert "https://bank.example/2" == atrium.read_oauth_window_uri(REF, "https://us.example/r?a=b&c")
    query = {"referral_source": "BROWSER", "client_redirect_url": "https://us.example/r?a=b&c"}
    assert [("GET", f"{PATH}/oauth_window_uri", query, None)] == sent(transport)


# users


def test_a_new_user_costs_one_call(play: Play) -> None:
    atrium, transport = play(recorded({"user": {"guid": "USR-9", "identifier": "me"}}))
    assert "USR-9" == atrium.ensure_user("me")
    assert [("POST", "/users", {}, {"user": {"identifier": "me"}})] == sent(transport)


def test_a_user_that_exists_is_found_on_whatever_page(play: Play) -> None:
    others = [{"guid": f"USR-{number}", "identifier": None} for number in range(3)]
    mine = [{"guid": "USR-9", "identifier": "me"}]
    atrium, transport = play(recorded(status=409), listed("users", others, pages=2), listed("users", mine, 2, pages=2))
    assert "USR-9" == atrium.ensure_user("me")
    assert ["1", "2"] == [query["page"] for _, _, query, _ in sent(transport)[1:]]


def test_a_user_that_exists_and_is_not_listed_is_nonsense(play: Play) -> None:
    atrium, _ = play(recorded(status=409), listed("users", []))
    with pytest.raises(AggregatorMisbehaved):
        atrium.ensure_user("me")


@pytest.mark.parametrize("call", [lambda a: a.delete_user("USR-1"), lambda a: a.delete_member(REF)])
def test_what_is_gone_already_is_deleted(play: Play, call: Any) -> None:
    atrium, _ = play(recorded(status=404))
    assert None is call(atrium)


# institutions


def test_a_search_asks_for_a_size_that_mx_obeys(play: Play) -> None:
    atrium, transport = play(listed("institutions", [{"code": "mxbank", "name": "MX Bank"}], 2, 100, 2))
    page = atrium.search_institutions(" mx \ud800", 2, 500)
    assert (["mxbank"], 2, 100, 2) == ([one.code for one in page.rows], page.number, page.per_page, page.total_pages)
    atrium.search_institutions("  ", 2, 3)
    assert [
        {"name": "mx ?", "page": "2", "records_per_page": "100"},
        {"page": "2", "records_per_page": "10"},
    ] == [query for _, _, query, _ in sent(transport)]


@pytest.mark.parametrize("code", ["", ".", "..", "a\nb", "a\0b", "\ud800", "x" * 257])
def test_a_code_that_would_leave_its_place_in_the_path_is_never_sent(play: Play, code: str) -> None:
    atrium, transport = play(recorded(status=500))
    with pytest.raises(MemberGone):
        atrium.read_institution(code)
    assert [] == transport.requests


def test_a_code_is_quoted(play: Play) -> None:
    atrium, transport = play(recorded(status=404))
    with pytest.raises(MemberGone):
        atrium.read_institution("../users?a#b%2e é")
    assert [
        "https://mx.example/atrium/institutions/..%2Fusers%3Fa%23b%252e%20%C3%A9",
    ] == [request.url for request in transport.requests]


# status


def test_a_status_with_its_questions_costs_one_call(play: Play) -> None:
    atrium, transport = play(recorded({"member": CHALLENGED | {"challenges": [QUESTION]}}))
    assert ["CRD-7"] == [one.guid for one in atrium.read_member_status(REF).challenges]
    assert [("GET", f"{PATH}/status", {}, None)] == sent(transport)


def test_missing_questions_are_asked_for(play: Play) -> None:
    atrium, transport = play(recorded({"member": CHALLENGED}), recorded({"challenges": [QUESTION]}))
    assert ["CRD-7"] == [one.guid for one in atrium.read_member_status(REF).challenges]
    assert [f"{PATH}/status", f"{PATH}/challenges"] == [path for _, path, _, _ in sent(transport)]


def test_questions_that_have_just_closed_are_none(play: Play) -> None:
    atrium, _ = play(recorded({"member": CHALLENGED}), recorded(status=204))
    status = atrium.read_member_status(REF)
    assert (LinkStatus.CHALLENGED, ()) == (status.verdict.link_status, status.challenges)


def test_an_unknown_word_is_logged_once_and_clipped(play: Play) -> None:
    word = "BRAND\nNEW" + "W" * 100
    atrium, _ = play(recorded({"member": {"connection_status": word, "guid": "MBR-1"}}))
    with capture_logs() as logs:
        for _ in range(3):
            assert "unknown_status" == atrium.read_member_status(REF).verdict.reason
    warned = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [
        {"event": "atrium_unknown_status", "word": ("BRAND?NEW" + "W" * 100)[:40], "log_level": "warning"}
    ] == warned


# lists


def test_a_list_is_read_to_its_end_and_names_each_row_once(play: Play) -> None:
    rows = [MEMBER | {"guid": f"MBR-{number}"} for number in range(3)]
    atrium, transport = play(
        listed("members", rows[:2], 1, 1000, 2),
        listed("members", rows[1:], 2, 1000, 2),
    )
    assert ["MBR-0", "MBR-1", "MBR-2"] == [one.ref.member_guid for one in atrium.list_members("USR-1")]
    assert ["1", "2"] == [query["page"] for _, _, query, _ in sent(transport)]


def test_a_page_that_repeats_is_nonsense(play: Play) -> None:
    atrium, _ = play(listed("members", [MEMBER], 1, 1000, 9), listed("members", [MEMBER], 2, 1000, 9))
    with pytest.raises(AggregatorMisbehaved, match="twice"):
        atrium.list_members("USR-1")


def test_a_page_that_was_not_asked_for_is_nonsense(play: Play) -> None:
    atrium, _ = play(listed("members", [MEMBER], 2, 1000, 9))
    with pytest.raises(AggregatorMisbehaved, match="another page"):
        atrium.list_members("USR-1")


def test_a_list_without_an_end_is_nonsense(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("donkies.adapters.mx.atrium._MAX_PAGES", 5)
    pages = [listed("members", [MEMBER | {"guid": f"MBR-{n}"}], n, 1000, n + 1) for n in range(1, 9)]
    atrium, transport = play(*pages)
    with pytest.raises(AggregatorMisbehaved, match="without an end"):
        atrium.list_members("USR-1")
    assert 5 == len(transport.requests)


def test_accounts_are_those_of_the_member(play: Play) -> None:
    atrium, transport = play(listed("accounts", [{"guid": "ACT-1", "user_guid": "USR-1", "type": "SAVINGS"}]))
    assert ["SAVINGS"] == [one.type for one in atrium.list_accounts(REF)]
    assert [f"{PATH}/accounts"] == [path for _, path, _, _ in sent(transport)]


# transactions


def row(number: int) -> dict[str, Any]:
    return {"guid": f"TRN-{number}", "account_guid": "ACT-1", "type": "DEBIT", "date": "2024-01-01", "amount": 1}


class Server(RecordedTransport):
    """Obeys page sizes up to `largest`; above it takes 25 without a word, as MX does."""

    def __init__(self, total: int, largest: int) -> None:
        super().__init__()
        self.total, self.largest = total, largest

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        query = parse_qs(urlsplit(request.url).query)
        page, size = int(query["page"][0]), int(query["records_per_page"][0])
        size = size if size <= self.largest else 25
        rows = [row(number) for number in range(self.total)][(page - 1) * size : page * size]
        pagination = {
            "current_page": page,
            "per_page": size,
            "total_entries": self.total,
            "total_pages": max(1, -(-self.total // size)),
        }
        self.answers = [recorded({"transactions": rows, "pagination": pagination})]
        return super().send(request, *args, **kwargs)


@pytest.mark.parametrize(
    ("total", "largest", "asked", "per_page"),
    [
        (2500, 1000, ["1000", "1000", "1000"], 1000),
        (250, 100, ["1000", "100", "100", "100"], 100),
        (60, 25, ["1000", "100", "100", "100"], 25),
        (10, 100, ["1000"], 25),
        (0, 25, ["1000"], 25),
    ],
)
def test_a_walk_keeps_the_largest_size_that_the_server_takes(
    play: Play, total: int, largest: int, asked: list[str], per_page: int
) -> None:
    atrium, _ = play()
    server = Server(total, largest)
    atrium.transport.session.mount("https://", server)
    first = atrium.read_transactions_page(REF, date(2000, 1, 1), date(2024, 1, 31), 1)
    pages = [first, *(_page(atrium, number) for number in range(2, first.total_pages + 1))]
    assert {per_page} == {page.per_page for page in pages}
    assert [f"TRN-{number}" for number in range(total)] == [one.guid for page in pages for one in page.rows]
    assert asked == [query["records_per_page"] for _, _, query, _ in sent(server)]
    assert {("2000-01-01", "2024-01-31")} == {(q["from_date"], q["to_date"]) for _, _, q, _ in sent(server)}


def test_a_walk_goes_on_in_another_process_with_the_same_size(play: Play) -> None:
    atrium, _ = play()
    atrium.transport.session.mount("https://", Server(250, 100))
    page = _page(atrium, 3)
    assert (100, 3, 50) == (page.per_page, page.number, len(page.rows))


def _page(atrium: AtriumAggregator, number: int) -> Any:
    return atrium.read_transactions_page(REF, date(2000, 1, 1), date(2024, 1, 31), number)
