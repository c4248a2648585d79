"""The statements of scans: runs, their parts under way, their results and signals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_ABOUT = (
    "id, org_id, universe_id, exchange, as_of, formula_version, bars_version, status, parts, total, scanned, skipped, "
    "market, failure, started_at, finished_at, stamped_at, duration_ms"
)
_BEGIN = text(
    """
    INSERT INTO scans (id, org_id, universe_id, exchange, as_of, formula_version, bars_version, status, parts, total,
        started_at)
    VALUES (:id, :org_id, :universe_id, :exchange, :as_of, :formula_version, :bars_version, 'running', :parts, :total,
        assay_now())
    ON CONFLICT (id) DO NOTHING
    """
)
_ADD_PART = text("INSERT INTO scan_parts (scan_id, number, symbols) VALUES (:scan_id, :number, :symbols)")
_PART = text("SELECT symbols, result IS NOT NULL AS is_done FROM scan_parts WHERE scan_id = :id AND number = :number")
_KEEP_PART = text("UPDATE scan_parts SET result = :result WHERE scan_id = :id AND number = :number AND result IS NULL")
_PARTS = text("SELECT number, result FROM scan_parts WHERE scan_id = :id ORDER BY number")
_SCAN = text(f"SELECT {_ABOUT} FROM scans WHERE id = :id")  # noqa: S608 (a constant of this module)
_LOCKED = text(f"SELECT {_ABOUT} FROM scans WHERE id = :id FOR UPDATE")  # noqa: S608 (a constant of this module)
_FINISH = text(
    """
    UPDATE scans SET status = 'done', scanned = :scanned, skipped = CAST(:skipped AS jsonb),
        market = CAST(:market AS jsonb), results = :results, finished_at = assay_now(),
        stamped_at = CASE WHEN :is_stamped THEN assay_now() END,
        duration_ms = extract(epoch FROM assay_now() - started_at) * 1000
    WHERE id = :id
    """
)
_FAIL = text(
    "UPDATE scans SET status = 'failed', failure = :failure, finished_at = assay_now() "
    "WHERE id = :id AND status = 'running'"
)
_FORGET_PARTS = text("DELETE FROM scan_parts WHERE scan_id = :id")
# Of two scans of one day the organisation's own comes first: it read the bars that the organisation has.
_LATEST = text(
    f"""
    SELECT {_ABOUT} FROM scans
    WHERE universe_id = :universe_id AND status = 'done' AND results IS NOT NULL AND as_of <= :day
        AND formula_version = :formula_version AND (org_id IS NULL OR org_id = :org_id)
    ORDER BY as_of DESC, org_id IS NULL, finished_at DESC LIMIT 1
    """  # noqa: S608 (a constant of this module)
)
_RESULTS = text("SELECT results FROM scans WHERE id = :id")
_RECENT = text(
    """
    SELECT DISTINCT s.universe_id, s.org_id FROM scans s JOIN jobs j ON j.id = s.id
    WHERE s.started_at > assay_now() - make_interval(days => :days) AND j.requested_by IS NOT NULL
    """
)
_TRIES = text(
    """
    SELECT count(*) AS count, max(started_at) AS last_at, coalesce(bool_or(status = 'done'), false) AS is_done
    FROM scans WHERE universe_id = :universe_id AND org_id IS NOT DISTINCT FROM CAST(:org_id AS uuid) AND as_of = :day
        AND formula_version = :formula_version
    """
)
_OVERTAKEN = """
    EXISTS (SELECT FROM scans n WHERE n.universe_id = s.universe_id AND n.as_of = s.as_of AND n.status = 'done'
        AND n.org_id IS NOT DISTINCT FROM s.org_id AND n.finished_at > s.finished_at {also})
