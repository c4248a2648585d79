"""Experiments: what runs and what ran, its two arms side by side, a form to start one, and a button that ends it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol
from uuid import UUID

import pandas as pd
import streamlit as st

from core.ai.experiments import ArmFigures, Experiment, Kind
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import day_of, plain

KINDS: dict[Kind, str] = {"model": "another model", "prompt": "another prompt"}
FEW = 30
"""Calls of an arm below which its figures say little."""


class Runner(Protocol):
    """What runs experiments."""

    def start(self, principal: Principal, experiment: Experiment) -> Experiment:
        """Starts one."""
        ...

    def end(self, principal: Principal, experiment_id: UUID) -> None:
        """Ends one."""
        ...


@dataclass(frozen=True, slots=True)
class Choices:
    """What an experiment may be made of."""

    tasks: Collection[str]
    variants: Mapping[Kind, Collection[str]]
    """Models by id, and prompts by name."""
    plans: Collection[str]


def show(
    key: str,
    experiments: Sequence[tuple[Experiment, Mapping[str, ArmFigures]]],
    runner: Runner,
    principal: Principal,
    choices: Choices,
    kept_from: datetime | None = None,
) -> None:
    """Each experiment with what its arms came to, and the form; calls of before `kept_from` are not counted."""
    if not experiments:
        show_empty("No experiments", "Have a share of calls answered by another model or prompt, and compare.")
    for experiment, arms in experiments:
        with show_list(f"{key}_{experiment.id}"):
            with show_row(_row(experiment)):
                if experiment.ended_at is None and experiment.id is not None:
                    confirm_button(
                        f"{key}_end_{experiment.id}",
                        "End",
                        Question(
                            "End this experiment?",
                            "Everybody gets the usual answer again. Its figures stay.",
                            "End experiment",
                            subject=experiment.name,
                            done="Experiment ended",
                        ),
                        partial(runner.end, principal, experiment.id),
                        icon=":material/stop_circle:",
                    )
            is_whole = kept_from is None or experiment.started_at is None or experiment.started_at >= kept_from
            if arms or is_whole:
                show_arms(arms)
            if kept_from is not None and not is_whole:
                day = day_of(kept_from, principal.zone)
                st.caption(f":material/info: Calls are counted from {day} on; older usage is kept no more.")
    _show_form(key, runner, principal, choices)


def show_arms(arms: Mapping[str, ArmFigures]) -> None:
    """The arms side by side."""
    if not arms:
        st.caption("No call took part yet.")
        return
    table = pd.DataFrame(
        {plain(name.capitalize()): _figures(arms[name]) for name in ("control", "variant") if name in arms}
    )
    st.table(table.rename_axis("Figure"), border="horizontal")
    few = [name for name, arm in arms.items() if arm.calls < FEW]
    if few:
        st.caption(f"Fewer than {FEW} calls in {' and '.join(sorted(few))}: a difference may be chance.")


def _figures(arm: ArmFigures) -> dict[str, str]:
    reactions, scored = arm.up + arm.down, arm.scored
    return {
        "Calls (n)": f"{arm.calls:,} of {arm.users:,} users",
        "Cost of a call": "–" if arm.usd_per_call is None else f"{arm.usd_per_call:.6f} USD",
        "Latency, p50 / p95": f"{_ms(arm.latency_ms_p50)} / {_ms(arm.latency_ms_p95)}",
        "Unusable answers": f"{arm.unusable / arm.calls:.1%} of {arm.calls:,}",
        "Liked": "–" if not reactions else f"{arm.up / reactions:.0%} of {reactions:,}",
        "Verdicts right over 20 sessions": "–" if not scored else f"{arm.rightly / scored:.0%} of {scored:,}",
    }


def _ms(latency: float | None) -> str:
    return "–" if latency is None else f"{latency:,.0f} ms"


def _row(experiment: Experiment) -> Row:
    is_running = experiment.ended_at is None
    badge = Badge("running", "green") if is_running else Badge("ended")
    share = f"{experiment.percentage.normalize():f} % of users"
    who = ", ".join(experiment.plans) + (f", {len(experiment.org_ids):,} organisations" if experiment.org_ids else "")
    parts = [f"{experiment.task}: {share} get {KINDS[experiment.kind]}, {experiment.variant}", who.strip(", ")]
    return Row(experiment.name, " · ".join(part for part in parts if part), (badge,), icon=":material/science:")


def _show_form(key: str, runner: Runner, principal: Principal, choices: Choices) -> None:
    with st.expander("Start an experiment", icon=":material/science:"):
        kind: Kind = st.radio(
            "What differs",
            list(KINDS),
            format_func=lambda name: KINDS[name].capitalize(),
            horizontal=True,
            key=f"{key}_kind",
        )
        with st.form(f"{key}_form", border=False):
            name = text_field("Name", required=True, max_chars=80)
            task = st.selectbox(
                "Task", sorted(choices.tasks), help="What is asked: one experiment of a task runs at a time."
            )
            variant = st.selectbox(
                "Variant",
                sorted(choices.variants[kind]),
                help="What the arm “variant” gets instead of the usual; the arm “control” gets the usual.",
            )
            percentage = st.number_input(
                "Share of users, in %",
                0.01,
                99.99,
                10.0,
                1.0,
                format="%.2f",
                help="How many users are in the arm “variant”; each stays in one arm.",
            )
            plans = st.multiselect("Plans", list(choices.plans), placeholder="All plans")
            if submit_button("Start experiment"):
                with saving("Experiment started", principal):
                    runner.start(
                        principal,
                        Experiment(
                            name=name,
                            kind=kind,
                            task=task or "",
                            variant=variant or "",
                            percentage=Decimal(str(percentage)),
                            plans=tuple(plans),
                        ),
                    )
