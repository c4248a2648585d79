"""How models and their providers fare: which are asked, which rest, and which are found out about by one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """How a model fares, its provider's troubles included."""

    state: State = "closed"
    """`open`: it rests, or asked us to wait; `half_open`: the next call finds out whether it answers again."""
    wait_s: float | None = None
    """Of an open one: seconds until it is asked again."""
    first_token_ms: int | None = None
    """Of its latest answers, a moving mean; None where none is known."""
    failures: int = 0
    """Since its last answer."""
    failure: str | None = None
    """Kind of its last failure: the name of an error class."""


HEALTHY = ModelHealth()


class Health:
    """How every model fares, all processes together."""

    def of(self, provider: str, model: str, *, own_key: bool = False) -> ModelHealth:
        """How a model fares, by its provider's name and its id; from memory. On an own key it does not matter whether
        the platform's is limited or refused."""
        del provider, model, own_key
        return HEALTHY
