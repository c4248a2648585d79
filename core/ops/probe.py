"""A question to something that may hang: asked by one thread at a time, however many want to know."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.errors import place_of

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen(Generic[_T]):
    """What was answered, and how long that took."""

    value: _T
    took_s: float


class Probe(Generic[_T]):
    """Asks a question in a thread of its own, and hands the answer to all who wait for it."""

    def __init__(self, ask: Callable[[], _T], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._done.set()
        self._started = self._ended = float("-inf")
        self._seen: Seen[_T] | None = None

    def look(self, *, within_s: float, fresh_s: float) -> Seen[_T] | None:
        """What was answered at most `fresh_s` ago; None where that failed, or takes longer than `within_s`."""
        with self._lock:
            now = self._monotonic()
            if self._done.is_set() and now - self._ended >= fresh_s:
                self._done, self._started = threading.Event(), now
                threading.Thread(target=self._look, args=(self._done,), name="assay-probe", daemon=True).start()
            done, wait_s = self._done, max(0.0, self._started + within_s - now)
        return self._seen if done.wait(wait_s) else None

    def _look(self, done: threading.Event) -> None:
        seen = None
        try:
            value = self._ask()
            seen = Seen(value, self._monotonic() - self._started)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a thread)
            _log.warning("A probe had no answer: %s.", place_of(error))
        finally:
            self._seen, self._ended = seen, self._monotonic()
            done.set()