"""
_FORGET_RESULTS = text(
    f"""
    UPDATE scans s SET results = NULL
    WHERE results IS NOT NULL AND (finished_at < assay_now() - :results
        OR (finished_at < assay_now() - :overtaken_results
            AND {_OVERTAKEN.format(also="AND n.formula_version = s.formula_version")}))
    """  # noqa: S608 (constants of this module)
)
_FORGET_SIGNALS = text(
    f"""
    DELETE FROM signals WHERE scan_id IN (
        SELECT s.id FROM scans s
        WHERE s.status = 'done' AND s.finished_at < assay_now() - :overtaken_signals AND {_OVERTAKEN.format(also="")})
    -- Nothing refers to a signal yet. What does one day, as a verdict on it, keeps it: AND NOT EXISTS (…) belongs here.
    """  # noqa: S608 (constants of this module)
)
_FORGET_FAILED = text("DELETE FROM scans WHERE status = 'failed' AND finished_at < assay_now() - :failed")
_SIGNAL = (
    "id, scan_id, symbol, type, direction, family, state, day, confirmed_at, close, entry, stop, target, reward_risk, "
    "confidence, confidence_n, base_rate, shape"
)
_SIGNALS = text(
    f"""
    SELECT {_SIGNAL} FROM signals
    WHERE scan_id = :scan_id AND (CAST(:symbol AS text) IS NULL OR symbol = :symbol)
        AND (CAST(:type AS text) IS NULL OR type = :type)
        AND (CAST(:min_confidence AS double precision) IS NULL OR confidence >= :min_confidence)
        AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :most
    """  # noqa: S608 (a constant of this module)
)
_LEADING = text(
    "SELECT symbol, type, direction, state, entry, stop, target, reward_risk FROM signals WHERE scan_id = :id "
    "ORDER BY symbol, id"
)
LEADING_COLUMNS = ("symbol", "type", "direction", "state", "entry", "stop", "target", "reward_risk")
"""What `leading` gives of each signal."""
_ONE_SIGNAL = text(f"SELECT {_SIGNAL} FROM signals WHERE id = :id")  # noqa: S608 (a constant of this module)
_STAMP = text(
    """
    UPDATE signals s SET confidence = c.value, confidence_n = c.n, base_rate = c.base_rate
    FROM jsonb_to_recordset(CAST(:confidences AS jsonb)) AS c(type text, value double precision, n integer,
        base_rate double precision)
    WHERE s.scan_id = :id AND s.type = c.type
    """
)
_PUT_RESULTS = text(
    "UPDATE scans SET results = :results, stamped_at = assay_now() WHERE id = :id AND results IS NOT NULL"
)
# One statement: COPY is not to be had under row-level security.
_ADD_SIGNALS = text(
    f"""
    INSERT INTO signals (org_id, {_SIGNAL})
    SELECT :org_id, {_SIGNAL} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, scan_id uuid, symbol text,
        type text, direction text, family text, state text, day date, confirmed_at date, close double precision,
        entry double precision, stop double precision, target double precision, reward_risk double precision,
        confidence double precision, confidence_n integer, base_rate double precision, shape jsonb)
    """  # noqa: S608 (a constant of this module)
)


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One run."""

    id: UUID
    org_id: UUID | None
    """None: shared by all organisations."""
    universe_id: str
    exchange: str | None
    as_of: date
    formula_version: int
    bars_version: int
    status: str
    parts: int
    total: int
    scanned: int | None
    skipped: Sequence[tuple[str, str]] | None
    market: Mapping[str, Any] | None
    failure: str | None
    started_at: datetime
    finished_at: datetime | None
    stamped_at: datetime | None
    """When its signals were given their confidences; None: they are still to come."""
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class NewScan:
    """A run that begins."""

    id: UUID
    org_id: UUID | None
    universe_id: str
    exchange: str | None
    as_of: date
    formula_version: int
    bars_version: int
    parts: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run came to."""

    scanned: int
    skipped: Sequence[tuple[str, str]]
    market: Mapping[str, Any]
    results: bytes
    signals: Sequence[SignalRow]
    is_stamped: bool
    """Whether the signals have their confidences already."""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal of a scan."""

    id: UUID
    scan_id: UUID
    symbol: str
    type: str
    direction: str
    family: str
    state: str
    day: date
    confirmed_at: date
    close: float
    entry: float | None
    stop: float | None
    target: float | None
    reward_risk: float | None
    confidence: float | None
    confidence_n: int
    base_rate: float | None
    shape: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class SignalsWanted:
    """Which signals of a scan."""

    symbol: str | None = None
    type: str | None = None
    min_confidence: float | None = None
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part of a run."""

    symbols: Sequence[str]
    is_done: bool


@dataclass(frozen=True, slots=True)
class TriesRow:
    """How often something was tried."""

    count: int
    last_at: datetime | None
    is_done: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """How long after its end what a run left is kept.

    A run is overtaken by a newer one of the same universe, day and owner.
    """

    results: timedelta
    overtaken_results: timedelta
    """Of runs that another of the same formulas overtook."""
    overtaken_signals: timedelta
    failed: timedelta
    """Runs that failed."""


def begin(connection: Connection, scan: NewScan) -> None:
    """Records a run and its parts; nothing where it is there already."""
    total = sum(len(symbols) for symbols in scan.parts)
    row = {
        "id": scan.id,
        "org_id": scan.org_id,
        "universe_id": scan.universe_id,
        "exchange": scan.exchange,
        "as_of": scan.as_of,
        "formula_version": scan.formula_version,
        "bars_version": scan.bars_version,
        "parts": len(scan.parts),
        "total": total,
    }
    if not connection.execute(_BEGIN, row).rowcount:
        return
    for number, symbols in enumerate(scan.parts):
        connection.execute(_ADD_PART, {"scan_id": scan.id, "number": number, "symbols": list(symbols)})


def part(connection: Connection, scan_id: UUID, number: int) -> PartRow | None:
    """A part; None where there is no such part (any more)."""
    row = connection.execute(_PART, {"id": scan_id, "number": number}).one_or_none()
    return PartRow(row.symbols, row.is_done) if row else None


def keep_part(connection: Connection, scan_id: UUID, number: int, result: bytes) -> bool:
    """Keeps what a part came to; False where another did before."""
    return connection.execute(_KEEP_PART, {"id": scan_id, "number": number, "result": result}).rowcount > 0


def parts(connection: Connection, scan_id: UUID) -> Sequence[bytes | None]:
    """What the parts came to, in order; None for one that is under way."""
    return [row.result for row in connection.execute(_PARTS, {"id": scan_id})]


def scan(connection: Connection, scan_id: UUID, *, lock: bool = False) -> ScanRow | None:
    """A run, locked for this transaction where that is asked."""
    row = connection.execute(_LOCKED if lock else _SCAN, {"id": scan_id}).one_or_none()
    return ScanRow(**row._mapping) if row else None


def latest(
    connection: Connection, universe_id: str, day: date, *, formula_version: int, org_id: UUID | None
) -> ScanRow | None:
    """The newest finished run of a universe whose session is not after the day."""
    values = {"universe_id": universe_id, "day": day, "formula_version": formula_version, "org_id": org_id}
    row = connection.execute(_LATEST, values).one_or_none()
    return ScanRow(**row._mapping) if row else None


def results(connection: Connection, scan_id: UUID) -> bytes | None:
    """The frame of a run's results."""
    found: bytes | None = connection.execute(_RESULTS, {"id": scan_id}).scalar_one_or_none()
    return found


