"""Webhooks: signed messages to addresses that users name, which never reach an inside network.

The name is looked up at each delivery; every address that it has must be public, and the connection goes to an address
that was checked, without a second look-up. There are no redirects and no proxies, and every wait and size is bounded.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from math import isfinite
from urllib.parse import SplitResult, urlsplit

from core.clock import Clock
from core.errors import InvalidRequest
from core.ops.public_addresses import Address, Resolver, is_public, leads_outside
from core.settings import VERSION

CONNECT_WITHIN_S = 3.0
"""Longest wait for the resolver, and for a connection."""
TOTAL_S = 10.0
"""Longest time of one delivery in all."""
MAX_ADDRESSES = 3
"""Addresses of a name that are tried in turn; all of them are checked."""
MAX_ANSWER_BYTES = 64 * 1024
"""Most that is read of an answer: its head; what follows is left."""
MAX_URL_CHARS = 2_000
HTTPS_PORT, FIRST_FREE_PORT = 443, 1024
"""Ports that may be named: that of https, and those that no service of old has."""
SIGNATURE = "X-Assay-Signature"
DELIVERY = "X-Assay-Delivery"

ASKS_TO_WAIT = (429, 503)
"""Statuses that may come with `Retry-After`."""
MAX_RETRY_AFTER_S = 24 * 3600.0
"""Longest wait that a receiver can ask for."""

_UNKNOWN = (socket.EAI_NONAME, socket.EAI_NODATA)
_NOT_NOW = "This workbench cannot look its own name up now, and sends nothing without."
_NOT_PUBLIC = "The address does not lead to the public internet."
_NO_ADDRESS = "That is not an address such as https://example.com/hook."

Resolve = Callable[[str, float], Sequence[Address]]
"""Gives the addresses of a name within so many seconds, or raises an OSError."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered to one address."""

    url: str
    secret: str | None = field(repr=False)
    """What it is signed with; None: its receiver checks no signature."""
    delivery_id: str
    """The same at each attempt, so that a receiver can drop what it has."""
    body: bytes
    """JSON."""


@cache
def _whom_the_machine_trusts() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads the machine's certificates: once a process


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended."""

    is_delivered: bool
    said: str = ""
    """What went wrong, for who named the address; nothing of the inside."""
    retry_after_s: float | None = None
    """So long the receiver asked to be left alone; at most `MAX_RETRY_AFTER_S`."""


class Webhooks:
    """Delivers messages over HTTPS, one attempt at a time."""

    def __init__(
        self,
        clock: Clock,
        *,
        own_host: str | None = None,
        resolve: Resolve | None = None,
        is_allowed: Callable[[Address], bool] = leads_outside,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        """`own_host` is the installation's name; `tls` says whom to trust, None whom the machine trusts."""
        self._clock = clock
        self._own_host = own_host
        self._resolver = Resolver()
        self._resolve: Resolve = resolve or self._resolver
        self._is_allowed = is_allowed
        self._tls = tls or _whom_the_machine_trusts()
        self._total_s = total_s

    def deliver(self, message: Message) -> Outcome:
        """One attempt: whether a receiver at a public address took the message with a status of 2xx."""
        deadline = self._clock.monotonic() + self._total_s
        try:
            place = _place(message.url)
            answer = self._posted(message, place, self._checked_addresses(place.host), deadline)
        except InvalidRequest as error:
            return Outcome(is_delivered=False, said=error.detail)
        except Exception as error:  # noqa: BLE001 (the outermost edge: whatever a stranger's server does is an outcome)
            return Outcome(is_delivered=False, said=_told(error))
        if 200 <= answer.status < 300:
            return Outcome(is_delivered=True)
        if 300 <= answer.status < 400:
            said = f"The receiver answers {answer.status}: redirects are not followed."
            return Outcome(is_delivered=False, said=said)
        asked = answer.getheader("Retry-After") if answer.status in ASKS_TO_WAIT else None
        wait_s = None if asked is None else _wait_s(asked, self._clock.now())
        return Outcome(is_delivered=False, said=f"The receiver answers {answer.status}.", retry_after_s=wait_s)

    def check(self, given: str) -> str:
        """The address of a webhook as it is kept, once it is known to lead to the public internet now.

        Raises:
            InvalidRequest: as `checked_url`; or its name is not known, or leads inside.
        """
        url = checked_url(given)
        self._checked_addresses(_place(url).host)
        return url

    def close(self) -> None:
        """Looks no more names up."""
        self._resolver.close()

    def _checked_addresses(self, host: str) -> Sequence[Address]:
        try:
            found = [ip_address(host)] if _is_literal(host) else list(self._resolve(host, CONNECT_WITHIN_S))
        except OSError:
            raise InvalidRequest("The address's name is not known.") from None
        own = self._own_addresses()
        if not found or any(each in own or not self._is_allowed(each) for each in found):
            raise InvalidRequest(_NOT_PUBLIC)
        return found[:MAX_ADDRESSES]

    def _own_addresses(self) -> frozenset[Address]:
        if self._own_host is None:
            return frozenset()
        try:
            return frozenset(self._resolve(self._own_host, CONNECT_WITHIN_S))
        except TimeoutError as error:
            raise InvalidRequest(_NOT_NOW) from error
        except socket.gaierror as error:
            if error.errno in _UNKNOWN:  # what is not known leads nowhere
                return frozenset()
            raise InvalidRequest(_NOT_NOW) from error
        except OSError:  # a name that nothing can have
            return frozenset()

    def _posted(
        self, message: Message, place: _Place, addresses: Sequence[Address], deadline: float
    ) -> http.client.HTTPResponse:
        """The answer of which the head is read, of the first of the addresses answers that takes a connection."""
        with closing(self._line(place, addresses, deadline)) as line:
            line.secure(self._tls, place.host)
            return _exchange(line, place, self._headers(message), message.body)

    def _line(self, place: _Place, addresses: Sequence[Address], deadline: float) -> _Line:
        *others, last = addresses
        for address in others:
            with suppress(OSError):
                return _Line(self._clock, address, place.port, deadline)
        return _Line(self._clock, last, place.port, deadline)

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Assay/{VERSION}",
            DELIVERY: message.delivery_id,
        }
        if message.secret is None:
            return headers
        moment = int(self._clock.now().timestamp())
        return {**headers, SIGNATURE: f"t={moment},v1={signature(message.secret, moment, message.body)}"}


