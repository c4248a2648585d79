"""The answers of the offline provider for bundles and details, by rule: counts, the lexicon's tone, and first words.

What is answered says so: no model was asked, and nothing was read but what the request holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.ai.providers.contract import ChatRequest
from core.market.sentiment import THRESHOLD
from core.research.bundle import PARTS, PartName
from core.research.bundle_calls import SCHEMAS, facts_of, outside_of

LABEL = "By rule, no model was asked:"
MOST_WORDS_CHARS = 200
"""Of a passage."""


def answer(request: ChatRequest) -> str | None:
    """The rule's answer; None where the conversation asks neither for a part of a bundle nor for a detail."""
    facts = facts_of(request.messages)
    if facts is None:
        return None
    part = next((each for each in PARTS if each == facts.get("part")), None)
    try:
        if part is not None and dict(request.json_schema or {}) == SCHEMAS[part]:
            return json.dumps({"holdings": [_entry(part, holding) for holding in facts["holdings"]]})
        tells = _DETAILS.get(str(facts.get("detail")))
        return None if tells is None else f"{LABEL} {tells(facts, outside_of(request.messages))}"
    except (LookupError, TypeError, ValueError):  # facts that nothing here gave
        return None


def _news_detail(facts: Mapping[str, Any], outside: Mapping[str, Any]) -> str:
    others = len(outside["others"])
    return (
        f"{outside['headline']} ({outside['publisher']}, {str(facts['published'])[:10]}). {outside['summary']} "
        f"{others} other headline{'' if others == 1 else 's'} on the company are known."
    )


def _filing_detail(facts: Mapping[str, Any], outside: Mapping[str, Any]) -> str:
    told = [
        f"- {'Item ' + passage['item'] if passage['item'] else 'Beginning'}: {_first_words(passage['text'])}"
        for passage in outside["passages"]
    ]
    return "\n".join([f"the filing begins with these words, item by item ({outside['description']}).", *told])


def _profile(facts: Mapping[str, Any], outside: Mapping[str, Any]) -> str:
    sector = f" ({facts['sector']})" if facts.get("sector") else ""
    industry = f" Industry: {outside['industry']}." if outside["industry"] else ""
    told = f"{facts['report']}: {_first_words(outside['business'])}" if facts.get("report") else str(facts["missing"])
    return f"{facts['name']}{sector}.{industry} {told}"


def _first_words(text: str) -> str:
    return text if len(text) <= MOST_WORDS_CHARS else f"{text[:MOST_WORDS_CHARS].rsplit(' ', 1)[0]} …"


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
_DETAILS = {"news_detail": _news_detail, "filing_detail": _filing_detail, "company_profile": _profile}
