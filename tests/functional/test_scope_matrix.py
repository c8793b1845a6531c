"""Every route with every kind of token: one table. A route that is added without a row fails here."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from donkies.domain.tokens import SCOPES, AccessTokens, IdTokens
from donkies.testing.app import ALL_SCOPES, bearer, make_client, make_person, sign_in
from donkies.testing.links import PersonAtTheApi, work
from donkies.testing.routes import ask, operations

JSON = {"Content-Type": "application/json"}

# what asks for no access token: pages have a browser's session, OAuth's endpoints the client's own proof
OPEN = {
    # the page of a link session proves itself by the token in its memory: test_link_sessions.py
    "GET /link", "GET /link.js", "GET /link.d.ts", "POST /link/session", "GET /link/institutions",
    "GET /link/institutions/{code}", "GET /link/account", "POST /link/account", "PUT /link/account/credentials",
    "GET /link/account/challenges", "POST /link/account/challenges", "POST /link/account/authorize",
    "POST /link/account/refresh", "GET /link/account/found", "POST /link/close",
    "POST /hooks/mx",  # MX proves itself by HTTP Basic: test_hooks.py
    "POST /link/widget", "POST /link/widget/member", "POST /link/widget/left",
    "GET /", "GET /link/return", "GET /login", "POST /login", "POST /logout",
    "GET /email", "POST /email/send", "GET /email/change", "POST /email/change", "GET /email/verify",
    "POST /email/verify", "GET /email/confirm", "POST /email/confirm", "GET /email/confirmed", "GET /password/forgot",
    "POST /password/forgot", "GET /password/reset", "POST /password/reset", "GET /password/change",
    "POST /password/change", "GET /signup", "POST /signup",
    "POST /login/google", "GET /login/google/callback", "POST /login/facebook", "GET /login/facebook/callback",
    "GET /login/join", "POST /login/join", "GET /signup/finish", "POST /signup/finish",
    "GET /static/*subpath", "GET /healthz", "GET /readyz", "GET /metrics", "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server", "GET /.well-known/openid-configuration",
    "GET /oauth/authorize", "POST /oauth/authorize", "POST /oauth/consent", "POST /oauth/token", "POST /oauth/revoke",
    "GET /account/identities", "POST /account/identities", "GET /brand.css", "GET /brand/logo",
    "GET /logos/{code}",
    "POST /oauth/introspect", "GET /oauth/logout", "POST /oauth/logout",
    "POST /login/passkey", "POST /login/passkey/options", "GET /login/second", "POST /login/second",
    "POST /login/second/options", "GET /factors", "POST /factors", "GET /factors/app", "POST /factors/app",
    "GET /factors/passkey", "POST /factors/passkey", "POST /factors/passkey/options",
    "GET /openapi.json", "GET /docs", "GET /docs/signed-in",
    "GET /v1/erasures/{receipt}", "GET /account", "GET /account/profile", "POST /account/profile",
    "GET /account/sessions", "POST /account/sessions", "GET /account/apps", "POST /account/apps",
    "GET /account/banks/{link}/delete", "POST /account/banks/{link}/delete", "GET /account/export",
    "POST /account/export", "GET /account/delete", "POST /account/delete", "GET /account/deleted/{receipt}",
}  # fmt: skip

# a route: its scope, the status of its person's good token, and of another person's
ROUTES = {
    "GET /oauth/userinfo": ("openid", 200, 200),
    "POST /oauth/userinfo": ("openid", 200, 200),
    "GET /v1/users/me": ("profile", 200, 200),
    "PATCH /v1/users/me": ("profile:write", 200, 200),
    "GET /v1/users/me/export": ("transactions:read", 200, 200),
    "GET /v1/institutions": ("links:write", 200, 200),
    "GET /v1/institutions/{code}": ("links:write", 200, 200),
    "GET /v1/institutions/{code}/credentials": ("links:write", 200, 200),
    "POST /v1/link_sessions": ("links:write", 201, 201),
    "GET /v1/linked_accounts": ("accounts:read", 200, 200),
    "POST /v1/linked_accounts": ("links:credentials", 422, 422),
    "GET /v1/linked_accounts/{id}": ("accounts:read", 200, 404),
    "GET /v1/linked_accounts/{id}/sync_report": ("accounts:read", 200, 404),
    "PUT /v1/linked_accounts/{id}/credentials": ("links:credentials", 422, 404),
    "GET /v1/linked_accounts/{id}/challenges": ("links:credentials", 200, 404),
    "POST /v1/linked_accounts/{id}/challenges": ("links:credentials", 409, 404),
    "POST /v1/linked_accounts/{id}/authorize": ("links:write", 409, 404),
    "POST /v1/linked_accounts/{id}/refresh": ("links:write", 202, 404),
    "GET /v1/linked_accounts/{id}/adoption": ("accounts:read", 200, 404),
    "POST /v1/linked_accounts/{id}/adoption/undo": ("links:write", 409, 404),
    "GET /v1/accounts": ("accounts:read", 200, 200),
    "GET /v1/accounts/{id}": ("accounts:read", 200, 404),
    "GET /v1/transactions": ("transactions:read", 200, 200),
    "GET /v1/accounts/{id}/balances": ("accounts:read", 200, 404),
    "GET /v1/transactions/{id}": ("transactions:read", 200, 404),
    "PATCH /v1/transactions/{id}": ("transactions:write", 200, 404),
    "GET /v1/transactions/summary": ("transactions:read", 422, 422),  # it wants to know by what
    "GET /v1/transactions/sync": ("transactions:read", 200, 200),
    "GET /v1/transactions/export": ("transactions:read", 422, 422),  # and this one in which format
    "POST /v1/linked_accounts/{id}/disconnect": ("links:write", 200, 404),
    "DELETE /v1/linked_accounts/{id}": ("links:write", 204, 404),
    # the last, for nobody is left to ask anything else
    "DELETE /v1/users/me": ("account:delete", 202, 202),
}
# what clients do in their own name: the status of a client's good token
CLIENTS = {"POST /v1/users": ("users:write", 422)}

BODIES = {
    "PATCH /v1/users/me": {},
    "PATCH /v1/transactions/{id}": {},
    "POST /v1/link_sessions": {},
    "POST /v1/linked_accounts": {"institution_code": "mxbank", "credentials": [{"guid": "none", "value": "x"}]},
    "PUT /v1/linked_accounts/{id}/credentials": {"credentials": [{"guid": "none", "value": "x"}]},
    "POST /v1/linked_accounts/{id}/challenges": {"answers": [{"guid": "none", "value": "x"}]},
    "POST /v1/users": {},
}


class House:
    """One person with a bank, and every kind of token that somebody might try."""

    def __init__(self, app, clock):
        self.app, self.owner, self.client = app, make_person(app), make_client(app)
        self.person = PersonAtTheApi(app, sign_in(app, person=self.owner, client=self.client))
        self.link = self.person.link()
        work(app)
        self.account = self.person.get("/accounts").json["data"][0]["id"]
        self.transaction = self.person.get("/transactions", limit=1).json["data"][0]["id"]
        self.expired = self.person.headers
        clock.advance(seconds=601)
        self.good = sign_in(app, person=self.owner, client=self.client)
        self.others = sign_in(app, client=self.client)
        self.other_clients = sign_in(app, person=self.owner)
        self.revoked = sign_in(app, person=self.owner, client=self.client)
        token = self.revoked["Authorization"].removeprefix("Bearer ")
        app.post("/oauth/revoke", {"token": token, "client_id": self.client.id}, status=200)
        self.clients = self.mint(make_client(app, type="confidential", scopes="users:write").id, ("users:write",))
        self.client_with_all = self.mint("some-client", SCOPES)
        claims = {"sub": str(self.owner.id), "aud": self.client.id, "scope": " ".join(SCOPES), "sid": str(uuid4())}
        with app.service(IdTokens) as tokens:
            self.id_token = bearer(tokens.mint(claims, access_token=token))
        self.garbage = [bearer(text) for text in ("garbage", "a.b.c", token[:-8] + "AAAAAAAA", "e30.e30.", "\xff")]

    def mint(self, client_id, scopes, **more):
        with self.app.service(AccessTokens) as tokens:
            return bearer(tokens.mint(sub=more.pop("sub", client_id), client_id=client_id, scopes=scopes, **more))

    def without(self, scope):
        """The person's good token, but for one scope."""
        wanted = [one for one in ALL_SCOPES.split() if one != scope]
        return sign_in(self.app, wanted, person=self.owner, client=self.client)

    def ask(self, name, headers):
        method, path = name.split(" ")
        wanted = {"accounts": self.account, "transactions": self.transaction}.get(path.split("/")[2], self.link)
        path = path.replace("{id}", wanted).replace("{code}", "mxbank")
        body = json.dumps(BODIES[name]).encode() if name in BODIES else None
        return ask(self.app, method, path, body=body, headers=headers | (JSON if body else {}))

    def refused(self, name, headers, status, code):
        answer = self.ask(name, headers)
        assert (status, code) == (answer.status_int, answer.json.get("code")), name
        assert "application/problem+json" == answer.content_type
        assert (status == 401) == ("Bearer" in answer.headers.get("WWW-Authenticate", "") and status == 401)


