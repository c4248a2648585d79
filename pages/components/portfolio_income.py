"""What a portfolio was paid, and what it paid: dividends, interest, fees and taxes by month and one by one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from core.portfolio.book import Payment
from core.portfolio.report import Income, IncomePeriod
from core.portfolio.transactions import LABELS
from pages.components.headings import section
from pages.components.portfolio_charts import Axis, show_months
from pages.components.portfolio_words import money, number, share
from pages.components.states import show_empty
from pages.components.words import plain

SHOWN_ROWS = 500
GRID_PX = 380
FEW_ROWS = 10
SHOWN_MONTHS = 60


def show(key: str, income: Income, currency: str) -> None:
    """Three figures, the bars and the payments."""
    if not income.payments:
        show_empty(
            "Nothing was paid yet",
            "Dividends, interest, fees and taxes that are entered or imported stand here.",
            icon=":material/payments:",
        )
        return
    with st.grid(3, min_column_width=200):
        gross = "Dividends and interest of the 365 days up to the date above, before taxes."
        st.metric("Income of a year", money(income.last_year_gross, currency), help=gross)
        st.metric("Yield on value", share(income.yield_on_value, 2), help="That income, of today's value.")
        st.metric("Yield on cost", share(income.yield_on_cost, 2), help="That income, of the cost of what is held.")
    section("By month", f"In {currency} at the rate of each payment's day; gross, with taxes apart.")
    _show_months(f"{key}_months", income.months[-SHOWN_MONTHS:], currency)
    section("Payments", "Newest first.")
    _show_payments(f"{key}_payments", income.payments, currency)


def _show_months(key: str, months: Sequence[IncomePeriod], currency: str) -> None:
    if any(None in (month.dividends, month.interest, month.fees, month.taxes) for month in months):
        st.caption(":material/info: Months with a payment whose exchange rate is not known are left open.")
    bars = {
        "Dividends": [number(month.dividends) for month in months],
        "Interest": [number(month.interest) for month in months],
        "Fees": [_less(month.fees) for month in months],
        "Taxes": [_less(month.taxes) for month in months],
    }
    total = sum((month.dividends or Decimal(0) for month in months), Decimal(0))
    show_months(
        key,
        [f"{month.year}-{month.month:02}" for month in months],
        {name: values for name, values in bars.items() if any(values)},
        Axis(currency, ",.2f"),
        alt=f"Payments by month; dividends of these months {money(total, currency)}",
    )


def _show_payments(key: str, payments: Sequence[Payment], currency: str) -> None:
    import pyarrow as pa

    shown = payments[:SHOWN_ROWS]
    columns: dict[str, list[Any]] = {
        "Day": [each.day for each in shown],
        "Kind": [LABELS[each.kind] for each in shown],
        "Symbol": [each.symbol for each in shown],
        "Gross": [number(each.gross) for each in shown],
        "Taxes": [number(each.taxes) for each in shown],
        "Fees": [number(each.fees) for each in shown],
        "Currency": [each.currency for each in shown],
        f"Gross, {currency}": [number(each.gross_base) for each in shown],
    }
    amount = st.column_config.NumberColumn(format="%,.2f")
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(shown) <= FEW_ROWS else GRID_PX,
        placeholder="",
        column_config={
            "Day": st.column_config.DateColumn(format="D MMM YYYY", pinned=True),
            **dict.fromkeys(("Gross", "Taxes", "Fees", f"Gross, {currency}"), amount),
        },
        alt="Payments, newest first",
    )
    if len(payments) > len(shown):
        st.caption(plain(f"The newest {len(shown):,} of {len(payments):,}; the export of the transactions has all."))


def _less(amount: Decimal | None) -> float | None:
    return None if amount is None else -float(amount)
