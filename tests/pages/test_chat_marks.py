"""Marks, citations, steps and sources of answers: what is ours is drawn, what a model writes is words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from core.ai.evidence import Cell, Evidence, Mark, Source, Step, Table
from pages.components import chat_evidence, chat_steps
from pages.components.chat_marks import Places, marked
from pages.components.chat_text import readable

PLACES = Places("word", "answer")
STEPS = (
    Step(number=1, tool="quote", arguments={"symbols": ["AAPL"]}, words="Quotes of AAPL", seconds=0.02),
    Step(number=2, tool="risk", arguments={}, words='Risk of "US | stocks"', state="failed", error="<b>No</b> prices."),
)


def _evidence(text: str, *numbers: str, verified: bool = True) -> Evidence:
    marks = []
    for number in numbers:
        start = text.index(number)
        marks.append(
            Mark(
                start=start, end=start + len(number), is_verified=verified, step=1 if verified else None, words="Price."
            )
        )
    return Evidence(steps=STEPS, marks=tuple(marks))


def test_a_verified_number_leads_to_its_step_and_says_which_figure_it_is() -> None:
    text = "It closed at 12.30."
    shown = marked(text, _evidence(text, "12.30"), PLACES)
    assert shown.text == 'It closed at [12.30](#vword-answer-1 "Verified\\: Price.").'
    assert shown.apart == ()


def test_an_unverified_number_is_marked_as_one_and_money_keeps_its_sign() -> None:
    text = "It cost $1,200 and -$5."
    shown = marked(text, _evidence(text, "1,200", "-$5", verified=False), PLACES)
    assert shown.text.count("(#uword-answer ") == 2
    assert "[\\$1,200]" in shown.text
    assert "[-\\$5]" in shown.text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("say `7.5` once", "7.5"),
        ("```\n7.5\n```\n", "7.5"),
        ("so $R_p = 7.5$ here", "7.5"),
        ("[up 7.5](https://x.example)", "7.5"),
    ],
)
def test_a_number_that_cannot_be_marked_where_it_stands_is_told_apart(text: str, number: str) -> None:
    evidence = _evidence(text, number, verified=False)
    shown = marked(text, evidence, PLACES)
    assert shown.text == readable(text)
    assert shown.apart == evidence.marks


def test_citations_of_steps_are_links_and_others_stay_words() -> None:
    shown = marked("Fell [1], rose [1, 2], and [7]. [1](https://x.example)", Evidence(steps=STEPS), PLACES).text
    assert shown.count("(#cword-answer-1 ") == 2
    assert shown.count("(#cword-answer-2 ") == 1
    assert "[7]." in shown
    assert "[1](https://x.example)" in shown
    assert '"Step 2\\: Risk of \\"US \\| stocks\\""' in shown


@pytest.mark.parametrize("text", [":green[12 ✓]", '[12](#vword "Verified")', "\ue10012\ue001", "<a href='#v'>12</a>"])
def test_a_model_cannot_draw_a_mark(text: str) -> None:
    shown = marked(text, Evidence(steps=STEPS), Places("0f3a", "answer")).text
    assert "#v0f3a" not in shown
    assert not re.search("[\ue000-\uf8ff]", shown)
    assert not shown.startswith(":green[")


def test_marks_that_overlap_or_lie_outside_are_left_out() -> None:
    marks = (
        Mark(start=0, end=4, is_verified=True, step=1),
        Mark(start=2, end=6, is_verified=False),
        Mark(start=90, end=95, is_verified=True),
    )
    assert marked("1234 6", Evidence(steps=STEPS, marks=marks), PLACES).text.count("](#") == 1


def test_an_answer_without_evidence_reads_as_before() -> None:
    text = "It costs $5, $R_p$ and `x`:\n\n| a | b |\n|---|---|\n| 1 | :red[2] |\n"
    assert marked(text, Evidence(), PLACES).text == readable(text)


def test_steps_are_escaped_and_say_what_failed() -> None:
    shown = chat_steps.markup(STEPS, PLACES)
    assert "2 steps, 1 failed · 20 ms" in shown
    assert "&lt;b&gt;No&lt;/b&gt; prices." in shown
    assert 'id="vword-answer-1"' in shown
    assert 'id="cword-answer-2"' in shown
    assert "<b>" not in shown


def test_steps_under_way_stand_open_and_lead_nowhere() -> None:
    running = STEPS[0].model_copy(update={"state": "running"})
    shown = chat_steps.markup([running])
    assert shown.startswith("<details open")
    assert "running" in shown
    assert "id=" not in shown


def test_a_source_is_linked_only_to_the_web() -> None:
    day = date(2010, 8, 20)
    good = chat_steps.source_markup(
        Source(title="A <b>", url="https://x.example/?a=1&b=2", as_of=day, is_generated=True)
    )
    assert 'href="https://x.example/?a=1&amp;b=2"' in good
    assert "A &lt;b&gt;" in good
    assert "as of 2010-08-20" in good
    assert "generated" in good
    assert "href" not in chat_steps.source_markup(Source(title="B", url="javascript:alert(1)"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "n/a"), (float("nan"), "n/a"), (True, "yes"), (1234, "1,234"), (-0.5, "−0.5"), (0.0, "0"),
        (1234.56789, "1,234.5679"), (0.00001234, "1.23e−05"), (date(2010, 3, 1), "2010-03-01"), ("<x>", "<x>"),
    ],
)  # fmt: skip
def test_cells_read_as_numbers_and_what_is_missing_is_no_zero(value: Cell, words: str) -> None:
    assert chat_steps.cell(value) == words


def test_a_day_that_was_kept_reads_as_a_day_and_a_moment_with_its_zone() -> None:
    kept = Source(title="A", as_of=date(2010, 8, 20)).model_dump_json()
    assert chat_steps.as_of(Source.model_validate_json(kept)) == "as of 2010-08-20"
    moment = Source(title="A", as_of=datetime(2010, 8, 20, 16, 5, tzinfo=UTC)).model_dump_json()
    assert chat_steps.as_of(Source.model_validate_json(moment)) == "as of 2010-08-20 16:05 UTC"
    assert chat_steps.as_of(Source(title="A")) == ""


def test_a_table_is_escaped_and_says_what_is_not_kept() -> None:
    table = Table(columns=("<a>", "b"), rows=(("<script>", 1.5),), more=1200)
    step = STEPS[0].model_copy(update={"table": table})
    shown = chat_steps.markup([step], PLACES)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "1,200 more rows are not kept" in shown


def test_the_share_is_said_in_words() -> None:
    text = "1 and 2"
    first = _evidence(text, "1").marks
    second = _evidence(text, "2", verified=False).marks
    source = Source(title="A")
    steps = (STEPS[0].model_copy(update={"source": source}), STEPS[1].model_copy(update={"source": source}))
    assert chat_evidence.told(Evidence(steps=steps, marks=first + second)) == "1 of 2 figures verified · 1 source"
    assert chat_evidence.told(Evidence(marks=first)) == "1 of 1 figure verified"
    assert chat_evidence.told(Evidence(steps=steps)) == "No figures to verify · 1 source"
