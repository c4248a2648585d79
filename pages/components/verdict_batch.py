"""Validate these: what asking about the signals of a screen's matches would cost and how much of it is covered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.instruments_dao import UniverseRow
from core.errors import AssayError
from core.principal import Principal
from core.verdicts.batches import MOST_SIGNALS, BatchEstimate, Selection
from pages.components import verdict_ask
from pages.components.errors import show_error, show_errors
from pages.components.forms import acknowledge
from pages.components.states import show_loading
from pages.components.verdict_look import about
from pages.components.words import plain, usd

USUAL_MOST = 50
"""So many signals are asked about unless somebody wants more."""


def show_button(key: str, principal: Principal, universe: UniverseRow, symbols: Sequence[str]) -> None:
    """The button, for those who may ask; it opens the question with the estimate."""
    if not may(principal, Action.ASK) or not symbols:
        return
    if st.button(
        "Validate these…",
        icon=":material/checklist:",
        key=key,
        help="Asks a model about every signal of these matches; first it says what that costs.",
    ):
        st.dialog("Validate the signals of these matches?", icon=":material/checklist:")(_ask)(
            key, principal, universe, tuple(symbols)
        )


def show_estimate(estimate: BatchEstimate, principal: Principal, now: datetime) -> None:
    """What it would be of, what it costs, what is left, and how much of it fits."""
    left_out = f"; {_count(estimate.already)} with a verdict of today left out" if estimate.already else ""
    st.markdown(f"**{plain(_count(estimate.count))}** to ask about{plain(left_out)}.")
    st.markdown(plain(cost(estimate.most_usd, estimate.usual_usd, estimate.count)))
    if estimate.quota is not None:
        st.caption(plain(_sentence(verdict_ask.left(estimate.quota, now, principal.zone))))
    if estimate.budget_left_usd is not None:
        st.caption(plain(f"{usd(estimate.budget_left_usd)} left of your organisation's budget this month."))
    if estimate.fits < estimate.count:
        st.warning(
            f"At worst this suffices for {estimate.fits:,} of {estimate.count:,}. The batch stops where it ends, says "
            "so, and what was validated until then stays.",
            icon=":material/warning:",
        )


def cost(most: Decimal, usual: Decimal | None, count: int) -> str:
    """What it costs in a sentence."""
    if not most:
        return "Free: the model costs nothing." if count else "Nothing to pay."
    told = "" if usual is None else f", usually about {usd(about(usual))}"
    return f"At most {usd(about(most))}{told}."


def _ask(key: str, principal: Principal, universe: UniverseRow, symbols: tuple[str, ...]) -> None:
    count = f"{len(symbols):,} symbol{'' if len(symbols) == 1 else 's'}"
    st.caption(plain(f"{count} of {universe.title}. Signals with the most confidence come first."))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width="content", gap="xxsmall"):
            st.markdown(":small[Model]")
            model = verdict_ask.show_models(f"{key}_model", principal)
        most = st.number_input(
            "At most", 1, MOST_SIGNALS, USUAL_MOST, step=10, key=f"{key}_most", width=140, help="Signals of this batch."
        )
    wanted = Selection(universe_id=universe.id, symbols=symbols, most=int(most))
    batches = workbench.current().verdicts.batches
    with show_errors(principal, has_action=False):
        with show_loading("Estimating"):
            estimate = batches.estimate(principal, wanted, model=model)
        show_estimate(estimate, principal, datetime.now(UTC))
        place = st.container()
        st.caption("It runs for the whole organisation, eight at once, and goes on when you leave the page.")
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Cancel", key=f"{key}_no"):
                st.rerun()
            is_sure = st.button(
                f"Validate {_count(estimate.count)}", type="primary", key=f"{key}_yes", disabled=not estimate.count
            )
        if is_sure:
            try:
                batches.start(principal, wanted, model=model)
            except AssayError as error:
                with place:
                    show_error(error, principal, has_action=False)
                return
            acknowledge("The batch has begun")
            st.rerun()


def _count(number: int) -> str:
    return f"{number:,} signal{'' if number == 1 else 's'}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
