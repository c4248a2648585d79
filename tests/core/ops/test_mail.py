"""Mails: what arrives, what is tried again, what is given up, and that the caller never waits."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from smtplib import SMTPServerDisconnected

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import SystemClock
from core.errors import ConfigurationError
from core.ops.mail import MAX_SUBJECT_CHARS, MAX_WAITING, Delivery, Mail, Mailer, mailer_of
from core.settings import load_settings
from tests.fakes.mail_server import WAIT_S, MailServer, Stage, link_of, text_of

AT_ONCE = (0.0, 0.0)
AN_HOUR = (3600.0,)
SECRETS = ("ann", "Confirm", "t0ken", "pa55word")
HELLO = Mail("ann@test.example", "Confirm your address", "Follow http://127.0.0.1:8501/link?token=t0ken.\n")
TO_BOB = Mail("bob@test.example", "Hello", "Hello.")


Environ = dict[str, str]


class Open:
    """Makes mailers that end with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(
        self, url: str = "", *, pauses_s: tuple[float, ...] = AT_ONCE, environ: Environ | None = None
    ) -> Mailer:
        variables = {"MAIL_FROM": "Assay <assay@firm.example>", "SMTP_URL": url, **(environ or {})}
        return self.keep(mailer_of(load_settings(variables), pauses_s=pauses_s))

    def keep(self, mailer: Mailer) -> Mailer:
        self._stack.callback(mailer.close, within_s=WAIT_S)
        return mailer


@pytest.fixture
def opened() -> Iterator[Open]:
    with ExitStack() as stack:
        yield Open(stack)