def signature(secret: str, moment: int, body: bytes) -> str:
    """HMAC-SHA256 of the moment in seconds, a full stop and the body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def checked_url(given: str) -> str:
    """The address of a webhook as it is kept.

    Raises:
        InvalidRequest: it is not https, has a user name, a port or characters that it cannot have, is too long, or
            says with its digits that it is not public. Where a name leads is checked at each delivery.
    """
    url = given.strip()
    place = _place(url)
    if _is_literal(place.host) and not is_public(ip_address(place.host)):
        raise InvalidRequest(_NOT_PUBLIC)
    return url


@dataclass(frozen=True, slots=True)
class _Place:
    """The parts of an address."""

    host: str
    """In ASCII; an IPv6 address without brackets."""
    port: int
    target: str


def _place(url: str) -> _Place:
    if len(url) > MAX_URL_CHARS:
        raise InvalidRequest(f"The address takes at most {MAX_URL_CHARS:,} characters.")
    if not url.isprintable() or "\\" in url or " " in url:  # the parser below passes over some of them
        raise InvalidRequest(_NO_ADDRESS)
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port or HTTPS_PORT
    except (UnicodeError, ValueError):
        raise InvalidRequest(_NO_ADDRESS) from None
    if parts.scheme != "https":
        raise InvalidRequest("The address begins with https://.")
    if "@" in parts.netloc:
        raise InvalidRequest("The address has no user name or password in it; messages are signed instead.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not host or parts.fragment or not (host + target).isascii():
        raise InvalidRequest(_NO_ADDRESS)
    if port != HTTPS_PORT and port < FIRST_FREE_PORT:
        raise InvalidRequest(f"The port is {HTTPS_PORT}, or {FIRST_FREE_PORT} and above.")
    return _Place(host, port, target)


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").encode("idna").decode("ascii")


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class _Line:
    """A connection to one address, on which nothing takes longer than until its deadline."""

    def __init__(self, clock: Clock, address: Address, port: int, deadline: float) -> None:
        self._clock = clock
        self._deadline = deadline
        self._unread = MAX_ANSWER_BYTES
        self._socket = socket.create_connection((str(address), port), min(CONNECT_WITHIN_S, self._left_s()))

    def secure(self, tls: ssl.SSLContext, host: str) -> None:
        """Speaks TLS from here on, with a receiver whose certificate is of this name."""
        self._socket.settimeout(self._left_s())
        self._socket = tls.wrap_socket(self._socket, server_hostname=host)

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def read_into(self, buffer: memoryview) -> int:
        """Reads what is there, up to the bound of an answer; 0 at its end."""
        if self._unread <= 0:
            raise http.client.HTTPException("too large")
        self._socket.settimeout(self._left_s())
        read = self._socket.recv_into(buffer[: self._unread])
        self._unread -= read
        return read

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The answer, as `http.client` reads it."""
        return io.BufferedReader(_Answer(self))

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _left_s(self) -> float:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Answer(io.RawIOBase):
    """The bytes of an answer."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer in the stubs; it is this one
        """Reads some of it."""
        return self._line.read_into(memoryview(buffer))


def _exchange(line: _Line, place: _Place, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
    """Sends the message; the answer, of which nothing but the head is read."""
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.default_port = HTTPS_PORT  # so that `Host` names the port where it is another one
    connection.auto_open = 0
    connection.sock = line
    connection.request("POST", place.target, body, headers)
    return connection.getresponse()


def _wait_s(asked: str, now: datetime) -> float | None:
    """What `Retry-After` says: seconds, also in parts as Discord has them, or a date; None where it is neither."""
    with suppress(ValueError):
        seconds = float(asked)
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if isfinite(seconds) else None
    with suppress(ValueError, TypeError):  # the parser gives either for what is no date, a naive one for "-0000"
        seconds = (parsedate_to_datetime(asked) - now).total_seconds()
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
    return None


_TOLD: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "The receiver's certificate is not valid for this address."),
    (TimeoutError, "The receiver takes too long."),
    (ssl.SSLError, "The receiver does not speak TLS as it should."),
    (OSError, "The receiver cannot be reached."),
)


def _told(error: Exception) -> str:
    return next((said for kind, said in _TOLD if isinstance(error, kind)), "The receiver's answer cannot be read.")
