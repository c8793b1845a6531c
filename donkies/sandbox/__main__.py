"""`python -m donkies.sandbox`: the sandbox in the foreground, until Ctrl-C or SIGTERM."""

import argparse
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence

from .scenarios import PASSWORDS, USER_NAMES
from .server import DEFAULT_PORT, DEFAULT_SMTP_PORT, Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox. Returns: the exit status, 1 when it cannot listen."""
    options = _parser().parse_args(arguments)
    told_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_stop.set())
    sandbox = Sandbox(
        options.host,
        options.port,
        state_path=options.state,
        webhook_url=options.webhook_url,
        job_s=options.job_s,
        smtp_port=_smtp_port(options),
    )
    try:
        sandbox.start()
    except OSError as error:
        print(f"Cannot listen on {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"Cannot use {options.state} as state file: {error}", file=sys.stderr)
        return 1
    _greet(sandbox)
    told_to_stop.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m donkies.sandbox",
        description="A pretended MX Atrium, Google and Facebook over real HTTP, and an inbox.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any that is free")
    parser.add_argument(
        "--smtp-port",
        type=int,
        metavar="PORT",
        help=f"where mail is taken; {DEFAULT_SMTP_PORT} beside the usual port, else any that is free",
    )
    parser.add_argument("--state", metavar="FILE", help="keep users and members in this file")
    parser.add_argument("--webhook-url", metavar="URL", help="where webhooks are posted")
    parser.add_argument("--job-s", type=float, default=1.5, metavar="S", help="how long a job takes in all")
    return parser


def _smtp_port(options: argparse.Namespace) -> int:
    if options.smtp_port is not None:
        return options.smtp_port
    return DEFAULT_SMTP_PORT if options.port == DEFAULT_PORT else 0


def _greet(sandbox: Sandbox) -> None:
    width = max(len(typed) for typed, _ in PASSWORDS)
    print(f"Sandbox: {sandbox.url}   MX Atrium: {sandbox.atrium_url}   control: {sandbox.url}/_sandbox")
    print(f"Google: {sandbox.google_url}   Facebook: {sandbox.facebook_url}/v24.0   with any client id and secret")
    print(f"Mail: SMTP on {sandbox.host}:{sandbox.smtp_port}, read at {sandbox.inbox_url}")
    print(f"Institution mxbank, user name {' or '.join(USER_NAMES)}, password:")
    for typed, outcome in PASSWORDS:
        print(f"  {typed:{width}}  {outcome}")
    print("Ctrl-C stops it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
