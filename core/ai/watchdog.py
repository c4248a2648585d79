"""Time limits of calls in flight: one thread that aborts whatever is past its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

IDLE_WAIT_S = 3600.0


class Alarm:
    """One call's deadline; moving it later costs an assignment."""

    def __init__(self, watchdog: Watchdog, on_ring: Callable[[], None]) -> None:
        self._watchdog = watchdog
        self.on_ring = on_ring
        self.deadline = float("inf")

    def set(self, deadline: float) -> None:
        """Rings at `deadline`, a second of `time.monotonic()`, unless it is moved again."""
        is_sooner = deadline < self.deadline
        self.deadline = deadline
        if is_sooner:
            self._watchdog.notice(self)

    def cancel(self) -> None:
        """Rings no more."""
        self._watchdog.forget(self)


class Watchdog:
    """Rings alarms at their deadlines, in a thread of its own, each once."""

    def __init__(self) -> None:
        self._alarms: set[Alarm] = set()
        self._wakes_at = float("inf")
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def alarm(self, on_ring: Callable[[], None]) -> Alarm:
        """A new alarm that is not set yet. `on_ring` must not block."""
        return Alarm(self, on_ring)

    def notice(self, alarm: Alarm) -> None:
        """Takes note of an alarm that rings sooner than before."""
        with self._changed:
            self._alarms.add(alarm)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="assay-watchdog", daemon=True)
                self._thread.start()
            if alarm.deadline < self._wakes_at:
                self._changed.notify()

    def forget(self, alarm: Alarm) -> None:
        """Drops an alarm."""
        with self._changed:
            self._alarms.discard(alarm)

    def close(self) -> None:
        """Stops the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    return
                now = time.monotonic()
                due = [alarm for alarm in self._alarms if alarm.deadline <= now]
                self._alarms.difference_update(due)
                if not due:
                    self._wakes_at = min((alarm.deadline for alarm in self._alarms), default=now + IDLE_WAIT_S)
                    self._changed.wait(self._wakes_at - now)
                    self._wakes_at = float("inf")
            for alarm in due:
                alarm.on_ring()
