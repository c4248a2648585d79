"""The verdict without a live model: a rule that reads the signal's own record, and says that no model was asked.

BUY or SELL in the signal's direction where the lower end of the hit rate's interval over 20 sessions is above the base
rate, AVOID where its upper end is below it, and HOLD where neither is so or the record is too short. The confidence is
the hit rate drawn towards the base rate, which the screener shows as the signal's own; for AVOID, what that leaves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from core.ai.providers.contract import ChatRequest
from core.screener.records import CONFIDENCE_HORIZON, MINIMUM_N
from core.verdicts.answer import SCHEMA, Decision
from core.verdicts.prompting import facts_of

LABEL = "Offline rule: by the signal's own record; no model was asked."
NO_RECORD = "no record: the offline rule has nothing to go by"
UNDECIDED = 0.5
"""The confidence where there is no record to take one from."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What the rule reads of the facts."""

    n: int
    hit_rate: float
    low: float
    high: float
    base_rate: float
    confidence: float
    """The hit rate drawn towards the base rate."""


def answer(request: ChatRequest) -> str | None:
    """The rule's validation as JSON; None where the request does not ask for one."""
    schema = request.json_schema
    facts = facts_of(request.messages) if schema is not None and dict(schema) == dict(SCHEMA) else None
    try:
        return None if facts is None else _ruled(facts)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):  # facts that no snapshot gave
        return None


def _ruled(facts: Mapping[str, Any]) -> str:
    record = _record(facts)
    if record is None:
        return _written("HOLD", UNDECIDED, f"{LABEL} There is {NO_RECORD}.", [], facts)
    verdict = _verdict(record, facts["signal"]["direction"])
    confidence = 1 - record.confidence if verdict == "AVOID" else record.confidence
    return _written(verdict, confidence, f"{LABEL} {_reasoning(record)}", _risks(facts), facts)


def _record(facts: Mapping[str, Any]) -> _Record | None:
    """The type's record on the universe; None where it is missing or too short for a confidence."""
    figures = (facts.get("record") or {}).get("figures", [])
    over = next((each for each in figures if each["sessions"] == CONFIDENCE_HORIZON), None)
    if over is None or over["n"] < MINIMUM_N:
        return None
    read = [over["hit_rate"], over["low"], over["high"], over["base_rate"], facts["signal"]["confidence"]]
    return None if None in read else _Record(over["n"], *read)


def _verdict(record: _Record, direction: str) -> Decision:
    if record.low > record.base_rate:
        return "BUY" if direction == "bullish" else "SELL"
    return "AVOID" if record.high < record.base_rate else "HOLD"


def _reasoning(record: _Record) -> str:
    return (
        f"Of {record.n} earlier signals of its type {_percent(record.hit_rate)} were right over {CONFIDENCE_HORIZON} "
        f"sessions, with a Wilson interval from {_percent(record.low)} to {_percent(record.high)}; "
        f"of all entries {_percent(record.base_rate)} moved that way."
    )


def _risks(facts: Mapping[str, Any]) -> list[str]:
    risks = ["Records are before costs and taxes, and signals of one day share most of their outcome."]
    if facts.get("is_generated"):
        risks.append("The bars are generated and of no real company.")
    return risks


def _written(verdict: Decision, confidence: float, reasoning: str, risks: list[str], facts: Mapping[str, Any]) -> str:
    levels = facts["levels"]
    named = {name: levels[name] for name in ("entry", "stop", "target") if levels[name] is not None}
    told = ", ".join(f"{name} {Decimal(str(value)):f}" for name, value in named.items())
    return json.dumps(
        {
            "verdict": verdict,
            "confidence": round(confidence, 4),
            "reasoning": reasoning,
            "risk_factors": risks,
            "entry_suggestion": f"The signal's own levels: {told}." if told else "",
        }
    )


def _percent(share: float) -> str:
    return f"{(Decimal(str(share)) * 100).quantize(Decimal('0.1'), ROUND_HALF_UP)}%"
