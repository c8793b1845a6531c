"""`donkies user`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import svcs

from ..domain.erasing import LeavingService
from ..domain.erasures import Erasure, ErasureService
from ..domain.factor_keeping import FactorService
from ..domain.people import AccountService
from ..domain.users import Profile, SignUp, UserService
from .base import json_option, main, services, show


@main.group()
def user() -> None:
    """People."""


def password_option(command: Callable[..., Any]) -> Callable[..., Any]:
    # never the password itself: it would stay in the shell's history and show in `ps`
    text = "Read the password from standard input, not from the terminal."
    return click.option("--password-stdin", is_flag=True, help=text)(command)


@user.command("create")
@click.option("--first-name", required=True)
@click.option("--last-name", required=True)
@click.option("--email", required=True)
@click.option("--birthday", required=True, help="As 1990-12-31.")
@password_option
@json_option
@click.pass_obj
def create_user(ini: Path, as_json: bool, password_stdin: bool, **fields: str) -> None:
    """Make a local account."""
    password = _password(password_stdin)
    with services(ini) as container:
        service = container.get(UserService)
        show(_person(service.profile(service.sign_up(SignUp(**fields, password=password)))), as_json)


@user.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def show_user(ini: Path, email: str, as_json: bool) -> None:
    """Show a person's profile."""
    with services(ini) as container:
        show(_person(container.get(UserService).profile_by_email(email)), as_json)


@user.command("disable")
@click.argument("email")
@click.pass_obj
def disable_user(ini: Path, email: str) -> None:
    """Shut somebody out: sessions and tokens end at once."""
    with services(ini) as container:
        container.get(AccountService).disable(_id(container, email))
    click.echo("Disabled: sessions and refresh tokens are refused at once, access tokens within 2 seconds.", err=True)


@user.command("enable")
@click.argument("email")
@click.pass_obj
def enable_user(ini: Path, email: str) -> None:
    """Let somebody in again."""
    with services(ini) as container:
        container.get(AccountService).enable(_id(container, email))
    click.echo("Enabled: they can log in again; what had ended stays ended.", err=True)


@user.command("delete")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def delete_user(ini: Path, email: str, yes: bool, as_json: bool) -> None:
    """Erase somebody with all that is theirs, here and at the aggregator; there is no way back."""
    with services(ini) as container:
        user_id = _id(container, email)
        if not yes:
            click.confirm(f"Erase {email} with all banks and transactions?", abort=True)
        show(_receipt(container.get(LeavingService).leave(user_id)), as_json)


@user.command("receipt")
@click.argument("receipt", type=click.UUID)
@json_option
@click.pass_obj
def show_receipt(ini: Path, receipt: UUID, as_json: bool) -> None:
    """Show how far somebody's erasure has come."""
    with services(ini) as container:
        show(_receipt(container.get(ErasureService).read(receipt)), as_json)


@user.command("set-password")
@click.argument("email")
@password_option
@click.pass_obj
def set_password(ini: Path, email: str, password_stdin: bool) -> None:
    """Set somebody's password; their sessions and tokens end."""
    with services(ini) as container:
        user_id = _id(container, email)  # before anybody types
        container.get(AccountService).set_password(user_id, _password(password_stdin))
    click.echo("The password is set; every session and token of theirs has ended.", err=True)


@user.command("reset-factors")
@click.argument("who", metavar="EMAIL|ID")
@click.pass_obj
def reset_factors(ini: Path, who: str) -> None:
    """Take somebody's passkeys, app and recovery codes away who has lost them all; sessions and tokens end.

    Make sure first that it is their owner who asks: from then on the password alone is enough.
    """
    with services(ini) as container:
        container.get(FactorService).reset(_id_of(container, who))
    click.echo("Removed: the password is enough now. Every session and token has ended; a mail tells of it.", err=True)


def _id_of(container: svcs.Container, who: str) -> UUID:
    try:
        return UUID(who)
    except ValueError:
        return _id(container, who)


def _id(container: svcs.Container, email: str) -> UUID:
    return container.get(UserService).profile_by_email(email).id


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _receipt(erasure: Erasure) -> dict[str, Any]:
    done_at = erasure.done_at.isoformat() if erasure.done_at else None
    requested_at = erasure.requested_at.isoformat()
    return {"receipt": str(erasure.id), "status": erasure.status, "requested_at": requested_at, "done_at": done_at}


def _person(profile: Profile) -> dict[str, Any]:
    return {
        "id": str(profile.id),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "email": profile.email,
        "email_verified": profile.email_verified,
        "birthday": profile.birthday.isoformat() if profile.birthday else None,
        "created_at": profile.created_at.isoformat(),
    }
