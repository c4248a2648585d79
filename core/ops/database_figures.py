"""What the database knows, as gauges: looked up when they are read, within a time limit and not too often.

Where the database is away its figures are absent, and `assay_database_up` is 0: nothing that is not known is told as 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.db import jobs_dao
from core.db import telemetry_dao as dao
from core.db.engine import Database
from core.ops.jobs import STALLED_AFTER_S
from core.ops.probe import Probe

WITHIN_S = 2.0
"""Longest wait for the database."""
FRESH_S = 5.0
"""So long one look serves everybody who asks."""


class DatabaseFigures(Collector):
    """Calls and jobs of all processes, and the connections of this one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._probe = Probe(self._look)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: what there is is known when it is collected."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges, within `WITHIN_S`."""
        seen = self._probe.look(within_s=WITHIN_S, fresh_s=FRESH_S)
        yield _gauge("database_up", "1 where the database answers in time.", 0 if seen is None else 1)
        in_use = GaugeMetricFamily(
            "assay_database_connections_in_use", "Connections of this process in use, by pool.", labels=["pool"]
        )
        for pool, count in self._database.connections_in_use().items():
            in_use.add_metric([pool], count)
        yield in_use
        if seen is not None:
            holds, jobs = seen.value
            yield _gauge("holds_open", "Holds of calls under way, of all processes.", holds.open)
            yield _gauge("holds_overdue", "Open holds whose time is over: their worker is gone.", holds.overdue)
            yield _gauge(
                "calls_unresolved",
                "Calls of the last 24 hours that may be billed and nobody was charged for.",
                holds.unresolved,
            )
            yield _gauge("jobs_waiting", "Jobs that wait for a worker.", jobs.waiting)
            yield _gauge("jobs_running", "Jobs under way, of all workers.", jobs.running)
            yield _gauge("jobs_failed", "Jobs that failed in the last 24 hours.", jobs.failed)
            yield _gauge("workers", "Workers that gave a sign of life in the last seconds.", jobs.workers)

    def _look(self) -> tuple[dao.HoldsRow, jobs_dao.FiguresRow]:
        with self._database.service() as connection:
            return dao.holds(connection), jobs_dao.figures(connection, stalled=timedelta(seconds=STALLED_AFTER_S))


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"assay_{name}", words, value=value)
