"""What a request wants and how hard it is, read from features that can be named: no model is asked, nothing is kept.

The last question of a conversation is looked at: what is asked in it, apart from a text that is only pasted in. Each
intent gathers the weights of the words and phrases that speak for it (`intent_words.py`), each feature of difficulty
its points; both are told with the result. The thresholds were chosen on `tests/eval/routing/development.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from core.ai.intent_words import HARD, PHRASES, SCOPE, STEPS, WORDS
from core.ai.providers.contract import Message

Intent = Literal["code", "sentiment", "summary", "extraction", "web", "analysis", "chat"]
"""Of two that are as likely, the first is taken."""
Complexity = Literal["low", "medium", "high"]
INTENTS: tuple[Intent, ...] = get_args(Intent)
MOST_READ = 1_000
"""Characters of a question that are read for words: half from its beginning, half from its end."""
LEAD_CHARS = 60
"""Characters in which a question's first words stand, which count more."""
LEAD_FACTOR = 1.5
MOST_HEAD, LEAST_PASTED = 160, 30
"""Longest instruction before a text that is pasted behind it, and the least length of such a text."""
LEAST_SAID = 1.0
"""With less for every intent it is taken for chat, or for what the question before was."""
MEDIUM_FROM, HIGH_FROM = 1.0, 5.0
"""Points of complexity."""
TASKS: dict[str, tuple[Intent, Complexity]] = {
    "signal_validation": ("analysis", "low"),
    "news": ("summary", "low"),
    "news_detail": ("summary", "low"),
    "sentiment": ("sentiment", "low"),
    "filing_list": ("extraction", "low"),
    "filing_detail": ("summary", "medium"),
    "company_profile": ("summary", "low"),
}
"""What the workbench asks by itself, with a prompt of its own: nothing has to be read of it."""
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d[\d.,]*")
_CODE = re.compile(r"(?im)```|\w\(['\"\w]*\)?|[=!]=|^\s*(?:def|class|import|for|select)\s|[{};]\s*$|=[A-Z]+\(")
_PASTED = re.compile(r"[:?]\s+(?=[A-Z\d'\"“„«|{\[])")
"""Where an instruction ends and a text begins that is pasted behind it: a list of wishes goes on in small letters."""
_QUOTED = re.compile(r"(?:(?<=\s)|^)['\"“„«][^'\"”«»]{15,}['\"”»](?=[\s.,;?!)]|$)")
_CODE_SIGNS = ("(", "{", "}", ";", "=", "`", "def ", "class ", "import ", "select ")
"""Without any of these there is no code, and it need not be looked for."""
_JOINING = ("and", "und", "et")


