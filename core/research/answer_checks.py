"""How many figures of answers were verified, by the model that wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.ai.evidence import Evidence
from core.db import answer_checks_dao as dao
from core.db.engine import Database, Transaction
from core.errors import InvalidRequest
from core.principal import Principal

MAX_MODELS = 100
MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class ModelChecks:
    """What became of the figures in one model's answers."""

    model: str
    provider: str
    answers: int
    figures: int
    """Numbers in its answers that were looked up."""
    verified: int
    steps: int
    """Uses of tools."""
    failed_steps: int

    @property
    def share(self) -> float | None:
        """Share of the figures that were verified; None where there were none."""
        return self.verified / self.figures if self.figures else None


class AnswerChecks:
    """Keeps what was found in answers, and compares models by it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, by: Transaction | Principal, request_id: UUID, *, provider: str, model: str, evidence: Evidence
    ) -> None:
        """Keeps what was found in an answer, once; an answer of the cache was counted when it was written.

        Args:
            by: who asked, or the open transaction bound to them in which the answer is saved.
            request_id: of the answer; a second time changes nothing.
            provider: who served the model.
            model: id of the model that wrote it.
            evidence: what the answer rests on, with its marks.
        """
        row = dao.CheckRow(
            request_id=request_id,
            provider=provider,
            model=model,
            steps=len(evidence.steps),
            failed_steps=sum(step.state == "failed" for step in evidence.steps),
            figures=len(evidence.marks),
            verified=sum(mark.is_verified for mark in evidence.marks),
        )
        if not isinstance(by, Principal):
            dao.add(by, row)
            return
        with self._database.app(by) as connection:
            dao.add(connection, row)

    def by_model(self, principal: Principal, days: int = 30) -> list[ModelChecks]:
        """The models whose answers the principal sees, most asked first: a member's own, or all of an organisation.

        Raises:
            InvalidRequest: the number of days is out of range.
        """
        if not 1 <= days <= MAX_DAYS:
            raise InvalidRequest(f"days must be between 1 and {MAX_DAYS}.")
        with self._database.app(principal) as connection:
            rows = dao.by_model(connection, days=days, most=MAX_MODELS)
        return [
            ModelChecks(row.model, row.provider, row.answers, row.figures, row.verified, row.steps, row.failed_steps)
            for row in rows
        ]
