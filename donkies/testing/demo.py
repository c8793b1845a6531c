"""`donkies demo` as a process of its own."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from .ports import PORTS
from .wheels import environ

STARTS_WITHIN_S = 60


@contextmanager
def demo_running(bin_folder: Path, folder: Path, *arguments: str) -> Iterator[None]:
    """`donkies demo` in a folder until the block ends; then Ctrl-C must end it within 30 s, without an error.

    Args:
        bin_folder: of the environment that has donkies.
        arguments: further ones.
    """
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [bin_folder / "donkies", "demo", *arguments],
            cwd=folder,
            env=environ(),
            # a suite that runs in the background ignores Ctrl-C, and what it starts would do so too
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while "Ctrl-C stops everything" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        yield
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


def four_free_ports() -> int:
    """The first of four in a row on which nobody listens."""
    for first in random.sample(PORTS, len(PORTS)):
        try:
            with ExitStack() as taken:
                for port in range(first, first + 4):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
        except OSError:
            continue
    raise AssertionError("no four ports in a row are free")
