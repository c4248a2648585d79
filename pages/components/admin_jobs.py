"""Jobs: what waits and runs, what failed and why, and a button to do one again where that is safe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import streamlit as st

from core.admin.jobs import DAYS, FailedJob, JobsOverview
from core.db.overview_jobs_dao import KindRow
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import when

KINDS = {
    "scan": "Scan",
    "scan_part": "Part of a scan",
    "scan_records": "Records of a scan",
    "night": "Night of a universe",
    "nightly": "All nights",
    "deliver_alerts": "Delivery of alerts",
    "score_verdicts": "Scores of verdicts",
    "validate_batch": "Batch of verdicts",
    "validate_all": "Nightly batches",
    "large_request": "Large request",
    "stripe_event": "Event of Stripe",
}
"""What each kind is called; of others the name with spaces."""


class Retrier(Protocol):
    """What has a failed job be done again."""

    def retry(self, principal: Principal, job_id: UUID, *, everything: bool = False) -> Any:
        """Submits it anew."""
        ...


def show(
    key: str, overview: JobsOverview, retrier: Retrier, principal: Principal, now: datetime, *, everything: bool
) -> None:
    """The queue's figures where they are known, jobs by kind, and those that failed."""
    if overview.queue is not None:
        _show_queue(overview)
    if not overview.kinds:
        show_empty("No jobs", f"Nothing waits or runs, and nothing ended in the last {DAYS} days.")
        return
    _show_kinds(key, overview.kinds)
    if not overview.failed:
        show_empty("No failed jobs", f"None of the last {DAYS} days.", icon=":material/task_alt:")
        return
    with show_list(f"{key}_failed"):
        for job in overview.failed:
            with show_row(_row(job, now, principal.zone)):
                if job.may_be_retried:
                    _retry_button(key, job, partial(retrier.retry, principal, job.id, everything=everything))


HELP = {
    "Waiting": "Jobs that no worker has taken yet.",
    "Workers": "Processes that do jobs. One that stops is counted until its sign of life is too old.",
}
"""What a newcomer may ask of a figure."""


def name_of(kind: str) -> str:
    """What a kind is called."""
    return KINDS.get(kind, kind.replace("_", " ").capitalize())


def _show_queue(overview: JobsOverview) -> None:
    queue = overview.queue
    assert queue is not None
    with st.grid("auto", min_column_width=150):
        for label, value, basis in (
            ("Waiting", queue.waiting, "now, of all"),
            ("Running", queue.running, "now, of all"),
            ("Failed", queue.failed, "in 24 hours, of all"),
            ("Workers", queue.workers, "gave a sign of life"),
        ):
            st.metric(
                label,
                f"{value:,}",
                basis,
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
                help=HELP.get(label),
            )
    if queue.waiting and not queue.workers:
        st.warning("Jobs wait, and no worker is alive: start one.", icon=":material/warning:")


def _show_kinds(key: str, kinds: Sequence[KindRow]) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Kind": [name_of(row.kind) for row in kinds],
        "Waiting": [row.waiting for row in kinds],
        "Longest wait, s": [None if row.oldest_waits_s is None else round(row.oldest_waits_s) for row in kinds],
        "Running": [row.running for row in kinds],
        "Done": [row.done for row in kinds],
        "Failed": [row.failed for row in kinds],
    }
    config = {name: st.column_config.NumberColumn(format="localized") for name in list(columns)[1:]}
    st.dataframe(
        pa.table(columns),
        key=f"{key}_kinds",
        hide_index=True,
        placeholder="–",
        column_config={"Kind": st.column_config.TextColumn(pinned=True), **config},
        alt=f"Jobs by kind; those that ended are of the last {DAYS} days",
    )
    st.caption(f"Done and failed are of the last {DAYS} days.")


def _row(job: FailedJob, now: datetime, zone: str) -> Row:
    whose = job.org_name or "the installation"
    tries = f"{job.attempts:,} {'try' if job.attempts == 1 else 'tries'}"
    details = f"{job.error}\nOf {whose} · {tries} · failed {when(job.finished_at, now, zone)}"
    return Row(name_of(job.kind), details, (Badge("failed", "red"),), icon=":material/error:")


def _retry_button(key: str, job: FailedJob, do: Any) -> None:
    confirm_button(
        f"{key}_retry_{job.id}",
        "Do again",
        Question(
            "Do this job again?",
            "It goes by what is stored, and repeats nothing that was done. The failed one stays in this list.",
            "Do again",
            subject=name_of(job.kind),
            done="The job waits for a worker",
        ),
        do,
        icon=":material/replay:",
    )
