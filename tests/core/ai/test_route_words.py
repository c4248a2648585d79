"""Why a model answered, as its reader is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.ai.route_words import route_words
from core.ai.router import AUTO, BY_NAME, Candidate, Route

REASON = "analysis, medium; cheapest healthy standard model; 3 others considered"


def _candidate(name: str, key: tuple[str, bool] | None = None) -> Candidate:
    held = None if key is None else SimpleNamespace(last_four=key[0], is_shared=key[1])
    return cast(Candidate, SimpleNamespace(model=SimpleNamespace(id=name, label=name.upper()), key=held))


@pytest.mark.parametrize(
    ("asked_for", "reason", "answered", "words"),
    [
        (AUTO, REASON, _candidate("one"), f"Auto: {REASON}"),
        ("one", BY_NAME, _candidate("one"), ""),
        ("one", "your organisation's default", _candidate("one"), "Your organisation's default"),
        (AUTO, REASON, _candidate("two"), f"Auto: {REASON}; answered by TWO after ONE did not answer"),
        (AUTO, REASON, _candidate("up"), f"Auto: {REASON}; answered by UP, as ONE gave no usable answer"),
        ("one", BY_NAME, _candidate("one", ("abcd", False)), "Your key …abcd, no credits"),
        ("one", BY_NAME, _candidate("one", ("abcd", True)), "Your organisation's key …abcd, no credits"),
    ],
    ids=["auto", "by-name", "default", "fallback", "escalation", "own-key", "shared-key"],
)
def test_a_route_is_told_in_a_sentence(asked_for: str, reason: str, answered: Any, words: str) -> None:
    route = Route((_candidate("one"), _candidate("two")), reason, 4, escalation=_candidate("up"))
    assert route_words(route, asked_for, answered) == words
