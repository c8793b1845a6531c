"""The dialog of both providers: who asks, the page of people to be, and the way back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode, urlsplit

from pyramid.request import Request
from pyramid.response import Response

from ..pages import page, redirect
from .personas import CANCEL, Persona
from .portraits import portrait_url
from .state import ClientKeys, Grant


class BadDialog(Exception):
    """A question that must not be answered by sending anybody back. Args: code and what it means."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an app asks for at the dialog. Source: RFC 6749 §4.1.1; RFC 7636 §4.3; OpenID Connect Core §3.1.2.1."""

    client_id: str
    redirect_uri: str
    scopes: frozenset[str]
    state: str | None = field(repr=False)
    nonce: str | None = field(repr=False)
    code_challenge: str | None = field(repr=False)
    prompts: frozenset[str]
    login_hint: str

    def grant(self, persona: Persona) -> Grant:
        """Build what the app gets when the person agrees."""
        return Grant(
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            scopes=self.scopes,
            persona=persona,
            nonce=self.nonce,
            code_challenge=self.code_challenge,
        )

    def way_back(self, fragment: str = "", **answer: str) -> Response:
        """Send the person back to the app with an answer, and the state that the app gave."""
        if self.state is not None:
            answer["state"] = self.state
        joint = "&" if "?" in self.redirect_uri else "?"
        return redirect(f"{self.redirect_uri}{joint}{urlencode(answer)}{fragment}")


def read_question(query: Mapping[str, str], keys: ClientKeys | None) -> Question:
    """Read what an app asks for. Raises: BadDialog for what both providers show an error page for."""
    client_id = query.get("client_id", "")
    if not client_id:
        raise BadDialog("invalid_request", "Missing required parameter: client_id")
    if keys is not None and client_id != keys.client_id:
        raise BadDialog("invalid_client", "The OAuth client was not found.")
    if query.get("response_type", "code") != "code":
        raise BadDialog("unsupported_response_type", "response_type must be code")
    if "code_challenge" in query and query.get("code_challenge_method", "plain") != "S256":
        raise BadDialog("invalid_request", "code_challenge_method must be S256")
    return Question(
        client_id=client_id,
        redirect_uri=_redirect_uri(query.get("redirect_uri", "")),
        scopes=frozenset(query.get("scope", "").replace(",", " ").split()),
        state=query.get("state"),
        nonce=query.get("nonce"),
        code_challenge=query.get("code_challenge"),
        prompts=frozenset(query.get("prompt", "").split()),
        login_hint=query.get("login_hint", ""),
    )


def _redirect_uri(uri: str) -> str:
    if not uri:
        raise BadDialog("invalid_request", "Missing required parameter: redirect_uri")
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    is_plain = uri.isascii() and uri.isprintable() and " " not in uri
    if parts.scheme not in ("http", "https") or not parts.netloc or "#" in uri or not is_plain:
        raise BadDialog("invalid_request", "redirect_uri must be an http or https address without a fragment")
    return uri


def show_people(request: Request, provider: str, question: Question) -> Response:
    """Show whom one can be; the button's form goes to the page's own address, which carries the question."""
    asked = escape(question.client_id)
    buttons = "\n".join(_button(request, one, question.login_hint) for one in request.world.social.personas())
    return page(
        f"Sign in with {provider}",
        f"""<p>The app <strong class="long">{asked}</strong> would like to know who you are. This {provider} is
pretended: choose whom to be, no password is needed.</p>
<form method="post" class="people">
{buttons}
<button name="persona" value="{CANCEL}" class="quiet">Cancel</button>
</form>""",
    )


def _button(request: Request, persona: Persona, login_hint: str) -> str:
    picture = f'<img src="{escape(portrait_url(request, persona))}" alt="" width="48" height="48">'
    hinted = " autofocus" if login_hint and login_hint in (persona.email, persona.google_subject) else ""
    address = escape(persona.email or "no e-mail address")
    return (
        f'<button name="persona" value="{persona.key}"{hinted}>{picture}<span><b>{escape(persona.name)}</b>'
        f"<span>{address}</span><small><code>{persona.key}</code> {escape(persona.shows)}</small></span></button>"
    )


def chosen(request: Request, people: Iterable[Persona]) -> Persona | None:
    """Tell who was chosen; None for Cancel. Raises: BadDialog when no button was pressed."""
    pressed = request.POST.get("persona", "")
    if pressed == CANCEL:
        return None
    for persona in people:
        if persona.key == pressed:
            return persona
    raise BadDialog("invalid_request", "No persona was chosen")


def refusal_page(provider: str, error: BadDialog) -> Response:
    """Say what is wrong with the question, as both providers do: nobody is sent anywhere."""
    return page(
        f"{provider} cannot sign you in",
        f"<p>Error 400: <code>{escape(error.code)}</code>. {escape(error.message)}</p>",
        status=400,
    )
