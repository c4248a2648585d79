"""Has files read in processes of their own, a few at a time, each within limits and ended when it is late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from uuid import UUID

from core.errors import InvalidRequest, PayloadTooLarge, ProviderUnavailable
from core.research.attachments.found import MAX_ANSWER_BYTES, Found, Refusal, taken
from core.research.attachments.limits import AT_ONCE, MAX_OF_QUESTION, MAX_WAITING, WAIT_S, WALL_S
from core.settings import ROOT

TOO_LONG = "This file takes too long to be read. Divide it, and attach the parts."
UNREADABLE = "This file cannot be read: it is broken, or made to break its reader."
BUSY = "Many files are being read at this moment; attach this one again in a little while."
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""All that a reader is told of its surroundings: no secret is in it."""
_KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables without which Python may not start."""


class FileReader:
    """Reads files that may have been made to do harm."""

    def __init__(self, *, at_once: int = AT_ONCE, wait_s: float = WAIT_S, wall_s: float = WALL_S) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._wait_s = wait_s
        self._wall_s = wall_s
        self._lock = threading.Lock()
        self._waiting: Counter[UUID] = Counter()

    def read(self, user_id: UUID, data: bytes, name: str, media_type: str | None = None) -> Found:
        """What a file holds; waits for its turn.

        Raises:
            InvalidRequest: it cannot be read, or not in time.
            PayloadTooLarge: it takes too much once it is opened.
            ProviderUnavailable: its turn did not come.
        """
        with self._turn(user_id):
            found = self._answer(data, name, media_type)
        if isinstance(found, Refusal):
            raise PayloadTooLarge(found.refused) if found.is_too_large else InvalidRequest(found.refused)
        return found

    @contextmanager
    def _turn(self, user_id: UUID) -> Iterator[None]:
        with self._lock:
            if self._waiting[user_id] >= MAX_OF_QUESTION or self._waiting.total() >= MAX_WAITING:
                raise ProviderUnavailable(BUSY, provider="", retry_after_s=2.0)
            self._waiting[user_id] += 1
        try:
            if not self._places.acquire(timeout=self._wait_s):
                raise ProviderUnavailable(BUSY, provider="", retry_after_s=2.0)
            try:
                yield
            finally:
                self._places.release()
        finally:
            with self._lock:
                self._waiting[user_id] -= 1
                if not self._waiting[user_id]:
                    del self._waiting[user_id]

    def _answer(self, data: bytes, name: str, media_type: str | None) -> Found | Refusal:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
            given.write(json.dumps({"name": name, "media_type": media_type}).encode() + b"\n" + data)
            given.seek(0)
            status = self._run(given, answer)
            if status in (-signal.SIGKILL, -signal.SIGXCPU):
                return Refusal(refused=TOO_LONG)
            answer.seek(0)
            found = taken(answer.read(MAX_ANSWER_BYTES + 1)) if status == 0 else None
        return Refusal(refused=UNREADABLE) if found is None else found

    def _run(self, given: IO[bytes], answer: IO[bytes]) -> int:
        """The exit status of a reader; below zero the signal that ended it."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-B", "-E", "-s", "-m", "core.research.attachments.reading"],
            stdin=given,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**_ENVIRONMENT, **kept},
            start_new_session=True,
        )
        try:
            return process.wait(self._wall_s)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
