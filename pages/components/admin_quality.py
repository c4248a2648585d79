"""How good answers are: what could not be used, reactions, what verdicts were worth, experiments, what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.admin.quality import DAYS, INTENT_HOURS, QualityFigures, VerdictQuality
from core.db.overview_quality_dao import IntentRow, ReactionRow, TemplateRow, UnusableRow
from pages.components.headings import section
from pages.components.states import show_empty
from pages.components.words import plain

FEW = 30
"""Verdicts below which a share says little."""


def show(key: str, figures: QualityFigures, labels: Mapping[str, str], *, everything: bool) -> None:
    """Each kind of figure with its period, and n where it is a share; `labels` are those of models."""
    section("Reactions", f"What readers thought of answers in the last {DAYS} days, by model.")
    _show_reactions(f"{key}_reactions", figures.reactions, labels)
    section("Answers that could not be used", f"They did not follow their form, also after a repair; last {DAYS} days.")
    _show_unusable(f"{key}_unusable", figures.unusable, labels)
    section("Verdicts", f"Over 20 sessions, those scored in the last {DAYS} days; HOLD claims nothing and is left out.")
    _show_verdicts(f"{key}_verdicts", figures.verdicts, labels)
    if everything:
        section("Running experiments", "What their arms came to stands under Experiments.")
        _show_experiments(figures)
    section(
        "What is asked", f"Intents of the last {INTENT_HOURS} hours, as routing read them; templates since each began."
    )
    _show_asked(f"{key}_intents", figures.intents)
    _show_templates(f"{key}_templates", figures.templates)


def _show_reactions(key: str, rows: Sequence[ReactionRow], labels: Mapping[str, str]) -> None:
    if not rows:
        show_empty("No reactions", "Readers mark answers in Chat.", icon=":material/thumbs_up_down:")
        return
    columns: dict[str, list[Any]] = {
        "Model": [labels.get(row.model, row.model) or "None" for row in rows],
        "Liked": [row.up / (row.up + row.down) if row.up + row.down else None for row in rows],
        "Reactions (n)": [row.up + row.down for row in rows],
        "With words": [row.noted for row in rows],
    }
    _table(key, columns, shares=("Liked",), alt=f"Reactions by model, last {DAYS} days")


def _show_unusable(key: str, rows: Sequence[UnusableRow], labels: Mapping[str, str]) -> None:
    if not rows:
        show_empty("None", f"No such answer in the last {DAYS} days.", icon=":material/task_alt:")
        return
    columns: dict[str, list[Any]] = {
        "Model": [labels.get(row.model, row.model) for row in rows],
        "Answers": [row.answers for row in rows],
    }
    _table(key, columns, alt=f"Answers that could not be used, by model, last {DAYS} days")


def _show_verdicts(key: str, rows: Sequence[VerdictQuality], labels: Mapping[str, str]) -> None:
    if not rows:
        show_empty("No scores", "A verdict is scored once its 20 sessions are over.", icon=":material/verified:")
        return
    columns: dict[str, list[Any]] = {
        "Model": [labels.get(row.model, row.model) for row in rows],
        "Right": [row.share for row in rows],
        "95 % interval": [f"{row.low:.0%} to {row.high:.0%}" for row in rows],
        "Base rate": [row.base_rate for row in rows],
        "Verdicts (n)": [row.n for row in rows],
        "With a base rate": [row.n_base_rate for row in rows],
        "Of generated bars": [row.n_generated for row in rows],
    }
    _table(key, columns, shares=("Right", "Base rate"), alt=f"Verdicts by model, scored in the last {DAYS} days")
    few = " A share of fewer than 30 says little." if any(row.n < FEW for row in rows) else ""
    st.caption(
        plain(
            "Right: entered at the next session's open, before costs; the interval is Wilson's. Base rate: how often "
            "what was claimed comes true of all entries of the universe. Verdicts of generated bars say nothing of any "
            f"market, nor of a model.{few}"
        )
    )


def _show_experiments(figures: QualityFigures) -> None:
    if not figures.experiments:
        show_empty("None runs", "An experiment has a share of calls answered otherwise.", icon=":material/science:")
        return
    for each in figures.experiments:
        st.markdown(
            plain(
                f"{each.name}: {each.task}, {each.percentage.normalize():f} % of users get {each.kind} {each.variant}"
            )
        )


def _show_asked(key: str, rows: Sequence[IntentRow]) -> None:
    if not rows:
        show_empty("No questions", "None was routed in this time.", icon=":material/forum:")
        return
    columns: dict[str, list[Any]] = {
        "Intent": [row.intent.replace("_", " ").capitalize() for row in rows],
        "Questions": [row.questions for row in rows],
        "People": [row.users for row in rows],
    }
    _table(key, columns, alt=f"Intents of questions, last {INTENT_HOURS} hours")


def _show_templates(key: str, rows: Sequence[TemplateRow]) -> None:
    if not rows:
        return
    columns: dict[str, list[Any]] = {"Template": [row.title for row in rows], "Used": [row.used for row in rows]}
    _table(key, columns, alt="Templates that are not private, the most used first")


def _table(key: str, columns: Mapping[str, Sequence[Any]], *, shares: Sequence[str] = (), alt: str) -> None:
    import pyarrow as pa

    first, *others = columns
    config: dict[str, Any] = {first: st.column_config.TextColumn(pinned=True)}
    for name in others:
        if name in shares:
            config[name] = st.column_config.NumberColumn(format="percent")
        elif columns[name] and not isinstance(columns[name][0], str):
            config[name] = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        pa.table({name: list(values) for name, values in columns.items()}),
        key=key,
        hide_index=True,
        placeholder="n/a",
        column_config=config,
        alt=alt,
    )
