"""The matches of a screen as a grid: what each symbol did, what it signals, what that was worth, and why it matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.criteria import WHY
from core.screener.direction import Direction
from core.screener.fields import FIELDS
from core.screener.signals import SIGNALS
from pages.components.theme import badge_color

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 500
"""Rows that are sent to the browser; a file holds all."""
GRID_PX = 460
FEW_ROWS = 10
"""So many rows are all seen at once."""
SORTS: Mapping[str, str] = {
    "rs_rating": "RS rating",
    "change": "Change",
    "relative_volume": "Relative volume",
    "confidence": "Confidence",
    "reward_risk": "Reward to risk",
    "dollar_volume": "Traded value",
    "from_week52_high": "Distance to 52-week high",
    "rsi_14": "RSI",
    "symbol": "Symbol",
}
"""Columns that the matches can be put in order by; the first is the usual one."""
Opened = Callable[[str], object]
"""Is told the symbol of a cell that was clicked."""
SMALL_PRICE = 1.0
"""With a price below this among the rows, all prices have four decimals."""
_COLORS = {Direction.BULLISH: "green", Direction.BEARISH: "red"}


def show_order(key: str) -> tuple[str, bool]:
    """The choice of an order: the column, and whether its largest values come first."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", width="content"):
        column = st.selectbox(
            "Sorted by", list(SORTS), format_func=lambda each: SORTS[each], key=f"{key}_column", width=210
        )
        turn = st.segmented_control(
            "Order",
            ["down", "up"],
            format_func=lambda each: {"down": ":material/arrow_downward:", "up": ":material/arrow_upward:"}[each],
            default="down",
            required=True,
            key=f"{key}_turn",
            help="Down: the largest first.",
        )
    return column or next(iter(SORTS)), turn != "up"


def ordered(matches: pl.DataFrame, column: str, *, largest_first: bool) -> pl.DataFrame:
    """The matches in order; those without the figure come last, equals by symbol. Symbols begin with A."""
    if column == "symbol":
        return matches.sort("symbol", descending=not largest_first)
    return matches.sort([column, "symbol"], descending=[largest_first, False], nulls_last=True)


def show(key: str, matches: pl.DataFrame, opened: Opened, *, has_records: bool = True) -> tuple[str, ...]:
    """The first rows of the matches; gives the symbols whose rows are ticked.

    Without records, which are still being computed, nothing is said of how many signals are behind a confidence.
    """
    rows = matches.head(MAX_ROWS)
    symbols = tuple(rows["symbol"])
    key = f"{key}_{hash(symbols)}"  # of other rows, or in another order, nothing is chosen yet
    chosen = st.dataframe(
        _table(rows, has_records=has_records),
        key=key,
        hide_index=True,
        height="content" if rows.height <= FEW_ROWS else GRID_PX,
        row_height=38,
        on_select=partial(_open, key, symbols, opened),
        selection_mode=["multi-row", "single-cell"],
        column_config=_columns(rows),
        placeholder="",
        alt="Symbols that match the screen, with what they did, what they signal and why they matched",
    )
    selection: Any = chosen.selection
    return tuple(symbols[row] for row in selection.rows if row < len(symbols))


def _open(key: str, symbols: Sequence[str], opened: Opened) -> None:
    cells = st.session_state[key].selection.cells
    if cells and cells[0][0] < len(symbols):
        opened(symbols[cells[0][0]])


