"""The statements of snapshots and verdicts; those of batches, scores and replays have files of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

Purpose = Literal["asked", "batch", "replay"]
Place = tuple[datetime, UUID]
"""Time and id of a verdict in a list."""

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_SNAPSHOT = "id, org_id, signal_id, hash, content"
_SNAPSHOT_OF_ID = text(f"SELECT {_SNAPSHOT} FROM verdict_snapshots WHERE id = :id")  # noqa: S608 (our columns)
# A day of the past is seen as of that very day; live it moves on while a snapshot is used again.
_SNAPSHOT_OF_SIGNAL = text(
    f"""
    SELECT {_SNAPSHOT} FROM verdict_snapshots
    WHERE signal_id = :signal_id AND org_id IS NOT DISTINCT FROM CAST(:org_id AS uuid)
        AND created_at > assay_now() - :life AND content ->> 'reason' = :reason
        AND (content ->> 'day' = :day OR :reason = 'live')
    ORDER BY created_at DESC LIMIT 1
    """  # noqa: S608 (our columns)
)
_SNAPSHOT_OF_CALLER = text(
    f"""
    SELECT {_SNAPSHOT} FROM verdict_snapshots WHERE signal_id IS NULL AND org_id = :org_id AND hash = :hash LIMIT 1
    """  # noqa: S608 (our columns)
)
_ADD_SNAPSHOT = text(
    """
    INSERT INTO verdict_snapshots (id, org_id, signal_id, hash, content, created_at)
    VALUES (:id, :org_id, :signal_id, :hash, CAST(:content AS jsonb), assay_now())
    """
)
_FORGET_SNAPSHOTS = text(
    """
    DELETE FROM verdict_snapshots s WHERE created_at < assay_now() - :unused
        AND NOT EXISTS (SELECT FROM verdicts v WHERE v.snapshot_id = s.id)
    """
)
_GIVEN = (
    "id, org_id, user_id, job_id, purpose, snapshot_id, signal_id, universe_id, symbol, signal_type, direction, "
    "signal_day, own_confidence, base_rate, decided_on, is_retrospective, is_generated, verdict, confidence, numbers, "
    "numbers_verified, model, provider, is_offline, prompt_version, price_version, charged_usd, call_usd, "
    "prompt_tokens, completion_tokens, request_id, is_cached"
)
_ADD = text(
    f"""
    INSERT INTO verdicts ({_GIVEN}, answer, created_at)
    VALUES ({", ".join(f":{name}" for name in _GIVEN.split(", "))}, CAST(:answer AS jsonb), assay_now())
    ON CONFLICT DO NOTHING RETURNING created_at
    """  # noqa: S608 (our columns)
)
_VERDICT = """
    SELECT v.*, s.hash, s.content FROM verdicts v JOIN verdict_snapshots s ON s.id = v.snapshot_id
    WHERE v.org_id = :org_id AND
"""
_OF_ID = text(f"{_VERDICT} v.id = :id")
_OF_REQUEST = text(f"{_VERDICT} v.request_id = :request_id AND v.snapshot_id = :snapshot_id")
_OF_JOB = text(f"{_VERDICT} v.job_id = :job_id AND (v.signal_id = :signal_id OR v.snapshot_id = :snapshot_id) LIMIT 1")
_SAME_SIGNAL = """
    v.universe_id = :universe_id AND v.symbol = :symbol AND v.signal_type = :signal_type
    AND v.signal_day = :signal_day AND v.purpose <> 'replay'
"""
_SAME_ASKING = """
    AND v.prompt_version = :prompt_version AND (v.model = :model OR (:is_auto AND v.is_offline = :is_offline))
    AND v.created_at > assay_now() - :life
    ORDER BY v.created_at DESC LIMIT 1
