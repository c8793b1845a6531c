"""The small ports: the adapter that the application has and the kit's double keep the same contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyotp
import pytest
import svcs

from donkies.adapters.clock import SystemClock
from donkies.adapters.logos import HttpLogoSource
from donkies.adapters.mail import SmtpPostman
from donkies.adapters.memory.annotations import MemoryAnnotationStore
from donkies.adapters.persistence.annotations import SqlAnnotationStore
from donkies.adapters.tokens import JwtIdTokens
from donkies.config import bind, parse_settings
from donkies.domain.clients import ClientKeys
from donkies.domain.events import ErasureDone, Events
from donkies.domain.factors import OneTimeCodes, PasskeyCeremony
from donkies.domain.grants import Revocations, TokenSeal
from donkies.domain.health import Backlog, BacklogReader, DatabaseProbe, Neighbours
from donkies.domain.ids import new_id
from donkies.domain.limits import Limits
from donkies.domain.logos import LogoSource, Picture
from donkies.domain.mail import LetterPress
from donkies.domain.purging import Leftovers
from donkies.domain.social import SocialProviders
from donkies.domain.tokens import AccessTokens, IdTokens, PublicKeys
from donkies.domain.transactions import TransactionQuery
from donkies.domain.unit_of_work import UnitOfWork
from donkies.domain.users import KnownDevices, KnownPasswords, PasswordHasher
from donkies.testing import doubles
from donkies.testing.banking import InMemory, InSql, MemoryWorld, SteppedClock, Stores, World
from donkies.testing.contracts import services as contracts
from donkies.testing.contracts.logos import LogoSourceContract
from donkies.testing.factories import NOON, make_account, make_link, make_row
from donkies.testing.plugin import development_settings
from donkies.testing.sandbox import SandboxControl
from donkies.testing.sign_in import sign_in_in_memory

Received = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def bound(donkies_sqlite: Any, tmp_path: Path, donkies_clock: doubles.MovableClock) -> Iterator[svcs.Container]:
    """The ports as the application has them."""
    more = {"donkies.google.client_id": "test", "donkies.google.client_secret": "test"}
    settings = parse_settings(development_settings(donkies_sqlite.fresh(tmp_path)) | more, {})
    with bind(settings, clock=donkies_clock) as registry, svcs.Container(registry) as container:
        yield container


def either(port: type, make_double: Callable[[], Any]) -> Any:
    """A fixture: the application's adapter, then the double."""

    @pytest.fixture(params=["adapter", "double"])
    def made(_: Any, request: pytest.FixtureRequest) -> Any:
        return make_double() if request.param == "double" else request.getfixturevalue("bound").get(port)

    return made


class TestClock(contracts.ClockContract):
    @pytest.fixture(params=[SystemClock, doubles.MovableClock, SteppedClock])
    def clock(self, request: pytest.FixtureRequest) -> Any:
        return request.param()


class TestUnitOfWork(contracts.UnitOfWorkContract):
    unit_of_work = either(UnitOfWork, lambda: MemoryWorld().stores().unit_of_work)


class TestUnitOfWorkOfSignIn(contracts.UnitOfWorkContract):
    @pytest.fixture
    def unit_of_work(self) -> Any:
        return sign_in_in_memory().unit_of_work


class TestDatabaseProbe(contracts.DatabaseProbeContract):
    probe = either(DatabaseProbe, doubles.ScriptedProbe)


class TestNeighbours(contracts.NeighboursContract):
    neighbours = either(Neighbours, doubles.ScriptedNeighbours)


class TestBacklogReader(contracts.BacklogReaderContract):
    backlog = either(BacklogReader, lambda: doubles.ScriptedBacklog(Backlog()))


class TestEvents(contracts.EventsContract):
    events = either(Events, doubles.RecordingEvents)

    @pytest.fixture
    def event(self) -> ErasureDone:
        return ErasureDone(receipt=new_id(), attempts=1)


class TestLeftovers(contracts.LeftoversContract):
    leftovers = either(Leftovers, doubles.NoLeftovers)

    @pytest.fixture
    def unit_of_work(self, bound: svcs.Container) -> UnitOfWork:
        return bound.get(UnitOfWork)


class TestPasswordHasher(contracts.PasswordHasherContract):
    hasher = either(PasswordHasher, doubles.QuickHasher)


class TestKnownPasswords(contracts.KnownPasswordsContract):
    known = either(KnownPasswords, lambda: doubles.ListedPasswords("password"))


class TestKnownDevices(contracts.KnownDevicesContract):
    devices = either(KnownDevices, doubles.MemoryDevices)


class TestLimits(contracts.LimitsContract):
    limits = either(Limits, doubles.MemoryLimits)


class TestAccessTokens(contracts.AccessTokensContract):
    @pytest.fixture
    def clock(self, donkies_clock: doubles.MovableClock) -> doubles.MovableClock:
        return donkies_clock

    @pytest.fixture(params=["adapter", "double"])
    def both(self, request: pytest.FixtureRequest, clock: doubles.MovableClock) -> tuple[Any, Any]:
        if request.param == "double":
            revocations = doubles.MemoryRevocations()
            return doubles.MemoryAccessTokens(clock, revocations), revocations
        return request.getfixturevalue("bound").get(AccessTokens, Revocations)

    @pytest.fixture
    def tokens(self, both: tuple[Any, Any]) -> AccessTokens:
        return both[0]

    @pytest.fixture
    def revocations(self, both: tuple[Any, Any]) -> Revocations:
        return both[1]


