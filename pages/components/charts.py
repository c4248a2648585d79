"""Charts in the theme's colours: what was used and spent by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import Any

import streamlit as st

MAX_SERIES = 7
"""More models than these are drawn as one, named "others"."""
HEIGHT_PX = 300
MAX_TICKS = 8
DAY_MS = 86_400_000
BAR_SHARE = 0.75
"""Part of a day's width that its bar takes."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What the bars count."""

    title: str
    """Of the axis, with its unit."""
    hover: str
    """Format of one bar's value, as plotly writes formats."""
    prefix: str = ""


def show_days(
    key: str, days: Mapping[str, Mapping[date, float]], first: date, last: date, *, measure: Measure, alt: str
) -> None:
    """Stacked bars, one for each day of the period; `days` holds each model's values, the largest first."""
    st.plotly_chart(
        _figure(_bounded(days), first, last, measure),
        key=key,
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=alt,
    )


def _figure(days: Mapping[str, Mapping[date, float]], first: date, last: date, measure: Measure) -> Any:
    import plotly.graph_objects as go  # takes a third of a second, and most pages draw no chart

    axis = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    value = f"{measure.prefix}%{{y:{measure.hover}}}"
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": axis,
            "y": [values.get(day, 0) for day in axis],
            "width": BAR_SHARE * DAY_MS,
            "hovertemplate": f"%{{x|%a %d %b %Y}}<br>{value}<extra>%{{fullData.name}}</extra>",
        }
        for name, values in days.items()
    ]
    layout = {
        "barmode": "stack",
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "showlegend": True,
        "xaxis": {
            "type": "date",
            "tickformat": "%d %b",
            "dtick": DAY_MS * ceil(len(axis) / MAX_TICKS),
            "range": _range(first, last),
            "fixedrange": True,
        },
        "yaxis": {
            "title": {"text": measure.title},
            "rangemode": "tozero",
            "tickprefix": measure.prefix,
            "fixedrange": True,
            "automargin": True,
        },
    }
    return go.Figure({"data": bars, "layout": layout}, skip_invalid=True)


def _range(first: date, last: date) -> list[str]:
    """Half a day more on both sides, so that the outermost bars are whole."""
    return [f"{first - timedelta(days=1)}T12:00", f"{last}T12:00"]


def _bounded(days: Mapping[str, Mapping[date, float]]) -> dict[str, Mapping[date, float]]:
    names: Sequence[str] = list(days)
    if len(names) <= MAX_SERIES:
        return dict(days)
    others: dict[date, float] = {}
    for name in names[MAX_SERIES - 1 :]:
        for day, value in days[name].items():
            others[day] = others.get(day, 0) + value
    return {**{name: days[name] for name in names[: MAX_SERIES - 1]}, "others": others}
