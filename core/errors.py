"""Every error that a caller may meet, once.

    AssayError                      code, HTTP status, title
    ├── InvalidRequest              422  invalid_request
    │   └── PromptRejected          422  prompt_rejected
    ├── Unauthenticated             401
    ├── Forbidden                   403
    ├── NotFound                    404
    ├── MethodNotAllowed            405
    ├── Conflict                    409
    │   └── StillRunning            409  conflict, ask again in a second
    ├── PayloadTooLarge             413
    ├── NotEnoughData               422  not_enough_data
    │   └── StaleBars               422  not_enough_data: the bars end too long before the day that is asked about
    ├── MeteringDenied              429 or 402: the code says which limit
    │   (quota_exceeded, rate_limited, too_many_concurrent, cost_ceiling, budget_exceeded, insufficient_credits)
    ├── PlanRequired                403
    ├── NotConfigured               501  names the variable to set
    ├── ProviderError               503  what an AI provider did to us; mapped once, in its adapter
    │   ├── ProviderRateLimited     503
    │   ├── ProviderUnavailable     503
    │   ├── ProviderTimeout         503  provider_unavailable
    │   ├── ProviderRefusedKey      503  provider_unavailable, names the variable to set
    │   ├── ProviderRejectedRequest 422  invalid_request: the provider cannot serve this request
    │   │   └── ProviderLacksModel  422  invalid_request: it does not know the model
    │   ├── ProviderBroke           503  provider_unavailable, after the first token
    │   └── UnusableAnswer          502  unusable_answer: it does not follow its schema
    ├── SourceError                 503  source_unavailable: what a source of market data did to us
    │   ├── NoData                  404  not_found: it answered, and has nothing of that name
    │   ├── RateLimited             503  it, or our own allowance of it, asks us to wait
    │   └── SourceDown              503  unreachable, too slow, or its answer cannot be read
    ├── DatabaseUnavailable         503  code internal: no call is made
    └── ConfigurationError          the program does not start; names the file and the line

A message is written for the reader: what happened, and what to do next. It never holds a secret, a prompt,
SQL or a path.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import ClassVar


class AssayError(Exception):
    """The root of all errors that the workbench raises on purpose."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def http_status(self) -> int:
        """The HTTP status of this very error."""
        return self.status

    @property
    def problem_code(self) -> str:
        """The contract's code of this very error."""
        return self.code


class InvalidRequest(AssayError):
    """The request cannot be understood or is out of bounds; the sentence names the field."""

    code, status, title = "invalid_request", 422, "Invalid request"


class PromptRejected(InvalidRequest):
    """A prompt that is empty, too long, or that a guard refuses."""

    code, title = "prompt_rejected", "Prompt rejected"

    def __init__(self, detail: str, *, rule: str | None = None) -> None:
        super().__init__(detail)
        self.rule = rule
        """Which guard refused it, in one word; None where the sentence says all."""


class Unauthenticated(AssayError):
    """No valid session or token."""

    code, status, title = "unauthenticated", 401, "Sign in first"


class Forbidden(AssayError):
    """Signed in, but this role may not do this."""

    code, status, title = "forbidden", 403, "Not allowed"


class PlanRequired(AssayError):
    """The organisation's plan does not include this."""

    code, status, title = "plan_required", 403, "Not in this plan"


