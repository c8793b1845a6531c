"""Webhooks as MX sends them. Source: ATRIUM.md 5."""

from datetime import UTC, datetime
from typing import Any

import requests

from .members import Member
from .wire import Refusal, derived_guid

TIMEOUT_S = 10
MOST_COPIES = 100
KINDS = ("AGGREGATION", "CONNECTION_STATUS")

_STATUSES = (
    "CREATED", "PREVENTED", "DENIED", "CHALLENGED", "REJECTED", "LOCKED", "CONNECTED", "IMPEDED",
    "RECONNECTED", "DEGRADED", "DISCONNECTED", "DISCONTINUED", "CLOSED", "DELAYED", "FAILED", "UPDATED",
    "DISABLED", "IMPORTED", "RESUMED", "EXPIRED", "IMPAIRED", "PENDING",
)  # fmt: skip
STATUS_IDS = {status: number for number, status in enumerate(_STATUSES)}


def payloads(member: Member, kind: str, copies: int, shuffled: bool, now: float) -> list[dict[str, Any]]:
    """Build what is sent: `copies` of the newest event; shuffled, an older event comes after it.

    Deliveries may repeat and overtake each other, and a receiver must stand both.
    """
    build = _aggregation if kind == "AGGREGATION" else _connection_status
    newest = [build(member, now, is_stale=False)] * copies
    return [*newest, build(member, now - 60, is_stale=True)] if shuffled else newest


def _aggregation(member: Member, at: float, *, is_stale: bool) -> dict[str, Any]:
    return {
        "type": "AGGREGATION",
        "action": "member_data_updated",
        "user_guid": member.user_guid,
        "user_id": None,
        "member_guid": member.guid,
        "job_guid": derived_guid("JOB", member.guid, member.aggregated_at, is_stale),
        "is_background": False,
        "completed_at": int(at),
        "completed_on": datetime.fromtimestamp(at, UTC).date().isoformat(),
        "transactions_created_count": 0 if is_stale else member.history_rows,
        "transactions_updated_count": 0,
    }


def _connection_status(member: Member, at: float, *, is_stale: bool) -> dict[str, Any]:
    status = "CHALLENGED" if is_stale else member.connection_status
    return {
        "type": "CONNECTION_STATUS",
        "action": "CHANGED",
        "user_guid": member.user_guid,
        "member_guid": member.guid,
        "connection_status": status,
        "connection_status_id": STATUS_IDS.get(status or ""),
        "connection_status_message": f"The connection is now {status}.",
    }


def send(url: str, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Post the bodies one after the other; user and password in the URL become Basic auth.

    Returns: for each, `status`, or null and the kind of `error`; never the URL, which holds a password.
    """
    outcomes: list[dict[str, Any]] = []
    with requests.Session() as session:
        session.trust_env = False  # no proxy of this machine, no .netrc
        for body in bodies:
            try:
                answer = session.post(url, json=body, timeout=TIMEOUT_S, allow_redirects=False)
                outcomes.append({"status": answer.status_code, "error": None})
            except requests.RequestException as error:
                outcomes.append({"status": None, "error": type(error).__name__})
    return outcomes


def check_url(url: Any, field: str) -> str:
    """Accept an http or https address. Raises: Refusal 422."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise Refusal(422, f"{field} must be an http or https address", field)
    return url
