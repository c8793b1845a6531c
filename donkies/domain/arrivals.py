"""What is noticed when somebody logs in: whether the browser is a new one, of which its owner is told by mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from .errors import NotFound
from .mail import Letters, in_words
from .unit_of_work import Clock, UnitOfWork
from .users import KnownDevices, UserStore

BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass
class ArrivalService:
    """Notes that somebody logged in."""

    unit_of_work: UnitOfWork
    users: UserStore
    devices: KnownDevices
    letters: Letters
    clock: Clock

    def note(self, user_id: UUID, device: str, user_agent: str, *, is_new: bool = False) -> str:
        """Tell the owner by mail when the browser was never used for this account before.

        Args:
            device: the mark that the browser brought; empty when it brought none.
            is_new: the account was made just now, so that no browser is known.
        Returns: the mark that it is to keep.
        Raises: NotFound.
        """
        with self.unit_of_work:
            user = self.users.find(user_id)
            if user is None:
                raise NotFound("There is no such person.")
            if not is_new and not (device and self.devices.knows(device, user.email_key)):
                at, browser = in_words(self.clock.now()), browser_name(user_agent)
                self.letters.write("new_device", user.email, first_name=user.first_name, browser=browser, at=at)
            return self.devices.mark(user.email_key)


def browser_name(user_agent: str) -> str:
    """A browser in the words of people: `Firefox on Windows`."""
    words = re.sub(r"[^\x20-\x7e]", "", user_agent)
    browser = next((name for sign, name in BROWSERS if sign in words), "Another browser")
    system = next((name for sign, name in SYSTEMS if sign in words), None)
    return f"{browser} on {system}" if system else browser
