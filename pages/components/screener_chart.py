"""The chart of one match: candles with averages and bands, volume, RSI and MACD, its pattern and its levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import streamlit as st

from pages.components.theme import categorical_colors, theme_color

HEIGHT_PX = 720
ROOM_SHARE = 0.18
"""Part of the shown sessions that is left free at the right, for the levels and their names."""
LEVEL_SESSIONS = 12
"""So far back from the last bar a level is drawn."""
RANGES = {"3M": 63, "6M": 126, "1Y": 260}
"""Sessions of each range."""
_DOMAINS = {"y": [0.47, 1.0], "y2": [0.35, 0.45], "y3": [0.18, 0.32], "y4": [0.0, 0.15]}
"""Of price, volume, RSI and MACD, from the bottom."""
_AVERAGES = {"sma_20": ("SMA 20", 1), "sma_50": ("SMA 50", 2), "sma_200": ("SMA 200", 5)}
_BANDS = {"bb_upper": "Upper band", "bb_lower": "Lower band"}
_LEVELS = {"target": ("Target", "green", "dash"), "entry": ("Entry", "text", "solid"), "stop": ("Stop", "red", "dash")}
RSI_LOW, RSI_HIGH = 30, 70
DRAWN = (*_AVERAGES, *_BANDS, "rsi_14", "macd", "macd_signal", "macd_hist")
"""The indicators that are drawn."""

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """A pivot of a pattern."""

    day: date
    price: float
    is_high: bool
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line of a pattern: neckline, side of a channel, pole."""

    label: str
    start: tuple[date, float]
    end: tuple[date, float]


