"""Lists of filings for users: each that succeeds counts one SEC filing of the member's month, a failure costs nothing.

Nothing is counted before the company is found and its source is configured. Whatever happens after the hold was taken
ends it: settled where the list came, released where it did not. A list is never served from a cache; a request that is
sent again with its Idempotency-Key gets the list of the first, free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from core.accounts.permissions import Action, require
from core.ai.providers.contract import TokenUsage
from core.errors import AssayError, MeteringDenied, SourceDown
from core.ids import new_id
from core.market.companies import Companies, Company
from core.market.filing_text import FilingText
from core.market.filings import FilingArchive, FilingList
from core.market.market_time import MarketTime
from core.market.sources.contract import Filing
from core.metering.meter import CallRecord, Feature, Hold, HoldRequest, Meter, QuotaState
from core.metering.repeats import Idempotency
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal

QUOTA = "sec_filings_month"
MODEL = "filing list"
"""What the log of usage has in the place of a model."""
PRICE_VERSION = "free"
LIFETIME_S = 120
"""How long a hold lasts: all pages of a long list, each with its retries, and the meter's grace."""
CHANNELS = {"session": "page", "token": "api", "command": "command"}

_LISTS = TypeAdapter(FilingList)


@dataclass(frozen=True, slots=True)
class CountedList:
    """A list of filings, and how its reader stands."""

    filings: FilingList
    request_id: UUID
    hold: Hold | None
    """None for a list that was given before."""
    quota: QuotaState | None
    """The month's quota after it; None where it was given before."""

    @property
    def is_replayed(self) -> bool:
        """Whether it was given before, and cost nothing now."""
        return self.hold is None


class Filings:
    """Serves lists of filings, counted, and opens what is on them."""

    def __init__(
        self, meter: Meter, usage_log: UsageLog, archive: FilingArchive, companies: Companies, market_time: MarketTime
    ) -> None:
        self._meter = meter
        self._usage_log = usage_log
        self._archive = archive
        self._companies = companies
        self._time = market_time

    def list(
        self,
        principal: Principal,
        *,
        symbol: str | None = None,
        cik: int | None = None,
        forms: Collection[str] = (),
        idempotency: Idempotency | None = None,
    ) -> CountedList:
        """What a company filed until the day that the principal looks at, as the SEC says now.

        Raises:
            Forbidden: the role or the token may not.
            InvalidRequest, NotFound, NotConfigured: no company, or nobody to ask; nothing was counted.
            MeteringDenied: the month's filings are used up; nothing was counted.
            Conflict: the Idempotency-Key was used with another body; StillRunning: its request has not ended.
            SourceError: the SEC failed, or has no such company; nothing was counted.
        """
        require(principal, Action.FETCH_FILINGS)
        replay = None if idempotency is None else self._replayed(principal, idempotency)
        if replay is not None:
            return replay
        as_of = self._time.of(principal)
        company = self._companies.filer(as_of, symbol=symbol, cik=cik)
        source, channel = self._archive.source_of(company).name, CHANNELS.get(principal.via, "api")
        request_id = new_id()
        hold = self._reserved(principal, source, channel, request_id, idempotency)
        return self._called(hold, source, channel, request_id, lambda: self._archive.fetch(company, as_of, forms=forms))

    def kept(self, principal: Principal, symbol: str, *, forms: Collection[str] = ()) -> FilingList | None:
        """What was listed of a company within the last six hours, by anybody: free, and the SEC is not asked.

        Raises:
            InvalidRequest: what cannot be a symbol.
        """
        require(principal, Action.READ)
        as_of = self._time.of(principal)
        company = self._companies.of_symbol(symbol, as_of)
        return None if company.cik is None else self._archive.kept(company, as_of, forms=forms)

    def open(self, principal: Principal, symbol: str, filing: Filing) -> FilingText:
        """A filing of a list as text, with its items; it counts nothing.

        Raises:
            NotFound: it was filed after the day that the principal looks at.
            NotConfigured, SourceError: nobody to ask, or it cannot be had.
        """
        require(principal, Action.FETCH_FILINGS)
        as_of = self._time.of(principal)
        company: Company = self._companies.filer(as_of, symbol=symbol)
        return self._archive.document(company, filing, as_of)

    def _replayed(self, principal: Principal, idempotency: Idempotency) -> CountedList | None:
        kept = self._meter.repeated(principal, idempotency)
        if kept is None:
            return None
        found = _LISTS.validate_python(kept.value["answer"])
        request_id = UUID(kept.value["request_id"])
        self._log_free(principal, found.source, "api", request_id, status="cached", cache_level="replay")
        return CountedList(found, request_id, None, None)

    def _reserved(
        self, principal: Principal, source: str, channel: str, request_id: UUID, idempotency: Idempotency | None
    ) -> Hold:
        wanted = HoldRequest(
            hold_id=new_id(),
            request_id=request_id,
            feature=Feature.SEC_FILING,
            provider=source,
            model=MODEL,
            price_version=PRICE_VERSION,
            held_usd=Decimal(0),
            lifetime_s=LIFETIME_S,
            counts_request=False,
            idempotency=idempotency,
        )
        try:
            return self._meter.reserve(principal, wanted)
        except MeteringDenied as denied:
            self._log_free(principal, source, channel, request_id, status="denied", error_code=denied.denial.code)
            raise

    def _called(
        self, hold: Hold, source: str, channel: str, request_id: UUID, fetch: Callable[[], FilingList]
    ) -> CountedList:
        """Runs the call under its hold, which ends whatever comes of it."""
        started = time.monotonic()

        def record(**more: Any) -> CallRecord:
            latency_ms = round(1000 * (time.monotonic() - started))
            usage = {"channel": channel, "provider": source, "model": MODEL, "latency_ms": latency_ms}
            return CallRecord(usage={**usage, **more})

        is_settled = False
        error_code = "internal"
        try:
            if not self._meter.mark_in_flight(hold):
                raise SourceDown("The request took too long before it began; try again.", source=source)
            found = fetch()
            answer = {"answer": _LISTS.dump_python(found, mode="json"), "request_id": str(request_id)}
            resolved = self._meter.settle(hold, "success", Decimal(0), replace(record(), answer=answer))
            is_settled = True
        except AssayError as error:
            error_code = error.problem_code
            raise
        finally:
            if not is_settled:
                self._meter.release(hold, "failed", record(error_code=error_code))
        if resolved.outcome != "settled":
            raise SourceDown("The list came too late to be counted; it cost you nothing.", source=source)
        quota = hold.quota
        if quota is not None and resolved.quota_used is not None:
            quota = replace(quota, used=resolved.quota_used)
        return CountedList(found, request_id, hold, quota)

    def _log_free(
        self,
        principal: Principal,
        source: str,
        channel: str,
        request_id: UUID,
        *,
        status: str,
        error_code: str | None = None,
        cache_level: str | None = None,
    ) -> None:
        self._usage_log.add(
            FreeRow(
                principal,
                channel,
                status,
                Feature.SEC_FILING,
                source,
                MODEL,
                request_id,
                None,
                TokenUsage(0, 0, 0),
                error_code=error_code,
                cache_level=cache_level,
            )
        )
