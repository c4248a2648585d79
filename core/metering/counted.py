"""Calls that ask no model and are counted all the same: held, run, and settled at 0 USD; a failure counts nothing.

Whatever happens after the hold was taken ends it: settled where the call came to its end, released where it did not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from core.ai.providers.contract import TokenUsage
from core.errors import AssayError, MeteringDenied
from core.ids import new_id
from core.metering.meter import CallRecord, Feature, Flight, Hold, HoldRequest, Meter, QuotaState
from core.metering.repeats import Idempotency
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal

PRICE_VERSION = "free"
CHANNELS = {"session": "page", "token": "api", "command": "command"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CountedKind:
    """What is counted."""

    feature: Feature
    model: str
    """What the log of usage has in the place of a model."""
    lifetime_s: int
    """How long a hold lasts: the longest call and the meter's grace."""
    too_late: Callable[[str], AssayError]
    """The error of a call that took longer, with its provider."""


@dataclass(frozen=True, slots=True)
class CountedCall:
    """One request for it."""

    principal: Principal
    provider: str
    """What the log of usage has in the place of a provider."""
    idempotency: Idempotency | None = None
    request_id: UUID = field(default_factory=new_id)

    @property
    def channel(self) -> str:
        """Where it came from, as the log of usage says it."""
        return CHANNELS.get(self.principal.via, "api")


class CountedCalls:
    """Counts calls of one kind."""

    def __init__(self, meter: Meter, usage_log: UsageLog, kind: CountedKind) -> None:
        self._meter = meter
        self._usage_log = usage_log
        self._kind = kind

    def reserve(self, call: CountedCall) -> Hold:
        """Takes the hold of a call.

        Raises:
            MeteringDenied: a limit refuses; nothing was counted, and the log says so.
            Conflict: the Idempotency-Key was used with another body; StillRunning: its request has not ended.
        """
        try:
            taken = self.reserve_or_join(call, None)
        except MeteringDenied as denied:
            self.log_free(call, status="denied", error_code=denied.denial.code)
            raise
        assert isinstance(taken, Hold)
        return taken

    def reserve_or_join(self, call: CountedCall, flight_key: bytes | None) -> Hold | Flight:
        """As `reserve`; where the same is being done under another hold, nothing is taken. A denial is not logged."""
        kind = self._kind
        wanted = HoldRequest(
            hold_id=new_id(),
            request_id=call.request_id,
            feature=kind.feature,
            provider=call.provider,
            model=kind.model,
            price_version=PRICE_VERSION,
            held_usd=Decimal(0),
            lifetime_s=kind.lifetime_s,
            counts_request=False,
            idempotency=call.idempotency,
            flight_key=flight_key,
        )
        taken = self._meter.reserve_or_join(call.principal, wanted)
        assert isinstance(taken, Hold | Flight)
        return taken

    def run(
        self, call: CountedCall, hold: Hold, work: Callable[[], _T], *, answer: Callable[[_T], Any]
    ) -> tuple[_T, QuotaState | None]:
        """Runs a call under its hold, which ends whatever comes of it; gives the quota after it too.

        Args:
            call: what the hold was taken for.
            hold: not in flight yet.
            work: the call itself.
            answer: what a repeat of its Idempotency-Key gets, as JSON.
        """
        started = time.monotonic()

        def record(**more: Any) -> CallRecord:
            latency_ms = round(1000 * (time.monotonic() - started))
            usage = {"channel": call.channel, "provider": call.provider, "model": self._kind.model}
            return CallRecord(usage={**usage, "latency_ms": latency_ms, **more})

        is_settled = False
        error_code = "internal"
        try:
            if not self._meter.mark_in_flight(hold):
                raise self._kind.too_late(call.provider)
            found = work()
            kept = {"answer": answer(found), "request_id": str(call.request_id)} if call.idempotency else None
            resolved = self._meter.settle(hold, "success", Decimal(0), replace(record(), answer=kept))
            is_settled = True
        except AssayError as error:
            error_code = error.problem_code
            raise
        finally:
            if not is_settled:
                self._meter.release(hold, "failed", record(error_code=error_code))
        if resolved.outcome != "settled":
            raise self._kind.too_late(call.provider)
        quota = hold.quota
        if quota is not None and resolved.quota_used is not None:
            quota = replace(quota, used=resolved.quota_used)
        return found, quota

    def give_back(self, hold: Hold) -> None:
        """Ends a hold under which nothing was done, and nothing is logged."""
        self._meter.release(hold, "never_called")

    def replayed(self, principal: Principal, idempotency: Idempotency) -> tuple[Mapping[str, Any], UUID] | None:
        """What the request of this key was answered, and its id; None where it is the first, or was free.

        Raises:
            Conflict: the key was used with another body; StillRunning: its request has not ended.
        """
        kept = self._meter.repeated(principal, idempotency)
        return None if kept is None else (kept.value["answer"], UUID(kept.value["request_id"]))

    def log_free(
        self, call: CountedCall, *, status: str, error_code: str | None = None, cache_level: str | None = None
    ) -> None:
        """Notes a request that cost nothing: `cached` or `denied`."""
        self._usage_log.add(
            FreeRow(
                call.principal,
                call.channel,
                status,
                self._kind.feature,
                call.provider,
                self._kind.model,
                call.request_id,
                None,
                TokenUsage(0, 0, 0),
                error_code=error_code,
                cache_level=cache_level,
            )
        )