class NotFound(AssayError):
    """Nothing here by that name that this caller may see."""

    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(AssayError):
    """The address exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"


class Conflict(AssayError):
    """The request contradicts something that exists or is still running."""

    code, status, title = "conflict", 409, "Conflict"


class StillRunning(Conflict):
    """A request with this Idempotency-Key is still under way; asked again in a second it will be answered."""

    retry_after_s = 1


class PayloadTooLarge(AssayError):
    """The body is larger than this call takes."""

    code, status, title = "payload_too_large", 413, "Request too large"


class NotEnoughData(AssayError):
    """What is known does not suffice for a figure that could be trusted."""

    code, status, title = "not_enough_data", 422, "Not enough data"


class StaleBars(NotEnoughData):
    """The bars end too long before the day that is asked about."""

    def __init__(self, detail: str, newest: date | None = None) -> None:
        super().__init__(detail)
        self.newest = newest
        """The day of the newest bar: as of it there is enough."""


class NotConfigured(AssayError):
    """A part that is switched off; the sentence names the variable that switches it on."""

    code, status, title = "not_configured", 501, "Not configured"


class DatabaseUnavailable(AssayError):
    """The database cannot be reached; nothing was started and nothing was charged."""

    code, status, title = "internal", 503, "The database cannot be reached"

    def __init__(self, detail: str = "The database cannot be reached. Nothing was started; try again soon.") -> None:
        super().__init__(detail)


class DatabaseTooSlow(DatabaseUnavailable):
    """A statement took longer than it may, and was ended."""

    title = "The database takes too long"

    def __init__(self, detail: str = "The database took too long over this, and was stopped; try again soon.") -> None:
        super().__init__(detail)


class ConfigurationError(AssayError):
    """A settings, plans, model or price file with a mistake; the program does not start."""

    title = "Configuration"


class EmbeddedServerError(ConfigurationError):
    """The embedded Postgres cannot be started."""

    title = "Embedded Postgres"


@dataclass(frozen=True, slots=True)
class Denial:
    """Which limit refused, with what a person needs to decide what to do."""

    code: str
    """One of quota_exceeded, rate_limited, too_many_concurrent, cost_ceiling, budget_exceeded, insufficient_credits,
    plan_required."""
    metric: str
    """Name of the limit, a key of the plans file."""
    limit: Decimal
    used: Decimal
    remaining: Decimal
    resets_at: datetime | None
    """None where waiting does not help."""
    retry_after_s: int | None
    reason: str
    """One sentence that a person can read."""


_DENIAL_STATUS = {
    "quota_exceeded": 429,
    "rate_limited": 429,
    "too_many_concurrent": 429,
    "cost_ceiling": 402,
    "budget_exceeded": 402,
    "insufficient_credits": 402,
    "plan_required": 403,
}


class MeteringDenied(AssayError):
    """A limit refused the request before anything was called; nothing was used."""

    title = "Limit reached"

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.reason)
        self.denial = denial

    @property
    def http_status(self) -> int:
        """429 where waiting helps, 402 where money is short."""
        return _DENIAL_STATUS[self.denial.code]

    @property
    def problem_code(self) -> str:
        """The code of the limit that refused."""
        return self.denial.code


class ProviderError(AssayError):
    """An AI provider failed; the call costs the user nothing."""

    code, status, title = "provider_unavailable", 503, "The AI provider failed"

    def __init__(self, detail: str, *, provider: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.provider = provider
        self.retry_after_s = retry_after_s


class ProviderRateLimited(ProviderError):
    """The provider asks us to wait."""

    code, title = "provider_rate_limited", "The AI provider is busy"


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached or answers with an error of its own."""


class ProviderTimeout(ProviderError):
    """The provider took longer than our time limit for this stage."""

    title = "The AI provider took too long"


class ProviderRefusedKey(ProviderError):
    """The provider does not accept our key; the sentence names the variable to set."""

    title = "The AI provider refused the key"


class ProviderRejectedRequest(ProviderError):
    """The provider cannot serve this request as it stands."""

    code, status, title = "invalid_request", 422, "The AI provider rejected the request"


class ProviderLacksModel(ProviderRejectedRequest):
    """The provider does not know the model, or does not serve it any more."""


class ProviderBroke(ProviderError):
    """The provider's stream ended before the answer did."""

    title = "The answer was cut off by the AI provider"


class UnusableAnswer(ProviderError):
    """The answer does not follow the schema it was asked for, also after one repair; it costs the user nothing."""

    code, status, title = "unusable_answer", 502, "The answer cannot be used"


class SourceError(AssayError):
    """A source of market data failed; whatever it holds for others is tried elsewhere."""

    code, status, title = "source_unavailable", 503, "The source failed"

    def __init__(self, detail: str, *, source: str) -> None:
        super().__init__(detail)
        self.source = source


class NoData(SourceError):
    """The source answered, and has nothing of that name."""

    code, status, title = "not_found", 404, "Not found"


class RateLimited(SourceError):
    """The source, or our own allowance of it, asks us to wait."""

    title = "The source is busy"

    def __init__(self, detail: str, *, source: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail, source=source)
        self.retry_after_s = retry_after_s


class SourceDown(SourceError):
    """The source cannot be reached, is too slow, or its answer cannot be read."""


def place_of(error: BaseException) -> str:
    """The kind of an unexpected error and where it was raised, without its words, which may repeat a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, {PurePath(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
