"""Canaries: strings made to be found, and the places to look for them."""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from sqlalchemy import Engine, inspect

START = 8  # bytes by which a spelling is first looked for: as many as a 64-bit number has
DIGESTS = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s")


def canary(kind: str) -> str:
    """A string that stands nowhere else, and that looks otherwise in an address than in a form."""
    return f"canary {kind}/{secrets.token_hex(8)}"


def spellings(secret: str) -> dict[str, bytes]:
    """What would give a secret away: itself, in addresses too, and its unkeyed digests, as bytes, hex and base64."""
    raw = secret.encode()
    found = {"itself": raw, "reversed": raw[::-1]}
    for shift in (1, 2):  # in the midst of a text that is encoded as a whole
        found[f"within base64, {shift}"] = base64.b64encode(b"\0" * shift + raw)[4 : (len(raw) + shift) * 4 // 3]
    found |= {"in an address": quote(secret, safe="").encode(), "in a form": quote_plus(secret).encode()}
    digests = {name: hashlib.new(name, raw, usedforsecurity=False).digest() for name in DIGESTS}
    digests |= {f"blake2b-{size}": hashlib.blake2b(raw, digest_size=size).digest() for size in (12, 16, 20, 32)}
    found |= digests
    for name, value in {"itself": raw, **digests}.items():
        found[f"{name} in hex"] = value.hex().encode()
        # the last characters depend on what follows, so they are left out
        found[f"{name} in base64"] = base64.b64encode(value)[: len(value) * 4 // 3].rstrip(b"=")
        found[f"{name} in base64url"] = base64.urlsafe_b64encode(value)[: len(value) * 4 // 3].rstrip(b"=")
    return found


def found_in(place: bytes | str, wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Which secrets a place gives away, and how spelled."""
    content = place.encode("utf-8", "surrogatepass") if isinstance(place, str) else place
    spelled = [(secret, name, spelling) for secret in wanted for name, spelling in spellings(secret).items()]
    # thousands of spellings: one walk tells which may be there, and only those are looked for
    lowered = content.lower()
    begun = _begun(lowered, {spelling[:START].lower() for _, _, spelling in spelled})
    return [
        (secret, name)
        for secret, name, spelling in spelled
        if (spelling[:START].lower() in begun or len(spelling) < START)
        if spelling in content or ("hex" in name and spelling in lowered)
    ]


def _begun(place: bytes, starts: set[bytes]) -> set[bytes]:
    """Which of these a place has; read as 64-bit numbers, from each of the first eight bytes on, all of it in C."""
    numbers = {int.from_bytes(start, sys.byteorder): start for start in starts if len(start) == START}
    found: set[int] = set()
    for shift in range(START):
        whole = (len(place) - shift) // START * START
        if whole > 0:
            found |= numbers.keys() & memoryview(place)[shift : shift + whole].cast("Q")
    return {numbers[number] for number in found}


def database_dump(engine: Engine) -> bytes:
    """Every column of every row of every table, as the database keeps it: no type of ours between."""
    parts: list[bytes] = []
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            parts.append(b"\n#" + table.encode())
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):  # noqa: S608 - names of ours
                for value in row:
                    parts.append(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode())
    return b"\n".join(parts)
