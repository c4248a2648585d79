"""What is asked again of the same model, when, and how often; and what a call that ended without an answer is told.

Only what passes is asked again, before the first token: a limit, or a host that could not be reached or had a fault. A
time limit, a break and a rejected request are not: the provider may have worked on it, and bill it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from core.ai.attempts import Attempt
from core.ai.providers.contract import Message
from core.errors import (
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
    UnusableAnswer,
)

REPAIR = "Your answer does not follow the JSON schema it was asked for. Answer again with nothing but JSON that does."


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a model is asked in a round, and how long is waited between."""

    tries: int = 3
    """Of a model that is the last to be asked."""
    tries_with_others: int = 2
    """Of one that others stand behind."""
    first_pause_s: float = 0.2
    """Longest pause before the second try; before each further one it may be twice as long."""
    longest_pause_s: float = 2.0
    """A provider that asks us to wait for longer is not waited for."""
    laps: int = 2
    """How often candidates are gone through where all of them failed."""
    waited_s: float = 5.0
    """Longest that one request waits in all its pauses together."""
    probe_s: float = 5.0
    """Longest wait for the first token of a model that is being found out about, where others stand behind it; three
    times as long as it took of late, where that is more."""

    def pause_s(self, attempt: Attempt, tries: int, random: Random) -> float | None:
        """How long to wait after so many tries; None where there is no further one.

        Anywhere from 0 to its longest (full jitter), so that callers do not march in step; on top of what the provider
        asks for.
        """
        if not passes(attempt):
            return None
        told_s = getattr(attempt.error, "retry_after_s", None) or 0.0
        if told_s > self.longest_pause_s:
            return None
        longest_s = self.first_pause_s if told_s else min(self.longest_pause_s, self.first_pause_s * 2 ** (tries - 1))
        return told_s + random.uniform(0, longest_s)

    def lap_pause_s(self, random: Random) -> float:
        """How long to wait before those are asked again that failed."""
        return random.uniform(0, 2 * self.first_pause_s)


def passes(attempt: Attempt) -> bool:
    """Whether its trouble passes, and the same may be asked again without being billed twice."""
    is_fresh = not attempt.deltas and attempt.cut is None
    return is_fresh and isinstance(attempt.error, ProviderRateLimited | ProviderUnavailable)


def time_limit_error(last: Attempt, reason: str) -> ProviderError:
    """What is told of a call that we ended ourselves, and that costs nothing."""
    provider = last.candidate.provider.name
    if reason == "shutdown":
        return ProviderUnavailable("The workbench was restarted; ask again. It cost you nothing.", provider=provider)
    if last.deltas:
        return ProviderBroke("The model stopped in the middle of its answer. It cost you nothing.", provider=provider)
    return ProviderTimeout("The model did not begin to answer in time. It cost you nothing.", provider=provider)


def repairing(messages: tuple[Message, ...], answer: str) -> tuple[Message, ...]:
    """What is asked after an answer that cannot be used."""
    return (*messages, Message("assistant", answer), Message("user", REPAIR))


def unusable(attempt: Attempt) -> UnusableAnswer:
    """What is told of an answer that cannot be used."""
    return UnusableAnswer(
        "The model's answer does not follow the schema, also after a repair. It cost you nothing.",
        provider=attempt.candidate.provider.name,
    )