def finish(connection: Connection, scan_id: UUID, org_id: UUID | None, finished: Finished) -> None:
    """Records what a run came to; its parts are forgotten."""
    connection.execute(
        _FINISH,
        {
            "id": scan_id,
            "scanned": finished.scanned,
            "skipped": json.dumps(finished.skipped),
            "market": json.dumps(finished.market),
            "results": finished.results,
            "is_stamped": finished.is_stamped,
        },
    )
    rows = json.dumps([asdict(row) for row in finished.signals], default=str)
    connection.execute(_ADD_SIGNALS, {"org_id": org_id, "rows": rows})
    connection.execute(_FORGET_PARTS, {"id": scan_id})


def stamp(
    connection: Connection, scan_id: UUID, results: bytes, confidences: Sequence[Mapping[str, str | float | int | None]]
) -> None:
    """Gives a run's signals their confidences, each as {type, value, n, base_rate}, and the results that hold them."""
    connection.execute(_PUT_RESULTS, {"id": scan_id, "results": results})
    connection.execute(_STAMP, {"id": scan_id, "confidences": json.dumps(confidences)})


def fail(connection: Connection, scan_id: UUID, failure: str) -> None:
    """Records that a run failed, and why."""
    connection.execute(_FAIL, {"id": scan_id, "failure": failure})
    connection.execute(_FORGET_PARTS, {"id": scan_id})


def signals(connection: Connection, scan_id: UUID, wanted: SignalsWanted, most: int) -> Sequence[SignalRow]:
    """Signals of a run, in the order of their ids."""
    values = {
        "scan_id": scan_id,
        "symbol": wanted.symbol,
        "type": wanted.type,
        "min_confidence": wanted.min_confidence,
        "after": wanted.after,
        "most": most,
    }
    return [SignalRow(**row._mapping) for row in connection.execute(_SIGNALS, values)]


def leading(connection: Connection, scan_id: UUID) -> Sequence[tuple[Any, ...]]:
    """Of every signal of a run what decides which one leads its row, as `LEADING_COLUMNS` names it."""
    return [tuple(row) for row in connection.execute(_LEADING, {"id": scan_id})]


def signal(connection: Connection, signal_id: UUID) -> SignalRow | None:
    """One signal."""
    row = connection.execute(_ONE_SIGNAL, {"id": signal_id}).one_or_none()
    return SignalRow(**row._mapping) if row else None


def recent(connection: Connection, days: int) -> Iterable[tuple[str, UUID | None]]:
    """Universes whose scan somebody asked for in the last days, each with whose scan it was."""
    return [(row.universe_id, row.org_id) for row in connection.execute(_RECENT, {"days": days})]


def tries(connection: Connection, universe_id: str, org_id: UUID | None, day: date, formula_version: int) -> TriesRow:
    """How often the scan of a session was tried."""
    values = {"universe_id": universe_id, "org_id": org_id, "day": day, "formula_version": formula_version}
    return TriesRow(*connection.execute(_TRIES, values).one())


def forget(connection: Connection, kept: Kept) -> None:
    """Forgets what runs left for longer than it is kept; of those that no other overtook the signals stay."""
    connection.execute(_FORGET_RESULTS, {"results": kept.results, "overtaken_results": kept.overtaken_results})
    connection.execute(_FORGET_SIGNALS, {"overtaken_signals": kept.overtaken_signals})
    connection.execute(_FORGET_FAILED, {"failed": kept.failed})
