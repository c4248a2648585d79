"""The statements of batches of validations: which signals, how far they are, and who wants them every night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_BATCH = (
    "job_id, org_id, started_by, is_nightly, parent_id, universe_id, signal_day, model, title, stopped_code, "
    "stopped_reason, created_at, finished_at"
)
# A signal is validated where its organisation has a verdict of today on it, also one of another scan of the same day.
_WANTED = text(
    """
    SELECT s.id, s.symbol, s.type, s.confidence, s.day, c.universe_id,
        (c.universe_id, s.symbol, s.type, s.day) IN (
            SELECT universe_id, symbol, signal_type, signal_day FROM verdicts
            WHERE org_id = bound_org() AND created_at > assay_now() - interval '24 hours' AND purpose <> 'replay'
                AND universe_id IS NOT NULL AND signal_day IS NOT NULL AND (:model = 'auto' OR model = :model)
        ) AS is_validated
    FROM signals s JOIN scans c ON c.id = s.scan_id
    WHERE s.day <= :day AND (s.id = ANY(CAST(:signal_ids AS uuid[])) OR (s.scan_id = :scan_id AND s.state = 'signal'
        AND (CAST(:symbols AS text[]) IS NULL OR s.symbol = ANY(CAST(:symbols AS text[])))))
    ORDER BY s.confidence DESC NULLS LAST, s.symbol, s.id LIMIT :most
    """
)
# Of a nightly batch that a scan started there is one for each day of signals, however often the scan is told of.
_BEGIN = text(
    """
    INSERT INTO verdict_batches (job_id, org_id, started_by, is_nightly, parent_id, universe_id, signal_day, model,
        title, created_at)
    SELECT :job_id, :org_id, :started_by, :is_nightly, :parent_id, :universe_id, :signal_day, :model, :title,
        assay_now()
    WHERE NOT :is_once OR NOT EXISTS (SELECT FROM verdict_batches b WHERE b.org_id = :org_id AND b.is_nightly
        AND b.universe_id = :universe_id AND b.signal_day = :signal_day)
    ON CONFLICT (job_id) DO NOTHING
    """
)
_ADD_ITEMS = text(
    """
    INSERT INTO verdict_batch_items (job_id, org_id, number, signal_id, symbol, status)
    SELECT :job_id, :org_id, i.number, s.id, s.symbol, 'waiting'
    FROM unnest(CAST(:signal_ids AS uuid[])) WITH ORDINALITY AS i(signal_id, number)
        JOIN signals s ON s.id = i.signal_id
    """
)
_HAS_NIGHT = text(
    "SELECT EXISTS (SELECT FROM verdict_batches WHERE org_id = :org_id AND is_nightly AND universe_id = :universe_id "
    "AND signal_day = :signal_day)"
)
_GET = text(f"SELECT {_BATCH} FROM verdict_batches WHERE job_id = :job_id")  # noqa: S608 (a constant of this module)
_LATEST = text(
    f"SELECT {_BATCH} FROM verdict_batches WHERE org_id = bound_org() "  # noqa: S608 (a constant of this module)
    "ORDER BY created_at DESC, job_id DESC LIMIT 1"
)
_COUNTS = text(
    """
    SELECT count(*) AS total, count(*) FILTER (WHERE i.status = 'waiting') AS waiting,
        count(*) FILTER (WHERE i.status = 'done') AS done, count(*) FILTER (WHERE i.status = 'failed') AS failed,
        count(*) FILTER (WHERE i.status = 'abstained') AS abstained,
        coalesce(sum(v.charged_usd) FILTER (WHERE v.job_id = i.job_id), 0) AS spent_usd
    FROM verdict_batch_items i LEFT JOIN verdicts v ON v.id = i.verdict_id WHERE i.job_id = :job_id
    """
)
_ITEM = "i.number, i.signal_id, i.symbol, s.type AS signal_type, i.status, i.verdict_id, i.problem"
_ITEMS = text(
    f"""
    SELECT {_ITEM} FROM verdict_batch_items i JOIN signals s ON s.id = i.signal_id
    WHERE i.job_id = :job_id AND i.number > :after AND i.status = ANY(:statuses) ORDER BY i.number LIMIT :most
    """  # noqa: S608 (a constant of this module)
)
_RECORD = text(
    "UPDATE verdict_batch_items SET status = :status, verdict_id = :verdict_id, problem = :problem "
    "WHERE job_id = :job_id AND number = :number AND status = 'waiting'"
)
_IS_STOPPED = text("SELECT stopped_code IS NOT NULL FROM verdict_batches WHERE job_id = :job_id")
_STOP = text(
    "UPDATE verdict_batches SET stopped_code = :code, stopped_reason = :reason "
    "WHERE job_id = :job_id AND stopped_code IS NULL AND finished_at IS NULL"
)
_FINISH = text("UPDATE verdict_batches SET finished_at = assay_now() WHERE job_id = :job_id AND finished_at IS NULL")
_ADOPT = text(
    "UPDATE verdict_batches SET parent_id = :parent_id "
    "WHERE job_id = :job_id AND parent_id IS NULL AND finished_at IS NULL"
)
_LOCK_PARENT = text("SELECT is_left_running FROM jobs WHERE id = :id AND finished_at IS NULL FOR UPDATE")
_TELL_PARENT = text(
    """
    UPDATE jobs SET done = c.done, failed = c.failed, total = c.total, updated_at = assay_now() FROM (
        SELECT count(*) AS total, count(*) FILTER (WHERE i.status IN ('done', 'abstained')) AS done,
            count(*) FILTER (WHERE i.status = 'failed') AS failed
        FROM verdict_batches b JOIN verdict_batch_items i ON i.job_id = b.job_id WHERE b.parent_id = :id) c
    WHERE id = :id
    """
)
_IS_UNDER_WAY = text("SELECT EXISTS (SELECT FROM verdict_batches WHERE parent_id = :id AND finished_at IS NULL)")
_FORGET = text("DELETE FROM verdict_batches WHERE finished_at < assay_now() - CAST(:age AS interval)")
# What is left of the organisation's budget, what its calls under way may still cost not counted.
_BUDGET_LEFT = text(
    """
    SELECT g.budget_usd_month - coalesce(m.charge_usd_used + m.charge_usd_held, 0) AS left_usd
    FROM organisations g LEFT JOIN LATERAL (
        SELECT (org_meter_at(o, assay_now(), g.zone, false)).* FROM org_meters o WHERE o.org_id = g.id) m ON true
    WHERE g.id = bound_org()
    """
)
_SETTINGS = "org_id, is_nightly, universe_id, most, model, switched_on_by, uses_quality, updated_at"
_GET_SETTINGS = text(f"SELECT {_SETTINGS} FROM verdict_settings WHERE org_id = :org_id")  # noqa: S608 (a constant)
_PUT_SETTINGS = text(
    f"""
    INSERT INTO verdict_settings ({_SETTINGS})
    VALUES (:org_id, :is_nightly, :universe_id, :most, :model, :switched_on_by, :uses_quality, assay_now())
    ON CONFLICT (org_id) DO UPDATE SET is_nightly = excluded.is_nightly, universe_id = excluded.universe_id,
        most = excluded.most, model = excluded.model, switched_on_by = excluded.switched_on_by,
        uses_quality = excluded.uses_quality, updated_at = excluded.updated_at
    RETURNING {_SETTINGS}
    """  # noqa: S608 (a constant of this module)
)
_NIGHTLY = text(
    f"""
    SELECT {_SETTINGS} FROM verdict_settings
    WHERE is_nightly AND (CAST(:universe_id AS text) IS NULL OR universe_id = :universe_id)
        AND (CAST(:org_id AS uuid) IS NULL OR org_id = :org_id)
    ORDER BY org_id
    """  # noqa: S608 (a constant of this module)
)


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A signal that a batch could be of."""

    id: UUID
    symbol: str
    type: str
    confidence: float | None
    day: date
    universe_id: str
    is_validated: bool
    """Whether its organisation has a verdict of the last 24 hours on it."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that begins."""

    job_id: UUID
    org_id: UUID
    started_by: UUID
    is_nightly: bool
    is_once: bool
    """Whether it begins only where no other nightly batch of this universe and day did."""
    parent_id: UUID | None
    universe_id: str
    signal_day: date
    model: str
    title: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as it is stored."""

    job_id: UUID
    org_id: UUID
    started_by: UUID
    is_nightly: bool
    parent_id: UUID | None
    universe_id: str
    signal_day: date
    model: str
    title: str
    stopped_code: str | None
    stopped_reason: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class CountsRow:
    """How far a batch is."""

    total: int
    waiting: int
    done: int
    failed: int
    abstained: int
    spent_usd: Decimal
    """What its own calls were charged."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A signal of a batch, and what became of it."""

    number: int
    signal_id: UUID
    symbol: str
    signal_type: str
    status: str
    """waiting, done, failed or abstained."""
    verdict_id: UUID | None
    problem: str | None
    """Why there is no verdict, in a sentence."""


