"""The guards: what they take on a text of 8,000 characters, and what of the attack and benign sets they catch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from core.ai.answer import Question
from core.ai.guards.guards import Guards, GuardsParts
from core.ai.guards.injection import DEFANGED_FROM, REFUSED_FROM, score
from core.ai.guards.moderation import moderated
from core.ai.guards.personal import found_in
from core.ai.providers.contract import Message
from core.metering.plans import load_plans
from core.principal import Principal, Role
from core.settings import DATA, ROOT
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.core.ai.guards.texts import FRESH, HALVES, attacks, benign, benign_texts, planted

CHARS = 8_000
TIMES, WARM_UP = 300, 20
PIECE_CHARS = 12
"""Of an answer, as providers send it."""
Each = TypeVar("Each")
USUAL = ("prose", "table")
GOAL = (Goal("p50", 5.0), Goal("p95", 5.0))
ASKER = Principal(UUID(int=1), UUID(int=2), Role.ANALYST, "team", "session", "UTC", "ann@test.example", "Ann", "Acme")


def all_figures(ground: Ground) -> list[Figure]:
    """Times, then shares in percent."""
    return [*_times(ground.repetitions(TIMES)), *_shares()]


def _times(number: int) -> Iterator[Figure]:
    guards = Guards(GuardsParts(20_000, canary_key=b"k" * 32))
    plan = load_plans(DATA / "plans.yaml").get("team")
    texts = _texts()

    def asks(text: str) -> None:
        question = Question((Message("system", "You help."), Message("user", text)))
        vault = guards.check(ASKER, plan, question)
        guards.outgoing(vault, ASKER, question.messages, is_local=False)

    def answers(text: str) -> None:
        question = Question((Message("user", "Hi?"),))
        flow = guards.incoming(guards.check(ASKER, plan, question), ASKER)
        for at in range(0, CHARS, PIECE_CHARS):
            flow.push(text[at : at + PIECE_CHARS])
        flow.flush()

    note = f"a question of {CHARS:,} characters: form, limits, orders, moderation, personal data, secrets, canary"
    for name, text in texts.items():
        goals = GOAL if name in USUAL else ()
        yield figure(f"guards, {name}", _timed(asks, text, number), goals=goals, note=note)
    note = f"an answer of {CHARS:,} characters in pieces of {PIECE_CHARS}: all pieces together"
    yield figure("guards, on the way back", _timed(answers, texts["prose"], number), goals=GOAL, note=note)


def _texts() -> dict[str, str]:
    """Prose of finance, a pasted table, and the worst there is: nothing but near misses and personal data."""
    prose = (ROOT / "docs" / "screener.md").read_text("utf-8")
    rows = [
        f"2024-{at % 12 + 1:02d}-{at % 28 + 1:02d},187.{at:03d},{82_488_700 + 977 * at},US0378331005,AAPL"
        for at in range(200)
    ]
    mixed = "\n".join([*(each.text for each in planted()), *benign_texts()])
    return {"prose": prose[:CHARS], "table": "\n".join(rows)[:CHARS], "near misses and keys alone": mixed[:CHARS]}


def _timed(step: Callable[[str], None], text: str, number: int) -> Sequence[float]:
    taken = []
    for _ in range(number + WARM_UP):
        begun = time.perf_counter()
        step(text)
        taken.append(1000 * (time.perf_counter() - begun))
    return taken[WARM_UP:]


def _shares() -> Iterator[Figure]:
    for kind in attacks()["open"]:
        shares = [_share(attacks()[half][kind], partial(_is_caught, kind)) for half in HALVES]
        counts = ", ".join(f"{len(attacks()[half][kind])} {half.replace('_', ' ')}" for half in HALVES)
        yield figure(f"attacks caught: {kind}", shares, unit="%", note=f"the worse and the better half; {counts}")
    fresh = [(kind, text) for kind, texts in attacks()[FRESH].items() for text in texts]
    note = f"of {len(fresh)} paraphrases that were written after the rules, which were never changed for them"
    yield figure("attacks caught: fresh", [_share(fresh, lambda each: _is_caught(*each))], unit="%", note=note)
    for half in HALVES:
        texts = [text for each in benign()[half].values() for text in each]
        note = f"of {len(texts)} benign texts, the half {half.replace('_', ' ')}"
        yield figure("refused by mistake", [_share(texts, _is_refused)], unit="%", note=note)
        changed = _share(texts, lambda text: bool(found_in(text)))
        yield figure("changed by mistake", [changed], unit="%", note=note)
    found = [
        (set(each.found), {(span.kind, each.text[span.start : span.end]) for span in found_in(each.text)})
        for each in planted()
    ]
    right = sum(len(wanted & got) for wanted, got in found)
    recall, precision = right / sum(len(wanted) for wanted, _ in found), right / sum(len(got) for _, got in found)
    note = f"of {sum(len(wanted) for wanted, _ in found)} planted"
    yield figure("personal data and secrets: recall", [100 * recall], unit="%", note=note)
    yield figure("personal data and secrets: precision", [100 * precision], unit="%", note=note)


def _is_caught(kind: str, text: str) -> bool:
    if kind == "moderation":
        return moderated(text).is_refused
    return score(text, is_outside=True) >= DEFANGED_FROM if kind == "outside" else score(text) >= REFUSED_FROM


def _is_refused(text: str) -> bool:
    return score(text) >= REFUSED_FROM or moderated(text).is_refused


def _share(texts: Sequence[Each], claim: Callable[[Each], bool]) -> float:
    return 100 * sum(map(claim, texts)) / len(texts)
