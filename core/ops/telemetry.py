"""The figures of AI calls, counted in this process as they end: what they took, what they cost, what was refused; and
of requests to sources of market data.

They are for graphs and alarms. Money is kept exactly in the books alone (`doctor --accounting`). No label says who
asked or what: each takes its values from a list of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

UNKNOWN = "unknown"
FIRST_TOKEN_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
SOURCE_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
CALL_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)

_MODEL = ("provider", "model")
_EXACT = "The books are exact, this sum is a float since the start of the process."

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations; each series would come twice


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call of a model that ended, whatever came of it."""

    outcome: str
    provider: str = UNKNOWN
    model: str = UNKNOWN
    channel: str = UNKNOWN
    prompt_tokens: int = 0
    completion_tokens: int = 0
    charged_usd: Decimal = Decimal(0)
    cost_usd: Decimal = Decimal(0)
    latency_ms: int | None = None
    first_token_ms: int | None = None


class Telemetry:
    """Counts what metering settles, releases, denies and gives again; its registry is read by whoever shows it."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._calls = Counter("assay_ai_calls", "AI calls that ended.", (*_MODEL, "channel", "outcome"), registry=own)
        self._tokens = Counter("assay_ai_tokens", "Tokens of AI calls.", (*_MODEL, "direction"), registry=own)
        self._charged = Counter(
            "assay_ai_charged_usd", f"What users were charged, in USD. {_EXACT}", _MODEL, registry=own
        )
        self._cost = Counter(
            "assay_ai_cost_usd", f"What providers bill for all attempts, in USD. {_EXACT}", _MODEL, registry=own
        )
        self._first_token = Histogram(
            "assay_ai_first_token_seconds",
            "Time from asking a provider to its first token.",
            _MODEL,
            buckets=FIRST_TOKEN_BUCKETS_S,
            registry=own,
        )
        self._latency = Histogram(
            "assay_ai_call_seconds",
            "Time of calls that succeeded, in all.",
            _MODEL,
            buckets=CALL_BUCKETS_S,
            registry=own,
        )
        self._given_again = Counter(
            "assay_ai_cached_answers",
            "Answers given again, free, by where they were found.",
            ("level", "channel"),
            registry=own,
        )
        self._denials = Counter(
            "assay_ai_denials", "Requests that metering refused, by limit.", ("metric", "code"), registry=own
        )
        self._source_calls = Histogram(
            "assay_source_call_seconds",
            "Time of requests to sources of market data, by what came of them.",
            ("source", "outcome"),
            buckets=SOURCE_BUCKETS_S,
            registry=own,
        )

    def call_ended(self, call: EndedCall) -> None:
        """Counts a call."""
        model = (call.provider, call.model)
        self._calls.labels(*model, call.channel, call.outcome).inc()
        self._tokens.labels(*model, "prompt").inc(call.prompt_tokens)
        self._tokens.labels(*model, "completion").inc(call.completion_tokens)
        self._charged.labels(*model).inc(float(call.charged_usd))
        self._cost.labels(*model).inc(float(call.cost_usd))
        if call.latency_ms is not None and call.outcome == "success":
            self._latency.labels(*model).observe(call.latency_ms / 1000)
        if call.first_token_ms is not None:
            self._first_token.labels(*model).observe(call.first_token_ms / 1000)

    def given_again(self, *, level: str, channel: str) -> None:
        """Counts an answer that was there already."""
        self._given_again.labels(level, channel).inc()

    def denied(self, *, metric: str, code: str) -> None:
        """Counts a request that a limit refused."""
        self._denials.labels(metric, code).inc()

    def source_called(self, source: str, outcome: str, seconds: float) -> None:
        """Counts a request to a source of market data; its outcome is `ok`, or the name of an error class."""
        self._source_calls.labels(source, outcome).observe(seconds)
