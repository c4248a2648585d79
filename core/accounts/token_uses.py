"""From where access tokens are used: noted for each token, place and program, at most once a minute.

The address itself is never kept, nor a hash that could be undone by trying all addresses: it is hashed under the token,
which nobody but its holder has.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from core.db import abuse_dao as dao
from core.db.engine import Database
from core.errors import DatabaseUnavailable

EVERY_S = 60.0
MOST_A_MINUTE = 10
"""Places of one token that a process notes within EVERY_S; whoever makes up more costs nobody's time."""
MAX_REMEMBERED = 20_000
"""Places that a process remembers; past that the one noted longest ago may be noted anew."""
MAX_AGENT_CHARS = 80
HASH_BYTES = 16
KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 10_000

_log = logging.getLogger(__name__)

Place = tuple[UUID, bytes, str]
"""A token, the hash of an address, and a program."""


class TokenUses:
    """Notes uses of tokens, best effort: no request fails because its use was not noted."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._noted: OrderedDict[Place, float] = OrderedDict()
        self._recent: dict[UUID, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def note(self, token_id: UUID, token: str, *, address: str, agent: str) -> None:
        """Notes that a token was used, unless the same place and program was noted within a minute."""
        hashed = hmac.digest(token.encode(), address.encode("utf-8", "surrogatepass"), "sha256")[:HASH_BYTES]
        place = (token_id, hashed, program_of(agent))
        if not self._is_due(place):
            return
        try:
            with self._database.service() as connection:
                dao.note_use(connection, *place)
        except DatabaseUnavailable:
            _log.warning("From where a token was used was not noted: the database is away.")

    def _is_due(self, place: Place) -> bool:
        now = self._monotonic()
        with self._lock:
            if now - self._noted.get(place, float("-inf")) < EVERY_S:
                return False
            since, count = self._recent.get(place[0], (now, 0))
            if now - since >= EVERY_S:
                since, count = now, 0
            if count >= MOST_A_MINUTE:
                return False
            self._recent[place[0]] = (since, count + 1)
            if len(self._recent) > MAX_REMEMBERED:
                self._recent.clear()
            self._noted[place] = now
            self._noted.move_to_end(place)
            if len(self._noted) > MAX_REMEMBERED:
                self._noted.popitem(last=False)
            return True


def forget_uses(database: Database) -> None:
    """Forgets uses that are kept no longer; a job's work."""
    forgotten = FORGOTTEN_AT_ONCE
    while forgotten == FORGOTTEN_AT_ONCE:
        with database.service() as connection:
            forgotten = dao.forget_uses(connection, KEPT, most=FORGOTTEN_AT_ONCE)


def program_of(agent: str) -> str:
    """A program as it calls itself, in one line and without what stands in brackets: `python-requests/2.32`."""
    shown = "".join(sign for sign in agent.partition("(")[0] if sign.isprintable())
    return " ".join(shown.split())[:MAX_AGENT_CHARS].strip()
