"""The stores of banking: each keeps its contract in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from donkies.testing.banking import InMemory, InSql
from donkies.testing.contracts.adoptions import AdoptionStoreContract
from donkies.testing.contracts.download_store import DownloadStoreContract
from donkies.testing.contracts.erasure_store import ErasureStoreContract
from donkies.testing.contracts.ledger import LedgerContract
from donkies.testing.contracts.ledger_reader import LedgerReaderContract
from donkies.testing.contracts.linked_account_store import LinkedAccountStoreContract
from donkies.testing.contracts.logos import LogoStoreContract
from donkies.testing.contracts.removal_store import RemovalStoreContract
from donkies.testing.contracts.widget_visit_store import WidgetVisitStoreContract


class TestMemoryDownloadStore(InMemory, DownloadStoreContract): ...


class TestSqlDownloadStore(InSql, DownloadStoreContract): ...


class TestMemoryErasureStore(InMemory, ErasureStoreContract): ...


class TestSqlErasureStore(InSql, ErasureStoreContract): ...


class TestMemoryLedger(InMemory, LedgerContract): ...


class TestSqlLedger(InSql, LedgerContract): ...


class TestMemoryLedgerReader(InMemory, LedgerReaderContract): ...


class TestSqlLedgerReader(InSql, LedgerReaderContract): ...


class TestMemoryLinkedAccountStore(InMemory, LinkedAccountStoreContract): ...


class TestSqlLinkedAccountStore(InSql, LinkedAccountStoreContract): ...


class TestMemoryRemovalStore(InMemory, RemovalStoreContract): ...


class TestSqlRemovalStore(InSql, RemovalStoreContract): ...


class TestMemoryWidgetVisitStore(InMemory, WidgetVisitStoreContract): ...


class TestSqlWidgetVisitStore(InSql, WidgetVisitStoreContract): ...


class TestMemoryLogoStore(InMemory, LogoStoreContract): ...


class TestSqlLogoStore(InSql, LogoStoreContract): ...


class TestMemoryAdoptionStore(InMemory, AdoptionStoreContract): ...


class TestSqlAdoptionStore(InSql, AdoptionStoreContract): ...
