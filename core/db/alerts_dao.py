"""The statements of alerts: a member's own under the app role; after a scan, and to deliver, under the service role."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_ALERT = (
    "id, org_id, user_id, name, screen_id, universe_id, tells_in_app, tells_by_mail, webhook_url, is_paused, "
    "created_at, silent_because, screen_version, scan_id, as_of, scanned_at, own_as_of, matching, told_at"
)
_OWN = text(
    f"""
    SELECT {_ALERT} FROM alerts
    WHERE org_id = bound_org() AND user_id = bound_user() AND coalesce(id = :id, true)
    ORDER BY created_at, id LIMIT :most
    """  # noqa: S608 (a constant of this module)
)
_LOCK_OWN = text("SELECT id FROM alerts WHERE id = :id FOR UPDATE")
_ADD = text(
    """
    INSERT INTO alerts (id, org_id, user_id, name, screen_id, universe_id, tells_in_app, tells_by_mail, webhook_url,
        webhook_secret, is_paused, created_at)
    VALUES (:id, bound_org(), bound_user(), :name, :screen_id, :universe_id, :tells_in_app, :tells_by_mail,
        :webhook_url, :webhook_secret, false, assay_now())
    """
)
_CHANGE = text(
    """
    UPDATE alerts SET name = :name, screen_id = :screen_id, universe_id = :universe_id, tells_in_app = :tells_in_app,
        tells_by_mail = :tells_by_mail, webhook_url = :webhook_url
    WHERE id = :id
    """
)
_SET_SECRET = text("UPDATE alerts SET webhook_url = :url, webhook_secret = :secret WHERE id = :id")
_PAUSE = text("UPDATE alerts SET is_paused = :is_paused WHERE id = :id")
_DELETE = text("DELETE FROM alerts WHERE id = :id RETURNING id")
_FORGET = text("DELETE FROM alert_matches WHERE alert_id = :id")
_KNOW_NOTHING = text(
    """
    UPDATE alerts SET silent_because = :because, screen_version = NULL, scan_id = NULL, as_of = NULL,
        scanned_at = NULL, matching = NULL
    WHERE id = :id
    """
)
_KNOW = text(
    """
    UPDATE alerts SET silent_because = NULL, screen_version = :screen_version, scan_id = :scan_id, as_of = :as_of,
        scanned_at = :scanned_at, matching = :matching
    WHERE id = :id
    """
)
_KNOW_SYMBOLS = text(
    """
    INSERT INTO alert_matches (alert_id, symbol, org_id, user_id, scan_id, since)
    SELECT :id, symbol, :org_id, :user_id, :scan_id, :as_of FROM unnest(cast(:symbols AS text[])) AS given(symbol)
    ON CONFLICT (alert_id, symbol) DO NOTHING
    """
)
_FORGET_OTHERS = text("DELETE FROM alert_matches WHERE alert_id = :id AND NOT symbol = ANY(cast(:symbols AS text[]))")
_KNOWN = text("SELECT symbol FROM alert_matches WHERE alert_id = :id")
_WATCHED = text(
    """
    SELECT id FROM alerts WHERE NOT is_paused AND coalesce(universe_id = :universe_id, true)
        AND coalesce(org_id = :org_id, true)
    ORDER BY id
    """
)
_AWAITED = text(
    """
    SELECT DISTINCT a.universe_id, CASE WHEN s.id IS NOT NULL THEN s.org_id
        WHEN NOT EXISTS (SELECT FROM universes u WHERE u.id = a.universe_id) THEN a.org_id END AS org_id
    FROM alerts a LEFT JOIN scans s ON s.id = a.scan_id
    WHERE NOT a.is_paused AND a.silent_because IS NULL
    """
)
_ONE = text(f"SELECT {_ALERT} FROM alerts WHERE id = :id")  # noqa: S608 (a constant of this module)
_LOCKED = text(f"SELECT {_ALERT} FROM alerts WHERE id = :id FOR UPDATE")  # noqa: S608 (a constant of this module)
_ADD_DELIVERY = text(
    """
    INSERT INTO alert_deliveries (id, alert_id, org_id, user_id, scan_id, channel, message, status, attempts, due_at,
        created_at, finished_at)
    VALUES (:id, :alert_id, :org_id, :user_id, :scan_id, :channel, cast(:message AS jsonb),
        CASE WHEN :is_done THEN 'delivered' ELSE 'pending' END, 0, CASE WHEN NOT :is_done THEN assay_now() END,
        assay_now(), CASE WHEN :is_done THEN assay_now() END)
    ON CONFLICT (alert_id, scan_id, channel) DO NOTHING
    """
)
_TOLD = text("UPDATE alerts SET told_at = assay_now() WHERE id = :id")
_CLAIM = text(
    """
    UPDATE alert_deliveries d SET attempts = d.attempts + 1, due_at = assay_now() + :lease
    FROM alerts a
    WHERE a.id = d.alert_id AND d.id IN (
        SELECT id FROM alert_deliveries WHERE status = 'pending' AND due_at <= assay_now()
        ORDER BY due_at, id LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING d.id, d.alert_id, d.org_id, d.user_id, d.channel, d.message, d.attempts, a.name, a.tells_by_mail,
        a.webhook_url, a.webhook_secret
    """
)
_DELIVERED = text(
    """
    UPDATE alert_deliveries SET status = 'delivered', due_at = NULL, said = NULL, finished_at = assay_now()
    WHERE id = :id AND status = 'pending' AND attempts = :attempts
    """
)
_FAILED = text(
    """
    UPDATE alert_deliveries SET status = CASE WHEN cast(:again AS interval) IS NULL THEN 'failed' ELSE status END,
        due_at = assay_now() + cast(:again AS interval), said = :said,
        finished_at = CASE WHEN cast(:again AS interval) IS NULL THEN assay_now() END
    WHERE id = :id AND status = 'pending' AND attempts = :attempts RETURNING status
    """
)
_DELIVERIES = text(
    """
    SELECT id, alert_id, channel, status, attempts, due_at, said, created_at, finished_at,
        cast(message->>'total' AS integer) AS total
    FROM alert_deliveries WHERE org_id = bound_org() AND user_id = bound_user() AND coalesce(alert_id = :id, true)
    ORDER BY created_at DESC, channel LIMIT :most
    """
)
_LAST_DELIVERIES = text(
    """
    SELECT DISTINCT ON (alert_id, channel) id, alert_id, channel, status, attempts, due_at, said, created_at,
        finished_at, cast(message->>'total' AS integer) AS total
    FROM alert_deliveries WHERE org_id = bound_org() AND user_id = bound_user()
    ORDER BY alert_id, channel, created_at DESC
    """
)
_PRUNE = text("DELETE FROM alert_deliveries WHERE status <> 'pending' AND created_at < assay_now() - :age")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert, without the secret of its webhook."""

    id: UUID
    org_id: UUID
    user_id: UUID
    name: str
    screen_id: UUID
    universe_id: str
    tells_in_app: bool
    tells_by_mail: bool
    webhook_url: str | None
    is_paused: bool
    created_at: datetime
    silent_because: str | None
    """Why it was not told at the last scan; None: it was, or had nothing to tell."""
    screen_version: int | None
    scan_id: UUID | None
    """The scan that its known matches are of; None: the next scan is its first."""
    as_of: date | None
    scanned_at: datetime | None
    """When that scan was finished."""
    own_as_of: date | None
    """Day of the last scan of the organisation's own."""
    matching: int | None
    """Symbols that matched at that scan."""
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What matched at a scan."""

    screen_version: int
    scan_id: UUID
    as_of: date
    scanned_at: datetime
    symbols: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """New matches of a scan on one channel, as their owner sees it."""

    id: UUID
    alert_id: UUID
    channel: str
    """`app`, `mail` or `webhook`."""
    status: str
    """`pending`, `delivered` or `failed`."""
    attempts: int
    due_at: datetime | None
    said: str | None
    """What went wrong at the last attempt."""
    created_at: datetime
    finished_at: datetime | None
    total: int
    """New matches."""


@dataclass(frozen=True, slots=True)
class DueRow:
    """A delivery that is claimed, with what its alert says now."""

    id: UUID
    alert_id: UUID
    org_id: UUID
    user_id: UUID
    channel: str
    message: dict[str, Any]
    attempts: int
    """This one included."""
    name: str
    tells_by_mail: bool
    webhook_url: str | None
    webhook_secret: str | None = field(repr=False)
    """As it is kept: encrypted, or as it was from before."""


def own(connection: Connection, alert_id: UUID | None = None, *, most: int) -> list[AlertRow]:
    """The principal's alerts, the oldest first; or the one of that id."""
    return [AlertRow(**row) for row in connection.execute(_OWN, {"id": alert_id, "most": most}).mappings()]


def count_own(connection: Connection) -> int:
    """How many alerts the principal has; nobody else counts theirs before this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('alerts ' || bound_user()::text, 0))"))
    statement = text("SELECT count(*) FROM alerts WHERE org_id = bound_org() AND user_id = bound_user()")
    return int(connection.execute(statement).scalar_one())


def lock_own(connection: Connection, alert_id: UUID) -> bool:
    """Nothing else changes the principal's alert before this transaction ends; False where there is none."""
    return connection.execute(_LOCK_OWN, {"id": alert_id}).scalar() is not None


def add(connection: Connection, alert_id: UUID, **values: Any) -> None:
    """Makes an alert of the principal's."""
    connection.execute(_ADD, {"id": alert_id, **values})


def change(connection: Connection, alert_id: UUID, **values: Any) -> None:
    """Changes a locked alert of the principal's; its secret stays."""
    connection.execute(_CHANGE, {"id": alert_id, **values})


def set_webhook(connection: Connection, alert_id: UUID, url: str | None, secret: str | None) -> None:
    """Gives a locked alert another address and secret."""
    connection.execute(_SET_SECRET, {"id": alert_id, "url": url, "secret": secret})


def pause(connection: Connection, alert_id: UUID, *, is_paused: bool) -> None:
    """Pauses a locked alert, or lets it go on."""
    connection.execute(_PAUSE, {"id": alert_id, "is_paused": is_paused})


def delete(connection: Connection, alert_id: UUID) -> bool:
    """Deletes an alert of the principal's with all that is known of it; False where there is none."""
    return connection.execute(_DELETE, {"id": alert_id}).scalar() is not None


def know_nothing(connection: Connection, alert_id: UUID, because: str | None = None) -> None:
    """Makes the next scan a locked alert's first, with the reason why it is silent until then."""
    connection.execute(_FORGET, {"id": alert_id})
    connection.execute(_KNOW_NOTHING, {"id": alert_id, "because": because})


def know(connection: Connection, alert: AlertRow, known: KnownRow) -> None:
    """Keeps what a locked alert's screen matched at a scan; what matched before keeps its day."""
    of_scan = {"id": alert.id, "scan_id": known.scan_id, "as_of": known.as_of}
    symbols = list(known.symbols)
    connection.execute(_FORGET_OTHERS, {"id": alert.id, "symbols": symbols})
    connection.execute(_KNOW_SYMBOLS, {**of_scan, "org_id": alert.org_id, "user_id": alert.user_id, "symbols": symbols})
    connection.execute(
        _KNOW,
        {
            **of_scan,
            "screen_version": known.screen_version,
            "scanned_at": known.scanned_at,
            "matching": len(symbols),
        },
    )


def set_own_as_of(connection: Connection, alert_id: UUID, day: date) -> None:
    """Remembers the day of a scan of the organisation's own."""
    connection.execute(text("UPDATE alerts SET own_as_of = :day WHERE id = :id"), {"id": alert_id, "day": day})


def known_symbols(connection: Connection, alert_id: UUID) -> frozenset[str]:
    """What matched at the alert's last scan."""
    return frozenset(connection.execute(_KNOWN, {"id": alert_id}).scalars())


def now(connection: Connection) -> datetime:
    """The moment by the clock of the database."""
    moment: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return moment


def watched(connection: Connection, *, universe_id: str | None = None, org_id: UUID | None = None) -> list[UUID]:
    """Ids of the alerts that are not paused: all, or those of a universe, or of an organisation."""
    return list(connection.execute(_WATCHED, {"universe_id": universe_id, "org_id": org_id}).scalars())


def awaited(connection: Connection) -> list[tuple[str, UUID | None]]:
    """Universes that alerts wait for a scan of, and whose scan it is; None: everybody's."""
    return [(row.universe_id, row.org_id) for row in connection.execute(_AWAITED)]


def get(connection: Connection, alert_id: UUID, *, lock: bool = False) -> AlertRow | None:
    """An alert, whosever it is."""
    row = connection.execute(_LOCKED if lock else _ONE, {"id": alert_id}).mappings().one_or_none()
    return AlertRow(**row) if row else None


def add_delivery(
    connection: Connection,
    delivery_id: UUID,
    alert: AlertRow,
    *,
    scan_id: UUID,
    channel: str,
    message: Mapping[str, Any],
    is_done: bool = False,
) -> None:
    """Records what is to be told on a channel, due at once; there is one for each alert, scan and channel."""
    connection.execute(
        _ADD_DELIVERY,
        {
            "id": delivery_id,
            "alert_id": alert.id,
            "org_id": alert.org_id,
            "user_id": alert.user_id,
            "scan_id": scan_id,
            "channel": channel,
            "message": json.dumps(message, allow_nan=False),
            "is_done": is_done,
        },
    )


def set_told(connection: Connection, alert_id: UUID) -> None:
    """Remembers that an alert was told now."""
    connection.execute(_TOLD, {"id": alert_id})


def claim(connection: Connection, *, most: int, lease: timedelta) -> list[DueRow]:
    """Takes deliveries that are due; nobody else takes them before the lease is over."""
    return [DueRow(**row) for row in connection.execute(_CLAIM, {"most": most, "lease": lease}).mappings()]


def set_delivered(connection: Connection, delivery_id: UUID, attempts: int) -> None:
    """Ends a delivery that this attempt made."""
    connection.execute(_DELIVERED, {"id": delivery_id, "attempts": attempts})


def set_failed(connection: Connection, delivery_id: UUID, attempts: int, *, said: str, again: timedelta | None) -> bool:
    """Says why an attempt failed and when the next is made; without a next it has failed for good, and that is True."""
    values = {"id": delivery_id, "attempts": attempts, "said": said, "again": again}
    return connection.execute(_FAILED, values).scalar() == "failed"


def deliveries(connection: Connection, alert_id: UUID | None, *, most: int) -> list[DeliveryRow]:
    """The principal's deliveries, the last first; or those of one alert."""
    return [DeliveryRow(**row) for row in connection.execute(_DELIVERIES, {"id": alert_id, "most": most}).mappings()]


def last_deliveries(connection: Connection) -> list[DeliveryRow]:
    """The principal's last delivery of each alert on each channel."""
    return [DeliveryRow(**row) for row in connection.execute(_LAST_DELIVERIES).mappings()]


def prune(connection: Connection, age: timedelta) -> None:
    """Deletes deliveries that ended long ago."""
    connection.execute(_PRUNE, {"age": age})
