"""The application for tests: WebTest over the real thing, people and clients at hand, sign-in in one line."""

from __future__ import annotations

import base64
import hashlib
import itertools
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import pyotp
import svcs
from sqlalchemy import Engine
from webtest import TestApp, TestResponse

from ..adapters.memory.mail import RecordingPostman
from ..config import bind, parse_settings
from ..config.settings import make_keyring
from ..domain.clients import Client, ClientService, Registration
from ..domain.factor_keeping import FactorService
from ..domain.factors import FactorStore, Passkey
from ..domain.granting import GrantService
from ..domain.mail import Mail, PostService
from ..domain.tokens import AccessTokens
from ..domain.unit_of_work import Clock, UnitOfWork
from ..domain.users import SignUp, UserService
from .configured import ConfiguredApp
from .documented import documented, schemas_read
from .engines import make_test_engine

Service = TypeVar("Service")

PASSWORD = "four quiet words here"
REDIRECT_URI = "https://app.example/callback"
ORIGIN = "https://app.example"
ALL_SCOPES = (
    "openid profile email profile:write account:delete accounts:read transactions:read transactions:write "
    "links:write links:credentials"
)
_numbers = itertools.count(1)


class MovableClock:
    """A clock that stands where tests put it, beginning with now."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, **by: float) -> None:
        """Go on by seconds=…, minutes=…, days=…."""
        self._ahead += timedelta(**by)


@dataclass
class Person:
    """Somebody with an account, and the password they typed (None: none was set)."""

    id: UUID
    email: str
    password: str | None = field(repr=False)


@dataclass
class RegisteredClient:
    """A client, and its secret if it is confidential."""

    client: Client
    secret: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.client.client_id


class DonkiesTestApp(TestApp):  # type: ignore[misc]
    """WebTest's TestApp; with the registry of services beside it, for set-up and for looking behind the wall."""

    def __init__(self, settings: dict[str, Any], **adapters: Any) -> None:
        self.settings = parse_settings(settings, {})
        self.postman = adapters.setdefault("postman", RecordingPostman())
        if "engine" not in adapters:
            of = self.settings
            adapters["engine"] = make_test_engine(of.database_url, make_keyring(of), of.web_threads)
        self.svcs = bind(self.settings, **adapters)
        self._configured = ConfiguredApp.take(self.settings, self.svcs)
        super().__init__(self._configured.router, extra_environ={"REMOTE_ADDR": "192.0.2.1"})

    @contextmanager
    def service(self, kind: type[Service]) -> Iterator[Service]:
        """A service, in a container of its own."""
        with svcs.Container(self.svcs) as container:
            yield container.get(kind)

    def engine(self) -> Engine:
        """The engine, to look at the tables on a connection of its own."""
        with svcs.Container(self.svcs) as container:
            return container.get(Engine)

    def mails(self, to: str | None = None) -> list[Mail]:
        """What was mailed so far, the oldest first; what waits in the outbox is sent before."""
        with self.service(PostService) as post:
            while post.send_due():
                pass
        return [mail for mail in self.postman.sent if to in (None, mail.to)]

    def another_browser(self) -> DonkiesTestApp:
        """The same application with a cookie jar of its own."""
        other = object.__new__(DonkiesTestApp)
        other.__dict__.update(self.__dict__)
        TestApp.__init__(other, self.app, extra_environ=self.extra_environ)
        return other

    def do_request(self, req: Any, status: Any = None, expect_errors: bool | None = None) -> TestResponse:
        """As WebTest's; and the answer must be as the OpenAPI document says."""
        with schemas_read() as schemas:
            response = super().do_request(req, status, expect_errors)
        documented(self.app.registry).check(req.method, req.path, response, schemas)
        return response

    def close(self) -> None:
        self.svcs.close()
        self._configured.give_back()


def make_person(app: DonkiesTestApp, *, password: str | None = None, **fields: str) -> Person:
    """Somebody with an account; without a password it is quick, for nothing is hashed."""
    number = next(_numbers)
    typed = {"first_name": "Ada", "last_name": f"Nr{number}", "birthday": "1990-12-31"}
    typed |= {"email": f"person{number}@people.example"} | fields
    with app.service(UserService) as users:
        user_id = users.sign_up(SignUp(**typed, password=password), password_required=False)  # type: ignore[arg-type]
    return Person(user_id, typed["email"], password)


def make_client(app: DonkiesTestApp, **fields: Any) -> RegisteredClient:
    """A client; by default public, trusted, and registered for every scope of people."""
    wanted: dict[str, Any] = {
        "name": "Test app",
        "type": "public",
        "redirect_uris": [REDIRECT_URI],
        "origins": [ORIGIN],
        "scopes": ALL_SCOPES,
        "is_trusted": True,
    } | fields
    if isinstance(wanted["scopes"], str):
        wanted["scopes"] = wanted["scopes"].split()
    with app.service(ClientService) as clients:
        return RegisteredClient(*clients.register(Registration(**wanted)))


