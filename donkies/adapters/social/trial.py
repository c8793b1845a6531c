"""Whether Google and Facebook know our keys: a code that nobody was given is refused otherwise than wrong keys are."""

from __future__ import annotations

from .calls import ProviderCalls

NO_CODE = "donkies-doctor-no-such-code"
# Graph API: the app is unknown, its secret is wrong
FACEBOOKS_WRONG_KEYS = (1, 101)
GOOGLES_WRONG_KEYS = ("invalid_client", "unauthorized_client", "deleted_client")


def are_keys_known(calls: ProviderCalls, token_url: str, client_id: str, client_secret: str, redirect_uri: str) -> bool:
    """Ask the token endpoint; nobody is logged in by it.

    Raises: ProviderFailed when it cannot be asked, or answers what is no refusal.
    """
    form = {
        "grant_type": "authorization_code",
        "code": NO_CODE,
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
    }
    error = calls.call("POST", token_url, form=form).data.get("error")
    if isinstance(error, dict):
        return error.get("code") not in FACEBOOKS_WRONG_KEYS
    return error not in GOOGLES_WRONG_KEYS
