"""Ports for servers that are started a moment later, by processes of their own."""

from __future__ import annotations

import random
import socket

# below those that systems give to whoever asks for any: nobody's connection takes one before its server listens
PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens, in no order, so that tests side by side get different ones."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            break
    return found
