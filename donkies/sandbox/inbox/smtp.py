"""The SMTP server that fills the inbox: no password, no TLS, and nothing is ever passed on."""

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import Callable

from aiosmtpd.smtp import SMTP, Envelope, Session

from .mails import Inbox

REFUSAL = "451 4.3.0 Mail is refused on request"


class _Receiver:
    """Takes mail, or refuses it as it is told to. Source: RFC 5321 §3.3; aiosmtpd's handler hooks."""

    def __init__(self, inbox: Inbox, now: Callable[[], float]) -> None:
        self._inbox = inbox
        self._now = now

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._inbox.refuses:
            return REFUSAL
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._inbox.refuses:
            return REFUSAL
        self._inbox.add(envelope.original_content or b"", envelope.rcpt_tos, self._now())
        return "250 OK"


class MailServer:
    """Takes mail in a thread of its own, from its making until it is stopped.

    Args: listener, a socket that listens; inbox, where mail goes; now, tells the time, seconds since 1970.
    """

    def __init__(self, listener: socket.socket, inbox: Inbox, now: Callable[[], float]) -> None:
        self._listener = listener
        self._receiver = _Receiver(inbox, now)
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-mail", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and close the port, at once."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._session, sock=self._listener)
        await self._stopping.wait()
        # Nobody more is let in, but the server stays until those on the way in are: asyncio stumbles over one that was
        # closed meanwhile. Hanging up on a session ends its task.
        self._loop.remove_reader(self._listener)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for session in list(self._sessions):
                if session.transport is not None:
                    session.transport.abort()
            await asyncio.wait(others, timeout=0.02)
        server.close()

    def _session(self) -> SMTP:
        # A name is given, for aiosmtpd would ask the network for this machine's.
        session = SMTP(
            self._receiver, hostname="sandbox", ident="donkies sandbox", enable_SMTPUTF8=True, loop=self._loop
        )
        self._sessions.add(session)
        return session
