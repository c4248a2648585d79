"""Areas of a portfolio: the treemap of holdings, rings, heat-maps of months and correlations, risk against return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pages.components.avatar import ink_on
from pages.components.portfolio_charts import HEIGHT_PX, draw
from pages.components.portfolio_words import change, money, share
from pages.components.theme import categorical_colors, diverging_colors, theme_color

MAX_PARTS = 8
"""Parts of a ring; the rest is one, named "Others"."""
MAX_TILES = 60
OTHERS = "Others"
CELL_PX = 34
MOST_WRITTEN = 16
"""With more columns than these, figures are in tooltips alone."""
FEW_COLUMNS, FEW_COLUMNS_PX, MANY_COLUMNS_PX = 8, 12, 10
WIDEST_GAIN = 0.5
"""Gains and losses past this have the deepest colours of a treemap."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One area of the treemap."""

    label: str
    value: float
    """In the portfolio's currency, above 0."""
    gain: float | None
    """Of its cost; None: not known."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One point of risk against return, both by year."""

    name: str
    risk: float
    reward: float
    sign: str = "circle"
    """Plotly's name of its mark."""
    color: int = 0
    is_named: bool = False
    """Whether its name stands beside it."""


def show_treemap(key: str, tiles: Sequence[Tile], currency: str, *, alt: str) -> None:
    """The holdings by value; the colour says how far each is above or below its cost."""
    shown = list(tiles[:MAX_TILES])
    rest = sum(tile.value for tile in tiles[MAX_TILES:])
    if rest > 0:
        shown.append(Tile(OTHERS, rest, None))
    data = [
        {
            "type": "treemap",
            "labels": [tile.label for tile in shown],
            "parents": [""] * len(shown),
            "values": [tile.value for tile in shown],
            "marker": {
                "colors": [0.0 if tile.gain is None else tile.gain for tile in shown],
                "colorscale": _scale(),
                "cmin": -WIDEST_GAIN,
                "cmid": 0,
                "cmax": WIDEST_GAIN,
                "line": {"width": 1, "color": theme_color("background")},
                "pad": {"t": 0, "l": 0, "r": 0, "b": 0},
            },
            "customdata": [
                [money(tile.value, currency), "gain not known" if tile.gain is None else f"{change(tile.gain)} of cost"]
                for tile in shown
            ],
            "texttemplate": "%{label}<br>%{percentRoot:.1%}",
            "textfont": {"color": [_ink((tile.gain or 0.0) / WIDEST_GAIN) for tile in shown]},
            "hovertemplate": "%{label}: %{customdata[0]}, %{percentRoot:.1%}<br>%{customdata[1]}<extra></extra>",
            "tiling": {"pad": 1},
            "root": {"color": theme_color("background")},
            "pathbar": {"visible": False},
        }
    ]
    draw(key, data, {"margin": {"l": 0, "r": 0, "t": 0, "b": 0}}, alt=alt)


def show_ring(key: str, parts: Mapping[str, Decimal], currency: str, *, alt: str) -> None:
    """Parts of a whole, the largest first; what is below zero cannot be drawn and is named in the words beside it."""
    bounded = _bounded(parts)
    colors = list(categorical_colors()[: len(bounded)])
    data = [
        {
            "type": "pie",
            "hole": 0.58,
            "labels": list(bounded),
            "values": [float(value) for value in bounded.values()],
            "sort": False,
            "direction": "clockwise",
            "marker": {
                "colors": colors,
                "line": {"width": 1, "color": theme_color("background")},
            },
            "customdata": [money(value, currency) for value in bounded.values()],
            "texttemplate": "%{percent:.0%}",
            "textposition": "inside",
            "insidetextfont": {"color": [ink_on(color) for color in colors]},
            "hovertemplate": "%{label}: %{customdata}, %{percent:.1%}<extra></extra>",
        }
    ]
    layout = {
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "legend": {"orientation": "v", "x": 1, "xanchor": "left", "y": 0.5, "yanchor": "middle"},
        "showlegend": True,
        "uniformtext": {"mode": "hide", "minsize": 10},
    }
    draw(key, data, layout, alt=alt, height=230)


