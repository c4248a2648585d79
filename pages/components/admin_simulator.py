"""The plan simulator: a plan with other limits, price and classes, and what a period would have come to under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol, get_args
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.people import METRIC_WORDS
from core.admin.simulator import MAX_DAYS, MAX_ROWS, NOTES, Outcome, Simulation, changed_plan
from core.metering.plans import ModelClass, Plan
from core.principal import Principal
from pages.components.errors import show_errors, show_message
from pages.components.forms import begin_with, submit_button
from pages.components.states import show_empty, show_loading
from pages.components.words import plain, usd_figure

LIMITS = (
    *("chat_queries_day", "portfolio_analyses_day", "sec_filings_month", "signal_validations_day", "requests_month"),
    *("requests_minute", "requests_hour", "signal_validations_minute", "concurrent_requests"),
)
"""Limits that can be changed, in the order of the form."""
SHOWN = 50
NOT_KNOWN = "n/a"


class Runner(Protocol):
    """What simulates."""

    def run(self, principal: Principal, plan: str, changed: Plan, first: date, last: date) -> Simulation:
        """Replays a plan and its change."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who simulates, what, and until when."""

    principal: Principal
    runner: Runner
    plans: Mapping[str, Plan]
    today: date


def show(key: str, desk: Desk) -> None:
    """The form, and what the last simulation of this session came to."""
    name = st.selectbox("Plan", list(desk.plans), format_func=lambda each: desk.plans[each].label, key=f"{key}_plan")
    plan, kept = desk.plans[name], f"{key}_found"
    with st.form(f"{key}_form_{name}"):
        changes = _changes(f"{key}_{name}", plan)
        first, last = _period(key, desk.today)
        is_sent = submit_button("Simulate", key=f"{key}_run")
    if is_sent:
        st.session_state.pop(kept, None)
        with show_errors(desk.principal, has_action=False), show_loading("The log is replayed under both plans…"):
            changed = changed_plan(plan, changes)
            st.session_state[kept] = desk.runner.run(desk.principal, name, changed, first, last)
    found: Simulation | None = st.session_state.get(kept)
    if found is None or found.plan != name:
        show_empty(
            "Nothing is simulated yet",
            "Change a limit, the price or the classes, and see whom it would have limited. Nothing is changed by it.",
            icon=":material/science:",
        )
        return
    show_simulation(key, found, desk.principal.zone)


def show_simulation(key: str, found: Simulation, zone: str) -> None:
    """Both plans side by side, what refused, and who would have been limited."""
    said = (
        f"{found.first:%d %B %Y} to {found.last:%d %B %Y} (UTC) · {found.organisations:,} "
        f"organisation{'' if found.organisations == 1 else 's'}, {found.seats:,} "
        f"member{'' if found.seats == 1 else 's'} · {found.rows:,} requests of the log, the two months before included"
    )
    st.caption(plain(said))
    if found.is_cut:
        until = f"{found.ends_at.astimezone(ZoneInfo(zone)):%d %B, %H:%M}"
        show_message(
            f"The period was cut at {MAX_ROWS:,} requests: figures are until {until}.",
            "Choose fewer days to see all of them.",
            icon=":material/content_cut:",
        )
    st.table(_side_by_side(found), border="horizontal")
    _show_refused(found)
    _show_limited(key, found.changed, zone)
    with st.expander("What these figures mean", icon=":material/info:"):
        st.markdown("\n".join(f"- {plain(note)}" for note in NOTES))


def _changes(key: str, plan: Plan) -> dict[str, Any]:
    """What the form says of the plan; an empty limit is unlimited."""
    changes: dict[str, Any] = {}
    st.caption("An empty limit is unlimited.")
    with st.grid("auto", min_column_width=190):
        for name in LIMITS:
            limit: int | None = getattr(plan.limits, name)
            field = begin_with(f"{key}_{name}", limit)
            changes[name] = _whole(st.number_input(METRIC_WORDS[name], 0, 10**9, None, step=1, key=field))
        ceiling = plan.limits.request_ceiling_usd
        typed = st.number_input(
            METRIC_WORDS["request_ceiling_usd"],
            min_value=0.0,
            value=None,
            format="%.4f",
            step=0.01,
            key=begin_with(f"{key}_ceiling", None if ceiling is None else float(ceiling)),
            help="The dearest single request: one whose worst case is above it is refused. Empty: none.",
        )
        changes["request_ceiling_usd"] = None if typed is None else Decimal(str(typed))
        price = st.number_input(
            f"Price, USD a {plan.price_unit}",
            min_value=0.0,
            value=None if plan.price_usd is None else float(plan.price_usd),
            format="%.2f",
            step=1.0,
            key=f"{key}_price",
        )
        changes["price_usd"] = None if price is None else Decimal(str(price))
        share = st.number_input(
            "Carried over, in %",
            0.0,
            100.0,
            float(plan.carry_over_share * 100),
            5.0,
            "%.0f",
            key=f"{key}_share",
            help="The share of an unused monthly allowance that is added to the next month.",
        )
        changes["carry_over_share"] = Decimal(str(share)) / 100
    classes = st.multiselect(
        "Classes of models",
        list(get_args(ModelClass)),
        list(plan.model_classes),
        format_func=str.capitalize,
        key=f"{key}_classes",
        help="Which models the plan may ask; requests to others would have been refused.",
    )
    changes["model_classes"] = tuple(classes)
    return changes


