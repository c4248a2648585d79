"""Alerts: what fires now and who sees to it, what fired before, and what was sent of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.alerts.rules import RULES
from core.db.oversight_alerts_dao import AlertOfAll, AlertRow, DeliveryRow
from pages.components.badges import Badge
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import bound, plain

LEVELS: Mapping[str, Badge] = {
    "critical": Badge("Critical", "red", ":material/error:"),
    "warning": Badge("Warning", "orange", ":material/warning:"),
}
WAYS = {"mail": "E-mail", "slack": "Slack", "discord": "Discord", "webhook": "Webhook"}
"""How each channel is called."""
EVENTS = {"raised": "Raised", "cleared": "Cleared", "test": "Test"}
STATUSES = {"pending": "On its way", "delivered": "Delivered", "failed": "Given up"}


def show_firing(
    key: str,
    alerts: Sequence[AlertRow],
    now: datetime,
    zone: str,
    acknowledge: Callable[[UUID], None] | None,
) -> None:
    """What fires, the gravest first; without `acknowledge` it is looked at alone."""
    if not alerts:
        show_empty("Nothing fires", "Rules are evaluated every minute.", icon=":material/task_alt:")
        return
    with show_list(key):
        for alert in alerts:
            with show_row(_row(alert, now, zone)):
                if acknowledge is not None and alert.acknowledged_at is None:
                    st.button(
                        "Acknowledge",
                        icon=":material/done:",
                        type="tertiary",
                        key=f"{key}_{alert.id}",
                        help="Says that you see to it; it fires on until it is over.",
                        on_click=partial(acknowledge, alert.id),
                    )
            st.caption(plain(f"{alert.body} {alert.advice}"))


def show_everywhere(key: str, alerts: Sequence[AlertOfAll], zone: str) -> None:
    """Alerts of all organisations: what fires first, the gravest first, then what is over."""
    if not alerts:
        show_empty("No alerts anywhere", "Rules are evaluated every minute.", icon=":material/task_alt:")
        return
    local = ZoneInfo(zone)
    rows = [
        {
            "State": "Over" if each.alert.cleared_at else "Muted" if each.alert.is_muted else "Fires",
            "Level": LEVELS[each.alert.level].label,
            "Organisation": each.org_name or "The installation",
            "Rule": RULES[each.alert.rule].label if each.alert.rule in RULES else each.alert.rule,
            "What": each.alert.title,
            "Since": _local(each.alert.raised_at, local),
            "Last told": None if each.last_told_at is None else _local(each.last_told_at, local),
            "Given up": each.failed,
            "What channels say": each.failures,
        }
        for each in alerts
    ]
    firing = sum(each.alert.cleared_at is None for each in alerts)
    alt = f"Alerts of all organisations: {len(alerts):,}, of which {firing:,} fire"
    _show_table(key, rows, ("Since", "Last told"), alt)


def show_history(key: str, alerts: Sequence[AlertRow], zone: str) -> None:
    """What fired and is over, the last first."""
    if not alerts:
        show_empty("No alerts before", "What is over is kept for 90 days.", icon=":material/history:")
        return
    local = ZoneInfo(zone)
    rows = [
        {
            "Raised": _local(alert.raised_at, local),
            "Cleared": None if alert.cleared_at is None else _local(alert.cleared_at, local),
            "Level": LEVELS[alert.level].label,
            "What": alert.title,
            "About": alert.user_name or "",
            "Seen to by": alert.acknowledged_name or "",
        }
        for alert in alerts
    ]
    _show_table(key, rows, ("Raised", "Cleared"), f"Alerts that are over: {len(alerts):,}, the last first")


def show_deliveries(key: str, deliveries: Sequence[DeliveryRow], zone: str) -> None:
    """What was sent, or is on its way, the last first."""
    if not deliveries:
        show_empty("Nothing was sent", "What is told by e-mail and channels is listed here.", icon=":material/outbox:")
        return
    local = ZoneInfo(zone)
    rows = [
        {
            "Time": _local(each.created_at, local),
            "To": _receiver(each),
            "What": each.title,
            "Event": EVENTS.get(each.event, each.event),
            "State": STATUSES.get(each.status, each.status),
            "Attempts": each.attempts,
            "Said": each.said or "",
        }
        for each in deliveries
    ]
    _show_table(key, rows, ("Time",), f"Messages: {len(deliveries):,}, the last first")


def _row(alert: AlertRow, now: datetime, zone: str) -> Row:
    badges = [LEVELS[alert.level]]
    if alert.is_muted:
        badges.append(Badge("Muted", "gray", ":material/notifications_off:"))
    if alert.acknowledged_at is not None:
        badges.append(Badge("Acknowledged", "green", ":material/done:"))
    rule = RULES.get(alert.rule)
    parts = [
        "" if rule is None else rule.label,
        alert.user_name or "",
        f"since {bound(alert.raised_at, now, zone)}",
        "" if alert.acknowledged_name is None else f"{alert.acknowledged_name} sees to it",
    ]
    return Row(alert.title, " · ".join(part for part in parts if part), tuple(badges))


def _receiver(delivery: DeliveryRow) -> str:
    way = WAYS.get(delivery.channel, delivery.channel)
    if delivery.channel == "mail":
        return f"{way} to {delivery.user_name or 'somebody'}"
    if delivery.channel_id is None:
        return f"{way} of the settings"
    return f"{way}: {delivery.channel_name or 'removed'}"


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _show_table(key: str, rows: Sequence[Mapping[str, object]], times: Sequence[str], alt: str) -> None:
    import pyarrow as pa

    columns = {name: [row[name] for row in rows] for name in rows[0]}
    config = {name: st.column_config.DatetimeColumn(format="D MMM, HH:mm") for name in times}
    st.dataframe(pa.table(columns), key=key, hide_index=True, column_config=config, alt=alt)
