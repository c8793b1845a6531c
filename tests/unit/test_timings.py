"""The waits of links and downloads are those that the settings say."""

from __future__ import annotations

from typing import Any

import pytest

from donkies.config.banking import download_timing, link_timing
from donkies.config.settings import parse_settings

SETTINGS = {
    "donkies.link.look_s": "look_s",
    "donkies.link.look_slowest_s": "look_slowest_s",
    "donkies.link.deadline_s": "deadline_s",
    "donkies.link.oauth_deadline_s": "oauth_deadline_s",
    "donkies.lease_s": "lease_s",
    "donkies.sync.retry_s": "retry_s",
    "donkies.sync.every_s": "every_s",
    "donkies.sync.full_every_s": "full_every_s",
    "donkies.sync.give_up_s": "give_up_s",
    "donkies.download.slice_s": "slice_s",
}


@pytest.mark.parametrize(("name", "wait"), SETTINGS.items())
def test_a_wait_is_what_its_setting_says(settings: dict[str, Any], name: str, wait: str) -> None:
    parsed = parse_settings(settings | {name: "77"}, {})
    timings = [link_timing(parsed), download_timing(parsed)]
    assert [77] == [getattr(timing, wait) for timing in timings if hasattr(timing, wait)]
