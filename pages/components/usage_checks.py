"""How many figures of answers were verified, by the model that wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.research.answer_checks import ModelChecks
from pages.components.words import plain

_HEAD = "| Model | Verified | Answers | Steps |\n| :-- | --: | --: | --: |"
"""Four columns: a narrow window has room for no more."""


def show(checks: Sequence[ModelChecks], labels: Mapping[str, str]) -> None:
    """A table of the models, most asked first."""
    st.markdown("\n".join([_HEAD, *(_row(each, labels) for each in checks)]))


def _row(checks: ModelChecks, labels: Mapping[str, str]) -> str:
    share = "n/a" if checks.share is None else f"{100 * checks.share:.0f} % of {checks.figures:,}"
    steps = f"{checks.steps:,}" + (f", {checks.failed_steps:,} failed" if checks.failed_steps else "")
    return f"| {plain(labels.get(checks.model, checks.model))} | {share} | {checks.answers:,} | {steps} |"
