"""Lines and bars of a portfolio: its curve beside contributions and a benchmark, growth, gains by holding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import streamlit as st

from pages.components.theme import categorical_colors, theme_color

HEIGHT_PX = 320
MAX_POINTS = 800
"""Of one line; a longer one is drawn by every second day, third day and so on, the last day always."""
MAX_BARS = 24
Value = float | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    values: Sequence[Value]
    """One a day; None leaves a gap."""
    color: int = 0
    """Place among the theme's categorical colours."""
    dash: Literal["solid", "dash", "dot"] = "solid"
    is_stepped: bool = False
    """Whether it keeps its value until the next day that has another."""
    is_filled: bool = False
    """Whether the ground between it and zero is tinted."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What the lines count."""

    title: str
    hover: str = ",.2f"
    """Format of one value, as plotly writes formats."""
    suffix: str = ""
    starts_at_zero: bool = False


def show_lines(
    key: str, days: Sequence[date], lines: Sequence[Line], axis: Axis, *, alt: str, height: int = HEIGHT_PX
) -> None:
    """Lines over the same days."""
    places = kept_places(len(days))
    data = [_line(each, days, places, axis) for each in lines]
    layout = {
        "hovermode": "x unified",
        "showlegend": len(lines) > 1,
        "xaxis": {"type": "date", "fixedrange": True, "nticks": 6, "showgrid": False},
        "yaxis": _y_axis(axis),
    }
    draw(key, data, layout, alt=alt, height=height)


def show_bars(
    key: str, values: Mapping[str, float], axis: Axis, *, alt: str, hovers: Sequence[str] | None = None
) -> None:
    """A bar from zero for each name, the first on top; green above zero, red below."""
    names = list(values)[:MAX_BARS]
    numbers = [values[name] for name in names]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": names,
            "x": numbers,
            "marker": {"color": [theme_color("red" if each < 0 else "green") for each in numbers]},
            "customdata": list(hovers or names)[:MAX_BARS],
            "hovertemplate": f"%{{y}}: %{{x:{axis.hover}}}{axis.suffix}"
            + ("<br>%{customdata}" if hovers else "")
            + "<extra></extra>",
        }
    ]
    layout = {
        "showlegend": False,
        "xaxis": {
            "title": {"text": axis.title},
            "fixedrange": True,
            "nticks": 5,
            "ticksuffix": axis.suffix,
            "zeroline": True,
        },
        "yaxis": {"autorange": "reversed", "type": "category", "fixedrange": True, "automargin": True, "dtick": 1},
    }
    draw(key, data, layout, alt=alt, height=70 + 24 * max(2, len(names)))


def show_months(
    key: str,
    months: Sequence[str],
    bars: Mapping[str, Sequence[float | None]],
    axis: Axis,
    *,
    alt: str,
) -> None:
    """Stacked bars by month, one colour for each name."""
    colors = categorical_colors()
    data = [
        {
            "type": "bar",
            "name": name,
            "x": list(months),
            "y": list(values),
            "marker": {"color": colors[place]},
            "hovertemplate": f"%{{x}}<br>%{{y:{axis.hover}}}{axis.suffix}<extra>{name}</extra>",
        }
        for place, (name, values) in enumerate(bars.items())
    ]
    layout = {
        "barmode": "relative",
        "showlegend": True,
        "xaxis": {"type": "category", "fixedrange": True, "nticks": 8},
        "yaxis": _y_axis(axis),
    }
    draw(key, data, layout, alt=alt)


def draw(
    key: str, data: Sequence[Mapping[str, Any]], layout: Mapping[str, Any], *, alt: str, height: int = HEIGHT_PX
) -> None:
    """A figure in the house's dress, with its words for those who do not see it."""
    import plotly.graph_objects as go

    dressed = {
        "margin": {"l": 0, "r": 8, "t": 8, "b": 0},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        **layout,
    }
    st.plotly_chart(
        go.Figure({"data": list(data), "layout": dressed}, skip_invalid=True),
        key=key,
        height=height,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=alt,
    )


def kept_places(count: int, most: int = MAX_POINTS) -> range:
    """Which of so many points are drawn: evenly spaced ones that end with the last."""
    step = -(-count // most) or 1
    return range((count - 1) % step, count, step) if count else range(0)


def _line(line: Line, days: Sequence[date], places: range, axis: Axis) -> dict[str, Any]:
    color = categorical_colors()[line.color]
    filled = {"fill": "tozeroy", "fillcolor": faint(color)} if line.is_filled else {}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": line.name,
        "x": [days[place] for place in places],
        "y": [line.values[place] for place in places],
        "line": {"color": color, "width": 1.7, "dash": line.dash, "shape": "hv" if line.is_stepped else "linear"},
        "connectgaps": False,
        "hovertemplate": f"%{{y:{axis.hover}}}{axis.suffix}",
        **filled,
    }


def _y_axis(axis: Axis) -> dict[str, Any]:
    return {
        "title": {"text": axis.title},
        "ticksuffix": axis.suffix,
        "rangemode": "tozero" if axis.starts_at_zero else "normal",
        "fixedrange": True,
        "automargin": True,
        "nticks": 6,
    }


def faint(color: str, opacity: float = 0.12) -> str:
    """The colour, #RRGGBB, as a ground that lets through what lies beneath."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
