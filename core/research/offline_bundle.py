"""The answers of the offline provider for bundles, by rule: headlines are counted, and their tone is the lexicon's.

What is answered says so: no model was asked, and nothing was read but what the facts of the request hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.ai.providers.contract import ChatRequest
from core.market.sentiment import THRESHOLD
from core.research.bundle import PARTS, PartName
from core.research.bundle_calls import SCHEMAS, facts_of

LABEL = "By rule, no model was asked:"


def answer(request: ChatRequest) -> str | None:
    """The rule's answer as JSON; None where the conversation does not ask for a part of a bundle."""
    facts = facts_of(request.messages)
    part = None if facts is None else next((each for each in PARTS if each == facts.get("part")), None)
    if facts is None or part is None or dict(request.json_schema or {}) != SCHEMAS[part]:
        return None
    try:
        return json.dumps({"holdings": [_entry(part, holding) for holding in facts["holdings"]]})
    except (LookupError, TypeError, ValueError):  # facts that no bundle gave
        return None


def _entry(part: PartName, holding: Mapping[str, Any]) -> dict[str, str]:
    told = {"symbol": str(holding["symbol"]), "summary": f"{LABEL} {_WORDS[part](holding)}"}
    return {**told, "tone": _tone(float(holding["lexicon"]["score"]))} if part == "sentiment" else told


def _news(holding: Mapping[str, Any]) -> str:
    return f"{_counted(holding, 'headline')}, the newest of {holding['newest']}."


def _filings(holding: Mapping[str, Any]) -> str:
    return f"{_counted(holding, 'filing')}, the newest a {holding['form']} of {holding['newest']}."


def _sentiment(holding: Mapping[str, Any]) -> str:
    found = holding["lexicon"]
    words = ", ".join(map(str, found["words"]))
    counts = f"{found['positive']} positive, {found['negative']} negative and {found['neutral']} neutral headlines"
    return f"{counts} by the lexicon, mean score {float(found['score']):+.2f}{f'; words: {words}' if words else ''}."


def _tone(score: float) -> str:
    return "positive" if score >= THRESHOLD else "negative" if score <= -THRESHOLD else "neutral"


def _counted(holding: Mapping[str, Any], what: str) -> str:
    number = int(holding["items"])
    return f"{number} {what}{'' if number == 1 else 's'}"


_WORDS = {"news": _news, "filings": _filings, "sentiment": _sentiment}
