"""The statements behind the figures of answers' quality; for the service role. `org_id` None is every organisation."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

# Answers without a usable form are few, and have an index of their own.
_UNUSABLE = text(
    """
    SELECT provider, model, count(*) AS answers FROM usage_log
    WHERE error_code = 'unusable_answer' AND at >= assay_now() - make_interval(days => :days)
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :most
    """
)
_REACTIONS = text(
    """
    SELECT coalesce(m.provider, '') AS provider, coalesce(m.model, '') AS model,
        count(*) FILTER (WHERE r.reaction = 'up') AS up, count(*) FILTER (WHERE r.reaction = 'down') AS down,
        count(*) FILTER (WHERE r.note IS NOT NULL) AS noted
    FROM (SELECT message_id, reaction, note FROM message_reactions
        WHERE changed_at >= assay_now() - make_interval(days => :days)
            AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
        ORDER BY changed_at DESC LIMIT :most_read) r
        JOIN messages m ON m.id = r.message_id
    GROUP BY 1, 2 ORDER BY count(r.reaction) DESC, 1, 2 LIMIT :most
    """
)
# What a verdict claims, and how often that comes true of all entries of its universe: the base rate is of the signal's
# direction, so that a verdict against it has the rest.
_VERDICTS = text(
    """
    SELECT v.model, count(*) AS scored,
        count(*) FILTER (WHERE CASE v.verdict WHEN 'BUY' THEN s.move_20 > 0 WHEN 'SELL' THEN s.move_20 < 0
            ELSE CASE v.direction WHEN 'bullish' THEN s.move_20 <= 0 ELSE s.move_20 >= 0 END END) AS rightly,
        avg(CASE WHEN (v.verdict, v.direction) IN (('BUY', 'bullish'), ('SELL', 'bearish'))
            THEN v.base_rate ELSE 1 - v.base_rate END) AS base_rate,
        count(v.base_rate) AS with_base_rate, count(*) FILTER (WHERE v.is_generated) AS generated
    FROM (SELECT verdict_id, move_20 FROM verdict_scores
        WHERE scored_at >= assay_now() - make_interval(days => :days) AND move_20 IS NOT NULL
            AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
        ORDER BY scored_at DESC LIMIT :most_read) s
        JOIN verdicts v ON v.id = s.verdict_id
    WHERE v.verdict <> 'HOLD' AND v.purpose <> 'replay'
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :most
    """
)
_INTENTS = text(
    """
    SELECT intent, count(*) AS questions, count(DISTINCT user_id) AS users FROM usage_log
    WHERE at >= assay_now() - make_interval(hours => :hours) AND intent IS NOT NULL
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :most
    """
)
_TEMPLATES = text(
    """
    SELECT title, used FROM prompt_templates
    WHERE sharing <> 'private' AND used > 0 AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    ORDER BY used DESC, title, id LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class UnusableRow:
    """Answers of a model that did not follow their schema, also after a repair."""

    provider: str
    model: str
    answers: int


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """What readers thought of a model's answers."""

    provider: str
    model: str
    up: int
    down: int
    noted: int
    """Those with words."""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What became of a model's verdicts over 20 sessions; those that said HOLD claim nothing."""

    model: str
    scored: int
    rightly: int
    base_rate: float | None
    """How often what they claimed comes true of all entries, on the average of those where it is known."""
    with_base_rate: int
    generated: int
    """Those of generated bars."""


@dataclass(frozen=True, slots=True)
class IntentRow:
    """What questions were taken for."""

    intent: str
    questions: int
    users: int


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """How often a template was used, ever."""

    title: str
    used: int


def unusable(connection: Connection, org_id: UUID | None, *, days: int, most: int) -> list[UnusableRow]:
    """By model, the most first."""
    values = {"org_id": org_id, "days": days, "most": most}
    return [UnusableRow(*row) for row in connection.execute(_UNUSABLE, values).all()]


def reactions(
    connection: Connection, org_id: UUID | None, *, days: int, most: int, most_read: int
) -> list[ReactionRow]:
    """By model, of the latest `most_read` reactions."""
    values = {"org_id": org_id, "days": days, "most": most, "most_read": most_read}
    return [ReactionRow(*row) for row in connection.execute(_REACTIONS, values).all()]


def verdicts(connection: Connection, org_id: UUID | None, *, days: int, most: int, most_read: int) -> list[VerdictRow]:
    """By model, of the latest `most_read` that were scored."""
    values = {"org_id": org_id, "days": days, "most": most, "most_read": most_read}
    return [VerdictRow(*row) for row in connection.execute(_VERDICTS, values).all()]


def intents(connection: Connection, org_id: UUID | None, *, hours: int, most: int) -> list[IntentRow]:
    """What the questions of the last hours were taken for, the most frequent first."""
    values = {"org_id": org_id, "hours": hours, "most": most}
    return [IntentRow(*row) for row in connection.execute(_INTENTS, values).all()]


def templates(connection: Connection, org_id: UUID | None, *, most: int) -> list[TemplateRow]:
    """Templates that are not private, the most used first."""
    return [TemplateRow(*row) for row in connection.execute(_TEMPLATES, {"org_id": org_id, "most": most}).all()]
