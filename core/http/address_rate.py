"""How many requests strangers of one address may send in a minute: counted in Postgres for all processes together.

Every process counts along. So it goes on alone while the database is away, and an address that was refused is refused
again without asking, until its reset: a flood costs no work of the database.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from anyio import CapacityLimiter, to_thread

from core.errors import DatabaseUnavailable, Denial, MeteringDenied

WINDOW_S = 60
MAX_ADDRESSES = 10_000
"""Addresses that a process remembers; past that the one that was quiet longest is forgotten."""
IPV6_NETWORK = 64
"""A subscriber has so many leading bits of an IPv6 address for himself, and any address below them."""
SHARED_WAIT_S = 0.5
"""Longest wait for the count of all processes; then the process's own has to do."""
AWAY_S = 5.0
"""So long a database that did not answer is not asked again."""
SHARED_THREADS = 2
"""Threads in which it is asked: strangers take no more connections than these from those who pay."""


class SharedCount(Protocol):
    """Counts the requests of an address for all processes."""

    def take(self, address: str, limit: int) -> int | None:
        """Counts one; where it does not fit, counts nothing and says in how many seconds one will.

        Raises:
            DatabaseUnavailable: nothing is known.
        """
        ...


class AddressRate:
    """Requests of each address in the last 60 seconds; for one thread, the event loop's."""

    def __init__(
        self, limit: int, shared: SharedCount | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._shared = shared
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._threads = CapacityLimiter(SHARED_THREADS)
        self._away_until = float("-inf")

    async def take(self, address: str) -> None:
        """Counts one request of an address.

        Raises:
            MeteringDenied: it has had its share; the request is not counted.
        """
        name = _network(address)
        self._check(name)
        wait_s = await self._wait_by_all(name)
        window = self._window(name)
        if wait_s is None:
            window.counts[window.second % WINDOW_S] += 1
            return
        window.refused_until = self._monotonic() + wait_s
        raise MeteringDenied(_denial(self._limit, wait_s))

    def is_refused(self, address: str) -> bool:
        """Whether the address was refused, and is until its reset."""
        window = self._windows.get(_network(address))
        return window is not None and window.refused_until > self._monotonic()

    def _check(self, name: str) -> None:
        """Refuses what this process knows to be too much; by all processes together it is no less."""
        window = self._window(name)
        if sum(window.counts) >= self._limit:
            reset = self._monotonic() + window.seconds_until_below(self._limit)
            window.refused_until = max(window.refused_until, reset)
        wait_s = window.refused_until - self._monotonic()
        if wait_s > 0:
            raise MeteringDenied(_denial(self._limit, wait_s))

    async def _wait_by_all(self, name: str) -> float | None:
        """Seconds to wait by the count of all processes; None where one more fits, or where that is not known."""
        if self._shared is None or self._monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(SHARED_WAIT_S):
                step = partial(self._shared.take, name, self._limit)
                return await to_thread.run_sync(step, abandon_on_cancel=True, limiter=self._threads)
        except (TimeoutError, DatabaseUnavailable):
            self._away_until = self._monotonic() + AWAY_S
            return None

    def _window(self, name: str) -> _Window:
        second = int(self._monotonic())
        window = self._windows.setdefault(name, _Window(second))
        self._windows.move_to_end(name)
        if len(self._windows) > MAX_ADDRESSES:
            self._windows.popitem(last=False)
        window.move_to(second)
        return window


@dataclass(slots=True)
class _Window:
    """How many came in each of the last 60 seconds."""

    second: int
    counts: list[int] = field(default_factory=lambda: [0] * WINDOW_S)
    refused_until: float = float("-inf")
    """Until when the count of all processes refuses the address."""

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


def _denial(limit: int, wait_s: float) -> Denial:
    whole_s = max(1, -int(-wait_s // 1))
    return Denial(
        code="rate_limited",
        metric="rate_per_address",
        limit=Decimal(limit),
        used=Decimal(limit),
        remaining=Decimal(0),
        resets_at=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=whole_s),
        retry_after_s=whole_s,
        reason=f"Too many requests without a valid token from this address ({limit}/minute)",
    )
