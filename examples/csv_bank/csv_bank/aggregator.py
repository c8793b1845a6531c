"""The adapter: donkies' port on one side, files on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NoReturn

from donkies.domain.aggregator import (
    ActBy,
    AggregatedAccount,
    AggregatedTransaction,
    AggregatorRefusedUs,
    Credential,
    CredentialField,
    CredentialsNotAccepted,
    Institution,
    LinkStatus,
    Member,
    MemberGone,
    MemberRef,
    MemberStatus,
    NotChallenged,
    Page,
    RetryWith,
    Row,
    Verdict,
)

from .files import BankFiles
from .links import Link, Links

FORM = (
    CredentialField("user_name", "user_name", "User name", "LOGIN", 1),
    CredentialField("pin", "pin", "PIN", "PASSWORD", 2),
)
CONNECTED = Verdict(LinkStatus.SUCCESS)
DENIED = Verdict(LinkStatus.WRONG_CREDENTIALS, "credentials_rejected", ActBy.USER, RetryWith.CREDENTIALS)


class CsvAggregator:
    """The port `Aggregator` over a folder of CSV files. Jobs end as they begin; no bank asks questions.

    Args:
        options: `folder`, the banks; `links`, the SQLite file of who linked what, else `links.db` in the folder.
    Raises: ValueError, which donkies shows in one line when it starts.
    """

    per_page = 1000

    def __init__(self, options: Mapping[str, str]) -> None:
        if unknown := options.keys() - {"folder", "links"}:
            raise ValueError(f"there is no option {', '.join(sorted(unknown))}; there are folder and links")
        folder = Path(options.get("folder", ""))
        if not options.get("folder") or not (folder / "banks.csv").is_file():
            raise ValueError("folder: give the path of a folder that holds banks.csv")
        self._files = BankFiles(folder)
        self._links = Links(Path(options.get("links") or folder / "links.db"))

    # users

    def ensure_user(self, identifier: str) -> str:
        return self._links.ensure_user(identifier)

    def find_user(self, identifier: str) -> str | None:
        return self._links.find_user(identifier)

    def delete_user(self, user_guid: str) -> None:
        self._links.delete_user(user_guid)

    # institutions

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]:
        wanted = text.strip().lower()
        found = [one for one in self._files.banks().values() if wanted in one.name.lower()]
        return _page(found, page, per_page)

    def read_institution(self, code: str) -> Institution:
        found = self._files.banks().get(code)  # a code is never made part of a path before it was found there
        if found is None:
            raise MemberGone("There is no such bank.")
        return found

    def list_institution_credentials(self, code: str) -> tuple[CredentialField, ...]:
        self.read_institution(code)
        return FORM

    # members

    def list_member_credentials(self, member: MemberRef) -> tuple[CredentialField, ...]:
        return self.list_institution_credentials(self._links.get(member).bank)

    def create_member(
        self, user_guid: str, institution_code: str, credentials: Sequence[Credential], identifier: str
    ) -> Member:
        self.read_institution(institution_code)
        user_name, is_accepted = self._try(institution_code, credentials)
        return _member(self._links.add(user_guid, institution_code, user_name, identifier, is_accepted=is_accepted))

    def list_members(self, user_guid: str) -> tuple[Member, ...]:
        return tuple(_member(link) for link in self._links.of(user_guid))

    def update_member_credentials(self, member: MemberRef, credentials: Sequence[Credential]) -> None:
        user_name, is_accepted = self._try(self._links.get(member).bank, credentials)
        self._links.log_in(member, user_name, is_accepted=is_accepted)

    def delete_member(self, member: MemberRef) -> None:
        self._links.delete(member)

    def aggregate_member(self, member: MemberRef) -> None:
        link = self._links.get(member)
        self._links.log_in(member, link.user_name, is_accepted=bool(link.is_accepted))

    def read_member_status(self, member: MemberRef) -> MemberStatus:
        link = self._links.get(member)
        return MemberStatus(
            connection_status=_word(link),
            verdict=CONNECTED if link.is_accepted else DENIED,
            is_being_aggregated=False,
            has_processed_transactions=bool(link.is_accepted),
            aggregated_at=datetime.fromisoformat(link.aggregated_at),
            successfully_aggregated_at=link.succeeded_at and datetime.fromisoformat(link.succeeded_at),
        )

    # data

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        link = self._links.get(member)
        return tuple(self._files.accounts(link.bank, link.user_name, link.guid)) if link.succeeded_at else ()

    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        link = self._links.get(member)
        rows = self._files.transactions(link.bank, link.user_name, link.guid) if link.succeeded_at else []
        return _page([row for row in rows if from_date <= row.date <= to_date], page, self.per_page)

    # what files cannot do

    def resume_aggregation(self, member: MemberRef, answers: Sequence[Credential]) -> None:
        self._links.get(member)
        raise NotChallenged("Files ask no questions.")

    def create_oauth_member(self, user_guid: str, institution_code: str, identifier: str, return_uri: str) -> NoReturn:
        raise AggregatorRefusedUs("Files have no sign-in page.")

    def read_oauth_window_uri(self, member: MemberRef, return_uri: str) -> NoReturn:
        raise AggregatorRefusedUs("Files have no sign-in page.")

    def widget_url(
        self,
        user_guid: str,
        institution_code: str | None,
        member: MemberRef | None,
        *,
        update_credentials: bool = False,
    ) -> NoReturn:
        raise AggregatorRefusedUs("Files have no linking page.")

    def _try(self, bank: str, credentials: Sequence[Credential]) -> tuple[str, bool]:
        """The user name, and whether the bank accepts the login."""
        values = {one.guid: one.value for one in credentials}
        if values.keys() != {field.guid for field in FORM}:
            raise CredentialsNotAccepted("Read the form again and fill in every field.")
        return values["user_name"], self._files.accepts(bank, values["user_name"], values["pin"])


def _word(link: Link) -> str:
    return "CONNECTED" if link.is_accepted else "DENIED"


def _member(link: Link) -> Member:
    return Member(link.ref, link.bank, link.identifier, _word(link))


def _page(rows: Sequence[Row], number: int, per_page: int) -> Page[Row]:
    first = (number - 1) * per_page
    return Page(rows[first : first + per_page], number, per_page, len(rows), max(1, -(-len(rows) // per_page)))
