"""The statements of what became of verdicts: which are to be scored, their scores, the columns of the scoreboard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

# Whose bars are read is whose snapshot it was: a shared one was built from everybody's. Without bars of its own an
# organisation's are everybody's too, and are read once for all such organisations.
_DUE = text(
    """
    SELECT v.id, v.org_id, v.symbol, v.decided_on,
        CASE WHEN v.org_id IN (SELECT d.org_id FROM bar_datasets d WHERE d.kind = 'own')
            THEN (SELECT p.org_id FROM verdict_snapshots p WHERE p.id = v.snapshot_id) END AS owner
    FROM verdicts v LEFT JOIN verdict_scores s ON s.verdict_id = v.id
    WHERE v.decided_on <= :latest_5 AND (s.verdict_id IS NULL
        OR (s.move_20 IS NULL AND v.decided_on <= :latest_20)
        OR (s.benchmark IS NOT NULL AND s.benchmark_20 IS NULL AND v.decided_on BETWEEN :earliest AND :latest_20))
    ORDER BY v.decided_on DESC, v.id LIMIT :most
    """
)
# What was known stays: a score is filled, never changed.
_PUT = text(
    """
    INSERT INTO verdict_scores (verdict_id, org_id, entry_day, benchmark, exit_5, move_5, benchmark_5, exit_20, move_20,
        benchmark_20, scored_at)
    SELECT verdict_id, org_id, entry_day, benchmark, exit_5, move_5, benchmark_5, exit_20, move_20, benchmark_20,
        assay_now()
    FROM json_to_recordset(CAST(:rows AS json)) AS r (verdict_id uuid, org_id uuid, entry_day date, benchmark text,
        exit_5 date, move_5 double precision, benchmark_5 double precision,
        exit_20 date, move_20 double precision, benchmark_20 double precision)
    ON CONFLICT (verdict_id) DO UPDATE SET
        exit_20 = coalesce(verdict_scores.exit_20, excluded.exit_20),
        move_20 = coalesce(verdict_scores.move_20, excluded.move_20),
        benchmark = coalesce(verdict_scores.benchmark, excluded.benchmark),
        benchmark_5 = coalesce(verdict_scores.benchmark_5, excluded.benchmark_5),
        benchmark_20 = coalesce(verdict_scores.benchmark_20, excluded.benchmark_20),
        scored_at = excluded.scored_at
    WHERE (verdict_scores.move_20 IS NULL AND excluded.move_20 IS NOT NULL)
        OR (verdict_scores.benchmark_5 IS NULL AND excluded.benchmark_5 IS NOT NULL)
        OR (verdict_scores.benchmark_20 IS NULL AND excluded.benchmark_20 IS NOT NULL)
    """
)
# The same opinion of the same signal before the same entry counts once, and the first time: asking again until it
# pleases changes no record. Replays are what others would have said, not what was said.
_BOARD = text(
    """
    SELECT v.model, v.prompt_version, v.signal_type, v.verdict, v.direction = 'bullish' AS is_bullish, v.is_generated,
        v.confidence, v.own_confidence, (v.call_usd * 1000000000)::bigint AS call_nano_usd,
        extract(epoch FROM v.created_at)::double precision AS created_s,
        s.entry_day - DATE '1970-01-01' AS entry_day,
        CASE WHEN :horizon = 5 THEN s.move_5 ELSE s.move_20 END AS move,
        CASE WHEN :horizon = 5 THEN s.benchmark_5 ELSE s.benchmark_20 END AS benchmark
    FROM (
        SELECT DISTINCT ON (decided_on, symbol, signal_type, signal_day, model, prompt_version) id, model,
            prompt_version, signal_type, verdict, direction, is_generated, confidence, own_confidence, call_usd,
            created_at
        FROM verdicts
        WHERE org_id = :org_id AND decided_on IS NOT NULL AND purpose <> 'replay'
            AND (CAST(:is_retrospective AS boolean) IS NULL OR is_retrospective = :is_retrospective)
            AND (CAST(:age AS interval) IS NULL OR created_at >= assay_now() - CAST(:age AS interval))
        ORDER BY decided_on DESC, symbol, signal_type, signal_day, model, prompt_version, created_at, id LIMIT :most
    ) v LEFT JOIN verdict_scores s ON s.verdict_id = v.id
    """
)
_FAILED = text(
    """
    SELECT model, sum(cost_usd) AS cost_usd FROM usage_log
    WHERE org_id = :org_id AND feature = 'signal_validation' AND status NOT IN ('success', 'cached', 'denied')
        AND at BETWEEN :first AND :last
    GROUP BY model
    """
)
_USES_QUALITY = text("SELECT uses_quality FROM verdict_settings WHERE org_id = :org_id")


@dataclass(frozen=True, slots=True)
class DueRow:
    """A verdict that is not fully scored, and of which something may be known."""

    id: UUID
    org_id: UUID
    symbol: str
    decided_on: date
    owner: UUID | None
    """Whose bars it is scored by; None: everybody's."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """What became of a verdict, as far as it is known: at least over 5 sessions."""

    verdict_id: UUID
    org_id: UUID
    entry_day: date
    benchmark: str | None
    exit_5: date
    move_5: float
    benchmark_5: float | None
    exit_20: date | None
    move_20: float | None
    benchmark_20: float | None


