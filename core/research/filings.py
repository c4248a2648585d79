"""Lists of filings for users: each that succeeds counts one SEC filing of the member's month, a failure costs nothing.

Nothing is counted before the company is found and its source is configured. Whatever happens after the hold was taken
ends it: settled where the list came, released where it did not. A list is never served from a cache; a request that is
sent again with its Idempotency-Key gets the list of the first, free.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter

from core.accounts.permissions import Action, require
from core.errors import SourceDown
from core.market.companies import Companies, Company
from core.market.filing_text import FilingText
from core.market.filings import FilingArchive, FilingList
from core.market.market_time import MarketTime
from core.market.sources.contract import Filing
from core.metering.counted import CountedCall, CountedCalls, CountedKind
from core.metering.meter import Feature, Hold, Meter, QuotaState
from core.metering.repeats import Idempotency
from core.metering.usage_log import UsageLog
from core.principal import Principal

QUOTA = "sec_filings_month"
MODEL = "filing list"
"""What the log of usage has in the place of a model."""
LIFETIME_S = 120
"""How long a hold lasts: all pages of a long list, each with its retries, and the meter's grace."""

_LISTS = TypeAdapter(FilingList)


def _too_late(source: str) -> SourceDown:
    return SourceDown("The list came too late to be counted; it cost you nothing.", source=source)


KIND = CountedKind(Feature.SEC_FILING, MODEL, LIFETIME_S, _too_late)


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
        self._calls = CountedCalls(meter, usage_log, KIND)
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
        call = CountedCall(principal, self._archive.source_of(company).name, idempotency)
        hold = self._calls.reserve(call)
        return self._called(call, hold, lambda: self._archive.fetch(company, as_of, forms=forms))

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
        kept = self._calls.replayed(principal, idempotency)
        if kept is None:
            return None
        answer, request_id = kept
        found = _LISTS.validate_python(answer)
        call = CountedCall(principal, found.source, request_id=request_id)
        self._calls.log_free(call, status="cached", cache_level="replay")
        return CountedList(found, request_id, None, None)

    def _called(self, call: CountedCall, hold: Hold, fetch: Callable[[], FilingList]) -> CountedList:
        found, quota = self._calls.run(call, hold, fetch, answer=lambda listed: _LISTS.dump_python(listed, mode="json"))
        return CountedList(found, call.request_id, hold, quota)
