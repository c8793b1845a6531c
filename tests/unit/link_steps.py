"""What tests of a link do over and over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from donkies.domain.aggregator import LinkStatus
from donkies.domain.linked_accounts import LinkedAccount
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices

GOOD = "any"
RETURN = "https://us.example/link/return"
PROCESSING, SUCCESS = LinkStatus.PROCESSING, LinkStatus.SUCCESS
WRONG, CHALLENGED, OTHER = LinkStatus.WRONG_CREDENTIALS, LinkStatus.CHALLENGED, LinkStatus.OTHER_ERROR


def create(services: BankingServices, password: str = GOOD, **more: Any) -> LinkedAccount:
    typed = credentials(password, more.pop("login", "test_atrium"))
    return services.linking.create(services.user_id, "mxbank", typed, RETURN, **more)


def connected(services: BankingServices, password: str = GOOD) -> UUID:
    """A link that is a success."""
    link = create(services, password)
    services.look_for(60)
    assert SUCCESS == services.link(link.id).link_status
    return link.id


def shown(services: BankingServices, link_id: UUID) -> tuple[Any, ...]:
    link = services.link(link_id)
    return link.link_status, link.reason, link.retry_with


def members(services: BankingServices) -> list[str | None]:
    user_guid = services.aggregator.inner.ensure_user(str(services.user_id))
    return [member.identifier for member in services.aggregator.inner.list_members(user_guid)]


def while_it_runs(services: BankingServices, name: str, meanwhile: Callable[[], object]) -> Callable[..., Any]:
    """The real call, with something that happens while it is on its way."""

    def call(*args: Any, **kwargs: Any) -> Any:
        meanwhile()
        return getattr(services.aggregator.inner, name)(*args, **kwargs)

    return call
