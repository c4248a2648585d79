"""How good answers are: what could not be used, what readers thought, what verdicts were worth, what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.admin.reach import reach_of
from core.ai.experiments import Experiment, Experiments
from core.db import overview_quality_dao as dao
from core.db.engine import Database
from core.db.overview_quality_dao import IntentRow, ReactionRow, TemplateRow, UnusableRow, VerdictRow
from core.principal import Principal
from core.screener.records import wilson

DAYS = 30
"""Days of answers, reactions and scores that are told."""
INTENT_HOURS = 24
"""Hours of questions whose intents are told."""
MOST_ROWS = 50
MOST_READ = 50_000
"""Reactions, and scores, that are read: the latest."""
MOST_POPULAR = 10


@dataclass(frozen=True, slots=True)
class VerdictQuality:
    """What a model's verdicts were worth over 20 sessions."""

    model: str
    n: int
    """Verdicts with a score, but for HOLD, which claims nothing."""
    right: int
    low: float
    """The Wilson 95 % interval of the share that was right."""
    high: float
    base_rate: float | None
    """How often what they claimed comes true of all entries; None where it is known of none."""
    n_base_rate: int
    """Verdicts whose base rate is known."""
    n_generated: int = 0
    """Verdicts of generated bars, which say nothing of any market."""

    @property
    def share(self) -> float:
        """The share that was right."""
        return self.right / self.n


@dataclass(frozen=True, slots=True)
class QualityFigures:
    """What is known of the quality of answers."""

    unusable: Sequence[UnusableRow]
    """Of the last `DAYS` days."""
    reactions: Sequence[ReactionRow]
    """Likewise."""
    verdicts: Sequence[VerdictQuality]
    """Scored in the last `DAYS` days."""
    intents: Sequence[IntentRow]
    """Of the last `INTENT_HOURS` hours."""
    templates: Sequence[TemplateRow]
    """Since each was made; private ones are left out."""
    experiments: Sequence[Experiment]
    """Those that run, for operators; empty for others."""


class AdminQuality:
    """Quality within reach of the principal."""

    def __init__(self, database: Database, experiments: Experiments) -> None:
        self._database = database
        self._experiments = experiments

    def figures(self, principal: Principal, *, everything: bool = False) -> QualityFigures:
        """What is known of the quality of answers.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = reach_of(principal, everything=everything)
        running = self._running(principal) if everything else []
        with self._database.snapshot() as transaction:
            scored = dao.verdicts(transaction, org_id, days=DAYS, most=MOST_ROWS, most_read=MOST_READ)
            return QualityFigures(
                unusable=dao.unusable(transaction, org_id, days=DAYS, most=MOST_ROWS),
                reactions=dao.reactions(transaction, org_id, days=DAYS, most=MOST_ROWS, most_read=MOST_READ),
                verdicts=[_quality(row) for row in scored],
                intents=dao.intents(transaction, org_id, hours=INTENT_HOURS, most=MOST_POPULAR),
                templates=dao.templates(transaction, org_id, most=MOST_POPULAR),
                experiments=running,
            )

    def _running(self, principal: Principal) -> list[Experiment]:
        return [each for each in self._experiments.all(principal) if each.ended_at is None]


def _quality(row: VerdictRow) -> VerdictQuality:
    low, high = wilson(row.rightly, row.scored) or (0.0, 1.0)
    known = row.base_rate, row.with_base_rate, row.generated
    return VerdictQuality(row.model, row.scored, row.rightly, low, high, *known)
