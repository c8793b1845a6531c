"""Clients in SQL, and a reader that keeps them in memory for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.clients import CLIENT_ID, Client, ClientExists
from .tables.identity import clients
from .unit_of_work import ZopeUnitOfWork

LISTS = ("redirect_uris", "post_logout_redirect_uris", "origins", "scopes")


class SqlClientStore:
    """ClientStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, client: Client) -> None:
        try:
            self._unit_of_work.session.execute(insert(clients).values(_row(client)))
        except IntegrityError:
            raise ClientExists("This client_id is taken.") from None

    def replace(self, client: Client) -> None:
        statement = update(clients).where(clients.c.client_id == client.client_id).values(_row(client))
        self._unit_of_work.session.execute(statement)

    def find(self, client_id: str) -> Client | None:
        return self._first(select(clients).where(clients.c.client_id == client_id))

    def find_locked(self, client_id: str) -> Client | None:
        # not against what only refers to the client: sign-ins go on meanwhile
        locked = select(clients).where(clients.c.client_id == client_id).with_for_update(key_share=True)
        return self._first(locked)

    def all(self) -> Sequence[Client]:
        rows = self._unit_of_work.session.execute(select(clients).order_by(clients.c.created_at, clients.c.client_id))
        return [_client(row._mapping) for row in rows]

    def remove(self, client_id: str) -> None:
        self._unit_of_work.session.execute(delete(clients).where(clients.c.client_id == client_id))

    def _first(self, statement: Select[Any]) -> Client | None:
        row = self._unit_of_work.session.execute(statement).first()
        return None if row is None else _client(row._mapping)


NEVER_READ: tuple[float, frozenset[str]] = float("-inf"), frozenset()  # when the origins were read, and which they are
STRANGERS_KEEP_S = 1


class CachedClients:
    """Clients, read outside any unit of work and kept for a few seconds.

    Every request to the token endpoint asks for a client, every one with an Origin for the origins; both
    change about never. Strangers are not kept: a stream of invented names must not fill the memory.

    Args:
        keep_s: seconds after which a change made by another process is seen here.
    """

    def __init__(self, engine: Engine, *, keep_s: float = 5) -> None:
        self._engine = engine
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, Client]] = {}
        self._origins = NEVER_READ

    def find(self, client_id: str) -> Client | None:
        if not CLIENT_ID.fullmatch(client_id):
            return None  # PostgreSQL would choke on some of what strangers send
        now = time.monotonic()
        known = self._found.get(client_id)
        if known is not None and now < known[0]:
            return known[1]
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            row = connection.execute(select(clients).where(clients.c.client_id == client_id)).first()
        with self._lock:
            if row is None:
                self._found.pop(client_id, None)
                return None
            client = _client(row._mapping)
            self._found[client_id] = (now + self._keep_s, client)
            return client

    def knows_origin(self, origin: str) -> bool:
        now = time.monotonic()
        read_at, origins = self._origins
        # who has just registered tries it at once; a stream of strangers costs a query a second
        keep_s = self._keep_s if origin in origins else min(self._keep_s, STRANGERS_KEEP_S)
        if now >= read_at + keep_s:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                lists = connection.execute(select(clients.c.origins)).scalars()
                origins = frozenset(origin for each in lists for origin in each)
            self._origins = now, origins
        return origin in origins

    def forget(self) -> None:
        with self._lock:
            self._found.clear()
            self._origins = NEVER_READ


def _row(client: Client) -> dict[str, Any]:
    row = asdict(client)
    return row | {name: list(row[name]) for name in LISTS}


def _client(row: Mapping[str, Any]) -> Client:
    return Client(**{**row, **{name: tuple(row[name]) for name in LISTS}})
