"""A circuit breaker before the aggregator: one circuit for all of it, and one for each institution.

Own code, for what there is does not fit: pybreaker holds a lock while a call runs, so that a slow bank would
stop all threads; neither it nor purgatory obeys Retry-After, or lets exactly one of many threads try again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import structlog

from ..domain.aggregator import (
    AggregatedAccount,
    AggregatedTransaction,
    Aggregator,
    AggregatorDown,
    AggregatorNotAsked,
    AggregatorThrottled,
    Credential,
    CredentialField,
    Institution,
    InstitutionNotAsked,
    Member,
    MemberRef,
    MemberStatus,
    Page,
)

T = TypeVar("T")
LONGEST_WAIT_S = 3_600.0  # whatever Retry-After says, one call is tried once an hour
WHILE_PROBED_S = 5.0  # told to those who come while one call finds out

log = structlog.get_logger(__name__)


@dataclass
class _Circuit:
    """What is known of one thing that can fail; its breaker's lock guards it.

    Args:
        failures: in a row.
        banks: whose calls these were; None stands for calls that are no bank's.
        open_until: a value of the breaker's clock; None while all calls pass.
        is_probed: one call is under way to find out whether it has healed.
    """

    failures: int = 0
    banks: set[str | None] = field(default_factory=set)
    open_until: float | None = None
    is_probed: bool = False

    def wait_s(self, now: float) -> float:
        """Seconds to stay away; 0 for a call that may go."""
        if self.open_until is None:
            return 0.0
        if self.is_probed:
            return WHILE_PROBED_S
        return max(0.0, self.open_until - now)


class BreakerAggregator:
    """An Aggregator that is left alone for a while once it, or one bank of its, has failed often in a row.

    A failure is AggregatorDown or AggregatorThrottled; every other answer shows that it works. While a circuit
    is open, calls are refused at once and never sent. Then one call is let through: it closes the circuit, or
    opens it for as long again.

    The circuit of all opens only if more than one bank failed, or a call that is no bank's: where a single bank
    hangs, people at others go on.

    Args:
        inner: whom calls go to.
        failures: so many in a row open a circuit.
        open_s: how long it stays open; longer where the aggregator asks for that.
        clock: seconds, of any beginning.
    """

    def __init__(
        self, inner: Aggregator, *, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.inner = inner
        self._limit, self._open_s, self._clock = failures, open_s, clock
        self._lock = threading.Lock()
        self._all = _Circuit()
        self._banks: dict[str, _Circuit] = {}  # only those that failed last

    def close(self) -> None:
        """Close what calls go out by."""
        close = getattr(self.inner, "close", None)
        if close is not None:
            close()

    def open_circuits(self) -> list[str]:
        """What is left alone now: institution codes, and `*` for all."""
        with self._lock:
            banks = [code for code, circuit in self._banks.items() if circuit.open_until is not None]
            return ["*"] * (self._all.open_until is not None) + banks

    def _call(self, bank: str | None, call: Callable[[], T]) -> T:
        self._enter(bank)
        try:
            result = call()
        except AggregatorDown:
            self._failed(bank, 0.0)
            raise
        except AggregatorThrottled as error:
            self._failed(bank, error.retry_after_s)
            raise
        except BaseException:
            self._worked(bank)
            raise
        self._worked(bank)
        return result

    def _enter(self, bank: str | None) -> None:
        with self._lock:
            now = self._clock()
            if wait_s := self._all.wait_s(now):
                raise AggregatorNotAsked(
                    "The service that talks to banks does not answer just now; try again later.", retry_after_s=wait_s
                )
            circuit = self._banks.get(bank) if bank else None
            if circuit and (wait_s := circuit.wait_s(now)):
                raise InstitutionNotAsked("This bank does not answer just now; try again later.", retry_after_s=wait_s)
            for passed in (self._all, circuit):
                if passed and passed.open_until is not None:
                    passed.is_probed = True

    def _worked(self, bank: str | None) -> None:
        with self._lock:
            if self._all.failures:
                self._all = _Circuit()
            if bank:
                self._banks.pop(bank, None)

    def _failed(self, bank: str | None, retry_after_s: float) -> None:
        with self._lock:
            open_until = self._clock() + min(max(self._open_s, retry_after_s), LONGEST_WAIT_S)
            if bank:
                circuit = self._banks.setdefault(bank, _Circuit())
                self._count(circuit, bank, open_until, bank)
            self._count(self._all, bank, open_until, "*")

    def _count(self, circuit: _Circuit, bank: str | None, open_until: float, name: str) -> None:
        circuit.failures += 1
        circuit.banks.add(bank)
        is_spread = name != "*" or None in circuit.banks or len(circuit.banks) > 1
        # calls that were under way when it opened say nothing new
        if circuit.is_probed or (circuit.open_until is None and circuit.failures >= self._limit and is_spread):
            circuit.open_until, circuit.is_probed = open_until, False
            log.warning("circuit_opened", institution=name, failures=circuit.failures)

    # the port, in its order

    def ensure_user(self, identifier: str) -> str:
        return self._call(None, lambda: self.inner.ensure_user(identifier))

    def find_user(self, identifier: str) -> str | None:
        return self._call(None, lambda: self.inner.find_user(identifier))

    def delete_user(self, user_guid: str) -> None:
        return self._call(None, lambda: self.inner.delete_user(user_guid))

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]:
        return self._call(None, lambda: self.inner.search_institutions(text, page, per_page))

    # what the aggregator knows of a bank it tells without the bank

    def read_institution(self, code: str) -> Institution:
        return self._call(None, lambda: self.inner.read_institution(code))

    def list_institution_credentials(self, code: str) -> tuple[CredentialField, ...]:
        return self._call(None, lambda: self.inner.list_institution_credentials(code))

    def list_member_credentials(self, member: MemberRef) -> tuple[CredentialField, ...]:
        return self._call(member.institution_code, lambda: self.inner.list_member_credentials(member))

    def create_member(
        self, user_guid: str, institution_code: str, credentials: Sequence[Credential], identifier: str
    ) -> Member:
        return self._call(
            institution_code, lambda: self.inner.create_member(user_guid, institution_code, credentials, identifier)
        )

    def create_oauth_member(self, user_guid: str, institution_code: str, identifier: str, return_uri: str) -> Member:
        return self._call(
            institution_code,
            lambda: self.inner.create_oauth_member(user_guid, institution_code, identifier, return_uri),
        )

    def read_oauth_window_uri(self, member: MemberRef, return_uri: str) -> str:
        return self._call(member.institution_code, lambda: self.inner.read_oauth_window_uri(member, return_uri))

    def widget_url(
        self,
        user_guid: str,
        institution_code: str | None,
        member: MemberRef | None,
        *,
        update_credentials: bool = False,
    ) -> str:
        return self._call(
            None,
            lambda: self.inner.widget_url(user_guid, institution_code, member, update_credentials=update_credentials),
        )

    def list_members(self, user_guid: str) -> tuple[Member, ...]:
        return self._call(None, lambda: self.inner.list_members(user_guid))

    def update_member_credentials(self, member: MemberRef, credentials: Sequence[Credential]) -> None:
        return self._call(member.institution_code, lambda: self.inner.update_member_credentials(member, credentials))

    def delete_member(self, member: MemberRef) -> None:
        return self._call(member.institution_code, lambda: self.inner.delete_member(member))

    def aggregate_member(self, member: MemberRef) -> None:
        return self._call(member.institution_code, lambda: self.inner.aggregate_member(member))

    def read_member_status(self, member: MemberRef) -> MemberStatus:
        return self._call(member.institution_code, lambda: self.inner.read_member_status(member))

    def resume_aggregation(self, member: MemberRef, answers: Sequence[Credential]) -> None:
        return self._call(member.institution_code, lambda: self.inner.resume_aggregation(member, answers))

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        return self._call(member.institution_code, lambda: self.inner.list_accounts(member))

    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        return self._call(
            member.institution_code, lambda: self.inner.read_transactions_page(member, from_date, to_date, page)
        )
