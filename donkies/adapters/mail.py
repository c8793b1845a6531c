"""Mail over SMTP, and the words of letters."""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import formatdate, make_msgid, parseaddr
from html import escape
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..domain.mail import Letter, Mail, MailDown, MailRefused

LETTERS = Path(__file__).parent / "letters"
ADDRESS_ALONE = re.compile(r"https?://\S+")


class SmtpPostman:
    """Postman over SMTP, a connection for each mail; it is bounded in time.

    Args:
        url: `smtp://user:password@host:587?starttls` or `smtps://user:password@host`; user, password and port may
            be missing. Without `starttls` or `smtps` nothing is encrypted, which only fits loopback.
        sender: the address in From, `Name <address>`.
        timeout_s: for each step of the conversation.
        tls: what its certificate is checked by; by default the system's roots.
    """

    def __init__(self, url: str, sender: str, timeout_s: float = 10, tls: ssl.SSLContext | None = None) -> None:
        self._server = urlsplit(url)
        self._sender = sender
        self._timeout_s = timeout_s
        self._tls = tls

    def send(self, mail: Mail) -> None:
        try:
            message = self._message(mail)
        except ValueError:  # a line break in the address; it would begin a header of its own
            raise MailRefused("There can be no such address.") from None
        try:
            with self._connect() as server:
                self._send(server, message, mail.to)
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), *_ = error.recipients.values()
            raise (MailRefused if 500 <= code < 600 else MailDown)("The mail server refused the address.") from None
        except (smtplib.SMTPException, OSError) as error:  # their texts may quote the address
            raise MailDown(f"The mail server did not take it: {type(error).__name__}") from None

    def try_out(self) -> None:
        """Connect and log in, and send nothing.

        Raises: OSError or smtplib.SMTPException, whose text may hold a name; ValueError for an address that is none.
        """
        with self._connect() as server:
            server.noop()

    def _send(self, server: smtplib.SMTP, message: EmailMessage, to: str) -> None:
        try:
            server.send_message(message, parseaddr(self._sender)[1], [to])
        except smtplib.SMTPNotSupportedError:
            raise MailRefused("The mail server takes no address that is not ASCII.") from None

    def _connect(self) -> smtplib.SMTP:
        where, tls = self._server, self._tls or ssl.create_default_context()
        host = where.hostname or "localhost"
        if where.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, where.port or 465, timeout=self._timeout_s, context=tls)
        else:
            server = smtplib.SMTP(host, where.port or 587, timeout=self._timeout_s)
        try:
            if wants_starttls(where):
                server.starttls(context=tls)
            if where.username:
                server.login(unquote(where.username), unquote(where.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=SMTP_LINES)
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain=parseaddr(self._sender)[1].rpartition("@")[2] or "localhost")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def wants_starttls(server: SplitResult) -> bool:
    """Whether the address of a mail server asks for STARTTLS."""
    return "starttls" in parse_qs(server.query, keep_blank_values=True)


class JinjaLetterPress:
    """LetterPress from the files in `letters/`: the subject in the first line, then the text, in paragraphs.

    The HTML part is made of the same text, so the two never differ: a line that is an address alone becomes a button,
    named by the line above it.

    Args:
        name: what this service is called.
        public_url: where it is reached.
    """

    def __init__(self, name: str, public_url: str) -> None:
        # plain text: what HTML wants escaped is escaped when the HTML is made of it
        self._letters = Environment(loader=FileSystemLoader(LETTERS), undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
        self._letters.globals |= {"name": name, "url": public_url}
        self._name = name

    def print(self, letter: Letter) -> Mail:
        written = self._letters.get_template(f"{letter.kind}.txt").render(letter.values).strip()
        subject, _, text = written.partition("\n")
        return Mail(letter.to, " ".join(subject.split()), text.strip() + "\n", self._html(subject, text.strip()))

    def _html(self, subject: str, text: str) -> str:
        blocks = "\n".join(_paragraph(block) for block in re.split(r"\n\s*\n", text))
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>\n'
            '<body style="margin:0;padding:24px 16px;background:#f3f5f7;color:#17202a;'
            'font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif">\n'
            '<div style="max-width:32rem;margin:0 auto;padding:24px;background:#ffffff;border-radius:12px">\n'
            f'<p style="margin:0 0 16px;font-weight:700">{escape(self._name)}</p>\n{blocks}\n</div></body></html>\n'
        )


def _paragraph(block: str) -> str:
    *before, last = block.strip().split("\n")
    lines = "<br>".join(escape(line) for line in before)
    if not ADDRESS_ALONE.fullmatch(last.strip()):
        return f'<p style="margin:0 0 16px">{"<br>".join(escape(line) for line in [*before, last])}</p>'
    address = escape(last.strip(), quote=True)
    button = "display:inline-block;padding:10px 18px;border-radius:10px;background:#0b6b58;color:#ffffff"
    return (
        f'<p style="margin:0 0 16px"><a href="{address}" style="{button};text-decoration:none;font-weight:600">'
        f"{lines.rstrip(':') or address}</a></p>\n"
        f'<p style="margin:0 0 16px;font-size:13px;word-break:break-all">{address}</p>'
    )
