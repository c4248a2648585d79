"""Computes in processes of its own: pages stay quick beside it, and each core of the machine serves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from loky.process_executor import ProcessPoolExecutor

_P = ParamSpec("_P")
_T = TypeVar("_T")

IDLE_S = 120
"""A process that had nothing to do for so long ends; so it also does when this one was killed."""


class Processes:
    """Some processes that are started when needed, know nothing of the database, and do not outlive this one for long.

    They are started afresh, without what the program's main module imports: a fork of a process with threads may hold
    locks that nobody gives back.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._is_closed = False

    @property
    def count(self) -> int:
        """How many there are at most."""
        return self._count

    def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a function of a module gives, computed in one of the processes; it and all it takes can be pickled.

        Raises:
            BrokenProcessPool: the process was ended from outside; the next call starts others.
            RuntimeError: they were closed.
            Whatever the function raises.
        """
        pool = self._opened()
        try:
            future: Future[_T] = pool.submit(function, *args, **kwargs)
            return future.result()
        except BrokenProcessPool:
            self._forget(pool)
            raise

    def close(self) -> None:
        """Ends the processes, and with them what they compute."""
        with self._lock:
            pool, self._pool, self._is_closed = self._pool, None, True
        if pool is not None:
            pool.shutdown(kill_workers=True)

    def _opened(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the processes were closed")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self._count, timeout=IDLE_S, initializer=_begin)
            return self._pool

    def _forget(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        pool.shutdown(wait=False)


def _begin() -> None:
    """In a new process: a stop key of the terminal is the parent's to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
