"""The market around a scan: how many symbols take part in it, and how its sectors fared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import wrap
from typing import Any

import streamlit as st

from core.screener.merge import Breadth, Sector
from pages.components.theme import contrast, diverging_colors, theme_color

GAUGE_PX = 190
MAP_PX = 320
FULL_COLOR = 0.03
"""A change of this size, up or down, has the deepest colour."""
UNCHANGED = 0.0005
"""A change below this size reads as 0.0 % and has no colour."""
INKS = ("#FFFFFF", "#0E1A20")
LINE_CHARS, MAX_LINES = 15, 3
"""Of a sector's name on its tile."""
LEAST_TEXT_PX = 10
"""A tile without room for text of this size shows its words when it is pointed at."""


def read(market: Mapping[str, Any]) -> tuple[Breadth, tuple[Sector, ...]]:
    """What a scan kept of its market."""
    return Breadth(**market["breadth"]), tuple(Sector(**sector) for sector in market["sectors"])


def show(key: str, breadth: Breadth, sectors: Sequence[Sector]) -> None:
    """The gauge with its counts, and beside it, where there is room, the sectors."""
    with st.grid(2, gap="medium", min_column_width=320):
        with st.container(border=True, height="stretch"):
            _show_breadth(key, breadth)
        with st.container(border=True, height="stretch"):
            _show_sectors(key, sectors)


def _show_breadth(key: str, breadth: Breadth) -> None:
    st.markdown(
        "**Breadth**", help="How many symbols take part in a move, which an index of a few large ones does not tell."
    )
    if breadth.above_sma_50 is None:
        st.caption("No symbol has 50 sessions yet, so there is no share above the 50-day average.")
    else:
        beside = (
            "" if breadth.above_sma_200 is None else f" · {_percent(breadth.above_sma_200)} above the 200-day average"
        )
        st.plotly_chart(
            _gauge(breadth.above_sma_50),
            key=f"{key}_gauge",
            height=GAUGE_PX,
            config={"displayModeBar": False, "staticPlot": True},
            alt=f"{breadth.above_sma_50:.0%} of the symbols are above their 50-day average",
        )
        st.caption(f"above the 50-day average{beside}", text_alignment="center")
    with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
        for label, up, down in (
            ("Advancing, declining", breadth.advancing, breadth.declining),
            ("New 52-week highs, lows", breadth.new_highs, breadth.new_lows),
        ):
            st.markdown(f"{label}  \n:green[**▲ {up:,}**] :red[**▼ {down:,}**]", width="content")
    if breadth.unchanged:
        st.caption(f"{breadth.unchanged:,} unchanged", text_alignment="center")


def _show_sectors(key: str, sectors: Sequence[Sector]) -> None:
    st.markdown("**Sectors**", help="The larger a tile, the more symbols; the number is the mean of their changes.")
    named = [sector for sector in sectors if sector.name and sector.count and sector.mean_change is not None]
    if not named:
        st.caption("This universe does not name the sectors of its symbols.")
        return
    best, worst = max(named, key=_change), min(named, key=_change)
    st.plotly_chart(
        _tiles(named),
        key=f"{key}_sectors",
        height=MAP_PX,
        config={"displayModeBar": False},
        alt=f"Change of {len(named)} sectors on the day: best {best.name} {_change(best):+.1%}, "
        f"worst {worst.name} {_change(worst):+.1%}",
    )


def _gauge(share: float) -> Any:
    import plotly.graph_objects as go

    below, above = diverging_colors()[2], diverging_colors()[-3]
    data = {
        "type": "indicator",
        "mode": "gauge+number",
        "value": 100 * share,
        "number": {"suffix": " %", "valueformat": ".0f", "font": {"size": 34, "color": theme_color("text")}},
        "gauge": {
            "shape": "angular",
            "axis": {"range": [0, 100], "tickvals": [0, 25, 50, 75, 100], "tickfont": {"color": theme_color("gray")}},
            "bar": {"color": above if share >= 0.5 else below, "thickness": 1},
            "bgcolor": theme_color("border"),
            "borderwidth": 0,
            "threshold": {"line": {"color": theme_color("text"), "width": 2}, "thickness": 1, "value": 50},
        },
    }
    return go.Figure({"data": [data], "layout": {"margin": {"l": 24, "r": 24, "t": 22, "b": 4}}})


def _tiles(sectors: Sequence[Sector]) -> Any:
    import plotly.graph_objects as go

    colors = [_color(_change(sector)) for sector in sectors]
    data = {
        "type": "treemap",
        "ids": [str(number) for number in range(len(sectors))],
        "labels": ["<br>".join(map(_escaped, wrap(sector.name, LINE_CHARS)[:MAX_LINES])) for sector in sectors],
        "parents": [""] * len(sectors),
        "values": [sector.count for sector in sectors],
        "customdata": [
            [_signed(_change(sector)), sector.count, sector.advancing, _escaped(sector.name)] for sector in sectors
        ],
        "texttemplate": "%{label}<br><b>%{customdata[0]}</b>",
        "hovertemplate": "%{customdata[3]}<br>%{customdata[0]} on average<br>%{customdata[2]} of %{customdata[1]} rose"
        "<extra></extra>",
        "marker": {"colors": colors, "line": {"width": 2, "color": theme_color("background")},
                   "pad": {"t": 0, "l": 0, "r": 0, "b": 0}},
        "textfont": {"color": [_ink(color) for color in colors], "size": 13},
        "tiling": {"pad": 2},
        "pathbar": {"visible": False},
        "root": {"color": "rgba(0,0,0,0)"},
    }  # fmt: skip
    layout = {"margin": {"l": 0, "r": 0, "t": 0, "b": 0}, "uniformtext": {"minsize": LEAST_TEXT_PX, "mode": "hide"}}
    return go.Figure({"data": [data], "layout": layout})


def _escaped(name: str) -> str:
    """A name from a universe's list as plotly shows it, which reads some markup."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _change(sector: Sector) -> float:
    return sector.mean_change or 0.0


def _color(change: float) -> str:
    """Of ten colours five are for falls: the deeper, the larger the change."""
    if abs(change) < UNCHANGED:
        return theme_color("border")
    colors = diverging_colors()
    half = len(colors) // 2
    steps = max(1, min(half, ceil(abs(change) / FULL_COLOR * half)))
    return colors[half - steps] if change < 0 else colors[half + steps - 1]


def _ink(color: str) -> str:
    return max(INKS, key=lambda ink: contrast(ink, color))


def _signed(change: float) -> str:
    return f"{change * 100:+.1f} %".replace("-", "−")


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
