"""`donkies doctor`: each thing outside, real, well and ill; what is wrong is said with what to do, without secrets."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from click.testing import CliRunner

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.sealing import Keyring
from donkies.cli import main
from donkies.config import banking
from donkies.domain.aggregator import AggregatorDown, AggregatorError, AggregatorMisbehaved, AggregatorRefusedUs
from donkies.sandbox.server import Sandbox
from donkies.testing.app import DonkiesTestApp
from donkies.testing.banking import WatchedAggregator
from donkies.testing.broker import RABBITMQ, rabbitmq_or_skip
from donkies.testing.ports import free_ports
from donkies.testing.tls import TlsFront

ROOT = Path(__file__).parents[2]
CANARY = "c4n4ry-9f2e"
NOBODY = "127.0.0.1:1"  # where nothing listens

Doctor = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def outside() -> Iterator[Sandbox]:
    """MX, Google, Facebook and a mail server that know one pair of keys each."""
    pair = ("known", "its-secret")
    with Sandbox(
        port=0, smtp_port=0, api_key="known", client_id="its-id", google_client=pair, facebook_client=pair
    ) as running:
        yield running


@pytest.fixture
def served(served_testapp: DonkiesTestApp) -> str:
    """The service itself, on the port that its public address names."""
    return served_testapp.settings.public_url


@pytest.fixture
def database_url(postgres_database) -> str:
    return postgres_database.fresh()


@pytest.fixture
def well(outside: Sandbox, database_url: str, served: str) -> dict[str, str]:
    """An environment in which everything is well."""
    rabbitmq_or_skip()
    return {
        "DONKIES_PUBLIC_URL": served,
        "DONKIES_DATABASE_URL": database_url,
        "DONKIES_BROKER_URL": RABBITMQ,
        "DONKIES_ATRIUM_URL": outside.atrium_url,
        "DONKIES_ATRIUM_API_KEY": "known",
        "DONKIES_ATRIUM_CLIENT_ID": "its-id",
        "DONKIES_MAIL_URL": f"smtp://127.0.0.1:{outside.smtp_port}",
        "DONKIES_GOOGLE_CLIENT_ID": "known",
        "DONKIES_GOOGLE_CLIENT_SECRET": "its-secret",
        "DONKIES_GOOGLE_TOKEN_URL": f"{outside.google_url}/token",
        "DONKIES_FACEBOOK_CLIENT_ID": "known",
        "DONKIES_FACEBOOK_CLIENT_SECRET": "its-secret",
        "DONKIES_FACEBOOK_TOKEN_URL": f"{outside.facebook_url}/v24.0/oauth/access_token",
    }


@pytest.fixture
def doctor(well: dict[str, str]) -> Iterator[Doctor]:
    """Runs it, with some variables otherwise. Returns: by thing, its state and what was said."""

    def run(**otherwise: str) -> dict[str, tuple[str, str]]:
        result = CliRunner(env=well | otherwise).invoke(main, ["-c", str(ROOT / "development.ini"), "doctor"])
        assert CANARY not in result.output
        found = {line[9:25].strip(): (line[:9].strip(), line[25:]) for line in result.stdout.splitlines()}
        assert result.exit_code == ("wrong" in {state for state, _ in found.values()}), result.output
        return found

    level = logging.getLogger().level
    yield run
    structlog.reset_defaults()  # it speaks of nothing below errors, which is not for the tests after this
    logging.getLogger().setLevel(level)


def ill(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    """What is wrong, by thing."""
    return {thing: said for thing, (state, said) in found.items() if state == "wrong"}


def test_all_is_well(doctor: Doctor) -> None:
    found = doctor()
    assert {"settings", "database", "broker", "aggregator", "mail", "google", "facebook", "public address"} == set(
        found
    )
    assert {"ok"} == {state for state, _ in found.values()}, found


def test_what_is_not_used_is_no_fault(doctor: Doctor) -> None:
    found = doctor(DONKIES_GOOGLE_CLIENT_ID="", DONKIES_BROKER_URL="memory://", DONKIES_AGGREGATOR="memory")
    assert {"google", "broker", "aggregator"} == {thing for thing, (state, _) in found.items() if state == "not used"}
    assert {} == ill(found)


@pytest.mark.parametrize(
    ("variables", "thing", "said"),
    [
        ({"DONKIES_DATABASE_URL": f"postgresql://me:{CANARY}@{NOBODY}/none"}, "database", "Connection refused"),
        ({"DONKIES_BROKER_URL": f"amqp://me:{CANARY}@{NOBODY}//"}, "broker", "start it, or mend its address"),
        ({"DONKIES_ATRIUM_URL": f"http://{NOBODY}/atrium"}, "aggregator", "see donkies.atrium.url"),
        ({"DONKIES_ATRIUM_API_KEY": CANARY}, "aggregator", "refuses us: see donkies.atrium.api_key and .client_id"),
        ({"DONKIES_MAIL_URL": f"smtp://me:{CANARY}@{NOBODY}"}, "mail", "nothing listens there; mend donkies.mail.url"),
        ({"DONKIES_MAIL_URL": "smtps://mail.invalid"}, "mail", "there is no such name"),
        ({"DONKIES_MAIL_URL": "smtp://127.0.0.1:mail"}, "mail", "cannot be read: write smtps://"),
        ({"DONKIES_GOOGLE_CLIENT_SECRET": CANARY}, "google", "does not know our keys: mend donkies.google.client_id"),
        ({"DONKIES_GOOGLE_TOKEN_URL": f"http://{NOBODY}/token"}, "google", "see that this machine may call out"),
        ({"DONKIES_GOOGLE_TOKEN_URL": "http://google.example/token"}, "google", "without TLS"),
        ({"DONKIES_FACEBOOK_CLIENT_SECRET": CANARY}, "facebook", "does not know our keys"),
        ({"DONKIES_PUBLIC_URL": f"http://{NOBODY}"}, "public address", "nothing listens there; start `donkies web`"),
        ({"DONKIES_LINK_LOOK_S": "soon"}, "settings", "donkies.link.look_s: "),
    ],
)
def test_one_thing_is_wrong(doctor: Doctor, variables: dict[str, str], thing: str, said: str) -> None:
    wrong = ill(doctor(**variables))
    assert [thing] == list(wrong)
    assert said in wrong[thing]


def test_an_old_schema(doctor: Doctor, database_url: str) -> None:
    engine = make_engine(database_url, Keyring(Keyring.new_key()))
    schema.downgrade(engine, "-1")
    try:
        assert "run `donkies -c FILE.ini migrate`" in ill(doctor())["database"]
    finally:
        schema.upgrade(engine)
        engine.dispose()


def test_what_listens_and_says_nothing_is_not_waited_for_long(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = doctor(DONKIES_ATRIUM_URL=f"http://127.0.0.1:{port}", DONKIES_AGGREGATOR_TIMEOUT_S="0.5")
    assert ["aggregator"] == list(ill(found))


def test_mx_is_another_server(doctor: Doctor, served: str) -> None:
    said = ill(doctor(DONKIES_ATRIUM_URL=f"{served}/docs"))["aggregator"]
    assert "donkies.atrium" in said


def test_the_public_address_leads_to_another_service(doctor: Doctor, outside: Sandbox, served: str) -> None:
    assert f"{served} is this service" in doctor()["public address"][1]
    assert "not as this service" in ill(doctor(DONKIES_PUBLIC_URL=outside.url))["public address"]
    by_name = served.replace("127.0.0.1", "localhost")
    assert f"says that it is {served}" in ill(doctor(DONKIES_PUBLIC_URL=by_name))["public address"]


def test_the_public_address_leads_elsewhere(doctor: Doctor) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", "https://www.money.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with running(Elsewhere) as url:
        said = ill(doctor(DONKIES_PUBLIC_URL=url))["public address"]
    assert "leads to https://www.money.example/: set donkies.public_url" in said


def test_a_certificate_that_nobody_trusts(doctor: Doctor, served: str, tmp_path: Path) -> None:
    with TlsFront(served, tmp_path) as front:
        said = ill(doctor(DONKIES_PUBLIC_URL=front.url))["public address"]
    assert "its certificate is not trusted" in said


@contextmanager
def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Refusing:
    def __call__(self, *_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)


def test_a_mail_server_that_refuses_the_log_in(doctor: Doctor) -> None:
    (port,) = free_ports(1)
    server = Controller(
        object(), hostname="127.0.0.1", port=port, authenticator=Refusing(), auth_require_tls=False, ready_timeout=10
    )
    server.start()
    try:
        said = ill(doctor(DONKIES_MAIL_URL=f"smtp://me:{CANARY}@127.0.0.1:{port}"))["mail"]
    finally:
        server.stop()
    assert "refuses the log-in: mend user and password" in said


def test_a_mail_server_without_starttls(doctor: Doctor, outside: Sandbox) -> None:
    said = ill(doctor(DONKIES_MAIL_URL=f"smtp://127.0.0.1:{outside.smtp_port}?starttls"))["mail"]
    assert "has no STARTTLS" in said


def test_an_ini_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["-c", str(tmp_path / "none.ini"), "doctor"])
    assert 1 == result.exit_code
    assert "there is no such file" in result.output


def test_an_aggregator_that_no_package_offers_leaves_the_rest_to_be_tried(doctor: Doctor) -> None:
    found = doctor(DONKIES_AGGREGATOR="nobank")
    assert "no installed package offers one of this name" in found["aggregator"][1]
    assert {"ok"} == {found[thing][0] for thing in ("database", "broker", "mail", "google", "public address")}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "csv_bank answers"),
        (AggregatorRefusedUs("No."), "csv_bank refuses us: see donkies.aggregator.options"),
        (AggregatorMisbehaved("No."), "what answers at csv_bank makes no sense"),
        (
            AggregatorDown("Nobody is there."),
            "csv_bank cannot be used: Nobody is there; see donkies.aggregator.options",
        ),
    ],
)
def test_of_another_packages_aggregator_nothing_is_said_of_atrium(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, error: AggregatorError | None, said: str
) -> None:
    bank = WatchedAggregator(MemoryAggregator())
    bank.instead("search_institutions", error)
    monkeypatch.setattr(banking, "load_aggregator", lambda name, options: bank)
    state, text = doctor(DONKIES_AGGREGATOR="csv_bank")["aggregator"]
    assert ("wrong" if error else "ok") == state
    assert said in text
    assert "atrium" not in text.lower()
