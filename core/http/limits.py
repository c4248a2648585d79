"""What a request may take of us: size, time and form of its body, and how many a stranger may send."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request
from starlette.types import Message, Receive

from core.errors import Denial, InvalidRequest, MeteringDenied, PayloadTooLarge

BODY_WAIT_S = 20.0
"""Longest wait for a whole body."""
MAX_FIELDS = 100
"""Fields of a body, at its top; more would take long to refuse one by one."""
WINDOW_S = 60
MAX_ADDRESSES = 10_000
"""Addresses that are remembered; past that the one that was quiet longest is forgotten."""
IPV6_NETWORK = 64
"""A subscriber has so many leading bits of an IPv6 address for himself, and any address below them."""


class LateBody(InvalidRequest):
    """The body did not arrive in time."""


async def read_body(request: Request, *, most: int) -> bytes:
    """The whole body, given up as soon as it is too large or too late.

    Raises:
        PayloadTooLarge: it says that it is, or turns out to be, larger than `most` bytes.
        LateBody: it did not arrive in time.
    """
    too_large = PayloadTooLarge(f"The body is larger than {most:,} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WAIT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise LateBody(f"The body did not arrive within {BODY_WAIT_S:g} seconds.") from None
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The way in of a request whose body was read: the body once more, then whatever comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


def check_json_object(content_type: str, body: bytes) -> None:
    """Refuses a body that is not one JSON object of reasonable form.

    Raises:
        InvalidRequest: the sentence says what is wrong with it.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send the body as JSON, with the header Content-Type: application/json.")
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except ValueError:
        raise InvalidRequest("The body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if len(content) > MAX_FIELDS:
        raise InvalidRequest(f"The body has more than {MAX_FIELDS} fields.")


class AddressRate:
    """Requests of each address in the last 60 seconds, in this process; for one thread, the event loop's."""

    def __init__(self, limit: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def take(self, address: str) -> None:
        """Counts one request of an address.

        Raises:
            MeteringDenied: it has had its share; the request is not counted.
        """
        name, second = _network(address), int(self._monotonic())
        window = self._windows.setdefault(name, _Window(second))
        self._windows.move_to_end(name)
        if len(self._windows) > MAX_ADDRESSES:
            self._windows.popitem(last=False)
        window.move_to(second)
        used = sum(window.counts)
        if used >= self._limit:
            raise MeteringDenied(_denial(self._limit, used, window.seconds_until_below(self._limit)))
        window.counts[second % WINDOW_S] += 1


@dataclass(slots=True)
class _Window:
    """How many came in each of the last 60 seconds."""

    second: int
    counts: list[int] = field(default_factory=lambda: [0] * WINDOW_S)

    def move_to(self, second: int) -> None:
        """Forgets the seconds that have left the window."""
        for passed in range(self.second + 1, min(second, self.second + WINDOW_S) + 1):
            self.counts[passed % WINDOW_S] = 0
        self.second = second

    def seconds_until_below(self, limit: int) -> int:
        """How long until so many have left the window that one more fits."""
        left = sum(self.counts)
        for wait_s in range(1, WINDOW_S + 1):
            left -= self.counts[(self.second + wait_s) % WINDOW_S]
            if left < limit:
                return wait_s
        return WINDOW_S


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((parsed, IPV6_NETWORK), strict=False))
    return address


def _denial(limit: int, used: int, wait_s: int) -> Denial:
    return Denial(
        code="rate_limited",
        metric="rate_per_address",
        limit=Decimal(limit),
        used=Decimal(used),
        remaining=Decimal(0),
        resets_at=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=wait_s),
        retry_after_s=wait_s,
        reason=f"Too many requests without a valid token from this address ({limit}/minute)",
    )


def _refuse_constant(_name: str) -> float:
    raise ValueError("NaN and infinity are not JSON")
