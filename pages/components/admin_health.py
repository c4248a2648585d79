"""How calls to models went by the hour: answered, failed and too late, of one model or of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.models import HOURS, Hour, Timeline, span_of
from core.ai.providers.hosts import HOSTS
from pages.components.states import show_empty
from pages.components.theme import theme_color
from pages.components.words import plain

HEIGHT_PX = 240
ALL = "All models"
HOUR_MS = 3_600_000
FEW = 6
"""Calls below which the axis counts them one by one."""


def show(key: str, timelines: Sequence[Timeline], labels: Mapping[str, str], now: datetime, zone: str) -> None:
    """Bars by the hour, in the reader's zone; `labels` are the models' by their ids."""
    if not timelines:
        show_empty("No calls", f"Nobody asked a model in the last {HOURS} hours.", icon=":material/monitor_heart:")
        return
    named = {_name(each, labels): each for each in sorted(timelines, key=lambda each: (-each.failed, -each.calls))}
    chosen = st.selectbox(
        "Model",
        [ALL, *named],
        key=f"{key}_model",
        help="Sorted by failures. After some in a row the circuit opens: the model is not asked for a while.",
    )
    shown = list(timelines) if chosen == ALL else [named[str(chosen)]]
    hours = [hour for each in shown for hour in each.hours]
    calls, failed, late = (sum(getattr(hour, name) for hour in hours) for name in ("calls", "failed", "timed_out"))
    st.plotly_chart(
        _figure(hours, now, zone),
        key=key,
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=f"Calls by the hour, {chosen}: {calls:,} in {HOURS} hours, {failed:,} failed, of which {late:,} too late",
    )
    noun = "call" if calls == 1 else "calls"
    st.caption(
        plain(
            f"{calls:,} {noun} in {HOURS} hours, the running one included: {failed:,} failed or broke off, of which "
            f"{late:,} took too long. Each try counts, also one whose question another model then answered, and those "
            f"on own keys. Hours are of {zone}."
        )
    )


def _name(each: Timeline, labels: Mapping[str, str]) -> str:
    host = HOSTS[each.provider].label if each.provider in HOSTS else each.provider
    return f"{labels.get(each.model, each.model)} ({host})"


def _figure(hours: Sequence[Hour], now: datetime, zone: str) -> Any:
    import plotly.graph_objects as go  # takes a third of a second, and most pages draw no chart

    axis = span_of(HOURS, now)
    place = {hour: number for number, hour in enumerate(axis)}
    answered, failed, late = ([0] * HOURS for _ in range(3))
    for hour in hours:
        if hour.starts_at in place:
            number = place[hour.starts_at]
            answered[number] += hour.calls - hour.failed
            failed[number] += hour.failed - hour.timed_out
            late[number] += hour.timed_out
    most = max(map(sum, zip(answered, failed, late, strict=True)))
    local = [each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in axis]
    series = (
        ("Answered", answered, theme_color("green")),
        ("Failed", failed, theme_color("red")),
        ("Too late", late, theme_color("orange")),
    )
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": local,
            "y": values,
            "marker": {"color": colour},
            "hovertemplate": "%{x|%a %H:%M}<br>%{y:,d}<extra>%{fullData.name}</extra>",
        }
        for name, values, colour in series
    ]
    layout = {
        "barmode": "stack",
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": {"type": "date", "tickformat": "%H:%M", "dtick": 6 * HOUR_MS, "fixedrange": True},
        "yaxis": {
            "title": {"text": "Calls"},
            "rangemode": "tozero",
            "fixedrange": True,
            "automargin": True,
            **({"dtick": 1} if most < FEW else {}),
        },
    }
    return go.Figure({"data": bars, "layout": layout}, skip_invalid=True)
