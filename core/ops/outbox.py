"""Outboxes: messages that are recorded before they are sent, tried again for a while, then given up.

A message is claimed before it is sent, for a short time: one whose sender died is claimed again. It arrives at least
once, under the same id at each attempt, by which a receiver can drop what it has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from core.errors import place_of
from core.ops.webhooks import Outcome

RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""Waits between the attempts of one message; after the last it has failed."""
LEASE = timedelta(minutes=2)
"""So long a claimed message is nobody else's; longer than any attempt takes, by mail (`smtp.TOTAL_S`) or webhook."""
KEPT = timedelta(days=90)
AT_ONCE = 8
"""Messages that are on their way at one time: a slow receiver holds up seven others at most."""
MAX_ROUNDS = 100
"""Of `AT_ONCE` messages each, before others of the queue have their turn."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def deliver_due(claim: Callable[[int], Sequence[_T]], attempt: Callable[[_T], object], *, threads: str) -> int:
    """Makes an attempt at everything that is due; how many there were. `claim` takes at most so many."""
    made = 0
    with ThreadPoolExecutor(AT_ONCE, threads) as pool:
        for _ in range(MAX_ROUNDS):
            due = claim(AT_ONCE)
            made += len(list(pool.map(attempt, due)))
            if len(due) < AT_ONCE:
                break
    return made


def outcome_of(send: Callable[[], Outcome]) -> Outcome:
    """What came of an attempt, whatever goes wrong in it."""
    try:
        return send()
    except Exception as error:  # noqa: BLE001 (the outermost edge of a job)
        _log.error("A message was not delivered: %s.", place_of(error))
        return Outcome(is_delivered=False, said="Something went wrong on our side.")


def next_wait(attempts: int, outcome: Outcome) -> timedelta | None:
    """How long a message waits after so many attempts that failed, and as its receiver asked; None: it is given up."""
    if attempts > len(RETRIES):
        return None
    return max(RETRIES[attempts - 1], timedelta(seconds=outcome.retry_after_s or 0))
