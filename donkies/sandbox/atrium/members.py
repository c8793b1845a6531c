"""Members: creating, reading, changing, their jobs and challenges. Source: ATRIUM.md 2.4 to 2.6."""

import re
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from .. import scenarios
from ..institutions import INSTITUTIONS, Institution
from ..members import Member, User
from ..wire import (
    Refusal,
    json_response,
    listed,
    new_guid,
    no_content,
    not_found,
    read_envelope,
    read_object,
    read_paging,
    route,
)

UNKNOWN_STATUS = "SOMETHING_NEW"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+")
_PREMIUM_JOBS = ("extend_history", "fetch_statements", "identify", "verify")


def includeme(config: Configurator) -> None:
    one = "/users/{user}/members/{member}"
    route(config, "/users/{user}/members", GET=list_members, POST=create_member)
    route(config, one, GET=read_member, PUT=update_member, DELETE=delete_member)
    route(config, f"{one}/credentials", GET=list_member_credentials)
    route(config, f"{one}/status", GET=read_member_status)
    route(config, f"{one}/aggregate", POST=aggregate_member)
    route(config, f"{one}/balance", POST=aggregate_member)
    route(config, f"{one}/challenges", GET=list_challenges)
    route(config, f"{one}/resume", PUT=resume_aggregation)
    route(config, f"{one}/oauth_window_uri", GET=read_oauth_window_uri)
    for job in _PREMIUM_JOBS:
        route(config, f"{one}/{job}", POST=refuse_premium_job)


# -- members


def list_members(request: Request) -> dict[str, Any]:
    world = request.world
    members = [_shown(request, member) for member in world.members_of(_user(request))]
    return listed("members", members, read_paging(request, world.limits.max_per_page))


def create_member(request: Request) -> dict[str, Any]:
    """Link a user to an institution and start the first job."""
    world, user = request.world, _user(request)
    body = read_object(request)
    given = body.get("member")
    if not isinstance(given, dict) or not isinstance(given.get("institution_code"), str):
        raise Refusal(400, "institution_code is required")
    institution = INSTITUTIONS.get(given["institution_code"])
    if institution is None:
        raise not_found("Institution")
    if len(world.members_of(user)) >= world.limits.member_limit:
        raise Refusal(405, f"A user may have {world.limits.member_limit} members in this environment")
    member = Member(
        guid=new_guid("MBR"),
        user_guid=user.guid,
        institution_code=institution.code,
        name=institution.name,
        created_at=world.now(),
        history_rows=world.history_size.transactions,
        history_days=world.history_size.days,
    )
    _set(member, _description(given))
    if given.get("is_oauth"):
        _begin_bank_sign_in(request, institution, member, {**body, **given})
    else:
        _take_login(request, institution, member, given.get("credentials"))
        if not given.get("skip_aggregation"):
            member.start_job(world.now(), "CREATED")
    world.add_member(member)
    return {"member": _shown(request, member)}


def read_member(request: Request) -> dict[str, Any]:
    return {"member": _shown(request, _member(request))}


def update_member(request: Request) -> dict[str, Any]:
    """Change a member; new credentials start a job."""
    world, member = request.world, _member(request)
    given = read_envelope(request, "member")
    description = _description(given)
    if "credentials" in given:
        if member.is_oauth:
            raise Refusal(400, "This member signs in at the bank, it has no credentials")
        _take_login(request, INSTITUTIONS[member.institution_code], member, given["credentials"])
        member.start_job(world.now(), "UPDATED")
    _set(member, description)
    world.save_member(member)
    return {"member": _shown(request, member)}


def delete_member(request: Request) -> Response:
    request.world.remove_member(_member(request))
    return no_content()


def list_member_credentials(request: Request) -> dict[str, Any]:
    return {"credentials": INSTITUTIONS[_member(request).institution_code].form()}


# -- jobs


def read_member_status(request: Request) -> dict[str, Any]:
    vocabulary = request.world.mode.vocabulary
    status = _member(request).status_to_wire(vocabulary)
    if request.fault == "unknown_status":
        status["status" if vocabulary == "2016" else "connection_status"] = UNKNOWN_STATUS
    return {"member": status}


def aggregate_member(request: Request) -> Any:
    """Start a job, unless one runs, MX would not, or it is too soon: then nothing happens."""
    world, member = request.world, _member(request)
    throttle_s = INSTITUTIONS[member.institution_code].throttle_s
    is_throttled = member.aggregated_at is not None and world.now() < member.aggregated_at + throttle_s
    waits_for_person = member.connection_status in ("PREVENTED", "PENDING")
    if not (member.is_being_aggregated or is_throttled or waits_for_person):
        member.start_job(world.now())
        world.save_member(member)
    return _accepted(request, member)


