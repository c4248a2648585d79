"""Somebody's alerts: what each watches, how it tells, how its last messages fared, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import streamlit as st

from core.db.alerts_dao import AlertRow, DeliveryRow
from core.screener.alerts import Alert
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import plain, when

CHANNELS = {"app": "in the app", "mail": "by e-mail", "webhook": "by webhook"}
"""How each channel is called."""


@dataclass(frozen=True)
class Actions:
    """What is done with an alert at the press of a button."""

    pause: Callable[[UUID, bool], None]
    renew_secret: Callable[[UUID], object]
    delete: Callable[[UUID], object]


@dataclass(frozen=True)
class Names:
    """What is said of things that alerts know by their ids."""

    screens: Mapping[UUID, str]
    universes: Mapping[str, str]
    zone: str
    now: datetime


def show(key: str, alerts: Sequence[Alert], names: Names, actions: Actions | None) -> None:
    """One row an alert; without `actions` they are looked at alone."""
    if not alerts:
        show_empty(
            "No alerts yet",
            "An alert tells you when a symbol newly matches one of your saved screens.",
            icon=":material/notifications:",
        )
        return
    with show_list(key):
        for alert in alerts:
            with show_row(Row(alert.row.name, _details(alert, names), _badges(alert), icon=_icon(alert.row))):
                if actions is not None:
                    _show_actions(f"{key}_{alert.row.id}", alert.row, actions)
            for sentence in _troubles(alert, names):
                st.caption(plain(sentence))


def _icon(row: AlertRow) -> str:
    return ":material/notifications_paused:" if row.is_paused else ":material/notifications_active:"


def _badges(alert: Alert) -> tuple[Badge, ...]:
    shown = []
    if alert.row.is_paused:
        shown.append(Badge("Paused", "gray"))
    elif alert.row.silent_because is not None:
        shown.append(Badge("Silent", "orange", ":material/notifications_off:"))
    if any(each.status == "failed" for each in alert.deliveries):
        shown.append(Badge("Not delivered", "red", ":material/error:"))
    elif any(_is_tried_again(each) for each in alert.deliveries):
        shown.append(Badge("Trying again", "orange", ":material/schedule:"))
    return tuple(shown)


def _details(alert: Alert, names: Names) -> str:
    row = alert.row
    wanted = {"app": row.tells_in_app, "mail": row.tells_by_mail, "webhook": row.webhook_url is not None}
    channels = ", ".join(CHANNELS[channel] for channel, is_wanted in wanted.items() if is_wanted)
    host = f" to {urlsplit(row.webhook_url).hostname}" if row.webhook_url else ""
    return " · ".join(
        [
            names.screens.get(row.screen_id, "a screen that is gone"),
            names.universes.get(row.universe_id, "a universe that is gone"),
            channels + host,
            _state(row, names),
        ]
    )


def _state(row: AlertRow, names: Names) -> str:
    if row.as_of is None or row.matching is None:
        return "waits for its first scan, whose matches are taken as known"
    seen = f"{row.matching:,} match on {row.as_of.day} {row.as_of:%b %Y}"
    if row.told_at is None:
        return f"{seen}, nothing new yet"
    return f"{seen}, last told {when(row.told_at, names.now, names.zone)}"


def _troubles(alert: Alert, names: Names) -> list[str]:
    """Why it is silent, and what did not arrive."""
    silent = alert.row.silent_because
    troubles = [] if silent is None or alert.row.is_paused else [f"Silent at the last scan: {silent}"]
    for each in alert.deliveries:
        way = CHANNELS[each.channel]
        if each.status == "failed":
            troubles.append(f"{_matches(each)} never arrived {way}, after {each.attempts} attempts: {each.said}")
        elif _is_tried_again(each) and each.due_at is not None:
            next_at = when(each.due_at, names.now, names.zone)
            troubles.append(f"{_matches(each)} did not arrive {way}: {each.said} The next attempt is {next_at}.")
    return troubles


def _matches(delivery: DeliveryRow) -> str:
    return "1 new match" if delivery.total == 1 else f"{delivery.total:,} new matches"


def _is_tried_again(delivery: DeliveryRow) -> bool:
    return delivery.status == "pending" and delivery.said is not None


def _show_actions(key: str, row: AlertRow, actions: Actions) -> None:
    label, icon = ("Go on", ":material/play_arrow:") if row.is_paused else ("Pause", ":material/pause:")
    st.button(
        label,
        icon=icon,
        type="tertiary",
        key=f"{key}_pause",
        on_click=actions.pause,
        args=(row.id, not row.is_paused),
    )
    if row.webhook_url is not None:
        renewing = Question(
            "Make a new secret?",
            "Messages are signed with it at once; what checks them by the old one refuses them.",
            "New secret",
            subject=row.name,
        )
        confirm_button(
            f"{key}_renew", "New secret", renewing, lambda: actions.renew_secret(row.id), icon=":material/key:"
        )
    question = Question(
        "Delete this alert?",
        "What it has not sent yet is not sent. The screen stays.",
        "Delete",
        subject=row.name,
        done="The alert is deleted",
    )
    confirm_button(f"{key}_delete", "Delete", question, lambda: actions.delete(row.id))
