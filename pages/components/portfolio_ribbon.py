"""What stands on top of a portfolio: six figures, and how far its prices can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import streamlit as st

from core.portfolio.report import Rate, Report, Ribbon
from pages.components.badges import Badge, show_badge
from pages.components.portfolio_words import change, day_of, rounded, share, signed, window
from pages.components.words import plain

COLUMN_PX = 158
SMALL = 0.01
"""A share below this is told with a decimal."""
MISSING = "Not known: a price or an exchange rate that it needs is missing. Checks names it."
NO_CASH = "This portfolio keeps no cash: money for purchases comes from outside, and receipts go there."
TIME_WEIGHTED = (
    "What one unit of money would have made, whenever money was put in or taken out: daily factors "
    "(value + outflows) ÷ (value of the day before + inflows), multiplied."
)
MONEY_WEIGHTED = (
    "The yearly rate at which all that was put in and taken out comes to today's value (XIRR, actual days ÷ 365); "
    "the time and the amount of each flow count. Under 30 days it is not annualised."
)
STALE = "A price is stale when it is older than the last session of its exchange, or missing."


@dataclass(frozen=True, slots=True)
class _Look:
    arrow: Literal["up", "down", "off"]
    color: Literal["green", "red", "off"]


_LOOKS = {1: _Look("up", "green"), -1: _Look("down", "red"), 0: _Look("off", "off")}


def show(report: Report) -> None:
    """The six figures, and beneath them what is stale, missing or generated."""
    ribbon, currency = report.ribbon, report.currency
    with st.grid(3, min_column_width=COLUMN_PX):
        of_day = f"Last known prices and money, {day_of(report.day)}, in {currency}."
        st.metric("Value", rounded(ribbon.value, currency), help=_told(ribbon.value, of_day))
        _show_change(ribbon, currency)
        gain = "Value and all that ever went out, less all that came in; fees and taxes are in it."
        st.metric("Total gain", signed(ribbon.total_gain, currency), help=_told(ribbon.total_gain, gain))
        show_rate("Time-weighted return", ribbon.time_weighted, TIME_WEIGHTED)
        show_rate("Money-weighted return", ribbon.money_weighted, MONEY_WEIGHTED, counted="flows", is_yearly=True)
        st.metric("Cash", rounded(ribbon.cash, currency), help=_cash_help(report))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words = stale_sentence(ribbon)
        icon = ":material/schedule:" if ribbon.stale else ":material/check_circle:"
        st.caption(f"{icon} {plain(words)}", width="content", help=STALE)
        if any(line.price.is_generated for line in report.holdings):
            show_badge(Badge("with generated prices", "orange", ":material/science:"))
    for note in report.notes:
        st.caption(f":material/info: {plain(note)}")


def show_rate(
    label: str, rate: Rate, help_text: str, *, counted: str = "days with a value", is_yearly: bool = False
) -> None:
    """A return with its window in the tooltip: of the whole window and a year, or by year alone."""
    shown = rate.annual if is_yearly and rate.annual is not None else rate.value
    beside: str | None = None
    if shown is not None and is_yearly:
        beside = "a year" if rate.annual is not None else "not annualised"
    elif rate.annual is not None:
        beside = f"{change(rate.annual)} a year"
    told = " ".join(part for part in (help_text, window(rate, counted)) if part)
    st.metric(label, change(shown), beside, delta_color="off", delta_arrow="off", help=plain(told))


def stale_sentence(ribbon: Ribbon) -> str:
    """As in "7 of 42 prices are stale = 18 % of value"."""
    if not ribbon.prices:
        return "No price is needed: nothing is held."
    count = f"{ribbon.prices:,} price{'' if ribbon.prices == 1 else 's'}"
    verb = "is" if ribbon.prices == 1 else "are"
    if not ribbon.stale:
        return f"{'The' if ribbon.prices == 1 else 'All'} {count} {verb} of the last session."
    part = ribbon.stale_share
    worth = (
        "a part of the value that is not known" if part is None else f"{share(part, 1 if part < SMALL else 0)} of value"
    )
    return f"{ribbon.stale:,} of {count} {'is' if ribbon.stale == 1 else 'are'} stale = {worth}"


def _show_change(ribbon: Ribbon, currency: str) -> None:
    amount = ribbon.day_change
    look = _LOOKS[0 if amount is None else (amount > 0) - (amount < 0)]
    st.metric(
        "Day's change",
        signed(amount, currency),
        None if ribbon.day_change_share is None else change(ribbon.day_change_share),
        delta_arrow=look.arrow,
        delta_color=look.color,
        help=_told(amount, "What the holdings gained since the session before, without what was put in or taken out."),
    )


def _cash_help(report: Report) -> str:
    if report.ribbon.cash is None:
        return MISSING if report.cash else NO_CASH
    parts = "; ".join(f"{line.amount:,.2f} {line.currency}" for line in report.cash)
    return plain(f"Money in all currencies, told in {report.currency}. {parts}".strip())


def _told(amount: Decimal | None, words: str) -> str:
    return plain(words if amount is not None else f"{MISSING} {words}")
