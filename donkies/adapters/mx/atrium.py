"""MX's Atrium API behind the port `Aggregator`. Source: ATRIUM.md 1 and 2."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import structlog

from donkies.domain.aggregator import (
    AggregatedAccount,
    AggregatedTransaction,
    AggregatorMisbehaved,
    Credential,
    CredentialField,
    Institution,
    LinkStatus,
    Member,
    MemberExists,
    MemberGone,
    MemberRef,
    MemberStatus,
    Page,
    Row,
)

from . import wire
from .calls import (
    AGGREGATE_MEMBER,
    CREATE_MEMBER,
    CREATE_USER,
    CREATE_WIDGET_URL,
    DELETE_MEMBER,
    DELETE_USER,
    LIST_ACCOUNTS,
    LIST_INSTITUTION_CREDENTIALS,
    LIST_MEMBER_CHALLENGES,
    LIST_MEMBER_CREDENTIALS,
    LIST_MEMBERS,
    LIST_TRANSACTIONS,
    LIST_USERS,
    READ_INSTITUTION,
    READ_MEMBER_STATUS,
    READ_OAUTH_WINDOW_URI,
    RESUME_AGGREGATION,
    SEARCH_INSTITUTIONS,
    UPDATE_MEMBER,
    Call,
)
from .failures import made
from .statuses import UNKNOWN
from .transactions import read_transactions
from .transport import Limits, SealedBody, Transport, sealed

_log = structlog.get_logger(__name__)

ACCEPT = "application/vnd.mx.atrium.v1+json"

PAGE_SIZES = (1000, 100, 25)
"""Sizes to ask for. A value above what the server takes becomes 25 without a word. Source: ATRIUM.md 1.6."""

WIDGET_ORIGINS = {
    "atrium.mx.com": "https://widgets.moneydesktop.com",
    "vestibule.mx.com": "https://int-widgets.moneydesktop.com",
}
DEFAULT_PORTS = {"http": 80, "https": 443}

_LARGEST_INSTITUTIONS_PAGE = 100
_SMALLEST_PAGE = 10
_MAX_PAGES = 2_000
_MAX_WORDS_LOGGED = 100


class AtriumAggregator:
    """MX over its Atrium API. One instance serves all threads.

    Args:
        base_url: `https://vestibule.mx.com`, `https://atrium.mx.com` or the sandbox; calls go nowhere else.
        total_timeout_s: for one call with all its repeats and waits.
        max_body_bytes: a longer answer, after decompression, is refused.
        retries: repeats of a GET or DELETE that met a broken connection, 429 or 5xx; nothing else is repeated.
        retry_after_cap_s: a longer `Retry-After` is not waited for but told by AggregatorThrottled.
        widget_origins: where MX's widget may lie; those that `widget_origins_of` the address gives where left out.
        sleep: waits between repeats.

    Raises: ValueError for an address or keys that cannot be used, without showing them.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        client_id: str,
        *,
        connect_timeout_s: float = 3.05,
        read_timeout_s: float = 10.0,
        total_timeout_s: float = 10.0,
        pool_size: int = 32,
        max_body_bytes: int = 32 * 2**20,
        retries: int = 2,
        retry_after_cap_s: float = 5.0,
        widget_origins: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = _checked_host(base_url)
        for name, key in (("api_key", api_key), ("client_id", client_id)):
            if not key or not key.isascii() or not key.isprintable() or key != key.strip():
                raise ValueError(f"{name} must be printable ASCII without spaces around it.")
        self.transport = Transport(
            base_url,
            {"Accept": ACCEPT, "MX-API-Key": api_key, "MX-Client-ID": client_id},
            Limits(
                connect_timeout_s=connect_timeout_s,
                read_timeout_s=read_timeout_s,
                total_timeout_s=total_timeout_s,
                pool_size=pool_size,
                max_body_bytes=max_body_bytes,
                retries=retries,
                retry_after_cap_s=retry_after_cap_s,
            ),
            sleep,
        )
        self._widget_origins = frozenset(widget_origins or widget_origins_of(base_url))
        self._page_sizes: dict[str, int] = {}
        self._words_logged: set[str] = set()

    def __repr__(self) -> str:
        return f"<AtriumAggregator {self._host}>"

    def close(self) -> None:
        """Close the pooled connections."""
        self.transport.close()

    # users

    def ensure_user(self, identifier: str) -> str:
        """Make the user, and look for it only when MX says that it exists: one call for a new person."""
        body = sealed({"user": {"identifier": identifier}})
        try:
            data = self.transport.call(CREATE_USER, body=body)
        except MemberExists:
            data = None
        else:
            return made(CREATE_USER, lambda: wire.read_user(wire.envelope(data, "user")).guid)
        if (found := self.find_user(identifier)) is None:
            raise AggregatorMisbehaved("MX says that a user exists and does not list it.")
        return found

    def find_user(self, identifier: str) -> str | None:
        """Look through all users, for Atrium cannot be asked for one by its identifier."""
        for page in self._pages(LIST_USERS, "users", {}):
            for user in map(wire.read_user, page):
                if user.identifier == identifier:
                    return user.guid
        return None

    def delete_user(self, user_guid: str) -> None:
        try:
            self.transport.call(DELETE_USER, {"user": user_guid})
        except MemberGone:
            return

    # institutions

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]:
        size = min(max(per_page, _SMALLEST_PAGE), _LARGEST_INSTITUTIONS_PAGE)
        query: dict[str, str | int] = {"page": page, "records_per_page": size}
        if text.strip():
            query["name"] = text.strip().encode(errors="replace").decode()
        data = self.transport.call(SEARCH_INSTITUTIONS, query=query)
        rows = tuple(map(wire.read_institution, wire.rows_of(data, "institutions")))
        return _page_of(rows, wire.read_pagination(data))

    def read_institution(self, code: str) -> Institution:
        data = self.transport.call(READ_INSTITUTION, {"code": code})
        return wire.read_institution(wire.envelope(data, "institution"))

    def list_institution_credentials(self, code: str) -> tuple[CredentialField, ...]:
        return wire.read_credentials(self.transport.call(LIST_INSTITUTION_CREDENTIALS, {"code": code}))

    # members

    def list_member_credentials(self, member: MemberRef) -> tuple[CredentialField, ...]:
        return wire.read_credentials(self.transport.call(LIST_MEMBER_CREDENTIALS, _parts(member)))

    def create_member(
        self, user_guid: str, institution_code: str, credentials: Sequence[Credential], identifier: str
    ) -> Member:
        body = sealed(
            {
                "member": {
                    "institution_code": institution_code,
                    "identifier": identifier,
                    "credentials": _pairs(credentials),
                }
            }
        )
        return self._create(user_guid, body)

    def create_oauth_member(self, user_guid: str, institution_code: str, identifier: str, return_uri: str) -> Member:
        body = sealed(
            {
                "member": {
                    "institution_code": institution_code,
                    "identifier": identifier,
                    "is_oauth": True,
                    "referral_source": "BROWSER",
                    "client_redirect_url": return_uri,
                }
            }
        )
        return self._create(user_guid, body)

    def _create(self, user_guid: str, body: SealedBody) -> Member:
        data = self.transport.call(CREATE_MEMBER, {"user": user_guid}, body=body)
        return made(CREATE_MEMBER, lambda: wire.read_member(wire.envelope(data, "member"), user_guid))

    def read_oauth_window_uri(self, member: MemberRef, return_uri: str) -> str:
        query = {"referral_source": "BROWSER", "client_redirect_url": return_uri}
        data = self.transport.call(READ_OAUTH_WINDOW_URI, _parts(member), query)
        return wire.read_oauth_window_uri(wire.envelope(data, "member"))

    def widget_url(
        self,
        user_guid: str,
        institution_code: str | None,
        member: MemberRef | None,
        *,
        update_credentials: bool = False,
    ) -> str:
        """Source: ATRIUM.md 2.9; the body is flat."""
        wanted: dict[str, Any] = {"mode": "aggregation", "include_transactions": True, "ui_message_version": 4}
        if member is not None:
            wanted |= {"current_member_guid": member.member_guid, "update_credentials": update_credentials}
        elif institution_code is not None:
            wanted["current_institution_code"] = institution_code
        data = self.transport.call(CREATE_WIDGET_URL, {"user": user_guid}, body=sealed(wanted))
        url = wire.read_widget_url(wire.envelope(data, "user"))
        if (origin := origin_of(url)) not in self._widget_origins:
            _log.warning("atrium_unknown_widget_origin", origin=origin)  # of all the address, this is no secret
            raise AggregatorMisbehaved(
                "MX's widget lies at an origin that the setting donkies.atrium.widget_origins does not name."
            )
        return url

    def list_members(self, user_guid: str) -> tuple[Member, ...]:
        pages = self._pages(LIST_MEMBERS, "members", {"user": user_guid})
        members = [wire.read_member(row, user_guid) for page in pages for row in page]
        return tuple({one.ref.member_guid: one for one in members}.values())

    def update_member_credentials(self, member: MemberRef, credentials: Sequence[Credential]) -> None:
        body = sealed({"member": {"credentials": _pairs(credentials)}})
        self.transport.call(UPDATE_MEMBER, _parts(member), body=body)

    def delete_member(self, member: MemberRef) -> None:
        try:
            self.transport.call(DELETE_MEMBER, _parts(member))
        except MemberGone:
            return

    def aggregate_member(self, member: MemberRef) -> None:
        self.transport.call(AGGREGATE_MEMBER, _parts(member))

    def read_member_status(self, member: MemberRef) -> MemberStatus:
        row = wire.envelope(self.transport.call(READ_MEMBER_STATUS, _parts(member)), "member")
        status = wire.read_status(row)
        if status.verdict.link_status is LinkStatus.CHALLENGED and not status.challenges:
            data = self.transport.call(LIST_MEMBER_CHALLENGES, _parts(member))
            if data is not None:
                status = wire.read_status(row, wire.read_challenges(data))
        if status.verdict is UNKNOWN:
            self._log_word(status.connection_status or "")
        return status

    def resume_aggregation(self, member: MemberRef, answers: Sequence[Credential]) -> None:
        body = sealed({"member": {"challenges": _pairs(answers)}})
        self.transport.call(RESUME_AGGREGATION, _parts(member), body=body)

    # data

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        pages = self._pages(LIST_ACCOUNTS, "accounts", _parts(member))
        accounts = [wire.read_account(row, member.user_guid) for page in pages for row in page]
        return tuple({one.guid: one for one in accounts}.values())

    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        window = {"from_date": from_date.isoformat(), "to_date": to_date.isoformat()}
        rows, pagination = self._page(LIST_TRANSACTIONS, "transactions", _parts(member), page, window)
        return _page_of(read_transactions(rows, member.user_guid), pagination)

    # lists

    def _pages(self, call: Call, key: str, parts: Mapping[str, str]) -> Iterator[list[Any]]:
        """Every page of a list. Raises: AggregatorMisbehaved for one that repeats or never ends."""
        seen: set[tuple[str, ...]] = set()
        for number in range(1, _MAX_PAGES + 1):
            rows, pagination = self._page(call, key, parts, number)
            guids = tuple(str(row.get("guid")) for row in rows if isinstance(row, dict))
            if guids and guids in seen:
                raise AggregatorMisbehaved(f"MX sent the same page twice ({call.name}).")
            seen.add(guids)
            yield rows
            if not rows or number >= pagination.total_pages:
                return
        raise AggregatorMisbehaved(f"MX sent a list without an end ({call.name}).")

    def _page(
        self,
        call: Call,
        key: str,
        parts: Mapping[str, str],
        number: int,
        query: Mapping[str, str | int] | None = None,
    ) -> tuple[list[Any], wire.Pagination]:
        """One page in the largest size that the server takes; that size is found out before a page is given out."""
        largest = self._page_sizes.get(call.path, PAGE_SIZES[0])
        sizes = [size for size in PAGE_SIZES if size <= largest]
        for size, smaller in zip(sizes, [*sizes[1:], 0], strict=True):
            asked = {"page": number, "records_per_page": size, **(query or {})}
            data = self.transport.call(call, parts, asked)
            rows, pagination = wire.rows_of(data, key), wire.read_pagination(data)
            if pagination.per_page >= smaller:
                self._page_sizes[call.path] = size
                break
            if number == pagination.current_page == 1 and pagination.total_pages <= 1:
                break  # all of it is here, whatever the size
        if rows and pagination.current_page != number:
            raise AggregatorMisbehaved(f"MX sent another page than the one asked for ({call.name}).")
        return rows, pagination

    def _log_word(self, word: str) -> None:
        shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in word)
        if shown not in self._words_logged and len(self._words_logged) < _MAX_WORDS_LOGGED:
            self._words_logged.add(shown)
            _log.warning("atrium_unknown_status", word=shown)


