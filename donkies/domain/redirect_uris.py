"""Redirect URIs and browser origins: what may be registered, what fits, and what differs from what is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
# RFC 8252 §7.3 wants the literal: `localhost` may be made to resolve to somewhere else
LOOPBACK_LITERALS = ("127.0.0.1", "[::1]")
URI_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")  # RFC 3986, without the fragment's #
PRIVATE_USE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")  # RFC 8252 §7.1: a reversed domain name
# RFC 3986 appendix B; unlike urlsplit it drops nothing, so that every difference is found in some part
PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
# all of an authority but user info; urlsplit overlooks what stands before a bracket
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::[0-9]*)?")
LOOPBACK_URI = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?([/?].*)?")


def fits(uri: str, registered: Iterable[str], *, is_native: bool) -> bool:
    """Whether a URI is one of those registered: the same string, but for the loopback port of a native client.

    Source: RFC 9700 §2.1, §4.1.3; RFC 8252 §7.3.
    """
    if uri in registered:
        return True
    if not is_native or not (without_port := _loopback_without_port(uri)):
        return False
    return any(_loopback_without_port(known) == without_port for known in registered)


@dataclass(frozen=True, slots=True)
class Difference:
    """A part in which a URI differs from a registered one.

    Args:
        part: scheme, user info, host, port, path, query or fragment.
        sent, registered: None where the part is missing altogether: `?` alone is an empty query, not a missing one.
        hint: what probably happened and what to do.
    """

    part: str
    sent: str | None
    registered: str | None
    hint: str


def compare(uri: str, registered: str, *, is_native: bool = False) -> tuple[Difference, ...]:
    """Every part in which a URI differs from a registered one; none only when it fits.

    Source: RFC 3986 §3.
    """
    if fits(uri, [registered], is_native=is_native):
        return ()
    theirs, ours = _parts(uri), _parts(registered)
    found = [
        Difference(part, theirs[part], ours[part], _hint(part, theirs[part], ours[part]))
        for part in ours
        if theirs[part] != ours[part]
    ]
    if is_native and _loopback_without_port(registered):  # then the port alone is none, or is no port at all
        found = [one for one in found if one.part != "port"] or found
    return tuple(found)


def _parts(uri: str) -> dict[str, str | None]:
    scheme, authority, path, query, fragment = PARTS.fullmatch(uri).groups()  # type: ignore[union-attr]
    user, host, port = None, None, None
    if authority is not None:
        before, at, after = authority.rpartition("@")
        user = before if at else None
        fitting = HOST_PORT.fullmatch(after)
        host, port = fitting.groups() if fitting else (after, None)
    return {
        "scheme": scheme, "user info": user, "host": host, "port": port, "path": path, "query": query,
        "fragment": fragment,
    }  # fmt: skip


def _hint(part: str, sent: str | None, registered: str | None) -> str:
    theirs, ours = sent or "", registered or ""
    if part == "user info":
        return "a redirect URI never has a user before the host: take out all up to the @."
    if part == "fragment":
        return "a redirect URI never has a fragment: take out the # and all that follows."
    if part == "port":
        return _port_hint(sent, registered)
    if theirs.strip() == ours and theirs != ours:
        return "there is white space around it: take it out."
    if theirs and not URI_CHARACTERS.fullmatch(theirs):
        return "there is a character in it that no URI has: take it out, or percent-encode it."
    if theirs.lower() == ours.lower() and theirs != ours:
        return "only upper and lower case differ: write it as registered."
    if part == "path":
        return _path_hint(theirs, ours)
    if part == "query":
        return _query_hint(sent, registered)
    if part == "host" and theirs.removesuffix(".") == ours:
        return "there is a dot behind the host: take it out."
    if part == "scheme" and not theirs:
        return "it is no whole URI: send it with its scheme, and percent-encode it only once."
    return f"send {registered or 'none'}, or register what you send."


def _port_hint(sent: str | None, registered: str | None) -> str:
    if (sent or registered) in ("80", "443") and not (sent and registered):
        return "a default port counts too: it must be written in both or in neither."
    return f"send {'no port' if registered is None else 'port ' + registered}, or register what you send."


def _path_hint(sent: str, registered: str) -> str:
    if sent.rstrip("/") == registered.rstrip("/"):
        return "only the slash at the end differs."
    if ";" in sent and ";" not in registered and re.sub(r";[^/]*", "", sent) == registered:
        return "there is a path parameter (a semicolon and what follows): take it out."
    if unquote(sent) == unquote(registered):
        return "only the percent-encoding differs: encoded and plain characters are not the same here."
    if any(dots in f"{unquote(sent)}/" for dots in ("/../", "/./")):
        return "there are dot segments (/./ or /../), plain or encoded: send the path without them."
    return "send the path that is registered, or register the one you send."


def _query_hint(sent: str | None, registered: str | None) -> str:
    if registered is None:
        return "none is registered: keep your own values in `state`, not in the redirect URI."
    if sent is None:
        return "it is missing: a registered query is sent too."
    if sorted(sent.split("&")) == sorted(registered.split("&")):
        return "only the order differs."
    if unquote(sent) == unquote(registered):
        return "only the percent-encoding differs: encoded and plain characters are not the same here."
    return "send the query that is registered; your own values belong in `state`."


def uri_origin(uri: str) -> str | None:
    """The origin of an http(s) URI, as browsers write it; None for other schemes, and for what is no URI."""
    parts = _split(uri)
    is_web = parts is not None and parts.scheme in ("http", "https") and "@" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts is not None and is_web else None


def form_target(uri: str) -> str:
    """What a page names in CSP's form-action, so that its form may lead to this URI; `'self'` for what is no URI."""
    scheme = uri.partition(":")[0]
    return uri_origin(uri) or (f"{scheme}:" if PRIVATE_USE_SCHEME.fullmatch(scheme) else "'self'")


