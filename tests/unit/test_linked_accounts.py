"""The states of a link: which commands they allow, and where observations lead (DESIGN 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from donkies.adapters.mx.statuses import CONNECTION_STATUSES
from donkies.domain.aggregator import (
    ActBy,
    AggregatorDown,
    AggregatorThrottled,
    CredentialsNotAccepted,
    LinkStatus,
    MemberRef,
    RetryWith,
)
from donkies.domain.errors import IllegalTransition
from donkies.domain.linked_accounts import Effect, LinkedAccount, LinkTiming, TransactionsStatus
from donkies.testing.factories import NOON, QUESTION, make_link, make_status

TIMING = LinkTiming()
PROCESSING, SUCCESS = LinkStatus.PROCESSING, LinkStatus.SUCCESS
WRONG, CHALLENGED, OTHER = LinkStatus.WRONG_CREDENTIALS, LinkStatus.CHALLENGED, LinkStatus.OTHER_ERROR
USER = ActBy.USER

STATES: dict[str, dict[str, Any]] = {
    "processing": {"link_status": PROCESSING},
    "at the bank": {
        "link_status": PROCESSING, "reason": "bank_sign_in", "act_by": USER, "retry_with": RetryWith.BANK_SIGN_IN,
    },
    "challenged": {
        "link_status": CHALLENGED, "act_by": USER, "retry_with": RetryWith.CHALLENGE, "challenges": (QUESTION,),
    },
    "wrong credentials": {
        "link_status": WRONG, "reason": "credentials_rejected", "act_by": USER, "retry_with": RetryWith.CREDENTIALS,
    },
    "member gone": {
        "link_status": OTHER, "reason": "member_gone", "act_by": USER, "retry_with": RetryWith.CREDENTIALS,
    },
    "timed out": {"link_status": OTHER, "reason": "timed_out", "retry_with": RetryWith.REFRESH},
    "question expired": {
        "link_status": OTHER, "reason": "challenge_expired", "act_by": USER, "retry_with": RetryWith.REFRESH,
    },
    "sign-in abandoned": {
        "link_status": OTHER, "reason": "bank_sign_in_abandoned", "act_by": USER,
        "retry_with": RetryWith.BANK_SIGN_IN,
    },
    "discontinued": {"link_status": OTHER, "reason": "institution_discontinued", "act_by": USER},
    "disconnected": {"link_status": OTHER, "reason": "disconnected", "act_by": USER},
    "success": {"link_status": SUCCESS, "moving_since": None},
    "needs user": {
        "link_status": SUCCESS, "reason": "needs_user", "act_by": USER, "retry_with": RetryWith.CHALLENGE,
        "moving_since": None, "challenges": (QUESTION,),
    },
}  # fmt: skip
COMMANDS = {
    "credentials": LinkedAccount.begin_credentials,
    "refresh": LinkedAccount.begin_refresh,
    "answer": LinkedAccount.begin_answer,
    "bank sign-in": LinkedAccount.begin_bank_sign_in,
}
ALLOWED = {
    ("wrong credentials", "credentials"), ("member gone", "credentials"), ("success", "credentials"),
    ("needs user", "credentials"),
    ("timed out", "refresh"), ("question expired", "refresh"), ("success", "refresh"), ("needs user", "refresh"),
    ("challenged", "answer"), ("needs user", "answer"),
    ("at the bank", "bank sign-in"), ("sign-in abandoned", "bank sign-in"),
}  # fmt: skip
OVERDUE = {"timed out", "sign-in abandoned"}
STAYS_IN_SIGHT = {("success", "refresh"), ("needs user", "refresh"), ("needs user", "answer")}


def in_state(name: str, **fields: Any) -> LinkedAccount:
    rests = {} if STATES[name]["link_status"] == PROCESSING or name in OVERDUE else {"moving_since": None}
    return make_link(**{"member_guid": "MBR-1"} | STATES[name] | rests | fields)


def shown(link: LinkedAccount) -> tuple[Any, ...]:
    return link.link_status, link.reason, link.act_by, link.retry_with


def read(link: LinkedAccount, *words: Any, every_s: float = 3, start: float = 3) -> set[Effect]:
    """Take in readings, one after the other. Returns: the effects of the last."""
    effects: set[Effect] = set()
    for number, word in enumerate(words):
        status = make_status(word) if isinstance(word, str) or word is None else word
        effects = link.observe(status, NOON + timedelta(seconds=start + number * every_s), TIMING)
    return effects


class TestCommands:
    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("state", STATES)
    def test_a_command_leads_on_or_is_refused_with_the_right_way_named(self, state: str, command: str) -> None:
        link = in_state(state)
        before = shown(link)
        later = NOON + timedelta(minutes=1)
        if (state, command) in ALLOWED:
            COMMANDS[command](link, later)
            is_in_sight = (state, command) in STAYS_IN_SIGHT
            assert (SUCCESS if is_in_sight else PROCESSING) == link.link_status
            assert is_in_sight is link.is_refreshing
            assert (later, ()) == (link.moving_since, link.challenges)
        else:
            with pytest.raises(IllegalTransition) as refused:
                COMMANDS[command](link, later)
            assert before == shown(link)
            way_on = STATES[state].get("retry_with")
            assert (way_on and str(way_on)) == refused.value.extra["retry_with"]
            assert STATES[state]["link_status"] == refused.value.extra["link_status"]

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            ("wrong credentials", "PUT new credentials"),
            ("challenged", "answer its challenges"),
            ("timed out", "refresh it"),
            ("sign-in abandoned", "send the person to the bank's own sign-in"),
            ("processing", "wait until it is done"),
            ("disconnected", "nothing but deleting it or linking anew"),
        ],
    )
    def test_a_refusal_says_what_leads_on(self, state: str, words: str) -> None:
        command = "answer" if state != "challenged" else "refresh"
        with pytest.raises(IllegalTransition, match=words):
            COMMANDS[command](in_state(state), NOON)

    @pytest.mark.parametrize("state", STATES)
    def test_any_state_can_be_disconnected_and_nothing_looks_at_it_any_more(self, state: str) -> None:
        link = in_state(state, next_look_at=NOON, next_attempt_at=NOON, lease_until=NOON)
        link.disconnect(NOON)
        assert (OTHER, "disconnected", USER, None) == shown(link)
        assert (None, None, None, ()) == (link.member_guid, link.next_look_at, link.next_attempt_at, link.challenges)

    def test_a_link_without_a_member_cannot_tell_one(self) -> None:
        with pytest.raises(ValueError, match="no member"):
            make_link().member("USR-1")
        assert MemberRef("USR-1", "MBR-1") == in_state("success").member("USR-1")

    def test_no_representation_shows_the_member(self) -> None:
        assert "MBR-1" not in repr(in_state("success"))


class TestALinkIsMade:
    def test_connected_is_final_only_when_the_job_has_ended_and_transactions_are_ready(self) -> None:
        link = in_state("processing")
        assert set() == read(link, "CREATED", make_status("CONNECTED", busy=True))
        assert (PROCESSING, None, None, None) == shown(link)
        assert set() == read(link, make_status("CONNECTED", busy=False, has_processed_transactions=False))
        assert PROCESSING == link.link_status
        assert {Effect.DOWNLOAD} == read(link, "CONNECTED")
        assert (SUCCESS, None, None, None) == shown(link)
        assert (None, None) == (link.next_look_at, link.moving_since)

    def test_transactions_that_never_get_ready_are_waited_for_only_so_long(self) -> None:
        link = in_state("processing")
        lacking = make_status("CONNECTED", busy=False, has_processed_transactions=False)
        assert set() == read(link, *[lacking] * 9)
        assert PROCESSING == link.link_status
        assert {Effect.DOWNLOAD} == read(link, lacking)

    def test_a_server_that_does_not_tell_of_transactions_is_believed(self) -> None:
        link = in_state("processing")
        assert {Effect.DOWNLOAD} == read(link, make_status("CONNECTED", has_processed_transactions=None))

    @pytest.mark.parametrize(
        ("word", "state", "reason"),
        [("DENIED", WRONG, "credentials_rejected"), ("FAILED", OTHER, "institution_down"), ("WHAT", OTHER, None)],
    )
    def test_an_error_is_believed_at_the_second_idle_read(self, word: str, state: LinkStatus, reason: str) -> None:
        link = in_state("processing")
        read(link, make_status(word, busy=True), make_status(word, busy=True), word)
        assert PROCESSING == link.link_status
        read(link, word)
        assert (state, reason or "unknown_status") == (link.link_status, link.reason)

    def test_a_job_between_two_idle_errors_starts_the_count_anew(self) -> None:
        link = in_state("processing")
        read(link, "DENIED", make_status("UPDATED"), "DENIED")
        assert PROCESSING == link.link_status

    def test_the_old_failure_seen_first_after_new_credentials_is_not_shown(self) -> None:
        link = in_state("processing")
        read(link, "DENIED", "DENIED")
        link.begin_credentials(NOON + timedelta(seconds=60))
        seen = []
        for word in ("DENIED", make_status("UPDATED"), "CONNECTED"):
            read(link, word, start=63)
            seen.append(link.link_status)
        assert [PROCESSING, PROCESSING, SUCCESS] == seen

    def test_a_question_is_shown_at_once_even_while_the_job_runs(self) -> None:
        link = in_state("processing")
        read(link, make_status("CHALLENGED", busy=True))
        assert (CHALLENGED, None, USER, RetryWith.CHALLENGE) == shown(link)
        assert (QUESTION,) == link.challenges

    def test_a_question_that_expires_asks_for_a_refresh(self) -> None:
        link = in_state("challenged")
        read(link, "EXPIRED")
        assert CHALLENGED == link.link_status
        read(link, "EXPIRED")
        assert (OTHER, "challenge_expired", USER, RetryWith.REFRESH) == shown(link)
        assert () == link.challenges

    def test_a_second_question_takes_the_place_of_the_first(self) -> None:
        link = in_state("challenged")
        link.begin_answer(NOON)
        read(link, "RESUMED")
        assert (PROCESSING, ()) == (link.link_status, link.challenges)
        read(link, "CHALLENGED")
        assert (CHALLENGED, (QUESTION,)) == (link.link_status, link.challenges)

    def test_a_member_that_stands_still_is_nudged_once(self) -> None:
        link = in_state("processing")
        still = make_status("CREATED", busy=False)
        effects = [link.observe(still, NOON + timedelta(seconds=3 * n), TIMING) for n in range(1, 20)]
        assert [2] == [number for number, effect in enumerate(effects) if effect == {Effect.NUDGE}]

    def test_a_person_at_the_bank_is_not_nudged(self) -> None:
        link = in_state("at the bank")
        assert [set()] * 9 == [link.observe(make_status("PENDING"), NOON, TIMING) for _ in range(9)]


class TestARefresh:
    def refreshing(self, *, in_background: bool = False) -> LinkedAccount:
        link = in_state("success", last_synced=NOON)
        link.begin_refresh(NOON, is_background=in_background)
        return link

    def test_it_keeps_success_in_sight_and_ends_with_a_download(self) -> None:
        link = self.refreshing()
        read(link, make_status("CONNECTED", busy=True))
        assert (SUCCESS, True) == (link.link_status, link.is_refreshing)
        assert {Effect.DOWNLOAD} == read(link, "CONNECTED")
        assert (SUCCESS, False) == (link.link_status, link.is_refreshing)

    def test_only_a_bad_end_changes_what_is_shown(self) -> None:
        link = self.refreshing()
        read(link, make_status("DENIED", busy=True), "DENIED")
        assert (SUCCESS, True) == (link.link_status, link.is_refreshing)
        read(link, "DENIED")
        assert (WRONG, False) == (link.link_status, link.is_refreshing)

    def test_a_question_in_the_background_keeps_success_and_waits_for_the_person(self) -> None:
        link = self.refreshing(in_background=True)
        assert set() == read(link, "CHALLENGED")
        assert (SUCCESS, "needs_user", USER, RetryWith.CHALLENGE) == shown(link)
        assert (False, (QUESTION,), None) == (link.is_refreshing, link.challenges, link.next_look_at)

    def test_a_question_while_the_person_is_there_is_asked(self) -> None:
        link = self.refreshing()
        read(link, "CHALLENGED")
        assert (CHALLENGED, None, USER, RetryWith.CHALLENGE) == shown(link)

    def test_after_an_answer_to_a_question_of_the_background_the_person_is_there(self) -> None:
        link = self.refreshing(in_background=True)
        read(link, "CHALLENGED")
        link.begin_answer(NOON)
        assert (SUCCESS, True, None) == (link.link_status, link.is_refreshing, link.reason)
        read(link, "CHALLENGED")
        assert CHALLENGED == link.link_status

    def test_the_aggregators_own_nightly_job_disturbs_nobody(self) -> None:
        link = in_state("success", updated_at=NOON, synced_job_at=NOON)
        for word in ("CONNECTED", "RESUMED", "RECONNECTED"):
            assert set() == read(link, make_status(word, busy=True))
        assert (SUCCESS, False, NOON) == (link.link_status, link.is_refreshing, link.updated_at)
        assert set() == read(link, "CONNECTED")

    @pytest.mark.parametrize(
        ("status", "expected"), [("complete", {Effect.DOWNLOAD}), ("failed", {Effect.DOWNLOAD}), ("downloading", set())]
    )
    def test_its_end_is_worth_a_download_but_beside_one_that_runs(self, status: Any, expected: set[Effect]) -> None:
        link = in_state("success", synced_job_at=NOON, transactions_status=status)
        assert expected == read(link, make_status("CONNECTED", aggregated_at=NOON + timedelta(hours=1)))

    def test_one_that_does_not_end_times_out(self) -> None:
        link = self.refreshing()
        read(link, make_status("CONNECTED", busy=True), start=899)
        assert (SUCCESS, True) == (link.link_status, link.is_refreshing)
        read(link, make_status("CONNECTED", busy=True), start=900)
        assert (OTHER, "timed_out", None, RetryWith.REFRESH) == shown(link)


class TestDeadlines:
    def test_a_link_that_keeps_moving_times_out_and_a_late_answer_still_moves_it(self) -> None:
        link = in_state("processing")
        read(link, "CREATED", start=899)
        assert PROCESSING == link.link_status
        read(link, "CREATED", start=900)
        assert (OTHER, "timed_out", None, RetryWith.REFRESH) == shown(link)
        read(link, "CREATED", start=2_000)
        assert "timed_out" == link.reason
        assert {Effect.DOWNLOAD} == read(link, "CONNECTED", start=5_000)
        assert (SUCCESS, None, None, None) == shown(link)

    def test_who_walks_away_from_the_bank_has_abandoned_the_sign_in(self) -> None:
        timing = LinkTiming(oauth_deadline_s=60)
        link = in_state("at the bank")
        link.observe(make_status("PENDING"), NOON + timedelta(seconds=59), timing)
        assert (PROCESSING, "bank_sign_in", USER, RetryWith.BANK_SIGN_IN) == shown(link)
        link.observe(make_status("PENDING"), NOON + timedelta(seconds=60), timing)
        assert (OTHER, "bank_sign_in_abandoned", USER, RetryWith.BANK_SIGN_IN) == shown(link)

    @pytest.mark.parametrize("state", ["at the bank", "sign-in abandoned"])
    def test_who_comes_back_from_the_bank_late_gets_the_whole_time_of_a_job(self, state: str) -> None:
        link = in_state(state)
        read(link, make_status("CREATED"), start=890)
        assert (PROCESSING, None, None, None) == shown(link)
        read(link, make_status("CREATED"), start=890 + 899)
        assert PROCESSING == link.link_status
        read(link, make_status("CREATED"), start=890 + 900)
        assert "timed_out" == link.reason

    def test_while_the_aggregator_cannot_be_asked_a_moving_link_keeps_its_time(self) -> None:
        link = in_state("processing")
        link.not_seen(AggregatorDown("no"), NOON + timedelta(seconds=899), TIMING)
        assert PROCESSING == link.link_status
        link.not_seen(AggregatorDown("no"), NOON + timedelta(seconds=900), TIMING)
        assert (OTHER, "aggregator_down", None, RetryWith.REFRESH) == shown(link)

    @pytest.mark.parametrize("state", ["wrong credentials", "sign-in abandoned", "timed out", "challenged", "success"])
    def test_an_aggregator_that_is_down_changes_no_link_that_does_not_move(self, state: str) -> None:
        link = in_state(state, moving_since=NOON)
        before = shown(link)
        link.not_seen(AggregatorDown("no"), NOON + timedelta(days=1), TIMING)
        assert before == shown(link)

    def test_a_failed_call_does_not_count_into_the_deadline_of_what_comes_later(self) -> None:
        link = in_state("processing")
        link.fail(CredentialsNotAccepted("no"), RetryWith.CREDENTIALS, NOON)
        assert (WRONG, "credentials_incomplete", USER, RetryWith.CREDENTIALS) == shown(link)
        read(link, make_status("UPDATED"), start=10_000)
        assert PROCESSING == link.link_status


class TestLooks:
    def pauses(self, link: LinkedAccount, word: Any, count: int) -> list[float]:
        pauses, now = [], NOON
        for _ in range(count):
            link.observe(make_status(word) if isinstance(word, str) else word, now, TIMING)
            assert link.next_look_at is not None
            pauses.append((link.next_look_at - now).total_seconds())
        return pauses

    def test_they_grow_from_three_seconds_to_ten_while_a_link_moves(self) -> None:
        pauses = self.pauses(in_state("processing"), "CREATED", 5)
        assert [4.5, 6.75, 10, 10, 10] == pauses

    def test_the_first_look_after_a_command_comes_after_three_seconds(self) -> None:
        link = in_state("processing")
        link.release(NOON, TIMING)
        assert NOON + timedelta(seconds=3) == link.next_look_at

    def test_an_error_is_looked_at_ever_less_often_but_never_given_up(self) -> None:
        link = in_state("wrong credentials")
        pauses = self.pauses(link, "DENIED", 20)
        assert sorted(pauses) == pauses
        assert (20, TIMING.quiet_s) == (pauses[0], pauses[-1])

    def test_a_question_that_nobody_answers_is_looked_at_ever_less_often(self) -> None:
        pauses = self.pauses(in_state("challenged"), "CHALLENGED", 90)
        assert [10] * 50 == pauses[5:55]
        assert TIMING.quiet_s == pauses[-1]

    def test_a_healthy_link_is_not_looked_at(self) -> None:
        link = in_state("processing")
        read(link, "CONNECTED")
        assert (None, None) == (link.next_look_at, link.lease_until)


class TestADownloadOnItsLink:
    def test_a_complete_one_sets_when_it_was_and_when_the_next_is(self) -> None:
        link = in_state("success", reason="aggregator_down", transactions_status=TransactionsStatus.DOWNLOADING)
        link.download_complete(7, NOON, NOON + timedelta(days=1))
        assert (TransactionsStatus.COMPLETE, 7, NOON) == (
            link.transactions_status, link.transactions_count, link.last_synced,
        )  # fmt: skip
        assert (None, NOON + timedelta(days=1)) == (link.reason, link.next_attempt_at)

    def test_a_failed_one_says_why_on_a_link_that_is_well(self) -> None:
        link = in_state("success", last_synced=NOON, transactions_count=7)
        link.download_failed("unproved", NOON, NOON + timedelta(minutes=5))
        assert (TransactionsStatus.FAILED, "unproved", SUCCESS) == (
            link.transactions_status, link.reason, link.link_status,
        )  # fmt: skip
        assert (NOON, 7) == (link.last_synced, link.transactions_count)

    @pytest.mark.parametrize("state", ["needs user", "wrong credentials", "timed out"])
    def test_how_a_download_ends_hides_no_reason_of_the_link(self, state: str) -> None:
        link = in_state(state)
        link.download_failed("unproved", NOON, NOON)
        assert STATES[state]["reason"] == link.reason
        link.download_complete(1, NOON, NOON)
        assert STATES[state]["reason"] == link.reason


WORDS = st.one_of(st.sampled_from(sorted(CONNECTION_STATUSES, key=str)), st.text(max_size=5))
READINGS = st.builds(
    make_status,
    WORDS,
    busy=st.booleans(),
    has_processed_transactions=st.sampled_from([None, True, False]),
    aggregated_at=st.sampled_from([None, NOON]),
)
DOWN = st.sampled_from([AggregatorDown("no"), AggregatorThrottled("no", retry_after_s=5)])
ORDERS = st.sampled_from(sorted(COMMANDS))
STEPS = st.lists(st.tuples(st.one_of(READINGS, DOWN, ORDERS), st.integers(0, 2_000)), max_size=25)


@settings(max_examples=50, deadline=None)
@given(state=st.sampled_from(sorted(STATES)), in_background=st.booleans(), steps=STEPS)
def test_no_sequence_of_readings_and_commands_hangs_a_link_or_hides_its_data(
    state: str, in_background: bool, steps: list[tuple[Any, int]]
) -> None:
    link, now = in_state(state, last_synced=NOON, transactions_count=7), NOON
    if state == "success" and in_background:
        link.begin_refresh(now, is_background=True)
    for step, seconds in steps:
        now += timedelta(seconds=seconds)
        had_success, was_refreshing = link.link_status == SUCCESS, link.is_refreshing
        if isinstance(step, str):
            try:
                COMMANDS[step](link, now)
            except IllegalTransition:
                continue
            link.release(now, TIMING)
        elif isinstance(step, (AggregatorDown, AggregatorThrottled)):
            link.not_seen(step, now, TIMING)
            link.release(now, TIMING)
        else:
            link.observe(step, now, TIMING)
            nobody_asked = had_success and not was_refreshing
            if nobody_asked and step.verdict.link_status in (CHALLENGED, PROCESSING):
                assert SUCCESS == link.link_status
        is_moving = link.link_status == PROCESSING or link.is_refreshing
        if is_moving or link.link_status != SUCCESS:
            assert link.next_look_at is not None
            assert now < link.next_look_at <= now + timedelta(seconds=TIMING.quiet_s)
        if is_moving:
            assert link.moving_since is not None
            assert now - link.moving_since <= timedelta(seconds=2_000 + TIMING.deadline_s)
        assert bool(link.challenges) is (link.retry_with == RetryWith.CHALLENGE)
        assert not link.is_refreshing or link.link_status == SUCCESS
        assert (NOON, 7) == (link.last_synced, link.transactions_count)
