"""What is asked again of the same model, when, and how often; and what a call that ended without an answer is told.

Only what passes is asked again, before the first token: a limit, or a host that could not be reached or had a fault. A
time limit, a break and a rejected request are not: the provider may have worked on it, and bill it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from core.ai.attempts import Attempt
from core.errors import ProviderBroke, ProviderError, ProviderRateLimited, ProviderTimeout, ProviderUnavailable


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
        error = attempt.error
        if attempt.deltas or attempt.cut is not None or not isinstance(error, _PASSING):
            return None
        told_s = error.retry_after_s or 0.0
        if told_s > self.longest_pause_s:
            return None
        longest_s = self.first_pause_s if told_s else min(self.longest_pause_s, self.first_pause_s * 2 ** (tries - 1))
        return told_s + random.uniform(0, longest_s)


_PASSING = (ProviderRateLimited, ProviderUnavailable)


def time_limit_error(last: Attempt, reason: str) -> ProviderError:
    """What is told of a call that we ended ourselves, and that costs nothing."""
    provider = last.candidate.provider.name
    if reason == "shutdown":
        return ProviderUnavailable("The workbench was restarted; ask again. It cost you nothing.", provider=provider)
    if last.deltas:
        return ProviderBroke("The model stopped in the middle of its answer. It cost you nothing.", provider=provider)
    return ProviderTimeout("The model did not begin to answer in time. It cost you nothing.", provider=provider)
