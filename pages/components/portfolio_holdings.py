"""What is held: one row a holding, and of the one that is opened its lots, costs by both methods and sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from core.portfolio.book import Disposal
from core.portfolio.report import CashLine, CostMethod, HoldingLine, Price, Report
from pages.components.badges import Badge, show_badge
from pages.components.money import age, price
from pages.components.portfolio_words import NONE, change, day_of, money, number, points, quantity, share, signed
from pages.components.quote_line import SOURCES
from pages.components.states import show_empty
from pages.components.words import plain

GRID_PX = 460
FEW_ROWS = 10
MAX_ROWS = 1_000
METHODS = {CostMethod.FIFO: "first in, first out", CostMethod.AVERAGE: "moving average"}


def show(key: str, report: Report, moment: datetime) -> None:
    """The table, the holding that is open, and the money; `moment` is what ages of prices are told of."""
    if not report.holdings and not report.cash:
        show_empty("Nothing is held", "Enter a purchase under Transactions, or import a file.", icon=":material/work:")
        return
    if report.holdings:
        shown = report.holdings[:MAX_ROWS]
        _show_table(f"{key}_table", report, shown, moment, chosen=f"{key}_open")
        opened = _show_choice(f"{key}_open", shown)
        with st.container():  # also while nothing is open, so that what follows stays in its place
            if opened is not None:
                show_holding(f"{key}_detail", opened, report, moment)
    if report.cash:
        _show_cash(f"{key}_cash", report.cash, report.currency)


def show_holding(key: str, line: HoldingLine, report: Report, moment: datetime) -> None:
    """One holding: its price and where it is from, cost and gain by both methods, lots and sales."""
    currency = report.currency
    with st.container(border=True, gap="small", key=key):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(line.symbol)}** {plain(line.name)}", width="content")
            if line.price.is_generated:
                show_badge(Badge("generated price", "orange", ":material/science:"))
            if line.price.is_stale:
                show_badge(Badge("stale price", "orange", ":material/schedule:"))
            st.page_link(
                "symbol.py", label="Open", icon=":material/candlestick_chart:", query_params={"symbol": line.symbol}
            )
        st.caption(plain(_about(line, moment)))
        with st.grid(4, min_column_width=150):
            _show_cost("FIFO", line.fifo_cost, line.value, currency)
            _show_cost("Average", line.average_cost, line.value, currency)
            realised = f"Of all sales, by {METHODS[report.cost_method]}."
            st.metric("Realised", signed(line.realised, currency), help=realised)
            st.metric("Weight", share(line.weight), _against(line), delta_color="off", delta_arrow="off",
                      help="Of the portfolio's value, cash included.")  # fmt: skip
        if line.note:
            st.caption(f":material/info: {plain(line.note)}")
        _show_lots(f"{key}_lots", line, currency)
        _show_sales(f"{key}_sales", [each for each in report.disposals if each.symbol == line.symbol], currency)


def price_from(told: Price, moment: datetime) -> str:
    """Where a price is from, and how old it is: "Yahoo, 3 minutes old"."""
    if told.price is None or told.as_of is None:
        return "no source knows one"
    origin = "generated data" if told.is_generated else SOURCES.get(told.origin or "", told.origin or told.source)
    kept = ", kept" if told.source in ("cache", "stale") else ""
    old = age(max(0.0, (moment - told.as_of).total_seconds()))
    return f"{origin}{kept}, {old} old{', stale' if told.is_stale else ''}"


def _show_table(key: str, report: Report, lines: Sequence[HoldingLine], moment: datetime, *, chosen: str) -> None:
    import pyarrow as pa

    base = report.currency
    columns: dict[str, list[Any]] = {
        "Symbol": [line.symbol for line in lines],
        "Name": [line.name for line in lines],
        "60 closes": [list(line.closes) or None for line in lines],
        "Quantity": [number(line.quantity) for line in lines],
        "Price": [price(line.price.price, line.price.currency) for line in lines],
        "Day": [number(line.price.change_pct) for line in lines],
        f"Value, {base}": [number(line.value) for line in lines],
        "Weight": [points(line.weight) for line in lines],
        "Target": [points(None if line.target is None else float(line.target)) for line in lines],
        "FIFO cost": [number(line.fifo_cost) for line in lines],
        "Average cost": [number(line.average_cost) for line in lines],
        "Unrealised": [number(line.unrealised) for line in lines],
        "Of cost": [points(line.unrealised_share) for line in lines],
        "Realised": [number(line.realised) for line in lines],
        "Income": [number(line.income) for line in lines],
        "Price from": [price_from(line.price, moment) for line in lines],
        "Sector": [line.sector or "Unknown" for line in lines],
        "Note": [line.note for line in lines],
    }
    if all(target is None for target in columns["Target"]):
        del columns["Target"]
    symbols = tuple(line.symbol for line in lines)
    key = f"{key}_{hash((report.portfolio_id, symbols))}"
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(lines) <= FEW_ROWS else GRID_PX,
        row_height=38,
        on_select=partial(_note_choice, key, symbols, chosen),
        selection_mode="single-cell",
        placeholder=NONE,
        column_config=_config(report),
        alt=f"Holdings of {report.name}, the largest first, with value, cost and gain",
    )
    if len(report.holdings) > len(lines):
        st.caption(f"The largest {len(lines):,} of {len(report.holdings):,} holdings.")


def _config(report: Report) -> dict[str, Any]:
    config = st.column_config
    base, method = report.currency, METHODS[report.cost_method]
    amount = partial(config.NumberColumn, format="%,.2f", width=100)
    return {
        "Symbol": config.TextColumn(pinned=True, width=84),
        "Name": config.TextColumn(width=150),
        "60 closes": config.LineChartColumn(width=110, help="The last closes, at most 60."),
        "Quantity": config.NumberColumn(format="localized", width=90, help="In the shares of the date above."),
        "Price": config.TextColumn(width=96, alignment="right", help="The last known price, in its own currency."),
        "Day": config.NumberColumn(format="%+.2f %%", width=84, help="The price since the session before."),
        f"Value, {base}": amount(help="Quantity × price × exchange rate of the date above."),
        "Weight": config.ProgressColumn(
            format="%.1f %%", min_value=0, max_value=100, width=110, help="Of the portfolio's value, cash included."
        ),
        "Target": config.NumberColumn(format="%.1f %%", width=76, help="The weight that is wanted: see Rebalance."),
        "FIFO cost": amount(help=f"Of what is held, first in, first out, fees and taxes included, in {base}."),
        "Average cost": amount(help=f"Of what is held, by moving average, fees and taxes included, in {base}."),
        "Unrealised": amount(help=f"Value less cost, by {method}, in {base}."),
        "Of cost": config.NumberColumn(format="%+.1f %%", width=84, help="The unrealised gain, of the cost."),
        "Realised": amount(help=f"Of all sales, by {method}, in {base}."),
        "Income": amount(help=f"Dividends and interest, gross, in {base}."),
        "Price from": config.TextColumn(width=210, help="The source of the price, and how old it is."),
        "Sector": config.TextColumn(width=130),
        "Note": config.TextColumn(width=200),
    }


def _show_choice(key: str, lines: Sequence[HoldingLine]) -> HoldingLine | None:
    """The holding that is open; for those who do not click it can be chosen by name."""
    by_symbol = {line.symbol: line for line in lines}
    if st.session_state.get(key) not in by_symbol:
        st.session_state[key] = None
    opened = st.selectbox(
        "Lots and costs of",
        list(by_symbol),
        None,
        format_func=lambda symbol: f"{symbol} · {by_symbol[symbol].name}",
        placeholder="Click a row, or choose a holding here",
        key=key,
        width=420,
    )
    return None if opened is None else by_symbol[opened]


def _note_choice(key: str, symbols: Sequence[str], chosen: str) -> None:
    cells = st.session_state[key].selection.cells
    if cells and cells[0][0] < len(symbols):
        st.session_state[chosen] = symbols[cells[0][0]]


def _about(line: HoldingLine, moment: datetime) -> str:
    told = price(line.price.price, line.price.currency)
    has_rate = line.fx_rate is not None and line.fx_rate != 1
    rate = f"; the exchange rate of {line.currency} is {line.fx_rate:f}" if has_rate else ""
    of_day = f" of {day_of(line.price.as_of.date())}" if line.price.as_of is not None else ""
    return f"{quantity(line.quantity)} at {told}{of_day}, {price_from(line.price, moment)}{rate}."


def _show_cost(label: str, cost: Decimal | None, value: Decimal | None, currency: str) -> None:
    gain = None if cost is None or value is None else value - cost
    st.metric(
        f"{label} cost",
        money(cost, currency),
        None if gain is None else f"{signed(gain, currency)} unrealised",
        delta_color="off" if not gain else "green" if gain > 0 else "red",
        delta_arrow="off" if not gain else "up" if gain > 0 else "down",
        help="Of what is held, fees and taxes included, at the exchange rates of the purchases."
        if cost is not None
        else "Not known: an exchange rate or the cost of a transfer is missing.",
    )


def _against(line: HoldingLine) -> str | None:
    if line.target is None:
        return None
    drift = None if line.weight is None else line.weight - float(line.target)
    beyond = "" if drift is None else f", {change(drift, 1)}"
    return f"target {share(line.target)}{beyond}"


def _show_lots(key: str, line: HoldingLine, currency: str) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Acquired": [lot.acquired for lot in line.lots],
        "Quantity": [number(lot.quantity) for lot in line.lots],
        "Cost": [number(lot.cost) for lot in line.lots],
        "A share": [
            None if not lot.quantity or lot.cost is None else float(lot.cost / lot.quantity) for lot in line.lots
        ],
        "Currency": [lot.currency for lot in line.lots],
        f"Cost, {currency}": [number(lot.cost_base) for lot in line.lots],
    }
    _show_rows(key, "Lots, the oldest first", pa.table(columns), ("Cost", f"Cost, {currency}"), day="Acquired")


def _show_sales(key: str, sales: Sequence[Disposal], currency: str) -> None:
    import pyarrow as pa

    if not sales:
        return
    by_fifo = [_gain(each.proceeds_base, each.fifo_cost_base) for each in sales]
    by_average = [_gain(each.proceeds_base, each.average_cost_base) for each in sales]
    columns: dict[str, list[Any]] = {
        "Sold": [each.day for each in sales],
        "Quantity": [number(each.quantity) for each in sales],
        f"Proceeds, {currency}": [number(each.proceeds_base) for each in sales],
        "FIFO cost": [number(each.fifo_cost_base) for each in sales],
        "FIFO gain": by_fifo,
        "Average cost": [number(each.average_cost_base) for each in sales],
        "Average gain": by_average,
        "Held since": [each.acquired for each in sales],
    }
    amounts = (f"Proceeds, {currency}", "FIFO cost", "FIFO gain", "Average cost", "Average gain")
    _show_rows(key, "Sales, the newest first", pa.table(columns), amounts, day="Sold")


def _show_cash(key: str, cash: Sequence[CashLine], currency: str) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Currency": [line.currency for line in cash],
        "Amount": [number(line.amount) for line in cash],
        "Rate": [number(line.fx_rate) for line in cash],
        f"Value, {currency}": [number(line.value) for line in cash],
    }
    _show_rows(key, "Money", pa.table(columns), ("Amount", f"Value, {currency}"))


def _show_rows(key: str, title: str, rows: Any, amounts: Sequence[str], *, day: str | None = None) -> None:
    st.markdown(f"**{title}**")
    days = {name: st.column_config.DateColumn(format="D MMM YYYY") for name in (day, "Held since") if name is not None}
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        height="content" if rows.num_rows <= FEW_ROWS else GRID_PX,
        placeholder=NONE,
        column_config={
            **days,
            "Quantity": st.column_config.NumberColumn(format="localized"),
            **{name: st.column_config.NumberColumn(format="%,.2f") for name in amounts},
        },
        alt=title,
    )


def _gain(proceeds: Decimal | None, cost: Decimal | None) -> float | None:
    return None if proceeds is None or cost is None else float(proceeds - cost)
