"""The market: everything that is known of instruments, composed once; pages, routes and commands reach it here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import SystemRandom

from core.clock import Clock
from core.db.engine import Database
from core.db.instruments_dao import MemberRow
from core.errors import InvalidRequest, NotConfigured, SourceDown, SourceError
from core.market.bar_checks import BarChecks
from core.market.bar_store import BarStore, bars_folder
from core.market.bar_updates import BarUpdates, SymbolUpdate, Wanted
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.companies import Companies
from core.market.filings import FilingArchive
from core.market.fundamentals import FundamentalsReader
from core.market.fx import Fx
from core.market.gate import Gate
from core.market.instruments import Instruments, Refreshed
from core.market.market_time import MarketTime
from core.market.news import News
from core.market.past_quotes import PastQuotes
from core.market.quote_ladder import Ladder
from core.market.quotes import QuoteParts, Quotes
from core.market.shipped_lists import ShippedLists, load_shipped_lists
from core.market.sources.registry import Sources, build_sources
from core.market.sources.sample_reading import SampleReading
from core.market.universes import Universes
from core.ops.telemetry import Telemetry
from core.settings import DATA, Settings

PUBLISHED_BY = timedelta(hours=16)
"""Of a day in UTC: rates are fixed at 14:15 in Frankfurt and published at about 16:00 there."""
FRIDAY = 4

_log = logging.getLogger(__name__)

RATES_MINUTES = 60
"""So often `keep_rates` looks whether new exchange rates are due."""


@dataclass(frozen=True)
class Market:
    """The services of the market, over one database and one gate to the sources."""

    lists: ShippedLists
    """What is shipped of instruments and universes."""
    clock: Clock
    time: MarketTime
    instruments: Instruments
    universes: Universes
    calendars: Calendars
    store: BarStore
    bars: Bars
    checks: BarChecks
    quotes: Quotes
    companies: Companies
    news: News
    filings: FilingArchive
    fundamentals: FundamentalsReader
    fx: Fx
    gate: Gate
    sources: Sources

    def load_shipped(self) -> None:
        """Takes over the shipped instruments, universes and bars where they are new; quick where they are not."""
        self.instruments.load_shipped(self.lists)
        self.bars.load_shipped()

    def refresh_listings(self) -> Refreshed | None:
        """Takes over the SEC's list of tickers, where the one that is known is older than a day.

        Raises:
            NotConfigured: nothing says who we are to the SEC.
            RateLimited, SourceDown: the SEC's server failed; what was known stays.
        """
        if self.sources.filings is None:
            raise NotConfigured("Set SEC_EDGAR_USER_AGENT to take over the SEC's list of tickers.")
        return self.instruments.refresh_from(self.gate, self.sources.filings)

    def refresh_rates(self) -> bool:
        """Takes over the European Central Bank's exchange rates, where newer ones can be there; whether some were.

        Raises:
            RateLimited, SourceDown: the bank's server failed, or its file is no history; what was known stays.
        """
        source, now = self.sources.rates, self.clock.now()
        if source is None or self.fx.last_day >= _last_fixing(now):
            return False
        content = self.gate.call(source, source.history)
        try:
            return self.fx.take(content, latest=now.date())
        except InvalidRequest as error:
            raise SourceDown(error.detail, source=source.name) from error

    def keep_rates(self) -> None:
        """As `refresh_rates`, every so often: a failure is logged, and the next time asks again."""
        try:
            self.refresh_rates()
        except SourceError as error:
            _log.warning("New exchange rates were not taken over: %s", error.detail)

    def update_bars(
        self, members: Sequence[MemberRow], *, first: date | None = None, last: date | None = None
    ) -> list[SymbolUpdate]:
        """Fetches what is new of the bars of a universe's members; each fails alone.

        Raises:
            NotConfigured: no source of bars is.
            Conflict, ConfigurationError: the bars cannot be written.
        """
        wanted = [Wanted(each.symbol, each.exchange, each.currency) for each in members]
        updates = BarUpdates(self.store, self.gate, self.sources.bars, self.calendars, self.instruments.alias)
        return updates.run(wanted, self.clock.now(), first=first, last=last)

    def close(self) -> None:
        """Ends what is under way, and closes connections to sources."""
        self.news.close()
        self.gate.close()
        self.sources.close()


def _last_fixing(now: datetime) -> date:
    """The last working day whose rates are surely out; holidays of the bank are not known here."""
    day = (now - PUBLISHED_BY).date()
    return day - timedelta(days=max(0, day.weekday() - FRIDAY))


def open_market(settings: Settings, database: Database, clock: Clock, telemetry: Telemetry) -> Market:
    """Composes the market; what is shipped with it is loaded by `load_shipped`.

    Raises:
        ConfigurationError: a setting or a shipped file with a mistake; the sentence names it.
    """
    lists = load_shipped_lists(DATA)
    sources = build_sources(settings, clock)
    gate = Gate(database, clock, SystemRandom(), telemetry=telemetry)
    calendars = Calendars(today=clock.now().date())
    instruments = Instruments(database, clock)
    store = BarStore(database, bars_folder(settings))
    bars = Bars(store)
    sample = SampleReading()
    companies = Companies(instruments, sample, gate=gate, listings=sources.filings)
    return Market(
        lists=lists,
        clock=clock,
        time=MarketTime(
            database,
            clock,
            is_live=bool(sources.quotes),
            first_day=lists.first_day,
            last_session=lists.last_session,
        ),
        instruments=instruments,
        universes=Universes(database),
        calendars=calendars,
        store=store,
        bars=bars,
        checks=BarChecks(store, calendars),
        quotes=Quotes(
            QuoteParts(
                database=database,
                ladder=Ladder(gate, sources.quotes, clock),
                past=PastQuotes(bars, calendars),
                instruments=instruments,
                sessions=calendars,
                clock=clock,
                ttl_s=settings.quote_ttl_s,
            )
        ),
        companies=companies,
        news=News(database, gate, sources.news, companies, sample=sample),
        filings=FilingArchive(database, gate, sources.filings, sample=sample),
        fundamentals=FundamentalsReader(database, gate, sources.filings, companies, clock, sample=sample),
        fx=Fx(settings.assay_home),
        gate=gate,
        sources=sources,
    )
