"""The mapping of MX's words, line by line against the tables of the reference (ATRIUM.md 3.2 and 3.3)."""

from __future__ import annotations

import pytest

from donkies.adapters.mx.statuses import CONNECTION_STATUSES, JOB_STATUSES, UNKNOWN, job_runs, verdict_of
from donkies.domain.aggregator import ActBy, LinkStatus, RetryWith, Verdict

STATES = {
    "Processing": LinkStatus.PROCESSING,
    "Success": LinkStatus.SUCCESS,
    "Wrong Username/Password": LinkStatus.WRONG_CREDENTIALS,
    "Challenged": LinkStatus.CHALLENGED,
    "Other Error": LinkStatus.OTHER_ERROR,
}

CONNECTION_TABLE = """
null |               | Other Error             | no_feed                  | user     | credentials
0    | CREATED       | Processing              |                          |          |
1    | PREVENTED     | Wrong Username/Password | credentials_rejected     | user     | credentials
2    | DENIED        | Wrong Username/Password | credentials_rejected     | user     | credentials
3    | CHALLENGED    | Challenged              |                          | user     | challenge
4    | REJECTED      | Other Error             | challenge_rejected       | user     | refresh
5    | LOCKED        | Other Error             | user_action_at_bank      | user     | refresh
6    | CONNECTED     | Success                 |                          |          |
7    | IMPEDED       | Other Error             | user_action_at_bank      | user     | refresh
8    | RECONNECTED   | Processing              |                          |          |
9    | DEGRADED      | Other Error             | institution_down         |          | refresh
10   | DISCONNECTED  | Other Error             | institution_down         |          | refresh
11   | DISCONTINUED  | Other Error             | institution_discontinued | user     |
12   | CLOSED        | Other Error             | connection_closed        | user     |
13   | DELAYED       | Processing              |                          |          |
14   | FAILED        | Other Error             | institution_down         |          | refresh
15   | UPDATED       | Processing              |                          |          |
16   | DISABLED      | Other Error             | disabled_by_operator     | operator |
17   | IMPORTED      | Wrong Username/Password | credentials_incomplete   | user     | credentials
18   | RESUMED       | Processing              |                          |          |
19   | EXPIRED       | Other Error             | challenge_expired        | user     | refresh
20   | IMPAIRED      | Wrong Username/Password | credentials_incomplete   | user     | credentials
21   | PENDING       | Processing              | bank_sign_in             | user     | bank_sign_in
"""

JOB_TABLE = """
0 | INITIATED     | Processing              |                      |      |
1 | REQUESTED     | Processing              |                      |      |
2 | CHALLENGED    | Challenged              |                      | user | challenge
  | AUTHENTICATED | Processing              |                      |      |
  | RECEIVED      | Processing              |                      |      |
  | TRANSFERRED   | Processing              |                      |      |
  | PROCESSED     | Processing              |                      |      |
  | COMPLETED     | Success                 |                      |      |
  | PREVENTED     | Wrong Username/Password | credentials_rejected | user | credentials
  | DENIED        | Wrong Username/Password | credentials_rejected | user | credentials
  | HALTED        | Other Error             | institution_down     |      | refresh
  | THROTTLED     | Other Error             | institution_down     |      | refresh
  | SUSPENDED     | Other Error             | institution_down     |      | refresh
  | TERMINATED    | Other Error             | institution_down     |      | refresh
  | ABORTED       | Other Error             | institution_down     |      | refresh
  | STOPPED       | Other Error             | institution_down     |      | refresh
  | ERRORED       | Other Error             | institution_down     |      | refresh
  | FAILED        | Other Error             | institution_down     |      | refresh
"""


def lines(table: str) -> list[tuple[str | None, Verdict]]:
    read = []
    for line in table.strip().splitlines():
        number, word, state, reason, act_by, retry_with = (cell.strip() for cell in line.split("|"))
        verdict = Verdict(
            STATES[state],
            reason or None,
            ActBy(act_by) if act_by else None,
            RetryWith(retry_with) if retry_with else None,
        )
        read.append((None if number == "null" else word, verdict))
    return read


@pytest.mark.parametrize(("word", "verdict"), lines(CONNECTION_TABLE))
def test_a_connection_status_means_what_the_document_says(word: str | None, verdict: Verdict) -> None:
    assert CONNECTION_STATUSES[word] == verdict
    assert verdict == verdict_of(word)


@pytest.mark.parametrize(("word", "verdict"), lines(JOB_TABLE))
def test_a_job_status_means_what_the_document_says(word: str, verdict: Verdict) -> None:
    assert JOB_STATUSES[word] == verdict
    assert verdict == verdict_of(None, word)


def test_the_tables_are_whole_and_in_the_documents_order() -> None:
    assert [word for word, _ in lines(CONNECTION_TABLE)] == list(CONNECTION_STATUSES)
    assert [word for word, _ in lines(JOB_TABLE)] == list(JOB_STATUSES)


def test_the_numbers_of_the_table_have_no_gap() -> None:
    numbers = [line.split("|")[0].strip() for line in CONNECTION_TABLE.strip().splitlines()]
    assert ["null", *map(str, range(22))] == numbers


@pytest.mark.parametrize("words", [("SOMETHING_NEW", None), (None, "SOMETHING_NEW"), ("", None), ("connected", None)])
def test_an_unknown_word_is_an_error_of_the_operators(words: tuple[str | None, str | None]) -> None:
    expected = Verdict(LinkStatus.OTHER_ERROR, "unknown_status", ActBy.OPERATOR, RetryWith.REFRESH)
    assert expected == UNKNOWN == verdict_of(*words)


def test_a_rejected_answer_with_fresh_questions_is_a_challenge() -> None:
    assert CONNECTION_STATUSES["CHALLENGED"] == verdict_of("REJECTED", None, ["a question"])
    assert CONNECTION_STATUSES["EXPIRED"] == verdict_of("EXPIRED", None, ["a question"])


def test_the_new_vocabulary_outranks_the_old_one() -> None:
    assert CONNECTION_STATUSES["LOCKED"] == verdict_of("LOCKED", "DENIED")


@pytest.mark.parametrize(
    ("word", "runs"),
    [("INITIATED", True), ("PROCESSED", True), ("CHALLENGED", False), ("COMPLETED", False), (None, False)],
)
def test_the_old_vocabulary_tells_whether_a_job_runs(word: str | None, runs: bool) -> None:
    assert runs is job_runs(word)
