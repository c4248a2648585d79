"""The statements of checked answers: one row for each, and their sums by model."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

_ADD = text(
    """
    INSERT INTO answer_checks (request_id, org_id, user_id, provider, model, steps, failed_steps, figures, verified,
        created_at)
    VALUES (:request_id, bound_org(), bound_user(), :provider, :model, :steps, :failed_steps, :figures, :verified,
        assay_now())
    ON CONFLICT (request_id) DO NOTHING
    """
)
_BY_MODEL = text(
    """
    SELECT model, provider, count(*) AS answers, sum(figures) AS figures, sum(verified) AS verified,
        sum(steps) AS steps, sum(failed_steps) AS failed_steps
    FROM answer_checks
    WHERE created_at >= assay_now() - make_interval(days => :days)
    GROUP BY model, provider ORDER BY answers DESC, model, provider LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What was found in one answer."""

    request_id: UUID
    provider: str
    model: str
    steps: int
    failed_steps: int
    figures: int
    verified: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """The sums of one model at one provider."""

    model: str
    provider: str
    answers: int
    figures: int
    verified: int
    steps: int
    failed_steps: int


def add(connection: Connection, row: CheckRow) -> None:
    """Keeps what was found in an answer of the bound user; an answer that is there already stays as it is."""
    given = {name: getattr(row, name) for name in CheckRow.__slots__}
    connection.execute(_ADD, given)


def by_model(connection: Connection, *, days: int, most: int) -> list[ModelRow]:
    """Sums by model and provider over the last days, of the answers that the bound principal sees; most asked first."""
    rows = connection.execute(_BY_MODEL, {"days": days, "most": most})
    return [ModelRow(row.model, row.provider, *(int(each) for each in row[2:])) for row in rows]
