"""Pages for people: what this is, the logos, and the frame that all pages share."""

from html import escape

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from . import pictures
from .institutions import INSTITUTIONS
from .scenarios import PASSWORDS, USER_NAMES
from .wire import not_found, route

_SIDES = {"50x50": 50, "100x100": 100}
_STYLE = """
:root { color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.2rem; }
code { background: #8882; padding: .1em .35em; border-radius: .3em; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .35rem .8rem .35rem 0; }
tr + tr { border-top: 1px solid #8884; } ul.banks { columns: 16rem; padding-left: 1.2rem; }
button { font: inherit; padding: .55em 1.3em; border-radius: .5em; border: 2px solid #1d4ed8;
  background: #1d4ed8; color: #fff; cursor: pointer; } button.quiet { background: none; color: inherit; }
.people { display: grid; gap: .7rem; }
.people button { display: flex; gap: .9rem; align-items: center; text-align: left;
  padding: .7rem .9rem; border: 1px solid #8886; background: #8881; color: inherit; min-width: 0; }
.people button:hover, .people button:focus-visible { border-color: #1d4ed8; outline: 2px solid #1d4ed8; }
.people img { flex: none; width: 48px; height: 48px; border-radius: 50%; background: #8884; }
.people button > span { display: grid; min-width: 0; overflow-wrap: anywhere; line-height: 1.35; }
.people .quiet { justify-content: center; background: none; } small { opacity: .75; }
.mail { border-top: 1px solid #8886; } .mail h2 { font-size: 1.15rem; margin: 1.2rem 0 .3rem; overflow-wrap: anywhere; }
.mail pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; background: #8881; padding: .8rem 1rem;
  border-radius: .5em; } .long { overflow-wrap: anywhere; }
input, select { font: inherit; padding: .45em; width: 100%; box-sizing: border-box; margin: .2em 0 .9em; }
"""


def includeme(config: Configurator) -> None:
    route(config, "/", GET=show_home)
    route(config, "/logos/{size}/{code}.png", GET=show_logo, locked=False)


def page(title: str, body: str, status: int = 200) -> Response:
    """Build an HTML page; `body` is markup, `title` is text."""
    html = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
    return Response(body=html.encode(), status=status, headerlist=headers)


def redirect(url: str) -> Response:
    """Answer 303, so that a browser goes on with GET."""
    return Response(status=303, headerlist=[("Location", url)])


def show_home(request: Request) -> Response:
    """Say what the sandbox is, and what to type."""
    passwords = "".join(
        f"<tr><td><code>{escape(typed)}</code></td><td>{escape(outcome)}</td></tr>" for typed, outcome in PASSWORDS
    )
    banks = "".join(f"<li>{escape(i.name)} <code>{i.code}</code></li>" for i in INSTITUTIONS.values())
    users = " or ".join(f"<code>{name}</code>" for name in USER_NAMES)
    return page(
        "donkies sandbox",
        f"""<p>A pretended MX Atrium: it speaks MX's wire protocol at
<code>{escape(request.host_url)}/atrium</code>, with any API key and client id. Nothing here is real money,
and nothing that is typed here is kept.</p>
<h2>Sign-in and mail</h2>
<p>It plays Google at <a href="/google/.well-known/openid-configuration"><code>/google</code></a> and Facebook at
<code>/facebook/v24.0</code>, with any client id and secret, and takes mail to anybody:
<a href="/inbox">read the inbox</a>.</p>
<h2>Test bank</h2>
<p>User name {users}. The password decides what happens; <code>correct</code> answers every question.</p>
<table><tr><th>Password</th><th>Outcome</th></tr>{passwords}</table>
<h2>Control</h2>
<p>JSON for tests and demos: <a href="/_sandbox">how it is set</a>,
<a href="/_sandbox/requests">what was asked</a>, <a href="/_sandbox/faults">faults that wait</a>,
<a href="/_sandbox/history">history</a>, <a href="/_sandbox/mode">mode</a>, <a href="/_sandbox/clock">clock</a>,
<a href="/_sandbox/social">sign-in</a>, <a href="/_sandbox/mail">mail</a>.</p>
<h2>Institutions</h2>
<ul class="banks">{banks}</ul>""",
    )


def show_logo(request: Request) -> Response:
    """A bank's logo; that of a bank whose logo is broken is a page that calls itself a picture."""
    institution = INSTITUTIONS.get(request.matchdict["code"])
    side = _SIDES.get(request.matchdict["size"])
    if institution is None or side is None or institution.logo == "none":
        raise not_found("Logo")
    if institution.logo == "broken":
        body = b"<!doctype html><title>Moved</title><script>parent.postMessage('not a picture', '*')</script>"
    else:
        body = pictures.logo(institution.code, institution.name, side)
    return Response(body=body, headerlist=[("Content-Type", "image/png"), ("Cache-Control", "max-age=86400")])
