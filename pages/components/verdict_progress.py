"""A batch of validations: how far it is, what it cost so far, which signals failed, and where and why it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.verdict_batches_dao import ItemRow
from core.ops.jobs import JobStatus
from core.principal import Principal
from core.verdicts.batches import BatchProgress
from pages.components.errors import show_errors
from pages.components.verdict_list import signal_label
from pages.components.verdict_look import aged
from pages.components.words import plain, usd

ASK_EVERY_S = 1.5
SHOWN_FOR = timedelta(hours=12)
"""So long after its end a batch is still shown, unless it was put away."""
STATUSES: Mapping[str, str] = {"failed": "failed, free", "abstained": "not asked: too little data"}


def show(key: str, principal: Principal) -> None:
    """The organisation's newest batch, whoever started it: live while it runs, also after a reload."""
    with show_errors(principal, has_action=False):
        batch = workbench.current().verdicts.batches.latest(principal)
        if batch is None or st.session_state.get(f"{key}_away") == batch.job.id:
            return
        if batch.is_finished:
            _show_end(key, batch)
        else:
            _watch(key, principal)


def show_batch(batch: BatchProgress, *, now: datetime) -> None:
    """One batch as it stands: the bar, the counts, what it cost, and what had no verdict."""
    share = batch.ended / batch.total if batch.total else 1.0
    if batch.is_finished:
        st.markdown(f"{_icon(batch)} **{plain(outcome(batch))}**  \n:gray[{plain(_about(batch, now))}]")
    else:
        words = "Waiting for a worker" if batch.job.status is JobStatus.WAITING else batch.title
        st.progress(
            min(1.0, share),
            f":material/progress_activity: {plain(words)}: {batch.ended:,} of {batch.total:,}",
        )
    st.caption(plain(counts(batch)))
    if batch.problems:
        _show_problems(batch)


def outcome(batch: BatchProgress) -> str:
    """How a batch ended, in a sentence."""
    if batch.job.status is JobStatus.FAILED:
        return f"Failed after {batch.ended:,} of {batch.total:,}: {batch.job.error or 'the reason is in the log.'}"
    if batch.stopped_reason:
        return f"Stopped after {batch.ended:,} of {batch.total:,}: {batch.stopped_reason}"
    return f"Validated {batch.done:,} of {batch.total:,}"


def counts(batch: BatchProgress) -> str:
    """What became of its signals, and what that cost."""
    parts = [f"{batch.done:,} validated"]
    parts += [f"{batch.failed:,} failed"] if batch.failed else []
    parts += [f"{batch.abstained:,} not asked"] if batch.abstained else []
    parts += [f"{batch.waiting:,} {'left' if batch.is_finished else 'waiting'}"] if batch.waiting else []
    spent = f"{usd(batch.spent_usd)} spent" if batch.spent_usd else "nothing spent"
    return f"{' · '.join(parts)} · {spent}"


def _watch(key: str, principal: Principal) -> None:
    @st.fragment(run_every=ASK_EVERY_S)
    def watch() -> None:
        with show_errors(principal, has_action=False):
            batch = workbench.current().verdicts.batches.latest(principal)
            if batch is None or batch.is_finished:
                st.rerun()
            with st.container(border=True, gap="xsmall"):
                show_batch(batch, now=datetime.now(UTC))
                if batch.stopped_reason:
                    st.caption(f":material/pause_circle: Stopping: {plain(batch.stopped_reason)}")
                elif may(principal, Action.ASK) and st.button(
                    "Stop",
                    icon=":material/stop_circle:",
                    type="tertiary",
                    key=f"{key}_stop",
                    help="Begins no further signal; what was validated stays.",
                ):
                    workbench.current().verdicts.batches.cancel(principal, batch.job.id)
                    st.rerun()

    watch()


def _show_end(key: str, batch: BatchProgress) -> None:
    now = datetime.now(UTC)
    ended_at = batch.finished_at or batch.job.finished_at or now
    if now - ended_at > SHOWN_FOR:
        return
    with st.container(border=True, gap="xsmall"):
        show_batch(batch, now=now)
        st.button(
            "Put away",
            type="tertiary",
            key=f"{key}_put_away",
            on_click=st.session_state.__setitem__,
            args=(f"{key}_away", batch.job.id),
        )


def _show_problems(batch: BatchProgress) -> None:
    count = batch.failed + batch.abstained
    with st.expander(f"{count:,} without a verdict", icon=":material/error_outline:"):
        for item in batch.problems:
            st.markdown(_problem(item))
        if count > len(batch.problems):
            st.caption(f"The first {len(batch.problems):,} are shown.")


def _problem(item: ItemRow) -> str:
    signal = plain(signal_label(item.signal_type))
    status = STATUSES.get(item.status, item.status)
    return f"**{plain(item.symbol)}**, {signal} :gray[{plain(status)}]  \n{plain(item.problem or '')}"


def _about(batch: BatchProgress, now: datetime) -> str:
    ended_at = batch.finished_at or batch.job.finished_at
    when = "" if ended_at is None else f", ended {aged(ended_at, now)} ago"
    return f"{batch.title}{when}"


def _icon(batch: BatchProgress) -> str:
    if batch.job.status is JobStatus.FAILED:
        return ":red[:material/error:]"
    return ":orange[:material/stop_circle:]" if batch.stopped_reason else ":green[:material/check_circle:]"
