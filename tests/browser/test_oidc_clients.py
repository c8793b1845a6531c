"""OpenID Connect clients that others wrote, as they come from npm: two in a real browser, one in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import ECKey

from donkies.testing.app import PASSWORD, DonkiesTestApp, Person, make_client, make_person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SCOPES = "openid profile email"


@pytest.fixture
def database_url(sqlite_databases: Any, tmp_path: Path) -> str:
    """One database is enough here: how tokens fare on both is shown by the functional tests."""
    return sqlite_databases.fresh(tmp_path)


@dataclass
class Service:
    """The service over real HTTP, an app of another site, and somebody with an account."""

    issuer: str
    app: DonkiesTestApp
    site: str
    person: Person


@pytest.fixture
def service(app_site: str, served_testapp: DonkiesTestApp) -> Service:
    person = make_person(served_testapp, password=PASSWORD)
    return Service(served_testapp.settings.public_url, served_testapp, app_site, person)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(15_000)
    yield context
    context.close()


def open_app(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    ready(page)
    return page


def ready(page: Page) -> None:
    page.wait_for_function("document.title === 'ready'")


def log_in_and_allow(page: Page, person: Person) -> None:
    """What the person does on our pages."""
    page.fill("[name=email]", person.email)
    page.fill("[name=password]", PASSWORD)
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Allow").click()


class TestOidcClientTs:
    """The client most single-page apps use; two tabs share its user by localStorage."""

    @pytest.fixture
    def manager(self, service: Service) -> str:
        """JavaScript that makes the client."""
        client = make_client(
            service.app,
            redirect_uris=[f"{service.site}/callback"],
            origins=[service.site],
            post_logout_redirect_uris=[f"{service.site}/signed-out"],
        )
        wanted = {
            "authority": service.issuer,
            "client_id": client.id,
            "redirect_uri": f"{service.site}/callback",
            "post_logout_redirect_uri": f"{service.site}/signed-out",
            "scope": SCOPES,
            "automaticSilentRenew": False,
        }
        settings = json.dumps(wanted)
        store = "new oidc.WebStorageStateStore({store: localStorage})"
        return f"(more => window.manager ??= new oidc.UserManager({{...{settings}, userStore: {store}, ...more}}))"

    @pytest.fixture
    def signed_in(self, context: BrowserContext, service: Service, manager: str) -> Page:
        page = open_app(context, service.site)
        page.evaluate(f"{manager}().signinRedirect(), 0")
        log_in_and_allow(page, service.person)
        page.wait_for_url(f"{service.site}/callback?*")
        ready(page)
        page.evaluate(f"{manager}().signinCallback().then(() => {{}})")
        return page

    def test_it_signs_in_and_reads_who_it_is(self, signed_in: Page, service: Service) -> None:
        profile = signed_in.evaluate("manager.getUser().then(user => user.profile)")
        assert (str(service.person.id), service.issuer) == (profile["sub"], profile["iss"])
        assert 200 == self.userinfo(signed_in, service)

    def test_two_tabs_that_refresh_in_the_same_moment_both_go_on(
        self, signed_in: Page, context: BrowserContext, service: Service, manager: str
    ) -> None:
        other = open_app(context, service.site)
        other.evaluate(f"{manager}(), 0")
        before = signed_in.evaluate("manager.getUser().then(user => user.refresh_token)")
        assert before == other.evaluate("manager.getUser().then(user => user.refresh_token)")
        for _ in range(3):
            at = signed_in.evaluate("Date.now()") + 400
            for tab in (signed_in, other):
                tab.evaluate(
                    f"window.renewed = new Promise(then => setTimeout(then, {at} - Date.now()))"
                    ".then(() => manager.signinSilent()).then(user => user.access_token, error => `${error}`), 0"
                )
            tokens = [tab.evaluate("renewed") for tab in (signed_in, other)]
            assert all(token.count(".") == 2 for token in tokens), tokens
            assert [200, 200] == [self.userinfo(tab, service) for tab in (signed_in, other)]
        assert before != signed_in.evaluate("manager.getUser().then(user => user.refresh_token)")

    def test_it_renews_by_itself_before_the_token_expires(
        self, signed_in: Page, context: BrowserContext, service: Service, manager: str
    ) -> None:
        before = signed_in.evaluate("manager.getUser().then(user => user.access_token)")
        tab = open_app(context, service.site)
        early = "{automaticSilentRenew: true, accessTokenExpiringNotificationTimeInSeconds: 599}"
        renewed = tab.evaluate(
            f"new Promise(then => {manager}({early}).events.addUserLoaded(user => then(user.access_token)))"
        )
        assert before != renewed
        assert 200 == self.userinfo(tab, service)

    def test_it_signs_out_and_nothing_goes_on(self, signed_in: Page, service: Service, manager: str) -> None:
        token = signed_in.evaluate("manager.getUser().then(user => user.refresh_token)")
        client_id = signed_in.evaluate("manager.settings.client_id")
        signed_in.evaluate("manager.signoutRedirect(), 0")
        signed_in.wait_for_url(f"{service.site}/signed-out*")
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
        answer = service.app.post("/oauth/token", form, status=400)
        assert "invalid_grant" == answer.json["error"]
        ready(signed_in)
        signed_in.evaluate(f"{manager}().signinRedirect(), 0")
        signed_in.locator("[name=password]").wait_for()

    def userinfo(self, page: Page, service: Service) -> int:
        return page.evaluate(
            "url => manager.getUser().then(user => ({headers: {Authorization: `Bearer ${user.access_token}`}}))"
            ".then(options => fetch(url, options)).then(answer => answer.status)",
            f"{service.issuer}/oauth/userinfo",
        )


def test_openid_client_in_a_browser(context: BrowserContext, service: Service) -> None:
    """Certified by the OpenID Foundation, and strict: issuer, state, nonce, at_hash, auth_time are all checked."""
    client = make_client(service.app, redirect_uris=[f"{service.site}/callback"], origins=[service.site])
    page = open_app(context, service.site)
    page.evaluate(
        """async ([issuer, client_id, redirect_uri, scope]) => {
          const config = await openid.discovery(new URL(issuer), client_id, undefined, openid.None(),
            {execute: [openid.allowInsecureRequests]});
          const kept = {verifier: openid.randomPKCECodeVerifier(), state: openid.randomState(),
            nonce: openid.randomNonce()};
          sessionStorage.setItem("kept", JSON.stringify(kept));
          location.href = openid.buildAuthorizationUrl(config, {redirect_uri, scope, state: kept.state,
            nonce: kept.nonce, max_age: "300", code_challenge_method: "S256",
            code_challenge: await openid.calculatePKCECodeChallenge(kept.verifier)});
        }""",
        [service.issuer, client.id, f"{service.site}/callback", SCOPES],
    )
    log_in_and_allow(page, service.person)
    page.wait_for_url(f"{service.site}/callback?*")
    ready(page)
    found = page.evaluate(
        """async ([issuer, client_id]) => {
          const config = await openid.discovery(new URL(issuer), client_id, undefined, openid.None(),
            {execute: [openid.allowInsecureRequests]});
          const {verifier, state, nonce} = JSON.parse(sessionStorage.getItem("kept"));
          const tokens = await openid.authorizationCodeGrant(config, new URL(location.href), {
            pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 300,
            idTokenExpected: true});
          const {sub} = tokens.claims();
          const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
          const userinfo = await openid.fetchUserInfo(config, refreshed.access_token, sub);
          await openid.tokenRevocation(config, refreshed.refresh_token);
          const after = await openid.refreshTokenGrant(config, refreshed.refresh_token).catch(error => error.error);
          return {sub, userinfo, after};
        }""",
        [service.issuer, client.id],
    )
    assert str(service.person.id) == found["sub"] == found["userinfo"]["sub"]
    assert service.person.email == found["userinfo"]["email"]
    assert "invalid_grant" == found["after"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_openid_client_with_each_way_to_prove_itself(
    context: BrowserContext, service: Service, oidc_packages: Path, method: str
) -> None:
    """A confidential client of a server, from sign-in to introspection and revocation."""
    node = shutil.which("node")
    assert node, "npm came without node"
    redirect_uri = f"{service.site}/callback"
    jwk, fields = None, {}
    if method == "private_key_jwt":
        key = ECKey.generate_key("P-256")
        jwk = key.as_dict(private=True, alg="ES256", kid="one")
        fields["jwks"] = {"keys": [key.as_dict(private=False, alg="ES256", kid="one")]}
    client = make_client(
        service.app,
        type="confidential",
        is_trusted=True,
        redirect_uris=[redirect_uri],
        scopes=f"{SCOPES} users:write",
        **fields,
    )
    wanted = {"issuer": service.issuer, "client_id": client.id, "client_secret": client.secret, "jwk": jwk}
    wanted |= {"method": method, "redirect_uri": redirect_uri, "own_scope": "users:write"}
    with subprocess.Popen(
        [node, oidc_packages / "confidential.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            start = _step(process, wanted)["start"]
            page = context.new_page()
            page.goto(start)
            page.fill("[name=email]", service.person.email)
            page.fill("[name=password]", PASSWORD)
            page.locator("button[type=submit]").click()
            page.wait_for_url(f"{redirect_uri}?*")
            found = _step(process, {"back": page.url})
        finally:
            process.kill()
    assert str(service.person.id) == found["claims"]["sub"] == found["userinfo"]["sub"]
    assert (True, client.id) == (found["before"]["active"], found["before"]["client_id"])
    assert {"active": False} == found["after"]
    assert "users:write" == found["own_scope"]
    assert urlsplit(start).path == "/oauth/authorize"


def _step(process: subprocess.Popen[str], given: dict[str, Any]) -> Any:
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(given) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        assert process.stderr
        pytest.fail(process.stderr.read(), pytrace=False)
    return json.loads(line)