def _whole(figure: float | None) -> int | None:
    return None if figure is None else int(figure)


def _period(key: str, today: date) -> tuple[date, date]:
    with st.container(horizontal=True):
        first = st.date_input("From", today - timedelta(days=30), max_value=today, key=f"{key}_first", width=180)
        last = st.date_input("To", today, max_value=today, key=f"{key}_last", width=180)
    st.caption(f"Days of UTC, at most {MAX_DAYS}.")
    return first, last


def _side_by_side(found: Simulation) -> dict[str, list[str]]:
    rows: dict[str, tuple[str, str]] = {
        label: (tell(found.present), tell(found.changed)) for label, tell in _FIGURES.items()
    }
    return {
        "Figure": list(rows),
        "As it is": [each[0] for each in rows.values()],
        "As changed": [each[1] for each in rows.values()],
    }


def _usd(amount: Decimal | None) -> str:
    return NOT_KNOWN if amount is None else usd_figure(amount.quantize(Decimal("0.0001")))


def _share(margin: Decimal | None) -> str:
    return NOT_KNOWN if margin is None else f"{margin * 100:.1f} %"


def _limited_words(outcome: Outcome) -> str:
    return f"{outcome.users_limited:,} of {outcome.users:,}"


_FIGURES: dict[str, Callable[[Outcome], str]] = {
    "Requests (n)": lambda each: f"{each.requests:,}",
    "Answered": lambda each: f"{each.answered:,}",
    "Refused": lambda each: f"{each.refused:,}",
    "Let through anew": lambda each: f"{each.newly_answered:,}",
    "Users limited (of n)": _limited_words,
    "Revenue, USD": lambda each: _usd(each.revenue_usd),
    "of it credits, USD": lambda each: _usd(each.credits_usd),
    "Cost, USD": lambda each: _usd(each.cost_usd),
    "of it estimated, USD": lambda each: _usd(each.estimated_usd),
    "Margin, USD": lambda each: _usd(each.margin_usd),
    "Margin": lambda each: _share(each.margin),
}
"""What is told of each plan."""


def _show_refused(found: Simulation) -> None:
    metrics = {**found.changed.refused_by, **found.present.refused_by}
    if not metrics:
        st.caption("Neither plan would have refused anything.")
        return
    st.table(
        {
            "Refused by": [METRIC_WORDS.get(name, name) for name in metrics],
            "As it is": [f"{found.present.refused_by.get(name, 0):,}" for name in metrics],
            "As changed": [f"{found.changed.refused_by.get(name, 0):,}" for name in metrics],
        },
        border="horizontal",
    )


def _show_limited(key: str, outcome: Outcome, zone: str) -> None:
    if not outcome.limited:
        return
    import pyarrow as pa

    rows, local = outcome.limited[:SHOWN], ZoneInfo(zone)
    st.dataframe(
        pa.table(
            {
                "User": [row.email for row in rows],
                "Organisation": [row.org_name for row in rows],
                "First limited": [row.first_at.astimezone(local).replace(tzinfo=None) for row in rows],
                "By": [METRIC_WORDS.get(row.metric, row.metric) for row in rows],
                "Refusals": [row.refusals for row in rows],
                "Credits": ["may take over" if row.may_use_credits else "not allowed" for row in rows],
            }
        ),
        key=f"{key}_limited",
        hide_index=True,
        column_config={
            "User": st.column_config.TextColumn(width="medium"),
            "First limited": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        },
        alt="Users whom the changed plan would have limited, the most refused first",
    )
    if outcome.users_limited > len(rows):
        st.caption(f"The first {len(rows)} of {outcome.users_limited:,}.")
