"""Pictures of banks, fetched from where the aggregator says that they are, kept here and served by us.

A front end, or a page of ours, then shows a bank's logo without a word to any other host about who looks at which
bank. Only what the aggregator named in an answer of its own is ever fetched: asking for an unknown code costs one
read of the database and no call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from .aggregator import CallsExhausted, Institution
from .errors import NotFound
from .institutions import CallGate
from .unit_of_work import UnitOfWork

KEPT_S = 7 * 86_400.0
UNUSABLE_S = 86_400.0  # what is no picture today is none in a minute
UNREACHABLE_S = 600.0
WAIT_S = 0.25  # a page shows ten at once, and each takes a moment
LONGEST_URL = 2_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A raster picture. `content_type` is what its bytes say."""

    content_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptLogo:
    """What is kept of an institution's logo.

    Args:
        source_url: where the aggregator says that it is.
        picture: None before it was fetched, and where it could not be.
        etag: digest of the picture's bytes.
        fresh_until: when it is fetched again, or tried again; None: at once.
    """

    code: str
    source_url: str
    picture: Picture | None = None
    etag: str | None = None
    fresh_until: datetime | None = None


class LogoUnusable(Exception):
    """There is no picture at the address, or none that may be served; the text says why."""


class LogoUnreachable(LogoUnusable):
    """The host does not answer, or is not asked for a while because it did not."""


class LogoStore(Protocol):
    """Where logos are kept. All methods need an open unit of work."""

    def note(self, sources: Mapping[str, str]) -> None:
        """Remember where logos are, by institution code. One whose address is another than before is due at once;
        its old picture stays until then.
        """
        ...

    def get(self, code: str) -> KeptLogo | None: ...

    def put(self, logo: KeptLogo) -> None:
        """Replace what was fetched, unless the address has become another meanwhile."""
        ...


class LogoSource(Protocol):
    """The hosts that have the pictures."""

    def fetch(self, url: str) -> Picture:
        """Raises: LogoUnusable, LogoUnreachable."""
        ...


class LogoCalls(CallGate):
    """The gate for fetching logos; of many who want the same one at once, one fetches it and all get it."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[KeptLogo]] = {}
        self._noted: dict[str, str] = {}

    def once(self, code: str, fetch: Callable[[], KeptLogo]) -> KeptLogo:
        """What `fetch` gives, called by one thread for all that wait. Raises: CallsExhausted."""
        with self.place(WAIT_S):
            with self._lock:
                future = self._under_way.get(code)
                if is_mine := future is None:
                    future = self._under_way[code] = Future()
            if is_mine:
                try:
                    future.set_result(fetch())
                except BaseException as error:
                    future.set_exception(error)
                finally:
                    with self._lock:
                        del self._under_way[code]
            return future.result()

    def news(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Those of which this process has not noted just this address."""
        return {code: url for code, url in sources.items() if self._noted.get(code) != url}

    def noted(self, sources: Mapping[str, str]) -> None:
        """These are in the database now."""
        with self._lock:
            if len(self._noted) > 20_000:
                self._noted.clear()
            self._noted.update(sources)

    def forget(self, codes: Collection[str]) -> None:
        """The database has not got these after all."""
        with self._lock:
            for code in codes:
                self._noted.pop(code, None)


@dataclass
class LogoService:
    """Notes where logos are, and gives them out."""

    unit_of_work: UnitOfWork
    logos: LogoStore
    source: LogoSource
    calls: LogoCalls

    def note(self, institutions: Iterable[Institution]) -> None:
        """The aggregator named these just now. One write for those that this process did not know yet."""
        sources = {one.code: one.logo_url for one in institutions if one.logo_url and len(one.logo_url) <= LONGEST_URL}
        if news := self.calls.news(sources):
            with self.unit_of_work:
                self.logos.note(news)
            self.calls.noted(news)

    def read(self, code: str) -> KeptLogo:
        """An institution's logo, fetched if need be; one that is old, but cannot be had anew, is given all the same.

        Returns: one with a picture.
        Raises: NotFound where there is none; CallsExhausted.
        """
        logo, is_due = self._kept(code)
        if logo is None:
            self.calls.forget([code])
            raise NotFound("There is no logo of such an institution.", code="no_logo")
        if is_due:
            logo = self._renewed(logo)
        if logo.picture is None:
            raise NotFound("This institution's logo could not be had.", code="no_logo")
        return logo

    def _kept(self, code: str) -> tuple[KeptLogo | None, bool]:
        """What is kept, and whether it is to be fetched."""
        with self.unit_of_work:
            logo, now = self.logos.get(code), self.unit_of_work.now()
        return logo, logo is not None and (logo.fresh_until is None or logo.fresh_until <= now)

    def _renewed(self, logo: KeptLogo) -> KeptLogo:
        try:
            return self.calls.once(logo.code, lambda: self._fetched(logo))
        except CallsExhausted:
            if logo.picture is None:
                raise
            return logo

    def _fetched(self, old: KeptLogo) -> KeptLogo:
        """What is kept from now on, committed; no unit of work is open while the other host is asked."""
        kept, is_due = self._kept(old.code)
        if kept is not None and not is_due:
            return kept  # another fetched it between our look and our turn
        picture, etag = old.picture, old.etag
        try:
            picture, again_in_s = self.source.fetch(old.source_url), KEPT_S
            etag = sha256(picture.body).hexdigest()[:32]
        except LogoUnreachable:
            again_in_s = UNREACHABLE_S
        except LogoUnusable:
            picture, etag, again_in_s = None, None, UNUSABLE_S
        with self.unit_of_work:
            until = self.unit_of_work.now() + timedelta(seconds=again_in_s)
            logo = KeptLogo(old.code, old.source_url, picture, etag, until)
            self.logos.put(logo)
        return logo
