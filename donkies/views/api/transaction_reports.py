"""What is made of many transactions at once: sums and files. Both take the filters of the list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import orjson
import structlog
from cornice import Service
from pyramid.request import Request
from pyramid.response import Response

from ...domain.transaction_export import TransactionExport, TransactionExportService
from ...domain.transactions import Grouping, LedgerReader
from ...domain.unit_of_work import Clock
from ..exports import JSON, TRANSACTION_COLUMNS, csv_pieces
from ..ofx import ofx_pieces
from ..openapi.operation import Media, Operation
from ..qif import qif_pieces
from ..security import demand_scopes
from . import shapes
from .answers import PRIVATE, answer, query_of
from .schemas import check
from .transactions import Filters

log = structlog.get_logger(__name__)

summary = Service("transactions_summary", "/v1/transactions/summary", description="Sums of transactions")
export = Service("transactions_export", "/v1/transactions/export", description="Transactions as a file")

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "ofx": "application/x-ofx",
    "qif": "application/qif",
}
OF_ACCOUNTS = ("ofx", "qif")  # formats that show names and balances of accounts


class SummaryQuery(Filters):
    """Filters, and what there is one line for."""

    group_by: Grouping


class ExportQuery(Filters):
    """Filters, and the format."""

    format: Literal["csv", "ndjson", "ofx", "qif"]


@summary.get(permission="transactions:read", operation=Operation(shapes.Summary, query=SummaryQuery))
def summarize(request: Request) -> Response:
    """Debits, credits and their number, for each key and currency. What the person hid counts only when asked for."""
    asked = check(SummaryQuery, query_of(request))
    query = asked.query() if asked.hidden is not None else asked.model_copy(update={"hidden": "false"}).query()
    lines = request.services.get(LedgerReader).summarize(request.identity.user_id, query, asked.group_by)
    return answer({"data": lines})


@export.get(
    permission="transactions:read",
    operation=Operation(
        Media(tuple(kind.partition(";")[0] for kind in TYPES.values())),
        query=ExportQuery,
        gives=("Content-Disposition",),
        errors=("403 insufficient_scope",),
    ),
)
def export_transactions(request: Request) -> Response:
    """The rows of the list as a download that is made while it is sent."""
    asked = check(ExportQuery, query_of(request))
    demand_scopes(request, *(["accounts:read"] if asked.format in OF_ACCOUNTS else []))
    user_id = request.identity.user_id
    begun = request.services.get(TransactionExportService).begin(user_id, asked.query())
    log.info("transactions_export", user_id=str(user_id), client_id=request.identity.client_id, format=asked.format)
    now = request.services.get(Clock).now()
    response = Response(app_iter=_pieces(begun, asked.format, now))
    response.headers["Content-Type"] = TYPES[asked.format]
    response.headers["Content-Disposition"] = f'attachment; filename="transactions-{now:%Y-%m-%d}.{asked.format}"'
    response.headers["Cache-Control"] = PRIVATE
    return response


def _pieces(begun: TransactionExport, wanted: str, now: datetime) -> Iterator[bytes]:
    if wanted == "csv":
        return csv_pieces(TRANSACTION_COLUMNS, begun.transactions(), {"amount"})
    if wanted == "ndjson":
        return (b"".join(orjson.dumps(row, option=JSON) for row in page) for page in begun.transactions())
    return ofx_pieces(begun, now) if wanted == "ofx" else qif_pieces(begun)
