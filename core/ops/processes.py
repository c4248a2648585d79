"""Computes in processes of its own: pages stay quick beside it, and each core of the machine serves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Processes:
    """Some processes that are started when first needed, know nothing of the database, and end with this one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a function of a module gives, computed in one of the processes; it and all it takes can be pickled.

        Raises:
            BrokenProcessPool: the process was ended from outside; the next call starts others.
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
        """Ends the processes once they have computed what they are at; what waits is not begun."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _opened(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # Started afresh: a fork of a process with threads may hold locks that nobody gives back.
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin)
            return self._pool

    def _forget(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """In a new process: a stop key of the terminal is the parent's to act on, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
