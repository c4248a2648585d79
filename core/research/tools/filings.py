"""The tool `filings`: what a company filed with the SEC. It counts no list of filings."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from core.ai.evidence import Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.market.articles import safe_url
from core.market.as_of import AsOf
from core.market.companies import Company
from core.market.filings import LIST_LIFE_S, MOST_FILINGS, FilingArchive, FilingList
from core.market.market import Market
from core.market.sources.contract import Filing
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import Symbol, entity_of, figure, listed

MAX_FORM_CHARS = 20
DESCRIPTION_CHARS = 120
COLUMNS = ("Form", "Filed", "Period", "Description", "Address")
LISTS = "https://www.sec.gov/cgi-bin/browse-edgar?action=getcompany&CIK="


class FilingsArguments(Arguments):
    """Whose filings, and which."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    forms: tuple[str, ...] = Field((), max_length=8, description="Forms, such as 10-K; all where left out.")
    year: int | None = Field(None, ge=1990, le=2200, description="Of this year of filing alone.")
    most: int = Field(10, ge=1, le=20, description="The newest so many.")


class Filings:
    """Lists filings until the principal's date: those that are kept, or as the archive has them now."""

    name = "filings"
    description = "A company's filings with the SEC, newest first: form, day of filing, period, address; and how many."
    arguments: type[BaseModel] = FilingsArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: FilingsArguments) -> ToolResult:
        """The newest filings.

        Raises:
            InvalidRequest, NotFound: what cannot be a symbol, or no company that files.
            NotConfigured, SourceError: nobody to ask, or the SEC failed.
        """
        as_of = self._market.time.of(context.principal)
        company = self._market.companies.filer(as_of, symbol=arguments.symbol)
        forms = tuple(dict.fromkeys(form.strip().upper()[:MAX_FORM_CHARS] for form in arguments.forms if form.strip()))
        found = listed_filings(self._market.filings, company, as_of, forms)
        chosen = [f for f in found.filings if arguments.year is None or f.filing_date.year == arguments.year]
        told = chosen[: arguments.most]
        kind = f"{listed(forms)} filings" if forms else "Filings"
        when = "" if arguments.year is None else f" in {arguments.year}"
        return ToolResult(
            words=f"{kind} of {company.symbol}{when}",
            content={
                "symbol": company.symbol,
                "forms": list(forms),
                "year": arguments.year,
                "total": len(chosen),
                "filings": [_told(each) for each in told],
                "not_shown": len(chosen) - len(told),
            },
            figures=_figures(company.symbol, told, len(chosen), as_of, arguments.year),
            entities=(entity_of(company.symbol, cleaned(found.name, DESCRIPTION_CHARS)),),
            source=source_of(company, found, as_of),
            table=Table(columns=COLUMNS, rows=tuple(_row(each) for each in told), more=len(chosen) - len(told)),
            keep_s=LIST_LIFE_S,
            notes=_notes(company, found),
        )


def listed_filings(archive: FilingArchive, company: Company, as_of: AsOf, forms: tuple[str, ...] = ()) -> FilingList:
    """What a company filed: as it was listed within six hours, or anew; nothing is counted. Raises as the archive."""
    kept = archive.kept(company, as_of, forms=forms)
    return kept if kept is not None else archive.fetch(company, as_of, forms=forms)


def source_of(company: Company, found: FilingList, as_of: AsOf) -> Source:
    """Where a list of filings comes from."""
    if company.is_generated:
        return Source(title="Filings of the shipped sample (generated)", as_of=as_of.day, is_generated=True)
    return Source(title=f"SEC EDGAR: filings of {company.symbol}", url=f"{LISTS}{found.cik:010d}", as_of=as_of.day)


def address_of(filing: Filing) -> str | None:
    """Where a filing can be read; None of what is generated, which is on no host."""
    return safe_url(filing.url)


def _told(filing: Filing) -> dict[str, Any]:
    return {
        "form": filing.form,
        "filed": filing.filing_date.isoformat(),
        "period": filing.report_date and filing.report_date.isoformat(),
        "items": list(filing.items[:10]),
        "accession_number": filing.accession_number,
        "address": address_of(filing),
        "outside": {"description": cleaned(filing.description, DESCRIPTION_CHARS)},
    }


def _row(filing: Filing) -> tuple[Any, ...]:
    description = cleaned(filing.description, DESCRIPTION_CHARS)
    return (filing.form, filing.filing_date, filing.report_date, description, address_of(filing))


def _figures(symbol: str, told: list[Filing], total: int, as_of: AsOf, year: int | None) -> list[Figure]:
    last = as_of.day if year is None else min(as_of.day, date(year, 12, 31))
    found = figure(symbol, "filings", total, day=last, first=None if year is None else date(year, 1, 1))
    for each in told:
        found += figure(symbol, "filed_day", each.filing_date, day=each.filing_date)
        found += figure(symbol, "period_end", each.report_date, day=each.report_date)
    return found


def _notes(company: Company, found: FilingList) -> list[str]:
    notes = [f"{company.symbol} does not exist: its filings are generated."] if company.is_generated else []
    if len(found.filings) >= MOST_FILINGS:
        notes.append(f"The newest {MOST_FILINGS} alone are listed; there may be older ones.")
    return notes
