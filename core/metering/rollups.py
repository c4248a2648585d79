"""Keeps the rollups of the usage log: every hour that ended more than a minute ago equals the log exactly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from core.db import rolling_dao as dao
from core.db.engine import Database
from core.db.rollups_dao import DAY, HOUR, floored

GRACE = timedelta(minutes=1)
"""An hour is rolled up once it has ended for so long: the buffers of free rows are empty by then."""
MAX_STEPS = 800
"""Days at most that one call makes; what is left is for the next."""
LOOKS, LOOK_EVERY_S = 40, 0.05
"""How often, and how long apart, it is looked whether a transaction that has written to the log has ended."""

_log = logging.getLogger(__name__)


class Rollups:
    """Rolls up the log, an hour and its day in a transaction of their own; any number of processes may try at once."""

    def __init__(self, database: Database, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._database = database
        self._pause = pause

    def bring_up_to_date(self, *, most: int = MAX_STEPS) -> int:
        """Rolls up what has ended, and anew what got rows since; gives how many steps it took, at most `most`.

        A step that is killed leaves nothing; where another process is at work this one stops. No day is done again
        twice in a call, so that it ends however many rows come in late.
        """
        closed, again_from = self._closed(), dao.EPOCH
        for number in range(most):
            with self._database.service() as transaction:
                made = dao.step(transaction, closed, again_from=again_from)
            if made is None:
                return number
            if made.is_again:
                again_from = made.day + DAY
        return most

    def make_partitions(self) -> int | None:
        """Makes the partitions of the months to come; None where the log was in use: it is tried again later."""
        with self._database.service() as transaction:
            return dao.make_partitions(transaction)

    def _closed(self) -> datetime | None:
        """The end of the last hour that may be rolled up; None where that is not known.

        A row is written in the hour of its time, by a transaction that is then seen to be open, or later, which the
        log's trigger notes. Once those that were open have ended, no row of an hour that is over appears unnoticed.
        """
        with self._database.service() as transaction:
            now, open_ones = dao.writers(transaction)
        for _ in range(LOOKS):
            if not open_ones:
                return floored(now - GRACE, HOUR)
            self._pause(LOOK_EVERY_S)
            with self._database.service() as transaction:
                open_ones &= dao.writers(transaction)[1]
        _log.warning(
            "A transaction has been writing to the usage log for long: its hour is rolled up when it has ended."
        )
        return None
