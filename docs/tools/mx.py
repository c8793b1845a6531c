"""The page of MX's words: the tables of the adapter, as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from donkies.adapters.mx.statuses import CONNECTION_STATUSES, JOB_STATUSES, UNKNOWN
from donkies.domain.aggregator import Verdict

from .tables import table

ABOUT = """\
# MX's statuses

What each word of MX's means for a link. The states and reasons themselves: [states](states.md). An error counts only
after two readings of a member whose job has ended, for the first reading after new credentials can still show the old
failure. A word that is not here is `unknown_status`. `REJECTED` that comes with fresh questions is `challenged`.
"""


def mx_statuses() -> Iterator[str]:
    """The page's lines."""
    yield ABOUT
    yield "## connection_status\n"
    yield from _table({**CONNECTION_STATUSES, "any other": UNKNOWN})
    yield "## status, of servers that send no connection_status\n"
    yield from _table(JOB_STATUSES)


def _table(words: Mapping[str | None, Verdict]) -> Iterator[str]:
    rows = [
        (
            word if word == "any other" else f"`{word}`" if word else "null: no feed yet",
            *(f"`{part}`" if part else "" for part in (said.link_status, said.reason, said.act_by, said.retry_with)),
        )
        for word, said in words.items()
    ]
    yield from table(("MX says", "link_status", "reason", "act_by", "retry_with"), rows)