def widget_origins_of(base_url: str) -> tuple[str, ...]:
    """The origins of the widget that goes with an address of Atrium; a sandbox has its own. Source: ATRIUM.md 7.1."""
    host = urlsplit(base_url).hostname
    return (WIDGET_ORIGINS.get(host or "", origin_of(base_url)),)


def origin_of(url: str) -> str:
    """Scheme, host and port, as browsers spell an origin (RFC 6454 §6.1); empty for what has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS or not host:
        return ""
    spelt = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{spelt}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


def _checked_host(base_url: str) -> str:
    try:
        url = urlsplit(base_url)
        if url.scheme in ("http", "https") and url.hostname and not (url.username or url.query or url.fragment):
            return url.hostname if url.port is None else f"{url.hostname}:{url.port}"
    except ValueError:
        pass
    raise ValueError("base_url must be an http or https address without user, query or fragment.")


def _parts(member: MemberRef) -> dict[str, str]:
    return {"user": member.user_guid, "member": member.member_guid}


def _pairs(credentials: Sequence[Credential]) -> list[dict[str, str]]:
    return [{"guid": one.guid, "value": one.value} for one in credentials]


def _page_of(rows: Sequence[Row], pagination: wire.Pagination) -> Page[Row]:
    return Page(
        rows=rows,
        number=pagination.current_page,
        per_page=pagination.per_page,
        total_entries=pagination.total_entries,
        total_pages=pagination.total_pages,
    )
