"""Verdicts for tests, put where validations put theirs; with what became of them where a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from core.db.engine import Database
from core.ids import new_id

_SNAPSHOT = text(
    "INSERT INTO verdict_snapshots (id, org_id, signal_id, hash, content, created_at) "
    "VALUES (:id, :org_id, :signal_id, sha256(CAST(CAST(:id AS text) AS bytea)), '{}', assay_now())"
)
_SCAN = text(
    "INSERT INTO scans (id, universe_id, as_of, formula_version, bars_version, status, parts, total, started_at) "
    "VALUES (:id, 'made', '2010-01-04', 1, 1, 'running', 1, 1, assay_now())"
)
_SIGNAL = text(
    "INSERT INTO signals (id, scan_id, symbol, type, direction, family, state, day, confirmed_at, close, confidence_n) "
    "VALUES (:id, :scan_id, 'A', 'made', 'bullish', 'made', 'signal', '2010-01-04', '2010-01-04', 1, 0)"
)
_VERDICT = text(
    """
    INSERT INTO verdicts (id, org_id, purpose, snapshot_id, symbol, signal_type, direction, signal_day, own_confidence,
        decided_on, is_retrospective, is_generated, verdict, confidence, answer, numbers, numbers_verified, model,
        provider, is_offline, prompt_version, price_version, charged_usd, call_usd, prompt_tokens, completion_tokens,
        request_id, is_cached, created_at)
    VALUES (:id, :org_id, :purpose, :snapshot_id, :symbol, :signal_type, :direction, :decided_on, :own_confidence,
        :decided_on, :is_retrospective, :is_generated, :verdict, :confidence, '{}', 0, 0, :model, 'made', false,
        :prompt_version, 'made', :call_usd, :call_usd, 1, 1, :id, false, assay_now() - CAST(:age AS interval))
    """
)
_SCORE = text(
    """
    INSERT INTO verdict_scores (verdict_id, org_id, entry_day, benchmark, exit_5, move_5, benchmark_5, exit_20, move_20,
        benchmark_20, scored_at)
    VALUES (:id, :org_id, :entry_day, CASE WHEN CAST(:benchmark_5 AS double precision) IS NOT NULL THEN 'SP500' END,
        :entry_day, :move_5, CAST(:benchmark_5 AS double precision), :entry_day, CAST(:move_20 AS double precision),
        CAST(:benchmark_20 AS double precision), assay_now())
    """
)


@dataclass(frozen=True)
class Said:
    """One verdict, and what became of it: not known unless `move_5` is given."""

    verdict: str = "BUY"
    confidence: float = 0.5
    decided_on: date | None = date(2010, 3, 1)
    symbol: str = "A"
    model: str = "one"
    prompt_version: str = "first"
    signal_type: str = "golden_cross"
    direction: str = "bullish"
    own_confidence: float | None = None
    purpose: str = "asked"
    call_usd: str = "0"
    is_retrospective: bool = False
    is_generated: bool = False
    age: timedelta = timedelta(0)
    move_5: float | None = None
    benchmark_5: float | None = None
    move_20: float | None = None
    benchmark_20: float | None = None


def put(database: Database, org_id: UUID, said: Sequence[Said], *, is_public: bool = False) -> list[UUID]:
    """Keeps verdicts of an organisation, all on one snapshot; a public one was built from everybody's bars."""
    with database.service() as connection:
        snapshot_id = _snapshot(connection, None if is_public else org_id)
        return [_put(connection, org_id, snapshot_id, each) for each in said]


def _snapshot(connection: Connection, org_id: UUID | None) -> UUID:
    snapshot_id, signal_id = new_id(), None
    if org_id is None:
        scan_id, signal_id = new_id(), new_id()
        connection.execute(_SCAN, {"id": scan_id})
        connection.execute(_SIGNAL, {"id": signal_id, "scan_id": scan_id})
    connection.execute(_SNAPSHOT, {"id": snapshot_id, "org_id": org_id, "signal_id": signal_id})
    return snapshot_id


def _put(connection: Connection, org_id: UUID, snapshot_id: UUID, said: Said) -> UUID:
    given = {"id": new_id(), "org_id": org_id, "snapshot_id": snapshot_id, **vars(said)}
    connection.execute(_VERDICT, given)
    if said.move_5 is not None:
        assert said.decided_on is not None
        connection.execute(_SCORE, {**given, "entry_day": said.decided_on + timedelta(days=1)})
    verdict_id: UUID = given["id"]
    return verdict_id
