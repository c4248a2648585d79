"""What matched: how many of how many, the grid in its order, and what can be done with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.instruments_dao import UniverseRow
from core.principal import Principal
from core.screener.criteria import Screen, matching
from core.screener.scans import Scan
from core.verdicts.validations import Brief
from pages.components import screener_export, screener_results, screener_watch, verdict_batch, verdict_progress
from pages.components.errors import show_errors
from pages.components.headings import section
from pages.components.states import show_empty
from pages.components.verdict_column import Verdicts

ASK_EVERY_S = 3.0
PARAMETER = "symbol"
"""Of the page's address: whose chart is open."""


def show(key: str, principal: Principal, universe: UniverseRow, scan: Scan, screen: Screen, called: str) -> str | None:
    """The matches of a screen in a scan: computed anew in each run, of this screen and this scan and of no other.

    Gives the symbol whose chart is asked for.
    """
    matches = matching(scan.results, screen)
    section(f"{matches.height:,} of {scan.results.height:,} match")
    if matches.is_empty():
        show_empty(
            "Nothing matches",
            "Loosen a condition, or see which of them leaves nothing: remove them one by one.",
            icon=":material/filter_alt_off:",
        )
        return None
    verdict_progress.show(f"{key}_batch", principal, universe.id)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        column, largest_first = screener_results.show_order(f"{key}_order")
        actions = st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="right", gap="small")
    rows = screener_results.ordered(matches, column, largest_first=largest_first)
    has_records = scan.about.stamped_at is not None
    ticked = screener_results.show(
        f"{key}_grid", rows, partial(_open, key), has_records=has_records, verdicts=_verdicts(principal, scan)
    )
    if not has_records:
        _wait_for_records(principal, scan)
    if rows.height > screener_results.MAX_ROWS:
        st.caption(f"The first {screener_results.MAX_ROWS:,} are shown; the file has all {rows.height:,}.")
    with actions:
        if may(principal, Action.KEEP_NOTES) and ticked:
            screener_watch.show(f"{key}_watch", principal, ticked)
        verdict_batch.show_button(f"{key}_validate", principal, universe, ticked or rows["symbol"].to_list())
        screener_export.show(f"{key}_csv", rows, universe, scan.about, called)
    return _show_opened(key, rows.head(screener_results.MAX_ROWS)["symbol"].to_list())


def _verdicts(principal: Principal, scan: Scan) -> Verdicts:
    """What models said of the scan's signals; without them the matches are shown all the same."""
    found: dict[tuple[str, str], Brief] = {}
    with show_errors(principal, has_action=False):
        said = workbench.current().verdicts.validations.of_scan(principal, scan.about.universe_id, scan.about.as_of)
        found.update(said)
    return found


def _wait_for_records(principal: Principal, scan: Scan) -> None:
    """Says that confidences follow, and runs the page anew once they are there."""

    @st.fragment(run_every=ASK_EVERY_S)
    def watch() -> None:
        with show_errors(principal, has_action=False):
            newest = workbench.current().screener.scans.latest(principal, scan.about.universe_id)
            if newest is None or newest.about.stamped_at != scan.about.stamped_at:
                st.rerun()
        st.caption(
            ":material/progress_activity: What such signals were worth before is being computed; confidence follows."
        )

    watch()


def _show_opened(key: str, symbols: Sequence[str]) -> str | None:
    """The symbol whose chart is open, as long as it matches; for those who do not click it can be chosen by name."""
    box = f"{key}_box"
    wanted = st.session_state[box] if box in st.session_state else st.query_params.get(PARAMETER)
    st.session_state[box] = wanted if wanted in symbols else None
    opened = st.selectbox(
        "Chart",
        symbols,
        None,
        placeholder="Click a row, or choose a symbol here",
        key=box,
        width=320,
    )
    if opened is None:
        st.query_params.pop(PARAMETER, None)
    elif st.query_params.get(PARAMETER) != opened:
        st.query_params[PARAMETER] = opened
    return opened


def _open(key: str, symbol: str) -> None:
    st.session_state[f"{key}_box"] = symbol