@dataclass(frozen=True, slots=True)
class BoardRows:
    """The verdicts of a scoreboard, a column each."""

    model: Sequence[str]
    prompt_version: Sequence[str]
    signal_type: Sequence[str]
    verdict: Sequence[str]
    is_bullish: Sequence[bool]
    """The direction of the signal."""
    is_generated: Sequence[bool]
    confidence: Sequence[float]
    own_confidence: Sequence[float | None]
    call_nano_usd: Sequence[int]
    created_s: Sequence[float]
    """Seconds since 1970."""
    entry_day: Sequence[int | None]
    """Days since 1970."""
    move: Sequence[float | None]
    benchmark: Sequence[float | None]


def due(connection: Connection, *, latest_5: date, latest_20: date, earliest: date, most: int) -> Sequence[DueRow]:
    """Verdicts that may be scored by now, the newest first.

    Those decided by `latest_5` and not scored; by `latest_20` and not over 20 sessions, or since `earliest` without
    their benchmark.
    """
    given = {"latest_5": latest_5, "latest_20": latest_20, "earliest": earliest, "most": most}
    return [DueRow(*row) for row in connection.execute(_DUE, given).all()]


def put(connection: Connection, rows: Sequence[ScoreRow]) -> int:
    """Fills what is not known yet of these scores; gives how many were new or filled."""
    values = [{name: getattr(row, name) for name in ScoreRow.__slots__} for row in rows]
    return connection.execute(_PUT, {"rows": json.dumps(values, default=str)}).rowcount


def board(
    connection: Connection,
    org_id: UUID,
    *,
    horizon: int,
    is_retrospective: bool | None,
    age: timedelta | None,
    most: int,
) -> BoardRows:
    """The last verdicts of an organisation with what became of them over 5 or 20 sessions, each opinion once."""
    given = {
        "org_id": org_id,
        "horizon": horizon,
        "is_retrospective": is_retrospective,
        "age": age,
        "most": most,
    }
    rows = connection.execute(_BOARD, given).all()
    return BoardRows(*zip(*rows, strict=True)) if rows else BoardRows(*([] for _ in BoardRows.__slots__))


def failed_usd(connection: Connection, org_id: UUID, *, first: datetime, last: datetime) -> dict[str, Decimal]:
    """What calls for verdicts cost that brought none, by model, between two moments."""
    return {
        row.model: row.cost_usd for row in connection.execute(_FAILED, {"org_id": org_id, "first": first, "last": last})
    }


def uses_quality(connection: Connection, org_id: UUID) -> bool:
    """Whether an organisation wants "auto" to prefer models whose verdicts were right."""
    return bool(connection.execute(_USES_QUALITY, {"org_id": org_id}).scalar())
