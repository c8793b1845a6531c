"""Pages and JSON to read the inbox."""

import re
from html import escape
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..pages import page
from ..wire import moment, no_content, not_found, route
from .mails import Mail

_LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?')\]]")
# A mail's markup is whatever somebody sent: no script, no form, nothing fetched, an origin of its own. Its links open
# beside it, and what they open is not bound by this.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def includeme(config: Configurator) -> None:
    # The inbox locks by itself.
    route(config, "/inbox", GET=show_inbox, locked=False)
    route(config, "/inbox.json", renderer="plain", locked=False, GET=list_mails, DELETE=clear_mails)
    route(config, r"/inbox/{id:\d{1,9}}", GET=show_html, locked=False)


def list_mails(request: Request) -> dict[str, Any]:
    """List the mails, newest first; `to` narrows them to an address."""
    return {"mails": [mail.to_json() for mail in request.world.inbox.list(request.GET.get("to"))]}


def clear_mails(request: Request) -> Response:
    request.world.inbox.clear()
    return no_content()


def show_inbox(request: Request) -> Response:
    """Show every mail with its text, newest first."""
    inbox = request.world.inbox
    where = f"port {inbox.smtp_port} takes it" if inbox.smtp_port else "this sandbox runs without a mail port"
    mails = "\n".join(_article(mail) for mail in inbox.list()) or "<p>No mail yet.</p>"
    return page("Inbox", f'<p>Mail to anybody at all ends here: {where}. <a href="/inbox">Look again</a></p>\n{mails}')


def _article(mail: Mail) -> str:
    recipients = escape(", ".join(mail.recipients))
    rich = f'<p><a href="/inbox/{mail.id}">Show it as HTML</a></p>' if mail.html is not None else ""
    return f"""<article class="mail"><h2>{escape(mail.subject) or "(no subject)"}</h2>
<p class="long"><small>{moment(mail.at)}<br>From {escape(mail.sender)}<br>To {recipients}</small></p>
<pre>{_linked(mail.text)}</pre>{rich}</article>"""


def _linked(text: str) -> str:
    """Make markup of plain text, in which addresses can be clicked."""
    parts, end = [], 0
    for found in _LINK.finditer(text):
        url = escape(found[0])
        parts += [escape(text[end : found.start()]), f'<a href="{url}" rel="noreferrer">{url}</a>']
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def show_html(request: Request) -> Response:
    """Show a mail's HTML by itself, and powerless."""
    mail = request.world.inbox.find(int(request.matchdict["id"]))
    if mail is None or mail.html is None:
        raise not_found("Mail")
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
    return Response(body=mail.html.encode(), headerlist=headers)
