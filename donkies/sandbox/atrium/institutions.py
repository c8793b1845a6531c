"""Institutions, their login forms and the merchants. Source: ATRIUM.md 2.2, 2.3, 2.10."""

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from ..institutions import INSTITUTIONS, Institution, search
from ..merchants import ENTRIES
from ..wire import Refusal, listed, not_found, read_paging, route

LARGEST_PAGE = 100
_FLAGS = (
    "supports_account_identification",
    "supports_account_statement",
    "supports_account_verification",
    "supports_transaction_history",
)
_SINCE = "2020-01-01T00:00:00.000Z"


def includeme(config: Configurator) -> None:
    route(config, "/institutions", GET=list_institutions)
    route(config, "/institutions/{code}", GET=read_institution)
    route(config, "/institutions/{code}/credentials", GET=list_credentials)
    route(config, "/merchants", GET=list_merchants)
    route(config, "/merchants/{merchant}", GET=read_merchant)


def list_institutions(request: Request) -> dict[str, Any]:
    flags = {}
    for flag in _FLAGS:
        value = request.GET.get(flag)
        if value is not None:
            if value not in ("true", "false"):
                raise Refusal(400, f"{flag} must be true or false")
            flags[flag] = value == "true"
    found = [i.to_wire(request.host_url) for i in search(request.GET.get("name", ""), flags)]
    return listed("institutions", found, read_paging(request, LARGEST_PAGE))


def read_institution(request: Request) -> dict[str, Any]:
    return {"institution": _institution(request).to_wire(request.host_url)}


def list_credentials(request: Request) -> dict[str, Any]:
    return {"credentials": _institution(request).form()}


def list_merchants(request: Request) -> dict[str, Any]:
    return listed("merchants", list(_merchants().values()), read_paging(request, LARGEST_PAGE))


def read_merchant(request: Request) -> dict[str, Any]:
    merchant = _merchants().get(request.matchdict["merchant"])
    if merchant is None:
        raise not_found("Merchant")
    return {"merchant": merchant}


def _institution(request: Request) -> Institution:
    institution = INSTITUTIONS.get(request.matchdict["code"])
    if institution is None:
        raise not_found("Institution")
    return institution


def _merchants() -> dict[str, dict[str, Any]]:
    return {
        entry.merchant_guid: {
            "guid": entry.merchant_guid,
            "name": entry.description,
            "logo_url": None,
            "website_url": None,
            "created_at": _SINCE,
            "updated_at": _SINCE,
        }
        for entry in ENTRIES
        if entry.merchant_guid is not None
    }
