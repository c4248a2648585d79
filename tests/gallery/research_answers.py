"""Answers on their steps, with marks and charts, and steps of an answer that is being written; made up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid5

import streamlit as st

from core.ai.evidence import Chart, Evidence, Mark, Source, Step, Table
from core.research.answer_checks import ModelChecks
from pages.components import chat_evidence, chat_marks, chat_steps, usage_checks
from tests.gallery.samples import MODELS, SPACE
from tests.gallery.texts import TEXTS

TEXT = (
    "The portfolio returned −3.2 % in March [1], of which AAPL brought $1,204.50 [2].\n\n"
    "| What | Figure |\n| :-- | --: |\n| Volatility | 18.4 % |\n| A guess | 98.7 % |\n\nIn code `42` stays a number."
)
_DAYS = tuple(date(2010, 3, day) for day in (1, 2, 3, 4, 5))


def _mark(words: str, *, step: int | None = None) -> Mark:
    start = TEXT.index(words)
    told = "No step returned this." if step is None else "Time-weighted return of US stocks, March 2010."
    return Mark(start=start, end=start + len(words), is_verified=step is not None, step=step, words=told)


def _evidence() -> Evidence:
    index = Table(
        columns=("Day", "Portfolio"), rows=tuple((day, 1 - 0.01 * at) for at, day in enumerate(_DAYS)), more=7
    )
    gains = Table(columns=("Symbol", "Gain"), rows=(("AAPL", 1204.5), ("GOOG", -310.25), (TEXTS["markup"], None)))
    source = Source(title="Transactions of US stocks", url="https://example.com/a?b=1&c=2", as_of=_DAYS[-1])
    made_up = Source(title=TEXTS["markup"], as_of=datetime(2010, 3, 5, 21, 0, tzinfo=UTC), is_generated=True)
    return Evidence(
        steps=(
            Step(
                number=1, tool="performance", arguments={"first": "2010-03-01"}, words="Performance of US stocks",
                seconds=0.02, source=source, table=index,
                chart=Chart(kind="line", x="Day", y=("Portfolio",), title="Index"),
            ),
            Step(
                number=2, tool="holdings", arguments={}, words="What each holding brought", seconds=1.3, source=made_up,
                table=gains, chart=Chart(kind="bar", x="Symbol", y=("Gain",), unit="money", title="Gains, USD"),
            ),
            Step(number=3, tool="news", arguments={}, words=f"News of {TEXTS['endless word']}", state="failed",
                 error="The source did not answer."),
        ),
        marks=(
            _mark("−3.2 %", step=1), _mark("$1,204.50", step=2), _mark("18.4 %", step=1), _mark("98.7 %"), _mark("42"),
        ),
        notes=("Stopped here: the time for one answer was nearly over.",),
    )  # fmt: skip


def answer() -> None:
    """An answer on its steps: verified and unverified figures, citations, one that failed, one in code"""
    evidence, places = _evidence(), chat_marks.places_of(uuid5(SPACE, "answer"))
    chat_marks.show_style()
    shown = chat_marks.marked(TEXT, evidence, places)
    chat_steps.show(st, evidence.steps, places)
    st.markdown(shown.text)
    chat_evidence.show_charts("gallery_answer", evidence)
    chat_evidence.show_notes(evidence)
    chat_evidence.show(TEXT, evidence, shown.apart, places)


def under_way() -> None:
    """The steps of an answer that is being written"""
    steps = _evidence().steps
    chat_steps.show(st, (*steps, steps[0].model_copy(update={"number": 4, "state": "running"})))


def checks() -> None:
    """Verified figures by model, one of which wrote none"""
    first, second = list(MODELS)[:2]
    usage_checks.show(
        [ModelChecks(first, "provider", 120, 1400, 1361, 260, 4), ModelChecks(second, "provider", 2, 0, 0, 0, 0)],
        MODELS,
    )