"""
_LIKE_IT = text(
    f"""{_VERDICT} {_SAME_SIGNAL}
    AND (v.decided_on = :decided_on OR (:is_live AND NOT v.is_retrospective))
    {_SAME_ASKING}"""
)
_LIKE_CALLERS = text(f"{_VERDICT} v.snapshot_id = :snapshot_id AND v.purpose <> 'replay' {_SAME_ASKING}")
_NEWEST = text(
    f"""{_VERDICT} v.purpose <> 'replay' AND coalesce(v.decided_on <= :day, true)
        AND (v.universe_id, v.symbol, v.signal_type, v.signal_day) = (
            SELECT c.universe_id, g.symbol, g.type, g.day FROM signals g JOIN scans c ON c.id = g.scan_id
            WHERE g.id = :signal_id)
    ORDER BY v.created_at DESC LIMIT 1"""  # noqa: S608 (our columns)
)
_BRIEF = (
    "v.id, v.symbol, v.signal_id, v.signal_type, v.direction, v.universe_id, v.signal_day, v.verdict, v.confidence, "
    "v.model, v.provider, v.is_offline, v.is_cached, v.prompt_version, v.charged_usd, v.call_usd, v.purpose, "
    "v.is_retrospective, v.is_generated, v.numbers, v.numbers_verified, v.created_at, c.move_5, c.move_20, "
    "c.benchmark_5, c.benchmark_20"
)
_OF_DAY = text(
    f"""
    SELECT DISTINCT ON (v.symbol, v.signal_type) {_BRIEF}
    FROM verdicts v LEFT JOIN verdict_scores c ON c.verdict_id = v.id
    WHERE v.org_id = :org_id AND v.universe_id = :universe_id AND v.signal_day = :signal_day
        AND v.purpose <> 'replay' AND coalesce(v.decided_on <= :day, true)
    ORDER BY v.symbol, v.signal_type, v.created_at DESC
    """  # noqa: S608 (our columns)
)
_PAGE = text(
    f"""
    SELECT {_BRIEF} FROM verdicts v LEFT JOIN verdict_scores c ON c.verdict_id = v.id
    WHERE v.org_id = :org_id
        AND (:has_replays OR v.purpose <> 'replay')
        AND (CAST(:symbol AS text) IS NULL OR v.symbol = :symbol)
        AND (CAST(:signal_id AS uuid) IS NULL OR v.signal_id = :signal_id)
        AND (CAST(:universe_id AS text) IS NULL OR v.universe_id = :universe_id)
        AND (CAST(:model AS text) IS NULL OR v.model = :model)
        AND (CAST(:verdict AS text) IS NULL OR v.verdict = :verdict)
        AND (CAST(:at AS timestamptz) IS NULL OR (v.created_at, v.id) < (:at, CAST(:id AS uuid)))
    ORDER BY v.created_at DESC, v.id DESC LIMIT :most
    """  # noqa: S608 (our columns)
)
_USUAL = text(
    """
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY call_usd) FROM (
        SELECT call_usd FROM verdicts WHERE org_id = :org_id AND model = :model AND NOT is_cached
        ORDER BY created_at DESC LIMIT :most) AS last
    """
)


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A stored snapshot."""

    id: UUID
    org_id: UUID | None
    """None: shared by all organisations."""
    signal_id: UUID | None
    hash: bytes
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SnapshotWanted:
    """Which snapshots of a signal may be used again; of the past, those of this very day."""

    signal_id: UUID
    org_id: UUID | None
    day: date
    reason: str
    """Why the market is seen as of that day."""
    life: timedelta


@dataclass(frozen=True, slots=True)
class NewVerdict:
    """A verdict to be kept."""

    id: UUID
    org_id: UUID
    user_id: UUID | None
    job_id: UUID | None
    purpose: Purpose
    snapshot_id: UUID
    signal_id: UUID | None
    universe_id: str | None
    symbol: str
    signal_type: str
    direction: str
    signal_day: date | None
    own_confidence: float | None
    base_rate: float | None
    decided_on: date | None
    is_retrospective: bool
    is_generated: bool
    verdict: str
    confidence: float
    answer: Mapping[str, Any]
    numbers: int
    numbers_verified: int
    model: str
    provider: str
    is_offline: bool
    prompt_version: str
    price_version: str
    charged_usd: Decimal
    call_usd: Decimal
    prompt_tokens: int
    completion_tokens: int
    request_id: UUID
    is_cached: bool