class Gate:
    """Work that waits until the test lets it go, and says when it began."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.has_begun.set()
        assert self.may_end.wait(WAIT_S)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our own code logged; the fake server logs too."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("core.")]


def test_a_mail_arrives_with_its_headers_and_its_link(opened: Open, mail_server: MailServer) -> None:
    opened(mail_server.url).send(HELLO)
    message = mail_server.wait_for("ann@test.example", "Confirm")
    assert message["From"] == "Assay <assay@firm.example>"
    assert message["To"] == "ann@test.example"
    assert message["Subject"] == "Confirm your address"
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert message["Message-ID"].endswith("@firm.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert text_of(message) == HELLO.text
    assert link_of(message) == "http://127.0.0.1:8501/link?token=t0ken"
    assert mail_server.received[0].sender == "assay@firm.example"


def test_the_caller_does_not_wait_for_the_work(opened: Open, mail_server: MailServer) -> None:
    mailer, gate = opened(mail_server.url), Gate()
    mailer.later(gate)
    assert gate.has_begun.wait(WAIT_S)
    mailer.later(lambda: HELLO)  # returns, though the thread is busy
    mailer.send(TO_BOB)
    assert mail_server.attempts == 0
    gate.may_end.set()
    mail_server.wait_for("ann@test.example")
    mail_server.wait_for("bob@test.example")


def test_work_that_gives_nothing_sends_nothing(opened: Open, mail_server: MailServer) -> None:
    mailer = opened(mail_server.url)
    mailer.later(lambda: None)
    mailer.send(TO_BOB)
    mail_server.wait_for("bob@test.example")
    assert mail_server.attempts == 1


def test_work_that_fails_is_logged_without_its_words_and_the_next_goes_on(
    opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Mail:
        raise OSError("t0ken of ann")

    mailer = opened(mail_server.url)
    mailer.later(fail)
    mailer.send(TO_BOB)
    mail_server.wait_for("bob@test.example")
    (line,) = said(caplog)
    assert line.startswith("A mail was not made: OSError in fail, test_mail.py line ")
    assert not any(secret in line for secret in ("t0ken", "ann@"))


def test_a_full_queue_gives_up_the_next_mail_and_names_nobody(
    opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mailer, gate = opened(mail_server.url), Gate()
    mailer.later(gate)
    assert gate.has_begun.wait(WAIT_S)
    for _ in range(MAX_WAITING):
        mailer.later(lambda: None)
    mailer.send(HELLO)
    assert said(caplog) == [f"A mail was given up: {MAX_WAITING} wait already, or the workbench is closing."]
    gate.may_end.set()
    mailer.close(WAIT_S)
    assert mail_server.attempts == 0


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_mail_refused_for_now_is_sent_again(opened: Open, mail_server: MailServer, stage: Stage) -> None:
    mail_server.refuse(451, times=2, at=stage)
    opened(mail_server.url).send(HELLO)
    mail_server.wait_for("ann@test.example")
    assert (mail_server.attempts, len(mail_server.received)) == (3, 1)


def test_a_mail_refused_for_good_is_not_sent_again(
    opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.refuse(550, times=1)
    mailer = opened(mail_server.url)
    mailer.send(HELLO)
    mailer.send(TO_BOB)
    mail_server.wait_for("bob@test.example")
    assert mail_server.attempts == 2
    assert said(caplog) == ["A mail was not sent, attempt 1, by SMTP_URL: SMTPRecipientsRefused, the server says 550."]


def test_attempts_are_bounded(opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture) -> None:
    mail_server.refuse(451)
    mailer = opened(mail_server.url)
    mailer.send(HELLO)
    assert mail_server.wait_for_attempts(3)
    mailer.close(WAIT_S)
    assert mail_server.attempts == 3
    (line,) = said(caplog)
    assert "attempt 3" in line
    assert not any(secret in line for secret in SECRETS)


def test_a_mail_that_waits_for_another_attempt_holds_up_no_other(opened: Open, mail_server: MailServer) -> None:
    mail_server.refuse(451, times=1)
    mailer = opened(mail_server.url, pauses_s=AN_HOUR)
    mailer.send(HELLO)
    assert mail_server.wait_for_attempts(1)
    mailer.send(TO_BOB)
    mail_server.wait_for("bob@test.example")
    assert len(mail_server.received) == 1
    mailer.close(WAIT_S)  # it is tried once more before the end
    mail_server.wait_for("ann@test.example")


def test_a_server_that_is_not_there_is_tried_again_and_nothing_secret_is_logged(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    mailer = opened(f"smtp://ann:pa55word@127.0.0.1:{port}")
    mailer.send(HELLO)
    for _ in AT_ONCE:  # each attempt is followed by the next, which stands behind what waits by then
        done = threading.Event()
        mailer.later(lambda done=done: done.set())  # type: ignore[misc]
        assert done.wait(WAIT_S)
    mailer.close(WAIT_S)
    assert said(caplog) == ["A mail was not sent, attempt 3, by SMTP_URL: ConnectionRefusedError."]


class Kept:
    """A delivery that keeps what it is given, and fails before it succeeds."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.messages: list[EmailMessage] = []
        self.is_done = threading.Event()

    def __call__(self, message: EmailMessage) -> None:
        self.messages.append(message)
        if len(self.messages) <= self.failures:
            raise SMTPServerDisconnected
        self.is_done.set()


def mailer_over(delivery: Delivery) -> Mailer:
    sender = Address("", "assay", "firm.example")
    return Mailer(delivery, sender, is_configured=True, clock=SystemClock(), pauses_s=AT_ONCE)


def test_every_attempt_has_the_same_identity_so_that_a_second_copy_can_be_told(opened: Open) -> None:
    delivery = Kept(failures=2)
    opened.keep(mailer_over(delivery)).send(HELLO)
    assert delivery.is_done.wait(WAIT_S)
    assert len(delivery.messages) == 3
    assert len({message["Message-ID"] for message in delivery.messages}) == 1


def test_closing_sends_what_waits(opened: Open, mail_server: MailServer) -> None:
    mailer = opened(mail_server.url)
    for number in range(20):
        mailer.send(Mail(f"user{number}@test.example", "Hello", "Hello."))
    mailer.close(WAIT_S)
    assert [mail.to for mail in mail_server.received] == [f"user{number}@test.example" for number in range(20)]