@dataclass(frozen=True, slots=True)
class Features:
    """What is counted of a request."""

    chars: int
    """Of the last question, a pasted text included."""
    words: int
    """Of what is asked in it."""
    pasted_chars: int
    """Of a text that the question is about and that came with it."""
    questions: int
    """Question marks."""
    clauses: int
    """Commas, semicolons and "and" in what is asked."""
    steps: int
    """Different verbs that each ask for a step."""
    hard: int
    """Different words of tasks that take thought."""
    scope: int
    """Different words that widen the task."""
    numbers: int
    table_rows: int
    has_code: bool
    pictures: int
    turns: int
    """Questions before it in the conversation."""
    has_tools: bool
    has_schema: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request was taken for."""

    intent: Intent
    complexity: Complexity
    features: Features | None = None
    """None where nothing had to be read."""
    because: tuple[str, ...] = ()
    """What decided, in words."""


def read(
    messages: Sequence[Message], *, has_tools: bool = False, has_schema: bool = False, task: str = "chat"
) -> Reading:
    """The intent and complexity of the last question of a conversation.

    `has_schema` is whether the answer has to follow one, `task` the kind of task. The same input is always read alike.
    """
    known = TASKS.get(task)
    if known is not None:
        return Reading(*known, because=(f"the task {task}",))
    asked = [message for message in messages if message.role == "user"]
    if not asked:
        return Reading("chat", "low", because=("nothing is asked",))
    text = asked[-1].text
    instruction, pasted_chars = _instruction(text)
    lowered = instruction.lower()
    words = _WORD.findall(lowered)
    features = _features(text, instruction, words, pasted_chars, asked, has_tools=has_tools, has_schema=has_schema)
    intent, said = _intent(lowered, frozenset(words), features)
    if intent is None and len(asked) > 1:
        intent, said = _before(asked[-2].text)
    complexity, points = _complexity(features)
    return Reading(intent or "chat", complexity, features, (*said, *points))


def _instruction(text: str) -> tuple[str, int]:
    """What is asked in a question, and the length of the text that it is about and that came with it."""
    ends = _PASTED.search(text, 0, MOST_HEAD)
    if ends is not None and len(text) - ends.end() >= LEAST_PASTED:
        rest = text[ends.end() : ends.end() + MOST_READ]
        if "?" not in rest and _steps_in(rest) < 2:
            return text[: ends.end()], len(text) - ends.end()
    if len(text) > MOST_READ:
        return f"{text[: MOST_READ // 2]}\n{text[-MOST_READ // 2 :]}", len(text) - MOST_READ
    asked = _QUOTED.sub("", text)
    return asked, len(text) - len(asked)


def _has_code(text: str) -> bool:
    return any(map(text.lower().__contains__, _CODE_SIGNS)) and _CODE.search(text) is not None


def _steps_in(text: str) -> int:
    return len(STEPS.intersection(_WORD.findall(text.lower())))


def _features(
    text: str,
    instruction: str,
    words: Sequence[str],
    pasted_chars: int,
    asked: Sequence[Message],
    *,
    has_tools: bool,
    has_schema: bool,
) -> Features:
    known = frozenset(words)
    return Features(
        chars=len(text),
        words=len(words),
        pasted_chars=pasted_chars,
        questions=instruction.count("?"),
        clauses=instruction.count(",") + instruction.count(";") + sum(map(words.count, _JOINING)),
        steps=len(STEPS & known),
        hard=len(HARD & known),
        scope=len(SCOPE & known),
        numbers=len(_NUMBER.findall(instruction)),
        table_rows=min(text.count("\n"), max(text.count("|"), text.count("\t"), text.count(";\n")) // 2),
        has_code=_has_code(text[:MOST_READ]),
        pictures=len(asked[-1].pictures),
        turns=len(asked) - 1,
        has_tools=has_tools,
        has_schema=has_schema,
    )


def _intent(lowered: str, words: frozenset[str], features: Features) -> tuple[Intent | None, tuple[str, ...]]:
    """The likeliest intent and the words that say so; None where none is said."""
    scores = dict.fromkeys(INTENTS, 0.0)
    said: dict[Intent, list[str]] = {intent: [] for intent in INTENTS}
    lead = frozenset(_WORD.findall(lowered[:LEAD_CHARS]))
    for word in sorted(words & WORDS.keys()):
        for intent, weight in WORDS[word]:
            scores[intent] += weight * (LEAD_FACTOR if word in lead else 1.0)
            said[intent].append(word)
    for word in sorted(words & PHRASES.keys()):
        for phrase, intent, weight in PHRASES[word]:
            if phrase in lowered:
                scores[intent] += weight
                said[intent].append(phrase.strip())
    if features.has_code:
        scores["code"] += 2.5
        said["code"].append("code")
    if features.pasted_chars:
        scores["extraction"] += 1.5
        said["extraction"].append("a question about a text that came with it")
    best = max(INTENTS, key=lambda intent: scores[intent])
    if scores[best] < LEAST_SAID:
        return None, ()
    return best, tuple(said[best][:5])


def _before(text: str) -> tuple[Intent | None, tuple[str, ...]]:
    """What the question before wanted, to which one that says nothing of it goes on."""
    instruction, pasted_chars = _instruction(text)
    words = _WORD.findall(instruction.lower())
    features = _features(
        text, instruction, words, pasted_chars, [Message("user", text)], has_tools=False, has_schema=False
    )
    intent, _ = _intent(instruction.lower(), frozenset(words), features)
    return intent, () if intent is None else (f"goes on from {intent}",)


def _complexity(features: Features) -> tuple[Complexity, tuple[str, ...]]:
    points = {
        f"{features.words} words": min(4.0, max(0, features.words - 8) / 10),
        f"{features.clauses} clauses": min(3.0, features.clauses * 0.5),
        f"{features.questions} questions": min(2.0, max(0, features.questions - 1) * 0.75),
        f"{features.steps} steps": min(3.0, max(0, features.steps - 1) * 0.75),
        f"{features.hard} hard terms": min(4.0, features.hard * 1.5),
        f"{features.scope} words of scope": min(2.0, features.scope * 0.8),
        f"{features.numbers} numbers": min(1.0, max(0, features.numbers - 3) * 0.2),
        f"{features.pasted_chars} characters pasted": min(3.0, features.pasted_chars / 1_000),
        f"{features.table_rows} rows of a table": min(2.0, features.table_rows * 0.2),
        f"{features.pictures} pictures": min(2.0, features.pictures * 1.0),
        "a schema to follow": 0.5 if features.has_schema else 0.0,
        f"{features.turns} questions before": min(0.5, features.turns * 0.1),
    }
    total = sum(points.values())
    complexity: Complexity = "low" if total < MEDIUM_FROM else "medium" if total < HIGH_FROM else "high"
    decided = sorted((words for words, count in points.items() if count >= 0.5), key=lambda words: -points[words])
    return complexity, tuple(decided[:3])
