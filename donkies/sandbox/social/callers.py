"""Who calls a provider's server-to-server paths: an app by its secret, or a bearer of an access token."""

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import unquote_plus

from pyramid.request import Request

from .state import ClientKeys


def presented_keys(request: Request, form: Mapping[str, str]) -> ClientKeys:
    """Read an app's id and secret from Basic or the form; empty where missing. Source: RFC 6749 §2.3.1."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ClientKeys(form.get("client_id", ""), form.get("client_secret", ""))
    try:
        client_id, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except ValueError:
        return ClientKeys("", "")
    return ClientKeys(unquote_plus(client_id), unquote_plus(secret))


def fits(given: ClientKeys, wanted: ClientKeys | None) -> bool:
    """Say whether an app showed its keys; when none are configured, any that are not empty."""
    if wanted is None:
        return all(given)
    are_same = [hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, wanted, strict=True)]
    return all(are_same)


def presented_token(request: Request) -> str:
    """Read an access token from `Authorization: Bearer` or the query; empty when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.GET.get("access_token", "")
