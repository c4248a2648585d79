"""The dialog in which another plan, or other seats, are chosen: what it costs now and later, then the change."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from core import workbench
from core.billing.subscriptions import ChangePreview
from core.db.billing_dao import SubscriptionRow
from core.errors import AssayError
from core.metering.plans import Plan
from core.principal import Principal
from pages.components.billing_words import money
from pages.components.errors import show_error
from pages.components.forms import acknowledge
from pages.components.words import day_of, plain

FREE = "free"
MAX_SEATS = 10_000
_BUTTONS = {
    "checkout": "Continue to the payment",
    "now": "Change now",
    "later": "Change at the end of the period",
    "ends": "End subscription",
    "stays": "Keep it as it is",
}
_DONE = {
    "now": "The plan has changed",
    "later": "The plan changes when the period ends",
    "ends": "The subscription ends with its period",
    "stays": "The subscription goes on as it is",
}


def open_dialog(key: str, principal: Principal, plan: Plan, row: SubscriptionRow | None) -> None:
    """Asks for the seats where there are some, says what the change does and costs, and makes it."""
    title = "Change seats" if row is not None and row.plan == plan.name else f"Change to {plan.label}"
    st.dialog(title, icon=":material/swap_horiz:")(_draw)(key, principal, plan, row)


def _draw(key: str, principal: Principal, plan: Plan, row: SubscriptionRow | None) -> None:
    seats = _seats(key, principal, plan, row)
    subscriptions = workbench.current().billing.subscriptions
    try:
        with st.spinner("Asking Stripe what it costs"):
            preview = _preview(key, principal, plan, seats)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return
    st.markdown("  \n".join(plain(line) for line in told(preview, plan, principal.zone)))
    place, button = st.container(), st.empty()
    if not button.button(_BUTTONS[preview.effect], type="primary", key=f"{key}_do"):
        return
    try:
        changed = subscriptions.change(principal, plan.name, seats, at=preview.at)
    except AssayError as error:
        with place:
            show_error(error, principal, has_action=False)
        return
    if changed.checkout_url is not None:
        button.empty()
        with place:
            show_checkout(changed.checkout_url)
        return
    acknowledge(_DONE[preview.effect])
    st.rerun()


def show_checkout(url: str) -> None:
    """The way to Stripe's checkout."""
    st.markdown("The payment is made on Stripe’s own page, in a new tab, which leads back here.")
    st.link_button("Pay at Stripe", url, type="primary", icon=":material/open_in_new:")


def told(preview: ChangePreview, plan: Plan, zone: str) -> list[str]:
    """What a change does and costs, line by line."""
    if preview.effect == "stays":
        return ["The change that was to come is taken back; nothing else changes."]
    if preview.effect == "ends":
        when = day_of(preview.takes_effect_at, zone) if preview.takes_effect_at else "the end of the period"
        return [f"{plan.label} begins on {when}; until then nothing changes.", "Everything is kept, credits too."]
    seats = f" with {preview.seats} seats" if preview.seats > 1 else ""
    monthly = f"{money(preview.monthly_usd)} a month, before tax"
    if preview.effect == "later" and preview.takes_effect_at is not None:
        when = day_of(preview.takes_effect_at, zone)
        return [f"{plan.label}{seats} begins on {when}; until then nothing changes.", f"From then on: {monthly}."]
    if preview.effect == "checkout":
        return [f"{plan.label}{seats} begins as soon as it is paid.", f"{monthly[0].upper()}{monthly[1:]}."]
    return [
        f"{plan.label}{seats} begins at once.",
        f"Paid now: {_due(preview.due_usd)}.",
        f"From then on: {monthly}.",
    ]


def _due(due: Decimal) -> str:
    if due < 0:
        return f"nothing; {money(-due)} are credited to the next invoices"
    return f"{money(due)} before tax, for the rest of the period"


def _seats(key: str, principal: Principal, plan: Plan, row: SubscriptionRow | None) -> int:
    if plan.price_unit == "month" or plan.name == FREE:
        return 1
    bench = workbench.current()
    members = len(bench.members.all(principal))
    start = row.seats if row is not None and row.plan == plan.name else members
    most = plan.limits.seats or MAX_SEATS
    return int(
        st.number_input(
            "Seats",
            min_value=min(max(1, members), most),
            max_value=most,
            value=min(max(start, members, 1), most),
            step=1,
            key=f"{key}_seats",
            help=f"Your organisation has {members} member{'s' * (members != 1)}; each takes a seat.",
        )
    )


def _preview(key: str, principal: Principal, plan: Plan, seats: int) -> ChangePreview:
    """The preview, asked for once: what is paid is then what it said."""
    kept = st.session_state.get(f"{key}_preview")
    if isinstance(kept, ChangePreview) and (kept.plan, kept.seats) == (plan.name, seats) and kept.effect != "now":
        return kept
    found = workbench.current().billing.subscriptions.preview(principal, plan.name, seats)
    st.session_state[f"{key}_preview"] = found
    return found
