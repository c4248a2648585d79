"""The tool `quote`: the last price of some symbols, as the quotes of the principal's date have it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from core.ai.evidence import Cell, Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import NoData
from core.market.as_of import AsOf
from core.market.instruments import Instrument
from core.market.market import Market
from core.market.past_quotes import DIGITS
from core.market.quotes import Quote as MarketQuote
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import (
    MAX_NAME_CHARS,
    Symbol,
    cell,
    checked_symbols,
    day_words,
    entities_of,
    figure,
    listed,
    shown,
)

MAX_SYMBOLS = 10
LIVE_KEEP_S = 300.0
"""So long an answer that rests on a live price is fresh."""
COLUMNS = ("Symbol", "Last price", "Currency", "Change", "Day", "Source")


class QuoteArguments(Arguments):
    """Which symbols."""

    symbols: tuple[Symbol, ...] = Field(min_length=1, max_length=MAX_SYMBOLS, description="Symbols, such as AAPL.")


class Quote:
    """Tells last prices. Nobody is asked but the market's quotes, and nothing is counted."""

    name = "quote"
    description = (
        "Last price of shares or indices in their currency, with its day and the change from the close before as a "
        "fraction; also name, sector and exchange."
    )
    arguments: type[BaseModel] = QuoteArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: QuoteArguments) -> ToolResult:
        """The last prices; each symbol fails alone.

        Raises:
            InvalidRequest: what cannot be a symbol.
            NoData: none of the symbols has a price.
        """
        principal = context.principal
        as_of = self._market.time.of(principal)
        symbols = checked_symbols(arguments.symbols)
        quotes = self._market.quotes.get(symbols, as_of, principal.org_id)
        priced = [quote for quote in quotes.values() if quote.price is not None and quote.as_of is not None]
        unknown = [quote.symbol for quote in quotes.values() if quote.price is None]
        if not priced:
            reasons = list(dict.fromkeys(problem for quote in quotes.values() for problem in quote.problems))
            told = " ".join([f"No price of {listed(unknown)} is known up to {day_words(as_of.day)}.", *reasons[:2]])
            raise NoData(told, source="quotes")
        known = self._market.instruments.many(symbols, as_of, principal)
        told_of = {symbol: _about(each) for symbol, each in known.items()}
        notes = [f"No price of {listed(unknown)} is known."] if unknown else []
        return ToolResult(
            words=f"Last price of {listed([quote.symbol for quote in priced])}",
            content={
                "quotes": [_told(quote, told_of.get(quote.symbol, ("", "", ""))) for quote in priced],
                "unknown": unknown,
            },
            figures=[each for quote in priced for each in _figures(quote, is_close=not as_of.is_live)],
            entities=entities_of(self._market, principal, symbols),
            source=_source(priced, as_of),
            table=Table(columns=COLUMNS, rows=tuple(_row(quote) for quote in priced)),
            keep_s=LIVE_KEEP_S if as_of.is_live else None,
            notes=(*notes, *_warnings(priced)),
        )


def _day(quote: MarketQuote) -> date | None:
    return quote.as_of.date() if quote.as_of else None


def _change(quote: MarketQuote) -> Decimal | None:
    """The change from the close before, in money."""
    if quote.price is None or quote.change_pct is None or quote.change_pct <= -1:
        return None
    return round(quote.price - quote.price / (1 + quote.change_pct), DIGITS)


def _about(instrument: Instrument) -> tuple[str, str, str]:
    """Name, sector and exchange; somebody in the organisation may have written them."""
    return cleaned(instrument.name, MAX_NAME_CHARS), cleaned(instrument.sector, MAX_NAME_CHARS), instrument.exchange


def _origin(quote: MarketQuote) -> str:
    """Who told the price; of an organisation's own bars the name of its file."""
    return cleaned(quote.origin or quote.source, MAX_NAME_CHARS)


def _told(quote: MarketQuote, about: tuple[str, str, str]) -> dict[str, Any]:
    name, sector, exchange = about
    return {
        "symbol": quote.symbol,
        "name": name,
        "sector": sector,
        "exchange": exchange,
        "price": shown(quote.price),
        "currency": quote.currency,
        "change": shown(quote.change_pct),
        "change_amount": shown(_change(quote)),
        "day": None if quote.as_of is None else quote.as_of.date().isoformat(),
        "source": _origin(quote),
        "is_stale": quote.is_stale,
        "is_generated": quote.is_generated,
    }


def _row(quote: MarketQuote) -> tuple[Cell, ...]:
    return (quote.symbol, cell(quote.price), quote.currency or "", cell(quote.change_pct), _day(quote), _origin(quote))


def _figures(quote: MarketQuote, *, is_close: bool) -> list[Figure]:
    """Of a past day the last price is the close."""
    day = _day(quote)
    return [
        *figure(quote.symbol, "last_price", quote.price, "price", day=day, currency=quote.currency),
        *figure(
            quote.symbol,
            "close",
            quote.price if is_close else None,
            "price",
            day=day,
            currency=quote.currency,
        ),
        *figure(quote.symbol, "change_share", quote.change_pct, "fraction", day=day, first=day),
        *figure(quote.symbol, "change_amount", _change(quote), "price", day=day, first=day, currency=quote.currency),
        *figure(quote.symbol, "day", day, day=day),
    ]


def _source(quotes: list[MarketQuote], as_of: AsOf) -> Source:
    origins = list(dict.fromkeys(_origin(quote) for quote in quotes))
    return Source(
        title=f"Quotes: {', '.join('shipped sample' if each == 'sample' else each for each in origins)}"[:300],
        as_of=max((quote.as_of for quote in quotes if quote.as_of), default=as_of.day),
        is_generated=any(quote.is_generated for quote in quotes),
    )


def _warnings(quotes: list[MarketQuote]) -> list[str]:
    stale = [quote.symbol for quote in quotes if quote.is_stale]
    made_up = [quote.symbol for quote in quotes if quote.is_generated]
    return [
        *([f"A session has closed since the price of {listed(stale)}."] if stale else []),
        *([f"Prices of {listed(made_up)} are generated, of no real company."] if made_up else []),
    ]