@dataclass(frozen=True, slots=True)
class VerdictRow(NewVerdict):
    """A verdict with the snapshot that it is of."""

    created_at: datetime
    hash: bytes
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BriefRow:
    """A verdict as a list or a grid shows it, with what became of it."""

    id: UUID
    symbol: str
    signal_id: UUID | None
    signal_type: str
    direction: str
    universe_id: str | None
    signal_day: date | None
    verdict: str
    confidence: float
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    prompt_version: str
    charged_usd: Decimal
    call_usd: Decimal
    purpose: Purpose
    is_retrospective: bool
    is_generated: bool
    numbers: int
    numbers_verified: int
    created_at: datetime
    move_5: float | None
    """What the price did over 5 sessions from the next open; None: not known (yet)."""
    move_20: float | None
    benchmark_5: float | None
    benchmark_20: float | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which verdicts of an organisation."""

    symbol: str | None = None
    signal_id: UUID | None = None
    universe_id: str | None = None
    model: str | None = None
    verdict: str | None = None
    has_replays: bool = False
    """Whether those of replays are among them."""


@dataclass(frozen=True, slots=True)
class SignalName:
    """What names a signal, also where its scan was made again."""

    universe_id: str
    symbol: str
    signal_type: str
    signal_day: date


@dataclass(frozen=True, slots=True)
class AskedOf:
    """How a verdict was asked for: what tells whether it is the same question again."""

    prompt_version: str
    model: str
    """Id of a model, or `auto`."""
    is_auto: bool
    is_offline: bool
    """Whether `auto` is answered without a provider."""
    life: timedelta
    """So long it counts as the same."""


def snapshot(connection: Connection, snapshot_id: UUID) -> SnapshotRow | None:
    """A snapshot that the connection may see."""
    row = connection.execute(_SNAPSHOT_OF_ID, {"id": snapshot_id}).one_or_none()
    return SnapshotRow(*row) if row else None


def snapshot_of_signal(connection: Connection, wanted: SnapshotWanted) -> SnapshotRow | None:
    """The newest snapshot of a signal that may be used again."""
    row = connection.execute(_SNAPSHOT_OF_SIGNAL, _values(wanted) | {"day": wanted.day.isoformat()}).one_or_none()
    return SnapshotRow(*row) if row else None


def snapshot_of_signal_once(connection: Connection, wanted: SnapshotWanted, new: SnapshotRow) -> SnapshotRow:
    """Keeps a snapshot of a signal, or gives the one that another kept in the meantime."""
    connection.execute(_LOCK, {"name": f"snapshot/{wanted.signal_id}/{wanted.org_id}"})
    found = snapshot_of_signal(connection, wanted)
    return found or _added(connection, new)


def snapshot_of_caller_once(connection: Connection, org_id: UUID, new: SnapshotRow) -> SnapshotRow:
    """Keeps a caller's snapshot, or gives the same one that their organisation brought before."""
    connection.execute(_LOCK, {"name": f"snapshot/{org_id}/{new.hash.hex()}"})
    row = connection.execute(_SNAPSHOT_OF_CALLER, {"org_id": org_id, "hash": new.hash}).one_or_none()
    return SnapshotRow(*row) if row else _added(connection, new)


def forget_snapshots(connection: Connection, unused: timedelta) -> None:
    """Forgets old snapshots of which no verdict was given."""
    connection.execute(_FORGET_SNAPSHOTS, {"unused": unused})


def add(connection: Connection, verdict: NewVerdict) -> datetime | None:
    """Keeps a verdict, and says when; None where the one of the same request, or job and snapshot, is there already."""
    values = _values(verdict) | {"answer": json.dumps(verdict.answer, allow_nan=False)}
    at: datetime | None = connection.execute(_ADD, values).scalar_one_or_none()
    return at


def kept_instead(connection: Connection, new: NewVerdict) -> VerdictRow:
    """The verdict that was there where `add` kept none."""
    found = of_request(connection, new.org_id, new.request_id, new.snapshot_id)
    if found is None and new.job_id is not None:
        found = of_job(connection, new.org_id, new.job_id, signal_id=None, snapshot_id=new.snapshot_id)
    assert found is not None
    return found


