"""The stores of sign-in: each keeps its contract in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from donkies.testing.contracts.assertions import UsedAssertionsContract
from donkies.testing.contracts.factors import FactorStoreContract
from donkies.testing.contracts.grants import GrantStoreContract
from donkies.testing.contracts.identities import IdentityStoreContract, SquatStoreContract
from donkies.testing.contracts.mail import FlowStoreContract, MailedLinkStoreContract, OutboxContract
from donkies.testing.contracts.people import (
    ClientStoreContract,
    ConsentStoreContract,
    SessionStoreContract,
    UserStoreContract,
)
from donkies.testing.sign_in import SignInStores, sign_in_in_memory, sign_in_in_sql


class Everywhere:
    @pytest.fixture(params=["memory", "sqlite", "postgresql"])
    def stores(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SignInStores]:
        if request.param == "memory":
            yield sign_in_in_memory()
            return
        if request.param == "sqlite":
            url = request.getfixturevalue("donkies_sqlite").fresh(tmp_path)
        else:
            url = request.getfixturevalue("donkies_postgres").fresh()
        with sign_in_in_sql(url) as stores:
            yield stores


class TestUserStore(Everywhere, UserStoreContract): ...


class TestClientStore(Everywhere, ClientStoreContract): ...


class TestSessionStore(Everywhere, SessionStoreContract): ...


class TestConsentStore(Everywhere, ConsentStoreContract): ...


class TestGrantStore(Everywhere, GrantStoreContract): ...


class TestFlowStore(Everywhere, FlowStoreContract): ...


class TestOutbox(Everywhere, OutboxContract): ...


class TestMailedLinkStore(Everywhere, MailedLinkStoreContract): ...


class TestIdentityStore(Everywhere, IdentityStoreContract): ...


class TestSquatStore(Everywhere, SquatStoreContract): ...


class TestFactorStore(Everywhere, FactorStoreContract): ...


class TestUsedAssertions(Everywhere, UsedAssertionsContract):
    @pytest.fixture
    def used(self, stores: SignInStores) -> Any:
        return stores.used
