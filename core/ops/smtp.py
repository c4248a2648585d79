"""The mail server that SMTP_URL names, and how one message is handed to it."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import SplitResult, unquote, urlsplit

from core.errors import ConfigurationError
from core.settings import LOOPBACK, Settings

TIMEOUT_S = 10.0
"""Longest wait for a connection, and for each answer of the server but the last."""
TOTAL_S = 60.0
"""Longest time of handing one message over in all, however slowly the server speaks; so long it may take to say that it
has taken a message. One that takes it and says so later gets it again, under the same Message-ID."""
POLICY = SMTP.clone(cte_type="7bit")
"""How a message is written: a server on the way need not take 8 bits."""
CUT_AGAIN_S = 1.0
_READY = 220
_PORTS = {"smtp": 587, "smtps": 465}
_RULE = "SMTP_URL: is not of the form smtp://user:password@host:587 or smtps://user:password@host:465"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class NoPlainTextSignIn(smtplib.SMTPException):
    """The server asks for a password over a connection that anybody on the way can read."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in."""

    host: str
    port: int
    is_tls_first: bool
    """TLS from the first byte; otherwise STARTTLS where the server offers it."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether nothing sent to it leaves this machine."""
        return self.host in LOOPBACK


def mail_server_of(settings: Settings) -> MailServer | None:
    """The mail server of SMTP_URL; None where it is not set.

    Raises:
        ConfigurationError: SMTP_URL has another form; the sentence does not repeat its value.
    """
    if settings.smtp_url is None:
        return None
    url = settings.smtp_url.get_secret_value().strip()
    try:
        return _parsed(url)
    except ValueError as error:  # its words may repeat a part of the password
        reason = error.args[0] if isinstance(error, _Mistake) else "its parts cannot be read"
        raise ConfigurationError(f"{_RULE}: {reason}.") from None


class SmtpDelivery:
    """Hands messages to a mail server, each over a connection of its own."""

    def __init__(
        self,
        server: MailServer,
        *,
        helo: str,
        timeout_s: float = TIMEOUT_S,
        total_s: float = TOTAL_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._helo = helo
        self._timeout_s = timeout_s
        self._total_s = total_s
        self._tls = tls or ssl.create_default_context()

    def __call__(self, message: EmailMessage) -> None:
        """Hands one message over.

        Raises:
            OSError: the server cannot be reached, or refuses (`smtplib.SMTPException` is one too).
        """
        with closing(self._unconnected()) as connection, _cut_off(connection, self._total_s):
            self._connect(connection)
            if self._server.user is not None and self._server.password is not None:
                connection.login(self._server.user, self._server.password)
            _hand_over(connection, message, within_s=self._total_s)
            with suppress(OSError):  # it is delivered by now: a farewell that fails must not send it again
                connection.quit()

    def _unconnected(self) -> smtplib.SMTP:
        if self._server.is_tls_first:
            return smtplib.SMTP_SSL(local_hostname=self._helo, timeout=self._timeout_s, context=self._tls)
        return smtplib.SMTP(local_hostname=self._helo, timeout=self._timeout_s)

    def _connect(self, connection: smtplib.SMTP) -> None:
        server = self._server
        connection._host = server.host  # type: ignore[attr-defined]  # the name that TLS is asked for
        code, said = connection.connect(server.host, server.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)
        if server.is_tls_first:
            return
        connection.ehlo_or_helo_if_needed()
        if connection.has_extn("starttls"):
            connection.starttls(context=self._tls)
        elif server.user is not None and not server.is_on_this_machine:
            raise NoPlainTextSignIn


@contextmanager
def _cut_off(connection: smtplib.SMTP, total_s: float) -> Iterator[None]:
    """Ends the connection after so long: a server that sends a byte now and then would keep every wait short."""
    is_done = threading.Event()

    def cut() -> None:
        wait_s = total_s
        while not is_done.wait(wait_s):
            wait_s = CUT_AGAIN_S
            line = connection.sock
            if line is not None:  # there is none yet while it is connected, and another while TLS begins
                with suppress(OSError):
                    socket.socket.shutdown(line, socket.SHUT_RDWR)

    watch = threading.Thread(target=cut, name="assay-mail-cut", daemon=True)
    watch.start()
    try:
        yield
    finally:
        is_done.set()
        watch.join()


def is_worth_another_try(error: OSError) -> bool:
    """Whether the same message may be accepted later: 4xx, no connection, or one that was cut; never 5xx."""
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return True
    if isinstance(error, smtplib.SMTPException):
        code = reply_code(error)
        return code is not None and 400 <= code < 500
    return not isinstance(error, ssl.SSLCertVerificationError)


def reply_code(error: OSError) -> int | None:
    """The server's answer as a number, where it gave one."""
    if isinstance(error, smtplib.SMTPResponseException):
        return int(error.smtp_code)
    if isinstance(error, smtplib.SMTPRecipientsRefused):  # one recipient a message
        return next((int(code) for code, _words in error.recipients.values()), None)
    return None


def _hand_over(connection: smtplib.SMTP, message: EmailMessage, *, within_s: float) -> None:
    """As `send_message` of the library does, which however writes a line that begins with "From " as ">From ".

    `within_s` is the longest wait for the server's word that it has taken the message: whoever stops listening before
    has to send it again.
    """
    sender, to = (message[name].addresses[0].addr_spec for name in ("From", "To"))
    is_ascii = (sender + to).isascii()
    options = () if is_ascii else ("SMTPUTF8", "BODY=8BITMIME")
    line = connection.sock
    assert line is not None  # it is connected
    line.settimeout(within_s)
    connection.sendmail(sender, [to], message.as_bytes(policy=POLICY.clone(utf8=not is_ascii)), options)


class _Mistake(ValueError):
    """A mistake in words that repeat nothing of the address."""


def _parsed(url: str) -> MailServer:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _Mistake("a space or a control character is in it")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise _Mistake("the scheme is another")
    if parts.path not in ("", "/") or parts.query or parts.fragment or url.endswith(("?", "#")):
        raise _Mistake("something follows the host; in a password, / ? # and % are written %2F %3F %23 and %25")
    if not parts.hostname:
        raise _Mistake("the host is missing")
    parts.hostname.encode("idna")
    if parts.port == 0:
        raise _Mistake("the port is 0")
    user, password = _login(parts)
    port = parts.port or _PORTS[parts.scheme]
    return MailServer(parts.hostname, port, parts.scheme == "smtps", user, password)


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None:
        return None, None
    if not parts.username or not parts.password:
        raise _Mistake("a user goes with a password")
    if _BAD_ESCAPE.search(parts.username + parts.password):
        raise _Mistake("a % in the user or password is written %25")
    user, password = (unquote(part, errors="strict") for part in (parts.username, parts.password))
    if not (user + password).isascii() or not (user + password).isprintable():
        raise _Mistake("user and password have printable ASCII characters only")
    return user, password
