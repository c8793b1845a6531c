"""The demo's pages as a WSGI application: known files, one configuration document, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
WRITTEN_API = b"http://127.0.0.1:6543"  # the backend that index.html names
CODES = {200: "200 OK", 404: "404 Not Found", 405: "405 Method Not Allowed"}


class DemoFiles:
    """Serves the files of `static/` that were there at start; their text is read anew each time, so edits show.

    The page names the backend's `link.js`; where the backend is elsewhere than in the file, it is named here.

    Args:
        api_url: the backend; the only other origin that the pages may talk to.
        config: what `/config.json` answers with.
    """

    def __init__(self, api_url: str, config: dict[str, str]) -> None:
        self._files = {f"/{path.name}": path for path in STATIC.iterdir() if path.suffix in TYPES}
        self._files["/"] = self._files["/index.html"]
        self._api_url = api_url.encode()
        self._config = json.dumps(config).encode()
        # 'none' for forms: scripts send what people type, and where those fail nothing may leave the page
        policy = (
            f"default-src 'none'; script-src 'self' {api_url}/link.js; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {api_url}; frame-src {api_url}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'"
        )
        self._headers = [
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),  # the frame watches the bank's window
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, content_type, body = self._answer(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        is_config = environ.get("PATH_INFO") == "/config.json"
        headers = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store" if is_config else "no-cache"),
            *self._headers,
        ]
        if status == 405:
            headers.append(("Allow", "GET, HEAD"))
        start_response(CODES[status], headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, "text/plain; charset=utf-8", b"Only GET and HEAD are answered here.\n"
        if path == "/config.json":
            return 200, "application/json", self._config
        file = self._files.get(path)  # looked up, never joined to a folder: no path leads out of it
        if file is None:
            return 404, "text/plain; charset=utf-8", b"There is no such page.\n"
        body = file.read_bytes()
        if file.suffix == ".html":
            body = body.replace(WRITTEN_API, self._api_url)
        return 200, TYPES[file.suffix], body