@dataclass(frozen=True, slots=True)
class Levels:
    """Where a signal is entered, given up, and what it aims at."""

    entry: float | None = None
    stop: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, the oldest bar first; all columns are of equal length, None where a figure is not defined."""

    symbol: str
    currency: str | None
    days: Sequence[date]
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values
    indicators: Mapping[str, Values] = field(default_factory=dict)
    """Those of `DRAWN`."""
    levels: Levels = Levels()
    pattern: str = ""
    marks: Sequence[Mark] = ()
    lines: Sequence[Line] = ()


def show(key: str, drawing: Drawing) -> None:
    """The choice of a range, and the chart; the range begins no later than the pattern does."""
    chosen = st.segmented_control(
        "Range", list(RANGES), default="6M", required=True, key=f"{key}_range", label_visibility="collapsed"
    )
    first = max(0, len(drawing.days) - RANGES[chosen or "6M"])
    if drawing.marks:
        first = min(first, _before(drawing, min(mark.day for mark in drawing.marks)))
    st.plotly_chart(
        _figure(drawing, first),
        key=f"{key}_chart",
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=alt_text(drawing, first),
    )


def alt_text(drawing: Drawing, first: int = 0) -> str:
    """What the chart shows, in a sentence."""
    closes = [close for close in drawing.close[first:] if close is not None]
    if not closes:
        return f"No close of {drawing.symbol} is known in this period."
    levels = [
        f"{name.lower()} {value:,.2f}"
        for name, value in (
            ("Entry", drawing.levels.entry), ("Stop", drawing.levels.stop), ("Target", drawing.levels.target),
        )
        if value is not None
    ]  # fmt: skip
    parts = [
        f"Daily bars of {drawing.symbol} from {drawing.days[first]:%d %B %Y} to {drawing.days[-1]:%d %B %Y}, "
        f"close from {closes[0]:,.2f} to {closes[-1]:,.2f}, with volume, averages, Bollinger bands, RSI and MACD"
    ]
    parts += [f"{drawing.pattern} with {len(drawing.marks)} pivots"] if drawing.pattern else []
    parts += [", ".join(levels)] if levels else []
    return "; ".join(parts)


def _before(drawing: Drawing, day: date) -> int:
    """A few bars before the one of this day, so that what begins there is not at the edge."""
    at = next((number for number, each in enumerate(drawing.days) if each >= day), 0)
    return max(0, at - 5)


def _figure(drawing: Drawing, first: int) -> Any:
    import plotly.graph_objects as go

    data = [
        *_bands(drawing, first),
        _candles(drawing, first),
        *_averages(drawing, first),
        *_pattern(drawing),
        _volume(drawing, first),
        _line(drawing, first, "rsi_14", "RSI 14", axis="y3", color=theme_color("link")),
        *_macd(drawing, first),
    ]
    return go.Figure({"data": data, "layout": _layout(drawing, first)}, skip_invalid=True)


def _candles(drawing: Drawing, first: int) -> dict[str, Any]:
    return {
        "type": "candlestick",
        "name": drawing.symbol,
        "x": list(drawing.days[first:]),
        **{name: list(getattr(drawing, name)[first:]) for name in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": theme_color("green"), "width": 1}},
        "decreasing": {"line": {"color": theme_color("red"), "width": 1}},
        "whiskerwidth": 0,
        "showlegend": False,
    }


def _bands(drawing: Drawing, first: int) -> Iterator[dict[str, Any]]:
    gray = theme_color("gray")
    for number, (name, label) in enumerate(_BANDS.items()):
        yield {
            **_line(drawing, first, name, label, color=gray),
            "line": {"color": gray, "width": 1, "dash": "dot"},
            "legendgroup": "bands",
            "showlegend": number == 1,
            **({"fill": "tonexty", "fillcolor": _faint(gray), "name": "Bollinger"} if number else {}),
        }


def _averages(drawing: Drawing, first: int) -> Iterator[dict[str, Any]]:
    colors = categorical_colors()
    for name, (label, number) in _AVERAGES.items():
        if any(value is not None for value in drawing.indicators.get(name, ())[first:]):
            yield {**_line(drawing, first, name, label, color=colors[number]), "showlegend": True}


def _line(drawing: Drawing, first: int, name: str, label: str, *, color: str, axis: str = "y") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "x": list(drawing.days[first:]),
        "y": list(drawing.indicators.get(name, ())[first:]),
        "yaxis": axis,
        "line": {"color": color, "width": 1.4},
        "hovertemplate": "%{y:,.2f}",
        "showlegend": False,
    }


def _volume(drawing: Drawing, first: int) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": "Volume",
        "x": list(drawing.days[first:]),
        "y": list(drawing.volume[first:]),
        "yaxis": "y2",
        "marker": {"color": theme_color("gray"), "opacity": 0.55},
        "hovertemplate": "%{y:,.4~s}",
        "showlegend": False,
    }


def _macd(drawing: Drawing, first: int) -> Iterator[dict[str, Any]]:
    bars = list(drawing.indicators.get("macd_hist", ())[first:])
    yield {
        "type": "bar",
        "name": "Histogram",
        "x": list(drawing.days[first:]),
        "y": bars,
        "yaxis": "y4",
        "marker": {"color": [theme_color("red" if (bar or 0) < 0 else "green") for bar in bars], "opacity": 0.6},
        "hovertemplate": "%{y:,.2f}",
        "showlegend": False,
    }
    colors = categorical_colors()
    yield _line(drawing, first, "macd", "MACD", axis="y4", color=colors[0])
    yield _line(drawing, first, "macd_signal", "Signal line", axis="y4", color=colors[1])


def _pattern(drawing: Drawing) -> Iterator[dict[str, Any]]:
    """The lines of a pattern, and its pivots joined in order, each with its name."""
    ink = theme_color("link")
    if drawing.marks:
        yield {
            "type": "scatter",
            "mode": "lines+markers",
            "name": drawing.pattern or "Pattern",
            "x": [mark.day for mark in drawing.marks],
            "y": [mark.price for mark in drawing.marks],
            "line": {"color": ink, "width": 1.5},
            "marker": {"color": ink, "size": 8, "line": {"color": theme_color("background"), "width": 1.5}},
            "hovertemplate": "%{y:,.2f}",
            "showlegend": True,
        }
    for line in drawing.lines:
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": line.label,
            "x": [line.start[0], line.end[0]],
            "y": [line.start[1], line.end[1]],
            "line": {"color": ink, "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
            "showlegend": False,
        }


def _layout(drawing: Drawing, first: int) -> dict[str, Any]:
    axis = {"fixedrange": True, "automargin": True, "nticks": 5}
    end = drawing.days[-1] + timedelta(days=_room(len(drawing.days) - first))
    levels = list(_levels(drawing, first, end))
    return {
        "margin": {"l": 0, "r": 4, "t": 8, "b": 0},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        "bargap": 0.2,
        "xaxis": {"type": "date", "anchor": "y4", "rangeslider": {"visible": False}, "fixedrange": True,
                  "range": [drawing.days[first] - timedelta(days=1), end], "showgrid": False, "nticks": 8,
                  "rangebreaks": [{"bounds": ["sat", "mon"]}, {"values": _closed(drawing, first)}]},
        "yaxis": {**axis, "domain": _DOMAINS["y"], "nticks": 8, "title": {"text": _price_title(drawing)}},
        "yaxis2": {**axis, "domain": _DOMAINS["y2"], "title": {"text": "Volume"}, "nticks": 3, "rangemode": "tozero"},
        "yaxis3": {**axis, "domain": _DOMAINS["y3"], "title": {"text": "RSI"}, "range": [0, 100],
                   "tickvals": [RSI_LOW, 50, RSI_HIGH]},
        "yaxis4": {**axis, "domain": _DOMAINS["y4"], "title": {"text": "MACD"}},
        "shapes": [*(shape for shape, _ in levels), *_bounds_of_rsi()],
        "annotations": [*_names_of_marks(drawing), *(name for _, name in levels)],
    }  # fmt: skip


def _levels(drawing: Drawing, first: int, end: date) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A line and its name for each level; names stand on the side of the line that looks away from the entry."""
    start = drawing.days[max(first, len(drawing.days) - LEVEL_SESSIONS)]
    for name, (label, color, dash) in _LEVELS.items():
        level = getattr(drawing.levels, name)
        if level is None:
            continue
        ink = theme_color(color)
        above = level >= (drawing.levels.entry if drawing.levels.entry is not None else level)
        place = {"x": end, "y": level, "xref": "x", "yref": "y"}
        yield (
            {"type": "line", "x0": start, "x1": end, "y0": level, "y1": level, "xref": "x", "yref": "y",
             "line": {"color": ink, "width": 1.5, "dash": dash}},
            {**place, "text": f"{label} {level:,.2f}", "showarrow": False, "xanchor": "right",
             "yanchor": "bottom" if above else "top", "yshift": 1 if above else -1, "borderpad": 0,
             "bgcolor": _faint(theme_color("background"), 0.75), "font": {"color": ink, "size": 12}},
        )  # fmt: skip


