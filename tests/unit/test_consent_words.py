"""What the consent page says in words."""

import pytest

from donkies.domain.tokens import CLIENT_SCOPES, SCOPES
from donkies.views.oauth.consent import WORDS, lasting, target


def test_every_scope_that_a_person_can_give_has_words():
    assert set(SCOPES) - CLIENT_SCOPES == WORDS.keys()
    assert len(WORDS) == len(set(WORDS.values()))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2_592_000, "30 days"),
        (86_400, "1 day"),
        (129_600, "2 days"),
        (7200, "2 hours"),
        (60, "1 minute"),
        (5, "5 seconds"),
    ],
)
def test_spans_are_told_in_the_largest_unit_that_fits(seconds, said):
    assert said == lasting(seconds)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://app.example/callback?x=1", "app.example"),
        ("https://app.example:8443/", "app.example:8443"),
        ("http://127.0.0.1:51234/back", "an app on this device (127.0.0.1:51234)"),
        ("http://[::1]:51234/back", "an app on this device ([::1]:51234)"),
        ("http://localhost:3000/", "an app on this device (localhost:3000)"),
        ("com.example.app:/back", "an app on this device (com.example.app)"),
        ("http://evil.example\\[::1]/back", "http://evil.example\\[::1]/back"),
    ],
)
def test_where_it_leads_is_told_by_its_host(uri, said):
    assert said == target(uri)
