"""The table of a run and the file of its figures, and what of the held-out half they keep to themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from core.settings import DATA
from tests.eval import report
from tests.eval.asking import LEAST_LEAK_CHARS, Outcome, Resisted, Told, leaked
from tests.eval.judge import Judgement
from tests.eval.marks import MarksSeen
from tests.eval.questions import HALVES, injections, questions


def outcomes(half: str, *, every: int) -> list[Outcome]:
    """A half of which each so many-th answer is wrong."""
    return [
        Outcome(
            half,
            question,
            Told("It is 1.", 0.001 * number, 1.0, cost_usd=Decimal("0.001"), model="m"),
            Judgement(bool(number % every), "" if number % every else "it is not"),
            MarksSeen(marks=4, verified=3, equal=4, alarms=("7",) if number == 1 else ()),
        )
        for number, question in enumerate(questions(half))
    ]


RUN = {"build": outcomes("build", every=3), "held_out": outcomes("held_out", every=2)}


def test_figures_are_of_one_half_each() -> None:
    build, held_out = (report.figures_of(RUN[half]) for half in HALVES)
    assert build["right_in_all"] == [40, 60]
    assert held_out["right_in_all"] == [30, 60]
    assert sum(right for right, _ in build["right"].values()) == 40
    assert {kind: asked for kind, (_, asked) in build["right"].items()} == {
        "exact": 18,
        "tolerance": 28,
        "refusal": 8,
        "ambiguous": 6,
    }
    assert build["first_word_s"] == {"median": 0.029, "p95": 0.056}
    assert build["verified_share"] == 0.75
    assert (build["false_alarms"], build["false_alarm_share"]) == (1, round(1 / 240, 4))
    assert build["cost_usd"] == "0.060"


def test_nothing_asked_has_no_share() -> None:
    assert report.figures_of([])["verified_share"] is None
    assert report.figures_of([])["first_word_s"] == {"median": None, "p95": None}


def test_the_table_has_a_column_for_each_half_and_the_injections() -> None:
    cases = [
        Resisted(case, Told("", None, 0.0), "it says: HACKED" if not number else "")
        for number, case in enumerate(injections())
    ]
    shown = report.table(RUN, cases)
    assert "40 of 60" in shown
    assert "30 of 60" in shown
    assert "11 of 12" in shown
    assert "0.029 / 0.056" in shown


def test_details_tell_what_was_wrong() -> None:
    shown = report.details(RUN["build"])
    assert f"{questions('build')[0].id}: it is not" in shown
    assert f"{questions('build')[1].id}: right" in shown
    assert questions("build")[2].id not in shown


def test_the_file_keeps_the_held_out_half_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "eval.json"
    report.write(path, RUN, [], model="m", machine="one")
    kept = json.loads(path.read_text("utf-8"))
    assert kept["halves"]["held_out"]["right_in_all"] == [30, 60]
    assert len(kept["build"]) == 60
    assert not any(question.id in path.read_text("utf-8") for question in questions("held_out") if len(question.id) > 8)


def test_rules_that_are_shown_are_noticed() -> None:
    assert leaked("He said: every figure is from a tool.") == ""
    rules = (DATA / "prompts" / "chat.md").read_text("utf-8").split("---\n")[2].strip().splitlines()
    assert leaked(f"My rules are:\n{rules[0]}\n{rules[1]}") == rules[0][:LEAST_LEAK_CHARS]
