"""The control API, under `/_sandbox`: for tests and demos, no part of MX's protocol.

Source: DESIGN.md 11.
"""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from . import rows, webhooks
from .faults import LONGEST_DELAY_S, read_fault
from .members import Member
from .social.state import DEFAULT_DELAY_S, GOOGLE_FAULTS, OUTAGES, ProviderSettings
from .wire import Refusal, moment, no_content, read_object, route
from .world import HistorySize

MOST_TRANSACTIONS = 1_000_000
MOST_DAYS = 3650
LONGEST_JOB_S = 3600
LONGEST_ADVANCE_S = 10 * 366 * 24 * 3600
_LEGACY_STATUS = {
    "CHALLENGED": "CHALLENGED",
    "CONNECTED": "COMPLETED",
    "CREATED": "INITIATED",
    "DENIED": "DENIED",
    "IMPAIRED": "DENIED",
    "LOCKED": "DENIED",
    "PREVENTED": "PREVENTED",
    "REJECTED": "DENIED",
    "RESUMED": "RECEIVED",
    "UPDATED": "INITIATED",
}


def includeme(config: Configurator) -> None:
    def add(pattern: str, *, locked: bool = True, **views: Any) -> None:
        route(config, f"/_sandbox{pattern}", renderer="plain", locked=locked, **views)

    add("", GET=overview)
    add("/reset", POST=reset)
    add("/history", GET=read_history, PUT=set_history)
    add("/mode", GET=read_mode, PUT=set_mode)
    add("/clock", GET=read_clock, POST=advance_clock)
    add("/faults", GET=list_faults, POST=add_fault, DELETE=clear_faults)
    add("/members/{member}/transactions", POST=add_transaction)
    add("/transactions/{transaction}", PATCH=change_transaction, DELETE=remove_transaction)
    add("/members/{member}/status", POST=set_status)
    add("/members/{member}/webhooks", POST=send_webhooks, locked=False)
    add("/social", GET=read_social, PUT=set_social)
    add("/mail", GET=read_mail, PUT=set_mail)
    add("/requests", GET=list_requests)


def overview(request: Request) -> dict[str, Any]:
    """Show how the sandbox is set; `built_rows` counts the transactions built for lists so far."""
    world = request.world
    return {
        **read_mode(request),
        **read_history(request),
        **read_clock(request),
        **list_faults(request),
        **read_social(request),
        **read_mail(request),
        "users": len(world.users),
        "members": len(world.members),
        "built_rows": world.built_rows,
    }


def reset(request: Request) -> Response:
    request.world.reset()
    return no_content()


# -- history, mode, clock


def read_history(request: Request) -> dict[str, Any]:
    return {"history": asdict(request.world.history_size)}


def set_history(request: Request) -> dict[str, Any]:
    """Set what members made from now on have."""
    body = _body(request, "transactions", "days")
    size = request.world.history_size
    request.world.history_size = HistorySize(
        int(_number(body, "transactions", 0, MOST_TRANSACTIONS, size.transactions, whole=True)),
        int(_number(body, "days", 1, MOST_DAYS, size.days, whole=True)),
    )
    return read_history(request)


def read_mode(request: Request) -> dict[str, Any]:
    return {"mode": asdict(request.world.mode)}


def set_mode(request: Request) -> dict[str, Any]:
    """Change the modes that are named; the others stay."""
    body, mode = _body(request, "vocabulary", "job_s", "empty_202", "ghosts_s"), request.world.mode
    vocabulary = body.get("vocabulary", mode.vocabulary)
    if vocabulary not in ("both", "2016"):
        raise Refusal(422, 'vocabulary must be "both" or "2016"', "vocabulary")
    request.world.set_mode(
        vocabulary=vocabulary,
        job_s=_number(body, "job_s", 0, LONGEST_JOB_S, mode.job_s),
        empty_202=_flag(body, "empty_202", mode.empty_202),
        ghosts_s=_number(body, "ghosts_s", 0, LONGEST_JOB_S, mode.ghosts_s),
    )
    return read_mode(request)


