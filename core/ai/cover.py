"""What the hold of a request covers, in USD and in credits, and how it is made to cover more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from core.ai.answer import Question
from core.ai.attempts import Attempt, counted
from core.metering.meter import Hold, Meter
from core.metering.pricing import Billed, BillingFile


def billed(attempts: Sequence[Attempt], question: Question) -> list[Billed]:
    """What is charged for these attempts, each with its provider, whose margin it is charged at in credits."""
    return [(counted(attempt, question).charge_usd, attempt.candidate.provider.name) for attempt in attempts]


class Cover:
    """The hold of one request; used by the thread that runs it."""

    def __init__(self, meter: Meter, billing: BillingFile, hold: Hold, held_usd: Decimal) -> None:
        """`held_usd` is the worst case that the hold was taken for."""
        self._meter = meter
        self._billing = billing
        self._hold = hold
        self._held_usd = held_usd
        self._held_credits = hold.credits

    def credits_of(self, calls: Sequence[Billed]) -> Decimal:
        """What an answer made of these calls takes in credits; zero where the plan covers the request."""
        return self._billing.credits_of_all(calls) if self._hold.is_under_credits else Decimal(0)

    def covers(self, calls: Sequence[Billed]) -> bool:
        """Whether the hold covers calls that cost so much at most, or can be made to."""
        most_usd, most_credits = sum((usd for usd, _provider in calls), Decimal(0)), self.credits_of(calls)
        if most_usd <= self._held_usd and most_credits <= self._held_credits:
            return True
        held_usd, held_credits = max(most_usd, self._held_usd), max(most_credits, self._held_credits)
        if not self._meter.top_up(self._hold, held_usd, held_credits):
            return False
        self._held_usd, self._held_credits = held_usd, held_credits
        return True
