"""The statements of replays: what an organisation was told before, and what a model or prompt says of the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_CALL_OF = """
    LEFT JOIN LATERAL (
        SELECT l.latency_ms, l.cost_usd FROM usage_log l
        WHERE l.org_id = v.org_id AND l.request_id = v.request_id AND l.hold_id IS NOT NULL
            AND l.at > v.created_at - interval '25 hours' AND l.at <= v.created_at
        ORDER BY l.at DESC LIMIT 1) c ON true
"""
"""The call that a verdict came of: its time, and what providers bill for all its attempts. A cached answer has none."""
_KEPT = text(
    f"""
    WITH kept AS (
        SELECT DISTINCT ON (v.snapshot_id) v.*
        FROM verdicts v WHERE v.org_id = bound_org() AND v.purpose <> 'replay'
        ORDER BY v.snapshot_id, v.created_at DESC, v.id DESC)
    SELECT v.snapshot_id, v.symbol, v.direction, v.is_retrospective, v.verdict, v.confidence, v.model, v.prompt_version,
        v.numbers, v.numbers_verified, coalesce(c.cost_usd, v.call_usd) AS call_usd, c.latency_ms, v.created_at,
        s.move_5, s.move_20, p.content
    FROM kept v JOIN verdict_snapshots p ON p.id = v.snapshot_id
        LEFT JOIN verdict_scores s ON s.verdict_id = v.id {_CALL_OF}
    WHERE NOT :scored_only OR s.move_5 IS NOT NULL OR s.move_20 IS NOT NULL
    ORDER BY s.move_5 IS NULL AND s.move_20 IS NULL, v.created_at DESC, v.id DESC LIMIT :most
    """  # noqa: S608 (the join is written above)
)
_REPLAYED = text(
    f"""
    SELECT DISTINCT ON (v.snapshot_id) v.snapshot_id, v.verdict, v.confidence, v.model, v.prompt_version, v.numbers,
        v.numbers_verified, coalesce(c.cost_usd, v.call_usd) AS call_usd, c.latency_ms
    FROM verdicts v {_CALL_OF}
    WHERE v.org_id = bound_org() AND v.purpose = 'replay' AND v.job_id = :replay_id
        AND v.snapshot_id = ANY (CAST(:snapshot_ids AS uuid[]))
    ORDER BY v.snapshot_id, v.created_at DESC, v.id DESC
    """  # noqa: S608 (the join is written above)
)


@dataclass(frozen=True, slots=True)
class KeptRow:
    """The newest verdict of a snapshot that was not a replay, and what became of it."""

    snapshot_id: UUID
    symbol: str
    direction: str
    is_retrospective: bool
    verdict: str
    confidence: float
    model: str
    prompt_version: str
    numbers: int
    numbers_verified: int
    call_usd: Decimal
    latency_ms: int | None
    """None where the answer came from the cache."""
    created_at: datetime
    move_5: float | None
    move_20: float | None
    content: Mapping[str, Any]
    """The snapshot."""


@dataclass(frozen=True, slots=True)
class ReplayedRow:
    """What a replay brought of a snapshot."""

    snapshot_id: UUID
    verdict: str
    confidence: float
    model: str
    prompt_version: str
    numbers: int
    numbers_verified: int
    call_usd: Decimal
    latency_ms: int | None


def kept(connection: Connection, *, most: int, scored_only: bool) -> list[KeptRow]:
    """The organisation's snapshots that have a verdict: those with a known outcome first, then the newest."""
    rows = connection.execute(_KEPT, {"most": most, "scored_only": scored_only})
    return [KeptRow(**row._mapping) for row in rows]


def replayed(connection: Connection, replay_id: UUID, snapshot_ids: Sequence[UUID]) -> list[ReplayedRow]:
    """What this replay brought of these snapshots so far."""
    rows = connection.execute(_REPLAYED, {"replay_id": replay_id, "snapshot_ids": list(snapshot_ids)})
    return [ReplayedRow(**row._mapping) for row in rows]
