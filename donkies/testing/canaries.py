"""Canaries: strings made to be found, and the places to look for them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable

from sqlalchemy import Engine, inspect

DIGESTS = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s")


def canary(kind: str) -> str:
    """A string that stands nowhere else."""
    return f"canary-{kind}-{secrets.token_hex(8)}"


def spellings(secret: str) -> dict[str, bytes]:
    """What would give a secret away: itself and its unkeyed digests, as bytes, hex and base64."""
    raw = secret.encode()
    found = {"itself": raw, "reversed": raw[::-1]}
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
    lowered = content.lower()
    return [
        (secret, name)
        for secret in wanted
        for name, spelling in spellings(secret).items()
        if spelling in content or ("hex" in name and spelling in lowered)
    ]


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
