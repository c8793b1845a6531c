"""Banks that can be linked, and the forms they ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .aggregator import Aggregator, CallsExhausted, Credential, CredentialField, Institution, MemberGone
from .errors import Invalid, NotFound
from .popular import InstitutionList, PopularInstitutions, with_popular_first


class CallGate:
    """Lets so many calls to the aggregator run at once, and refuses more before anything is sent.

    A slow bank then holds some of the threads that answer requests, never all (DESIGN 6).
    """

    def __init__(self, limit: int) -> None:
        self._places = threading.BoundedSemaphore(limit)

    @contextmanager
    def place(self, wait_s: float = 0) -> Iterator[None]:
        """Raises: CallsExhausted when none is free within `wait_s`."""
        if not self._places.acquire(timeout=wait_s):
            raise CallsExhausted("Too many people are talking to their banks just now; try again shortly.")
        try:
            yield
        finally:
            self._places.release()


class CredentialCalls(CallGate):
    """The gate for calls that carry what a person typed."""


class ReadCalls(CallGate):
    """The gate for calls that only read, so that slow banks do not close the search."""


class FormCache:
    """Institutions and their forms, which change rarely, kept for some minutes by each process."""

    def __init__(self, keep_s: float = 300, size: int = 2_000) -> None:
        self._keep_s, self._size = keep_s, size
        self._kept: dict[str, tuple[float, tuple[Institution, tuple[CredentialField, ...]]]] = {}

    def get(self, code: str) -> tuple[Institution, tuple[CredentialField, ...]] | None:
        at, form = self._kept.get(code, (0.0, None))
        return form if form and time.monotonic() - at < self._keep_s else None

    def put(self, code: str, form: tuple[Institution, tuple[CredentialField, ...]]) -> None:
        if len(self._kept) >= self._size:
            self._kept.clear()
        self._kept[code] = time.monotonic(), form


@dataclass
class InstitutionService:
    """Search for banks and their login forms."""

    aggregator: Aggregator
    reads: ReadCalls
    cache: FormCache = field(repr=False)
    popular: PopularInstitutions = field(default_factory=PopularInstitutions, repr=False)

    def search(self, text: str, page: int, per_page: int, skip: int = 0) -> InstitutionList:
        """Banks by name; where no name is given, the popular ones first.

        Args:
            page, skip: where the list goes on.
        """
        with self.reads.place():
            popular = () if text else self.popular.read(self.aggregator)
            return with_popular_first(
                self.aggregator.search_institutions(text, page, per_page), popular, per_page, skip
            )

    def form(self, code: str) -> tuple[Institution, tuple[CredentialField, ...]]:
        """An institution and what its login form asks for, in display order.

        Raises: NotFound for an unknown code; AggregatorError.
        """
        if kept := self.cache.get(code):
            return kept
        with self.reads.place():
            try:
                institution = self.aggregator.read_institution(code)
                fields = self.aggregator.list_institution_credentials(code)
            except MemberGone:
                raise NotFound(f"There is no institution with the code {code!r}.", code="unknown_institution") from None
        self.cache.put(code, (institution, fields))
        return institution, fields


def check_credentials(fields: Sequence[CredentialField], credentials: Sequence[Credential]) -> None:
    """Check that what was typed fits the bank's form: every field once, none that the form does not have.

    Raises: Invalid, naming every bad field by its guid, never by its value.
    """
    known = {one.guid: one for one in fields}
    given: set[str] = set()
    bad: dict[str, str] = {}
    for credential in credentials:
        if credential.guid not in known:
            bad[credential.guid] = "This institution's form has no such field."
        elif credential.guid in given:
            bad[credential.guid] = "This field is given twice."
        elif not credential.value:
            bad[credential.guid] = f"{known[credential.guid].label} is empty."
        given.add(credential.guid)
    bad |= {guid: f"{one.label} is missing." for guid, one in known.items() if guid not in given}
    if bad:
        raise Invalid("The credentials do not fit the institution's form.", bad, code="bad_credentials_form")
