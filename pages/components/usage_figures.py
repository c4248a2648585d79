"""What was used in a period: the totals, and the same by day and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import streamlit as st

from core.db.usage_dao import DayRow, SpendRow
from pages.components.charts import Measure, show_days
from pages.components.usage_spend import mean_seconds
from pages.components.words import usd_figure

HELP = {
    "Requests": "Calls of models and answers of the cache; what a limit denied is told below.",
    "From the cache": "The share of requests that a kept answer met: they cost nothing.",
    "Tokens": "Those of calls; an answer of the cache takes none.",
    "Charged, USD": "What counts against your budgets: failed calls, and calls on own keys, are charged nothing.",
    "Mean answer, s": "From the request to the last word, over the calls that answered.",
    "Saved, USD": "What the cached answers would have cost at the prices of their models.",
    "Providers' cost, USD": "What providers charge, also for failed tries.",
}
"""What figures mean, by their label."""
_MEASURES: dict[str, tuple[Measure, Callable[[DayRow], float]]] = {
    "Cost": (Measure("USD charged", ",.9~f", "$"), lambda row: float(row.charged_usd)),
    "Requests": (Measure("Requests", ",d"), lambda row: row.requests - row.denied),
    "Tokens": (Measure("Tokens", ",d"), lambda row: row.prompt_tokens + row.completion_tokens),
}


def show_totals(rows: Sequence[DayRow], spend: Sequence[SpendRow], *, shows_cost: bool) -> None:
    """The period in five to seven figures, each with what it counts."""
    denied = sum(row.denied for row in rows)
    answered = sum(row.requests for row in rows) - denied
    cached = sum(row.cached for row in rows)
    tokens_in, tokens_out = sum(row.prompt_tokens for row in rows), sum(row.completion_tokens for row in rows)
    charged, cost, saved = (
        sum((getattr(row, name) for row in rows), Decimal(0)) for name in ("charged_usd", "cost_usd", "saved_usd")
    )
    with st.grid("auto", min_column_width=170):
        _figure("Requests", f"{answered:,}", f"{denied:,} more denied")
        _figure(
            "From the cache",
            f"{cached / answered:.0%}" if answered else "n/a",
            f"{cached:,} of {answered:,} requests",
        )
        _figure("Tokens", f"{tokens_in + tokens_out:,}", f"{tokens_in:,} in, {tokens_out:,} out")
        _figure("Charged, USD", usd_figure(charged), f"for {answered - cached:,} calls")
        seconds, timed = mean_seconds(spend)
        _figure("Mean answer, s", "n/a" if seconds is None else f"{seconds:,.2f}", f"n = {timed:,} answers")
        if saved:
            _figure("Saved, USD", usd_figure(saved), "by cached answers")
        if shows_cost:
            _figure("Providers' cost, USD", usd_figure(cost), "failed tries included")


def show_by_day(key: str, rows: Sequence[DayRow], first: date, last: date, labels: Mapping[str, str]) -> None:
    """Bars by day, stacked by model; where nothing was charged, the requests first."""
    has_cost = any(row.charged_usd for row in rows)
    names = list(_MEASURES)
    chosen = st.segmented_control(
        "By day", names, default=names[0] if has_cost else names[1], required=True, key=f"{key}_measure"
    )
    measure, value = _MEASURES[chosen or names[1]]
    if chosen == "Cost" and not has_cost:
        st.caption(":material/info: Nothing was charged in this period: every answer was free, cached or local.")
    days: dict[str, dict[date, float]] = {}
    for row in rows:
        of_model = days.setdefault(labels.get(row.model, row.model), {})
        of_model[row.day] = of_model.get(row.day, 0) + value(row)
    sums = {model: sum(values.values()) for model, values in days.items()}
    total = sum(sums.values())
    shown = [model for model in sums if sums[model] or not total]
    largest_first = {model: days[model] for model in sorted(shown, key=lambda model: -sums[model])}
    show_days(
        key,
        largest_first,
        first,
        last,
        measure=measure,
        alt=f"{measure.title} by day and model from {first:%d %B %Y} to {last:%d %B %Y}: {total:,.9g} in all",
    )


def _figure(label: str, value: str, basis: str) -> None:
    st.metric(
        label, value, basis, delta_color="off", delta_arrow="off", border=True, height="stretch", help=HELP.get(label)
    )