def list_challenges(request: Request) -> Any:
    member = _member(request)
    return {"challenges": member.challenges} if member.is_challenged else no_content()


def resume_aggregation(request: Request) -> Any:
    """Take the answers; they are weighed at once and not kept."""
    world, member = request.world, _member(request)
    given = read_envelope(request, "member").get("challenges")
    if not member.is_challenged:
        raise Refusal(405, "The member is not challenged")
    asked = {challenge["guid"] for challenge in member.challenges}
    answers = _values(given, "challenges", asked)
    if set(answers) != asked:
        raise Refusal(400, "Every challenge needs an answer")
    member.resume_job(world.now(), list(answers.values()))
    world.save_member(member)
    return _accepted(request, member)


def read_oauth_window_uri(request: Request) -> dict[str, Any]:
    """Give a fresh one-time address of the bank's consent page."""
    world, member = request.world, _member(request)
    if not member.is_oauth:
        raise Refusal(400, "The member does not sign in at the bank")
    world.new_oauth_window(member)
    uri = f"{request.host_url}/oauth/{member.oauth_token}"
    return {"member": {"guid": member.guid, "oauth_window_uri": uri}}


def refuse_premium_job(request: Request) -> Any:
    _member(request)
    raise Refusal(403, "This feature is not enabled for the client")


# -- what they share


def _user(request: Request) -> User:
    return request.world.user(request.matchdict["user"])


def _member(request: Request) -> Member:
    return request.world.member_of(_user(request), request.matchdict["member"])


def _shown(request: Request, member: Member) -> dict[str, Any]:
    return member.to_wire(request.host_url, request.world.mode.vocabulary)


def _accepted(request: Request, member: Member) -> Any:
    if request.world.mode.empty_202:
        return Response(status=202, headerlist=[("Content-Type", "application/json")])
    return json_response({"member": _shown(request, member)})


def _description(given: dict[str, Any]) -> dict[str, str | None]:
    description: dict[str, str | None] = {name: given[name] for name in ("identifier", "metadata") if name in given}
    for name, value in description.items():
        if not isinstance(value, str | None):
            raise Refusal(400, f"{name} must be text")
    return description


def _set(member: Member, description: dict[str, str | None]) -> None:
    for name, value in description.items():
        setattr(member, name, value)


def _values(given: Any, name: str, known: set[str]) -> dict[str, str]:
    """Read `[{guid, value}]`. The message never quotes what was sent."""
    if not isinstance(given, list) or not given:
        raise Refusal(400, f"{name} must be a list of objects with guid and value")
    values: dict[str, str] = {}
    for item in given:
        guid = item.get("guid") if isinstance(item, dict) else None
        if not isinstance(guid, str) or guid not in known:
            raise Refusal(400, f"{name} holds a guid that was not asked for")
        value = item.get("value")
        if not isinstance(value, str):
            raise Refusal(400, f"{name} holds a value that is no text")
        values[guid] = value
    return values


def _take_login(request: Request, institution: Institution, member: Member, given: Any) -> None:
    """Turn what was typed into an outcome and a mark, and let go of it."""
    world = request.world
    typed = _values(given, "credentials", {field.guid for field in institution.fields})
    login = next((typed.get(f.guid) for f in institution.fields if f.type == "LOGIN"), None)
    mark = world.mark_of_login(login) if login else None
    if mark is not None and any(
        other.login_mark == mark and other.institution_code == institution.code and other.guid != member.guid
        for other in world.members_of(world.user(member.user_guid))
    ):
        raise Refusal(409, "A member with this institution and login exists")
    member.login_mark = mark
    member.customer = world.mark_of_login(login.casefold()) if login else None
    member.outcome = scenarios.outcome_of_login(institution, typed)


def _begin_bank_sign_in(request: Request, institution: Institution, member: Member, given: dict[str, Any]) -> None:
    if not institution.supports_oauth:
        raise Refusal(400, "The institution has no sign-in of its own")
    back = given.get("client_redirect_url")
    if back is None and given.get("referral_source") == "APP":
        back = f"{given.get('ui_message_webview_url_scheme') or 'atrium'}://oauth_complete"
    if back is not None and not (isinstance(back, str) and _ADDRESS.fullmatch(back)):
        raise Refusal(400, "client_redirect_url must be an address")
    member.is_oauth = True
    member.customer = "signs in at the bank"
    member.client_redirect_url = back
    member.connection_status = "PENDING"
    request.world.new_oauth_window(member)
