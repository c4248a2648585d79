"""The overview in figures: the whole period at one look, the same told apart, by the hour of the day, and by plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

import streamlit as st

from core.admin.overview import (
    PERIODS,
    TRIES_HOURS,
    USE_DAYS,
    Conversion,
    Dimension,
    Figures,
    Group,
    Headline,
    PeakHours,
    Period,
    PlanMargin,
    PlansOverview,
    PlanUse,
)
from core.admin.revenue import CONVENTION
from core.ai.providers.hosts import HOSTS
from core.db.rollups_dao import LATENCY_ERROR
from pages.components.charts import Measure, show_days
from pages.components.headings import section
from pages.components.states import show_empty
from pages.components.words import plain, usd_figure

NOT_KNOWN = "n/a"
HEIGHT_PX = 240
PLAN_PX, NAME_PX = 100, 160
"""How wide the columns of names are."""
SMALLEST_USD = Decimal("0.0001")
"""Of a USD: as far as amounts are told here."""
HELP = {
    "Active users": "Members with at least one request in the period.",
    "Requests": "All that was asked: calls of models, answers of the cache, and what a limit denied.",
    "Providers' cost, USD": "What providers charge us: every try, also those that failed.",
    "Charged, USD": "What counts against budgets: failed calls, and calls on own keys, are charged nothing.",
    "From the cache": "The share of requests, without denied ones, that a kept answer met: they cost nothing.",
    "Errors": "The share of calls that failed, broke off, or whose end is not known.",
    "Denied": "The share of requests that a limit refused.",
    "Time-outs": "The share of tries that took longer than the time limit.",
    "Time to answer, p50": "Half of the answers came within this time.",
    "Time to answer, p95": "95 of 100 answers came within this time.",
    "Time to answer, p99": "99 of 100 answers came within this time.",
    "Margin": "What is left of the revenue once providers are paid, as a share of it. Estimated.",
}
"""What figures mean, by their label."""
DIMENSIONS: dict[Dimension, str] = {
    "model": "Model",
    "provider": "Provider",
    "feature": "Feature",
    "plan": "Plan",
    "org_id": "Organisation",
    "day": "Day",
}
"""What figures can be told apart by, as it is called."""
FEATURES = {
    "chat_query": "Chat",
    "signal_validation": "Signal validation",
    "portfolio_analysis": "Portfolio analysis",
    "sec_filing": "SEC filing",
    "": "Other AI requests",
}


def show_period(key: str) -> int:
    """The choice of a period, in days."""
    chosen = st.segmented_control(
        "Period",
        PERIODS,
        default=PERIODS[1],
        required=True,
        format_func=lambda days: "Today" if days == 1 else f"{days} days",
        key=key,
    )
    return int(chosen or PERIODS[1])


def show_dimension(key: str, *, everything: bool) -> Dimension:
    """The choice of what figures are told apart by; organisations only where all are shown."""
    choices = [name for name in DIMENSIONS if everything or name != "org_id"]
    return st.segmented_control(
        "Told apart by",
        choices,
        default=choices[0],
        required=True,
        format_func=lambda name: DIMENSIONS[name],
        key=key,
        label_visibility="collapsed",
    )


def period_words(period: Period) -> str:
    """The days and the zone that figures are of."""
    first, last = period.starts_at.astimezone(UTC), period.ends_at.astimezone(UTC)
    days = f"{first:%d %B %Y}" if period.days == 1 else f"{first:%d %B} to {last:%d %B %Y}"
    return f"{days}, days of UTC, today up to {last:%H:%M}"


def show_headline(headline: Headline, *, everything: bool) -> None:
    """The period in twelve figures, each with what it counts."""
    figures = headline.figures
    sums, counts = figures.sums, headline.counts
    users = f"of {counts.members:,} members"
    if everything:
        users = f"of {counts.members:,}, in {headline.organisations:,} of {counts.organisations:,} organisations"
    with st.grid("auto", min_column_width=220):
        _figure("Active users", f"{headline.users:,}", users)
        _figure("Requests", f"{sums.requests:,}", f"{figures.calls:,} calls, {sums.denied:,} denied")
        _figure("Tokens", f"{figures.tokens:,}", f"{sums.prompt_tokens:,} in, {sums.completion_tokens:,} out")
        _figure("Tokens a call", _number(figures.tokens_per_call), f"mean of {figures.calls:,} calls")
        _figure("Providers' cost, USD", _usd(sums.cost_usd, figures.calls), f"for {figures.calls:,} calls")
        _figure("Charged, USD", _usd(sums.charged_usd, figures.calls), f"and {_credits(sums.credits)} credits")
        _figure(
            "From the cache",
            _percent(figures.cache_hit_rate),
            f"{sums.cached:,} of {sums.requests - sums.denied:,}, saved {_cost(sums.saved_usd)} USD",
        )
        _figure("Errors", _percent(figures.error_rate), f"of {figures.calls:,} calls")
        _figure(
            "Time-outs", _percent(headline.tries.time_out_rate), f"of {headline.tries.n:,} tries in {TRIES_HOURS} hours"
        )
        for name in ("p50", "p95", "p99"):
            _figure(f"Time to answer, {name}", *_latency(figures, name))
    st.caption(
        "Of AI requests: portfolio analyses and lists of filings are told by feature alone. The cost holds failed "
        "tries, and what own keys pay for. Tries are calls to providers, each by itself. Times are those of answered "
        "calls."
    )


def show_groups(key: str, groups: Sequence[Group], by: Dimension, labels: Mapping[str, str], *, period: Period) -> None:
    """The same told apart, as a table; by day as bars too. `labels` are those of models."""
    if not groups:
        show_empty("No requests", "Nobody asked anything in this period.")
        return
    if by == "day":
        _show_bars(key, groups, period)
    names = [_name(group, by, labels) for group in groups]
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        DIMENSIONS[by]: names,
        "Requests": [each.figures.sums.requests for each in groups],
        "Calls": [each.figures.calls for each in groups],
        "Cost, USD": [float(each.figures.sums.cost_usd) for each in groups],
        "Charged, USD": [float(each.figures.sums.charged_usd) for each in groups],
        "Tokens": [each.figures.tokens for each in groups],
        "Cache": [each.figures.cache_hit_rate for each in groups],
        "Errors": [each.figures.error_rate for each in groups],
        "Denied": [each.figures.denial_rate for each in groups],
        "p50, ms": [_ms(each, "p50") for each in groups],
        "p95, ms": [_ms(each, "p95") for each in groups],
        "p99, ms": [_ms(each, "p99") for each in groups],
    }
    counts = {name: st.column_config.NumberColumn(format="localized") for name in ("Requests", "Calls", "Tokens")}
    money = {name: st.column_config.NumberColumn(format="%.4f") for name in ("Cost, USD", "Charged, USD")}
    shares = {
        name: st.column_config.NumberColumn(format="percent", help=HELP[column])
        for name, column in (("Cache", "From the cache"), ("Errors", "Errors"), ("Denied", "Denied"))
    }
    times = {
        f"{name}, ms": st.column_config.NumberColumn(format="%.0f", help=HELP[f"Time to answer, {name}"])
        for name in ("p50", "p95", "p99")
    }
    st.dataframe(
        pa.table(columns),
        key=f"{key}_table",
        hide_index=True,
        placeholder=NOT_KNOWN,
        column_config={
            DIMENSIONS[by]: st.column_config.TextColumn(pinned=True, width=NAME_PX),
            **counts,
            **money,
            **shares,
            **times,
        },
        alt=f"Requests, cost, tokens, shares and latencies by {DIMENSIONS[by].lower()}, {period_words(period)}",
    )


def show_hours(key: str, peaks: PeakHours) -> None:
    """Requests by the hour of the day, as bars, with the days that they are of."""
    hours, span = peaks.requests, "today" if peaks.days == 1 else f"of the last {peaks.days} days"
    if not hours:
        show_empty("No requests", f"There are no requests {span}.")
        return
    import plotly.graph_objects as go  # takes a third of a second, and most pages draw no chart

    most = max(hours, key=lambda hour: (hours[hour], -hour))
    bar = {
        "type": "bar",
        "x": [f"{hour:02}:00" for hour in range(24)],
        "y": [hours.get(hour, 0) for hour in range(24)],
        "hovertemplate": "%{x} UTC<br>%{y:,d} requests<extra></extra>",
    }
    layout = {
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "xaxis": {"type": "category", "dtick": 6, "fixedrange": True},
        "yaxis": {"title": {"text": "Requests"}, "rangemode": "tozero", "fixedrange": True, "automargin": True},
    }
    total = sum(hours.values())
    st.plotly_chart(
        go.Figure({"data": [bar], "layout": layout}, skip_invalid=True),
        key=key,
        height=HEIGHT_PX,
        config={"displayModeBar": False, "scrollZoom": False},
        alt=f"Requests by the hour of the day, UTC: most at {most:02}:00, {hours[most]:,} of {total:,}",
    )
    st.caption(
        plain(
            f"Most at {most:02}:00 to {(most + 1) % 24:02}:00 UTC: {hours[most]:,} of {total:,} requests {span}, "
            "denials and cached answers included."
        )
    )


def show_plans(key: str, overview: PlansOverview) -> None:
    """What each plan is estimated to bring in, how it is used, and who changes to a priced one."""
    section("Margin", "Estimated: what plans and credits bring in, less what providers bill.")
    _show_margins(f"{key}_margins", overview.margins, overview.period)
    if overview.conversion is not None:
        section("Conversion")
        _show_conversion(overview.conversion)
    section("Average use", f"By plan, of those who asked something in the last {USE_DAYS} days.")
    _show_use(f"{key}_use", overview.use)


def _show_margins(key: str, margins: Sequence[PlanMargin], period: Period) -> None:
    if not margins:
        show_empty("No plans", "No organisation was on a plan in this period.")
        return
    import pyarrow as pa

    amounts = ("Subscriptions, USD", "Credits, USD", "Cost, USD", "Margin, USD")
    columns: dict[str, list[Any]] = {
        "Plan": [each.label for each in margins],
        "Organisations": [each.organisations for each in margins],
        amounts[0]: [_cents(each.subscriptions_usd) for each in margins],
        amounts[1]: [_cents(each.credits_usd) for each in margins],
        amounts[2]: [_cents(each.cost_usd) for each in margins],
        amounts[3]: [_cents(each.margin_usd) for each in margins],
        "Margin": [each.margin_share for each in margins],
    }
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        placeholder=NOT_KNOWN,
        column_config={
            "Plan": st.column_config.TextColumn(pinned=True, width=PLAN_PX),
            **{name: st.column_config.NumberColumn(format="%.2f") for name in amounts},
            "Margin": st.column_config.NumberColumn(format="percent", help=HELP["Margin"]),
        },
        alt=f"Estimated margin by plan, {period_words(period)}",
    )
    st.caption(
        plain(
            f"Estimated, {period_words(period)}. Subscriptions: {CONVENTION}. "
            "Credits: those charged, at 0.10 USD, without each day's free ones. Cost: what providers bill to the "
            "platform, without own keys."
        )
    )


def _show_conversion(conversion: Conversion) -> None:
    with st.grid("auto", min_column_width=220):
        _figure(
            "From a free plan to a priced one",
            _percent(conversion.rate),
            f"{conversion.converted:,} of {conversion.on_free:,} organisations",
        )
        _figure(
            "Back to a free plan",
            _percent(conversion.lapse_rate),
            f"{conversion.lapsed:,} of {conversion.on_paid:,} organisations",
        )
    st.caption(plain(f"Of those that were on such a plan at some time, {period_words(conversion.period)}."))


def _show_use(key: str, use: Sequence[PlanUse]) -> None:
    if not use:
        show_empty("No use", f"Nobody asked anything in the last {USE_DAYS} days.")
        return
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Plan": [each.label for each in use],
        "Active users (n)": [each.users for each in use],
        "Requests a user and day": [each.requests_per_user_day for each in use],
        "Tokens a call": [each.tokens_per_call for each in use],
        "Cost a user, USD": [float(each.cost_per_user_usd) for each in use],
    }
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        placeholder=NOT_KNOWN,
        column_config={
            "Plan": st.column_config.TextColumn(pinned=True, width=PLAN_PX),
            "Active users (n)": st.column_config.NumberColumn(format="localized"),
            "Requests a user and day": st.column_config.NumberColumn(format="%.2f"),
            "Tokens a call": st.column_config.NumberColumn(format="%.0f"),
            "Cost a user, USD": st.column_config.NumberColumn(format="%.4f"),
        },
        alt=f"Average use by plan over {USE_DAYS} days",
    )
    st.caption(f"Means over those who asked something in the last {USE_DAYS} days of UTC, today included.")


def _show_bars(key: str, groups: Sequence[Group], period: Period) -> None:
    days = {group.key.astimezone(UTC).date(): group.figures for group in groups}
    total = sum(figures.sums.requests for figures in days.values())
    series = {
        "Calls": {day: float(figures.calls) for day, figures in days.items()},
        "From the cache": {day: float(figures.sums.cached) for day, figures in days.items()},
        "Denied": {day: float(figures.sums.denied) for day, figures in days.items()},
    }
    show_days(
        f"{key}_bars",
        series,
        period.starts_at.astimezone(UTC).date(),
        period.ends_at.astimezone(UTC).date(),
        measure=Measure("Requests", ",d"),
        alt=f"Requests by day, {period_words(period)}: {total:,} in all",
    )


def _name(group: Group, by: Dimension, labels: Mapping[str, str]) -> str:
    if by == "day":
        return f"{group.key.astimezone(UTC):%d %b %Y}"
    if by == "feature":
        return FEATURES.get(group.key, group.name.replace("_", " ").capitalize())
    if by == "provider":
        return HOSTS[group.key].label if group.key in HOSTS else group.name or "None"
    return labels.get(group.name, group.name) or "None"


def _figure(label: str, value: str, basis: str) -> None:
    st.metric(
        label, value, basis, delta_color="off", delta_arrow="off", border=True, height="stretch", help=HELP.get(label)
    )


def _latency(figures: Figures, name: str) -> tuple[str, str]:
    latency = figures.latency
    found: float | None = None if latency is None else getattr(latency, name)
    if latency is None or found is None:
        return NOT_KNOWN, "of 0 answers"
    return _seconds(found), f"of {latency.answered:,} answers, ±{LATENCY_ERROR:.0%}"


def _seconds(latency_ms: float) -> str:
    return f"{latency_ms:,.0f} ms" if latency_ms < 999.5 else f"{latency_ms / 1000:,.1f} s"


def _ms(group: Group, name: str) -> float | None:
    latency = group.figures.latency
    found: float | None = None if latency is None else getattr(latency, name)
    return found


def _percent(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def _usd(amount: Decimal, basis: int) -> str:
    return _cost(amount) if basis else NOT_KNOWN


def _cost(amount: Decimal) -> str:
    return usd_figure(amount.quantize(SMALLEST_USD))


def _credits(amount: Decimal) -> str:
    return f"{amount.normalize():,f}" if amount else "0"


def _cents(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
