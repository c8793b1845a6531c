"""What differs between a redirect URI and those that are registered: the answer of `donkies client check`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkies.domain.redirect_uris import compare, fits, form_target, uri_origin

REGISTERED = "https://app.example/signed/In"


def parts(uri, registered=REGISTERED, **kw):
    return [one.part for one in compare(uri, registered, **kw)]


def hint(uri, registered=REGISTERED):
    (one,) = compare(uri, registered)
    return one.hint


def test_the_same_string_is_fine():
    assert [] == parts(REGISTERED)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://app.example/signed/In", "scheme"),
        ("HTTPS://app.example/signed/In", "scheme"),
        ("https://user@app.example/signed/In", "user info"),
        ("https://user:pw@app.example/signed/In", "user info"),
        ("https://@app.example/signed/In", "user info"),
        ("https://App.example/signed/In", "host"),
        ("https://app.example./signed/In", "host"),
        ("https://evil.example/signed/In", "host"),
        ("https://app.example.evil.example/signed/In", "host"),
        ("https://[::1]/signed/In", "host"),
        ("https://app.example:443/signed/In", "port"),
        ("https://app.example:8443/signed/In", "port"),
        ("https://app.example:/signed/In", "port"),
        ("https://app.example/signed/in", "path"),
        ("https://app.example/signed/In/", "path"),
        ("https://app.example//signed/In", "path"),
        ("https://app.example/signed/%49n", "path"),
        ("https://app.example/signed%2FIn", "path"),
        ("https://app.example/signed/In;a=b", "path"),
        ("https://app.example/signed/./In", "path"),
        ("https://app.example/signed/%2e%2e/signed/In", "path"),
        ("https://app.example/other", "path"),
        ("https://app.example", "path"),
        ("https://app.example/signed/In?", "query"),
        ("https://app.example/signed/In?next=/", "query"),
        ("https://app.example/signed/In#", "fragment"),
        ("https://app.example/signed/In#top", "fragment"),
        (" https://app.example/signed/In", "scheme"),
        ("https://app.example/signed/In\n", "path"),
    ],
)
def test_exactly_the_part_that_differs_is_named(uri, expected):
    (difference,) = compare(uri, REGISTERED)
    assert expected == difference.part
    assert difference.sent != difference.registered
    assert difference.hint.endswith(".")


def test_several_parts_can_differ():
    assert ["scheme", "host", "port", "path", "query", "fragment"] == parts("http://a.example:1/x?y#z")
    assert ["scheme", "host", "path"] == parts("https%3A%2F%2Fapp.example%2Fsigned%2FIn")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("HTTPS://app.example/signed/In", "upper and lower case"),
        ("https://APP.example/signed/In", "upper and lower case"),
        ("https://app.example/Signed/In", "upper and lower case"),
        ("https://app.example./signed/In", "dot behind the host"),
        ("https://app.example:443/signed/In", "default port"),
        ("https://app.example:8443/signed/In", "no port"),
        ("https://app.example/signed/In/", "slash at the end"),
        ("https://app.example/signed;x/In", "path parameter"),
        ("https://app.example/signed/I%6e", "percent-encoding"),
        ("https://app.example/x/../signed/In", "dot segments"),
        ("https://app.example/x/%2E./signed/In", "dot segments"),
        ("https://app.example/signed/In ", "white space"),
        ("https://app.example/signed/In?tenant=7", "state"),
        ("https://app.example/signed/In#", "never has a fragment"),
        ("https://me@app.example/signed/In", "never has a user"),
    ],
)
def test_the_hint_says_what_happened(uri, words):
    assert words in hint(uri)


def test_what_a_native_clients_uri_must_not_hold_is_said():
    """Python's own parser reads the loopback address here, and browsers go to evil.example"""
    found = compare("http://evil.example\\[::1]/back", "http://[::1]/back", is_native=True)
    assert "host" == found[0].part
    assert "no URI has" in found[0].hint
    assert compare("http://evil.example[::1]/back", "http://[::1]/back", is_native=True)


def test_a_registered_query_or_port_is_compared_too():
    registered = "https://app.example:8443/cb?a=1&b=2"
    assert "it is missing" in hint("https://app.example:8443/cb", registered)
    assert "order" in hint("https://app.example:8443/cb?b=2&a=1", registered)
    assert "percent-encoding" in hint("https://app.example:8443/cb?a=1&b=%32", registered)
    assert "port 8443" in hint("https://app.example/cb?a=1&b=2", registered)


def test_what_is_no_uri_at_all_is_compared_too():
    for uri in ("", "x", "//app.example", "https:", "https://[", "\0", "https://a:b:c/"):
        assert parts(uri)


def test_only_a_native_clients_loopback_port_may_differ():
    registered = "http://127.0.0.1/cb"
    assert [] == parts("http://127.0.0.1:5000/cb", registered, is_native=True)
    assert ["port"] == parts("http://127.0.0.1:5000/cb", registered)
    assert ["path"] == parts("http://127.0.0.1:5000/other", registered, is_native=True)
    assert ["port"] == parts("http://127.0.0.1:0/cb", registered, is_native=True)
    assert ["host"] == parts("http://localhost:5000/cb", registered, is_native=True)
    assert ["port"] == parts("http://localhost:5000/cb", "http://localhost/cb", is_native=True)


PIECES = st.lists(st.sampled_from("hHtps:/@.?#;%2eF[]01 \\\n&=") | st.characters(), max_size=12).map("".join)


@given(PIECES, PIECES, st.booleans())
def test_a_uri_fits_if_and_only_if_no_part_differs(one, other, is_native):
    registered = "http://127.0.0.1" + other if is_native else other
    for uri in (one, "http://127.0.0.1" + one, "http://127.0.0.1:1" + other, registered):
        assert fits(uri, [registered], is_native=is_native) == (not compare(uri, registered, is_native=is_native))


@pytest.mark.parametrize(
    ("uri", "origin", "target"),
    [
        ("https://App.example/cb", "https://app.example", "https://app.example"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/cb", "http://[::1]:8000", "http://[::1]:8000"),
        ("com.example.app:/back", None, "com.example.app:"),
        ("http://evil.example\\[::1]/cb", None, "'self'"),
        ("http://evil.example[::1]/cb", None, "'self'"),
        ("https://user@app.example/", None, "'self'"),
    ],
)
def test_pages_name_where_their_form_leads_only_for_uris_that_all_read_alike(uri, origin, target):
    assert origin == uri_origin(uri)
    assert target == form_target(uri)