def read_clock(request: Request) -> dict[str, Any]:
    world = request.world
    return {"clock": {"now": moment(world.now()), "offset_s": world.clock_offset_s}}


def advance_clock(request: Request) -> dict[str, Any]:
    body = _body(request, "advance_s")
    request.world.advance_clock(_number(body, "advance_s", 0, LONGEST_ADVANCE_S, None))
    return read_clock(request)


# -- sign-in and mail


def read_social(request: Request) -> dict[str, Any]:
    return {"social": asdict(request.world.social.settings)}


def set_social(request: Request) -> dict[str, Any]:
    """Change what is named: the squatter's address, and a provider's settings as a whole; the rest stays."""
    body, social = (
        _body(request, "squatter_email", "squatter_email_verified", "google", "facebook"),
        request.world.social,
    )
    address = body.get("squatter_email", social.settings.squatter_email)
    if not isinstance(address, str) or "@" not in address:
        raise Refusal(422, "squatter_email must be an e-mail address", "squatter_email")
    social.settings = replace(
        social.settings,
        squatter_email=address,
        squatter_email_verified=_flag(body, "squatter_email_verified", social.settings.squatter_email_verified),
        google=_provider(body, "google", GOOGLE_FAULTS, social.settings.google),
        facebook=_provider(body, "facebook", OUTAGES, social.settings.facebook),
    )
    return read_social(request)


def _provider(body: dict[str, Any], name: str, faults: tuple[str, ...], settings: ProviderSettings) -> ProviderSettings:
    if name not in body:
        return settings
    given = body[name]
    if not isinstance(given, dict) or not set(given) <= {"fault", "delay_s"}:
        raise Refusal(422, f"{name} must be an object with fault and, for slow, delay_s", name)
    fault = given.get("fault")
    if fault is not None and fault not in faults:
        raise Refusal(422, f"{name}'s fault must be null or one of {', '.join(faults)}", name)
    return ProviderSettings(fault, _number(given, "delay_s", 0, LONGEST_DELAY_S, DEFAULT_DELAY_S))


def read_mail(request: Request) -> dict[str, Any]:
    """Tell whether mail is refused, and the port that takes it, null for none."""
    inbox = request.world.inbox
    return {"mail": {"refuse": inbox.refuses, "smtp_port": inbox.smtp_port}}


def set_mail(request: Request) -> dict[str, Any]:
    """Refuse mail for now (SMTP answers 451), or take it again."""
    inbox = request.world.inbox
    inbox.refuses = _flag(_body(request, "refuse"), "refuse", inbox.refuses)
    return read_mail(request)


# -- faults and log


def list_faults(request: Request) -> dict[str, Any]:
    return {"faults": request.world.faults.to_json()}


def add_fault(request: Request) -> dict[str, Any]:
    fault = read_fault(_body(request))
    request.world.faults.add(fault)
    return {"fault": fault.to_json()}


def clear_faults(request: Request) -> Response:
    request.world.faults.clear()
    return no_content()


def list_requests(request: Request) -> dict[str, Any]:
    return {"requests": request.world.log.find(request.GET.get("path"), _since(request.GET.get("since")))}


