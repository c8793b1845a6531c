"""The sandbox in tests: a client of its control API, and one that speaks MX's with nothing in between."""

from typing import Any, Self

import requests

ATRIUM_HEADERS = {
    "MX-API-Key": "test-key",
    "MX-Client-ID": "test-client",
    "Accept": "application/vnd.mx.atrium.v1+json",
}
TIMEOUT_S = 30
GOOD_PASSWORD = "any"


class SandboxControl:
    """Steers a running sandbox; DESIGN.md 11 tells what each call does.

    Args: url, the sandbox's address, such as `http://127.0.0.1:6545`.
    Every call raises `requests.HTTPError` when the sandbox refuses it.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.atrium_url = f"{self.url}/atrium"
        self.google_url = f"{self.url}/google"
        self.facebook_url = f"{self.url}/facebook/v24.0"
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def settings(self) -> dict[str, Any]:
        """The lines of an ini file that make the sandbox the aggregator."""
        return {"donkies.aggregator": "atrium", "donkies.atrium.url": self.atrium_url}

    def overview(self) -> dict[str, Any]:
        """Read how the sandbox is set, and how many transactions it has built (`built_rows`)."""
        return self._call("GET", "")

    def reset(self) -> None:
        """Wipe users, members, rows, sign-ins, mail, faults, clock, history and log; modes go back to the start."""
        self._call("POST", "/reset")

    def history(self, transactions: int, days: int) -> None:
        """Set what members made from now on have."""
        self._call("PUT", "/history", {"transactions": transactions, "days": days})

    def mode(self, **modes: Any) -> dict[str, Any]:
        """Change `vocabulary`, `job_s`, `empty_202` or `ghosts_s`."""
        return self._call("PUT", "/mode", modes)["mode"]

    def advance_clock(self, seconds: float) -> None:
        self._call("POST", "/clock", {"advance_s": seconds})

    def fault(self, kind: str, path: str = "*", method: str = "*", **more: Any) -> dict[str, Any]:
        """Add a fault; `more` is `status`, `delay_s`, `times`, `after`, `when`, `retry_after`."""
        return self._call("POST", "/faults", {"kind": kind, "path": path, "method": method, **more})["fault"]

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def add_transaction(self, member_guid: str, /, **fields: Any) -> dict[str, Any]:
        """Add a row to a member; it shows at once."""
        return self._call("POST", f"/members/{member_guid}/transactions", fields)["transaction"]

    def patch_transaction(self, guid: str, /, **fields: Any) -> dict[str, Any]:
        """Change a row; a new `guid` makes the old one vanish."""
        return self._call("PATCH", f"/transactions/{guid}", fields)["transaction"]

    def delete_transaction(self, guid: str) -> None:
        self._call("DELETE", f"/transactions/{guid}")

    def set_status(
        self, member_guid: str, connection_status: str | None, is_being_aggregated: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Put a member into a state, and forget its job."""
        body = {"connection_status": connection_status, "is_being_aggregated": is_being_aggregated, **more}
        return self._call("POST", f"/members/{member_guid}/status", body)["member"]

    def send_webhooks(self, member_guid: str, kind: str = "AGGREGATION", **more: Any) -> list[dict[str, Any]]:
        """Send webhooks; `more` is `copies`, `shuffled`, `url`. Returns: what the receiver answered."""
        return self._call("POST", f"/members/{member_guid}/webhooks", {"kind": kind, **more})["sent"]

    def social(self, **settings: Any) -> dict[str, Any]:
        """Change `squatter_email`, `squatter_email_verified`, `google` or `facebook`; the rest stays.

        A provider's settings are `{"fault": …, "delay_s": …}`; None as fault makes it well again.
        """
        return self._call("PUT", "/social", settings)["social"]

    def refuse_mail(self, refuse: bool = True) -> None:
        """Let SMTP answer 451 from now on, or take mail again."""
        self._call("PUT", "/mail", {"refuse": refuse})

    @property
    def smtp_port(self) -> int:
        """The port that takes mail on the sandbox's host."""
        return self._call("GET", "/mail")["mail"]["smtp_port"]

    def inbox(self, to: str | None = None) -> list[dict[str, Any]]:
        """List the mail to an address, or all of it, newest first: id, to, from, subject, text, html, at."""
        return self._send("GET", "/inbox.json", query={} if to is None else {"to": to})["mails"]

    def clear_inbox(self) -> None:
        self._send("DELETE", "/inbox.json")

    def requests(self, path: str | None = None, since: str | float | None = None) -> list[dict[str, Any]]:
        """List what was asked of the pretended services, oldest first."""
        wanted = {"path": path, "since": since}
        return self._call("GET", "/requests", query={k: v for k, v in wanted.items() if v is not None})["requests"]

    def _call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        return self._send(method, f"/_sandbox{path}", body, query)

    def _send(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        answer = self._session.request(method, f"{self.url}{path}", json=body, params=query, timeout=TIMEOUT_S)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text}", response=answer)
        return answer.json() if answer.content else None


class AtriumCaller:
    """Calls MX's API with nothing in between, as a test of the wire needs it."""

    def __init__(self, atrium_url: str) -> None:
        self.atrium_url = atrium_url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(ATRIUM_HEADERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """Send a request; `more` is what `requests` takes."""
        return self._session.request(method, self.atrium_url + path, json=body, timeout=TIMEOUT_S, **more)

    def get(self, path: str, **query: Any) -> Any:
        """Read something that must be there."""
        answer = self.call("GET", path, params=query)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def new_user(self, identifier: str | None = None) -> str:
        """Make a user. Returns: the GUID."""
        return self.call("POST", "/users", {"user": {"identifier": identifier}}).json()["user"]["guid"]

    def credentials(self, institution: str, *values: str) -> list[dict[str, str]]:
        """Fill an institution's form in, in the order of its fields."""
        form = self.get(f"/institutions/{institution}/credentials")["credentials"]
        return [{"guid": field["guid"], "value": value} for field, value in zip(form, values, strict=False)]

    def link(
        self, user: str, password: str = GOOD_PASSWORD, login: str = "test_atrium", institution: str = "mxbank"
    ) -> requests.Response:
        """Make a member from a login and a password."""
        body = {"institution_code": institution, "credentials": self.credentials(institution, login, password)}
        return self.call("POST", f"/users/{user}/members", {"member": body})

    def linked(self, password: str = GOOD_PASSWORD, **more: str) -> tuple[str, str]:
        """Make a user with a member whose job has run. Returns: both GUIDs."""
        user = self.new_user()
        member = self.link(user, password, **more).json()["member"]["guid"]
        self.status(user, member)
        return user, member

    def status(self, user: str, member: str) -> dict[str, Any]:
        return self.get(f"/users/{user}/members/{member}/status")["member"]

    def answer(self, user: str, member: str, *values: str) -> dict[str, Any]:
        """Answer all challenges, then read the status."""
        asked = self.get(f"/users/{user}/members/{member}/challenges")["challenges"]
        answers = [{"guid": c["guid"], "value": value} for c, value in zip(asked, values, strict=True)]
        body = {"member": {"challenges": answers}}
        assert self.call("PUT", f"/users/{user}/members/{member}/resume", body).ok
        return self.status(user, member)