def _table(rows: pl.DataFrame, *, has_records: bool) -> pl.DataFrame:
    """The columns that are shown, and no other, as the grid reads them."""
    import polars as pl

    count = pl.col("confidence_n").fill_null(0).cast(pl.String).str.replace(r"(\d)(\d{3})$", "$1,$2")
    return rows.select(
        "symbol",
        "name",
        "close",
        pl.col("change") * 100,
        "relative_volume",
        *map(_labelled, ("signals", "pattern")),
        pl.col("confidence") * 100,
        pl.when((pl.col("signals").list.len().fill_null(0) == 0) | pl.lit(not has_records))
        .then(None)
        .when(pl.col("confidence").is_null())
        .then(pl.format("too few: {}", count))
        .otherwise(pl.format("n {}", count))
        .alias("counted"),
        "entry",
        "target",
        "stop",
        "reward_risk",
        "rs_rating",
        "spark",
        pl.col("week52_position") * 100,
        *(["behind"] if (rows["behind"] > 0).any() else []),
        WHY,
    )


def _labelled(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).list.eval(pl.element().replace_strict(_labels(name), default=pl.element()))


def _labels(column: str) -> Mapping[str, str]:
    return FIELDS[column].choices or {}


def _columns(rows: pl.DataFrame) -> dict[str, Any]:
    config = st.column_config
    price = "%,.4f" if _has_small(rows) else "%,.2f"
    ours = {name: FIELDS[name].help for name in FIELDS}
    return {
        "symbol": config.TextColumn("Symbol", pinned=True, width=84),
        "name": config.TextColumn("Name", width=150),
        "close": config.NumberColumn(_priced("Price", rows), format=price, help=ours["close"], width=90),
        "change": config.NumberColumn("Change", format="%+.2f %%", help=ours["change"], width=84),
        "relative_volume": config.NumberColumn(
            "Rel. volume", format="%.2f ×", help=ours["relative_volume"], width=96
        ),
        "signals": _badges("Signals", rows, "signals", 250),
        "pattern": _badges("Pattern", rows, "pattern", 150),
        "confidence": config.ProgressColumn(
            "Confidence", format="%.0f %%", min_value=0, max_value=100, help=ours["confidence"], width=120
        ),
        "counted": config.TextColumn("Behind it", help=ours["confidence_n"], width=96),
        "entry": config.NumberColumn("Entry", format=price, help=ours["entry"], width=84),
        "target": config.NumberColumn("Target", format=price, help=ours["target"], width=84),
        "stop": config.NumberColumn("Stop", format=price, help=ours["stop"], width=84),
        "reward_risk": config.NumberColumn("Reward : risk", format="%.1f", help=ours["reward_risk"], width=96),
        "rs_rating": config.NumberColumn("RS", format="%d", help=ours["rs_rating"], width=60),
        "spark": config.LineChartColumn("30 days", width=110, help="The last 30 closes."),
        "week52_position": config.ProgressColumn(
            "52-week range", format="%.0f %%", min_value=0, max_value=100, help=ours["week52_position"], width=120,
            color="gray",
        ),
        "behind": config.NumberColumn(FIELDS["behind"].label, format="%d", help=ours["behind"], width=110),
        WHY: config.ListColumn("Why it matched", width=420),
    }  # fmt: skip


def _badges(title: str, rows: pl.DataFrame, column: str, width: int) -> Any:
    """A list as coloured words: those that are bullish, those that are bearish."""
    labels = _labels(column)
    present = rows[column].explode().drop_nulls().unique().sort().to_list()
    return st.column_config.MultiselectColumn(
        title,
        options=[labels.get(each, each) for each in present] or [""],
        color=[_badge_color(each) for each in present] or "primary",
        help=FIELDS[column].help,
        width=width,
    )


def _badge_color(signal: str) -> str:
    known = SIGNALS.get(signal) or CHART_PATTERNS.get(signal)
    return badge_color("gray" if known is None else _COLORS[known.direction])


def _has_small(rows: pl.DataFrame) -> bool:
    least: Any = rows["close"].min()
    return least is not None and least < SMALL_PRICE


def _priced(title: str, rows: pl.DataFrame) -> str:
    """The title with the currency, where all rows have the same."""
    currencies: Sequence[str] = rows["currency"].drop_nulls().unique().to_list()
    return f"{title}, {currencies[0]}" if len(currencies) == 1 else title
