"""Identifiers: UUID version 7, which sort by the time they were made."""

import os
import secrets
import time
from uuid import UUID

_RANDOM = (1 << 80) - 1 & ~(0xF << 76) & ~(0b11 << 62)  # all of the lower 80 bits but version and variant
_TAIL = bytes.fromhex("3fffffffffffffff")  # what is random of the last eight bytes
_VARIANT = bytes.fromhex("8000000000000000")


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits.

    Source: RFC 9562 §5.7. (`uuid.uuid7` is in the standard library only from Python 3.14.)
    """
    random = int.from_bytes(os.urandom(10)) & _RANDOM
    return UUID(int=_milliseconds() << 80 | 0x7 << 76 | 0b10 << 62 | random)


def new_hexes(count: int) -> list[str]:
    """So many fresh UUIDv7, as 32 hexadecimal digits each: for rows that are written by the thousand.

    They share the time and the 12 bits behind it; the other 62 bits are random in each.
    """
    if not count:
        return []
    beginning = f"{_milliseconds():012x}7{secrets.randbits(12):03x}"
    random = int.from_bytes(os.urandom(8 * count)) & int.from_bytes(_TAIL * count) | int.from_bytes(_VARIANT * count)
    return [beginning + end for end in random.to_bytes(8 * count).hex(" ", 8).split(" ")]


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