def with_parameters(uri: str, parameters: Iterable[tuple[str, str]]) -> str:
    """A registered URI with parameters behind its own query, of which not a character changes.

    Source: RFC 6749 §3.1.2.
    """
    added = urlencode(list(parameters))
    if not added or uri.endswith(("?", "&")):
        return uri + added
    return f"{uri}{'&' if '?' in uri else '?'}{added}"


def bad_uri(uri: str, *, is_native: bool) -> str | None:
    """Why a redirect URI cannot be registered, or None.

    Source: RFC 6749 §3.1.2, RFC 9700 §2.6, RFC 8252 §7.
    """
    parts = _split(uri)
    if parts is None or len(uri) > 2000:
        return "this is no absolute URI without a fragment."
    if parts.scheme == "https" or (parts.scheme == "http" and _host(parts) in LOOPBACK):
        has_dots = any(dots in f"{parts.path}/" for dots in ("/../", "/./"))
        if not parts.hostname or set("@*").intersection(parts.netloc) or has_dots:
            return "give a whole host, no user, no wildcard and no dot segments."
        return None
    if is_native and PRIVATE_USE_SCHEME.fullmatch(parts.scheme):
        return None
    if is_native:
        return "use https, http on a loopback address, or a private-use scheme with a dot (com.example.app:/back)."
    return "use https; http only on loopback (127.0.0.1, [::1], localhost)."


def is_plain_http(uri: str, *, but: Iterable[str] = ()) -> bool:
    """Whether this is http to another host than these."""
    parts = _split(uri)
    return parts is not None and parts.scheme == "http" and _host(parts) not in but


def is_origin(origin: str) -> bool:
    """Whether a browser would name a page's origin so, and it may be registered."""
    parts = _split(origin)
    if parts is None or origin != f"{parts.scheme}://{parts.netloc.lower()}" or "@" in parts.netloc:
        return False
    default_port = {"https": 443, "http": 80}.get(parts.scheme)
    if not parts.hostname or parts.port == default_port or "*" in origin:
        return False  # browsers leave the default port out, so it would never match
    return parts.scheme == "https" or (parts.scheme == "http" and _host(parts) in LOOPBACK)


def _loopback_without_port(uri: str) -> str | None:
    # by no parser: what it overlooks, a browser may take for the host
    found = LOOPBACK_URI.fullmatch(uri) if URI_CHARACTERS.fullmatch(uri) else None
    if found is None or not 0 < int(found[2] or 80) < 65_536:
        return None
    return f"http://{found[1]}{found[3] or ''}"


def _host(parts: SplitResult) -> str:
    return f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""


def _split(uri: str) -> SplitResult | None:
    """The parts of an absolute URI; None for what is none, or what others may read otherwise."""
    if not URI_CHARACTERS.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        is_whole = bool(parts.scheme) and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole and HOST.fullmatch(parts.netloc.rpartition("@")[2]) else None