def verdict(connection: Connection, org_id: UUID, verdict_id: UUID) -> VerdictRow | None:
    """One verdict of an organisation."""
    return _one(connection.execute(_OF_ID, {"org_id": org_id, "id": verdict_id}).one_or_none())


def of_request(connection: Connection, org_id: UUID, request_id: UUID, snapshot_id: UUID) -> VerdictRow | None:
    """The verdict that a request brought."""
    values = {"org_id": org_id, "request_id": request_id, "snapshot_id": snapshot_id}
    return _one(connection.execute(_OF_REQUEST, values).one_or_none())


def of_job(
    connection: Connection, org_id: UUID, job_id: UUID, *, signal_id: UUID | None, snapshot_id: UUID | None
) -> VerdictRow | None:
    """The verdict that a job brought of a signal, or of a snapshot."""
    values = {"org_id": org_id, "job_id": job_id, "signal_id": signal_id, "snapshot_id": snapshot_id}
    return _one(connection.execute(_OF_JOB, values).one_or_none())


def like_it(
    connection: Connection, org_id: UUID, signal: SignalName, asked: AskedOf, *, decided_on: date, is_live: bool
) -> VerdictRow | None:
    """The newest verdict on a signal that was asked for in the same way; of the past, on this very day."""
    values = {**_values(signal), **_values(asked), "org_id": org_id, "decided_on": decided_on, "is_live": is_live}
    return _one(connection.execute(_LIKE_IT, values).one_or_none())


def like_callers(connection: Connection, org_id: UUID, snapshot_id: UUID, asked: AskedOf) -> VerdictRow | None:
    """The newest verdict on a caller's snapshot that was asked for in the same way."""
    values = {**_values(asked), "org_id": org_id, "snapshot_id": snapshot_id}
    return _one(connection.execute(_LIKE_CALLERS, values).one_or_none())


def newest(connection: Connection, org_id: UUID, signal_id: UUID, day: date) -> VerdictRow | None:
    """The newest verdict on a signal, also where its scan was made again, that was given on or before a day."""
    values = {"org_id": org_id, "signal_id": signal_id, "day": day}
    return _one(connection.execute(_NEWEST, values).one_or_none())


def of_day(connection: Connection, org_id: UUID, universe_id: str, signal_day: date, day: date) -> Sequence[BriefRow]:
    """The newest verdict on each signal of a universe's day that was given on or before `day`."""
    values = {"org_id": org_id, "universe_id": universe_id, "signal_day": signal_day, "day": day}
    return [BriefRow(*row) for row in connection.execute(_OF_DAY, values)]


def page(
    connection: Connection, org_id: UUID, filters: Filters, *, before: Place | None, most: int
) -> Sequence[BriefRow]:
    """Verdicts of an organisation, newest first, after a place in the list."""
    at, row_id = before or (None, None)
    values = {**_values(filters), "org_id": org_id, "at": at, "id": row_id, "most": most}
    return [BriefRow(*row) for row in connection.execute(_PAGE, values)]


def usual_usd(connection: Connection, org_id: UUID, model: str, *, most: int) -> Decimal | None:
    """Median of what the last calls of a model cost that brought a verdict."""
    found: Decimal | None = connection.execute(
        _USUAL, {"org_id": org_id, "model": model, "most": most}
    ).scalar_one_or_none()
    return found


def _added(connection: Connection, row: SnapshotRow) -> SnapshotRow:
    connection.execute(_ADD_SNAPSHOT, _values(row) | {"content": json.dumps(row.content, allow_nan=False)})
    return row


def _one(row: Any) -> VerdictRow | None:
    return None if row is None else VerdictRow(**row._mapping)


def _values(of: SnapshotWanted | SnapshotRow | SignalName | AskedOf | Filters | NewVerdict) -> dict[str, Any]:
    return {each.name: getattr(of, each.name) for each in fields(of)}
