"""A value that is read again in the background: whoever asks gets the last one, and waits only for the first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from core.errors import DatabaseUnavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Refreshed(Generic[T]):
    """Read at first use, and again by a thread of its own once it is older than `every_s`.

    While the database is away the last value holds.
    """

    def __init__(
        self, read: Callable[[], T], initial: T, *, every_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`initial` holds where not even the first reading succeeds."""
        self._read = read
        self._value = initial
        self._every_s = every_s
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._lock = threading.Lock()
        self._is_reading = False
        self._is_closed = False

    @property
    def value(self) -> T:
        """The value, at most `every_s` old, or one question older."""
        read_at = self._read_at
        if read_at is None:
            with self._lock:
                if self._read_at is None:
                    self._refresh()
        elif self._monotonic() - read_at >= self._every_s:
            self._begin()
        return self._value

    def forget(self) -> None:
        """Has the next who asks wait for a new reading."""
        self._read_at = None

    def close(self) -> None:
        """Begins no further reading."""
        self._is_closed = True

    def _begin(self) -> None:
        with self._lock:
            if self._is_reading or self._is_closed:
                return
            self._is_reading = True
        threading.Thread(target=self._refresh_aside, name="assay-refresh", daemon=True).start()

    def _refresh_aside(self) -> None:
        try:
            self._refresh()
        finally:
            self._is_reading = False

    def _refresh(self) -> None:
        asked_at = self._monotonic()
        try:
            self._value = self._read()
        except DatabaseUnavailable:
            _log.warning("The database cannot be reached; what was read before holds.")
        self._read_at = asked_at
