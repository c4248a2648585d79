"""Which portfolio is looked at, and what its maker may do with it: create, settings and sharing, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.errors import AssayError, InvalidRequest
from core.portfolio.portfolios import (
    COST_METHODS,
    EDITED_WITH,
    MAX_NAME_CHARS,
    SHARED_WITH,
    PortfolioInfo,
    PortfolioSettings,
)
from core.portfolio.report import CostMethod
from core.principal import Principal
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_error
from pages.components.forms import acknowledge, submit_button, text_field
from pages.components.money import SIGNS
from pages.components.words import numbered, plain

PARAMETER = "portfolio"
"""Of the page's address, so that it can be kept and sent."""
MAX_BENCHMARK_CHARS = 40
VIEWER = "As a viewer you see portfolios that are shared with you, and make none."
_Value = TypeVar("_Value")
Make = Callable[[PortfolioSettings], PortfolioInfo]


def show(key: str, principal: Principal, portfolios: Sequence[PortfolioInfo]) -> PortfolioInfo | None:
    """The choice with its buttons; None where there is no portfolio yet."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = _show_choice(key, portfolios) if portfolios else None
        if may(principal, Action.KEEP_PORTFOLIOS):
            if portfolios:
                show_create(f"{key}_new", principal, kind="secondary")
            if chosen is not None and chosen.is_own:
                _show_settings(f"{key}_settings", principal, chosen)
                _show_delete(f"{key}_delete", principal, chosen)
    if chosen is not None:
        st.caption(plain(told(chosen)))
    return chosen


def show_create(key: str, principal: Principal, *, kind: str = "primary") -> None:
    """The button that makes a portfolio."""
    if st.button("New portfolio", type="primary" if kind == "primary" else "secondary", icon=":material/add:", key=key):
        make = partial(workbench.current().portfolio.portfolios.create, principal)
        st.dialog("New portfolio", icon=":material/add:")(_ask)(
            f"{key}_form", make, PortfolioSettings(name=""), _default_benchmark(principal)
        )


def told(info: PortfolioInfo) -> str:
    """Whose it is, who sees it, and how it reckons."""
    whose = "Yours" if info.is_own else f"Made by {info.made_by}"
    if info.is_own:
        seen = SHARED_WITH[info.shared_with].lower()
        whose = f"{whose}, seen by {seen}" if info.shared_with else f"{whose} alone"
    elif not info.may_edit:
        whose = f"{whose}, to be looked at"
    cash = "keeps cash" if info.has_cash else "keeps no cash"
    return f"{whose}; in {info.currency}, {COST_METHODS[info.cost_method].lower()}, {cash}; {info.number:,} rows."


def _show_choice(key: str, portfolios: Sequence[PortfolioInfo]) -> PortfolioInfo:
    """The portfolio that the address names, or was chosen, or else the first."""
    by_id = {str(each.id): each for each in portfolios}
    names = dict(zip(by_id, numbered([_name(each) for each in portfolios]), strict=True))
    wanted = st.session_state[key] if key in st.session_state else st.query_params.get(PARAMETER)
    st.session_state[key] = wanted if wanted in by_id else next(iter(by_id))
    chosen = st.selectbox("Portfolio", list(by_id), format_func=lambda each: names.get(each, ""), key=key, width=320)
    found = by_id[str(chosen)]
    if st.query_params.get(PARAMETER) != str(found.id):
        st.query_params[PARAMETER] = str(found.id)
    return found


def open_portfolio(key: str, portfolio_id: UUID) -> None:
    """In the next run this one is looked at."""
    st.query_params[PARAMETER] = str(portfolio_id)
    st.session_state.pop(key, None)


def _show_settings(key: str, principal: Principal, info: PortfolioInfo) -> None:
    if st.button("Settings and sharing", icon=":material/tune:", type="tertiary", key=key):
        change = partial(workbench.current().portfolio.portfolios.change, principal, info.id)
        st.dialog("Settings and sharing", icon=":material/tune:")(_ask)(
            f"{key}_form_{info.id}", change, info.settings, _default_benchmark(principal)
        )


def _show_delete(key: str, principal: Principal, info: PortfolioInfo) -> None:
    question = Question(
        "Delete this portfolio?",
        "Its transactions, imports, targets and analyses go with it, and do not come back. An export keeps them.",
        "Delete",
        subject=info.name,
        done="The portfolio is deleted",
    )
    confirm_button(key, "Delete", question, lambda: workbench.current().portfolio.portfolios.delete(principal, info.id))


def _ask(key: str, save: Make, settings: PortfolioSettings, default_benchmark: str) -> None:
    """The form of all that can be set; what is wrong is said in it."""
    with st.form(key, border=False):
        name = text_field("Name", settings.name, required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        currencies = list(dict.fromkeys([settings.currency, *SIGNS]))
        currency = st.selectbox(
            "Currency", currencies, accept_new_options=True, key=f"{key}_currency",
            help="In which it is valued; another one later changes no transaction.",
        )  # fmt: skip
        method = _show_options("Cost of what is sold", COST_METHODS, settings.cost_method, f"{key}_method")
        has_cash = st.toggle(
            "Keep its cash",
            settings.has_cash,
            key=f"{key}_cash",
            help="Off: money for purchases comes from outside and receipts go there; deposits move nothing.",
        )
        benchmark = text_field(
            "Benchmark", settings.benchmark or "", max_chars=MAX_BENCHMARK_CHARS, key=f"{key}_benchmark",
            hint=f"A symbol; empty: the organisation's, {default_benchmark}.",
        )  # fmt: skip
        shared_with = _show_options("Seen by", SHARED_WITH, settings.shared_with, f"{key}_seen")
        edited_with = _show_options("Transactions entered by", EDITED_WITH, settings.edited_with, f"{key}_edited")
        if not submit_button("Save" if settings.name else "Create", key=f"{key}_save"):
            return
    made = PortfolioSettings(
        name=name,
        currency=(currency or settings.currency).strip().upper(),
        cost_method=method or CostMethod.FIFO,
        has_cash=has_cash,
        benchmark=benchmark or None,
        shared_with=shared_with,
        edited_with=edited_with,
    )
    try:
        if not name:
            raise InvalidRequest("Give the portfolio a name.")
        info = save(made)
    except AssayError as error:
        show_error(error, has_action=False)
        return
    open_portfolio("portfolio_choice", info.id)
    acknowledge(f"{info.name} is saved" if settings.name else f"{info.name} is made")
    st.rerun()


def _show_options(label: str, options: Mapping[_Value, str], value: _Value, key: str) -> _Value:
    values = list(options)
    return st.selectbox(label, values, values.index(value), format_func=lambda each: options[each], key=key)


def _default_benchmark(principal: Principal) -> str:
    return workbench.current().profiles.organisation(principal).benchmark


def _name(info: PortfolioInfo) -> str:
    return info.name if info.is_own else f"{info.name} ({info.made_by})"