def _names_of_marks(drawing: Drawing) -> Iterator[dict[str, Any]]:
    """What each pivot is called, beyond it, readable over candles."""
    for mark in drawing.marks:
        if mark.label:
            yield {"x": mark.day, "y": mark.price, "xref": "x", "yref": "y", "text": mark.label, "showarrow": False,
                   "yshift": 8 if mark.is_high else -8, "yanchor": "bottom" if mark.is_high else "top", "borderpad": 1,
                   "bgcolor": _faint(theme_color("background"), 0.75),
                   "font": {"color": theme_color("link"), "size": 11}}  # fmt: skip


def _bounds_of_rsi() -> Iterator[dict[str, Any]]:
    for level in (RSI_LOW, RSI_HIGH):
        yield {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y3", "y0": level, "y1": level,
               "line": {"color": theme_color("gray"), "width": 1, "dash": "dot"}}  # fmt: skip


def _room(sessions: int) -> int:
    """Days that are left free at the right."""
    return max(6, round(sessions * ROOM_SHARE * 7 / 5))


def _price_title(drawing: Drawing) -> str:
    return f"Price, {drawing.currency}" if drawing.currency else "Price"


def _closed(drawing: Drawing, first: int) -> list[date]:
    """Weekdays within the period that have no bar."""
    days = set(drawing.days[first:])
    start, span = min(days), (max(days) - min(days)).days
    every = (start + timedelta(days=number) for number in range(span))
    return [day for day in every if day.weekday() < 5 and day not in days]


def _faint(color: str, opacity: float = 0.09) -> str:
    """The colour as a ground that lets through what lies beneath."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