@dataclass(frozen=True, slots=True)
class SettingsRow:
    """What an organisation set about verdicts."""

    org_id: UUID
    is_nightly: bool
    universe_id: str | None
    most: int
    model: str
    switched_on_by: UUID | None
    uses_quality: bool
    updated_at: datetime


def wanted(
    connection: Connection,
    *,
    day: date,
    model: str,
    most: int,
    signal_ids: Sequence[UUID] = (),
    scan_id: UUID | None = None,
    symbols: Sequence[str] | None = None,
) -> list[WantedRow]:
    """The signals of these ids, or those of a scan (of these symbols) that are more than forming, up to a day; the
    most confident first. Within a principal's transaction: none that they may not see."""
    values = {
        "day": day,
        "model": model,
        "most": most,
        "signal_ids": list(signal_ids),
        "scan_id": scan_id,
        "symbols": None if symbols is None else list(symbols),
    }
    return [WantedRow(**row) for row in connection.execute(_WANTED, values).mappings()]


def begin(connection: Connection, batch: NewBatch, signal_ids: Sequence[UUID]) -> bool:
    """Records a batch and its signals, in their order; False where it has begun, or may begin but once and did."""
    if connection.execute(_BEGIN, asdict(batch)).rowcount == 0:
        return False
    values = {"job_id": batch.job_id, "org_id": batch.org_id, "signal_ids": list(signal_ids)}
    connection.execute(_ADD_ITEMS, values)
    return True