class TestIdTokens(contracts.IdTokensContract):
    @pytest.fixture(params=["adapter", "double"])
    def both(self, request: pytest.FixtureRequest, donkies_clock: doubles.MovableClock) -> tuple[Any, Any]:
        if request.param == "adapter":
            return request.getfixturevalue("bound").get(IdTokens, PublicKeys)
        keys = doubles.MemorySigningKeys(donkies_clock)
        return JwtIdTokens(keys, donkies_clock, issuer="http://localhost"), keys

    @pytest.fixture
    def id_tokens(self, both: tuple[Any, Any]) -> IdTokens:
        return both[0]

    @pytest.fixture
    def keys(self, both: tuple[Any, Any]) -> PublicKeys:
        return both[1]


class TestClientKeys(contracts.ClientKeysContract):
    @pytest.fixture
    def client_keys(self, bound: svcs.Container) -> ClientKeys:
        return bound.get(ClientKeys)


class TestTokenSeal(contracts.TokenSealContract):
    seal = either(TokenSeal, doubles.OpenSeal)


class TestLetterPress(contracts.LetterPressContract):
    press = either(LetterPress, doubles.PlainLetterPress)


class TestRecordingPostman(contracts.PostmanContract):
    @pytest.fixture
    def postman(self) -> doubles.RecordingPostman:
        return doubles.RecordingPostman()

    @pytest.fixture
    def received(self, postman: doubles.RecordingPostman) -> Received:
        return lambda: [(mail.to, mail.subject) for mail in postman.sent]


class TestSmtpPostman(contracts.PostmanContract):
    @pytest.fixture
    def postman(self, donkies_sandbox: SandboxControl) -> SmtpPostman:
        return SmtpPostman(f"smtp://127.0.0.1:{donkies_sandbox.smtp_port}", "donkies <no-reply@localhost>")

    @pytest.fixture
    def received(self, donkies_sandbox: SandboxControl) -> Received:
        return lambda: [(mail["to"], mail["subject"]) for mail in reversed(donkies_sandbox.inbox())]


class TestSocialProviders(contracts.SocialProvidersContract):
    providers = either(SocialProviders, doubles.ScriptedProviders)


class TestOneTimeCodes(contracts.OneTimeCodesContract):
    @pytest.fixture(params=["adapter", "double"])
    def both(self, request: pytest.FixtureRequest) -> tuple[Any, Any]:
        if request.param == "double":
            return doubles.ListedCodes(), lambda *_: "123456"
        return request.getfixturevalue("bound").get(OneTimeCodes), lambda secret, now: pyotp.TOTP(secret).at(now)

    @pytest.fixture
    def codes(self, both: tuple[Any, Any]) -> OneTimeCodes:
        return both[0]

    @pytest.fixture
    def right(self, both: tuple[Any, Any]) -> Callable[[str, datetime], str]:
        return both[1]


class TestPasskeyCeremony(contracts.PasskeyCeremonyContract):
    ceremony = either(PasskeyCeremony, doubles.ScriptedCeremony)


class Annotated(contracts.AnnotationStoreContract):
    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    @pytest.fixture
    def unit_of_work(self, stores: Stores) -> UnitOfWork:
        return stores.unit_of_work

    @pytest.fixture
    def owned(self, world: World, stores: Stores) -> tuple[UUID, UUID]:
        link = make_link(world.person())
        with stores.unit_of_work:
            stores.links.add(link)
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stores.ledger.write_page(link.user_id, link.id, ids, [make_row(1)], NOON)
        (row,) = world.reader.list_transactions(link.user_id, TransactionQuery())
        return link.user_id, row["id"]

    @pytest.fixture
    def shown(self, world: World, owned: tuple[UUID, UUID]) -> Callable[[], tuple[Any, ...]]:
        def read() -> tuple[Any, ...]:
            query = TransactionQuery(hidden=None)
            (row,) = world.reader.list_transactions(owned[0], query)
            return row["note"], row["category"], row["hidden"]

        return read


class TestMemoryAnnotationStore(InMemory, Annotated):
    @pytest.fixture
    def annotations(self, stores: Stores) -> MemoryAnnotationStore:
        return MemoryAnnotationStore(stores.unit_of_work)


class TestSqlAnnotationStore(InSql, Annotated):
    @pytest.fixture
    def annotations(self, stores: Stores) -> SqlAnnotationStore:
        return SqlAnnotationStore(stores.unit_of_work, stores.ledger)


class TestListedLogos(LogoSourceContract):
    @pytest.fixture
    def there(self) -> str:
        return "https://b.example/logo.png"

    @pytest.fixture
    def missing(self) -> str:
        return "https://b.example/another.png"

    @pytest.fixture
    def source(self, there: str) -> LogoSource:
        return doubles.ListedLogos({there: Picture("image/png", b"\x89PNG\r\n\x1a\n")})


class TestHttpLogoSource(LogoSourceContract):
    @pytest.fixture
    def there(self, donkies_sandbox: SandboxControl) -> str:
        return f"{donkies_sandbox.url}/logos/100x100/mxbank.png"

    @pytest.fixture
    def missing(self, donkies_sandbox: SandboxControl) -> str:
        return f"{donkies_sandbox.url}/logos/100x100/no_such_bank.png"

    @pytest.fixture
    def source(self, donkies_sandbox: SandboxControl) -> Iterator[LogoSource]:
        source = HttpLogoSource((), donkies_sandbox.url)
        yield source
        source.close()
