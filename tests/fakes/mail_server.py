"""A mail server on a socket that keeps what it is given, and refuses on request."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Stage = Literal["mail", "rcpt", "data"]
WAIT_S = 10.0


@dataclass(frozen=True)
class Received:
    """One mail as it came in."""

    sender: str
    to: str
    message: EmailMessage
    raw: bytes
    was_encrypted: bool
    user: str | None
    """Who signed in to send it."""


class MailServer:
    """Takes every mail. `url` is what SMTP_URL is set to.

    `login` makes it ask for that user and password; `tls` makes it offer STARTTLS, or, with `is_tls_first`, speak TLS
    from the first byte.
    """

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        is_tls_first: bool = False,
        host: str = "localhost",
    ) -> None:
        self.received: list[Received] = []
        self.attempts = 0
        """Mails that were begun, also those it refused."""
        self._login = login
        self._host = host
        self._is_tls_first = is_tls_first
        self._taken: set[int] = set()
        self._refusals: list[tuple[int, Stage]] = []
        self._refusal: tuple[int, Stage] | None = None
        self._late_s: list[float] = []
        self._changed = threading.Condition()
        starttls = None if is_tls_first else tls
        self._controller = _Controller(
            self,
            hostname="127.0.0.1" if host == "localhost" else host,
            port=0,
            ssl_context=tls if is_tls_first else None,
            tls_context=starttls,
            server_hostname="localhost",
            auth_require_tls=starttls is not None,
            authenticator=self._authenticate,
        )
        self._controller.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._controller.port_in_use

    @property
    def url(self) -> str:
        """The address for SMTP_URL, with the login where it asks for one."""
        scheme = "smtps" if self._is_tls_first else "smtp"
        login = ":".join(quote(part, safe="") for part in self._login) + "@" if self._login else ""
        return f"{scheme}://{login}{self._host}:{self.port}"

    def refuse(self, code: int, *, times: int | None = None, at: Stage = "rcpt") -> None:
        """Refuses with this code: so many mails, or with None all that follow."""
        with self._changed:
            if times is None:
                self._refusal = (code, at)
            else:
                self._refusals += [(code, at)] * times

    def answer_late(self, seconds: float) -> None:
        """Takes the next mail, and says so after so many seconds."""
        with self._changed:
            self._late_s.append(seconds)

    def wait_for(self, to: str, subject_contains: str | None = None, *, timeout_s: float = WAIT_S) -> EmailMessage:
        """The first mail to this address, with this in its subject, that nobody was given yet; waits for it.

        Each mail is given once, so that a second call waits for a second mail; all stay in `received`.
        """

        def find() -> int | None:
            for number, mail in enumerate(self.received):
                is_meant = mail.to.lower() == to.lower() and (subject_contains or "") in mail.message["Subject"]
                if is_meant and number not in self._taken:
                    return number
            return None

        with self._changed:
            self._changed.wait_for(lambda: find() is not None, timeout=timeout_s)
            number = find()
            if number is None:
                came = [(mail.to, str(mail.message["Subject"])) for mail in self.received]
                raise AssertionError(f"No mail to {to} with {subject_contains!r} in {timeout_s} s; there are {came}.")
            self._taken.add(number)
            return self.received[number].message

    def wait_for_attempts(self, number: int, *, timeout_s: float = WAIT_S) -> bool:
        """Waits until so many mails were begun; False when they were not."""
        with self._changed:
            return self._changed.wait_for(lambda: self.attempts >= number, timeout=timeout_s)

    def close(self) -> None:
        """Ends the server."""
        self._controller.stop()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and self._login == (given.login.decode(), given.password.decode())
        return AuthResult(success=is_right, handled=is_right, auth_data=given.login.decode() if is_right else None)

    def _begin(self) -> tuple[int, Stage] | None:
        """Notes an attempt, and says how it is refused."""
        with self._changed:
            self.attempts += 1
            self._changed.notify_all()
            return self._refusals.pop(0) if self._refusals else self._refusal

    def _keep(self, mail: Received) -> float:
        """Keeps a mail; after how many seconds that is said."""
        with self._changed:
            self.received.append(mail)
            self._changed.notify_all()
            return self._late_s.pop(0) if self._late_s else 0.0


def link_of(message: EmailMessage) -> str:
    """The first link in the text of a mail."""
    found = re.search(r"https?://[^\s<>\"]+", text_of(message))
    assert found is not None, "There is no link in the mail."
    return found.group().rstrip(".,;:!?)")


def text_of(message: EmailMessage) -> str:
    """The text of a mail, as its reader sees it."""
    text = message.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


class _Controller(Controller):
    """Listens at a port that the system chooses; each connection has a handler of its own."""

    def __init__(self, owner: MailServer, **settings: Any) -> None:
        super().__init__(owner, **settings)

    def factory(self) -> SMTP:
        return SMTP(_Handler(self.handler), **self.SMTP_kwargs)

    @property
    def port_in_use(self) -> int:
        assert isinstance(self.server, asyncio.Server)
        return int(self.server.sockets[0].getsockname()[1])

    def _trigger_server(self) -> None:
        self.port = self.port_in_use
        super()._trigger_server()  # type: ignore[no-untyped-call]


class _Handler:
    """The steps of a mail, in the words of aiosmtpd."""

    def __init__(self, owner: MailServer) -> None:
        self._owner = owner
        self._refused: tuple[int, Stage] | None = None

    async def handle_MAIL(  # noqa: N802 (aiosmtpd calls it so)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._owner._login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        self._refused = self._owner._begin()
        envelope.mail_from = address
        return self._answer("mail")

    async def handle_RCPT(  # noqa: N802 (aiosmtpd calls it so)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._answer("rcpt", address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 (aiosmtpd calls it so)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self._answer("data")
        if answer.startswith("250"):
            raw = envelope.original_content or b""
            message = message_from_bytes(raw, policy=default)
            assert isinstance(message, EmailMessage)
            user = session.auth_data if session.authenticated else None
            is_encrypted = session.ssl is not None or self._owner._is_tls_first
            for to in envelope.rcpt_tos:
                mail = Received(envelope.mail_from or "", to, message, raw, is_encrypted, user)
                await asyncio.sleep(self._owner._keep(mail))
        return answer

    def _answer(self, stage: Stage, address: str = "") -> str:
        if self._refused is None or self._refused[1] != stage:
            return "250 OK"
        return f"{self._refused[0]} refused {address}".rstrip()
