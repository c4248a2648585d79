"""The statements of what became of verdicts: which are to be scored, their scores, the columns of the scoreboard."""

from __future__ import annotations

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
    SELECT array_agg(id), array_agg(symbol), array_agg(decided_on), array_agg(owner) FROM (
        SELECT v.id::text AS id, v.symbol, v.decided_on - DATE '1970-01-01' AS decided_on,
            CASE WHEN v.org_id IN (SELECT d.org_id FROM bar_datasets d WHERE d.kind = 'own')
                THEN (SELECT p.org_id FROM verdict_snapshots p WHERE p.id = v.snapshot_id) END AS owner
        FROM verdicts v LEFT JOIN verdict_scores s ON s.verdict_id = v.id
        WHERE v.decided_on <= :latest_5 AND (s.verdict_id IS NULL
            OR (s.move_20 IS NULL AND v.decided_on <= :latest_20)
            OR (s.benchmark IS NOT NULL AND s.benchmark_20 IS NULL
                AND v.decided_on BETWEEN :earliest AND :latest_20))
        ORDER BY v.decided_on DESC LIMIT :most
    ) found
    """
)
# What was known stays: a score is filled, never changed.
_PUT = text(
    """
    INSERT INTO verdict_scores (verdict_id, org_id, entry_day, benchmark, exit_5, move_5, benchmark_5, exit_20, move_20,
        benchmark_20, scored_at)
    SELECT r.id, v.org_id, DATE '1970-01-01' + r.entry_day, :benchmark, DATE '1970-01-01' + r.exit_5, r.move_5,
        nullif(r.benchmark_5, 'NaN'), CASE WHEN r.move_20 <> 'NaN' THEN DATE '1970-01-01' + r.exit_20 END,
        nullif(r.move_20, 'NaN'), nullif(r.benchmark_20, 'NaN'), assay_now()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:entry_day AS integer[]), CAST(:exit_5 AS integer[]),
        CAST(:move_5 AS double precision[]), CAST(:benchmark_5 AS double precision[]), CAST(:exit_20 AS integer[]),
        CAST(:move_20 AS double precision[]), CAST(:benchmark_20 AS double precision[]))
        AS r (id, entry_day, exit_5, move_5, benchmark_5, exit_20, move_20, benchmark_20)
        JOIN verdicts v ON v.id = r.id
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
GROUPS = ("model", "prompt_version", "signal_type")
"""What verdicts are told apart by."""
# One row of arrays is read in half the time that as many rows take.
_BOARDS = {
    group: text(
        f"""
        SELECT array_agg(v.{group}) AS name, array_agg(v.verdict) AS verdict,
            array_agg(v.direction = 'bullish') AS is_bullish, array_agg(v.is_generated) AS is_generated,
            array_agg(v.confidence) AS confidence, array_agg(v.own_confidence) AS own_confidence,
            array_agg((v.call_usd * 1000000000)::bigint) AS call_nano_usd,
            array_agg(extract(epoch FROM v.created_at)::double precision) AS created_s,
            array_agg(s.entry_day - DATE '1970-01-01') AS entry_day,
            array_agg(CASE WHEN :horizon = 5 THEN s.move_5 ELSE s.move_20 END) AS move,
            array_agg(CASE WHEN :horizon = 5 THEN s.benchmark_5 ELSE s.benchmark_20 END) AS benchmark
        FROM (
            SELECT DISTINCT ON (decided_on, symbol, signal_type, signal_day, model, prompt_version) id, {group},
                verdict, direction, is_generated, confidence, own_confidence, call_usd, created_at
            FROM verdicts
            WHERE org_id = :org_id AND decided_on IS NOT NULL AND purpose <> 'replay'
                AND (CAST(:is_retrospective AS boolean) IS NULL OR is_retrospective = :is_retrospective)
                AND (CAST(:age AS interval) IS NULL OR created_at >= assay_now() - CAST(:age AS interval))
            ORDER BY decided_on DESC, symbol, signal_type, signal_day, model, prompt_version, created_at, id LIMIT :most
        ) v LEFT JOIN verdict_scores s ON s.verdict_id = v.id
        """  # noqa: S608 (the columns are written above)
    )
    for group in GROUPS
}
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
class DueRows:
    """Verdicts that are not fully scored, and of which something may be known, a column each."""

    ids: Sequence[str]
    """As text: so many are only to be written back."""
    symbols: Sequence[str]
    decided_on: Sequence[int]
    """Days since 1970."""
    owners: Sequence[UUID | None]
    """Whose bars they are scored by; None: everybody's."""


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """What became of verdicts, as far as it is known, a column each: at least over 5 sessions."""

    benchmark: str | None
    ids: Sequence[str]
    entry_day: Sequence[int]
    """Days since 1970, as are those of exits."""
    exit_5: Sequence[int]
    move_5: Sequence[float]
    benchmark_5: Sequence[float]
    """NaN: not known."""
    exit_20: Sequence[int]
    """Means nothing where the move is not known."""
    move_20: Sequence[float]
    """NaN: not known."""
    benchmark_20: Sequence[float]
    """NaN: not known."""


@dataclass(frozen=True, slots=True)
class BoardRows:
    """The verdicts of a scoreboard, a column each."""

    name: Sequence[str]
    """Of the group that it belongs to."""
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


def due(connection: Connection, *, latest_5: date, latest_20: date, earliest: date, most: int) -> DueRows:
    """Verdicts that may be scored by now, those of the latest days where there are more.

    Those decided by `latest_5` and not scored; by `latest_20` and not over 20 sessions, or since `earliest` without
    their benchmark.
    """
    given = {"latest_5": latest_5, "latest_20": latest_20, "earliest": earliest, "most": most}
    return DueRows(*(column or () for column in connection.execute(_DUE, given).one()))


def put(connection: Connection, scores: ScoreRows) -> int:
    """Fills what is not known yet of these scores; gives how many were new or filled."""
    columns = {name: getattr(scores, name) for name in ScoreRows.__slots__ if name != "benchmark"}
    # As arrays are written: to have the driver write them, number by number, would take longer than all else.
    arrays = {name: f"{{{','.join(map(str, column))}}}" for name, column in columns.items()}
    return connection.execute(_PUT, {**arrays, "benchmark": scores.benchmark}).rowcount


def board(
    connection: Connection,
    org_id: UUID,
    *,
    group: str,
    horizon: int,
    is_retrospective: bool | None,
    age: timedelta | None,
    most: int,
) -> BoardRows:
    """The last verdicts of an organisation with what became of them over 5 or 20 sessions, each opinion once.

    `group` is one of `GROUPS`.
    """
    given = {
        "org_id": org_id,
        "horizon": horizon,
        "is_retrospective": is_retrospective,
        "age": age,
        "most": most,
    }
    return BoardRows(*(column or () for column in connection.execute(_BOARDS[group], given).one()))


def failed_usd(connection: Connection, org_id: UUID, *, first: datetime, last: datetime) -> dict[str, Decimal]:
    """What calls for verdicts cost that brought none, by model, between two moments."""
    return {
        row.model: row.cost_usd for row in connection.execute(_FAILED, {"org_id": org_id, "first": first, "last": last})
    }


def uses_quality(connection: Connection, org_id: UUID) -> bool:
    """Whether an organisation wants "auto" to prefer models whose verdicts were right."""
    return bool(connection.execute(_USES_QUALITY, {"org_id": org_id}).scalar())
