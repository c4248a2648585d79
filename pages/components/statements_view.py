"""Statements and key statistics of a company, each figure with where it is from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import streamlit as st

from core.market.fundamentals import Fundamentals
from core.market.key_statistics import Shape, Statistic
from core.market.statement_table import Unit
from core.market.statements import Cell, Frequency, Line, Period, Statement
from pages.components.money import age, price
from pages.components.states import show_empty
from pages.components.words import plain

MILLION = Decimal(1_000_000)
SCALES = ((Decimal(10**12), "tn"), (Decimal(10**9), "bn"), (Decimal(10**6), "m"))
FREQUENCIES = {"Years": Frequency.ANNUAL, "Quarters": Frequency.QUARTERLY}
DRAWN = ("revenue", "net_income")
"""Lines that are drawn as bars."""
HEIGHT_PX = 260


def show_statistics(key: str, found: Fundamentals) -> None:
    """The key statistics, n/a where one is not defined; how each is made is its help."""
    with st.container(key=key), st.grid(4, min_column_width=170):
        for statistic in found.statistics:
            value = written(statistic, found.statements.currency)
            st.metric(plain(statistic.label), value, help=plain(f"{statistic.note[:1].upper()}{statistic.note[1:]}."))


def show(key: str, found: Fundamentals) -> None:
    """One statement over years or quarters as a table, and revenue and income as bars."""
    names = {statement.label: statement.key for statement in found.statements.statements}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.segmented_control(
            "Statement", [*names], default=next(iter(names)), required=True, key=f"{key}_which"
        )
        span = st.segmented_control("Columns", [*FREQUENCIES], default="Years", required=True, key=f"{key}_span")
    frequency = FREQUENCIES[span or "Years"]
    statement = found.statements.statement(names[label or next(iter(names))], frequency)
    st.caption(plain(_words(found)))
    if not statement.lines:
        show_empty(
            "Nothing of this is reported", f"Not for {(span or 'Years').lower()}.", icon=":material/table_chart:"
        )
        return
    _show_bars(key, found, frequency)
    _show_table(key, statement, found.statements.currency)
    _show_marks(statement)
    with st.expander("Where each figure is from", icon=":material/source:"):
        _show_origins(key, statement, found)


def written(statistic: Statistic, currency: str | None) -> str:
    """A statistic as people read it."""
    value = statistic.value
    if value is None:
        return "n/a"
    writers = {
        Shape.MONEY: lambda: _large(value, currency),
        Shape.PER_SHARE: lambda: price(value, currency),
        Shape.RATIO: lambda: f"{value:,.2f}",
        Shape.SHARE: lambda: f"{value * 100:,.2f} %".replace("-", "−"),
        Shape.COUNT: lambda: _large(value, None),
    }
    return writers[statistic.shape]()


def _show_table(key: str, statement: Statement, currency: str | None) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {"Line": [_line_name(line, currency) for line in statement.lines]}
    for place, period in enumerate(statement.periods):
        columns[_column(period, statement)] = [_number(line, line.cells[place]) for line in statement.lines]
    numbers = {name: st.column_config.NumberColumn(format="localized") for name in columns if name != "Line"}
    st.dataframe(
        pa.table(columns),
        key=f"{key}_table",
        hide_index=True,
        height="content",
        column_config={"Line": st.column_config.TextColumn(pinned=True, width=260), **numbers},
        alt=f"{statement.label}, {statement.frequency.value}",
    )


def _show_marks(statement: Statement) -> None:
    """What was derived, and what is out of scale, by line and column."""
    derived = {
        _column(period, statement)
        for line in statement.lines
        for period, cell in zip(statement.periods, line.cells, strict=True)
        if cell is not None and cell.is_derived and line.unit is Unit.MONEY and " less " not in cell.concept
    }
    if derived:
        named = ", ".join(sorted(derived))
        st.caption(plain(f"Derived, since nobody reports it: figures of {named}; the year less its other quarters."))
    suspect = [
        f"{line.label} of {_column(period, statement)}"
        for line in statement.lines
        for period, cell in zip(statement.periods, line.cells, strict=True)
        if cell is not None and cell.is_suspect
    ]
    if suspect:
        st.caption(f":material/warning: {plain('Out of scale, check the filing: ' + '; '.join(suspect[:5]))}.")


def _show_origins(key: str, statement: Statement, found: Fundamentals) -> None:
    import pyarrow as pa

    cells = [
        (line, period, cell)
        for line in statement.lines
        for period, cell in zip(statement.periods, line.cells, strict=True)
        if cell is not None
    ]
    columns: dict[str, list[Any]] = {
        "Line": [line.label for line, _, _ in cells],
        "From": [period.start for _, period, _ in cells],
        "To": [period.end for _, period, _ in cells],
        "Value": [f"{cell.value:,f} {cell.unit}" for _, _, cell in cells],
        "Concept": [cell.concept for _, _, cell in cells],
        "Form": [cell.form for _, _, cell in cells],
        "Filed": [cell.filed for _, _, cell in cells],
        "Note": [cell.note for _, _, cell in cells],
        "Filing": [found.address_of(cell) for _, _, cell in cells],
    }
    if not any(columns["Filing"]):
        columns["Filing"] = [cell.accession_number for _, _, cell in cells]
        config = {}
    else:
        config = {"Filing": st.column_config.LinkColumn(display_text="at the SEC")}
    st.dataframe(
        pa.table(columns), key=f"{key}_origins", hide_index=True, column_config=config, alt="The filing of each figure"
    )


def _show_bars(key: str, found: Fundamentals, frequency: Frequency) -> None:
    import plotly.graph_objects as go

    income = found.statements.statement("income", frequency)
    drawn = [line for line in income.lines if line.key in DRAWN and not any(c and c.is_suspect for c in line.cells)]
    if not drawn or len(income.periods) < 2:
        return
    ends = [period.end.isoformat() for period in reversed(income.periods)]
    bars = [
        {
            "type": "bar",
            "name": line.label,
            "x": ends,
            "y": [None if cell is None else float(cell.value / MILLION) for cell in reversed(line.cells)],
            "hovertemplate": "to %{x}<br>%{y:,.0f} m<extra>%{fullData.name}</extra>",
        }
        for line in drawn
    ]
    layout = {
        "barmode": "group",
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": {"type": "category", "fixedrange": True},
        "yaxis": {"title": {"text": f"{found.statements.currency}, m"}, "fixedrange": True, "automargin": True},
    }
    st.plotly_chart(
        go.Figure({"data": bars, "layout": layout}, skip_invalid=True),
        key=f"{key}_bars",
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=f"{' and '.join(line.label.lower() for line in drawn)} by period",
    )


def _number(line: Line, cell: Cell | None) -> float | None:
    if cell is None:
        return None
    return float(cell.value if line.unit is Unit.PER_SHARE else cell.value / MILLION)


def _line_name(line: Line, currency: str | None) -> str:
    units = {Unit.MONEY: f"{currency} m", Unit.PER_SHARE: currency or "", Unit.SHARES: "m"}
    return f"{line.label}, {units[line.unit]}"


def _column(period: Period, statement: Statement) -> str:
    """The period's own last day; nothing is called by a fiscal year that a filing gave it."""
    head = "" if statement.key == "balance" else "to "
    return f"{head}{period.end.isoformat()}"


def _large(value: Decimal, currency: str | None) -> str:
    for scale, sign in SCALES:
        if abs(value) >= scale:
            return f"{price(value / scale, currency)} {sign}".replace("  ", " ")
    return price(value, currency)


def _words(found: Fundamentals) -> str:
    made = (
        "generated figures of a company that does not exist" if found.company.is_generated else "as reported to the SEC"
    )
    stale = f"; the SEC could not be asked, this was fetched {age(found.age_s)} ago" if found.is_stale else ""
    return (
        f"{found.company.name}: {made}, known on {found.as_of:%d %b %Y}{stale}. Columns are the periods' own last days."
    )
