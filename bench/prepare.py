"""The database with the peers' rows, and the file that tells the peers' `run.py` of this service."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import svcs
from psycopg import sql
from sqlalchemy import Engine

from donkies.adapters.persistence import schema
from donkies.adapters.sealing import Keyring
from donkies.adapters.signing_keys import SigningKeys
from donkies.adapters.tokens import AccessTokenPolicy, JwtAccessTokens, RevokedGrants
from donkies.config import bind, parse_settings
from donkies.domain.clients import ClientService, Registration
from donkies.domain.granting import GrantService
from donkies.domain.ids import new_id
from donkies.domain.tokens import PublicKeys
from donkies.domain.unit_of_work import Clock
from donkies.views.api.answers import to_cursor

from .rows import DEEP, HEAVY, LINK_STATUSES, LIST_SIZE, TRANSACTIONS_STATUSES, Peers, load, person_id

ROOT = Path(__file__).parents[1]
CLIENT_ID = "bench-public-client"
REDIRECT_URI = "https://app.example/callback"
SCOPES = ("openid", "accounts:read", "transactions:read")
POLLERS = 200
REFRESHERS = 16


@dataclass(frozen=True)
class Place:
    """Where things are.

    Args:
        admin_url: a database of the PostgreSQL where ours are made.
        name: our database; others' names begin with it.
        var: folder of what is kept between runs.
    """

    admin_url: str
    name: str
    var: Path

    def url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))

    @property
    def template(self) -> str:
        return f"{self.name}_template"

    @property
    def ingest(self) -> str:
        return f"{self.name}_ingest"

    def sealing_key(self) -> str:
        path = self.var / "sealing.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(Keyring.new_key())
        return path.read_text()

    def environment(self, name: str) -> dict[str, str]:
        """The settings of production, as environment variables."""
        return {
            "DONKIES_ENV": "production",
            "DONKIES_PUBLIC_URL": "https://bench.example",
            "DONKIES_DATABASE_URL": self.url(name),
            "DONKIES_SEALING_KEYS": self.sealing_key(),
            # nothing that is measured sends a message
            "DONKIES_BROKER_URL": "amqp://bench:not-there@127.0.0.1:1//",
            "DONKIES_ATRIUM_URL": "https://atrium.example",
            "DONKIES_ATRIUM_API_KEY": "bench",
            "DONKIES_ATRIUM_CLIENT_ID": "bench",
            "DONKIES_MAIL_URL": "smtps://mail.example",
            "DONKIES_MAIL_FROM": "no-reply@bench.example",
            "DONKIES_WEB_THREADS": "4",
        }

    def copy(self, name: str) -> None:
        """Make a database anew from the template."""
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(self.template)
                )
            )


def prepare(place: Place, data: Path, *, data_version: str, server: Sequence[str], python: str) -> dict[str, Any]:
    """Fill the database and describe the service.

    Args:
        data: folder with the peers' CSV files.
        data_version: another one means other rows.
        server: the command that serves `bench.app:application`, with `{port}`.
        python: the interpreter for the ingest.
    Returns: what `run.py --target` reads.
    """
    peers = Peers(data)
    _make_template(place, peers, data_version)
    place.copy(place.name)
    with bind(parse_settings({}, place.environment(place.name))) as registry, svcs.Container(registry) as container:
        tokens = _long_lived(container)
        items = _items(peers, tokens, _refresh_tokens(container, peers))
    ingest_env = place.environment(place.ingest) | {"BENCH_ADMIN_URL": place.admin_url, "BENCH_NAME": place.name}
    return {
        "name": "donkies",
        "command": list(server),
        "cwd": str(ROOT),
        "env": place.environment(place.name) | {"PYTHONPATH": str(ROOT)},
        "items": items,
        "ingest": {
            "command": [python, "-m", "bench.ingest"],
            "reset": [python, "-m", "bench.ingest", "reset"],
            "cwd": str(ROOT),
            "env": ingest_env,
        },
    }


def write_service(place: Place, service: dict[str, Any]) -> Path:
    path = place.var / "service.json"
    path.touch(0o600)  # it holds tokens and the sealing key
    path.write_text(json.dumps(service, indent=1))
    return path


def _make_template(place: Place, peers: Peers, data_version: str) -> None:
    version = _version(place, data_version)
    with psycopg.connect(place.admin_url, autocommit=True) as admin:
        found = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (place.template,)
        ).fetchone()
        if found == (version,):
            return
        print("filling the database (once, half a minute)", file=sys.stderr)
        name = sql.Identifier(place.template)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name))
        settings = parse_settings({}, place.environment(place.template))
        with bind(settings) as registry, svcs.Container(registry) as container:
            engine = container.get(Engine)
            schema.upgrade(engine)
            container.get(PublicKeys).jwks()  # makes the first key
            container.get(ClientService).ensure(
                CLIENT_ID, Registration(name="Bench", type="public", redirect_uris=[REDIRECT_URI], scopes=SCOPES)
            )
            with psycopg.connect(place.url(place.template)) as connection:
                load(connection, peers, container.get(Keyring))
        with psycopg.connect(place.url(place.template), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE, FREEZE)")
        admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(version)))


def _version(place: Place, data_version: str) -> str:
    digest = hashlib.sha256(f"{data_version} {place.sealing_key()}".encode())
    for path in (Path(__file__), ROOT / "bench/rows.py", *sorted((ROOT / "migrations/versions").glob("*.py"))):
        digest.update(path.read_bytes())
    return f"donkies bench {digest.hexdigest()[:16]}"


def _long_lived(container: svcs.Container) -> JwtAccessTokens:
    """The service's own tokens but for their life, so that a long run does not outlive them."""
    keys, clock, engine = container.get(PublicKeys), container.get(Clock), container.get(Engine)
    assert isinstance(keys, SigningKeys)  # noqa: S101 - production's own
    url = "https://bench.example"
    policy = AccessTokenPolicy(keys, clock, issuer=url, audience=f"{url}/v1")
    policy.expiration = timedelta(days=30)
    return JwtAccessTokens(policy, RevokedGrants(engine), clock)


