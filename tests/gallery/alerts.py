"""The components of alerts and notifications, with what somebody made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid5

import streamlit as st

from core.db.alerts_dao import AlertRow, DeliveryRow
from core.db.notifications_dao import NotificationRow
from core.screener.alerts import Alert
from pages.components import alert_form, alerts_list, notifications_list
from pages.components.alert_form import Choices
from pages.components.alerts_list import Actions, Names
from tests.gallery.samples import NOW, SPACE, principal
from tests.gallery.texts import TEXTS

SCREEN, OTHER = uuid5(SPACE, "screen"), uuid5(SPACE, "another screen")
SCREENS = {SCREEN: "Golden cross", OTHER: TEXTS["markup"]}
UNIVERSES = {"sp500": "S&P 500", "own": TEXTS["right to left"]}


def list_of_alerts() -> None:
    """Alerts that told, wait, are paused, silent, tried again and given up"""
    actions = Actions(lambda *_: None, lambda _: None, lambda _: None)
    tried = _delivery("webhook", "pending", 2, "The receiver answers 503.")
    failed = _delivery("mail", "failed", 5, "The mail server did not take it.")
    told = _alert("Breakouts of the large ones", told_at=NOW)
    rows = (
        Alert(told, (_delivery("app", "delivered", 0, None),)),
        Alert(replace(_alert("Not scanned yet"), as_of=None, matching=None), ()),
        Alert(replace(_alert("On holiday"), is_paused=True), ()),
        Alert(replace(_alert(TEXTS["markup"]), silent_because="There is no such screen.", screen_id=SPACE), ()),
        Alert(replace(_alert("To a program"), webhook_url="https://hooks.example/assay?key=1"), (tried,)),
        Alert(replace(_alert(TEXTS["endless word"]), tells_by_mail=True), (failed,)),
    )
    alerts_list.show("gallery_alerts", rows, Names(SCREENS, UNIVERSES, "Europe/Berlin", NOW), actions)


def no_alerts() -> None:
    """No alerts yet"""
    alerts_list.show("gallery_no_alerts", (), Names({}, {}, "UTC", NOW), None)


def form() -> None:
    """The form of a new alert, where no mails are sent; and without a saved screen"""
    ann = principal("two words")
    choices = Choices(SCREENS, UNIVERSES, OTHER, "own", has_mail=False)
    alert_form.show("gallery_alert", ann, choices, lambda given: st.session_state.update(gallery_alert_made=given))
    alert_form.show("gallery_alert_none", ann, Choices({}, UNIVERSES), lambda _: None)


def notifications() -> None:
    """Notifications, new and read, short and long; and none"""
    rows = [
        _notification("Breakouts: ACME matches", "ACME, Acme Corporation: Close 112.00 is above its SMA 50", True),
        _notification(TEXTS["markup"], "\n".join(f"SYM{number}, Company: it matches" for number in range(9)), True),
        _notification(TEXTS["right to left"], "", False),
        replace(_notification(TEXTS["endless word"], TEXTS["endless word"], False), link=None),
    ]
    notifications_list.show("gallery_notifications", rows, NOW, "Europe/Berlin", opened=lambda *_: None)
    notifications_list.show("gallery_no_notifications", [], NOW, "UTC", opened=lambda *_: None)


def _alert(name: str, **values: object) -> AlertRow:
    row = AlertRow(
        id=uuid5(SPACE, name),
        org_id=SPACE,
        user_id=SPACE,
        name=name,
        screen_id=SCREEN,
        universe_id="sp500",
        tells_in_app=True,
        tells_by_mail=False,
        webhook_url=None,
        is_paused=False,
        created_at=NOW,
        silent_because=None,
        screen_version=1,
        scan_id=SPACE,
        as_of=date(2010, 8, 20),
        scanned_at=NOW,
        own_as_of=None,
        matching=1_234,
        told_at=None,
    )
    return replace(row, **values)  # type: ignore[arg-type]


def _delivery(channel: str, status: str, attempts: int, said: str | None) -> DeliveryRow:
    due_at = NOW + timedelta(minutes=30) if status == "pending" else None
    delivery_id: UUID = uuid5(SPACE, channel + status)
    return DeliveryRow(delivery_id, SPACE, channel, status, attempts, due_at, said, NOW, None, 3)


def _notification(title: str, body: str, is_new: bool) -> NotificationRow:
    read_at = None if is_new else NOW
    return NotificationRow(uuid5(SPACE, title), "alert", title, body, "/screener?universe=sp500", NOW, read_at)
