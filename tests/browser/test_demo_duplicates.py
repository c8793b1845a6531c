"""The demo shows a bank once whose login was linked twice."""

# ruff: noqa: F811 - fixtures of the file beside it
from __future__ import annotations

from .test_demo import card, choose, modal, page, sign_up, submit  # noqa: F401 - fixtures


def link(page, user_name):
    frame = choose(page, "MX Bank")
    frame.get_by_label("Username").fill(user_name)
    frame.get_by_label("Password").fill("any")
    submit(frame)
    modal(page).locator("[data-screen=success]").wait_for()
    return frame


def test_a_login_in_another_spelling_brings_no_second_card(page, embedded):
    page.goto(f"{embedded.demo}/")
    sign_up(page, embedded)
    submit(link(page, "test_atrium"))
    page.locator("dialog").wait_for(state="detached")
    card(page, "success")
    page.wait_for_timeout(1_500)
    frame = link(page, "Test_Atrium")
    frame.get_by_text("nothing was linked twice").wait_for()
    submit(frame)
    page.locator("dialog").wait_for(state="detached")
    for _ in range(2):
        card(page, "success")
        page.wait_for_timeout(1_500)
        assert 1 == page.locator(".card[data-link-status]").count()
        page.reload()
