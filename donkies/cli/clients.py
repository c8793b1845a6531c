"""`donkies client`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson
from rich.console import Console
from rich.table import Table

from ..domain.clients import Client, ClientService
from ..domain.redirect_uris import Difference
from ..domain.registrations import Changes, Registration
from ..domain.tokens import SCOPES
from .base import json_option, main, services, show

LISTS = ("redirect_uris", "origins", "scopes", "post_logout_redirect_uris")


@main.group()
def client() -> None:
    """Apps that people may sign in to."""


def _lists_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is registered in any number."""
    for option in (
        click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="May be repeated."),
        click.option("--scope", "scopes", multiple=True, help=f"Space-separated, of: {' '.join(SCOPES)}"),
        click.option("--origin", "origins", multiple=True, help="Browser origin that calls the API; may be repeated."),
        click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exact; may be repeated."),
    ):
        command = option(command)
    return command


def _keys_options(command: Callable[..., Any]) -> Callable[..., Any]:
    algorithm = click.option("--id-token-alg", type=click.Choice(["RS256", "ES256"]), help="Signs its ID tokens.")
    keys = click.option(
        "--jwks", type=click.File("rb"), help="File with its public keys (a JWK set): private_key_jwt, no secret."
    )
    return keys(algorithm(command))


@client.command("create")
@click.option("--name", required=True, help="What people see.")
@click.option("--type", "type_", required=True, type=click.Choice(["public", "confidential"]))
@_lists_options
@click.option("--trusted", "is_trusted", is_flag=True, help="A first-party app.")
@click.option("--native", "is_native", is_flag=True, help="An app on a device (RFC 8252).")
@_keys_options
@json_option
@click.pass_obj
def create_client(ini: Path, as_json: bool, type_: Any, **given: Any) -> None:
    """Register a client. A secret is printed this once; only its hash is kept."""
    wanted = {**_given(given), "type": type_}
    with services(ini) as container:
        made, secret = container.get(ClientService).register(Registration(**wanted))
    show(_content(made, secret), as_json)
    _tell("Registered." + (" Keep the secret now: it is not shown again." if secret else ""))


@client.command("list")
@json_option
@click.pass_obj
def list_clients(ini: Path, as_json: bool) -> None:
    """Every client, the oldest first."""
    with services(ini) as container:
        clients = container.get(ClientService).list()
    if as_json:
        click.echo(orjson.dumps({"data": [_content(one) for one in clients]}).decode())
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("client_id", no_wrap=True, min_width=max([9, *(len(one.client_id) for one in clients)]))
    for title in ("name", "type", "proves itself by", "created"):
        table.add_column(title, overflow="fold")
    for one in clients:
        table.add_row(one.client_id, one.name, one.type, _authentication(one), one.created_at.date().isoformat())
    Console().print(table)


@client.command("show")
@click.argument("client_id")
@json_option
@click.pass_obj
def show_client(ini: Path, client_id: str, as_json: bool) -> None:
    """All that is registered of a client; never its secret, of which only a hash is kept."""
    with services(ini) as container:
        show(_content(container.get(ClientService).show(client_id)), as_json)


@client.command("update")
@click.argument("client_id")
@click.option("--name", help="What people see.")
@_lists_options
@click.option("--trusted/--not-trusted", "is_trusted", default=None, help="A first-party app.")
@click.option("--native/--not-native", "is_native", default=None, help="An app on a device (RFC 8252).")
@_keys_options
@json_option
@click.pass_obj
def update_client(ini: Path, client_id: str, as_json: bool, **given: Any) -> None:
    """Change what is given; all else stays, and the type always does.

    A list that is given replaces the whole list; an empty one ('') clears it.
    """
    changes: Changes = _given(given)  # type: ignore[assignment]
    if not changes:
        raise click.UsageError("Give at least one thing to change.")
    with services(ini) as container:
        service = container.get(ClientService)
        before, after = service.show(client_id), service.update(client_id, **changes)
    show(_content(after), as_json)
    _tell("Updated. Running processes follow within 5 seconds.")
    if set(before.scopes) - set(after.scopes) or before.is_trusted > after.is_trusted:
        _tell("It may do less than before, so its tokens were ended: people sign in to it again.")
    if after.jwks is not None and before.jwks is None:
        _tell("It proves itself by its keys from now on; its secret is worth nothing any more.")


