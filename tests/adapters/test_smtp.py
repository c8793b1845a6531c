"""Mail over SMTP, to a server that others wrote."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from donkies.adapters.mail import JinjaLetterPress, SmtpPostman
from donkies.domain.ids import new_id
from donkies.domain.mail import Letter, Mail, MailDown, MailRefused
from donkies.testing.ports import free_ports

MAIL = Mail("ada@people.example", "Grüße, Ada", "Hello,\n\nÄpfel: http://localhost/x\n", "<p>Hello</p>")
SENDER = "Moneta & Co <no-reply@money.example>"


class Inbox:
    """Keeps what comes in; answers each recipient with `says`."""

    def __init__(self):
        self.says = "250 OK"
        self.mails, self.tls = [], []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd asks for it
        if self.says.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.says

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.tls.append(session.ssl is not None)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def serve(inbox):
    started = []

    def start(**options):
        (port,) = free_ports(1)
        started.append(Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=10, **options))
        started[-1].start()
        return port

    yield start
    for controller in started:
        controller.stop()


def tls_for_localhost(folder):
    """The server's side, with a certificate of its own making, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cafile=str(folder / "server.pem"))


def test_a_mail_arrives_as_text_and_as_html(inbox, serve):
    SmtpPostman(f"smtp://127.0.0.1:{serve()}", SENDER).send(MAIL)
    ((sender, recipients, message),) = inbox.mails
    assert ("no-reply@money.example", ["ada@people.example"]) == (sender, recipients)
    assert (MAIL.subject, SENDER) == (message["Subject"], message["From"].replace('"', ""))
    assert "auto-generated" == message["Auto-Submitted"]
    assert message["Message-ID"].endswith("@money.example>")
    parts = {part.get_content_type(): part.get_content().replace("\r", "") for part in message.iter_parts()}
    assert {"text/plain": MAIL.text, "text/html": MAIL.html + "\n"} == parts


def test_starttls_is_used_where_it_is_asked_for(inbox, serve, tmp_path):
    server, client = tls_for_localhost(tmp_path)
    port = serve(tls_context=server, require_starttls=True)
    SmtpPostman(f"smtp://localhost:{port}?starttls", SENDER, tls=client).send(MAIL)
    assert [True] == inbox.tls
    with pytest.raises(MailDown):  # whose certificate is unknown
        SmtpPostman(f"smtp://localhost:{port}?starttls", SENDER).send(MAIL)
    with pytest.raises(MailDown):  # without TLS this server takes nothing
        SmtpPostman(f"smtp://localhost:{port}", SENDER).send(MAIL)
    with pytest.raises(MailDown):  # nothing is sent in the clear where TLS was asked for
        SmtpPostman(f"smtp://127.0.0.1:{serve()}?starttls", SENDER, tls=client).send(MAIL)
    assert [True] == inbox.tls


@pytest.mark.parametrize(
    ("says", "error"), [("451 Later", MailDown), ("550 No such user ada@people.example", MailRefused)]
)
def test_what_the_server_says_of_the_address_is_told_apart_and_never_quoted(inbox, serve, says, error):
    inbox.says = says
    with pytest.raises(error) as refused:
        SmtpPostman(f"smtp://127.0.0.1:{serve()}", SENDER).send(MAIL)
    assert "ada@" not in str(refused.value)
    assert refused.value.__suppress_context__
    assert [] == inbox.mails


@pytest.mark.parametrize("to", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nSubject: x"])
def test_no_line_of_ones_own_comes_into_a_mails_head(inbox, serve, to):
    """CWE-93"""
    letter = Letter(
        id=new_id(), kind="new_device", to="a@b.example", expires_at=None,
        values={"first_name": "A\r\nBcc: c@d.example\r\n\r\nB", "browser": "x\r\n.\r\nQUIT", "at": "now"},
    )  # fmt: skip
    mail = JinjaLetterPress("Moneta\r\nBcc: c@d.example", "http://localhost").print(letter)
    postman = SmtpPostman(f"smtp://127.0.0.1:{serve()}", SENDER)
    postman.send(mail)
    ((_, recipients, message),) = inbox.mails
    assert ["a@b.example"] == recipients
    assert message["Bcc"] is None
    assert "New log-in to your Moneta" == message["Subject"]
    with pytest.raises(MailRefused):
        postman.send(Mail(to, "x", "x", "x"))
    assert 1 == len(inbox.mails)


def test_an_address_that_is_not_ascii_is_mailed_where_the_server_can(inbox, serve):
    """RFC 6531"""
    mail = Mail("zoë@people.example", *("Hello",) * 3)
    with pytest.raises(MailRefused):
        SmtpPostman(f"smtp://127.0.0.1:{serve(enable_SMTPUTF8=False)}", SENDER).send(mail)
    SmtpPostman(f"smtp://127.0.0.1:{serve(enable_SMTPUTF8=True)}", SENDER).send(mail)
    assert ["zoë@people.example"] == inbox.mails[0][1]


def test_a_server_that_is_not_there_or_says_nothing_is_not_waited_for():
    with pytest.raises(MailDown):
        SmtpPostman("smtp://127.0.0.1:1", SENDER).send(MAIL)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(MailDown):
            SmtpPostman(f"smtp://127.0.0.1:{silent.getsockname()[1]}", SENDER, timeout_s=0.3).send(MAIL)
    assert time.monotonic() - began < 2


def test_it_logs_in_where_the_address_says_who(inbox, serve, tmp_path):
    server, client = tls_for_localhost(tmp_path)
    seen = []

    def authenticate(_server, _session, _envelope, mechanism, login):
        seen.append((login.login, login.password))
        return AuthResult(success=True)

    port = serve(tls_context=server, authenticator=authenticate, auth_required=True)
    SmtpPostman(f"smtp://don%40kies:p%3Aw@localhost:{port}?starttls", SENDER, tls=client).send(MAIL)
    assert [(b"don@kies", b"p:w")] == seen
    assert 1 == len(inbox.mails)
