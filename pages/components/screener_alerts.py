"""Alerts on the Screener: those of the person, and the form of another one on what is open."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.principal import Principal
from core.screener.alerts import AlertSettings
from pages.components import alert_form, alerts_list, secret_once
from pages.components.alert_form import Choices
from pages.components.alerts_list import Actions, Names
from pages.components.errors import show_errors

SECRET = "alert_webhook"  # noqa: S105 (where it is kept, not what it is)
KEPT_AS = "It is not shown again. If you lose it, make a new secret at the alert."


def show(key: str, principal: Principal, *, universe_id: str | None = None, screen_id: UUID | None = None) -> None:
    """The person's alerts, and the form; `universe_id` and `screen_id` are what is open on the page."""
    bench = workbench.current()
    with show_errors(principal):
        secret_once.show(SECRET, "webhook secret", kept_as=KEPT_AS)
        alerts = bench.screener.alerts.list(principal)
        screens = {each.id: each.name for each in bench.screener.screens.all(principal)}
        universes = {each.id: each.title for each in bench.market.universes.list(principal)}
        may_set = may(principal, Action.SET_ALERTS)
        actions = Actions(
            pause=lambda alert_id, is_paused: _pause(principal, alert_id, is_paused=is_paused),
            renew_secret=lambda alert_id: _renew(principal, alert_id),
            delete=lambda alert_id: bench.screener.alerts.delete(principal, alert_id),
        )
        names = Names(screens, universes, principal.zone, datetime.now(UTC))
        alerts_list.show(f"{key}_list", alerts, names, actions if may_set else None)
        if not may_set:
            st.caption("As a viewer you may not set alerts; an admin of your organisation can change your role.")
            return
        with st.popover("New alert", icon=":material/add_alert:", key=f"{key}_add"):
            choices = Choices(screens, universes, screen_id, universe_id, has_mail=bench.screener.alerts.has_mail)
            # Another form once there is another alert, so that it is empty.
            alert_form.show(f"{key}_new_{len(alerts)}", principal, choices, lambda given: _create(principal, given))


def _create(principal: Principal, settings: AlertSettings) -> None:
    made = workbench.current().screener.alerts.create(principal, settings)
    if made.webhook_secret is not None:
        secret_once.keep(SECRET, made.webhook_secret)


def _renew(principal: Principal, alert_id: UUID) -> None:
    kept = workbench.current().screener.alerts.change(principal, alert_id, {}, renews_secret=True)
    if kept.webhook_secret is not None:
        secret_once.keep(SECRET, kept.webhook_secret)


def _pause(principal: Principal, alert_id: UUID, *, is_paused: bool) -> None:
    with show_errors(principal, has_action=False):
        workbench.current().screener.alerts.pause(principal, alert_id, is_paused=is_paused)
