"""A person at the API whose banks are the sandbox's: link, work, look, in a line each."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import svcs
from sqlalchemy import Engine, select, update

from ..adapters.persistence.tables import banking, identity
from ..domain.adopting import AdoptingService
from ..domain.downloading import DownloadService
from ..domain.erasures import ErasureService
from ..domain.following import LookService
from ..domain.removals import RemovalService
from .app import DonkiesTestApp, sign_in

USER_NAME = "test_atrium"
LOGIN_GUID = "CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1"
PASSWORD_GUID = "CRD-e3d7ea81-aac7-05e9-fbdd-4b493c6e474d"

# when what waits is due, or since when it has waited
PUT_OFF = (
    banking.linked_accounts.c.moving_since,
    banking.linked_accounts.c.next_look_at,
    banking.linked_accounts.c.wake_at,
    banking.downloads.c.due_at,
    banking.member_removals.c.due_at,
    identity.erasures.c.due_at,
    banking.widget_visits.c.due_at,
)


class WorkNeverEnded(AssertionError):
    """What was due did not come to rest in time."""


def work(app: DonkiesTestApp, until_s: float = 20, horizon_s: float = 0.5) -> None:
    """Do what workers do, in this thread, until nothing is due within `horizon_s`."""
    deadline = time.monotonic() + until_s
    with svcs.Container(app.svcs) as container:
        looker, downloads, removals, adopting, erasures = container.get(
            LookService, DownloadService, RemovalService, AdoptingService, ErasureService
        )
        while True:
            looked = looker.look()
            for user_id, link_id in downloads.due():
                downloads.run(user_id, link_id)
            removed = removals.remove() + adopting.adopt_due() + erasures.erase_due()
            pauses = [looker.seconds_to_next(horizon_s), downloads.seconds_to_next(horizon_s)]
            known = [pause for pause in pauses if pause is not None]
            if not looked and not removed and not known:
                return
            if time.monotonic() > deadline:
                raise WorkNeverEnded("links or downloads still move")
            _come_nearer(app.engine(), min([*known, 0.2]))


def _come_nearer(engine: Engine, seconds: float) -> None:
    """What is put off comes nearer by that much, which is as good as to wait."""
    nearer = timedelta(seconds=seconds)
    with engine.begin() as connection:
        for moment in PUT_OFF:
            for (at,) in connection.execute(select(moment).where(moment.is_not(None)).distinct()).all():
                connection.execute(update(moment.table).where(moment == at).values({moment: at - nearer}))


class PersonAtTheApi:
    """Somebody with a token, who links banks and reads what comes.

    Args:
        app: the application.
        headers: of somebody signed in; a new person when not given.
    """

    def __init__(self, app: DonkiesTestApp, headers: dict[str, str] | None = None) -> None:
        self.app = app
        self.headers = headers or sign_in(app)

    def get(self, path: str, *, expect: int | None = None, **query: Any) -> Any:
        return self.app.get(f"/v1{path}", query, headers=self.headers, status=expect)

    def post(self, path: str, body: Any = None, status: int | None = None, **headers: str) -> Any:
        if body is None:
            return self.app.post(f"/v1{path}", headers=self.headers | headers, status=status)
        return self.app.post_json(f"/v1{path}", body, headers=self.headers | headers, status=status)

    def put(self, path: str, body: Any, status: int | None = None) -> Any:
        return self.app.put_json(f"/v1{path}", body, headers=self.headers, status=status)

    def delete(self, path: str, status: int | None = None) -> Any:
        return self.app.delete(f"/v1{path}", headers=self.headers, status=status)

    def link(self, password: str = "any", institution: str = "mxbank", *, user_name: str = USER_NAME) -> str:
        """Link a test bank of MX's. Returns: the link's id; nothing has been looked at yet."""
        return self.link_at(institution, login(password, user_name))

    def link_at(self, institution: str, credentials: list[dict[str, str]]) -> str:
        """Link any bank, with what its form asks for: `[{"guid": …, "value": …}]`. Returns: the link's id."""
        body = {"institution_code": institution, "credentials": credentials}
        answer: str = self.post("/linked_accounts", body, status=201).json["id"]
        return answer

    def mend(self, link: str, password: str, status: int = 202) -> Any:
        return self.put(f"/linked_accounts/{link}/credentials", {"credentials": login(password)}, status=status)

    def answer(self, link: str, *values: str, status: int = 202) -> Any:
        """Answer the open questions, in their order."""
        asked = self.get(f"/linked_accounts/{link}/challenges").json["data"]
        answers = [{"guid": one["guid"], "value": value} for one, value in zip(asked, values, strict=True)]
        return self.post(f"/linked_accounts/{link}/challenges", {"answers": answers}, status=status)

    def state(self, link: str) -> dict[str, Any]:
        """What polling shows."""
        shown: dict[str, Any] = self.get(f"/linked_accounts/{link}", expect=200).json
        return shown

    def settled(self, link: str) -> dict[str, Any]:
        """What polling shows once everything that was due is done."""
        work(self.app)
        return self.state(link)

    def transactions(self, **query: Any) -> list[dict[str, Any]]:
        """All of them, page by page."""
        rows: list[dict[str, Any]] = []
        query = {"limit": 500} | query
        while True:
            page = self.get("/transactions", **query).json
            rows += page["data"]
            if page["next_cursor"] is None:
                return rows
            query["cursor"] = page["next_cursor"]


def login(password: str, user_name: str = USER_NAME) -> list[dict[str, str]]:
    """What is typed into MX Bank's form."""
    return [{"guid": LOGIN_GUID, "value": user_name}, {"guid": PASSWORD_GUID, "value": password}]
