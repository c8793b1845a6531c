"""Digests of the guids that a walk has seen: enough to prove it by, in little memory (DESIGN 7)."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable


def digest(guid: str) -> bytes:
    """Eight bytes that stand for a guid: a million of them take 8 MB, and two alike are not to be expected."""
    return hashlib.blake2b(guid.encode(), digest_size=8).digest()


def page_digest(guids: Iterable[str]) -> bytes:
    """The digests of a page's guids, sorted as numbers, so that walks can be compared whatever the order."""
    return array("Q", sorted(array("Q", b"".join(map(digest, guids))))).tobytes()


def short(digests: bytes) -> bytes:
    """Eight bytes that stand for a page's digests."""
    return hashlib.blake2b(digests, digest_size=8).digest()


class SeenDigests:
    """The guids of a walk, as sorted digests."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        # merged, not sorted as a whole: a list of a million Python integers would take 40 MB
        self._sorted = array("Q", heapq.merge(*(array("Q", page) for page in pages)))
        self.rows = len(self._sorted)

    def __contains__(self, guid: str, /) -> bool:
        wanted = array("Q", digest(guid))[0]
        at = bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted

    def distinct(self) -> int:
        """How many different guids there are."""
        return sum(1 for at, one in enumerate(self._sorted) if at == 0 or self._sorted[at - 1] != one)
