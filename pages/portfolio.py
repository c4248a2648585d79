"""Portfolio: what is held, what it was worth, what it returned, at which risk, and what would lead to its targets."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from pages.components import portfolio_choice, portfolio_ribbon, portfolio_sections, time_machine
from pages.components.errors import show_errors
from pages.components.headings import page_head
from pages.components.portfolio_sections import Visit
from pages.components.session import require
from pages.components.states import show_empty

st.set_page_config(layout="wide")
principal = require()
area = workbench.current().portfolio

HOW = (
    "A portfolio is made of transactions: import your broker's file, or type them. Values, returns, risk and income "
    "follow from them, each with its convention, and can always be computed again."
)

page_head("Portfolio", plan=principal.plan)
as_of = time_machine.show("portfolio_time", principal)
with show_errors(principal):
    portfolios = area.portfolios.all(principal)
    info = portfolio_choice.show("portfolio_choice", principal, portfolios)
    if info is None:
        may_make = may(principal, Action.KEEP_PORTFOLIOS)
        show_empty(
            "No portfolio yet",
            HOW if may_make else portfolio_choice.VIEWER,
            (lambda: portfolio_choice.show_create("portfolio_first", principal)) if may_make else None,
            icon=":material/account_balance:",
        )
    elif not info.number:
        portfolio_sections.show_first_steps(principal, info)
    else:
        report = area.reports.of(principal, info.id)
        portfolio_ribbon.show(report)
        portfolio_sections.show(Visit(principal, info, report, as_of))
