"""The scan of a universe: the newest one, how to make another, how far that one is, and why it cannot be made."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import streamlit as st

from core import workbench
from core.db.instruments_dao import UniverseRow
from core.errors import AssayError, NotFound, StaleBars
from core.market.market_time import spoken
from core.ops.jobs import Job, JobStatus
from core.principal import Principal, Role
from core.screener.scans import Scan
from pages.components import screener_coverage
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_error, show_errors
from pages.components.forms import acknowledge
from pages.components.states import show_empty, show_failed, show_loading
from pages.components.words import plain

PARAMETER = "job"
"""Of the page's address: a scan that was started is still seen after the page is loaded anew."""
ASK_EVERY_S = 0.7


def show(key: str, principal: Principal, universe: UniverseRow) -> Scan | None:
    """The line of the newest scan with the button for another, or what keeps one from being made."""
    scan = None
    with show_errors(principal), show_loading("Reading the newest scan"):
        scan = workbench.current().screener.scans.latest(principal, universe.id)
    key = f"{key}_{universe.id}"
    if scan is not None:
        _show_line(key, principal, universe, scan)
    elif not _is_under_way(principal):
        _show_nothing(key, principal, universe)
    _show_refusal(key, principal)
    _show_progress(principal)
    return scan


def _show_line(key: str, principal: Principal, universe: UniverseRow, scan: Scan) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        screener_coverage.show(f"{key}_coverage", scan.about, datetime.now(UTC))
        if scan.sessions_behind:
            behind = f"{scan.sessions_behind:,} session{'' if scan.sessions_behind == 1 else 's'} behind"
            show_badge(Badge(behind, "orange", ":material/history:"))
        if principal.role is not Role.VIEWER:
            label = "Update scan" if scan.sessions_behind else "Scan again"
            if st.button(label, icon=":material/refresh:", key=f"{key}_again", type="tertiary"):
                _request(key, principal, universe)


def _show_nothing(key: str, principal: Principal, universe: UniverseRow) -> None:
    as_of = workbench.current().market.time.of(principal)
    title = f"{universe.title} has not been scanned up to {spoken(as_of.day)}"
    if principal.role is Role.VIEWER:
        show_empty(title, "As a viewer you see the scans of others; an analyst can start one.", icon=":material/radar:")
        return

    def scan_now() -> None:
        if st.button("Scan now", type="primary", icon=":material/radar:", key=f"{key}_now"):
            _request(key, principal, universe)

    hint = "A scan reads the bars of every symbol, and takes seconds."
    show_empty(title, hint, scan_now, icon=":material/radar:")


def _request(key: str, principal: Principal, universe: UniverseRow) -> None:
    """Starts a scan, or joins the one that is under way; what refuses it is shown in the runs to come."""
    st.session_state.pop(f"{key}_refused", None)
    try:
        job = workbench.current().screener.scans.request(principal, universe.id)
    except AssayError as error:
        st.session_state[f"{key}_refused"] = (_day(principal), error)
    else:
        st.query_params[PARAMETER] = str(job.id)
    st.rerun()


def _show_refusal(key: str, principal: Principal) -> None:
    """Why the scan that was asked for is not made, as long as the market is seen as of the same day."""
    day, error = st.session_state.get(f"{key}_refused", (None, None))
    if error is None or day != _day(principal):
        return
    show_error(error, principal, has_action=False)
    newest = error.newest if isinstance(error, StaleBars) else None
    if newest is not None:
        label = f"See the market as of {spoken(newest)}"
        if st.button(label, icon=":material/history:", key=f"{key}_go_back", type="primary"):
            with show_errors(principal):
                workbench.current().market.time.choose(principal, newest)
                st.rerun()


def _day(principal: Principal) -> date:
    return workbench.current().market.time.of(principal).day


def _is_under_way(principal: Principal) -> bool:
    job = _job(principal)
    return job is not None and not job.is_finished


def _job(principal: Principal) -> Job | None:
    """The scan that the address names; None where there is none that this person may see."""
    named = st.query_params.get(PARAMETER)
    if named is None:
        return None
    try:
        return workbench.current().queue.get(principal, UUID(named))
    except (ValueError, NotFound):
        del st.query_params[PARAMETER]
        return None


def _show_progress(principal: Principal) -> None:
    job = _job(principal)
    if job is None:
        return
    if job.status is JobStatus.FAILED:
        show_failed("The scan failed.", f"{job.error or ''} What was scanned before is kept; start it again above.")
        if st.button("Put away", key="screener_scan_put_away", type="tertiary"):
            del st.query_params[PARAMETER]
            st.rerun()
        return

    @st.fragment(run_every=ASK_EVERY_S)
    def watch() -> None:
        with show_errors(principal, has_action=False):
            asked = _job(principal)
            if asked is None or asked.is_finished:
                _end(asked)
            else:
                show_job(asked)

    watch()


def _end(job: Job | None) -> None:
    if job is not None and job.status is JobStatus.DONE:
        acknowledge("Scanned")
        del st.query_params[PARAMETER]
    st.rerun()


def show_job(job: Job) -> None:
    """How far a scan is; rows of an older one stand below under their own day."""
    total = job.total or 0
    words = plain(job.detail or "Waiting for a worker")
    if job.status is JobStatus.WAITING or not total:
        st.progress(0.0, f":material/progress_activity: {words}")
        return
    st.progress(min(1.0, job.done / total), f":material/progress_activity: {words}: {job.done:,} of {total:,} symbols")
