"""donkies as an operator runs it: web, worker and beat as processes of their own, to be killed, stopped and cut off."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from .ports import free_ports

STARTS_WITHIN_S = 30


class NeverHappened(AssertionError):
    """What was waited for did not come in time."""


def wait_until(happens: Callable[[], Any], within_s: float, what: str) -> float:
    """Ask until something is true.

    Args:
        happens: asked again after a pause of random length, so that what follows it falls at no certain moment.
    Returns: the seconds that it took.
    Raises: NeverHappened after `within_s`, saying what did not happen.
    """
    began = time.monotonic()
    while not happens():
        if time.monotonic() - began > within_s:
            raise NeverHappened(f"{what}: not within {within_s} s")
        time.sleep(random.uniform(0.005, 0.05))
    return time.monotonic() - began


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    return free_ports(1)[0]


class Process:
    """One process, with all that it starts, in a process group of its own.

    Args:
        log: the file that takes what it prints.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def kill(self) -> None:
        """As the kernel does when memory is short: at once, and nothing is tidied up."""
        self.send(signal.SIGKILL)
        self._popen.wait(STARTS_WITHIN_S)

    def end(self, within_s: float = STARTS_WITHIN_S) -> int:
        """Ask it to end, as a deployment does. Returns: its exit status."""
        self.send(signal.SIGTERM)
        return self._popen.wait(within_s)


class Installation:
    """The processes of one installation: an ini file, and what was started from it.

    Args:
        folder: takes the ini file and the logs.
        settings: of the ini file, by their whole names.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._ini = folder / "drill.ini"
        lines = [f"{name} = {value}" for name, value in settings.items()]
        self._ini.write_text("\n".join(["[app:main]", "use = egg:donkies#main", *lines, ""]))
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()

    def worker(self) -> Process:
        """Start a worker; it is not waited for."""
        return self._start("worker")

    def beat(self) -> Process:
        """Start a beat; it is not waited for."""
        return self._start("beat")

    def web(self, port: int) -> Process:
        """Start the web server, and wait until it listens."""
        process = self._start("web", "--port", str(port))
        wait_until(lambda: _listens(port), STARTS_WITHIN_S, f"the web server listens ({process.log})")
        return process

    def _start(self, *command: str) -> Process:
        log = self._folder / f"{command[0]}-{len(self._started)}.log"
        whole = [sys.executable, "-W", "ignore", "-m", "donkies.cli", "-c", str(self._ini), *command]
        self._started.append(Process(whole, log))
        return self._started[-1]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class TcpProxy:
    """Stands in front of a server, and can be cut and mended: the server is down, for whoever comes through here."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def mend(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            _close(one)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                is_up = self._listener is listener
                self._sockets |= {near, far} if is_up else set()
            if not is_up:
                _close(near)
                _close(far)
                return
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                sink.sendall(piece)
        for one in (source, sink):
            _close(one)
        with self._lock:
            self._sockets -= {source, sink}


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
