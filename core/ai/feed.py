"""What comes of a call, for any number of readers, each from its beginning."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.ai.answer import Answer
from core.ai.evidence import Step
from core.ai.providers.contract import Delta
from core.errors import AssayError

Event = Delta | Step | Answer | AssayError
"""Steps and deltas, then one answer or one error."""
Take = Callable[[Event], None]
"""Takes an event; must not block."""


class Feed:
    """The events of one call in their order."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._takers: list[Take] = []
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """Hands an event to every reader."""
        with self._lock:
            self._events.append(event)
            for take in self._takers:
                take(event)

    def attach(self, take: Take) -> None:
        """Hands everything to one more reader, from the first event on."""
        with self._lock:
            for event in self._events:
                take(event)
            self._takers.append(take)
