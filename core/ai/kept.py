"""What remains of an answer when it is settled: an entry of the cache, and the answer to a repeat of its request."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import PydanticSerializationError

from core.ai.answer import Answer
from core.ai.cache import MAX_ENTRY_CHARS, AnswerCache, Scope
from core.ai.evidence import Evidence
from core.ai.providers.contract import TokenUsage
from core.errors import place_of
from core.metering.repeats import Idempotency, KeptAnswer

if TYPE_CHECKING:
    from core.ai.call import Call

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer that a request with the same Idempotency-Key was given before."""

    answer: Answer
    context: Mapping[str, str]
    """What its route kept beside it."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Under which names the answer of one call is kept."""

    cache: AnswerCache
    scope: Scope
    key: bytes
    task: str
    is_flight: bool
    """Whether other requests may wait for this call's answer."""
    idempotency: Idempotency | None
    on_end: Callable[[Call], None]

    def entry(self, answer: Answer) -> dict[str, Any] | None:
        """What the cache keeps of an answer; None where it keeps nothing."""
        return self.cache.entry(self.scope, self.key, self.task, answer)

    def repeatable(self, answer: Answer) -> dict[str, Any] | None:
        """What a repeat of the request gets; None where it brought no key."""
        if self.idempotency is None:
            return None
        kept = {name: getattr(answer, name) for name in _KEPT}
        tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.cached_prompt_tokens)
        evidence = None if answer.evidence is None else json.loads(answer.evidence.model_dump_json())
        told = {**kept, "tokens": tokens, "evidence": evidence, "credits": str(answer.credits)}
        return {"answer": told, "context": dict(self.idempotency.context)}

    def call_ended(self, call: Call) -> None:
        """Takes note that nobody can join the call any more."""
        self.on_end(call)


def replayed(kept: KeptAnswer) -> Replay:
    """The answer as it was given."""
    told = kept.value["answer"]
    prompt, completion, cached = told["tokens"]
    evidence = told.get("evidence")
    answer = Answer(
        **{name: told[name] for name in _KEPT if name != "request_id" and name in told},
        request_id=UUID(told["request_id"]),
        is_cached=False,
        usage=TokenUsage(prompt, completion, cached),
        cost_usd=Decimal(kept.value["charged_usd"]),
        credits=Decimal(told.get("credits", 0)),
        evidence=None if evidence is None else Evidence.model_validate(evidence),
    )
    return Replay(answer, kept.value["context"])


def storable(evidence: Evidence) -> Evidence:
    """The evidence as a database takes it: no NUL in a text, and no more of it than an entry of the cache may be.

    What cannot be written is left out, and a note says so.
    """
    try:
        written = evidence.model_dump_json()
    except PydanticSerializationError as error:
        _log.error("What an answer rests on could not be written: %s.", place_of(error))
        return Evidence(marks=evidence.marks, notes=(*evidence.notes, _LEFT_OUT), keep_s=0.0)
    if len(written) > MAX_ENTRY_CHARS:
        steps = tuple(step.model_copy(update={"table": None, "chart": None}) for step in evidence.steps)
        smaller = {"figures": (), "steps": steps, "notes": (*evidence.notes, _LEFT_OUT)}
        evidence = evidence.model_copy(update=smaller)
        written = evidence.model_dump_json()
    return Evidence.model_validate_json(written.replace("\\u0000", "\\ufffd")) if "\\u0000" in written else evidence


_LEFT_OUT = "What the steps returned was too long to be kept whole beside this answer."
_KEPT = (
    "text",
    "state",
    "model",
    "provider",
    "is_offline",
    "finish_reason",
    "is_estimated",
    "route_reason",
    "considered",
    "request_id",
    "plan",
    "latency_ms",
    "price_version",
)
"""Fields of an answer that are kept as they are."""