def show_heat_map(
    key: str,
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    *,
    alt: str,
    bound: float,
    is_percent: bool = True,
    notes: Sequence[Sequence[str]] | None = None,
) -> None:
    """Cells from `bound` below nothing (red) to `bound` above (green), one row of them for each row's name.

    A cell without a figure has no colour; `notes` say more of each in its tooltip.
    """
    written = [[_cell(value, is_percent=is_percent) for value in row] for row in cells]
    data = [
        {
            "type": "heatmap",
            "x": list(columns),
            "y": list(rows),
            "z": [list(row) for row in cells],
            "zmin": -bound,
            "zmax": bound,
            "colorscale": _scale(),
            "showscale": False,
            "xgap": 1,
            "ygap": 1,
            "text": written,
            "customdata": [list(row) for row in notes] if notes else written,
            "hovertemplate": "%{y}, %{x}: %{text}" + ("<br>%{customdata}" if notes else "") + "<extra></extra>",
            "hoverongaps": False,
        }
    ]
    if len(columns) <= MOST_WRITTEN:
        data.append(_figures(columns, rows, cells, written, bound))
    axis = {"type": "category", "fixedrange": True, "showgrid": False, "automargin": True}
    layout = {
        "showlegend": False,
        "xaxis": {**axis, "side": "top", "tickangle": -60 if max(map(len, columns), default=0) > 4 else 0},
        "yaxis": {**axis, "autorange": "reversed", "dtick": 1},
    }
    draw(key, data, layout, alt=alt, height=60 + CELL_PX * max(2, len(rows)))


def show_risk_and_return(key: str, spots: Sequence[Spot], frontier: Sequence[tuple[float, float]], *, alt: str) -> None:
    """Volatility against expected return, both by year, with the line of the best that could be had at each risk."""
    colors = categorical_colors()
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "Efficient frontier",
        "x": [100 * risk for risk, _ in frontier],
        "y": [100 * reward for _, reward in frontier],
        "line": {"color": colors[0], "width": 2, "shape": "spline"},
        "hovertemplate": "risk %{x:.1f} %, return %{y:.1f} %<extra>Efficient frontier</extra>",
    }
    marks = [
        {
            "type": "scatter",
            "mode": "markers+text" if spot.is_named else "markers",
            "name": spot.name,
            "x": [100 * spot.risk],
            "y": [100 * spot.reward],
            "text": [spot.name],
            "textposition": "top center",
            "textfont": {"color": theme_color("text")},
            "marker": {"symbol": spot.sign, "size": 12 if spot.is_named else 8, "color": colors[spot.color]},
            "hovertemplate": "risk %{x:.1f} %, return %{y:.1f} %<extra>%{fullData.name}</extra>",
            "showlegend": False,
            "cliponaxis": False,
        }
        for spot in spots
    ]
    axis = {"ticksuffix": " %", "fixedrange": True, "automargin": True, "nticks": 6}
    layout = {
        "showlegend": False,
        "xaxis": {**axis, "title": {"text": "Volatility by year"}, "rangemode": "tozero"},
        "yaxis": {**axis, "title": {"text": "Mean return by year"}},
    }
    draw(key, [*([line] if frontier else []), *marks], layout, alt=alt, height=HEIGHT_PX + 60)


def parts_in_words(parts: Mapping[str, Decimal]) -> str:
    """The parts in a sentence, the largest first."""
    total = sum((value for value in parts.values() if value > 0), Decimal(0))
    if not total:
        return "no value is known"
    ordered = sorted(parts.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {share(value / total)}" for name, value in ordered[:MAX_PARTS])


def _bounded(parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    ordered = sorted(((name, value) for name, value in parts.items() if value > 0), key=lambda each: -each[1])
    if len(ordered) <= MAX_PARTS:
        return dict(ordered)
    rest = sum((value for _, value in ordered[MAX_PARTS - 1 :]), Decimal(0))
    return {**dict(ordered[: MAX_PARTS - 1]), OTHERS: rest}


def _figures(
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    written: Sequence[Sequence[str]],
    bound: float,
) -> dict[str, Any]:
    """What stands in the cells, each in the ink that is readable on its colour."""
    told = [
        (column, row, written[down][across], _ink(value / bound))
        for down, row in enumerate(rows)
        for across, column in enumerate(columns)
        if (value := cells[down][across]) is not None
    ]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [column for column, _, _, _ in told],
        "y": [row for _, row, _, _ in told],
        "text": [words for _, _, words, _ in told],
        "textfont": {
            "color": [ink for _, _, _, ink in told],
            "size": FEW_COLUMNS_PX if len(columns) <= FEW_COLUMNS else MANY_COLUMNS_PX,
        },
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _ink(place: float) -> str:
    """The ink for words on the colour of a place from −1 to 1 of the diverging ones."""
    colors = diverging_colors()
    among = (min(1.0, max(-1.0, place)) + 1) / 2 * (len(colors) - 1)
    return ink_on(colors[round(among)])


def _cell(value: float | None, *, is_percent: bool) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f}".replace("-", "−") if is_percent else f"{value:.2f}".replace("-", "−")


def _scale() -> list[list[Any]]:
    colors = diverging_colors()
    return [[place / (len(colors) - 1), color] for place, color in enumerate(colors)]
