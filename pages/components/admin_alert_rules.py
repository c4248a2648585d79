"""The rules of alerts: what each watches, from which value on, and a form to set, switch off or mute it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import streamlit as st

from core.admin.alerts.rules import Unit
from core.admin.alerts.service import RuleState
from core.principal import Principal
from pages.components.admin_alerts import LEVELS
from pages.components.badges import Badge
from pages.components.forms import begin_with, saving, submit_button
from pages.components.rows import Row, show_list, show_row
from pages.components.words import bound, usd

AS_IT_IS, NOT_MUTED = "As it is", "Not muted"
SPANS: Mapping[str, timedelta | None] = {
    NOT_MUTED: None,
    "For 1 hour": timedelta(hours=1),
    "For 1 day": timedelta(days=1),
    "For 7 days": timedelta(days=7),
    "For 30 days": timedelta(days=30),
}


class Setter(Protocol):
    """What sets rules."""

    def set_rule(
        self, principal: Principal, name: str, *, is_on: bool, threshold: Decimal | None, everything: bool = False
    ) -> None:
        """Switches one on or off, and gives it a threshold."""
        ...

    def mute(self, principal: Principal, name: str, span: timedelta | None, *, everything: bool = False) -> None:
        """Has nobody told of one for a while."""
        ...


def show(
    key: str,
    rules: Sequence[RuleState],
    setter: Setter | None,
    principal: Principal,
    now: datetime,
    *,
    everything: bool,
) -> None:
    """The rules as they hold, each with its form; without `setter` they are looked at alone."""
    with show_list(key):
        for state in rules:
            with show_row(_row(state, now, principal.zone)):
                if setter is not None:
                    with st.popover("Change", icon=":material/tune:", key=f"{key}_{state.rule.name}"):
                        _show_form(f"{key}_{state.rule.name}_form", state, setter, principal, everything)


def threshold_words(threshold: Decimal, unit: Unit) -> str:
    """A threshold in its unit: 20 %, 100.00 USD, 1."""
    if unit == "share":
        return f"{(threshold * 100).normalize():f} %"
    return usd(threshold) if unit == "usd" else f"{threshold.normalize():f}"


def _row(state: RuleState, now: datetime, zone: str) -> Row:
    badges = [LEVELS[state.rule.level]]
    if not state.is_on or state.threshold is None:
        badges.append(Badge("Off"))
    if state.muted_until is not None:
        badges.append(
            Badge(f"Muted until {bound(state.muted_until, now, zone)}", "gray", ":material/notifications_off:")
        )
    if state.own_threshold is not None:
        badges.append(Badge("Set here", "blue"))
    return Row(state.rule.label, _details(state), tuple(badges))


def _details(state: RuleState) -> str:
    rule = state.rule
    window = rule.window[0].upper() + rule.window[1:]
    if state.threshold is None:
        return f"{window} · no threshold is set"
    if rule.unit == "count" and not rule.is_adjustable:
        return window
    least = threshold_words(state.threshold, rule.unit)
    return f"{window} · from {least} on, until below {threshold_words(state.threshold * rule.falls_to, rule.unit)}"


def _show_form(key: str, state: RuleState, setter: Setter, principal: Principal, everything: bool) -> None:
    rule = state.rule
    with st.form(key, border=False):
        is_on = st.toggle("On", state.is_on, key=f"{key}_on")
        given: float | None = None
        if rule.is_adjustable:
            given = st.number_input(
                "Threshold, in %" if rule.unit == "share" else "Threshold, in USD",
                min_value=0.01,
                value=None,
                placeholder=_default(state),
                key=begin_with(
                    f"{key}_threshold",
                    None if state.own_threshold is None else float(_shown(state.own_threshold, rule.unit)),
                ),
                help="Empty: the usual one.",
            )
        muted = st.selectbox(
            "Muted",
            list(SPANS) if state.muted_until is None else [AS_IT_IS, *SPANS],
            key=f"{key}_muted",
            help="Nobody is told of it meanwhile; what it finds is still listed.",
        )
        if submit_button("Save", key=f"{key}_save"):
            with saving("The rule is set", principal):
                threshold = None if given is None else _meant(Decimal(str(given)), rule.unit)
                if (is_on, threshold) != (state.is_on, state.own_threshold):
                    setter.set_rule(principal, rule.name, is_on=is_on, threshold=threshold, everything=everything)
                if muted != AS_IT_IS and SPANS[muted] != state.muted_until:
                    setter.mute(principal, rule.name, SPANS[muted], everything=everything)


def _default(state: RuleState) -> str:
    if state.threshold is None or state.own_threshold is not None:
        return "none"
    return threshold_words(state.threshold, state.rule.unit)


def _shown(threshold: Decimal, unit: Unit) -> Decimal:
    return threshold * 100 if unit == "share" else threshold


def _meant(given: Decimal, unit: Unit) -> Decimal:
    return given / 100 if unit == "share" else given
