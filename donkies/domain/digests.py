"""Digests of the guids that a walk has seen: enough to prove it by, in little memory (DESIGN 7)."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import chain

PART = 10_000  # digests that are sorted at once


def digest(guid: str) -> bytes:
    """Eight bytes that stand for a guid: a million of them take 8 MB, and two alike are not to be expected."""
    return hashlib.blake2b(guid.encode(), digest_size=8).digest()


def page_digest(guids: Iterable[str]) -> bytes:
    """The digests of a page's guids, sorted as numbers, so that walks can be compared whatever the order."""
    return array("Q", sorted(array("Q", b"".join(map(digest, guids))))).tobytes()


def short(digests: bytes) -> bytes:
    """Eight bytes that stand for a page's digests."""
    return hashlib.blake2b(digests, digest_size=8).digest()


def count(pages: Iterable[bytes]) -> int:
    """How many guids pages' digests are of."""
    return sum(map(len, pages)) // 8


class SeenDigests:
    """The guids of a walk, as sorted digests."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        # a part of the numbers at a time: a list of a million Python integers would take 40 MB
        arrays = [array("Q", page) for page in pages]
        self.rows = sum(map(len, arrays))
        self._distinct = 0
        self._sorted = array("Q")
        begins = [0] * len(arrays)
        parts = self.rows // PART + 1
        for number in range(1, parts + 1):
            ends = [
                bisect_left(page, (number << 64) // parts, begin) for page, begin in zip(arrays, begins, strict=True)
            ]
            part = sorted(chain.from_iterable(map(array.__getitem__, arrays, map(slice, begins, ends))))
            self._sorted.extend(part)
            self._distinct += len(set(part))
            begins = ends

    def __contains__(self, guid: str, /) -> bool:
        wanted = array("Q", digest(guid))[0]
        at = bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted

    def distinct(self) -> int:
        """How many different guids there are."""
        return self._distinct
