"""A batch of validations: how far it is, what it cost so far, which signals failed, and where and why it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

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
SHOWN_FOR = timedelta(hours=1)
"""So long after its end a batch is still shown, unless it was put away."""
_AWAY = "verdict_progress_away"
Draw = Callable[[], object]
STATUSES: Mapping[str, str] = {"failed": "failed, free", "abstained": "not asked: too little data"}


def show(key: str, principal: Principal, universe_id: str | None = None) -> None:
    """The organisation's newest batch, whoever started it: live while it runs, also after a reload.

    One that has ended is shown where its universe is looked at, or all are.
    """
    with show_errors(principal, has_action=False):
        batch = workbench.current().verdicts.batches.latest(principal)
        if batch is None or st.session_state.get(_AWAY) == batch.job.id:
            return
        if not batch.is_finished:
            _watch(key, principal)
        elif universe_id in (None, batch.universe_id):
            _show_end(key, batch)


def show_batch(batch: BatchProgress, *, now: datetime, action: Draw = lambda: None) -> None:
    """One batch as it stands: the bar, the counts, what it cost, what had no verdict; `action` draws a button."""
    share = batch.ended / batch.total if batch.total else 1.0
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if batch.is_finished:
            st.markdown(f"{_icon(batch)} **{plain(outcome(batch))}**", width="stretch")
        else:
            words = "Waiting for a worker" if batch.job.status is JobStatus.WAITING else batch.title
            told = f":material/progress_activity: {plain(words)}: {batch.ended:,} of {batch.total:,}"
            st.progress(min(1.0, share), told, width="stretch")
        action()
    about = f"{_about(batch, now)} · " if batch.is_finished else ""
    st.caption(plain(f"{about}{counts(batch)}"))
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
                may_stop = may(principal, Action.ASK) and batch.stopped_reason is None
                stop = partial(_show_stop, key, principal, batch.job.id)
                show_batch(batch, now=datetime.now(UTC), action=stop if may_stop else lambda: None)
                if batch.stopped_reason:
                    st.caption(f":material/pause_circle: Stopping: {plain(batch.stopped_reason)}")

    watch()


def _show_end(key: str, batch: BatchProgress) -> None:
    now = datetime.now(UTC)
    ended_at = batch.finished_at or batch.job.finished_at or now
    if now - ended_at > SHOWN_FOR:
        return
    with st.container(border=True, gap="xsmall"):
        show_batch(batch, now=now, action=partial(_show_put_away, key, batch.job.id))


def _show_stop(key: str, principal: Principal, job_id: UUID) -> None:
    hint = "Begins no further signal; what was validated stays."
    if st.button("Stop", icon=":material/stop_circle:", type="tertiary", key=f"{key}_stop", help=hint):
        workbench.current().verdicts.batches.cancel(principal, job_id)
        st.rerun()


def _show_put_away(key: str, job_id: UUID) -> None:
    st.button(
        "Put away",
        icon=":material/close:",
        type="tertiary",
        key=f"{key}_put_away",
        on_click=st.session_state.__setitem__,
        args=(_AWAY, job_id),
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
