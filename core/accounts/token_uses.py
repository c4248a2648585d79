"""From where access tokens are used: noted for each token, place and program, at most once a minute.

The address itself is never kept, nor a hash that could be undone by trying all addresses: it is hashed under the token,
which nobody but its holder has.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from core.db import abuse_dao as dao
from core.db.engine import Database
from core.ids import new_id
from core.ops.buffer import Buffer

EVERY_S = 60.0
MAX_REMEMBERED = 20_000
"""Places that a process remembers; past that the one used longest ago is noted anew."""
MAX_AGENT_CHARS = 80
HASH_BYTES = 16
KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A minute in which a token was used from somewhere."""

    token_id: UUID
    address_hash: bytes
    agent: str
    id: UUID = field(default_factory=new_id)


class TokenUses:
    """Uses of tokens on their way to the table; nobody waits for them."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._noted: OrderedDict[tuple[UUID, bytes, str], float] = OrderedDict()
        self._lock = threading.Lock()
        self._buffer: Buffer[TokenUse] = Buffer(self._write, name="token-uses")

    def note(self, token_id: UUID, token: str, *, address: str, agent: str) -> None:
        """Notes that a token was used, unless the same place and program was noted within a minute."""
        hashed = hmac.digest(token.encode(), address.encode("utf-8", "surrogatepass"), "sha256")[:HASH_BYTES]
        key, now = (token_id, hashed, program_of(agent)), self._monotonic()
        with self._lock:
            if now - self._noted.get(key, float("-inf")) < EVERY_S:
                return
            self._noted[key] = now
            self._noted.move_to_end(key)
            if len(self._noted) > MAX_REMEMBERED:
                self._noted.popitem(last=False)
        self._buffer.add(TokenUse(*key))

    def flush(self) -> None:
        """Writes what waits."""
        self._buffer.flush()

    def close(self) -> None:
        """Writes what waits and stops."""
        self._buffer.close()

    def _write(self, uses: Sequence[TokenUse]) -> None:
        rows = [{"token_id": use.token_id, "address_hash": use.address_hash, "agent": use.agent} for use in uses]
        with self._database.service() as connection:
            dao.note_uses(connection, rows)


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
