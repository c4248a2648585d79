"""Whose news, filings and figures are asked for: an instrument's company, as each source knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.errors import InvalidRequest, NotFound
from core.market.sources.sample_reading import SampleReading

MAX_CIK = 10**10 - 1
MAX_SYMBOL = 30


class KnownInstrument(Protocol):
    """As much of an instrument as is needed here."""

    @property
    def symbol(self) -> str:
        """Its symbol."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def cik(self) -> int | None:
        """The company's number at the SEC."""
        ...

    @property
    def is_generated(self) -> bool:
        """Whether it exists in our sample alone."""
        ...


class KnowsInstruments(Protocol):
    """Instruments by symbol and by CIK."""

    def get(self, symbol: str) -> KnownInstrument | None:
        """The instrument of that symbol."""
        ...

    def of_cik(self, cik: int) -> KnownInstrument | None:
        """The first instrument of a company."""
        ...

    def alias(self, symbol: str, source: str) -> str:
        """A symbol as a source spells it."""
        ...


@dataclass(frozen=True, slots=True)
class Company:
    """Who is read about."""

    symbol: str
    """Empty where only the CIK is known."""
    name: str
    cik: int | None
    is_generated: bool
    """A fictitious issuer: only the sample knows of it, and no live source is asked."""


class Companies:
    """Finds companies; the fictitious ones of the sample before all others."""

    def __init__(self, instruments: KnowsInstruments, sample: SampleReading) -> None:
        self._instruments = instruments
        self._sample = sample

    def of_symbol(self, symbol: str) -> Company:
        """The company of a symbol. One that no universe holds is asked for by its symbol alone.

        Raises:
            InvalidRequest: what cannot be a symbol.
        """
        wanted = symbol.strip().upper()
        if not 0 < len(wanted) <= MAX_SYMBOL or not wanted.isprintable() or any(sign.isspace() for sign in wanted):
            raise InvalidRequest("The field symbol must be a symbol such as AAPL.")
        issuer = self._sample.issuer(wanted)
        if issuer is not None:
            return Company(issuer.symbol, issuer.name, issuer.cik, is_generated=True)
        found = self._instruments.get(wanted)
        if found is None:
            return Company(wanted, wanted, None, is_generated=False)
        return Company(found.symbol, found.name, found.cik, found.is_generated)

    def of_cik(self, cik: int) -> Company:
        """The company of that number; what the SEC knows of it is asked there.

        Raises:
            InvalidRequest: what cannot be a CIK.
        """
        if not 0 < cik <= MAX_CIK:
            raise InvalidRequest("The field cik must be a number of at most ten digits.")
        issuer = self._sample.issuer_of(cik)
        if issuer is not None:
            return Company(issuer.symbol, issuer.name, issuer.cik, is_generated=True)
        found = self._instruments.of_cik(cik)
        if found is None:
            return Company("", "", cik, is_generated=False)
        return Company(found.symbol, found.name, cik, is_generated=False)

    def filer(self, *, symbol: str | None = None, cik: int | None = None) -> Company:
        """The company of either of them, which must have a CIK.

        Raises:
            InvalidRequest: both or neither is given.
            NotFound: the company of that symbol files nothing with the SEC, as far as is known.
        """
        if (symbol is None) == (cik is None):
            raise InvalidRequest("Give either symbol or cik.")
        company = self.of_symbol(symbol) if symbol is not None else self.of_cik(cik or 0)
        if company.cik is None:
            raise NotFound(f"No company that files with the SEC is known by the symbol {company.symbol}.")
        return company

    def alias(self, company: Company, source: str) -> str:
        """The company's symbol as a source spells it."""
        return self._instruments.alias(company.symbol, source)
