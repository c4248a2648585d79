"""The chart of one instrument: candles, volume, splits and dividends, and a benchmark beside them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import streamlit as st

from core.market.sources.contract import ActionKind, BarHistory, CorporateAction
from pages.components.theme import theme_color

HEIGHT_PX = 460
VOLUME_SHARE = 0.2
"""Part of the height that the volume takes."""
MAX_CANDLES = 1_300
"""Past these, about five years, candles are narrower than a pixel and closes are drawn as a line."""
MAX_SPAN_DAYS = 2_000
"""Of a longer period days without a bar are not left out: there would be too many to name."""
_MARKS = {ActionKind.SPLIT: ("Split", "S", "primary"), ActionKind.DIVIDEND: ("Dividend", "D", "gray")}


def show(key: str, history: BarHistory, *, benchmark: BarHistory | None = None, is_log: bool = False) -> None:
    """Draws at least one bar; the benchmark is scaled to start at the instrument's first close."""
    st.plotly_chart(
        _figure(history, benchmark, is_log=is_log),
        key=key,
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=alt_text(history),
    )


def alt_text(history: BarHistory) -> str:
    """What the chart shows, in a sentence."""
    closes = history.frame.drop_nulls("close")
    if closes.is_empty():
        return f"No close of {history.symbol} is known in this period."
    first, last = closes.row(0, named=True), closes.row(-1, named=True)
    change = last["close"] / first["close"] - 1
    return (
        f"Daily bars of {history.symbol} from {first['date']:%d %B %Y} to {last['date']:%d %B %Y}: "
        f"close from {first['close']:,.2f} to {last['close']:,.2f}, {change:+.1%}"
    )


def _figure(history: BarHistory, benchmark: BarHistory | None, *, is_log: bool) -> Any:
    import plotly.graph_objects as go

    data = [_prices(history), _volume(history), *_marks(history)]
    if benchmark is not None and not benchmark.frame.is_empty():
        data.append(_benchmark(history, benchmark))
    return go.Figure({"data": data, "layout": _layout(history, is_log=is_log)}, skip_invalid=True)


def _prices(history: BarHistory) -> dict[str, Any]:
    columns = history.frame.to_dict(as_series=False)
    if history.frame.height > MAX_CANDLES:
        line = {"color": theme_color("primary"), "width": 1.5}
        return {"type": "scatter", "mode": "lines", "name": history.symbol, "x": columns["date"], "y": columns["close"],
                "line": line, "hovertemplate": "%{x|%d %b %Y}<br>%{y:,.2f}<extra>close</extra>"}  # fmt: skip
    return {
        "type": "candlestick",
        "name": history.symbol,
        "x": columns["date"],
        **{name: columns[name] for name in ("open", "high", "low", "close")},
        "increasing": {"line": {"color": theme_color("green"), "width": 1}},
        "decreasing": {"line": {"color": theme_color("red"), "width": 1}},
        "whiskerwidth": 0,
    }


def _volume(history: BarHistory) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": "Volume",
        "x": history.frame["date"].to_list(),
        "y": history.frame["volume"].to_list(),
        "yaxis": "y2",
        "marker": {"color": theme_color("gray"), "opacity": 0.55},
        "hovertemplate": "%{x|%d %b %Y}<br>%{y:,.4~s}<extra>volume</extra>",
        "showlegend": False,
    }


def _marks(history: BarHistory) -> Iterable[dict[str, Any]]:
    """A letter below the low of each ex-date."""
    lows = dict(zip(history.frame["date"].to_list(), history.frame["low"].to_list(), strict=True))
    for kind, (name, letter, color) in _MARKS.items():
        actions = [action for action in history.actions if action.kind is kind and lows.get(action.ex_date)]
        if actions:
            yield {
                "type": "scatter",
                "mode": "text",
                "name": name,
                "x": [action.ex_date for action in actions],
                "y": [lows[action.ex_date] for action in actions],
                "text": [f"<b>{letter}</b>"] * len(actions),
                "textposition": "bottom center",
                "textfont": {"color": theme_color(color)},
                "customdata": [_words(action, history.currency) for action in actions],
                "hovertemplate": "%{x|%d %b %Y}<br>%{customdata}<extra></extra>",
                "showlegend": False,
            }


def _words(action: CorporateAction, currency: str | None) -> str:
    if action.kind is ActionKind.SPLIT:
        return f"Split, {action.value.normalize():f} for 1"
    return f"Dividend, {action.value.normalize():f} {currency or ''} a share".replace("  ", " ")


def _benchmark(history: BarHistory, benchmark: BarHistory) -> dict[str, Any]:
    joined = history.frame.select("date", own="close").join(
        benchmark.frame.select("date", "close"), on="date", how="inner"
    )
    both = joined.drop_nulls()
    scale = both["own"][0] / both["close"][0] if both.height else 1.0
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{benchmark.symbol}, from the same start",
        "x": both["date"].to_list(),
        "y": (both["close"] * scale).to_list(),
        "line": {"color": theme_color("orange"), "width": 1.5, "dash": "dot"},
        "hovertemplate": "%{x|%d %b %Y}<br>%{y:,.2f}<extra>%{fullData.name}</extra>",
    }


def _layout(history: BarHistory, *, is_log: bool) -> dict[str, Any]:
    return {
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "hovermode": "x",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        "bargap": 0.2,
        "xaxis": {"type": "date", "anchor": "y2", "rangeslider": {"visible": False}, "fixedrange": True,
                  "rangebreaks": [{"bounds": ["sat", "mon"]}, {"values": _closed(history)}]},
        "yaxis": {
            "type": "log" if is_log else "linear",
            "domain": [VOLUME_SHARE + 0.04, 1],
            "title": {"text": f"Price, {history.currency}" if history.currency else "Price"},
            "fixedrange": True,
            "automargin": True,
        },
        "yaxis2": {"domain": [0, VOLUME_SHARE], "title": {"text": "Volume"}, "fixedrange": True, "automargin": True,
                   "nticks": 3, "rangemode": "tozero"},
    }  # fmt: skip


def _closed(history: BarHistory) -> list[date]:
    """Weekdays within the period that have no bar: holidays, and days that are missing."""
    days = set(history.frame["date"].to_list())
    if not days or len(days) > MAX_CANDLES:
        return []
    first, span = min(days), (max(days) - min(days)).days
    if span > MAX_SPAN_DAYS:
        return []
    every = (first + timedelta(days=number) for number in range(span))
    return [day for day in every if day.weekday() < 5 and day not in days]
