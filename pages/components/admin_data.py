"""What is wrong with the bars of a universe: looked for when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import streamlit as st

from core.admin.data_checks import MOST_FINDINGS, DataReport
from core.db.instruments_dao import UniverseRow
from core.errors import AssayError
from core.market.bar_checks import Check, Severity
from core.principal import Principal
from pages.components.errors import show_error
from pages.components.states import show_empty
from pages.components.words import plain

CHECKS = {
    Check.DUPLICATE: "Two bars of a day",
    Check.NOT_POSITIVE: "Price not above zero",
    Check.IMPOSSIBLE: "Prices that cannot be",
    Check.NOT_A_NUMBER: "Missing value",
    Check.NO_LAST_CLOSE: "No last close",
    Check.JUMP: "Jump",
    Check.SPLIT: "Split that nobody told",
    Check.GAP: "Missing sessions",
    Check.NO_SESSION: "Bar on no session",
    Check.STALE: "Stale",
    Check.CALENDAR: "Calendar",
}
SEVERITIES = {Severity.ERROR: "Error", Severity.WARNING: "Warning", Severity.NOTE: "Note"}


class Checker(Protocol):
    """What looks through bars."""

    def run(self, principal: Principal, universe_id: str) -> DataReport:
        """Looks through those of a universe."""
        ...


def show(key: str, universes: Sequence[UniverseRow], checker: Checker, principal: Principal) -> None:
    """The choice of a universe, the button, and what was found."""
    if not universes:
        show_empty("No universes", "There are no bars to look through.")
        return
    titles = {universe.id: universe.title for universe in universes}
    with st.form(key):
        chosen = st.selectbox(
            "Universe",
            list(titles),
            format_func=lambda name: titles[name],
            key=f"{key}_universe",
            help="The set of instruments whose bars are looked through.",
        )
        st.caption("Looks through every bar that your organisation sees; some seconds for hundreds of symbols.")
        is_sent = st.form_submit_button("Check the data", icon=":material/fact_check:")
    if not is_sent or chosen is None:
        return
    try:
        with st.spinner("Looking through the bars"):
            report = checker.run(principal, chosen)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return
    show_report(f"{key}_findings", report)


def show_report(key: str, report: DataReport) -> None:
    """What was found."""
    counts = ", ".join(f"{count:,} {severity}{'' if count == 1 else 's'}" for severity, count in report.counts.items())
    told = f"{report.universe}: {report.symbols:,} symbols up to {report.as_of:%d %B %Y}: {counts}."
    if not report.findings:
        st.success(plain(f"{told} Nothing is wrong, and nothing is stale."), icon=":material/check_circle:")
        return
    are = "is" if report.stale == 1 else "are"
    stale = (
        f" {report.stale:,} {are} stale: behind the exchange's last session, or without bars." if report.stale else ""
    )
    st.markdown(plain(f"{told}{stale}"))
    import pyarrow as pa

    st.dataframe(
        pa.table(
            {
                "Symbol": [each.symbol or "all" for each in report.findings],
                "How bad": [SEVERITIES[each.severity] for each in report.findings],
                "What": [CHECKS[each.check] for each in report.findings],
                "Since": [each.day for each in report.findings],
                "Finding": [each.words for each in report.findings],
            }
        ),
        key=key,
        hide_index=True,
        placeholder="–",
        column_config={
            "Symbol": st.column_config.TextColumn(pinned=True),
            "Since": st.column_config.DateColumn(format="D MMM YYYY"),
        },
        alt=f"Findings in the bars of {report.universe}, the worst first",
    )
    total = sum(report.counts.values())
    if total > len(report.findings):
        st.caption(f"The {MOST_FINDINGS:,} worst of {total:,}.")
