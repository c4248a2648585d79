"""Requests of strangers, counted by address in the one place that all processes share."""

from __future__ import annotations

import hashlib
import itertools

from core.db import addresses_dao as dao
from core.db.engine import Database

TRIM_EVERY = 500
"""Requests of one process between two looks for addresses that have been quiet."""
TRIM_MOST = 2_000


class Addresses:
    """The counters of addresses; which limit holds is the caller's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._takes = itertools.count(1)

    def take(self, address: str, limit: int) -> int | None:
        """Counts one request of an address; where `limit` in 60 seconds are reached, counts nothing, and gives the
        seconds after which one more fits.

        Raises:
            DatabaseUnavailable: nothing is known.
        """
        digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).digest()
        with self._database.heart() as driver:
            wait_s = dao.take(driver, digest, limit)
            if next(self._takes) % TRIM_EVERY == 0:
                dao.trim(driver, TRIM_MOST)
        return wait_s
