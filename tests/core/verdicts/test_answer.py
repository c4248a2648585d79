"""How a model's text is read as a validation, marked where that was not by the letter, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ai.schemas import check_schema, followed
from core.verdicts.answer import MAX_ANSWER_CHARS, SCHEMA, Mark, Validation, read_answer, validation_of

GOOD: dict[str, Any] = {
    "verdict": "BUY",
    "confidence": 0.62,
    "reasoning": "The hit rate is above the base rate. The record is long.",
    "risk_factors": ["Costs are not in the record.", "The trend is young."],
    "entry_suggestion": "The signal's entry is 12.3.",
}


def text_of(**changes: Any) -> str:
    """A good answer with other values; a field that is given as ... is left out."""
    return json.dumps({name: value for name, value in {**GOOD, **changes}.items() if value is not ...})


def read(text: str) -> Validation:
    canonical = read_answer(text)
    assert canonical is not None, text
    return validation_of(canonical)


def test_a_plain_answer_is_read_by_the_letter() -> None:
    assert read(text_of()) == Validation(**GOOD)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (f"  {text_of()}\n", ()),
        (f"\ufeff{text_of()}", ()),
        (f"```json\n{text_of()}\n```", (Mark.FENCED,)),
        (f"```\n{text_of()}\n```\n", (Mark.FENCED,)),
        (f"```JSON\n{text_of()}", (Mark.FENCED,)),
        (f"Here is my verdict:\n{text_of()}\nI hope it helps.", (Mark.PROSE_AROUND,)),
        (f"Here is my verdict:\n```json\n{text_of()}\n```", (Mark.FENCED, Mark.PROSE_AROUND)),
        (f"```json\n{text_of()}\n```\nThat is all.", (Mark.FENCED, Mark.PROSE_AROUND)),
        (f"With {{RSI: 71}} in mind: {text_of()}", (Mark.PROSE_AROUND,)),
        (f'Given {{"rsi": 71}}: {text_of()}', (Mark.PROSE_AROUND,)),
        (f"{text_of()}\n\nAgain: {text_of()}", (Mark.PROSE_AROUND,)),
    ],
)
def test_a_fence_and_words_around_the_answer_are_left_out_and_marked(text: str, marks: tuple[Mark, ...]) -> None:
    assert read(text) == Validation(**GOOD, marks=marks)


@pytest.mark.parametrize(
    ("word", "verdict"), [("buy", "BUY"), ("Sell", "SELL"), (" hold ", "HOLD"), ("aVoId", "AVOID")]
)
def test_a_verdict_in_other_case_is_read_and_marked(word: str, verdict: str) -> None:
    validation = read(text_of(verdict=word))
    assert (validation.verdict, validation.marks) == (verdict, (Mark.CASE,))


@pytest.mark.parametrize(
    ("given_as", "confidence", "is_percentage"),
    [
        (0.85, 0.85, False),
        (1, 1.0, False),
        (1.0, 1.0, False),
        (0.01, 0.01, False),
        (85, 0.85, True),
        (85.5, 0.855, True),
        (100, 1.0, True),
        (2, 0.02, True),
        ("85%", 0.85, True),
        (" 85.5 % ", 0.855, True),
        ("1%", 0.01, True),
        ("0.5%", 0.005, True),
        ("100%", 1.0, True),
    ],
)
def test_a_percentage_is_read_as_a_fraction_where_it_is_certain_and_marked(
    given_as: object, confidence: float, is_percentage: bool
) -> None:
    validation = read(text_of(confidence=given_as))
    assert validation.confidence == pytest.approx(confidence)
    assert validation.marks == ((Mark.PERCENTAGE,) if is_percentage else ())


@pytest.mark.parametrize(
    "given_as",
    [1.01, 1.5, 100.1, 850, -0.1, -85, 0, 0.0, True, False, None, "", "high", "0.85", "85", "0%", "101%", "-5%", [0.8]],
)
def test_a_confidence_that_is_not_certain_is_refused(given_as: object) -> None:
    assert read_answer(text_of(confidence=given_as)) is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e-999", "9" * 400, "0.6.2", "062"])
def test_a_confidence_that_is_no_number_of_json_is_refused(number: str) -> None:
    assert read_answer(text_of().replace("0.62", number)) is None


@pytest.mark.parametrize("verdict", ["STRONG BUY", "NEUTRAL", "BUY or HOLD", "", None, 1, ["BUY"], "KAUFEN"])
def test_another_verdict_is_refused_and_never_a_hold(verdict: object) -> None:
    assert read_answer(text_of(verdict=verdict)) is None


@pytest.mark.parametrize("more", [{"target": 13.0}, {"marks": ["case"]}])
def test_what_was_not_asked_for_is_left_out(more: dict[str, object]) -> None:
    assert read(text_of(**more)) == read(text_of())


def test_no_suggestion_is_an_empty_one() -> None:
    assert read(text_of(entry_suggestion=None)).entry_suggestion == ""


@pytest.mark.parametrize("field", [*GOOD])
def test_a_missing_field_is_refused(field: str) -> None:
    assert read_answer(text_of(**{field: ...})) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"reasoning": ""},
        {"reasoning": " \n\u200b "},
        {"reasoning": None},
        {"reasoning": "x" * 1201},
        {"risk_factors": "Costs are not in the record."},
        {"risk_factors": None},
        {"risk_factors": [""]},
        {"risk_factors": [1]},
        {"risk_factors": ["x" * 201]},
        {"risk_factors": ["x"] * 7},
        {"entry_suggestion": 12.0},
        {"entry_suggestion": "x" * 301},
        {"entry_suggestion": {"price": 12.3}},
    ],
)
def test_a_field_that_is_empty_too_long_or_of_another_kind_is_refused(changes: dict[str, Any]) -> None:
    assert read_answer(text_of(**changes)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"reasoning": "x" * 1200},
        {"risk_factors": []},
        {"risk_factors": ["x" * 200] * 6},
        {"entry_suggestion": ""},
        {"entry_suggestion": "x" * 300},
    ],
)
def test_the_bounds_themselves_are_taken(changes: dict[str, Any]) -> None:
    assert read_answer(text_of(**changes)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I am sorry, I cannot give financial advice.",
        "BUY with confidence 0.8",
        "null",
        "[]",
        '"BUY"',
        "{}",
        "{" * 4000,
        '{"a":' * 1500,
        "[" * 8000,
        text_of()[:-1],
        text_of()[:60],
        f"```json\n{text_of()[:-20]}\n```",
        json.dumps({"validation": GOOD}),
        json.dumps({"validation": GOOD})[:-1],
        json.dumps(text_of()),
        f"{text_of()} {text_of(verdict='SELL')}",
        f"[{text_of()}, {text_of(confidence=0.5)}]",
        f'{{"verdict": "SELL"}} {text_of()}',
        text_of().replace('"confidence"', '"verdict": "SELL", "confidence"'),
        text_of().replace('"confidence"', '"confidence": 0.1, "confidence"'),
        f"{text_of()} {{",
        text_of() + " " * MAX_ANSWER_CHARS,
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(text: str) -> None:
    assert read_answer(text) is None


def test_what_cannot_be_seen_or_kept_is_left_out_of_texts() -> None:
    validation = read(text_of(reasoning="One\u202e two\x00\u200b \ud800three\nfour", risk_factors=["a\tb"]))
    assert (validation.reasoning, validation.risk_factors) == ("One two three four", ("a b",))


def test_what_is_kept_is_canonical() -> None:
    shuffled = json.dumps(dict(reversed(GOOD.items())), indent=2)
    assert read_answer(shuffled) == read_answer(text_of())


def test_the_schema_is_one_that_providers_take_and_fits_what_is_read() -> None:
    check_schema(SCHEMA)
    assert followed(text_of(), SCHEMA) is not None
    assert followed(text_of(verdict="buy"), SCHEMA) is None
    assert SCHEMA["required"] == [*GOOD]
    keywords = {"type", "properties", "required", "additionalProperties", "enum", "items", "description"}

    def used(node: Any) -> set[str]:
        inner = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
        return set(node).union(*map(used, inner))

    assert used(SCHEMA) <= keywords


@given(st.text(max_size=300))
def test_no_text_is_an_error(text: str) -> None:
    assert read_answer(text) is None


@given(st.text(alphabet='{}[]",:`\\ \nverdict01', max_size=200), st.text(alphabet="{}`[] \n", max_size=20))
def test_whatever_stands_around_it_an_answer_is_read_as_it_is_or_not_at_all(before: str, after: str) -> None:
    canonical = read_answer(f"{before}{text_of()}{after}")
    assert canonical is None or validation_of(canonical).model_copy(update={"marks": ()}) == Validation(**GOOD)