@client.command("rotate-secret")
@click.argument("client_id")
@click.option("--keep-old-h", default=0.0, show_default=True, type=float, help="Hours that the old secret stays good.")
@json_option
@click.pass_obj
def rotate_secret(ini: Path, client_id: str, keep_old_h: float, as_json: bool) -> None:
    """Give a client a new secret, printed this once."""
    with services(ini) as container:
        changed, secret = container.get(ClientService).rotate_secret(client_id, keep_old_h=keep_old_h)
    content: dict[str, Any] = {"client_id": changed.client_id, "client_secret": secret}
    content["old_secret_expires_at"] = _time(changed.old_secret_expires_at)
    show(content, as_json)
    _tell("Give the new secret to the client now: it is not shown again. Running processes take it within 5 seconds.")
    if changed.old_secret_expires_at:
        _tell(f"The old one is good until {_time(changed.old_secret_expires_at)}.")
    else:
        _tell("The old one is worth nothing any more.")


@client.command("delete")
@click.argument("client_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def delete_client(ini: Path, client_id: str, yes: bool, as_json: bool) -> None:
    """Delete a client; all tokens that it was given end."""
    with services(ini) as container:
        service = container.get(ClientService)
        found = service.show(client_id)
        if not yes:
            click.confirm(f"Delete {found.name} ({client_id})? Everybody is signed out of it", abort=True, err=True)
        service.delete(client_id)
    show({"client_id": client_id, "deleted": True}, as_json)
    _tell("Deleted. Its refresh tokens are refused at once, its access tokens within 2 seconds.")


@client.command("check")
@click.argument("client_id")
@click.option("--redirect-uri", required=True, help="As the app sends it, percent-decoded once.")
@json_option
@click.pass_obj
def check_client(ini: Path, client_id: str, redirect_uri: str, as_json: bool) -> None:
    """Say whether a redirect URI fits, and if not, which part differs from which registered one; then exit 1."""
    with services(ini) as container:
        checked = container.get(ClientService).check(client_id, redirect_uri)
    if as_json:
        registered = [
            {"uri": uri, "differences": [_difference(one) for one in differences]}
            for uri, differences in checked.registered
        ]
        click.echo(orjson.dumps({"fits": checked.fits, "registered": registered}).decode())
    elif checked.fits:
        click.echo("It fits: people are sent there.")
    else:
        click.echo("It does not fit: people would see an error page and be sent nowhere.")
        for uri, differences in checked.registered:
            click.echo(f"Registered: {uri}")
            for one in differences:
                click.echo(f"  {one.part}: sent {_quoted(one.sent)}, registered {_quoted(one.registered)}: {one.hint}")
        if not checked.registered:
            click.echo("Nothing is registered: add it with `donkies client update --redirect-uri`.")
    if not checked.fits:
        raise SystemExit(1)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What was given on the command line, as it is registered."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in LISTS:
        if name in given:
            given[name] = [one for one in given[name] if one]
    if "scopes" in given:
        given["scopes"] = [scope for some in given["scopes"] for scope in some.split()]
    if "jwks" in given:
        given["jwks"] = _read_jwks(given["jwks"])
    return given


def _read_jwks(file: BinaryIO) -> Any:
    try:
        return orjson.loads(file.read())
    except orjson.JSONDecodeError:
        # what the file holds may be a private key: nothing of it is shown
        raise click.ClickException(f'{file.name}: this is no JSON; give a JWK set, {{"keys": [...]}}.') from None


def _content(made: Client, secret: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"client_id": made.client_id}
    if secret is not None:
        content["client_secret"] = secret
    content |= {
        "name": made.name,
        "type": made.type,
        "redirect_uris": list(made.redirect_uris),
        "post_logout_redirect_uris": list(made.post_logout_redirect_uris),
        "origins": list(made.origins),
        "scopes": list(made.scopes),
        "trusted": made.is_trusted,
        "native": made.is_native,
        "authentication": _authentication(made),
        "id_token_alg": made.id_token_alg,
        "created_at": _time(made.created_at),
    }
    if made.jwks is not None:
        content["jwks"] = made.jwks
    if made.old_secret_expires_at is not None:
        content["old_secret_expires_at"] = _time(made.old_secret_expires_at)
    return content


def _authentication(found: Client) -> str:
    if found.jwks is not None:
        return "private_key_jwt"
    return "client_secret" if found.is_confidential else "none"


def _difference(one: Difference) -> dict[str, str | None]:
    return {"part": one.part, "sent": one.sent, "registered": one.registered, "hint": one.hint}


def _quoted(text: str | None) -> str:
    # as Python writes it: control characters do nothing to the terminal, and white space is seen
    return "none" if text is None else ascii(text)


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _tell(message: str) -> None:
    """What was done and what to do next; beside the output, so that programs read only that."""
    click.echo(message, err=True)
