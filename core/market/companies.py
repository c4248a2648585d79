"""Whose news, filings and figures are asked for: the company of a symbol or a CIK."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from threading import Lock

from core.errors import InvalidRequest, NoData, NotFound
from core.market.as_of import AsOf
from core.market.gate import Gate
from core.market.instruments import Instrument, Instruments
from core.market.sources.contract import FilingSource, Listing
from core.market.sources.sample_reading import Issuer, SampleReading
from core.market.symbols import canonical, checked_symbol

MAX_CIK = 10**10 - 1


@dataclass(frozen=True, slots=True)
class Company:
    """Who is read about."""

    symbol: str
    """As we spell it; empty where only the CIK is known."""
    name: str
    """Empty where only the CIK is known."""
    cik: int | None
    """None where the company files nothing with the SEC, as far as is known."""
    is_generated: bool
    """It does not exist: only the sample knows of it, and no live source is asked."""


class Companies:
    """Finds companies; the fictitious ones of the sample before all others."""

    def __init__(
        self,
        instruments: Instruments,
        sample: SampleReading,
        *,
        gate: Gate | None = None,
        listings: FilingSource | None = None,
    ) -> None:
        """`listings` is who knows which company files under which symbol; asked where we do not, once a day."""
        self._instruments = instruments
        self._sample = sample
        self._gate = gate
        self._listings = listings
        self._lines: dict[str, Listing] = {}
        self._listed_on: date | None = None
        self._lock = Lock()

    def of_symbol(self, symbol: str, as_of: AsOf) -> Company:
        """The company of a symbol. One that no universe holds is asked for by its symbol alone.

        Raises:
            InvalidRequest: what cannot be a symbol.
        """
        wanted = checked_symbol(symbol)
        issuer = self._sample.issuer(wanted)
        if issuer is not None:
            return _fictitious(issuer)
        found = self._instruments.find(wanted, as_of).exact
        return Company(wanted, wanted, None, is_generated=False) if found is None else _company(found)

    def of_cik(self, cik: int, as_of: AsOf) -> Company:
        """The company of that number; of one that is in no universe the SEC is asked all the same.

        Raises:
            InvalidRequest: what cannot be a CIK.
        """
        if not 0 < cik <= MAX_CIK:
            raise InvalidRequest("The field cik must be a number of at most ten digits.")
        issuer = self._sample.issuer_of(cik)
        if issuer is not None:
            return _fictitious(issuer)
        shares = self._instruments.find(str(cik), as_of).candidates
        found = next((share for share in shares if share.cik == cik), None)
        return Company("", "", cik, is_generated=False) if found is None else _company(found)

    def filer(self, as_of: AsOf, *, symbol: str | None = None, cik: int | None = None) -> Company:
        """The company of either of them, which must have a CIK.

        Raises:
            InvalidRequest: both or neither is given, or what cannot be one.
            NotFound: the company of that symbol files nothing with the SEC, as far as was known on that day.
            SourceError: it is not known here, and the SEC's list of symbols cannot be had.
        """
        if (symbol is None) == (cik is None):
            raise InvalidRequest("Give either symbol or cik.")
        company = self.of_cik(cik, as_of) if cik is not None else self.of_symbol(symbol or "", as_of)
        # The SEC's list is today's: on a past day a symbol may have been another company's.
        if company.cik is None and not company.is_generated and as_of.is_live:
            line = self._listed(company.symbol, as_of)
            company = company if line is None else replace(company, name=line.name, cik=line.cik)
        if company.cik is None:
            raise no_filer(company.symbol)
        return company

    def _listed(self, symbol: str, as_of: AsOf) -> Listing | None:
        """The line of a symbol in the SEC's list, which a process asks for once a day, when it first needs it."""
        if self._gate is None or self._listings is None:
            return None
        with self._lock:
            if self._listed_on != as_of.now.date():
                try:
                    lines = self._gate.call(self._listings, self._listings.tickers)
                except NoData:
                    lines = ()
                self._lines = {canonical(line.symbol): line for line in reversed(lines)}  # the first of two counts
                self._listed_on = as_of.now.date()
            return self._lines.get(symbol)


def no_filer(symbol: str) -> NotFound:
    """What is told of a company that files nothing with the SEC, as far as is known."""
    return NotFound(f"No company that files with the SEC is known by the symbol {symbol}.")


def _company(found: Instrument) -> Company:
    return Company(found.symbol, found.name, found.cik, found.is_generated)


def _fictitious(issuer: Issuer) -> Company:
    return Company(issuer.symbol, issuer.name, issuer.cik, is_generated=True)
