"""The consent page of a bank with its own sign-in. Source: ATRIUM.md 6.4; DESIGN.md 11."""

from html import escape
from typing import Any
from urllib.parse import urlencode

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from .members import Member
from .pages import page, redirect
from .wire import route


def includeme(config: Configurator) -> None:
    route(config, "/oauth/{token}", GET=show_consent, POST=take_consent)


def show_consent(request: Request) -> Response:
    """Ask the person; looking at the page does not use the address up, pressing a button does."""
    member = _waiting_member(request)
    if member is None:
        return _gone()
    return page(
        f"Sign in to {member.name}",
        f"""<p>An app would like to read your accounts and transactions at
<strong>{escape(member.name)}</strong>. This bank is pretended: no password is needed.</p>
<form method="post"><p>
<button id="consent" name="consent" value="consent">Consent</button>
<button id="cancel" name="cancel" value="cancel" class="quiet">Cancel</button>
</p></form>""",
    )


def take_consent(request: Request) -> Response:
    """Use the address up, start the job or not, and send the person back."""
    pressed = {*request.POST.keys(), *request.POST.values()}
    if "consent" not in pressed and "cancel" not in pressed:
        return page("Nothing was pressed", "<p>Press <em>Consent</em> or <em>Cancel</em>.</p>", status=400)
    world, member = request.world, _waiting_member(request)
    if member is None:
        return _gone()
    has_consented = "consent" in pressed
    del world.oauth_windows[request.matchdict["token"]]
    member.oauth_token = None
    if has_consented:
        member.start_job(world.now(), "CREATED" if member.connection_status == "PENDING" else "UPDATED")
    world.save_member(member)
    outcome = {"status": "success" if has_consented else "error", "member_guid": member.guid}
    return _back(member, outcome)


def _waiting_member(request: Request) -> Member | None:
    guid = request.world.oauth_windows.get(request.matchdict["token"])
    return None if guid is None else request.world.member(guid)


def _back(member: Member, outcome: dict[str, Any]) -> Response:
    if member.client_redirect_url is None:
        return page("All done", "<p>You can close this window and go back to the app.</p>")
    joint = "&" if "?" in member.client_redirect_url else "?"
    return redirect(f"{member.client_redirect_url}{joint}{urlencode(outcome)}")


def _gone() -> Response:
    text = "<p>This address was used already, or never existed. Go back to the app and start again.</p>"
    return page("This address does not work any more", text, status=404)
