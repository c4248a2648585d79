"""What was computed lately, in the process: the same question is answered by one computation, whoever asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class _Answer(Generic[_T]):
    """An answer, or that somebody is about to find it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: tuple[_T] | None = None
    found_at: float = 0.0


class Remembered(Generic[_T]):
    """The last answers; threads that ask the same at once wait for one of them."""

    def __init__(self, most: int, *, life_s: float, now: Callable[[], float] = monotonic) -> None:
        """At most `most` answers are kept, each for `life_s` seconds."""
        self._most = most
        self._life_s = life_s
        self._now = now
        self._answers: OrderedDict[Hashable, _Answer[_T]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, question: Hashable, find: Callable[[], _T]) -> _T:
        """The answer, which is found where it is not known or too old; what `find` raises is kept for nobody."""
        with self._lock:
            answer = self._answers.setdefault(question, _Answer())
            self._answers.move_to_end(question)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        with answer.lock:
            if answer.value is None or self._now() - answer.found_at > self._life_s:
                answer.value, answer.found_at = (find(),), self._now()
            return answer.value[0]
