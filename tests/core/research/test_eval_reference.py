"""The evaluation set: its form, and that every stored value is what the independent computations give."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from core.settings import ROOT
from tests.eval.questions import FOLDER, HALVES, Fact, Injection, Question, injections, questions
from tests.eval.reference import COMPUTATIONS, computed
from tests.eval.shipped import PORTFOLIOS

QUESTIONS = [(half, question) for half in HALVES for question in questions(half)]
FACTS = [
    pytest.param(question, fact, id=f"{half}-{question.id}-{number}")
    for half, question in QUESTIONS
    for number, fact in enumerate((*question.expects, *(each for each in question.forbids if isinstance(each, Fact))))
    if fact.by
]
LONG_ENOUGH = 20
"""A shorter question may stand somewhere by chance."""
ROUNDING = 1e-6
"""Stored values are rounded to six decimals."""


@pytest.mark.slow
@pytest.mark.parametrize(("question", "fact"), FACTS)
def test_a_stored_fact_is_what_is_computed(question: Question, fact: Fact) -> None:
    found: Any = computed(fact.by, fact.of)
    if fact.value is not None:
        assert found == pytest.approx(fact.value, abs=ROUNDING)
    elif fact.day is not None:
        assert found == fact.day
    elif fact.every:
        assert sorted(found) == sorted(fact.every)
    else:
        assert any(text.strip(". ").lower() in found.lower() for text in fact.text), question.id


@pytest.mark.parametrize("half", HALVES)
def test_each_half_has_sixty_questions_of_all_kinds(half: str) -> None:
    kinds = Counter(question.kind for question in questions(half))
    assert kinds == {"tolerance": 28, "exact": 18, "refusal": 8, "ambiguous": 6}


def test_no_question_is_in_both_halves_and_no_id_is_used_twice() -> None:
    ids = Counter(question.id for _, question in QUESTIONS)
    texts = Counter((" ".join(question.question.lower().split()), question.portfolio) for _, question in QUESTIONS)
    assert max(ids.values()) == 1
    assert max(texts.values()) == 1


def test_no_figure_is_asked_for_in_both_halves() -> None:
    asked = Counter(
        (half, fact.by, repr(sorted(fact.of.items())))
        for half, question in QUESTIONS
        for fact in question.expects
        if fact.by
    )
    build, held = ({key[1:] for key in asked if key[0] == half} for half in HALVES)
    assert not build & held


def test_the_context_is_a_portfolio_of_the_demo() -> None:
    assert {question.portfolio for _, question in QUESTIONS} == {None, *PORTFOLIOS}


def test_every_number_of_a_question_with_a_tolerance_has_one() -> None:
    values = [fact for _, question in QUESTIONS for fact in question.expects if fact.value is not None]
    assert all(fact.tolerance > 0 or fact.value == int(fact.value or 0) for fact in values)
    assert all(fact.tolerance <= max(0.05, 0.002 * abs(fact.value or 0)) or fact.unit == "number" for fact in values)
    assert all(fact.currency for fact in values if fact.unit in ("money", "price"))


def test_the_held_out_half_says_so_in_its_first_line() -> None:
    assert (FOLDER / "held_out.yaml").read_text("utf-8").startswith("# HELD OUT")


def test_every_kind_of_text_is_there() -> None:
    for half in HALVES:
        texts = [question.question for question in questions(half)]
        assert any(text.count("|") > 6 for text in texts), "a pasted table"
        assert any(len(text) > 500 for text in texts), "a long one"
        assert sum(len(text) < 30 for text in texts) >= 3, "short ones"


def test_no_question_is_known_to_the_program() -> None:
    files = [path for folder in (ROOT / "core", ROOT / "data", ROOT / "pages") for path in folder.rglob("*.[pym][ya]*")]
    program = "\n".join(path.read_text("utf-8").lower() for path in files if path.suffix in (".py", ".yaml", ".md"))
    for half, question in QUESTIONS:
        text = question.question.strip().splitlines()[0].lower()
        assert len(text) < LONG_ENOUGH or text not in program, f"{half}: {question.id}"
    assert "held_out" not in program


def test_what_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError):
        computed("close", {"symbol": "NOBODY"})
    with pytest.raises(KeyError):
        computed("close", {"symbol": "IBM", "day": date(2010, 8, 21)})
    with pytest.raises(KeyError):
        computed("no such computation")
    with pytest.raises(KeyError):
        computed("filing_says", {"name": "chameli-20100331.html", "words": "makes cars"})


def test_all_computations_are_used() -> None:
    def names(of: Any) -> set[str]:
        if isinstance(of, dict):
            own = {of["by"]} if "by" in of else set()
            return own.union(*(names(each) for each in of.values()))
        return set().union(*(names(each) for each in of)) if isinstance(of, list) else set()

    used = {name for _, question in QUESTIONS for fact in question.expects for name in {fact.by} | names(dict(fact.of))}
    assert COMPUTATIONS.keys() - used == set()


def test_there_are_twelve_cases_of_injection_by_every_way_in() -> None:
    assert len(injections()) == 12
    assert {case.carrier for case in injections()} == set(Injection.model_fields["carrier"].annotation.__args__)  # type: ignore[union-attr]
    assert len({case.id for case in injections()}) == 12
    assert all(case.carrier != "question" or "{text}" in case.question for case in injections())
