"""Which of several models is asked first: the class that fits, then what the answer is expected to cost and to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, Self

from core.ai.catalogue import Model, ModelClass
from core.ai.health import ModelHealth
from core.ai.intents import Complexity, Intent, Reading
from core.ai.prices import Price

MAX_CANDIDATES = 3
"""Models that `auto` asks one after the other; so many of local servers besides."""
CLASSES: tuple[ModelClass, ...] = ("economy", "standard", "frontier")
"""From the cheapest to the best."""
WANTED: dict[Intent, tuple[ModelClass, ModelClass, ModelClass]] = {
    "chat": ("economy", "economy", "standard"),
    "analysis": ("economy", "standard", "frontier"),
    "extraction": ("economy", "economy", "standard"),
    "summary": ("economy", "economy", "standard"),
    "sentiment": ("economy", "economy", "standard"),
    "code": ("economy", "standard", "frontier"),
    "web": ("economy", "economy", "standard"),
}
"""The class that answers an intent well enough, by its complexity: low, medium, high."""
ANSWER_TOKENS: dict[Intent, int] = {
    "chat": 250,
    "analysis": 600,
    "extraction": 300,
    "summary": 350,
    "sentiment": 120,
    "code": 700,
    "web": 350,
}
"""Tokens of a usual answer of medium complexity."""
COMPLEXITIES: tuple[Complexity, ...] = ("low", "medium", "high")
TIMES: dict[Complexity, float] = {"low": 0.5, "medium": 1.0, "high": 2.0}
"""How much longer or shorter an answer is than a usual one."""
HIDDEN_TOKENS: dict[Complexity, int] = {"low": 300, "medium": 800, "high": 2_500}
"""Tokens that a model thinks before it answers, where it reasons unasked; they are billed like those it says."""
ROOM_TO_REASON = 4_096
"""With fewer output tokens hidden reasoning may use up the answer's: then models that reason unasked come last."""
PROMPT_SHARE = 0.5
"""Of the bound for the hold, what a prompt really is: our bound counts two bytes a token, English has four."""
SLOW_MS = 6_000
"""A model whose first token takes this long or longer counts as the slowest."""
ROUGHLY = 1.000001
"""A bound reckoned in floating point is below an amount if it is so with this margin, above any rounding."""
MOST_FOR_SPEED = 0.25
"""A model is preferred that is dearer by at most this share, because it is quicker."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A model with its price, and its rates as they are compared: USD per token."""

    model: Model
    price: Price
    input: float
    output: float
    long_input: float
    long_output: float
    fee: float
    """USD per request."""
    dearest: tuple[float, float]
    """The highest rate that a token of input, and one of output, can meet."""
    reasons: bool
    """Whether it reasons unasked."""


def shelved(model: Model, price: Price) -> Shelved:
    """A model, ready to be compared."""
    base, long = price.base, price.long or price.base
    most_in, most_out = max(base.dearest_input, long.dearest_input), max(base.output, long.output)
    return Shelved(
        model=model,
        price=price,
        input=float(base.input) / 1e6,
        output=float(base.output) / 1e6,
        long_input=float(long.input) / 1e6,
        long_output=float(long.output) / 1e6,
        fee=float(price.per_request),
        dearest=(float(most_in) / 1e6, float(most_out) / 1e6),
        reasons="reasoning" in model.capabilities,
    )


def is_within(row: Shelved, most_usd: Decimal, prompt_tokens: int, max_tokens: int, audio_s: int) -> bool:
    """Whether the worst case is at most so much; reckoned exactly where a rough bound does not settle it."""
    bound = prompt_tokens * row.dearest[0] + max_tokens * row.dearest[1] + row.fee
    if not row.price.per_audio_hour and bound * ROUGHLY < float(most_usd):
        return True
    return row.price.worst_case(prompt_tokens, max_tokens, audio_s) <= most_usd


def wanted_class(reading: Reading) -> ModelClass:
    """The cheapest class that answers this well enough."""
    return WANTED[reading.intent][COMPLEXITIES.index(reading.complexity)]


def class_order(wanted: ModelClass) -> tuple[ModelClass, ...]:
    """The wanted class, then the cheaper ones from the best down, then the dearer ones."""
    place = CLASSES.index(wanted)
    return (wanted, *reversed(CLASSES[:place]), *CLASSES[place + 1 :])


def class_above(model_class: ModelClass) -> ModelClass | None:
    """The class one up; None above the best."""
    return next(iter(CLASSES[CLASSES.index(model_class) + 1 :]), None)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer in words is expected to take: a usual prompt and answer, not the worst case that is held."""

    prompt_tokens: int
    """Upper bound, by which a price of long context is chosen."""
    read_tokens: float
    written_tokens: float
    reasoned_tokens: float
    """Tokens of output of a model that reasons unasked, those that it says included."""

    @classmethod
    def of(cls, reading: Reading, prompt_tokens: int, max_tokens: int) -> Self:
        """What is expected of a question that was read so."""
        said = ANSWER_TOKENS[reading.intent] * TIMES[reading.complexity]
        thought = said + HIDDEN_TOKENS[reading.complexity]
        return cls(prompt_tokens, prompt_tokens * PROMPT_SHARE, min(max_tokens, said), min(max_tokens, thought))

    def usd(self, row: Shelved) -> float:
        """What it is expected to cost of one model."""
        above = row.price.long_context_above
        written = self.reasoned_tokens if row.reasons else self.written_tokens
        if above is not None and self.prompt_tokens > above:
            return self.read_tokens * row.long_input + written * row.long_output + row.fee
        return self.read_tokens * row.input + written * row.output + row.fee


def slowness(health: ModelHealth) -> float:
    """By how much its first token weighs on a model's cost, as a factor from 1 to 1 + `MOST_FOR_SPEED`."""
    if health.first_token_ms is None:
        return 1.0
    return 1.0 + MOST_FOR_SPEED * (health.first_token_ms / SLOW_MS if health.first_token_ms < SLOW_MS else 1.0)


class Ranked(NamedTuple):
    """A model that may answer, with its place among the others."""

    row: Shelved
    health: ModelHealth
    has_key: bool
    """Whether it is asked on the caller's own key."""
    expected_usd: float
    place: tuple[bool, bool, bool, int, bool, float, str]
    """Whether its record, its room to reason and its search of the web are wanting, how far its class is from the
    wanted one, whether the platform pays, the cost with the speed by its weight, and its id."""
    weight: float = 1.0
    """What the installation divides its cost by."""


def spread(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Those to be asked one after the other: the first, then others of other providers as long as there are any.

    A model whose provider has to be found out about takes no place, nor does one of a local server: what a local
    server has pulled is not known.
    """
    closed = [each for each in ranked if each.health.state == "closed"]
    local = _of_many_providers([each for each in closed if each.row.price.is_local])
    others = _of_many_providers([each for each in closed if not each.row.price.is_local])
    kept = sorted(filter(None, (local, others)), key=lambda those: those[0].place)
    probed = ranked[:1] if ranked[0].health.state == "half_open" else []
    found = [*probed, *chain.from_iterable(kept)]
    return found or list(ranked[:MAX_CANDIDATES])


def _of_many_providers(ranked: Sequence[Ranked]) -> list[Ranked]:
    left, found = list(ranked), list[Ranked]()
    while left and len(found) < MAX_CANDIDATES:
        used = [each.row.model.provider for each in found]
        following = min(left, key=lambda each: used.count(each.row.model.provider))
        left.remove(following)
        found.append(following)
    return found
