"""The hosted modal as in production: https, a service and an app of two sites, `__Host-` cookies (S15, S30)."""

# ruff: noqa: F811, F401 - tests and fixtures of the file beside it, with another house
from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from donkies.testing.app import PASSWORD
from donkies.testing.tls import tls_pipe

from .conftest import launched
from .test_modal import (
    House,
    a_house,
    axe,
    context,
    page,
    screen,
    somebody_new,
    test_a_banks_own_sign_in_opens_a_window_and_is_followed,
    test_a_stranger_who_opens_the_url_gets_no_form_and_its_person_logs_in_first,
    test_a_wrong_password_then_the_right_one_and_what_is_typed_stays_nowhere,
    test_questions_of_each_kind_and_a_reload_in_the_middle,
    test_two_at_once_and_close_asks_only_when_something_would_be_lost,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SITES = {"links": "links.example", "app": "app.example"}


@pytest.fixture(scope="module")
def certificate() -> trustme.LeafCert:
    return trustme.CA().issue_cert(*SITES.values())


@pytest.fixture(scope="module")
def browser(browser: Browser, certificate: trustme.LeafCert) -> Iterator[Browser]:
    """Chromium that finds both sites on this machine, and takes this one key for theirs; no other is excused."""
    found = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    sites = "--host-resolver-rules=" + ", ".join(f"MAP {site} 127.0.0.1" for site in SITES.values())
    with launched(browser.browser_type, f"--ignore-certificate-errors-spki-list={pin}", sites) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def house(
    browser: Browser, sandbox_server: Any, sqlite_databases: Any, tmp_path_factory: Any, certificate: trustme.LeafCert
) -> Iterator[House]:
    @contextmanager
    def over_tls(port: int, name: str) -> Iterator[str]:
        with tls_pipe(port, certificate) as front:
            yield f"https://{SITES[name]}:{front}"

    with a_house(sandbox_server, sqlite_databases.fresh(tmp_path_factory.mktemp("tls")), over_tls) as house:
        yield house


def test_its_cookies_can_be_set_by_no_other_host_and_nothing_goes_in_the_clear(page, context, house):
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(house.url(return_uri="https://app.example/callback"))
    page.wait_for_url("**/login?next=*")
    page.fill("[name=email]", house.person.email)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    screen(page, "search")
    cookies = context.cookies()
    assert cookies
    for one in cookies:
        assert one["name"].startswith("__Host-"), one["name"]
        kept = {name: one.get(name) for name in ("domain", "path", "secure", "httpOnly", "sameSite")}
        assert {"domain": SITES["links"], "path": "/", "secure": True, "httpOnly": True, "sameSite": "Lax"} == kept
    assert [] == [one for one in asked if not one.startswith(("https:", "data:"))]