def _items(peers: Peers, tokens: JwtAccessTokens, refresh_tokens: list[str]) -> dict[str, Any]:
    def token(person: int) -> str:
        return tokens.mint(sub=str(person_id(person)), client_id=CLIENT_ID, scopes=SCOPES, sid=new_id())

    links = peers.first_links()
    people = sorted(links)
    polled, foreign = people[:POLLERS], people[len(people) // 2]
    mine, newest = links[polled[0]], peers.newest()
    size = min(LIST_SIZE, len(newest))
    deep = min(DEEP, len(newest) - size)
    heavy = token(HEAVY)
    items: dict[str, Any] = {
        "poll": {
            "requests": [[f"/v1/linked_accounts/{links[person]['id']}", token(person)] for person in polled],
            "foreign": f"/v1/linked_accounts/{links[foreign]['id']}",
            "answer": {
                "id": mine["id"],
                "link_status": LINK_STATUSES[mine["link_status"]],
                "transactions_status": TRANSACTIONS_STATUSES[mine["transactions_status"]],
            },
        },
        "list": {
            "requests": [[f"/v1/transactions?limit={LIST_SIZE}", heavy]],
            "guid_field": "id",
            "expected": [str(found) for _, found in newest[:size]],
        },
        "token": {"path": "/oauth/token", "client_id": CLIENT_ID, "refresh_tokens": refresh_tokens},
    }
    if deep:
        items["keyset"] = {
            "requests": [[f"/v1/transactions?limit={LIST_SIZE}&cursor={to_cursor(*newest[deep - 1])}", heavy]],
            "guid_field": "id",
            "expected": [str(found) for _, found in newest[deep : deep + size]],
        }
    return items


def _refresh_tokens(container: svcs.Container, peers: Peers) -> list[str]:
    """Unused ones, by the real service; of people whose links are not polled where there are so many."""
    people = sorted(peers.first_links())[-REFRESHERS:]
    grants = container.get(GrantService)
    given = []
    for at in range(REFRESHERS):
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        code = grants.issue_code(
            client_id=CLIENT_ID,
            user_id=person_id(people[at % len(people)]),
            redirect_uri=REDIRECT_URI,
            scopes=SCOPES,
            code_challenge=challenge,
            nonce=None,
            auth_time=datetime.now(UTC),
        )
        issued = grants.exchange(code, client_id=CLIENT_ID, redirect_uri=REDIRECT_URI, code_verifier=verifier)
        given.append(issued.refresh_token)
    return given
