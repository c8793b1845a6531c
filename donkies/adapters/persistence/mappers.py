"""Imperative mapping: domain classes onto tables, once per process (docs/adr/0001)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event

from ...domain.downloads import Download
from ...domain.linked_accounts import LinkedAccount
from ...domain.removals import Removal
from ...domain.sessions import BrowserSession
from ...domain.users import User
from .tables import banking, identity, mapper_registry


def start_mappers() -> None:
    """Map the domain classes; a second call does nothing."""
    if mapper_registry.mappers:
        return
    map_identity()
    map_banking()


def map_identity() -> None:
    """Sign-in: the rest of it is plain rows (clients, codes, token families)."""
    mapper_registry.map_imperatively(User, identity.users)
    mapper_registry.map_imperatively(BrowserSession, identity.browser_sessions)


def map_banking() -> None:
    """Links and the work on them. Accounts and transactions are bulk: plain rows, no entities."""
    mapper_registry.map_imperatively(
        LinkedAccount,
        banking.linked_accounts,
        properties={"_member_guid_index": banking.linked_accounts.c.member_guid_index},
        # the fence: web and worker both write links, and a write of whoever was overtaken finds no row
        version_id_col=banking.linked_accounts.c.lease_no,
        version_id_generator=False,
    )
    mapper_registry.map_imperatively(Download, banking.downloads, exclude_properties=["is_wanted_again"])
    mapper_registry.map_imperatively(
        Removal,
        banking.member_removals,
        properties={"_member_guid_index": banking.member_removals.c.member_guid_index},
    )
    event.listen(LinkedAccount, "before_insert", _index_member)
    event.listen(LinkedAccount, "before_update", _index_member)
    event.listen(Removal, "before_insert", _index_member)


def _index_member(_mapper: Any, connection: Connection, row: Any) -> None:
    """Keep the blind index beside the sealed guid."""
    keyring = connection.dialect.donkies_keyring  # type: ignore[attr-defined]
    index = row.member_guid and keyring.index(row.member_guid)
    if row._member_guid_index != index:
        row._member_guid_index = index
