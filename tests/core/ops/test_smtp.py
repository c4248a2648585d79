"""The form of SMTP_URL, and how one message is handed to a server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.ops.outbox import LEASE
from core.ops.smtp import TOTAL_S, MailServer, NoPlainTextSignIn, SmtpDelivery, is_worth_another_try, mail_server_of
from core.settings import load_settings
from tests.fakes import mail_server as fake
from tests.fakes.tls import contexts_for_localhost
from tests.fakes.trickling_server import TricklingServer

LOGIN = ("assay@firm.example", "p:/@% ?#w")


def server_of(url: str) -> MailServer:
    found = mail_server_of(load_settings({"SMTP_URL": url}))
    assert found is not None
    return found


def deliver(url: str, *, tls: ssl.SSLContext | None = None, timeout_s: float = 5.0, total_s: float = 60.0) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "assay@firm.example", "ann@test.example", "Hello"
    message.set_content("Hello\n")
    SmtpDelivery(server_of(url), helo="firm.example", timeout_s=timeout_s, total_s=total_s, tls=tls)(message)


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return contexts_for_localhost(tmp_path)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.firm.example", MailServer("mail.firm.example", 587, False)),
        ("smtp://mail.firm.example:25/", MailServer("mail.firm.example", 25, False)),
        ("smtps://mail.firm.example", MailServer("mail.firm.example", 465, True)),
        (" SMTP://[::1]:2525 ", MailServer("::1", 2525, False)),
        ("smtps://a%40b:p%3A%2F%25w@m.example", MailServer("m.example", 465, True, "a@b", "p:/%w")),
        ("smtp://u:p@w@m.example", MailServer("m.example", 587, False, "u", "p@w")),
    ],
)
def test_the_parts_of_an_address_are_read(url: str, server: MailServer) -> None:
    assert server_of(url) == server


def test_a_server_that_speaks_a_byte_at_a_time_is_left_after_the_total_time() -> None:
    with TricklingServer() as server, ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(deliver, server.url, total_s=0.3)
        assert isinstance(attempt.exception(timeout=10), OSError)  # each wait of its own was short
    assert b"DATA" not in server.heard
    assert LEASE.total_seconds() > TOTAL_S + 30  # with the look-up of its name, nobody else claims the message before


def test_a_server_that_says_late_that_it_took_a_message_is_waited_for_within_the_total_time() -> None:
    with fake.MailServer() as server:
        server.answer_late(1.5)
        deliver(server.url, timeout_s=1.0, total_s=20)
        assert (server.attempts, len(server.received)) == (1, 1)
        server.answer_late(5.0)
        with pytest.raises(smtplib.SMTPServerDisconnected) as raised:
            deliver(server.url, timeout_s=1.0, total_s=1.5)
        assert is_worth_another_try(raised.value)


def test_without_smtp_url_there_is_no_server() -> None:
    assert mail_server_of(load_settings({"SMTP_URL": " "})) is None


@pytest.mark.parametrize(
    "url",
    [
        "mail.hidden.example",
        "http://mail.hidden.example",
        "smtp://",
        "smtp://:25",
        "smtp://hidden@mail.example",
        "smtp://hidden:@mail.example",
        "smtp://:hidden@mail.example",
        "smtp://u:hidden@mail.example:0",
        "smtp://u:hidden@mail.example:99999",
        "smtp://u:hidden@mail.example:port",
        "smtp://u:hidden/x@mail.example",
        "smtp://u:1/hidden@mail.example",
        "smtp://u:hidden?x@mail.example",
        "smtp://u:hidden#x@mail.example",
        "smtp://u:hidden%zz@mail.example",
        "smtp://u:hidden%ff@mail.example",
        "smtp://u:hidden%0d%0aQUIT@mail.example",
        "smtp://u:hidden%C3%A4@mail.example",
        "smtp://u:hidden@mail.example\nx",
        "smtp://u:hid den@mail.example",
        "smtp://u:hidden@mail..example",
        "smtp://u:hidden@[::1",
        "smtp://u:hidden@mail.example/inbox",
        "smtp://u:hidden@mail.example?tls=no",
    ],
)
def test_a_malformed_address_is_refused_at_start_without_its_value(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SMTP_URL: .+\.$") as raised:
        server_of(url)
    assert "hid" not in raised.value.detail
    assert raised.value.__suppress_context__


def test_the_password_is_not_in_what_is_printed() -> None:
    assert "secret" not in repr(server_of("smtp://u:secret@m.example"))


def test_it_signs_in_on_this_machine_without_encryption() -> None:
    with fake.MailServer(login=LOGIN) as server:
        deliver(server.url)
        assert [(mail.user, mail.was_encrypted) for mail in server.received] == [(LOGIN[0], False)]


def test_it_uses_starttls_where_it_is_offered(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with fake.MailServer(login=LOGIN, tls=contexts[0]) as server:
        deliver(server.url, tls=contexts[1])
        assert [(mail.user, mail.was_encrypted) for mail in server.received] == [(LOGIN[0], True)]


def test_it_speaks_tls_from_the_first_byte(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with fake.MailServer(login=LOGIN, tls=contexts[0], is_tls_first=True) as server:
        deliver(server.url, tls=contexts[1])
        assert [(mail.user, mail.was_encrypted) for mail in server.received] == [(LOGIN[0], True)]


@pytest.mark.parametrize("is_tls_first", [True, False])
def test_it_sends_nothing_to_a_server_whose_certificate_it_does_not_trust(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], is_tls_first: bool
) -> None:
    with fake.MailServer(tls=contexts[0], is_tls_first=is_tls_first) as server:
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            deliver(server.url)
        assert not is_worth_another_try(raised.value)
        assert server.attempts == 0


def test_it_does_not_say_a_password_over_plain_text_to_another_machine() -> None:
    with fake.MailServer(login=LOGIN, host="127.0.0.2") as server:  # a name that it has to take for another machine's
        with pytest.raises(NoPlainTextSignIn) as raised:
            deliver(server.url)
        assert not is_worth_another_try(raised.value)
        assert server.attempts == 0


def test_a_wrong_password_is_refused_for_good() -> None:
    with fake.MailServer(login=LOGIN) as server, pytest.raises(smtplib.SMTPAuthenticationError) as raised:
        deliver(f"smtp://assay:wrong@localhost:{server.port}")
    assert not is_worth_another_try(raised.value)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(("code", "is_worth_it"), [(421, True), (451, True), (550, False), (552, False)])
def test_4xx_is_worth_another_try_and_5xx_is_not(stage: fake.Stage, code: int, is_worth_it: bool) -> None:
    with fake.MailServer() as server:
        server.refuse(code, at=stage)
        with pytest.raises(smtplib.SMTPException) as raised:
            deliver(server.url)
    assert is_worth_another_try(raised.value) == is_worth_it


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_that_says_nothing_is_left_after_the_time_limit(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError, match="timed out") as raised:
        deliver(f"{scheme}://localhost:{silent.getsockname()[1]}", timeout_s=0.1)
    assert is_worth_another_try(raised.value)


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as raised:
        deliver(f"smtp://127.0.0.1:{port}")
    assert is_worth_another_try(raised.value)
