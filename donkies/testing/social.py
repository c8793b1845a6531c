"""Walks by way of Google and Facebook: our side by WebTest, theirs over real HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from webtest import TestResponse

from .app import DonkiesTestApp
from .tls import ask


def social_settings(url: str) -> dict[str, Any]:
    """Settings that lead to a sandbox's Google and Facebook.

    Args:
        url: where the sandbox is, without a path.
    """
    google, facebook = f"{url}/google", f"{url}/facebook/v24.0"
    return {
        "donkies.google.client_id": "google-id",
        "donkies.google.client_secret": "canary-google-secret",
        "donkies.google.auth_url": f"{google}/o/oauth2/v2/auth",
        "donkies.google.token_url": f"{google}/token",
        "donkies.google.jwks_url": f"{google}/oauth2/v3/certs",
        "donkies.google.issuer": google,
        "donkies.facebook.client_id": "facebook-id",
        "donkies.facebook.client_secret": "canary-facebook-secret",
        "donkies.facebook.auth_url": f"{facebook}/dialog/oauth",
        "donkies.facebook.token_url": f"{facebook}/oauth/access_token",
        "donkies.facebook.me_url": f"{facebook}/me",
        "donkies.facebook.scopes": "public_profile email user_birthday",
    }


def begin(app: DonkiesTestApp, provider: str, path: str = "/login", **fields: str) -> str:
    """Press the provider's button. Returns: the provider's address that this leads to."""
    forms = app.get(path).forms.values()
    (form,) = [one for one in forms if one.action == f"/login/{provider}"]
    fields = {name: field[0].value for name, field in form.fields.items() if name} | fields
    location: str = app.post(form.action, fields, status=303).location
    return location


def choose(url: str, persona: str, ca_file: str = "") -> str:
    """Be somebody there. Returns: the path, with its query, that this leads back to."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    went = ask("POST", url, urlencode({"persona": persona}), form, ca_file)
    assert went.status == 303, went.text
    return urlsplit(went.headers["Location"])._replace(scheme="", netloc="", fragment="").geturl()


def walk(app: DonkiesTestApp, provider: str, persona: str, path: str = "/login", **fields: str) -> TestResponse:
    """There and back, and on to the page that this leads to."""
    response = app.get(choose(begin(app, provider, path, **fields), persona))
    return response.follow() if response.status_int == 303 else response


def finish(page: TestResponse, **typed: str) -> TestResponse:
    """Fill in what is missing on the page that asks for it."""
    assert page.form.action.startswith("/signup/finish"), page.text
    for name, value in typed.items():
        page.form[name] = value
    return page.form.submit(status="*")
