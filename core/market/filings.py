"""What companies filed with the SEC: lists, always asked anew, and documents, opened as text.

A list is kept for six hours all the same, for those who gather what is known of a company; whoever asks for the list
itself gets what the SEC says now. Nothing that was filed later than the date that is looked at is in it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from pydantic import TypeAdapter

from core.db.engine import Database
from core.errors import NotConfigured, NotFound
from core.market.as_of import AsOf
from core.market.companies import Company, no_filer
from core.market.filing_text import FilingText, read_filing, sectioned
from core.market.gate import Gate
from core.market.kept import Shelf
from core.market.sources.contract import Filer, Filing, FilingSource, OlderFilings
from core.market.sources.sample_reading import SCHEME, SampleReading

LIST_LIFE_S = 6 * 3600.0
TEXT_LIFE_S = 24 * 3600.0
MOST_LISTS = 2_000
MOST_TEXTS = 500
MOST_FILINGS = 200
"""Of one list."""
MOST_PAGES = 5
"""Pages of older filings that are read for one list."""
NOT_CONFIGURED = (
    "SEC EDGAR is not configured: set SEC_EDGAR_USER_AGENT to your name and e-mail address, which the SEC asks for."
)


@dataclass(frozen=True, slots=True)
class FilingList:
    """A company and what it filed until a day, newest first."""

    cik: int
    name: str
    symbol: str
    industry: str
    former_names: tuple[str, ...]
    filings: tuple[Filing, ...]
    source: str
    as_of: date
    age_s: float = 0.0

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that occur, those of the newest filings first."""
        return tuple(dict.fromkeys(filing.form for filing in self.filings))


class FilingArchive:
    """Lists filings and opens them. Whoever serves users with lists counts them first: `core.research.filings`."""

    def __init__(self, database: Database, gate: Gate, source: FilingSource | None, *, sample: SampleReading) -> None:
        self._gate = gate
        self._live = source
        self._sample = sample
        self._lists = Shelf(database, "filer", TypeAdapter(Filer), life_s=LIST_LIFE_S, most=MOST_LISTS)
        self._texts = Shelf(database, "filing_text", TypeAdapter(str), life_s=TEXT_LIFE_S, most=MOST_TEXTS)

    def source_of(self, company: Company) -> FilingSource:
        """Who knows what a company filed.

        Raises:
            NotConfigured: nobody who is configured.
        """
        if company.is_generated:
            return self._sample
        if self._live is None:
            raise NotConfigured(NOT_CONFIGURED)
        return self._live

    def fetch(self, company: Company, as_of: AsOf, *, forms: Collection[str] = ()) -> FilingList:
        """What a company filed, as its source says now; of all forms where none is named.

        Raises:
            NotConfigured: no source knows it.
            SourceError: the source failed, or has no such company.
        """
        source, cik = self.source_of(company), _cik(company)
        filer = source.filer(cik) if company.is_generated else self._gate.call(source, lambda: source.filer(cik))
        filer = self._with_older(source, filer, as_of.day, forms)
        if not company.is_generated:
            self._lists.put(str(cik), source.name, filer)
        return _listed(company, filer, as_of, forms, source.name)

    def kept(self, company: Company, as_of: AsOf, *, forms: Collection[str] = ()) -> FilingList | None:
        """What was fetched within the last six hours, if it reaches back far enough; the sample's is always there.

        Asks nobody.
        """
        cik = _cik(company)
        if company.is_generated:
            return _listed(company, self._sample.filer(cik), as_of, forms, self._sample.name)
        found = self._lists.fresh(str(cik))
        if found is None or _lacking(found.value, as_of.day, forms) is not None:
            return None
        return replace(_listed(company, found.value, as_of, forms, found.source), age_s=found.age_s)

    def document(self, company: Company, filing: Filing, as_of: AsOf) -> FilingText:
        """A filing's primary document as text, with its items.

        Raises:
            NotFound: it was filed later than `as_of`.
            NotConfigured: no source knows the company.
            SourceError: the source failed, or has no such document.
        """
        if not _is_seen(filing, as_of):
            raise NotFound(f"There is no such filing as of {as_of.day}.")
        source = self.source_of(company)
        if filing.url.startswith(f"{SCHEME}:"):
            return read_filing(self._sample.document(filing.url))

        def fetch() -> str:
            return read_filing(self._gate.call(source, lambda: source.document(filing.url))).text

        return sectioned(self._texts.get(filing.url, source.name, fetch).value)

    def _with_older(self, source: FilingSource, filer: Filer, day: date, forms: Collection[str]) -> Filer:
        """With pages of older filings, where the newest thousand do not reach back behind the day that is looked at."""
        for _ in range(MOST_PAGES):
            page = _lacking(filer, day, forms)
            if page is None:
                break
            more = self._gate.call(source, partial(source.older_filings, filer.cik, page))
            filings = sorted([*filer.filings, *more], key=lambda filing: filing.filing_date, reverse=True)
            unread = tuple(other for other in filer.older if other != page)
            filer = replace(filer, filings=tuple(filings), older=unread)
        return filer


def _lacking(filer: Filer, day: date, forms: Collection[str]) -> OlderFilings | None:
    """The newest page that was not read and may hold a filing of those forms of a day's list; None: it is whole."""
    seen = [filing.filing_date for filing in _of_forms(filer, forms) if filing.filing_date <= day]
    oldest = seen[MOST_FILINGS - 1] if len(seen) >= MOST_FILINGS else date.min
    pages = (page for page in filer.older if page.first <= day and page.last >= oldest)
    return max(pages, key=lambda page: page.last, default=None)


def _listed(company: Company, filer: Filer, as_of: AsOf, forms: Collection[str], source: str) -> FilingList:
    seen = [filing for filing in _of_forms(filer, forms) if _is_seen(filing, as_of)]
    return FilingList(
        cik=filer.cik,
        name=filer.name,
        symbol=company.symbol or next(iter(filer.tickers), ""),
        industry=filer.industry,
        former_names=filer.former_names,
        filings=tuple(seen[:MOST_FILINGS]),
        source=source,
        as_of=as_of.day,
    )


def _of_forms(filer: Filer, forms: Collection[str]) -> list[Filing]:
    """The filings of some forms and their amendments; all where no form is named."""
    wanted = {form.strip().upper() for form in forms}
    return [
        filing
        for filing in filer.filings
        if not wanted or filing.form.upper() in wanted or filing.form.upper().removesuffix("/A") in wanted
    ]


def _is_seen(filing: Filing, as_of: AsOf) -> bool:
    """Whether it was there. What the SEC lists now is; its clock, which is not always UTC, tells of past days alone."""
    is_accepted = as_of.is_live or filing.accepted_at is None or filing.accepted_at <= as_of.moment
    return filing.filing_date <= as_of.day and is_accepted


def _cik(company: Company) -> int:
    if company.cik is None:
        raise no_filer(company.symbol)
    return company.cik
