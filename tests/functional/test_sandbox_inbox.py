"""The sandbox's inbox: mail in over SMTP, out as pages and JSON. Source: DESIGN.md 11."""

import smtplib
import socket
import time
from email.message import EmailMessage

import pytest
import requests

from donkies.sandbox import Sandbox
from donkies.sandbox.inbox.mails import Inbox

TIMEOUT_S = 10
LINK = "http://localhost:6543/email/confirm?token=abc&x=1"


def send(port, to="Vera <vera@example.com>", subject="Grüße", text=f"Open {LINK}.\n", html=None):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "donkies <no-reply@example.com>", to, subject
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT_S) as server:
        server.send_message(mail)


def test_mail_is_read_newest_first_and_by_address(sandbox):
    send(sandbox.smtp_port)
    send(sandbox.smtp_port, "umar@example.com, Noor <noor@example.com>", "Second", html="<p>Hé</p>")
    newest, oldest = sandbox.inbox()
    assert "umar@example.com, noor@example.com" == newest["to"]
    assert ("Second", "<p>Hé</p>\n") == (newest["subject"], newest["html"])
    assert {
        "id": 1,
        "to": "vera@example.com",
        "from": "donkies <no-reply@example.com>",
        "subject": "Grüße",
        "text": f"Open {LINK}.\n",
        "html": None,
        "at": oldest["at"],
    } == oldest
    assert [newest] == sandbox.inbox("Noor@Example.com")
    assert [] == sandbox.inbox("nobody@example.com")


def test_the_page_shows_text_with_links_and_no_markup_of_the_senders(sandbox):
    send(sandbox.smtp_port, subject="<script>alert(1)</script>", text=f"<b>({LINK})</b> & more\n")
    page = requests.get(f"{sandbox.url}/inbox", timeout=TIMEOUT_S).text
    spelt = LINK.replace("&", "&amp;")
    assert f'&lt;b&gt;(<a href="{spelt}" rel="noreferrer">{spelt}</a>)&lt;/b&gt; &amp; more' in page
    assert "<script>" not in page
    assert "/inbox/1" not in page


def test_the_html_of_a_mail_is_shown_powerless(sandbox):
    send(sandbox.smtp_port, html="<script>alert(1)</script><p>Hi</p>")
    assert 'href="/inbox/1"' in requests.get(f"{sandbox.url}/inbox", timeout=TIMEOUT_S).text
    page = requests.get(f"{sandbox.url}/inbox/1", timeout=TIMEOUT_S)
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert "<p>Hi</p>" in page.text
    assert {"default-src 'none'", "form-action 'none'"} <= set(policy)
    (sandboxed,) = (part for part in policy if part.startswith("sandbox"))
    assert "allow-scripts" not in sandboxed
    assert "allow-same-origin" not in sandboxed
    assert 404 == requests.get(f"{sandbox.url}/inbox/2", timeout=TIMEOUT_S).status_code


def test_mail_is_deleted_by_request_and_by_reset(sandbox):
    for forget in (sandbox.clear_inbox, sandbox.reset):
        send(sandbox.smtp_port)
        assert 1 == len(sandbox.inbox())
        forget()
        assert [] == sandbox.inbox()


def test_mail_may_be_down_and_come_back(sandbox):
    sandbox.refuse_mail()
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(sandbox.smtp_port)
    assert 451 == refused.value.smtp_code
    sandbox.refuse_mail(False)
    send(sandbox.smtp_port)
    sandbox.refuse_mail()
    sandbox.reset()
    send(sandbox.smtp_port)
    assert 1 == len(sandbox.inbox())


def test_the_newest_thousand_are_kept():
    inbox = Inbox()
    for number in range(1002):
        inbox.add(b"Subject: %d\r\n\r\n" % number, ["b@example.com"], at=0.0)
    mails = inbox.list()
    assert (1000, "1001", "2") == (len(mails), mails[0].subject, mails[-1].subject)


def test_a_letter_beyond_ascii_may_be_in_an_address(sandbox):
    send(sandbox.smtp_port, "zoë@example.com")
    assert "zoë@example.com" == sandbox.inbox("zoë@example.com")[0]["to"]


def test_it_stops_within_a_second_while_somebody_is_sending():
    sandbox = Sandbox(port=0, smtp_port=0).start()
    with socket.create_connection(("127.0.0.1", sandbox.smtp_port), timeout=TIMEOUT_S) as connection:
        assert connection.recv(3) == b"220"
        connection.sendall(b"EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nhalf a")
        started = time.monotonic()
        sandbox.stop()
        assert time.monotonic() - started < 1
    with Sandbox(port=0, smtp_port=sandbox.smtp_port) as again:
        send(again.smtp_port)


def test_without_a_mail_port_there_is_an_empty_inbox_that_says_so():
    with Sandbox(port=0) as sandbox:
        assert sandbox.smtp_port is None
        assert "without a mail port" in requests.get(sandbox.inbox_url, timeout=TIMEOUT_S).text


def test_a_mail_port_in_use_is_refused_by_its_address_and_frees_the_other():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"in use: '127.0.0.1:{port}'"):
            Sandbox(port=0, smtp_port=port).start()
