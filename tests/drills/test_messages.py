"""Messages that are lost, come twice or late; a broker that is down; beats that are dead or too many."""

from __future__ import annotations

import time
from typing import Any

import pytest

from donkies.testing.processes import wait_until

SAYS_SO_WITHIN_S = 4  # a second for each thing asked of a silent broker; on two busy cores


def ids(drill: Any) -> tuple[str, str]:
    """The person's and the link's."""
    return drill.ask("SELECT user_id::text FROM linked_accounts"), drill.ask("SELECT id::text FROM linked_accounts")


def test_message_lost(make_drill: Any) -> None:
    drill = make_drill()
    link = drill.person.link()
    wait_until(drill.purge, 10, "the message that was sent waits in the queue")
    drill.installation.worker()
    drill.installation.beat()
    drill.ends_well(link, "queues purged; from the start of a worker and a beat", within_s=60)


@pytest.mark.drill
def test_messages_delivered_twenty_times(make_drill: Any) -> None:
    drill = make_drill(transactions=3_000)
    link = drill.person.link()
    for _ in range(20):
        drill.send("donkies.look")
        drill.send("donkies.download", *ids(drill))
    drill.installation.worker()
    drill.installation.worker()
    wait_until(drill.rows, 30, "the first page is written")
    for _ in range(20):
        drill.send("donkies.look")
        drill.send("donkies.download", *ids(drill))
    drill.installation.beat()
    drill.ends_well(link, "every message sent 20 times, before and during the download, two workers", within_s=60)


@pytest.mark.drill
def test_messages_delivered_late(make_drill: Any) -> None:
    drill = make_drill()
    drill.installation.worker()
    beat = drill.installation.beat()
    link = drill.person.link()
    drill.ends_well(link, "messages that come when all is done: nothing changes", within_s=60)
    beat.kill()
    before = drill.all_rows()
    for _ in range(5):
        drill.send("donkies.download", *ids(drill))
        drill.send("donkies.look")
    wait_until(lambda: 0 == drill.waiting(), 20, "the late messages are worked off")
    assert before == drill.all_rows()


@pytest.mark.drill
def test_broker_down_when_a_link_is_made(make_drill: Any) -> None:
    drill = make_drill()
    drill.installation.worker()
    drill.installation.beat()
    other = drill.person.link(user_name="mxuser")
    wait_until(lambda: drill.is_at_rest(other), 60, "all runs")
    drill.broker.cut()
    began = time.monotonic()
    link = drill.person.link()
    assert time.monotonic() - began < SAYS_SO_WITHIN_S
    assert "processing" == drill.person.state(link)["link_status"]
    drill.broker.mend()
    drill.ends_well(link, "broker cut off while a link is made; from its return", within_s=90)


@pytest.mark.drill
def test_beat_dead_then_two(make_drill: Any) -> None:
    drill = make_drill()
    drill.installation.beat().kill()
    drill.installation.worker()
    link = drill.person.link()
    drill.purge()
    drill.installation.beat()
    drill.installation.beat()
    drill.ends_well(link, "beat killed and a message lost; then two beats", within_s=60)
    asked = [one for one in drill.control.requests("/users/*/members") if one["method"] == "POST"]
    assert 1 == len(asked)
