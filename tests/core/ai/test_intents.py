"""What a question is taken for, and how hard it is taken to be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.ai.intents import INTENTS, MOST_READ, TASKS, Complexity, Intent, Reading, read
from core.ai.providers.contract import Message, Picture

PROMPTS = Path(__file__).parents[2] / "eval" / "routing"
MOST_S = 0.0003
"""The goal of one reading of 8,000 characters."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of the labelled set."""

    text: str
    intent: str
    complexity: str


def labelled(name: str) -> list[Prompt]:
    """The prompts of one file of the labelled set."""
    rows = yaml.safe_load((PROMPTS / f"{name}.yaml").read_text("utf-8"))
    return [
        Prompt(text.strip(), intent, complexity)
        for intent, by_complexity in rows.items()
        for complexity, texts in by_complexity.items()
        for text in texts
    ]


def ask(text: str, *before: str) -> Reading:
    """The reading of a question after others."""
    return read(tuple(Message("user", each) for each in (*before, text)))


def accuracy(prompts: list[Prompt]) -> tuple[float, float]:
    """The shares of prompts whose intent, and whose complexity, are read as labelled."""
    readings = [ask(prompt.text) for prompt in prompts]
    pairs = list(zip(readings, prompts, strict=True))
    intents = sum(reading.intent == prompt.intent for reading, prompt in pairs)
    complexities = sum(reading.complexity == prompt.complexity for reading, prompt in pairs)
    return intents / len(prompts), complexities / len(prompts)


def test_the_labelled_set_is_large_even_and_its_halves_have_nothing_in_common() -> None:
    halves = [labelled("development"), labelled("held_out")]
    texts = [prompt.text for half in halves for prompt in half]
    assert len(texts) == len(set(texts)) >= 240
    assert len(halves[0]) == len(halves[1])
    for half in halves:
        cells = [(prompt.intent, prompt.complexity) for prompt in half]
        assert {intent for intent, _ in cells} == set(INTENTS)
        assert min(cells.count(cell) for cell in set(cells)) >= 5
        assert len(set(cells)) == 3 * len(INTENTS)


@pytest.mark.parametrize(
    ("half", "intents", "complexities"), [("development", 0.95, 0.91), ("held_out", 0.92, 0.86)], ids=str
)
def test_intent_and_complexity_are_read_as_labelled(half: str, intents: float, complexities: float) -> None:
    """Reached: 98 % and 95 % where the rules were tuned, 95 % and 89 % on the half that was held out."""
    right = accuracy(labelled(half))
    assert right[0] >= intents
    assert right[1] >= complexities


@pytest.mark.parametrize(
    ("text", "intent", "complexity"),
    [
        ("What is a bond?", "chat", "low"),
        ("Summarise the risk factors of this filing in five points and say which are new.", "summary", "medium"),
        ("Is 'profit warning' bullish or bearish?", "sentiment", "low"),
        ("Write a Python function that sorts prices.", "code", "low"),
        ("Latest news on AAPL", "web", "low"),
        ("Compare the margins of MSFT and ORCL, and explain which are safer.", "analysis", "medium"),
        ("Extract the coupon.", "extraction", "low"),
        ("Vergleiche die Rendite von SAP und Siemens, und bewerte das Risiko.", "analysis", "medium"),
        ("Résume ce texte.", "summary", "low"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else str(value),
)
def test_plain_questions(text: str, intent: Intent, complexity: Complexity) -> None:
    reading = ask(text)
    assert (reading.intent, reading.complexity) == (intent, complexity)


def test_the_reading_says_which_words_and_features_decided() -> None:
    reading = ask("Compare the margins of MSFT and ORCL, and derive which leverage each of them could bear.")
    assert {"compare", "margins", "derive"} <= set(reading.because)
    assert any(reason.endswith("hard terms") for reason in reading.because)
    assert reading.features is not None
    assert (reading.features.steps, reading.features.questions) == (2, 0)


def test_a_text_that_is_pasted_in_is_not_taken_for_what_is_asked() -> None:
    """The words of an article ask for nothing, however many of them there are."""
    article = "The analysts compared the margins, and the code of conduct; news of the latest summary followed. " * 4
    plain, with_text = ask("Is this positive or negative?"), ask(f"Is this positive or negative? {article}")
    assert (plain.intent, with_text.intent) == ("sentiment", "sentiment")
    assert with_text.complexity == "low"
    assert with_text.features is not None
    assert with_text.features.pasted_chars == len(article)
    assert with_text.features.words == 5


def test_a_question_that_says_nothing_goes_on_from_the_one_before() -> None:
    assert ask("And for MSFT?").intent == "chat"
    follow = ask("And for MSFT?", "Analyse the volatility of AAPL.")
    assert (follow.intent, follow.because[0]) == ("analysis", "goes on from analysis")


def test_what_was_answered_is_not_taken_for_what_is_asked() -> None:
    turns = (Message("user", "Hello"), Message("assistant", "Analyse, compare, derive: ask me."), Message("user", "Hi"))
    assert read(turns).intent == "chat"


def test_pictures_tables_and_schemas_make_a_question_harder() -> None:
    plain = read((Message("user", "What is this?"),))
    shown = read((Message("user", "What is this?", pictures=(Picture("image/png", b"", 1, 1),)),))
    table = "What stands out?\n" + "\n".join(f"| {row} | {row * 2} |" for row in range(12))
    assert (plain.complexity, shown.complexity, ask(table).complexity) == ("low", "medium", "medium")
    assert read((Message("user", "List both dates"),), has_schema=True).features != ask("List both dates").features


@pytest.mark.parametrize("task", TASKS)
def test_the_workbenchs_own_tasks_are_known_and_nothing_is_read_of_them(task: str) -> None:
    reading = read((Message("user", "Derive, compare and optimise everything, step by step."),), task=task)
    assert (reading.intent, reading.complexity) == TASKS[task]
    assert reading.because == (f"the task {task}",)


@pytest.mark.parametrize("messages", [(), (Message("system", "Be kind."),)], ids=["none", "no question"])
def test_a_conversation_without_a_question_is_chat(messages: tuple[Message, ...]) -> None:
    assert (read(messages).intent, read(messages).complexity) == ("chat", "low")


@given(st.text(max_size=3 * MOST_READ), st.text(max_size=100))
def test_any_text_is_read_and_the_same_text_alike(text: str, before: str) -> None:
    first, again = ask(text, before), ask(text, before)
    assert first == again
    assert first.intent in INTENTS
    assert first.complexity in ("low", "medium", "high")


def _long() -> Iterator[str]:
    yield "Compare AAPL and MSFT, and say why. " * 250
    yield "What is it? " + "The company 1,234.5 said | it | would.\n" * 250
    yield "a " * 4_000
    yield "((" * 4_000
    yield "'" * 8_000
    yield "? " * 4_000
    yield "Ä: " * 3_000


@pytest.mark.parametrize("text", [text[:8_000] for text in _long()], ids=lambda text: repr(text[:12]))
def test_eight_thousand_characters_are_read_in_a_moment(text: str) -> None:
    """The quickest of many, ten times the goal: others use this machine too. `make bench` measures it."""
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        ask(text)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 10 * MOST_S
