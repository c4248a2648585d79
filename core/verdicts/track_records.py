"""Which records of models the router goes by: those of an organisation's verdicts, where it switched that on."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from uuid import UUID

from core.ai.quality import TrackRecord
from core.db import verdict_scores_dao as dao
from core.db.engine import Database
from core.verdicts.scoreboard import Scoreboard

TASK = "signal_validation"
KEPT_S = 60.0
"""So long an organisation's records are kept: a switch that is turned and a new score are seen within it."""
MOST_KEPT = 1_000
"""Organisations."""


class TrackRecords:
    """A `Quality`: the records of an organisation's models, kept for a minute."""

    def __init__(self, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives monotonic seconds."""
        self._database = database
        self._scoreboard = Scoreboard(database)
        self._now = now
        self._kept: OrderedDict[UUID, tuple[float, Mapping[str, TrackRecord]]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, org_id: UUID, task: str) -> Mapping[str, TrackRecord]:
        """The records to go by for a task; none where it is another than verdicts, or the organisation wants none."""
        if task != TASK:
            return {}
        with self._lock:
            kept = self._kept.get(org_id)
        if kept is not None and self._now() < kept[0]:
            return kept[1]
        with self._database.service() as connection:
            is_wanted = dao.uses_quality(connection, org_id)
        found = self._scoreboard.quality(org_id) if is_wanted else {}
        with self._lock:
            self._kept[org_id] = (self._now() + KEPT_S, found)
            self._kept.move_to_end(org_id)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found
