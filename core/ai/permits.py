"""Leave to ask models, as one request gets it, and what it says of their health afterwards."""

from __future__ import annotations

from dataclasses import replace

from core.ai.attempts import Attempt
from core.ai.health import Health, Permit, resting
from core.ai.router import Candidate
from core.errors import ProviderError, ProviderTimeout, ProviderUnavailable, UnusableAnswer


class Permits:
    """The permits of one request: one at a time is in use, until it was said what came of it."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._used: Permit | None = None
        self._resting: list[Candidate] = []
        """Candidates that were not asked because they rest."""

    def to_ask(self, candidate: Candidate) -> Permit | None:
        """Leave to ask a candidate; None where it rests."""
        if candidate.provider.is_offline:
            return Permit(candidate.provider.name, candidate.model.id, is_told=False)
        own_key = candidate.key is not None
        permit = self._health.admit(candidate.provider.name, candidate.model.id, own_key=own_key)
        if permit is None:
            self._resting.append(candidate)
        return permit

    def nobody(self) -> ProviderError:
        """What is told where no candidate was asked: of those that rest, the one that rests for the shortest time."""
        health = [
            (one.provider.name, self._health.of(one.provider.name, one.model.id, own_key=one.key is not None))
            for one in self._resting
        ]
        if not health:
            return ProviderUnavailable("No model could be asked. Try again, or choose another model.", provider="")
        return resting(*min(health, key=lambda pair: pair[1].wait_s or 0.0))

    def use(self, permit: Permit) -> None:
        """The model of this permit is asked from now on."""
        self._used = permit

    def answers(self, first_token_s: float | None) -> None:
        """A model that was being found out about answers: others need not wait for the end."""
        permit = self._used
        if permit is not None and permit.probes:
            self._health.answered(permit, first_token_s)
            self._used = replace(permit, probes=frozenset())

    def tell(self, attempt: Attempt) -> None:
        """Says of the model what came of asking it."""
        permit, self._used = self._used, None
        if permit is None:
            return
        if attempt.finish is not None or isinstance(attempt.error, UnusableAnswer):
            self._health.answered(permit, attempt.first_token_s)
        elif attempt.cut in ("first_token", "gap"):
            self._health.failed(permit, ProviderTimeout("", provider=permit.provider))
        elif attempt.cut is not None or attempt.error is None:
            self._health.unknown(permit)
        else:
            self._health.failed(permit, attempt.error)

    def give_back(self) -> None:
        """Nothing is known of the model that was being asked, unless it was said already."""
        permit, self._used = self._used, None
        if permit is not None:
            self._health.unknown(permit)