def has_night(connection: Connection, org_id: UUID, universe_id: str, signal_day: date) -> bool:
    """Whether a nightly batch of these signals began."""
    values = {"org_id": org_id, "universe_id": universe_id, "signal_day": signal_day}
    return bool(connection.execute(_HAS_NIGHT, values).scalar_one())


def get(connection: Connection, job_id: UUID) -> BatchRow | None:
    """A batch; within a principal's transaction one of their organisation."""
    row = connection.execute(_GET, {"job_id": job_id}).mappings().one_or_none()
    return BatchRow(**row) if row else None


def latest(connection: Connection) -> BatchRow | None:
    """The newest batch of the bound organisation."""
    row = connection.execute(_LATEST).mappings().one_or_none()
    return BatchRow(**row) if row else None


def counts(connection: Connection, job_id: UUID) -> CountsRow:
    """How far a batch is."""
    return CountsRow(**connection.execute(_COUNTS, {"job_id": job_id}).mappings().one())


def items(connection: Connection, job_id: UUID, *, statuses: Sequence[str], after: int = 0, most: int) -> list[ItemRow]:
    """Signals of a batch that are so far, in their order, from behind a number on."""
    values = {"job_id": job_id, "statuses": list(statuses), "after": after, "most": most}
    return [ItemRow(**row) for row in connection.execute(_ITEMS, values).mappings()]


def record(
    connection: Connection,
    job_id: UUID,
    number: int,
    *,
    status: str,
    verdict_id: UUID | None = None,
    problem: str | None = None,
) -> None:
    """Says what became of a signal; what was said of it before stays."""
    values = {"job_id": job_id, "number": number, "status": status, "verdict_id": verdict_id, "problem": problem}
    connection.execute(_RECORD, values)


def is_stopped(connection: Connection, job_id: UUID) -> bool:
    """Whether no further signal of a batch is to be begun."""
    return bool(connection.execute(_IS_STOPPED, {"job_id": job_id}).scalar())


def stop(connection: Connection, job_id: UUID, code: str, reason: str) -> None:
    """Says that no further signal is to be begun, and why; the first reason stays."""
    connection.execute(_STOP, {"job_id": job_id, "code": code, "reason": reason})


def finish(connection: Connection, job_id: UUID) -> None:
    """Ends a batch."""
    connection.execute(_FINISH, {"job_id": job_id})


def adopt(connection: Connection, job_id: UUID, parent_id: UUID) -> None:
    """Has a job count the signals of a batch that is under way on nobody's account."""
    connection.execute(_ADOPT, {"job_id": job_id, "parent_id": parent_id})


def tell_parent(connection: Connection, parent_id: UUID) -> bool:
    """Counts the signals of a job's batches on it; whether it was left running and the last of them has ended."""
    left = connection.execute(_LOCK_PARENT, {"id": parent_id}).scalar()  # the lock: one of two last ones sees the other
    if left is None:
        return False
    connection.execute(_TELL_PARENT, {"id": parent_id})
    return bool(left) and not connection.execute(_IS_UNDER_WAY, {"id": parent_id}).scalar_one()


def forget(connection: Connection, age: timedelta) -> None:
    """Deletes batches that ended so long ago; their verdicts stay."""
    connection.execute(_FORGET, {"age": age})


def budget_left(connection: Connection) -> Decimal | None:
    """What is left of the bound organisation's budget of the month; None where it set none."""
    left: Decimal | None = connection.execute(_BUDGET_LEFT).scalar_one()
    return left


def settings(connection: Connection, org_id: UUID) -> SettingsRow | None:
    """What an organisation set; None: nothing yet."""
    row = connection.execute(_GET_SETTINGS, {"org_id": org_id}).mappings().one_or_none()
    return SettingsRow(**row) if row else None


def put_settings(
    connection: Connection, org_id: UUID, switched_on_by: UUID | None, choices: Mapping[str, bool | int | str | None]
) -> SettingsRow:
    """Sets an organisation's settings; gives them as they are then."""
    values = {**choices, "org_id": org_id, "switched_on_by": switched_on_by}
    return SettingsRow(**connection.execute(_PUT_SETTINGS, values).mappings().one())


def nightly(connection: Connection, *, universe_id: str | None = None, org_id: UUID | None = None) -> list[SettingsRow]:
    """The organisations that switched nightly validation on, for one universe, or one organisation alone."""
    found = connection.execute(_NIGHTLY, {"universe_id": universe_id, "org_id": org_id})
    return [SettingsRow(**row) for row in found.mappings()]
