"""The port `Aggregator`: one contract, kept by the twin in memory and by Atrium over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.domain.aggregator import Aggregator, Credential, LinkStatus
from donkies.sandbox import Sandbox
from donkies.testing.aggregator import ScriptedAggregator, credentials, settled
from donkies.testing.contracts.aggregator import MxTestBankContract
from donkies.testing.sandbox import SandboxControl


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(port=0, job_s=0)
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[SandboxControl]:
    with SandboxControl(sandbox.atrium_url.removesuffix("/atrium")) as control:
        yield control


@pytest.fixture
def atrium(sandbox: Sandbox) -> Iterator[AtriumAggregator]:
    atrium = AtriumAggregator(sandbox.atrium_url, "key", "client")
    yield atrium
    atrium.close()


class TestMemoryAggregator(MxTestBankContract):
    @pytest.fixture
    def aggregator(self) -> Aggregator:
        return MemoryAggregator()


class TestAtriumAggregator(MxTestBankContract):
    @pytest.fixture
    def aggregator(self, atrium: AtriumAggregator) -> Aggregator:
        return atrium


class TestAtriumAggregatorWithEmptyAnswers(MxTestBankContract):
    """Servers of some years answer aggregate and resume with 202 and no body (ATRIUM.md 2.4)."""

    @pytest.fixture
    def aggregator(self, atrium: AtriumAggregator, control: SandboxControl) -> Aggregator:
        control.mode(empty_202=True)
        return atrium


@pytest.mark.parametrize(
    ("password", "state"),
    [
        ("any", LinkStatus.SUCCESS),
        ("INVALID", LinkStatus.WRONG_CREDENTIALS),
        ("challenge", LinkStatus.CHALLENGED),
        ("SERVER_ERROR", LinkStatus.OTHER_ERROR),
    ],
)
def test_a_server_of_2016_is_understood(
    atrium: AtriumAggregator, control: SandboxControl, password: str, state: LinkStatus
) -> None:
    control.mode(vocabulary="2016")
    user = atrium.ensure_user("person")
    ref = atrium.create_member(user, "mxbank", credentials(password), "link").ref
    assert state is settled(atrium, ref).verdict.link_status


def test_a_script_is_followed_word_by_word_and_the_last_one_stays() -> None:
    aggregator = ScriptedAggregator("CREATED", "DENIED")
    ref = aggregator.create_member(aggregator.ensure_user("me"), "mxbank", credentials("any"), "link").ref
    words = [aggregator.read_member_status(ref) for _ in range(4)]
    assert ["CREATED", "DENIED", "DENIED", "DENIED"] == [one.connection_status for one in words]
    assert [True, False, False, False] == [one.is_being_aggregated for one in words]


def test_a_scripted_question_waits_for_its_answer() -> None:
    aggregator = ScriptedAggregator("CHALLENGED", "CONNECTED")
    ref = aggregator.create_member(aggregator.ensure_user("me"), "mxbank", credentials("any"), "link").ref
    first, again = aggregator.read_member_status(ref), aggregator.read_member_status(ref)
    assert first.challenges == again.challenges
    aggregator.resume_aggregation(ref, [Credential(first.challenges[0].guid, "correct")])
    assert (LinkStatus.SUCCESS, ()) == _seen(aggregator.read_member_status(ref))
    assert aggregator.list_accounts(ref)


def test_a_scripted_question_may_expire() -> None:
    aggregator = ScriptedAggregator("CHALLENGED", "EXPIRED", waits_for_answers=False)
    ref = aggregator.create_member(aggregator.ensure_user("me"), "mxbank", credentials("any"), "link").ref
    assert LinkStatus.CHALLENGED is aggregator.read_member_status(ref).verdict.link_status
    assert "challenge_expired" == aggregator.read_member_status(ref).verdict.reason


def test_a_login_that_is_refused_three_times_in_a_row_is_prevented() -> None:
    aggregator = MemoryAggregator()
    ref = aggregator.create_member(aggregator.ensure_user("me"), "mxbank", credentials("INVALID"), "link").ref
    for _ in range(2):
        aggregator.update_member_credentials(ref, credentials("INVALID"))
    assert "PREVENTED" == settled(aggregator, ref).connection_status


def _seen(status: object) -> tuple[object, object]:
    return status.verdict.link_status, status.challenges  # type: ignore[attr-defined]
