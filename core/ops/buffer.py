"""A buffer of rows that a thread writes behind: for what may be lost in a crash, never for money."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from core.errors import DatabaseUnavailable

FLUSH_EVERY_S = 0.5
MAX_WAITING = 10_000
MAX_BATCH = 1_000

_log = logging.getLogger(__name__)


class Noted(Protocol):
    """Something with an id of its own."""

    @property
    def id(self) -> UUID:
        """By which it is known to be written."""
        ...


T = TypeVar("T", bound=Noted)


class Buffer(Generic[T]):
    """A bounded buffer with a thread that writes it; the oldest are given up first, and counted."""

    def __init__(self, write: Callable[[Sequence[T]], None], *, name: str) -> None:
        """`write` takes a batch and commits it, or raises DatabaseUnavailable; `name` says what is in it."""
        self._write = write
        self._name = name
        self._rows: deque[T] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """What was given up because the buffer was full."""

    def add(self, row: T) -> None:
        """Notes it; it is written within a second."""
        with self._changed:
            if len(self._rows) >= MAX_WAITING:
                self._rows.popleft()
                self.dropped += 1
            self._rows.append(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"assay-{self._name}", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Writes what waits. It leaves the buffer once it is committed; where the database is away it stays."""
        with self._writing:
            while True:
                with self._changed:
                    batch = [self._rows[index] for index in range(min(MAX_BATCH, len(self._rows)))]
                if not batch:
                    return
                try:
                    self._write(batch)
                except DatabaseUnavailable:
                    _log.warning("%d of %s wait for the database.", len(batch), self._name)
                    return
                written = {row.id for row in batch}
                with self._changed:
                    while self._rows and self._rows[0].id in written:
                        self._rows.popleft()

    def close(self) -> None:
        """Writes what waits and stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.flush()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closed, timeout=FLUSH_EVERY_S):
                    return
            self.flush()
