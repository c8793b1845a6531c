"""The port `Jobs`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from donkies.domain.ids import new_id
from donkies.domain.jobs import Jobs

Sent = Callable[[], list[tuple[str, ...]]]


class JobsContract:
    """Needs the fixtures `jobs`, `unit_of_work`, and `sent`, which tells what was sent so far."""

    def test_jobs_are_sent_after_the_commit(self, jobs: Jobs, unit_of_work: Any, sent: Sent) -> None:
        user_id, link_id = new_id(), new_id()
        with unit_of_work:
            jobs.look()
            jobs.download(user_id, link_id)
            jobs.remove_members()
            jobs.adopt_members()
            jobs.erase()
            assert [] == sent()
        wanted = [("look",), ("download", str(user_id), str(link_id)), ("remove_members",), ("adopt_members",)]
        assert [*wanted, ("erase",)] == sent()

    def test_none_is_sent_after_a_rollback_not_even_later(self, jobs: Jobs, unit_of_work: Any, sent: Sent) -> None:
        with suppress(ZeroDivisionError), unit_of_work:
            jobs.look()
            raise ZeroDivisionError
        assert [] == sent()
        with unit_of_work:
            pass
        assert [] == sent()

    def test_without_a_unit_of_work_they_are_sent_at_once(self, jobs: Jobs, sent: Sent) -> None:
        jobs.look()
        assert [("look",)] == sent()

    def test_each_commit_sends_its_own(self, jobs: Jobs, unit_of_work: Any, sent: Sent) -> None:
        for expected in (1, 2):
            with unit_of_work:
                jobs.look()
            assert expected == len(sent())
