"""What one try at one candidate brought, and what it is counted and billed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.ai.answer import Question
from core.ai.bounds import estimated_usage, has_counted_text, worst_case_usd
from core.ai.estimate import NO_USAGE, usage_flaw
from core.ai.providers.contract import Finish, Message, TokenUsage, ToolCall, ToolSpec
from core.ai.router import Candidate, Route
from core.errors import AssayError, ProviderTimeout
from core.ids import new_id

CUT_REASONS = frozenset({"client", "total"})
"""Why we closed a stream ourselves so that what came is charged; any other end is the provider's fault and free."""

TIME_LIMITS = frozenset({"first_token", "gap", "total"})
"""Why we closed a stream ourselves that took too long."""
TIMED_OUT = "provider_timeout"
"""The code of an attempt that took longer than our limits."""


@dataclass(slots=True)
class Attempt:
    """What one try at one candidate brought."""

    candidate: Candidate
    messages: tuple[Message, ...]
    """What was asked."""
    started: float
    tools: tuple[ToolSpec, ...] = ()
    """What the model was offered to have done."""
    sent: tuple[Message, ...] = ()
    """The messages as they left: with what is private hidden."""
    text: str = ""
    deltas: int = 0
    first_token_s: float | None = None
    finish: Finish | None = None
    reported: TokenUsage | None = None
    error: AssayError | None = None
    is_open: bool = False
    """Whether the request was sent, so that the provider may bill its input."""
    cut: str | None = None
    """Why we closed it ourselves: client, shutdown, or a time limit: first_token, gap, total."""
    ended: float = 0.0

    @property
    def shown(self) -> tuple[Message, ...]:
        """What the model was shown."""
        return self.sent or self.messages

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """What the model asked to have done."""
        return self.finish.calls if self.finish is not None else ()

    @property
    def status(self) -> str:
        """How it ended, for the log."""
        if self.error is None and self.finish is not None:
            return "success"
        if self.cut in CUT_REASONS and self.is_open:
            return "cut"
        return "broken" if self.deltas and self.finish is None else "failed"


@dataclass(frozen=True, slots=True)
class Counted:
    """The tokens that an attempt is priced by."""

    usage: TokenUsage
    is_estimated: bool
    quarantine: str | None
    charge_usd: Decimal
    """What these tokens cost at the attempt's price: what a user is charged for it."""
    cost_usd: Decimal
    """What the log takes the provider to bill: the same, or the worst case where tokens may be hidden from us."""


def counted(attempt: Attempt, question: Question) -> Counted:
    """The provider's count where it can be believed, our conservative estimate where not."""
    model, price = attempt.candidate.model, attempt.candidate.price
    if attempt.finish is None and attempt.deltas == 0 and not (attempt.is_open and attempt.cut == "client"):
        return Counted(TokenUsage(0, 0), False, None, Decimal(0), Decimal(0))
    has_text = has_counted_text(question, attempt.text, attempt.calls)
    windows = len(attempt.messages) if question.is_embedding else 1  # its texts are each read by themselves
    flaw = usage_flaw(attempt.reported, windows * model.context_window, has_text=has_text)
    if attempt.reported is not None and flaw is None:
        cost_usd = price.cost(attempt.reported)
        return Counted(attempt.reported, False, None, cost_usd, cost_usd)
    usage = estimated_usage(
        question, attempt.shown, attempt.tools, attempt.text, deltas=attempt.deltas, calls=attempt.calls
    )
    charge_usd = cost_usd = price.cost(usage)
    if attempt.finish is None and "reasoning" in model.capabilities:  # it may have thought more than it said
        cost_usd = max(charge_usd, worst_case_usd(question, price, usage.prompt_tokens))
    return Counted(usage, True, flaw if flaw != NO_USAGE else None, charge_usd, cost_usd)


def summed(counts: Sequence[Counted]) -> Counted:
    """What the attempts cost together of which one answer was made, each at its own model's price."""
    if len(counts) == 1:
        return counts[0]
    usages = [count.usage for count in counts]
    return Counted(
        usage=TokenUsage(
            sum(usage.prompt_tokens for usage in usages),
            sum(usage.completion_tokens for usage in usages),
            sum(usage.cached_prompt_tokens for usage in usages),
            sum(usage.cache_write_prompt_tokens for usage in usages),
            sum(usage.audio_s for usage in usages),
        ),
        is_estimated=any(count.is_estimated for count in counts),
        quarantine=next((count.quarantine for count in counts if count.quarantine), None),
        charge_usd=sum((count.charge_usd for count in counts), Decimal(0)),
        cost_usd=sum((count.cost_usd for count in counts), Decimal(0)),
    )


def attempt_row(number: int, attempt: Attempt, question: Question) -> dict[str, object]:
    """The attempt as it is logged."""
    count = counted(attempt, question)
    return {
        "id": new_id(),
        "number": number,
        "provider": attempt.candidate.provider.name,
        "model": attempt.candidate.model.id,
        "price_version": attempt.candidate.price.version,
        "status": attempt.status,
        "error_code": _logged_code(attempt),
        "prompt_tokens": count.usage.prompt_tokens,
        "completion_tokens": count.usage.completion_tokens,
        "cached_prompt_tokens": count.usage.cached_prompt_tokens,
        "estimated": count.is_estimated,
        "cost_usd": count.cost_usd,
        "latency_ms": milliseconds(attempt.ended - attempt.started),
    }


def _logged_code(attempt: Attempt) -> str | None:
    """What an attempt failed of; users are told of a time-out as of any failure, those who look after it apart."""
    if isinstance(attempt.error, ProviderTimeout) or (attempt.finish is None and attempt.cut in TIME_LIMITS):
        return TIMED_OUT
    return attempt.error.problem_code if attempt.error else None


def usage_row(
    made_of: Sequence[Attempt], count: Counted, question: Question, route: Route, *, since: float
) -> dict[str, object]:
    """The request as it is logged, by the last of the attempts that it was made of.

    `since` is the monotonic second at which it began.
    """
    first, last = made_of[0], made_of[-1]
    return {
        "channel": question.channel,
        "provider": last.candidate.provider.name,
        "model": last.candidate.model.id,
        "price_version": last.candidate.price.version,
        "prompt_tokens": count.usage.prompt_tokens,
        "completion_tokens": count.usage.completion_tokens,
        "cached_prompt_tokens": count.usage.cached_prompt_tokens,
        "estimated": count.is_estimated,
        "quarantine": count.quarantine,
        "latency_ms": milliseconds(last.ended - since),
        "first_token_ms": None if first.first_token_s is None else milliseconds(first.first_token_s),
        "intent": route.intent,
        "complexity": route.complexity,
        "prompt_version": question.prompt_version or None,
        "experiment_id": None if question.experiment_id is None else str(question.experiment_id),
        "arm": question.arm,
    }


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never negative."""
    return max(0, round(1000 * seconds))
