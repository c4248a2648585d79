"""The calibration curve: how often verdicts of each confidence were right, beside the line where both are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.verdicts.scoreboard import Bin
from pages.components.theme import categorical_colors, theme_color

HEIGHT_PX = 340
LEAST_DOT_PX, MOST_DOT_PX = 8, 26


def show(key: str, bins: Sequence[Bin]) -> None:
    """A point for each part of the scale that has verdicts, the larger the more, with its interval."""
    st.plotly_chart(
        _figure(bins),
        key=key,
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=alt_text(bins),
    )


def alt_text(bins: Sequence[Bin]) -> str:
    """The points in a sentence."""
    points = "; ".join(
        f"confidence {each.mean_confidence:.0%}, right {each.observed:.0%} of {each.n:,}" for each in bins
    )
    return f"Calibration: {points or 'no verdict is scored yet'}"


def _figure(bins: Sequence[Bin]) -> Any:
    import plotly.graph_objects as go

    color, quiet = categorical_colors()[0], theme_color("gray")
    most = max((each.n for each in bins), default=1)
    points = {
        "type": "scatter",
        "mode": "markers+lines",
        "name": "verdicts",
        "x": [100 * each.mean_confidence for each in bins],
        "y": [100 * each.observed for each in bins],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [100 * (each.observed_high - each.observed) for each in bins],
            "arrayminus": [100 * (each.observed - each.observed_low) for each in bins],
            "color": color,
            "thickness": 1.5,
            "width": 5,
        },
        "marker": {
            "size": [LEAST_DOT_PX + (MOST_DOT_PX - LEAST_DOT_PX) * (each.n / most) ** 0.5 for each in bins],
            "color": [theme_color("background") if each.is_few else color for each in bins],
            "line": {"width": 2, "color": color},
            "opacity": 1,
        },
        "line": {"width": 1, "dash": "dot", "color": color},
        "customdata": [[each.n, 100 * each.observed_low, 100 * each.observed_high, _few(each)] for each in bins],
        "hovertemplate": "said %{x:.0f} %, right %{y:.0f} %<br>n %{customdata[0]:,}, "
        "95 %: %{customdata[1]:.0f}–%{customdata[2]:.0f} %%{customdata[3]}<extra></extra>",
        "cliponaxis": False,
    }
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "name": "said = right",
        "x": [0, 100],
        "y": [0, 100],
        "line": {"width": 1.5, "dash": "dash", "color": quiet},
        "hoverinfo": "skip",
    }
    axis = {"range": [0, 100], "ticksuffix": " %", "fixedrange": True, "automargin": True, "dtick": 20}
    layout = {
        "margin": {"l": 0, "r": 12, "t": 8, "b": 0},
        "showlegend": False,
        "xaxis": {**axis, "title": {"text": "Confidence that was given"}, "showgrid": True},
        "yaxis": {**axis, "title": {"text": "Share that was right"}},
        "annotations": [
            {
                "x": 28, "y": 17, "text": "as confident as right", "showarrow": False, "xanchor": "left",
                "font": {"color": quiet, "size": 12},
            }
        ],
    }  # fmt: skip
    return go.Figure({"data": [diagonal, points], "layout": layout}, skip_invalid=True)


def _few(each: Bin) -> str:
    return "<br>too few to tell" if each.is_few else ""
