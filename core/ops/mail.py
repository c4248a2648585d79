"""Mails that the workbench sends: handed to a thread of their own, so that nobody waits for a mail server."""

from __future__ import annotations

import heapq
import itertools
import logging
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from core.clock import Clock, SystemClock
from core.errors import ConfigurationError, place_of
from core.ids import new_id
from core.ops.smtp import POLICY, SmtpDelivery, is_worth_another_try, mail_server_of, reply_code
from core.settings import LOOPBACK, Settings

MAX_WAITING = 1_000
"""Mails that may wait; the next is given up."""
MAX_SUBJECT_CHARS = 200
PAUSES_S = (1.0, 10.0, 60.0, 300.0, 900.0)
"""Waits between the attempts of one mail, which others do not wait for; greylisting asks for minutes."""
DRAIN_WITHIN_S = 5.0
"""Longest time that closing waits for mails under way."""

_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_NAMED = re.compile(r"([^<>]*?)\s*<([^<>]+)>")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in plain text to one address."""

    to: str
    subject: str
    """One line; a break in it becomes a space."""
    text: str
    id: UUID | None = None
    """Part of its Message-ID, by which a mail that came twice is known; None: a new one at each attempt."""


Work = Callable[[], Mail | None]
"""Finds out whether there is something to send, and gives it."""


class Delivery(Protocol):
    """Where a message goes."""

    def __call__(self, message: EmailMessage) -> None:
        """Hands one message over; an OSError says that it was not taken."""
        ...


class Mailer:
    """A bounded queue and one thread that sends what is in it. No method waits, save `close`."""

    def __init__(
        self,
        delivery: Delivery,
        sender: Address,
        *,
        is_configured: bool,
        clock: Clock,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self.is_configured = is_configured
        """Whether mails reach people: SMTP_URL is set."""
        self._delivery = delivery
        self._sender = sender
        self._clock = clock
        self._pauses_s = pauses_s
        self._numbers = itertools.count()
        self._waiting: list[_Task] = []
        """A heap: first what is due first."""
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def send(self, mail: Mail) -> None:
        """Sends a mail soon."""
        self.later(lambda: mail)

    def later(self, work: Work) -> None:
        """Does the work in the mail thread and sends what it gives, so that neither costs the caller time."""
        if not self._add(_Task(self._clock.monotonic(), next(self._numbers), work)):
            _log.warning("A mail was given up: %d wait already, or the workbench is closing.", MAX_WAITING)

    def hand_over(self, mail: Mail) -> None:
        """Hands a mail over in the caller's thread, once, for those who keep by themselves what is still to be sent.

        Raises:
            OSError: the server was not reached, or did not take it.
        """
        self._delivery(self._message(mail))

    def close(self, within_s: float = DRAIN_WITHIN_S) -> None:
        """Tries once more to send what waits, and stops; what is not sent in time is given up."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return
        thread.join(within_s)
        with self._changed:
            left = len(self._waiting) + thread.is_alive()
            self._waiting.clear()
        if left:
            _log.warning("The workbench ends and gives up %d mails.", left)

    def _add(self, task: _Task) -> bool:
        with self._changed:
            if self._is_closed or len(self._waiting) >= MAX_WAITING:
                return False
            heapq.heappush(self._waiting, task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="assay-mail", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return True

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._do(task)

    def _next(self) -> _Task | None:
        """The next task, once it is due; None where the mailer is closed and nothing waits."""
        with self._changed:
            while True:
                if self._waiting:
                    wait_s = self._waiting[0].due - self._clock.monotonic()
                    if wait_s <= 0 or self._is_closed:
                        return heapq.heappop(self._waiting)
                    self._changed.wait(wait_s)
                elif self._is_closed:
                    return None
                else:
                    self._changed.wait()

    def _do(self, task: _Task) -> None:
        """One attempt. Nothing that goes wrong in it ends the thread, and no log of it tells of the mail."""
        try:
            message = task.message or self._made(task.work)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a job)
            _log.error("A mail was not made: %s.", place_of(error))
            return
        if message is None:
            return
        try:
            self._delivery(message)
        except OSError as error:
            self._try_again(task, message, error)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a job)
            _log.error("A mail was not sent: %s.", place_of(error))

    def _try_again(self, task: _Task, message: EmailMessage, error: OSError) -> None:
        if is_worth_another_try(error) and task.failures < len(self._pauses_s):
            due = self._clock.monotonic() + self._pauses_s[task.failures]
            if self._add(_Task(due, task.number, task.work, message, task.failures + 1)):
                return
        code = reply_code(error)
        said = "" if code is None else f", the server says {code}"
        _log.error("A mail was not sent, attempt %d, by SMTP_URL: %s%s.", task.failures + 1, type(error).__name__, said)

    def _made(self, work: Work) -> EmailMessage | None:
        mail = work()
        return None if mail is None else self._message(mail)

    def _message(self, mail: Mail) -> EmailMessage:
        """The mail as it goes over the wire. Nothing in it can add a header: addresses are checked, breaks removed."""
        message = EmailMessage(POLICY)
        message["From"] = self._sender
        message["To"] = _address(mail.to)
        message["Subject"] = _one_line(mail.subject)
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{mail.id or new_id()}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_lines(mail.text))
        return message


