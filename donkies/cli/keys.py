"""`donkies keys`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine

from ..adapters.persistence.resealing import Resealing
from ..adapters.sealing import Keyring, Unsealable
from ..adapters.signing_keys import Rotation, SigningKeys
from ..domain.unit_of_work import Clock
from .base import json_option, main, services, show


@main.group()
def keys() -> None:
    """Keys that sign tokens, and keys that encrypt at rest."""


@keys.command("reseal")
@click.pass_obj
def reseal(ini: Path) -> None:
    """Put all that is encrypted under the first of donkies.sealing_keys, while the service runs.

    Afterwards the other keys open nothing that is kept. The order of a rotation: OLD NEW everywhere, then NEW OLD
    everywhere, then this, then NEW alone. Doing it again changes nothing.
    """
    with services(ini) as container:
        resealing = Resealing(container.get(Engine), container.get(Keyring))
        count = 0
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("rows", total=resealing.left())
            try:
                for done in resealing.run():
                    count += done
                    progress.update(bar, advance=done)
            except Unsealable as error:
                raise click.ClickException(f"{error}; put the key that sealed it back into the setting") from None
        left = resealing.left()
    click.echo(f"{count} rows are under the newest key now; {left} are not.")
    if left:
        raise click.ClickException("other processes still seal with an older key: put the new one first everywhere")


@keys.command("rotate")
@click.option("--algorithm", default="RS256", show_default=True, type=click.Choice(["RS256", "ES256"]))
@click.option("--now", "at_once", is_flag=True, help="The key is known to others: what it signed is refused at once.")
@json_option
@click.pass_obj
def rotate(ini: Path, algorithm: str, at_once: bool, as_json: bool) -> None:
    """Make a new key that signs tokens; running processes follow by themselves.

    It is published at once and signs six minutes later, when no cache of the JWK set is older than it. The old key
    is published until its last token has expired. While a new key waits, another rotation changes nothing.
    """
    with services(ini) as container:
        done = SigningKeys(container.get(Engine), container.get(Clock)).rotate(algorithm, at_once=at_once)
    content = {
        "kid": done.kid,
        "algorithm": algorithm,
        "new": done.is_new,
        "active_from": done.active_from.isoformat(),
        "old_until": done.old_until.isoformat() if done.old_until else None,
    }
    show(content, as_json)
    click.echo(_what_next(done, at_once), err=True)


def _what_next(done: Rotation, at_once: bool) -> str:
    if at_once:
        return (
            "The new key signs now. What the old ones signed is refused within 2 seconds: apps refresh and go on. "
            "Clients that keep the JWK set may refuse new ID tokens for up to 5 minutes."
        )
    if not done.is_new:
        return "A new key is waiting already, so nothing was changed. If a key leaked, use --now."
    return "The new key is published and will sign by itself; there is nothing more to do."