def _since(text: str | None) -> float | None:
    """Read a time: RFC 3339, or seconds since 1970."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus in a query is read as a space
        if at.tzinfo is None:
            raise ValueError(text)
        return at.timestamp()
    except ValueError:
        raise Refusal(422, "since must be a time with an offset, such as `at` shows", "since") from None


# -- members and their rows


def add_transaction(request: Request) -> dict[str, Any]:
    world, member = request.world, _member(request)
    row = rows.new_row(member, _body(request), world.now())
    if any(world.ledger(other).find(row["guid"]) for other in world.members.values()):
        raise Refusal(422, "guid is in use", "guid")
    world.ledger(member).put(row)
    world.save_ledger(member)
    return {"transaction": row}


def change_transaction(request: Request) -> dict[str, Any]:
    """Change a row; with a new `guid` the old one vanishes, as when MX fails to match a posted row."""
    world, (member, row) = request.world, _row(request)
    changed = rows.changed_row(row, member, _body(request), world.now())
    if changed["guid"] != row["guid"]:
        if any(world.ledger(other).find(changed["guid"]) for other in world.members.values()):
            raise Refusal(422, "guid is in use", "guid")
        world.ledger(member).remove(row["guid"])
    world.ledger(member).put(changed)
    world.save_ledger(member)
    return {"transaction": changed}


def remove_transaction(request: Request) -> Response:
    world, (member, row) = request.world, _row(request)
    world.ledger(member).remove(row["guid"])
    world.save_ledger(member)
    return no_content()


def set_status(request: Request) -> dict[str, Any]:
    """Put a member into a state; its running job is forgotten."""
    flags = ("is_being_aggregated", "is_authenticated", "has_processed_accounts", "has_processed_transactions")
    world, member, body = request.world, _member(request), _body(request, "connection_status", "status", *flags)
    word = body.get("connection_status", member.connection_status)
    if not isinstance(word, str | None):
        raise Refusal(422, "connection_status must be text or null", "connection_status")
    status = body.get("status", _LEGACY_STATUS.get(word or "", "HALTED"))
    if not isinstance(status, str | None):
        raise Refusal(422, "status must be text or null", "status")
    is_well = word == "CONNECTED" and not _flag(body, "is_being_aggregated", False)
    chosen = {flag: _flag(body, flag, is_well and flag != "is_being_aggregated") for flag in flags}
    member.freeze()
    if word == "CHALLENGED":
        member.ask(world.now())
    member.connection_status, member.status = word, status
    for flag, value in chosen.items():
        setattr(member, flag, value)
    if is_well:
        member.successfully_aggregated_at = world.now()
    member.has_accounts |= member.has_processed_accounts
    member.has_transactions |= member.has_processed_transactions
    world.save_member(member)
    return {"member": member.status_to_wire("both")}


def send_webhooks(request: Request) -> dict[str, Any]:
    """Send webhooks now and wait for the receiver; nothing is locked meanwhile."""
    world = request.world
    body = _body(request, "kind", "copies", "shuffled", "url")
    kind = body.get("kind", "AGGREGATION")
    if kind not in webhooks.KINDS:
        raise Refusal(422, f"kind must be one of {', '.join(webhooks.KINDS)}", "kind")
    url = body.get("url", world.limits.webhook_url)
    if url is None:
        raise Refusal(422, "url is missing, and the sandbox was started without a webhook URL", "url")
    webhooks.check_url(url, "url")
    copies = int(_number(body, "copies", 1, webhooks.MOST_COPIES, 1, whole=True))
    shuffled = _flag(body, "shuffled", False)
    with world.lock:
        bodies = webhooks.payloads(_member(request), kind, copies, shuffled, world.now())
    return {"sent": webhooks.send(url, bodies)}


# -- reading the input


def _member(request: Request) -> Member:
    return request.world.member(request.matchdict["member"])


def _row(request: Request) -> tuple[Member, dict[str, Any]]:
    for member in request.world.members.values():
        row = request.world.ledger(member).find(request.matchdict["transaction"])
        if row is not None:
            return member, row
    raise Refusal(404, "Transaction not found")


def _body(request: Request, *known: str) -> dict[str, Any]:
    body = read_object(request, optional=True)
    unknown = sorted(set(body) - set(known)) if known else []
    if unknown:
        raise Refusal(422, f"{unknown[0]} is unknown; known: {', '.join(known)}", unknown[0])
    return body


def _number(
    body: dict[str, Any], name: str, low: float, high: float, default: float | None, *, whole: bool = False
) -> float:
    value = body.get(name, default)
    right_kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right_kind or not low <= value <= high:  # type: ignore[operator]
        raise Refusal(422, f"{name} must be a {'whole ' if whole else ''}number from {low} to {high}", name)
    return value  # type: ignore[return-value]


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Refusal(422, f"{name} must be true or false", name)
    return value
