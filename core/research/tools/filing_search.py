"""The tool `filing_search`: where words occur in a company's filing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from pydantic import BaseModel, Field

from core.ai.evidence import Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import InvalidRequest, NotFound
from core.market.as_of import AsOf
from core.market.companies import Company
from core.market.filing_text import FilingText
from core.market.filings import TEXT_LIFE_S
from core.market.market import Market
from core.market.sources.contract import Filing
from core.research.tools.arguments import Arguments
from core.research.tools.filings import MAX_FORM_CHARS, address_of, listed_filings
from core.research.tools.market_material import Symbol, day_words, entity_of, figure

PASSAGE_CHARS = 500
LEAST_WORD_CHARS = 3
"""Shorter words are not looked for by themselves."""
COLUMNS = ("Item", "Passage")


class FilingSearchArguments(Arguments):
    """What is looked for, in which filing."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    query: str = Field(min_length=2, max_length=200, description="A few words as the text may have them.")
    form: str | None = Field(None, max_length=MAX_FORM_CHARS, description="Form, such as 10-K; any where left out.")
    filed: date | None = Field(None, description="Day of filing; the newest where left out.")
    most: int = Field(5, ge=1, le=10, description="Passages.")


@dataclass(frozen=True, slots=True)
class _Place:
    """A passage of a filing."""

    item: str
    text: str


class FilingSearch:
    """Looks for words in the primary document of one filing; what it finds is a stranger's text."""

    name = "filing_search"
    description = "Passages of a company's filing in which words occur, with the item they stand in, and its address."
    arguments: type[BaseModel] = FilingSearchArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: FilingSearchArguments) -> ToolResult:
        """The passages, in their order.

        Raises:
            InvalidRequest: nothing to look for, or what cannot be a symbol.
            NotFound: no company that files, or no such filing up to the principal's date.
            NotConfigured, SourceError: nobody to ask, or the document cannot be had.
        """
        as_of = self._market.time.of(context.principal)
        query = " ".join(arguments.query.split())
        if not any(character.isalnum() for character in query):
            raise InvalidRequest("Say which words to look for.")
        company = self._market.companies.filer(as_of, symbol=arguments.symbol)
        filing = self._filing(company, as_of, arguments)
        text = self._market.filings.document(company, filing, as_of)
        places, is_near = _places(text, query, arguments.most)
        return ToolResult(
            words=f"“{cleaned(query, 60)}” in the {filing.form} of {company.symbol} of {day_words(filing.filing_date)}",
            content={
                "symbol": company.symbol,
                "form": filing.form,
                "filed": filing.filing_date.isoformat(),
                "period": filing.report_date and filing.report_date.isoformat(),
                "address": address_of(filing),
                "passages": [{"item": place.item, "outside": {"text": place.text}} for place in places],
            },
            figures=_figures(company.symbol, filing, len(places)),
            entities=(entity_of(company.symbol, cleaned(company.name, 120)),),
            source=Source(
                title=f"{filing.form} of {company.symbol}, filed {day_words(filing.filing_date)}",
                url=address_of(filing),
                as_of=filing.filing_date,
                is_generated=company.is_generated,
            ),
            table=Table(columns=COLUMNS, rows=tuple((place.item, place.text) for place in places)),
            keep_s=TEXT_LIFE_S if not company.is_generated else None,
            notes=_notes(company, text, places, is_near=is_near),
        )

    def _filing(self, company: Company, as_of: AsOf, arguments: FilingSearchArguments) -> Filing:
        form = (arguments.form or "").strip().upper()
        found = listed_filings(self._market.filings, company, as_of, (form,) if form else ()).filings
        days = [filing for filing in found if arguments.filed in (None, filing.filing_date)]
        if not days:
            kind = f"no {form} filing" if form else "no filing"
            when = f"of {day_words(arguments.filed)}" if arguments.filed else f"up to {day_words(as_of.day)}"
            raise NotFound(f"There is {kind} of {company.symbol} {when}.")
        return days[0]


def _places(text: FilingText, query: str, most: int) -> tuple[list[_Place], bool]:
    """Where the words stand one behind the other; otherwise the lines that hold all of them, in any order."""
    exact = [
        _Place(found.item, cleaned(f"{found.before}{found.hit}{found.after}", PASSAGE_CHARS))
        for found in text.search(query, most)
    ]
    return (exact, False) if exact else ([*islice(_lines(text, query), most)], True)


def _lines(text: FilingText, query: str) -> Iterator[_Place]:
    words = [word for word in query.casefold().split() if len(word) >= LEAST_WORD_CHARS]
    if not words:
        return
    for section in text.sections:
        for line in text.of(section).splitlines():
            lowered = line.casefold()
            if all(word in lowered for word in words):
                at = max(0, lowered.find(words[0]) - PASSAGE_CHARS // 2)
                yield _Place(section.item, cleaned(line[at : at + PASSAGE_CHARS], PASSAGE_CHARS))


def _figures(symbol: str, filing: Filing, passages: int) -> list[Figure]:
    found = figure(symbol, "passages", passages, day=filing.filing_date)
    found += figure(symbol, "filed_day", filing.filing_date, day=filing.filing_date)
    return [*found, *figure(symbol, "day", filing.report_date, day=filing.report_date)]


def _notes(company: Company, text: FilingText, places: list[_Place], *, is_near: bool) -> list[str]:
    notes = [f"{company.symbol} does not exist: its filings are generated."] if company.is_generated else []
    if not places:
        notes.append("These words do not occur in this filing; try fewer or others.")
    elif is_near:
        notes.append("The words stand in these lines, but not one behind the other.")
    if text.is_cut:
        notes.append("The document is longer than what was searched.")
    return notes
