"""Who is asked to log in again before what a stolen session must not do."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from donkies.domain.ids import new_id
from donkies.domain.sessions import LoggedIn
from donkies.views.pages.step_up import recent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = SimpleNamespace(step_up_within_s=600, step_up_for="email password")


class BrowserOnAPage:
    def __init__(self, age_s=None, method="GET"):
        self.who = None if age_s is None else LoggedIn(new_id(), NOW - timedelta(seconds=age_s), b"hash")
        clock = SimpleNamespace(now=lambda: NOW)
        self.request = SimpleNamespace(
            method=method,
            path="/email/change",
            path_qs="/email/change?x=1",
            registry=SimpleNamespace(settings={"donkies": SETTINGS}),
            services=SimpleNamespace(get=lambda kind: clock),
        )

    def logged_in(self):
        return self.who

    def lead_on(self, path):
        return path


@pytest.mark.parametrize(("age_s", "action"), [(0, "email"), (599, "email"), (600, "link"), (10**6, "link")])
def test_who_logged_in_just_now_goes_on_and_so_does_what_needs_no_proof(age_s, action):
    assert recent(BrowserOnAPage(age_s), action) is None


def test_who_logged_in_long_ago_is_led_to_the_log_in_page_and_back():
    """S25"""
    assert "/login?why=step_up&next=%2Femail%2Fchange%3Fx%3D1" == recent(BrowserOnAPage(600), "email")
    assert "/login?why=step_up&next=%2Femail%2Fchange" == recent(BrowserOnAPage(600, "POST"), "email")


def test_who_is_not_logged_in_at_all_is_led_there_whatever_it_is():
    assert "/login?next=%2Femail%2Fchange%3Fx%3D1" == recent(BrowserOnAPage(), "link")
