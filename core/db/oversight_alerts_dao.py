"""The statements of alerts of oversight: what fires, what was set for rules, channels, and what is on its way."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_ALERT = (
    "a.id, a.rule, a.level, a.org_id, a.user_id, a.subject, a.period, a.title, a.body, a.advice, a.value, a.threshold, "
    "a.is_muted, a.told_at, a.raised_at, a.seen_at, a.cleared_at, a.acknowledged_at, a.acknowledged_by"
)
_KEPT = (
    "id, rule, level, org_id, user_id, subject, period, title, body, advice, value, threshold, is_muted, told_at, "
    "raised_at, seen_at"
)
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('oversight ' || :name, 0))")
_OPEN = text(
    """
    SELECT id, rule, org_id, user_id, subject, period, is_muted FROM oversight_alerts
    WHERE rule = ANY(:rules) AND cleared_at IS NULL
    """
)
_RAISE = text(
    f"""
    INSERT INTO oversight_alerts ({_KEPT})
    VALUES (:id, :rule, :level, :org_id, :user_id, :subject, :period, :title, :body, :advice, :value, :threshold,
        :is_muted, CASE WHEN NOT :is_muted THEN assay_now() END, assay_now(), :at)
    ON CONFLICT DO NOTHING RETURNING {_KEPT}, cleared_at, acknowledged_at, acknowledged_by
    """  # noqa: S608 (a constant of this module)
)
_UNMUTE = text(
    f"""
    UPDATE oversight_alerts a SET is_muted = false, told_at = assay_now(), title = :title, body = :body, value = :value
    WHERE a.id = :id AND a.is_muted RETURNING {_ALERT}
    """  # noqa: S608 (a constant of this module)
)
_SEE = text(
    """
    UPDATE oversight_alerts a SET seen_at = greatest(a.seen_at, :at), value = s.value
    FROM unnest(cast(:ids AS uuid[]), cast(:values AS numeric[])) AS s (id, value) WHERE a.id = s.id
    """
)
_RESUME = text(
    """
    UPDATE oversight_alerts SET cleared_at = NULL, seen_at = greatest(seen_at, :at), value = :value
    WHERE rule = :rule AND org_id IS NOT DISTINCT FROM cast(:org_id AS uuid)
        AND user_id IS NOT DISTINCT FROM cast(:user_id AS uuid) AND subject = :subject AND period = :period
        AND period <> ''
    """
)
_CLEAR = text(
    f"""
    UPDATE oversight_alerts a SET cleared_at = assay_now()
    WHERE a.rule = :rule AND a.cleared_at IS NULL AND a.seen_at < :at - cast(:quiet AS interval) RETURNING {_ALERT}
    """  # noqa: S608 (a constant of this module)
)
_FIRING = text(
    f"""
    SELECT {_ALERT}, u.name AS user_name, k.name AS acknowledged_name FROM oversight_alerts a
        LEFT JOIN users u ON u.id = a.user_id LEFT JOIN users k ON k.id = a.acknowledged_by
    WHERE a.org_id IS NOT DISTINCT FROM cast(:org_id AS uuid) AND a.cleared_at IS NULL
    ORDER BY a.level, a.raised_at DESC, a.id LIMIT :most
    """  # noqa: S608 (a constant of this module; critical comes before warning)
)
_HISTORY = text(
    f"""
    SELECT {_ALERT}, u.name AS user_name, k.name AS acknowledged_name FROM oversight_alerts a
        LEFT JOIN users u ON u.id = a.user_id LEFT JOIN users k ON k.id = a.acknowledged_by
    WHERE a.org_id IS NOT DISTINCT FROM cast(:org_id AS uuid) AND a.cleared_at IS NOT NULL
    ORDER BY a.raised_at DESC, a.id DESC LIMIT :most
    """  # noqa: S608 (a constant of this module)
)
_EVERYWHERE = text(
    f"""
    SELECT {_ALERT}, u.name AS user_name, k.name AS acknowledged_name, o.name AS org_name,
        greatest(a.told_at, d.sent_at) AS last_told_at, d.failed, d.failures
    FROM (
        (SELECT * FROM oversight_alerts WHERE cleared_at IS NULL ORDER BY level, raised_at DESC, id LIMIT :most)
        UNION ALL
        (SELECT * FROM oversight_alerts WHERE cleared_at IS NOT NULL ORDER BY raised_at DESC, id DESC LIMIT :most)
    ) a LEFT JOIN organisations o ON o.id = a.org_id
        LEFT JOIN users u ON u.id = a.user_id LEFT JOIN users k ON k.id = a.acknowledged_by
        CROSS JOIN LATERAL (
            SELECT max(s.finished_at) FILTER (WHERE s.status = 'delivered') AS sent_at,
                count(*) FILTER (WHERE s.status = 'failed') AS failed,
                coalesce(string_agg(DISTINCT s.channel || ': ' || s.said, ' ') FILTER (WHERE s.said IS NOT NULL), '')
                    AS failures
            FROM oversight_deliveries s WHERE s.alert_id = a.id) d
    ORDER BY a.cleared_at IS NOT NULL, CASE WHEN a.cleared_at IS NULL THEN a.level END, a.raised_at DESC, a.id
    LIMIT :most
    """  # noqa: S608 (a constant of this module; critical comes before warning)
)
_ACKNOWLEDGE = text(
    """
    UPDATE oversight_alerts SET acknowledged_at = assay_now(), acknowledged_by = :user_id
    WHERE id = :id AND org_id IS NOT DISTINCT FROM cast(:org_id AS uuid) AND acknowledged_at IS NULL RETURNING rule
    """
)
_EXISTS = text(
    "SELECT EXISTS (SELECT FROM oversight_alerts WHERE id = :id AND org_id IS NOT DISTINCT FROM cast(:org_id AS uuid))"
)
_PRUNE_ALERTS = text(
    """
    DELETE FROM oversight_alerts WHERE id IN (
        SELECT id FROM oversight_alerts
        WHERE cleared_at IS NOT NULL AND raised_at < assay_now() - cast(:age AS interval)
        ORDER BY raised_at LIMIT :most)
    """
)
_RULES = text(
    """
    SELECT org_id, rule, is_on, threshold, CASE WHEN muted_until > assay_now() THEN muted_until END AS muted_until
    FROM oversight_rules
    """
)
_RULES_OF = text(f"{_RULES.text} WHERE org_id IS NOT DISTINCT FROM cast(:org_id AS uuid)")
_SET_RULE = text(
    """
    INSERT INTO oversight_rules (id, org_id, rule, is_on, threshold, muted_until, changed_at, changed_by)
    VALUES (:id, :org_id, :rule, :is_on, :threshold, :muted_until, assay_now(), :user_id)
    ON CONFLICT (org_id, rule) DO UPDATE SET is_on = excluded.is_on, threshold = excluded.threshold,
        muted_until = excluded.muted_until, changed_at = excluded.changed_at, changed_by = excluded.changed_by
    """
)
_CHANNELS = text(
    """
    SELECT id, org_id, kind, name, host, least_level, created_at FROM oversight_channels
    WHERE org_id IS NOT DISTINCT FROM cast(:org_id AS uuid) ORDER BY created_at, id
    """
)
_ADD_CHANNEL = text(
    """
    INSERT INTO oversight_channels (id, org_id, kind, name, host, url, secret, least_level, created_at, created_by)
    VALUES (:id, :org_id, :kind, :name, :host, :url, :secret, :least_level, assay_now(), :user_id)
    """
)
_REMOVE_CHANNEL = text(
    """
    DELETE FROM oversight_channels WHERE id = :id AND org_id IS NOT DISTINCT FROM cast(:org_id AS uuid)
    RETURNING kind, name, host
    """
)
_SECRETS = text("SELECT url, secret FROM oversight_channels WHERE id = :id")
_ADD_DELIVERY = text(
    """
    INSERT INTO oversight_deliveries (id, alert_id, org_id, user_id, channel, channel_id, event, message, status,
        attempts, due_at, created_at)
    SELECT cast(:id AS uuid), cast(:alert_id AS uuid), cast(:org_id AS uuid), cast(:user_id AS uuid),
        cast(:channel AS text), cast(:channel_id AS uuid), cast(:event AS text), cast(:message AS jsonb), 'pending', 0,
        greatest(n.at, (SELECT max(q.quiet_until) FROM oversight_deliveries q WHERE q.status = 'pending'
            AND q.channel = :channel AND q.channel_id IS NOT DISTINCT FROM cast(:channel_id AS uuid))), n.at
    FROM (SELECT assay_now() AS at) n
    ON CONFLICT DO NOTHING RETURNING id
    """
)
_CLAIM = text(
    """
    UPDATE oversight_deliveries d SET attempts = d.attempts + 1, due_at = assay_now() + :lease
    WHERE d.id IN (
        SELECT id FROM oversight_deliveries WHERE status = 'pending' AND due_at <= assay_now()
        ORDER BY due_at, id LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING d.id, d.alert_id, d.org_id, d.user_id, d.channel, d.channel_id, d.event, d.message, d.attempts
    """
)
_CLAIM_ONE = text(
    """
    UPDATE oversight_deliveries d SET attempts = d.attempts + 1, due_at = assay_now() + :lease
    WHERE d.id = :id AND d.status = 'pending' AND d.attempts = 0
    RETURNING d.id, d.alert_id, d.org_id, d.user_id, d.channel, d.channel_id, d.event, d.message, d.attempts
    """
)
_DELIVERED = text(
    """
    UPDATE oversight_deliveries SET status = 'delivered', due_at = NULL, said = NULL, finished_at = assay_now()
    WHERE id = :id AND status = 'pending' AND attempts = :attempts
    """
)
_FAILED = text(
    """
    UPDATE oversight_deliveries SET status = CASE WHEN cast(:again AS interval) IS NULL THEN 'failed' ELSE status END,
        due_at = assay_now() + cast(:again AS interval), said = :said,
        finished_at = CASE WHEN cast(:again AS interval) IS NULL THEN assay_now() END
    WHERE id = :id AND status = 'pending' AND attempts = :attempts RETURNING status
    """
)
_HOLD_BACK = text(
    """
    UPDATE oversight_deliveries d SET due_at = greatest(d.due_at, n.until), quiet_until = n.until
    FROM (SELECT assay_now() + cast(:wait AS interval) AS until) n
    WHERE d.status = 'pending' AND d.channel = :channel AND d.channel_id IS NOT DISTINCT FROM cast(:channel_id AS uuid)
    """
)
_DELIVERIES = text(
    """
    SELECT d.id, d.channel, d.channel_id, c.name AS channel_name, d.event, d.message ->> 'title' AS title, d.status,
        d.attempts, d.due_at, d.said, d.created_at, d.finished_at, u.name AS user_name
    FROM oversight_deliveries d LEFT JOIN oversight_channels c ON c.id = d.channel_id
        LEFT JOIN users u ON u.id = d.user_id
    WHERE d.org_id IS NOT DISTINCT FROM cast(:org_id AS uuid) ORDER BY d.created_at DESC, d.id DESC LIMIT :most
    """
)
_PRUNE_DELIVERIES = text(
    """
    DELETE FROM oversight_deliveries WHERE id IN (
        SELECT id FROM oversight_deliveries
        WHERE status <> 'pending' AND created_at < assay_now() - cast(:age AS interval)
        ORDER BY created_at LIMIT :most)
    """
)
_PERSON = """
    SELECT m.org_id, m.user_id, u.email, u.gets_notices FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.ended_at IS NULL AND u.deactivated_at IS NULL
"""
_MEMBER = text(f"{_PERSON} AND m.org_id = :org_id AND m.user_id = :user_id")
_MANAGERS = text(f"{_PERSON} AND m.org_id = :org_id AND m.role IN ('owner', 'admin') ORDER BY m.user_id LIMIT :most")
_OPERATORS = text(f"{_PERSON} AND u.is_operator ORDER BY m.user_id, m.created_at, m.org_id LIMIT :most")


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert, from when it was raised."""

    id: UUID
    rule: str
    level: str
    org_id: UUID | None
    """Whose it is; None: the installation's."""
    user_id: UUID | None
    """The member whom it concerns; None: the whole."""
    subject: str
    period: str
    title: str
    body: str
    advice: str
    value: Decimal
    threshold: Decimal
    is_muted: bool
    """Whether nobody was told of it yet."""
    told_at: datetime | None
    raised_at: datetime
    seen_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    user_name: str | None = None
    acknowledged_name: str | None = None


@dataclass(frozen=True, slots=True)
class AlertOfAll:
    """An alert as those see it who run the installation, with whose it is and what became of telling it."""

    alert: AlertRow
    org_name: str | None
    """None: the installation's."""
    last_told_at: datetime | None
    """When it was last told in the app or taken by a channel; None: it is muted."""
    failed: int
    """Messages that were given up."""
    failures: str
    """What channels that failed say, be it that they are tried again; empty where none did."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """What is raised."""

    id: UUID
    rule: str
    level: str
    org_id: UUID | None
    user_id: UUID | None
    subject: str
    period: str
    title: str
    body: str
    advice: str
    value: Decimal
    threshold: Decimal
    is_muted: bool


@dataclass(frozen=True, slots=True)
class OpenRow:
    """An alert that fires: which one it is."""

    id: UUID
    rule: str
    org_id: UUID | None
    user_id: UUID | None
    subject: str
    period: str
    is_muted: bool


@dataclass(frozen=True, slots=True)
class RuleRow:
    """What was set for a rule."""

    org_id: UUID | None
    rule: str
    is_on: bool
    threshold: Decimal | None
    muted_until: datetime | None
    """None once it is over."""


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as it is shown; neither its address nor its secret."""

    id: UUID
    org_id: UUID | None
    kind: str
    """`slack`, `discord` or `webhook`."""
    name: str
    host: str
    least_level: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel to keep; address and secret encrypted."""

    id: UUID
    org_id: UUID | None
    kind: str
    name: str
    host: str
    url: str = field(repr=False)
    secret: str | None = field(repr=False)
    least_level: str


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What is to be told on a channel."""

    id: UUID
    alert_id: UUID | None
    org_id: UUID | None
    user_id: UUID | None
    """Whose mail; None on other channels."""
    channel: str
    channel_id: UUID | None
    event: str
    """`raised`, `cleared` or `test`."""
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DueRow:
    """A delivery that is claimed."""

    id: UUID
    alert_id: UUID | None
    org_id: UUID | None
    user_id: UUID | None
    channel: str
    channel_id: UUID | None
    event: str
    message: dict[str, Any]
    attempts: int
    """This one included."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as it is shown."""

    id: UUID
    channel: str
    channel_id: UUID | None
    channel_name: str | None
    event: str
    title: str
    status: str
    """`pending`, `delivered` or `failed`."""
    attempts: int
    due_at: datetime | None
    said: str | None
    created_at: datetime
    finished_at: datetime | None
    user_name: str | None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody who is told, in one of their organisations."""

    org_id: UUID
    user_id: UUID
    email: str
    gets_notices: bool


def take_turn(connection: Connection, name: str) -> bool:
    """Whether nobody else does this now, until the transaction ends."""
    return bool(connection.execute(_LOCK, {"name": name}).scalar_one())


def now(connection: Connection) -> datetime:
    """The moment by the clock of the database."""
    moment: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return moment


def open_alerts(connection: Connection, rules: Collection[str]) -> list[OpenRow]:
    """Alerts of these rules that fire."""
    return [OpenRow(**row) for row in connection.execute(_OPEN, {"rules": list(rules)}).mappings()]


def raise_alert(connection: Connection, alert: NewAlert, *, at: datetime) -> AlertRow | None:
    """Raises an alert; None where it fires, or was raised in its period before."""
    values = {name: getattr(alert, name) for name in NewAlert.__slots__}
    row = connection.execute(_RAISE, {**values, "at": at}).mappings().one_or_none()
    return AlertRow(**row) if row else None


def unmute(connection: Connection, alert_id: UUID, *, title: str, body: str, value: Decimal) -> AlertRow | None:
    """Has an alert that nobody was told of count as told, as it is now; None where it was told."""
    values = {"id": alert_id, "title": title, "body": body, "value": value}
    row = connection.execute(_UNMUTE, values).mappings().one_or_none()
    return AlertRow(**row) if row else None


def see(connection: Connection, seen: Mapping[UUID, Decimal], *, at: datetime) -> None:
    """Says that these alerts still hold, and with which values."""
    if seen:
        connection.execute(_SEE, {"ids": list(seen), "values": list(seen.values()), "at": at})


def resume(connection: Connection, alert: NewAlert, *, at: datetime) -> None:
    """Has an alert that cleared in its period fire again; it was told in that period."""
    names = ("rule", "org_id", "user_id", "subject", "period", "value")
    connection.execute(_RESUME, {**{name: getattr(alert, name) for name in names}, "at": at})


def clear(connection: Connection, rule: str, *, at: datetime, quiet: timedelta) -> list[AlertRow]:
    """Clears what was not seen for `quiet` before `at`."""
    rows = connection.execute(_CLEAR, {"rule": rule, "at": at, "quiet": quiet}).mappings()
    return [AlertRow(**row) for row in rows]


def firing(connection: Connection, org_id: UUID | None, *, most: int) -> list[AlertRow]:
    """What fires for an organisation, or for the installation; the gravest first."""
    return [AlertRow(**row) for row in connection.execute(_FIRING, {"org_id": org_id, "most": most}).mappings()]


def history(connection: Connection, org_id: UUID | None, *, most: int) -> list[AlertRow]:
    """What fired and has cleared, the last first."""
    return [AlertRow(**row) for row in connection.execute(_HISTORY, {"org_id": org_id, "most": most}).mappings()]


def everywhere(connection: Connection, *, most: int) -> list[AlertOfAll]:
    """Alerts of all organisations and of the installation: what fires, the gravest first, then what cleared."""
    rows = (dict(row) for row in connection.execute(_EVERYWHERE, {"most": most}).mappings())
    of_all = ("org_name", "last_told_at", "failed", "failures")
    return [AlertOfAll(**{name: row.pop(name) for name in of_all}, alert=AlertRow(**row)) for row in rows]


def acknowledge(connection: Connection, alert_id: UUID, *, org_id: UUID | None, user_id: UUID) -> bool:
    """Notes who saw to an alert first; False where it is known, or there is none."""
    values = {"id": alert_id, "org_id": org_id, "user_id": user_id}
    return connection.execute(_ACKNOWLEDGE, values).scalar() is not None


def exists(connection: Connection, alert_id: UUID, *, org_id: UUID | None) -> bool:
    """Whether there is this alert of the organisation's, or of the installation's."""
    return bool(connection.execute(_EXISTS, {"id": alert_id, "org_id": org_id}).scalar_one())


def rules(connection: Connection) -> list[RuleRow]:
    """Everything that was set for rules, by whomever."""
    return [RuleRow(**row) for row in connection.execute(_RULES).mappings()]


def rules_of(connection: Connection, org_id: UUID | None) -> list[RuleRow]:
    """What an organisation, or the installation, set for rules."""
    return [RuleRow(**row) for row in connection.execute(_RULES_OF, {"org_id": org_id}).mappings()]


def set_rule(connection: Connection, rule_id: UUID, rule: RuleRow, *, user_id: UUID) -> None:
    """Sets all of what can be set for a rule."""
    values = {name: getattr(rule, name) for name in RuleRow.__slots__}
    connection.execute(_SET_RULE, {"id": rule_id, "user_id": user_id, **values})


def channels(connection: Connection, org_id: UUID | None) -> list[ChannelRow]:
    """The channels of an organisation, or of the installation, the oldest first."""
    return [ChannelRow(**row) for row in connection.execute(_CHANNELS, {"org_id": org_id}).mappings()]


def lock_channels(connection: Connection, org_id: UUID | None) -> None:
    """Nobody else adds a channel there before this transaction ends."""
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended('oversight channels ' || :whose, 0))")
    connection.execute(statement, {"whose": str(org_id)})


def add_channel(connection: Connection, channel: NewChannel, *, user_id: UUID) -> None:
    """Keeps a channel."""
    values = {name: getattr(channel, name) for name in NewChannel.__slots__}
    connection.execute(_ADD_CHANNEL, {**values, "user_id": user_id})


def remove_channel(connection: Connection, channel_id: UUID, *, org_id: UUID | None) -> tuple[str, str, str] | None:
    """Removes a channel; gives its kind, name and host, or None where there is none."""
    row = connection.execute(_REMOVE_CHANNEL, {"id": channel_id, "org_id": org_id}).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def channel_secrets(connection: Connection, channel_id: UUID) -> tuple[str, str | None] | None:
    """Address and secret of a channel as they are kept; None where it is gone."""
    row = connection.execute(_SECRETS, {"id": channel_id}).one_or_none()
    return (row[0], row[1]) if row else None


def add_delivery(connection: Connection, delivery: NewDelivery) -> bool:
    """Records what is to be told, due at once; False where that was recorded before."""
    values = {name: getattr(delivery, name) for name in NewDelivery.__slots__}
    values["message"] = json.dumps(delivery.message, allow_nan=False)
    return connection.execute(_ADD_DELIVERY, values).scalar() is not None


def claim(connection: Connection, *, most: int, lease: timedelta) -> list[DueRow]:
    """Takes deliveries that are due; nobody else takes them before the lease is over."""
    return [DueRow(**row) for row in connection.execute(_CLAIM, {"most": most, "lease": lease}).mappings()]


def claim_one(connection: Connection, delivery_id: UUID, *, lease: timedelta) -> DueRow | None:
    """Takes a delivery that nobody has tried yet; None where somebody has."""
    row = connection.execute(_CLAIM_ONE, {"id": delivery_id, "lease": lease}).mappings().one_or_none()
    return DueRow(**row) if row else None


def set_delivered(connection: Connection, delivery_id: UUID, attempts: int) -> None:
    """Ends a delivery that this attempt made."""
    connection.execute(_DELIVERED, {"id": delivery_id, "attempts": attempts})


def set_failed(connection: Connection, delivery_id: UUID, attempts: int, *, said: str, again: timedelta | None) -> bool:
    """Says why an attempt failed and when the next is made; without a next it has failed for good, and that is True."""
    values = {"id": delivery_id, "attempts": attempts, "said": said, "again": again}
    return connection.execute(_FAILED, values).scalar() == "failed"


def hold_back(connection: Connection, channel: str, channel_id: UUID | None, wait: timedelta) -> None:
    """Has everything that is to go to a channel wait, and what is recorded later, as its receiver asked."""
    connection.execute(_HOLD_BACK, {"channel": channel, "channel_id": channel_id, "wait": wait})


def deliveries(connection: Connection, org_id: UUID | None, *, most: int) -> list[DeliveryRow]:
    """What was told, or is on its way, the last first."""
    return [DeliveryRow(**row) for row in connection.execute(_DELIVERIES, {"org_id": org_id, "most": most}).mappings()]


def prune_deliveries(connection: Connection, age: timedelta, *, most: int) -> int:
    """Deletes deliveries that ended, once they are so old, at most so many; how many there were."""
    return connection.execute(_PRUNE_DELIVERIES, {"age": age, "most": most}).rowcount


def prune_alerts(connection: Connection, age: timedelta, *, most: int) -> int:
    """Deletes alerts that have cleared, with what was sent of them, likewise."""
    return connection.execute(_PRUNE_ALERTS, {"age": age, "most": most}).rowcount


def member(connection: Connection, org_id: UUID, user_id: UUID) -> Sequence[PersonRow]:
    """The member, where they still are one."""
    rows = connection.execute(_MEMBER, {"org_id": org_id, "user_id": user_id}).mappings()
    return [PersonRow(**row) for row in rows]


def managers(connection: Connection, org_id: UUID, *, most: int) -> Sequence[PersonRow]:
    """Owners and admins of an organisation."""
    return [PersonRow(**row) for row in connection.execute(_MANAGERS, {"org_id": org_id, "most": most}).mappings()]


def operators(connection: Connection, *, most: int) -> Sequence[PersonRow]:
    """Who runs the installation, once for each organisation that they belong to."""
    return [PersonRow(**row) for row in connection.execute(_OPERATORS, {"most": most}).mappings()]
