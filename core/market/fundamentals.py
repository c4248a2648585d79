"""Fundamentals of a company: its statements and key statistics, as known on a date, each figure with its filing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock
from uuid import UUID

from pydantic import TypeAdapter

from core.clock import Clock
from core.db.engine import Database
from core.errors import NotConfigured, NotFound
from core.market.as_of import AsOf
from core.market.bars import Bars
from core.market.companies import Companies, Company
from core.market.filings import NOT_CONFIGURED
from core.market.gate import Gate
from core.market.kept import Kept, Shelf
from core.market.key_statistics import PriceTag, Statistic, key_statistics
from core.market.quotes import Quote, Quotes
from core.market.sources.contract import CompanyFacts, CorporateAction, FilingSource
from core.market.sources.sample_reading import SampleReading
from core.market.statement_table import StatementTable, shipped_table
from core.market.statements import Cell, Ledger, Statements, build_statements, concept_of

ARCHIVE = "https://www.sec.gov/Archives/edgar/data"
FACTS_LIFE_S = 24 * 3600.0
MOST_COMPANIES = 2_000
REMEMBERED = 32
"""Companies, each as of a day, whose statements this process has at hand."""
REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True)
class SharePrice:
    """The price of a share as traded, and the splits that tell which share that is."""

    tag: PriceTag | None = None
    actions: Sequence[CorporateAction] = ()


PricedBy = Callable[[str], SharePrice]
"""The price of a symbol on the day that is looked at."""


def priced_by(quotes: Quotes, bars: Bars, as_of: AsOf, org_id: UUID | None = None) -> PricedBy:
    """Prices as quotes have them on a day; of a past day an organisation's own bars come first."""

    def price_of(symbol: str) -> SharePrice:
        quote = quotes.get([symbol], as_of, org_id)[symbol]
        return SharePrice(tag_of(quote), bars.actions(symbol, as_of, org_id))

    return price_of


def tag_of(quote: Quote) -> PriceTag | None:
    """The price of a quote with its day; None where there is none."""
    if quote.price is None or quote.as_of is None:
        return None
    return PriceTag(quote.price, quote.currency, quote.source, quote.as_of.date(), is_stale=quote.is_stale is True)


@dataclass(frozen=True, slots=True)
class Fundamentals:
    """What a company reported until a day."""

    company: Company
    statements: Statements
    statistics: tuple[Statistic, ...]
    source: str
    as_of: date
    age_s: float
    """Since it was fetched."""
    is_stale: bool
    """Whether it is older than it should be, since its source failed."""

    def address_of(self, cell: Cell) -> str | None:
        """Where the SEC has the filing of a figure; None of what is generated."""
        if self.company.is_generated:
            return None
        number = cell.accession_number
        return f"{ARCHIVE}/{self.statements.cik}/{number.replace('-', '')}/{number}-index.htm"


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process has made of a company's facts as of a day."""

    since: float
    kept: Kept[CompanyFacts]
    ledger: Ledger
    statements: Statements


class FundamentalsReader:
    """Makes statements of the facts that companies report to the SEC."""

    def __init__(
        self,
        database: Database,
        gate: Gate,
        source: FilingSource | None,
        companies: Companies,
        clock: Clock,
        *,
        sample: SampleReading,
        table: StatementTable | None = None,
    ) -> None:
        self._gate = gate
        self._live = source
        self._companies = companies
        self._clock = clock
        self._sample = sample
        self._table = table or shipped_table()
        self._wanted = self._table.concepts()
        self._shelf = Shelf(
            database, "company_facts", TypeAdapter(CompanyFacts), life_s=FACTS_LIFE_S, most=MOST_COMPANIES
        )
        self._at_hand: OrderedDict[tuple[int, date], _Known] = OrderedDict()
        self._lock = Lock()

    def of(
        self,
        as_of: AsOf,
        *,
        symbol: str | None = None,
        cik: int | None = None,
        priced_by: PricedBy | None = None,
    ) -> Fundamentals:
        """The statements of a company by symbol or CIK, and what they say together with the price of a share.

        `priced_by` tells that price; without it there is none.

        Raises:
            InvalidRequest: both or neither is given, or what cannot be one.
            NotFound: the company files nothing with the SEC, or reported nothing until then.
            NotConfigured: SEC_EDGAR_USER_AGENT is not set, and the issuer is a real one.
            SourceError: the SEC failed, and nothing is kept.
        """
        company = self._companies.filer(as_of, symbol=symbol, cik=cik)
        known = self._known(company, as_of.day)
        kept, ledger = known.kept, known.ledger
        price = priced_by(company.symbol) if priced_by and company.symbol else SharePrice()
        if ledger.last_filed is None:
            raise NotFound(f"{company.name or company.symbol} reported no figures until {as_of.day}.")
        return Fundamentals(
            company=company if company.name else replace(company, name=kept.value.name),
            statements=known.statements,
            statistics=key_statistics(ledger, price.tag, splits=price.actions),
            source=kept.source,
            as_of=as_of.day,
            age_s=kept.age_s,
            is_stale=kept.is_stale,
        )

    def _known(self, company: Company, day: date) -> _Known:
        """The statements of a day, as this process made them within the last minute, or anew."""
        key, now = (company.cik or 0, day), self._clock.monotonic()
        with self._lock:
            known = self._at_hand.get(key)
        if known is not None and now - known.since <= REMEMBERED_S:
            return replace(known, kept=replace(known.kept, age_s=known.kept.age_s + now - known.since))
        kept = self._facts(company)
        ledger = Ledger(kept.value, day, self._table)
        known = _Known(now, kept, ledger, build_statements(ledger, kept.value, self._table))
        with self._lock:
            self._at_hand[key] = known
            self._at_hand.move_to_end(key)
            while len(self._at_hand) > REMEMBERED:
                self._at_hand.popitem(last=False)
        return known

    def _facts(self, company: Company) -> Kept[CompanyFacts]:
        cik, source = company.cik or 0, self._live
        if company.is_generated:
            return Kept(self._sample.company_facts(cik), self._sample.name, 0.0)
        if source is None:
            raise NotConfigured(NOT_CONFIGURED)
        return self._shelf.get(
            str(cik), source.name, lambda: self._needed(self._gate.call(source, lambda: source.company_facts(cik)))
        )

    def _needed(self, told: CompanyFacts) -> CompanyFacts:
        """The facts that some line uses: of a large company, a tenth of what it reports."""
        return replace(told, facts=tuple(fact for fact in told.facts if concept_of(fact) in self._wanted))
