"""Where hosts are, searched once for all who wait."""

from __future__ import annotations

import socket
import threading
from typing import Any

from core.clock import Clock
from core.market.sources.connection import Deadline, Host, TooSlow, Unreachable

ADDRESS_LIFE_S = 60.0
"""How long an address once found is used."""
_Address = tuple[int, tuple[Any, ...]]
"""A family of addresses, and what it takes to reach one."""


class Addresses:
    """Where hosts are; a search is made once for all who wait for it, in a thread, since it knows no time limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._searches: dict[Host, _Search] = {}

    def of(self, host: Host, deadline: Deadline) -> list[_Address]:
        """The addresses of a host, never none.

        Raises:
            TooSlow: the search takes longer than the request may.
            Unreachable: it has none.
        """
        with self._lock:
            search = self._searches.get(host)
            if search is None or search.is_over_since(self._clock.monotonic() - ADDRESS_LIFE_S):
                search = self._searches[host] = _Search(host, self._clock)
                threading.Thread(target=search.run, name=f"address of {host.name}", daemon=True).start()
        if not search.done.wait(deadline.left_s()):
            raise TooSlow
        if not search.found:
            raise Unreachable
        return search.found


class _Search:
    def __init__(self, host: Host, clock: Clock) -> None:
        self.done = threading.Event()
        self.found: list[_Address] = []
        self._host = host
        self._clock = clock
        self._ended_at = 0.0

    def is_over_since(self, moment: float) -> bool:
        """A search that found nothing serves those who waited for it, and nobody after them."""
        return self.done.is_set() and (not self.found or self._ended_at < moment)

    def run(self) -> None:
        try:
            answers = socket.getaddrinfo(self._host.name, self._host.port, type=socket.SOCK_STREAM)
            self.found = list(dict.fromkeys((family, address) for family, _, _, _, address in answers))
        except (OSError, UnicodeError):
            self.found = []
        finally:
            self._ended_at = self._clock.monotonic()
            self.done.set()
