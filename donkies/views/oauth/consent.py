"""What the consent page says: who wants what, for how long, and where it leads."""

from __future__ import annotations

import re
from typing import Any

from pyramid.request import Request

from ...domain.clients import Client
from ...domain.redirect_uris import LOOPBACK, uri_origin
from ...domain.sessions import LoggedIn
from ...domain.users import UserService

# each scope in the words of people, after "… will be able to"
WORDS = {
    "openid": "recognise you when you come back",
    "profile": "see your name, birthday, picture and language",
    "email": "see your e-mail address",
    "profile:write": "change your name, birthday and other details",
    "account:delete": "delete your account here, with all that is in it",
    "accounts:read": "see your linked banks, accounts and balances",
    "transactions:read": "see your transactions",
    "transactions:write": "give your transactions categories and notes, and hide them",
    "links:write": "link banks, refresh them and disconnect them",
    "links:credentials": "ask for your bank password and pass it on; it is not kept here",
}
PORT = re.compile(r":[0-9]*$")
UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def consent_values(
    request: Request, who: LoggedIn, client: Client, scopes: tuple[str, ...], redirect_uri: str
) -> dict[str, Any]:
    """What the template `consent` needs."""
    return {
        "client": client,
        "abilities": [WORDS[scope] for scope in scopes],
        "lasting": lasting(request.registry.settings["donkies"].refresh_lifetime_s),
        "target": target(redirect_uri),
        "email": request.services.get(UserService).profile(who.user_id).email,
    }


def target(redirect_uri: str) -> str:
    """Where the person is sent back to, in words."""
    origin = uri_origin(redirect_uri)
    if origin is None:
        scheme = redirect_uri.partition(":")[0]
        return redirect_uri if scheme in ("http", "https") else f"an app on this device ({scheme})"
    host = origin.partition("://")[2]
    return f"an app on this device ({host})" if PORT.sub("", host) in LOOPBACK else host


def lasting(seconds: float) -> str:
    """A span in the largest unit that fits it, rounded: `30 days`."""
    name, size = next((unit for unit in UNITS if seconds >= unit[1]), UNITS[-1])
    count = round(seconds / size)
    return f"{count} {name}{'' if count == 1 else 's'}"
