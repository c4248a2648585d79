"""A question on its way through the gateway, and what is free of it: an answer of the cache, and its row in the log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from core.ai.answer import Answer, Question, Save
from core.ai.cache import Hit, Scope
from core.ai.providers.contract import TokenUsage
from core.ai.router import Route
from core.ai.screening import Screen
from core.metering.plans import Plan
from core.metering.usage_log import FreeRow
from core.principal import Principal


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way through the gateway."""

    principal: Principal
    question: Question
    plan: Plan
    route: Route
    request_id: UUID
    scope: Scope
    key: bytes
    """Its name in the cache."""
    save: Save
    follows_until: float
    """Monotonic second after which it waits for no other request any more."""
    screen: Screen | None

    @property
    def flight_key(self) -> bytes | None:
        """Its name among the questions under way; None for one that is asked again on purpose."""
        if self.question.skips_cache:
            return None
        return hashlib.sha256(str(self.scope).encode() + b"\0" + self.key).digest()


def kept_for(question: Question, route: Route, screen: Screen | None) -> Question:
    """The question as its answer may be kept: where something is hidden it is its asker's alone, and what an own key
    pays for is never public."""
    if question.is_public:
        return question if route.candidates[0].key is None else replace(question, is_public=False)
    has_secrets = screen is not None and not screen.vault.is_empty
    return replace(question, is_private=True) if has_secrets else question


def scope_of(principal: Principal, question: Question) -> Scope:
    """Who may be served the answer."""
    if question.is_public:
        return Scope(None)
    return Scope(principal.org_id, principal.user_id if question.is_private else None)


def answer_of(hit: Hit, asked: Asked) -> Answer:
    """What the cache has, as an answer to this question."""
    found = hit.answer
    return Answer(
        text=found.text,
        state="complete",
        model=found.model,
        provider=found.provider,
        is_offline=found.is_offline,
        is_cached=True,
        finish_reason=found.finish_reason,
        usage=TokenUsage(found.prompt_tokens, found.completion_tokens),
        is_estimated=False,
        cost_usd=Decimal(0),
        saved_usd=found.cost_usd,
        price_version=found.price_version,
        route_reason="answered from the cache",
        considered=0,
        request_id=asked.request_id,
        plan=asked.plan.name,
        latency_ms=0,
        evidence=found.evidence,
    )


def free_row(asked: Asked, status: str, provider: str, model: str) -> FreeRow:
    """The row in the log of a question that cost nothing."""
    return FreeRow(
        asked.principal,
        asked.question.channel,
        status,
        asked.question.feature,
        provider,
        model,
        asked.request_id,
        asked.question.conversation_id,
        TokenUsage(0, 0),
    )
