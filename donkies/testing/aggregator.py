"""The aggregator in tests: a scripted double, what is typed at MX's test bank, and MX's answers played back."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from donkies.adapters.memory.aggregator import LOGIN, PASSWORD, USER_NAME, KeptMember, MemoryAggregator
from donkies.adapters.mx.statuses import verdict_of
from donkies.domain.aggregator import Aggregator, Credential, LinkStatus, MemberRef, MemberStatus


class ScriptedAggregator(MemoryAggregator):
    """A MemoryAggregator whose status reads follow a script: one word for each read, the last one for ever.

    Args:
        words: MX's words, as `"CHALLENGED", "CONNECTED"`; each member has the script to itself.
        waits_for_answers: CHALLENGED stays until it is answered, however often it is read.
    """

    def __init__(
        self, *words: str, waits_for_answers: bool = True, transactions: int = 30, per_page: int = 1000
    ) -> None:
        super().__init__(transactions=transactions, per_page=per_page, reads=0)
        self.words = words
        self.waits_for_answers = waits_for_answers
        self._read: dict[str, int] = {}

    def next_word(self, kept: KeptMember) -> tuple[str, bool]:
        guid = kept.member.ref.member_guid
        number = min(self._read.get(guid, 0), len(self.words) - 1)
        waits = self.waits_for_answers and kept.open and self.words[max(number - 1, 0)] == "CHALLENGED"
        if waits:
            number = max(number - 1, 0)
        self._read[guid] = number + 1
        word = self.words[number]
        if word != "CHALLENGED":
            kept.open = ()
        moving = verdict_of(word).link_status in (LinkStatus.PROCESSING, LinkStatus.CHALLENGED)
        return word, moving and word != "PENDING"


def credentials(password: str, user_name: str = USER_NAME) -> list[Credential]:
    """What a person types at the test bank."""
    return [Credential(LOGIN.guid, user_name), Credential(PASSWORD.guid, password)]


def settled(aggregator: Aggregator, member: MemberRef, reads: int = 50, pause_s: float = 0) -> MemberStatus:
    """Read a member's status until its job has ended or asks something."""
    for number in range(reads):
        if number and pause_s:
            time.sleep(pause_s)
        status = aggregator.read_member_status(member)
        if status.verdict.link_status is LinkStatus.CHALLENGED or not status.is_being_aggregated:
            return status
    raise AssertionError(f"The job did not end: {status.connection_status}")


class RecordedTransport(BaseAdapter):
    """A `requests` adapter that plays answers back in turn, the last one for ever, and keeps what was asked.

    Args:
        answers: each made by `recorded`, or an exception to raise.
    """

    def __init__(self, *answers: Recorded | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests: list[requests.PreparedRequest] = []
        self.open: list[io.BytesIO] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        body = io.BytesIO(answer.body)
        self.open.append(body)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = HTTPResponse(body, status=answer.status, headers=answer.headers, preload_content=False)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(frozen=True)
class Recorded:
    """An answer of MX's."""

    status: int
    body: bytes
    headers: dict[str, str]


def recorded(data: object = b"", status: int = 200, **headers: str) -> Recorded:
    """Write an answer down.

    Args:
        data: its body: bytes as they are, anything else as JSON.
        headers: with underscores for hyphens.
    """
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    return Recorded(status, body, {"Content-Length": str(len(body))} | written)