@pytest.fixture
def settings(settings):
    return settings | {"donkies.link.look_s": 0.02}


@pytest.fixture
def house(testapp, clock):
    return House(testapp, clock)


def test_every_route_has_a_row_and_no_row_is_without_a_route(testapp):
    found = {one.name: one.scope for one in operations(testapp)}
    rows = dict.fromkeys(OPEN) | {name: row[0] for name, row in (ROUTES | CLIENTS).items()}
    assert {} == {name: scope for name, scope in found.items() if name not in rows}, "give these routes a row"
    assert found == {name: scope for name, scope in rows.items() if name in found or name != "GET /metrics"}
    assert {scope for scope, *_ in (ROUTES | CLIENTS).values()} <= set(SCOPES)


def test_every_route_with_every_kind_of_token(house):
    for name, (scope, good, others) in ROUTES.items():
        house.refused(name, {}, 401, "token_required")
        for headers in (*house.garbage, house.revoked, house.expired, house.id_token):
            house.refused(name, headers, 401, "invalid_token")
        house.refused(name, house.without(scope), 403, "insufficient_scope")
        house.refused(name, house.clients, 403, "insufficient_scope")
        house.refused(name, house.client_with_all, 403, "wrong_kind_of_token")
        assert others == house.ask(name, house.others).status_int, name
        if name.startswith("DELETE"):
            assert good == house.ask(name, house.good).status_int
        else:  # scopes are what counts: another client of the same person's may do the same
            assert [good, good] == [house.ask(name, it).status_int for it in (house.good, house.other_clients)], name


def test_what_is_a_clients_own_is_no_persons(house):
    for name, (scope, good) in CLIENTS.items():
        house.refused(name, {}, 401, "token_required")
        for headers in (*house.garbage, house.revoked, house.expired, house.id_token):
            house.refused(name, headers, 401, "invalid_token")
        house.refused(name, house.good, 403, "insufficient_scope")
        person = house.mint(house.client.id, (scope,), sub=str(house.owner.id), sid=uuid4())
        house.refused(name, person, 403, "wrong_kind_of_token")
        assert good == house.ask(name, house.clients).status_int


def test_a_token_is_taken_from_the_header_only_but_by_userinfo_from_a_form_too(house):
    token = house.good["Authorization"].removeprefix("Bearer ")
    for name in ROUTES:
        method, path = name.split(" ")
        path = path.replace("{id}", house.link)
        answer = ask(house.app, method, path, query=f"access_token={token}")
        assert 400 <= answer.status_int < 404, name
        form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"access_token={token}"}
        answer = ask(house.app, method, path, body=f"access_token={token}".encode(), headers=form)
        # by a form only at the one address where OpenID Connect wants it (Core 1.0 §5.3.1)
        assert (200 if name == "POST /oauth/userinfo" else 401) == answer.status_int, name
