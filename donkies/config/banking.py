"""Bindings of links, downloads and transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import svcs
from celery import Celery
from sqlalchemy import Engine

from ..adapters.breaker import BreakerAggregator
from ..adapters.guarded import GuardedAggregator
from ..adapters.limits import SqlLimitStorage, StoredLimits
from ..adapters.logos import HttpLogoSource
from ..adapters.memory.aggregator import MemoryAggregator
from ..adapters.messaging import CeleryJobs, make_celery
from ..adapters.metrics import Metrics
from ..adapters.mx.atrium import AtriumAggregator
from ..adapters.persistence.adoptions import SqlAdoptionStore
from ..adapters.persistence.annotations import SqlAnnotationStore
from ..adapters.persistence.downloads import SqlDownloadStore
from ..adapters.persistence.erasures import SqlErasureStore
from ..adapters.persistence.ledger import SqlLedger
from ..adapters.persistence.linked_accounts import SqlLinkedAccountStore
from ..adapters.persistence.logos import SqlLogoStore
from ..adapters.persistence.reader import SqlLedgerReader
from ..adapters.persistence.removals import SqlRemovalStore
from ..adapters.persistence.widget_visits import SqlWidgetVisitStore
from ..adapters.read_pool import ThreadReadPool
from ..domain.adopting import AdoptingService
from ..domain.aggregator import Aggregator
from ..domain.annotations import AnnotationService, AnnotationStore
from ..domain.budget import SyncBudget
from ..domain.downloading import DownloadService
from ..domain.downloads import DownloadStore, DownloadTiming
from ..domain.duplicates import DuplicateService
from ..domain.erasing import LeavingService
from ..domain.erasures import ErasureService, ErasureStore
from ..domain.exporting import ExportService
from ..domain.following import LookService, ReadPool
from ..domain.hints import HintService, HintTiming
from ..domain.institutions import CredentialCalls, FormCache, InstitutionService, ReadCalls
from ..domain.jobs import Jobs
from ..domain.link_gate import LinkGate, OpenGate, VerifiedEmailGate
from ..domain.link_sessions import LinkSessionService
from ..domain.link_store import LinkedAccountStore
from ..domain.linked_accounts import LinkTiming
from ..domain.linking import LinkService
from ..domain.logos import LogoCalls, LogoService, LogoSource, LogoStore
from ..domain.mirroring import FeedService
from ..domain.popular import PopularInstitutions
from ..domain.relinking import AdoptionStore, Relinking
from ..domain.removals import RemovalService, RemovalStore
from ..domain.schedule import ScheduleService
from ..domain.stopping import StopFlag
from ..domain.transaction_export import TransactionExportService
from ..domain.transactions import Ledger, LedgerReader
from ..domain.unit_of_work import Clock
from ..domain.widget_visits import WidgetVisitStore
from ..tasks.linked_accounts import Looker
from .aggregators import load_aggregator
from .settings import Settings
from .wiring import autowired

if TYPE_CHECKING:
    from .binding import Binder


def bind_banking(binder: Binder, settings: Settings, metrics: Metrics) -> None:
    """Ports and services of banking."""
    registry = binder.registry
    registry.register_value(LinkTiming, link_timing(settings))
    registry.register_value(HintTiming, HintTiming(settings.hooks_gather_s, settings.hooks_pause_s))
    registry.register_value(DownloadTiming, download_timing(settings))
    registry.register_value(CredentialCalls, CredentialCalls(settings.aggregator_web_calls))
    registry.register_value(ReadCalls, ReadCalls(settings.aggregator_web_calls))
    registry.register_value(FormCache, FormCache())
    registry.register_value(PopularInstitutions, PopularInstitutions(settings.popular_institutions.split()))
    registry.register_value(LogoCalls, LogoCalls(settings.aggregator_web_calls))
    stop = StopFlag()
    registry.register_value(StopFlag, stop)
    registry.register_value(Looker, Looker(stop))
    binder.single("aggregator", Aggregator, lambda: make_aggregator(settings, metrics))
    hosts, sandbox = settings.logos_hosts.split(), settings.sandbox_origin
    binder.single("logo_source", LogoSource, lambda: HttpLogoSource(hosts, sandbox))
    # a quarter for each bank, as DESIGN 6 gives to the calls of requests
    pool = ThreadReadPool(settings.look_threads, max(1, settings.look_threads // 4))
    registry.register_value(ReadPool, pool, on_registry_close=pool.close)
    celery = make_celery(
        settings.broker_url, settings.sweep_s, settings.queue_prefix, purge_every_s=settings.purge_every_s
    )
    celery.services = registry
    registry.register_value(Celery, celery, on_registry_close=celery.close)
    registry.register_factory(SqlLedger, autowired(SqlLedger))
    binder.port("jobs", Jobs, autowired(CeleryJobs))
    binder.port("linked_accounts", LinkedAccountStore, autowired(SqlLinkedAccountStore))
    binder.port("removals", RemovalStore, autowired(SqlRemovalStore))
    binder.port("widget_visits", WidgetVisitStore, autowired(SqlWidgetVisitStore))
    binder.port("erasures", ErasureStore, autowired(SqlErasureStore))
    binder.port("downloads", DownloadStore, autowired(SqlDownloadStore))
    binder.port("logos", LogoStore, autowired(SqlLogoStore))
    binder.port("ledger", Ledger, autowired(SqlLedger))
    binder.port("adoptions", AdoptionStore, autowired(SqlAdoptionStore))
    binder.port("annotations", AnnotationStore, autowired(SqlAnnotationStore))
    binder.single("ledger_reader", LedgerReader, lambda: SqlLedgerReader(*svcs.Container(registry).get(Engine, Clock)))
    registry.register_factory(LinkGate, autowired(VerifiedEmailGate) if settings.link_verified_email_only else OpenGate)
    binder.service(
        InstitutionService, LinkService, LookService, RemovalService, AdoptingService, DownloadService, ScheduleService
    )
    binder.service(HintService, LogoService, DuplicateService, Relinking)
    registry.register_value(SyncBudget, _sync_budget(settings, *svcs.Container(registry).get(Engine, Clock)))
    binder.service(AnnotationService, FeedService, TransactionExportService)
    # where sign-in and banks meet: the person
    binder.service(ErasureService, LeavingService, ExportService, LinkSessionService)


def make_aggregator(settings: Settings, metrics: Metrics | None = None) -> Aggregator:
    """The aggregator that the settings name. Raises: BadSettings."""
    if settings.aggregator == "memory":
        return MemoryAggregator()
    if settings.aggregator == "atrium":
        aggregator: Aggregator = make_atrium(settings, metrics)
    else:
        options = {name: value.get_secret_value() for name, value in settings.aggregator_options.items()}
        observe = metrics.aggregator_call if metrics is not None else None
        aggregator = GuardedAggregator(load_aggregator(settings.aggregator, options), observe)
    return BreakerAggregator(aggregator, failures=settings.breaker_failures, open_s=settings.breaker_open_s)


def make_atrium(settings: Settings, metrics: Metrics | None = None) -> AtriumAggregator:
    """MX's Atrium, as the settings say."""
    atrium = AtriumAggregator(
        settings.atrium_url,
        settings.atrium_api_key.get_secret_value(),
        settings.atrium_client_id.get_secret_value(),
        read_timeout_s=settings.aggregator_timeout_s,
        total_timeout_s=settings.aggregator_timeout_s,
        # a kept connection for every thread that may call: lookers, downloads, requests with and without credentials
        widget_origins=settings.widget_origins,
        pool_size=settings.look_threads + settings.worker_threads + 2 * settings.aggregator_web_calls,
    )
    if metrics is not None:
        atrium.transport.observe = metrics.aggregator_call
    return atrium


def _sync_budget(settings: Settings, engine: Engine, clock: Clock) -> SyncBudget:
    """Counted whether or not the limits on people are on."""
    if not settings.sync_calls_per_minute:
        return SyncBudget()
    return SyncBudget(StoredLimits(SqlLimitStorage(engine, clock), clock), settings.sync_calls_per_minute)


def link_timing(settings: Settings) -> LinkTiming:
    return LinkTiming(
        look_s=settings.link_look_s,
        look_slowest_s=settings.link_look_slowest_s,
        deadline_s=settings.link_deadline_s,
        oauth_deadline_s=settings.link_oauth_deadline_s,
        lease_s=settings.lease_s,
        widget_look_s=settings.link_widget_look_s,
    )


def download_timing(settings: Settings) -> DownloadTiming:
    return DownloadTiming(
        retry_s=settings.sync_retry_s,
        every_s=settings.sync_every_s,
        full_every_s=settings.sync_full_every_s,
        give_up_s=settings.sync_give_up_s,
        slice_s=settings.download_slice_s,
    )