def sign_in(
    app: DonkiesTestApp,
    scopes: str | Sequence[str] = ALL_SCOPES,
    *,
    person: Person | None = None,
    client: RegisteredClient | None = None,
) -> dict[str, str]:
    """The quick way to a token: headers for a person's requests, by the real services but without HTTP.

    Args:
        scopes: space-separated, or a list.
        person: made when not given; so is the client.
    """
    wanted = tuple(scopes.split() if isinstance(scopes, str) else scopes)
    person, client = person or make_person(app), client or make_client(app)
    verifier, challenge = pkce()
    with app.service(GrantService) as grants, app.service(AccessTokens) as tokens, app.service(Clock) as clock:
        code = grants.issue_code(
            client_id=client.id,
            user_id=person.id,
            redirect_uri=REDIRECT_URI,
            scopes=wanted,
            code_challenge=challenge,
            nonce=None,
            auth_time=clock.now(),
        )
        issued = grants.exchange(code, client_id=client.id, redirect_uri=REDIRECT_URI, code_verifier=verifier)
        token = tokens.mint(
            sub=str(issued.user_id),
            client_id=issued.client_id,
            scopes=issued.scopes,
            sid=issued.sid,
            auth_time=issued.auth_time,
        )
    return {"Authorization": f"Bearer {token}"}


def pkce() -> tuple[str, str]:
    """A code_verifier and its code_challenge (RFC 7636 §4)."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class CodeApp:
    """Somebody's app for codes, set up and confirmed.

    Args:
        recovery_codes: what its owner was shown.
    """

    secret: str
    recovery_codes: Sequence[str]
    clock: Clock

    def code(self, step: int = 0) -> str:
        """What it shows now, or that many steps later."""
        return str(pyotp.TOTP(self.secret).at(self.clock.now(), counter_offset=step))


def give_code_app(app: DonkiesTestApp, person: Person) -> CodeApp:
    """Set an app up for somebody; its first code, of the step before now's, is used for that."""
    with app.service(FactorService) as factors, app.service(Clock) as clock:
        factors.begin_app(person.id)
        begun = factors.app_begun(person.id)
        assert begun is not None
        code_app = CodeApp(begun[0], (), clock)
        code_app.recovery_codes = factors.confirm_app(person.id, code_app.code(-1))
    return code_app


def give_passkey(app: DonkiesTestApp, person: Person, name: str = "A phone " + "x" * 52) -> None:
    """Keep a passkey of somebody's that no authenticator holds: pages show it, and it proves nothing."""
    passkey = Passkey(
        credential_id=secrets.token_bytes(16),
        user_id=person.id,
        public_key=b"",
        sign_count=0,
        name=name,
        is_synced=True,
        created_at=datetime.now(UTC),
    )
    with svcs.Container(app.svcs) as container:
        work, factors = container.get(UnitOfWork, FactorStore)
        with work:
            factors.add_passkey(passkey)


def log_in(app: DonkiesTestApp, person: Person) -> TestResponse:
    """Log this browser in by the form."""
    form = next(form for form in app.get("/login").forms.values() if "password" in form.fields)
    form["email"], form["password"] = person.email, person.password
    return form.submit(status=303)


def authorize_path(client: RegisteredClient, challenge: str, **parameters: str | None) -> str:
    """The address of an authorization request; a parameter given as None is left out."""
    wanted: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.client.redirect_uris[0],
        "scope": " ".join(scope for scope in client.client.scopes if scope != "users:write"),
        "state": "state-1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    } | parameters
    return "/oauth/authorize?" + urlencode({name: value for name, value in wanted.items() if value is not None})


def redirect_parameters(response: TestResponse) -> dict[str, str]:
    """What a redirect back to the client carries."""
    return {name: value for name, (value,) in parse_qs(urlsplit(response.location).query).items()}


def get_code(app: DonkiesTestApp, client: RegisteredClient, **parameters: str | None) -> tuple[str, str]:
    """A code and its verifier, for the person logged in in this browser, who allows what is asked."""
    verifier, challenge = pkce()
    response = allow(app.get(authorize_path(client, challenge, **parameters)))
    return redirect_parameters(response)["code"], verifier


def allow(page: TestResponse) -> TestResponse:
    """Press Allow where the consent page is shown, and be led on."""
    if page.status_int == 200:
        page = page.form.submit("decision", value="allow")
    assert page.status_int == 303, page.text
    return page


def redeem(app: DonkiesTestApp, client: RegisteredClient, code: str, verifier: str, **kw: Any) -> TestResponse:
    """Ask the token endpoint for a code's tokens."""
    form = {
        "grant_type": "authorization_code",
        "client_id": client.id,
        "code": code,
        "redirect_uri": client.client.redirect_uris[0],
        "code_verifier": verifier,
    }
    return app.post("/oauth/token", form | ({"client_secret": client.secret} if client.secret else {}), **kw)


def refresh(app: DonkiesTestApp, client: RegisteredClient, refresh_token: str, **kw: Any) -> TestResponse:
    """Ask the token endpoint for a refresh token's successor; further parameters by `extra`."""
    form = {"grant_type": "refresh_token", "client_id": client.id, "refresh_token": refresh_token}
    form |= {"client_secret": client.secret} if client.secret else {}
    return app.post("/oauth/token", form | kw.pop("extra", {}), **kw)


def get_tokens(app: DonkiesTestApp, client: RegisteredClient, **parameters: str | None) -> dict[str, Any]:
    """The token answer, for the person logged in in this browser."""
    return redeem(app, client, *get_code(app, client, **parameters), status=200).json


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
