"""The sandbox as a server on ports of its own: one for HTTP, one for mail."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from ..serving import Serving, listening
from .app import make_app
from .inbox.smtp import MailServer
from .social.state import ClientKeys
from .world import TYPICAL_JOB_S, Limits, Mode, World

DEFAULT_PORT = 6545
DEFAULT_SMTP_PORT = 6546
THREADS = 64  # slow faults sleep in them; the others must still be answered
_IN_MEMORY_BYTES = 256 * 1024 * 1024


class Sandbox:
    """MX's Atrium, Google's and Facebook's sign-in, pretended over real HTTP; and an inbox of mail.

    Args:
        host, port: where to listen; port 0 takes any that is free.
        state_path: a file that users, members and changed rows survive a restart in; None for memory only.
        webhook_url: where `/_sandbox/members/{guid}/webhooks` posts; user and password in it are sent.
        clock: tells the time, seconds since 1970.
        job_s: how long a job takes in all; 0 finishes it at the first look.
        api_key, client_id: what callers must send; None for anything that is not empty.
        member_limit: how many members a user may have.
        max_per_page: the largest `records_per_page`.
        smtp_port: where mail is taken; 0 takes any port that is free, None takes no mail.
        google_client, facebook_client: id and secret that an app must show there; None for any that are not empty.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        state_path: Path | str | None = None,
        webhook_url: str | None = None,
        clock: Callable[[], float] = time.time,
        *,
        job_s: float = TYPICAL_JOB_S,
        api_key: str | None = None,
        client_id: str | None = None,
        member_limit: int = 25,
        max_per_page: int = 1000,
        smtp_port: int | None = None,
        google_client: tuple[str, str] | None = None,
        facebook_client: tuple[str, str] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.smtp_port = smtp_port
        self._state_path = state_path
        self._clock = clock
        self._mode = Mode(job_s=job_s)
        self._limits = Limits(
            api_key,
            client_id,
            member_limit,
            max_per_page,
            webhook_url,
            google_client and ClientKeys(*google_client),
            facebook_client and ClientKeys(*facebook_client),
        )
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """The address of the sandbox, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def atrium_url(self) -> str:
        """The root of MX's API."""
        return f"{self.url}/atrium"

    @property
    def google_url(self) -> str:
        """Google's issuer."""
        return f"{self.url}/google"

    @property
    def facebook_url(self) -> str:
        """What stands before the version in Facebook's addresses."""
        return f"{self.url}/facebook"

    @property
    def inbox_url(self) -> str:
        """The page of the mail that came."""
        return f"{self.url}/inbox"

    def start(self) -> Self:
        """Listen and serve from background threads; the ports listen when this returns.

        Raises: OSError, whose `filename` is the address, if a port is in use; RuntimeError if it runs already.
        """
        if self._running is not None:
            raise RuntimeError("The sandbox runs already")
        with ExitStack() as opened:
            listener = opened.enter_context(listening(self.host, self.port))
            mail_listener = None
            if self.smtp_port is not None:
                mail_listener = opened.enter_context(listening(self.host, self.smtp_port))
            world = World(limits=self._limits, mode=self._mode, state_path=self._state_path, clock=self._clock)
            opened.pop_all()
        self.port = listener.getsockname()[1]
        if mail_listener is not None:
            self.smtp_port = world.inbox.smtp_port = mail_listener.getsockname()[1]
        self._running = _Running(listener, mail_listener, world)
        return self

    def stop(self) -> None:
        """Stop serving within a second and close everything; nothing happens when it does not run."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Running:
    """The servers and their world, which ends with them."""

    def __init__(self, listener: socket.socket, mail_listener: socket.socket | None, world: World) -> None:
        self._world = world
        self._mail = MailServer(mail_listener, world.inbox, world.now) if mail_listener is not None else None
        self._serving = Serving(
            make_app(world),
            "sandbox",
            sockets=[listener],
            threads=THREADS,
            connection_limit=4000,
            # Bodies hold what people typed: they must never reach a temporary file.
            inbuf_overflow=_IN_MEMORY_BYTES,
            outbuf_overflow=_IN_MEMORY_BYTES,
            outbuf_high_watermark=_IN_MEMORY_BYTES,
            max_request_body_size=4 * 1024 * 1024,
            # Tests put TLS before it: the addresses that it tells must be those that it was asked by.
            trusted_proxy="*",
            trusted_proxy_headers={"x-forwarded-proto", "x-forwarded-host"},
            clear_untrusted_proxy_headers=True,
        )

    def stop(self) -> None:
        self._world.stopping.set()  # slow faults wait on it
        if self._mail is not None:
            self._mail.stop()
        self._serving.stop()
        self._world.close()
