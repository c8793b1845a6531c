"""Banks' logos on the hosted page: shown, or initials in their place, and no other host is told who looks."""

# ruff: noqa: F811 - fixtures of the file beside it
from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .test_modal import axe, context, house, look_at, opened, page, screen, somebody_new  # noqa: F401 - fixtures


def emblem(frame: Any, bank: str) -> Any:
    return frame.get_by_role("button", name=bank, exact=True).locator(".initials")


def test_logos_are_shown_initials_where_there_is_none_and_only_we_are_asked(page, house, axe):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    frame = opened(page, house)
    search = screen(frame, "search")
    logo = emblem(frame, "MX Bank").locator("img")
    logo.wait_for()
    assert 100 == logo.evaluate("one => one.naturalWidth")
    assert "MB" == emblem(frame, "MX Bank Three Fields").inner_text()
    look_at(page, frame, axe, "search-logos")
    search.get_by_label("Name of the bank").fill("amberwick")
    emblem(frame, "Amberwick Savings Bank").locator("img").wait_for()
    assert "AT" == emblem(frame, "Amberwick Trust Company").inner_text()
    assert 0 == emblem(frame, "Amberwick Trust Company").locator("img").count()
    hosts = {urlsplit(one).netloc for one in asked if not one.startswith("data:")}
    assert {urlsplit(house.host).netloc, urlsplit(house.app.settings.public_url).netloc} == hosts


def test_a_logo_that_is_no_picture_leaves_the_initials_and_the_bank_can_be_chosen(page, house):
    broken: list[int] = []
    page.on("response", lambda one: broken.append(one.status) if "/logos/zephyr_cove_com" in one.url else None)
    frame = opened(page, house)
    screen(frame, "search").get_by_label("Name of the bank").fill("Zephyr Cove Community Bank")
    frame.get_by_role("button", name="Zephyr Cove Community Bank", exact=True).wait_for()
    page.wait_for_timeout(300)
    assert ({404}, 0) == (set(broken), emblem(frame, "Zephyr Cove Community Bank").locator("img").count())
    assert "ZC" == emblem(frame, "Zephyr Cove Community Bank").inner_text()
    frame.get_by_role("button", name="Zephyr Cove Community Bank", exact=True).click()
    screen(frame, "credentials")