class Stuck:
    """A delivery that does not end before the test does."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, message: EmailMessage) -> None:
        self.has_begun.set()
        assert self.may_end.wait(WAIT_S)


def test_closing_ends_in_time_and_says_how_many_were_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    delivery = Stuck()
    mailer = mailer_over(delivery)
    for _ in range(3):
        mailer.send(HELLO)
    assert delivery.has_begun.wait(WAIT_S)
    mailer.close(within_s=0.01)
    assert said(caplog) == ["The workbench ends and gives up 3 mails."]
    delivery.may_end.set()


def test_a_closed_mailer_takes_nothing_and_can_be_closed_again(
    opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mailer = opened(mail_server.url)
    mailer.close()
    mailer.send(HELLO)
    mailer.close()
    assert mail_server.attempts == 0
    assert "closing" in said(caplog)[0]


@pytest.mark.parametrize(
    ("subject", "arrives"),
    [
        ("Hello\r\nBcc: eve@test.example", "Hello Bcc: eve@test.example"),
        ("Hello\n\nA body", "Hello A body"),
        ("Hello\u2028Bcc:\x85eve\x0bx\x00", "Hello Bcc: eve x"),
        ("  ", ""),
        ("=?utf-8?q?Hi=0D=0ABcc:eve?=", "= ?utf-8?q?Hi=0D=0ABcc:eve?="),
        ("Приглашение в организацию «Рога и копыта» от Анны Ивановны", None),
        ("名前" * 60, None),
        ("Hi 👩‍👩‍👧 and a half: \ud83d", "Hi 👩‍👩‍👧 and a half: ?"),
        ("x" * 10_000, "x" * (MAX_SUBJECT_CHARS - 1) + "…"),
    ],
)
def test_a_subject_is_one_line_and_no_header_more(
    opened: Open, mail_server: MailServer, subject: str, arrives: str | None
) -> None:
    opened(mail_server.url).send(Mail("ann@test.example", subject, "Text."))
    message = mail_server.wait_for("ann@test.example")
    assert message["Subject"] == (subject if arrives is None else arrives)
    assert message["Bcc"] is None
    assert text_of(message) == "Text.\n"
    assert len(mail_server.received) == 1


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("One\r\nTwo\rThree\nFour", "One\nTwo\nThree\nFour\n"),
        (".\n..\nQUIT\n.", ".\n..\nQUIT\n.\n"),
        ("From here\n\n  indented  \ttab\n\n", "From here\n\n  indented  \ttab\n"),
        ("Grüße, 名前, 👋, €", "Grüße, 名前, 👋, €\n"),
        ("\ud83d\x00\x1b[31mred", "?[31mred\n"),
        ("http://x.example/link?token=" + "t" * 2_000, "http://x.example/link?token=" + "t" * 2_000 + "\n"),
        ("", "\n"),
    ],
)
def test_a_text_arrives_line_by_line_in_lines_that_every_server_takes(
    opened: Open, mail_server: MailServer, text: str, arrives: str
) -> None:
    opened(mail_server.url).send(Mail("ann@test.example", "Text", text))
    assert text_of(mail_server.wait_for("ann@test.example")) == arrives
    raw = mail_server.received[0].raw
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@settings(max_examples=200, deadline=None)
@given(subject=st.text(max_size=120), text=st.text(max_size=200))
def test_no_words_make_a_header_of_their_own(subject: str, text: str) -> None:
    delivery = Kept()
    mailer = mailer_over(delivery)
    mailer.send(Mail("ann@test.example", subject, text))
    mailer.close(WAIT_S)
    raw = delivery.messages[0].as_bytes()
    names = {line.split(b":")[0] for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in (b" ", b"\t")}
    assert names <= {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted"),
        *(b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"),
    }


@pytest.mark.parametrize(
    "to",
    [
        *("", "ann", "ann@", "ann@test.example, eve@test.example", "<ann@test.example>", "Ann <ann@test.example>"),
        *("ann@test.example\r\nBcc: eve@test.example", "ann@test.example\nRCPT TO:<eve@test.example>"),
        *("ann@test.example\x00", 'ann"@test.example', "ann@test..example", f"{'a' * 400}@test.example"),
    ],
)
def test_what_is_no_address_gets_no_mail_and_is_not_logged(
    opened: Open, mail_server: MailServer, caplog: pytest.LogCaptureFixture, to: str
) -> None:
    mailer = opened(mail_server.url)
    mailer.send(Mail(to, "Hello", "Hello."))
    mailer.send(TO_BOB)
    mail_server.wait_for("bob@test.example")
    assert mail_server.attempts == 1
    (line,) = said(caplog)
    assert line.startswith("A mail was not made: Email")
    assert "eve" not in line


@pytest.mark.parametrize(
    ("to", "arrives_at"),
    [
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@faß.example", "ann@xn--fa-hia.example"),  # not fass.example, which is somebody else
        ("用户@例子.example", "用户@例子.example"),
        ("Ann.O'Neil+assay@Test.Example", "Ann.O'Neil+assay@test.example"),
    ],
)
def test_addresses_in_other_scripts_are_reached(
    opened: Open, mail_server: MailServer, to: str, arrives_at: str
) -> None:
    opened(mail_server.url).send(Mail(to, "Hello", "Hello."))
    mail_server.wait_for(arrives_at)


def test_without_smtp_url_a_developer_reads_the_mail_in_the_log(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    mailer = opened()
    assert not mailer.is_configured
    mailer.send(replace(HELLO, text=f"Grüße. {HELLO.text}"))
    mailer.close(WAIT_S)
    assert said(caplog) == [
        "Mail is not configured (SMTP_URL); in development it is shown here: To: ann@test.example. "
        f"Subject: Confirm your address.\nGrüße. {HELLO.text}"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("environ", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "https://assay.firm.example"}])
def test_without_smtp_url_elsewhere_mails_are_dropped_and_the_variable_is_named_once(
    opened: Open, caplog: pytest.LogCaptureFixture, environ: dict[str, str]
) -> None:
    mailer = opened(environ=environ)
    mailer.send(HELLO)
    mailer.send(HELLO)
    mailer.close(WAIT_S)
    (line,) = said(caplog)
    assert "set SMTP_URL" in line
    assert not any(secret in line for secret in SECRETS)


@pytest.mark.parametrize(
    ("environ", "sender"),
    [
        ({}, "Assay <assay@localhost>"),
        ({"PUBLIC_URL": "https://assay.firm.example/"}, "Assay <assay@assay.firm.example>"),
        ({"PUBLIC_URL": "http://192.0.2.7:8501"}, "Assay <assay@[192.0.2.7]>"),
        ({"MAIL_FROM": "desk@firm.example"}, "desk@firm.example"),
        ({"MAIL_FROM": "Firm, Inc. <desk@firm.example>"}, '"Firm, Inc." <desk@firm.example>'),
        ({"MAIL_FROM": '"Bücher" <desk@bücher.example>'}, "Bücher <desk@xn--bcher-kva.example>"),
    ],
)
def test_the_sender_is_the_one_set_or_the_host_that_users_see(
    mail_server: MailServer, environ: dict[str, str], sender: str
) -> None:
    mailer = mailer_of(load_settings({"SMTP_URL": mail_server.url, **environ}))
    assert mailer.is_configured
    mailer.send(HELLO)
    assert mail_server.wait_for("ann@test.example")["From"] == sender
    mailer.close(WAIT_S)


@pytest.mark.parametrize("given_sender", ["hidden", "hidden@", "a@b.example\r\nBcc: hidden@b.example", "<a@hidden..x>"])
def test_a_sender_that_is_no_address_is_refused_at_start(given_sender: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MAIL_FROM: is no address") as raised:
        mailer_of(load_settings({"MAIL_FROM": given_sender}))
    assert "hidden" not in raised.value.detail


def test_a_host_that_makes_no_address_asks_for_a_sender_once_mails_are_sent() -> None:
    assert not mailer_of(load_settings({"HOST": "a_container"})).is_configured
    with pytest.raises(ConfigurationError, match=r"^MAIL_FROM: is not set"):
        mailer_of(load_settings({"HOST": "a_container", "SMTP_URL": "smtp://mail.firm.example"}))


def test_a_malformed_smtp_url_is_refused_at_start() -> None:
    with pytest.raises(ConfigurationError, match=r"^SMTP_URL: "):
        mailer_of(load_settings({"SMTP_URL": "mail.firm.example"}))
