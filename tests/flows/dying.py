"""A process that kills itself when it comes to a step for the n-th time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

Steps = Mapping[str, tuple[Any, str, bool]]
"""Where it may die: an object, the name of its function, and whether before it or after it."""


def die_at(steps: Steps, step: str, count: int) -> None:
    """Kills this process when it comes to a step for the `count`-th time."""
    place, name, is_after = steps[step]
    function: Callable[..., Any] = getattr(place, name)
    lock, left = threading.Lock(), [count]

    def counted(*args: Any, **kwargs: Any) -> Any:
        with lock:
            left[0] -= 1
            is_last = left[0] == 0
        found = function(*args, **kwargs) if is_after or not is_last else None
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(place, name, counted)
