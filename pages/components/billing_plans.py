"""The plans side by side: what each costs and allows, the own one marked; managers choose another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

import streamlit as st

from core.db.billing_dao import SubscriptionRow
from core.metering.plans import Plan
from core.principal import Principal
from pages.components import billing_change
from pages.components.badges import Badge, show_badge
from pages.components.billing_words import LIMITS, UNLIMITED, limit, price

FREE = "free"
_SHOWN = {
    "chat_queries_day": "chat questions a day",
    "requests_month": "AI requests a month",
    "signal_validations_day": "signal validations a day",
    "sec_filings_month": "SEC filings a month",
    "portfolios": "portfolios",
}
"""The limits on a card, with the words behind the number."""
_ONE = {"portfolios": "portfolio"}


def show(
    key: str,
    principal: Principal,
    plans: Sequence[Plan],
    row: SubscriptionRow | None,
    *,
    chooses: Collection[str],
) -> None:
    """A card for each plan, and all limits in a table."""
    with st.grid(3, min_column_width=230):
        for plan in plans:
            _show_card(
                f"{key}_{plan.name}", principal, plan, row, can_choose=_can_choose(plan, principal, row, chooses)
            )
    with st.expander("Every limit of every plan", icon=":material/table_rows:"):
        _show_table(f"{key}_table", plans, principal.plan)


def _can_choose(plan: Plan, principal: Principal, row: SubscriptionRow | None, chooses: Collection[str]) -> bool:
    """Whether there is something to choose: of the own plan, seats alone, where a subscription of it brings them."""
    if not chooses:
        return False
    if plan.name == FREE:
        return row is not None and not row.ends_at_period_end
    if plan.name not in chooses:
        return False
    if row is not None and plan.name == row.plan:
        return plan.price_unit != "month"
    return plan.name != principal.plan


def _show_card(key: str, principal: Principal, plan: Plan, row: SubscriptionRow | None, *, can_choose: bool) -> None:
    is_own = plan.name == principal.plan
    with st.container(border=True, height="stretch", gap="xsmall", key=key):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="small"):
            st.markdown(f"**{plan.label}**", width="content")
            if is_own:
                show_badge(Badge("Your plan", "green", ":material/check:"))
            elif row is not None and row.next_plan == plan.name:
                show_badge(Badge("Next", "orange", ":material/schedule:"))
        st.markdown(price(plan))
        lines = [_line(plan, metric) for metric in _SHOWN]
        lines.append(f"{' and '.join(_listed(plan.model_classes))} models")
        lines.append(_seats(plan))
        if plan.carry_over_share:
            lines.append(f"{100 * plan.carry_over_share:.0f} % of what is left of a month carried over")
        lines.append(f"support: {plan.support}")
        st.markdown("\n".join(f"- {line}" for line in lines))
        if can_choose:
            st.space("stretch")
            label = _label(plan, is_own=row is not None and plan.name == row.plan)
            hint = "Shows first what it costs and when it begins; nothing changes before you confirm it."
            if st.button(label, key=f"{key}_choose", width="stretch", help=hint):
                billing_change.open_dialog(f"{key}_change", principal, plan, row)


def _label(plan: Plan, *, is_own: bool) -> str:
    if is_own:
        return "Change seats"
    return f"Go back to {plan.label}" if plan.name == FREE else f"Choose {plan.label}"


def _line(plan: Plan, metric: str) -> str:
    words = _ONE.get(metric, _SHOWN[metric]) if getattr(plan.limits, metric) == 1 else _SHOWN[metric]
    return f"{limit(plan, metric)} {words}"


def _seats(plan: Plan) -> str:
    if plan.limits.seats == 1:
        return "1 seat"
    return f"{limit(plan, 'seats')} seats" if plan.limits.seats is None else f"up to {limit(plan, 'seats')} seats"


def _listed(names: Sequence[str]) -> list[str]:
    """The last of several stands behind "and"."""
    return [", ".join(names[:-1]), names[-1]] if len(names) > 1 else [names[0]]


def _show_table(key: str, plans: Sequence[Plan], own: str) -> None:
    import pyarrow as pa

    columns: dict[str, list[str]] = {"Limit": ["Price, USD", *LIMITS.values(), "Carried over to the next month"]}
    for plan in plans:
        figures = [limit(plan, metric) for metric in LIMITS]
        cost = "by contract" if plan.price_usd is None else f"{plan.price_usd:,.2f} a {plan.price_unit}"
        carried = f"{100 * plan.carry_over_share:.0f} %" if plan.carry_over_share else "none"
        name = f"{plan.label} (yours)" if plan.name == own else plan.label
        columns[name] = [cost if plan.price_usd != Decimal(0) else "0.00", *figures, carried]
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        column_config={"Limit": st.column_config.TextColumn(pinned=True, width="medium")},
        height="content",
        alt=f"Limits of each plan; {UNLIMITED} where there is none",
    )
