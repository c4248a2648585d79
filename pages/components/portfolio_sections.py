"""The parts of the Portfolio page: each calls the services that it needs, and shows what they found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.market.as_of import AsOf
from core.portfolio.analysis import Analysis, AnalysisRequest
from core.portfolio.exports import csv_of
from core.portfolio.portfolio import PortfolioArea
from core.portfolio.portfolios import PortfolioInfo
from core.portfolio.report import Report
from core.portfolio.transactions import Transaction, in_force
from core.principal import Principal
from pages.components import (
    portfolio_checks,
    portfolio_entry,
    portfolio_holdings,
    portfolio_import,
    portfolio_income,
    portfolio_overview,
    portfolio_performance,
    portfolio_rebalance,
    portfolio_risk,
    portfolio_transactions,
    research_section,
)
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import acknowledge
from pages.components.headings import section
from pages.components.portfolio_words import day_of
from pages.components.states import show_empty, show_loading
from pages.components.words import plain

PARAMETER = "tab"
"""Of the page's address: which part is open."""
QUOTA = "portfolio_analyses_day"
ANALYSIS = (
    "An analysis has risk figures with their conventions, rolling windows, drawdowns, correlations and the efficient "
    "frontier. It is kept for 6 hours: until the data change, looking at it again is free for everybody who sees this."
)
LIST, ENTER, IMPORT = "List", "Enter", "Import"
_TAB = "portfolio_tab"
_STEP = "portfolio_step"


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at which portfolio, as of when."""

    principal: Principal
    info: PortfolioInfo
    report: Report
    as_of: AsOf

    @property
    def key(self) -> str:
        """Of what is kept in the session for this portfolio."""
        return f"portfolio_{self.info.id.hex}"


def show(visit: Visit) -> None:
    """The choice of a part, and the one that is open: only what is looked at is computed."""
    named = st.query_params.get(PARAMETER, "")
    wanted = st.session_state.get(_TAB, named)
    st.session_state[_TAB] = wanted if wanted in SECTIONS else next(iter(SECTIONS))
    chosen = st.segmented_control(
        "Part of the portfolio", list(SECTIONS), required=True, key=_TAB, label_visibility="collapsed", wrap=True
    )
    tab = chosen or next(iter(SECTIONS))
    if st.query_params.get(PARAMETER) != tab:
        st.query_params[PARAMETER] = tab
    with show_errors(visit.principal):
        SECTIONS[tab](visit)


def show_first_steps(principal: Principal, info: PortfolioInfo) -> None:
    """Of a portfolio without transactions: how it begins."""
    if not info.may_edit:
        show_empty("Nothing is entered yet", f"{info.made_by} has entered no transaction.", icon=":material/inbox:")
        return
    show_empty(
        "Nothing is entered yet",
        "Import your broker's file, or enter the first transaction by hand. Everything else follows from them.",
        icon=":material/receipt_long:",
    )
    with show_errors(principal):
        _show_adding(f"portfolio_{info.id.hex}_transactions", principal, info, default=IMPORT)


def _area() -> PortfolioArea:
    return workbench.current().portfolio


def _show_overview(visit: Visit) -> None:
    performance = _area().reports.performance(visit.principal, visit.info.id)
    portfolio_overview.show(f"{visit.key}_overview", visit.report, performance)


def _show_holdings(visit: Visit) -> None:
    portfolio_holdings.show(f"{visit.key}_holdings", visit.report, visit.as_of.moment)


def _show_transactions(visit: Visit) -> None:
    key = f"{visit.key}_transactions"
    rows = _area().journal.transactions(visit.principal, visit.info.id)
    if not visit.info.may_edit:
        _show_list(key, visit, rows)
        return
    step = st.segmented_control(
        "What to do", [LIST, ENTER, IMPORT], default=LIST, required=True, key=_STEP, label_visibility="collapsed"
    )
    if step in (ENTER, IMPORT):
        _show_step(key, visit.principal, visit.info, str(step))
    else:
        _show_list(key, visit, rows)


def _show_list(key: str, visit: Visit, rows: Sequence[Transaction]) -> None:
    later = sum(row.day > visit.as_of.day for row in in_force(rows))
    if later:
        st.caption(f":material/history: {later:,} of them are dated after the date above, and count in no figure here.")
    chosen = portfolio_transactions.show(key, rows)
    place = st.container()
    if chosen is not None:
        with place.container(border=True, gap="small"):
            portfolio_transactions.show_chosen(chosen)
            if visit.info.may_edit and chosen.is_in_force:
                _show_changes(f"{key}_{chosen.id.hex}", visit, chosen)
    st.download_button(
        "Export CSV",
        lambda: csv_of(rows),
        file_name=f"{_file_stem(visit.info)}-transactions.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"{key}_csv",
        help="All transactions in force, in the form that an import reads.",
    )


def _show_changes(key: str, visit: Visit, chosen: Transaction) -> None:
    journal, principal, portfolio_id = _area().journal, visit.principal, visit.info.id
    question = Question(
        "Reverse this transaction?",
        "It stays in the history, and a row that takes it back is added. All figures are computed again.",
        "Reverse",
        subject=portfolio_transactions.told(chosen),
        done="The transaction is reversed",
    )
    with st.container(horizontal=True, gap="small"):
        reverse = partial(journal.reverse, principal, portfolio_id, chosen.id)
        confirm_button(f"{key}_reverse", "Reverse", question, reverse, icon=":material/undo:")
        is_open = st.toggle("Correct", key=f"{key}_correct", help="Reverses it and enters the corrected one at once.")
    if is_open:
        portfolio_entry.show(
            f"{key}_form",
            visit.info.currency,
            chosen.day,
            lambda draft: journal.correct(principal, portfolio_id, chosen.id, draft),
            before=chosen,
            button="Reverse and enter this",
            done="The transaction is corrected",
        )


def _show_adding(key: str, principal: Principal, info: PortfolioInfo, *, default: str) -> None:
    step = st.segmented_control(
        "How to begin", [IMPORT, ENTER], default=default, required=True, key=f"{key}_begin",
        label_visibility="collapsed",
    )  # fmt: skip
    _show_step(key, principal, info, str(step))


def _show_step(key: str, principal: Principal, info: PortfolioInfo, step: str) -> None:
    area = _area()
    if step == IMPORT:
        imports = area.imports
        portfolio_import.show(
            f"{key}_import",
            lambda content, name, choice: imports.preview(principal, info.id, content, name, choice),
            lambda content, name, choice, leaves_out, progress: imports.run(
                principal, info.id, content, name, choice, leaves_out_refused=leaves_out, progress=progress
            ),
            imports.presets,
        )
        return
    latest = min(area.journal.latest_day(principal), workbench.current().market.time.of(principal).day)
    portfolio_entry.show(
        f"{key}_entry",
        info.currency,
        latest,
        lambda draft: area.journal.add(principal, info.id, [draft]),
        done="The transaction is entered",
    )


def _show_performance(visit: Visit) -> None:
    key, days = f"{visit.key}_performance", visit.report.series.days
    first_day = days[0].item() if len(days) else None
    window = portfolio_performance.show_window(key, visit.as_of.day, first_day)
    benchmark = portfolio_performance.show_benchmark(f"{key}_benchmark")
    with show_loading("Computing returns"):
        performance = _area().reports.performance(
            visit.principal, visit.info.id, first=window.first, last=window.last, benchmark=benchmark
        )
    portfolio_performance.show(key, visit.report, performance)


def _show_risk(visit: Visit) -> None:
    key, analyses, days = f"{visit.key}_risk", _area().analyses, visit.report.series.days
    request = portfolio_risk.show_request(f"{key}_request", visit.as_of.day, days[0].item() if len(days) else None)
    analysis = analyses.kept(visit.principal, visit.info.id, request)
    if analysis is not None:
        portfolio_risk.show(key, analysis)
        return
    if not may(visit.principal, Action.ANALYSE):
        show_empty(
            "No analysis is kept", "Analysts, admins and owners can make one; it is seen by everybody who sees this.",
            icon=":material/monitoring:",
        )  # fmt: skip
        return
    quota = workbench.current().usage.quota(visit.principal, QUOTA)
    show_empty("No analysis is kept of these figures", ANALYSIS, icon=":material/monitoring:")
    is_asked = st.button("Analyse", type="primary", icon=":material/monitoring:", key=f"{key}_run")
    st.caption(plain(portfolio_risk.price(quota)))
    if is_asked:
        with show_loading("Analysing"):
            analyses.run(visit.principal, visit.info.id, request)
        acknowledge("The analysis is made")
        st.rerun()


def _show_income(visit: Visit) -> None:
    portfolio_income.show(f"{visit.key}_income", visit.report.income, visit.report.currency)


def _show_rebalance(visit: Visit) -> None:
    key, principal, portfolio_id = f"{visit.key}_rebalance", visit.principal, visit.info.id
    rebalancing = _area().rebalancing
    save = partial(rebalancing.targets.set, principal, portfolio_id) if visit.info.may_edit else None
    lines = rebalancing.drift(principal, portfolio_id)
    mixes = {**_mixes(_area().analyses.kept(principal, portfolio_id, AnalysisRequest())), **_simple_mixes(visit.report)}
    portfolio_rebalance.show_targets(f"{key}_targets", lines, save, mixes)
    if all(line.target is None for line in lines):
        return
    terms = portfolio_rebalance.show_terms(f"{key}_terms", visit.info.currency)
    plan = rebalancing.trades(principal, portfolio_id, terms.costs, band=terms.band, whole_shares=terms.whole_shares)
    portfolio_rebalance.show_plan(f"{key}_plan", plan, f"{_file_stem(visit.info)}-trades-{visit.as_of.day}.csv")


def _mixes(analysis: Analysis | None) -> dict[str, Mapping[str, float]]:
    """What a kept analysis found that targets can begin with."""
    if analysis is None or analysis.frontier is None:
        return {}
    frontier = analysis.frontier
    return {"Minimum variance": frontier.minimum_variance.weights, "Risk parity": frontier.risk_parity.weights}


def _simple_mixes(report: Report) -> dict[str, Mapping[str, float]]:
    weighed = {line.symbol: line.weight for line in report.holdings if line.weight is not None}
    if not weighed:
        return {}
    even = float(Decimal(1) / len(weighed))
    return {"Equal weights": dict.fromkeys(weighed, even), "As it is now": weighed}


def _show_checks(visit: Visit) -> None:
    section("Checks", f"Findings by fixed rules as of {day_of(visit.report.day)}, the gravest first.")
    portfolio_checks.show(f"{visit.key}_checks", visit.report.checks)


def _show_research(visit: Visit) -> None:
    research_section.show(f"{visit.key}_research", visit.principal, visit.info.id)


def _file_stem(info: PortfolioInfo) -> str:
    """The portfolio's name as a part of a file's name."""
    return _NO_FILE_NAME.sub("-", info.name.lower()).strip("-")[:60] or "portfolio"


_NO_FILE_NAME = re.compile(r"[^a-z0-9]+")
SECTIONS: dict[str, Callable[[Visit], None]] = {
    "Overview": _show_overview,
    "Holdings": _show_holdings,
    "Transactions": _show_transactions,
    "Performance": _show_performance,
    "Risk": _show_risk,
    "Income": _show_income,
    "Rebalance": _show_rebalance,
    "Checks": _show_checks,
    "Research": _show_research,
}
"""By the name of the tab, in their order."""