@dataclass(frozen=True, slots=True, order=True)
class _Task:
    due: float
    number: int
    work: Work = field(compare=False)
    message: EmailMessage | None = field(default=None, compare=False)
    """What the work gave, once it is done; it keeps its Message-ID however often it is sent."""
    failures: int = field(default=0, compare=False)


def mailer_of(
    settings: Settings,
    *,
    clock: Clock | None = None,
    pauses_s: tuple[float, ...] = PAUSES_S,
    tls: ssl.SSLContext | None = None,
) -> Mailer:
    """The mailer that the settings ask for; `tls` says whom to trust, None whom the machine trusts.

    Raises:
        ConfigurationError: SMTP_URL or MAIL_FROM of the wrong form; the sentence names the variable, not its value.
    """
    server = mail_server_of(settings)
    sender = _sender(settings)
    delivery: Delivery
    if server is not None:
        delivery = SmtpDelivery(server, helo=sender.domain, tls=tls)
    elif settings.is_development:
        delivery = _show_in_log
    else:
        delivery = _Nowhere()
    return Mailer(delivery, sender, is_configured=server is not None, clock=clock or SystemClock(), pauses_s=pauses_s)


def _show_in_log(message: EmailMessage) -> None:
    _log.warning(
        "Mail is not configured (SMTP_URL); in development it is shown here: To: %s. Subject: %s.\n%s",
        message["To"],
        message["Subject"],
        message.get_content().replace("\r\n", "\n"),
    )


class _Nowhere:
    """Drops every message, and says so once."""

    def __init__(self) -> None:
        self._has_warned = False

    def __call__(self, message: EmailMessage) -> None:
        if not self._has_warned:
            _log.warning("Mail is not configured, and a mail was dropped; set SMTP_URL. This is said once.")
        self._has_warned = True


def _sender(settings: Settings) -> Address:
    """The address of MAIL_FROM, or one at the host that users see."""
    if settings.mail_from is None and settings.smtp_url is None:
        return Address("Assay", "assay", "localhost")  # no server sees it: a host of any form will do
    given = (settings.mail_from or f"Assay <assay@{_domain(settings)}>").strip()
    name, address = found.groups() if (found := _NAMED.fullmatch(given)) else ("", given)
    try:
        checked = validate_email(
            address,
            check_deliverability=False,
            globally_deliverable=False,
            allow_domain_literal=True,
            allow_smtputf8=False,
        )
    except EmailNotValidError:
        reason = "is no address" if settings.mail_from else "is not set, and the host that users see makes no address"
        raise ConfigurationError(f"MAIL_FROM: {reason}; an example is Assay <assay@firm.example>.") from None
    return Address(_one_line(name.strip('"')), checked.local_part, checked.ascii_domain)


def _domain(settings: Settings) -> str:
    """The host that users see, as the domain of an address."""
    host = urlsplit(settings.address).hostname or "localhost"
    if host in LOOPBACK:
        return "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if re.fullmatch(r"[\d.]+", host) else host


def _address(to: str) -> Address:
    """The address, its domain in ASCII, so that only a local part in another script needs a server that knows it."""
    checked = validate_email(to, check_deliverability=False, globally_deliverable=False)
    return Address(
        username=checked.local_part, domain=checked.ascii_domain if checked.local_part.isascii() else checked.domain
    )


def _one_line(text: str) -> str:
    line = _BREAKS.sub(" ", _encodable(text)).replace("=?", "= ?").strip()  # else it is read as an encoded word
    return line if len(line) <= MAX_SUBJECT_CHARS else f"{line[: MAX_SUBJECT_CHARS - 1]}…"


def _lines(text: str) -> str:
    unix = _encodable(text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", unix).strip("\n") + "\n"


def _encodable(text: str) -> str:
    """The text without halves of characters, which no mail can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
