"""Telling long work that its process is to end."""

from __future__ import annotations

import threading


class StopFlag:
    """Set once, when the process is to end: long work then lets go at the next point where nothing is lost."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()
