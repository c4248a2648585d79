"""What the sources of market data answer, in their documented shapes, from one small world of made-up shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

OPEN_UTC = timedelta(hours=13, minutes=30)
"""Of the made-up exchange, in summer."""


@dataclass(frozen=True)
class Bar:
    """One day, as it was traded."""

    day: date
    close: Decimal
    volume: int = 1_000_000

    @property
    def prices(self) -> dict[str, Decimal]:
        """Open, high, low and close."""
        one = self.close / 100
        return {"open": self.close - one, "high": self.close + one, "low": self.close - 2 * one, "close": self.close}


DAYS = [date(2025, 9, day) for day in (15, 16, 17, 18, 19, 22)]
BARS = tuple(Bar(day, close) for day, close in zip(DAYS, map(Decimal, (240, 241, 243, 244, 245, 256)), strict=True))


@dataclass(frozen=True)
class Share:
    """One share, with its last price."""

    symbol: str
    price: Any = Decimal("256.08")
    """As the vendor writes it; a test may say that it is no price."""
    before: Any = Decimal("245.5")
    volume: Any = 101_865_199
    unit: str = "USD"
    """Currency as Yahoo names it; GBp is pence."""
    exchange: str = "NASDAQ"
    time_s: int = 1_758_571_201
    bars: tuple[Bar, ...] = BARS
    splits: Mapping[date, tuple[int, int]] = field(default_factory=dict)
    """New and old shares by ex-date."""
    dividends: Mapping[date, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Company:
    """One company, with its news and filings."""

    symbol: str = "ACME"
    name: str = "Acme, Inc."
    cik: int = 1


Query = Mapping[str, str]
World = Mapping[str, Share]


def alphavantage(world: World, query: Query) -> Any:
    """The answer of `/query`."""
    share = world.get(query["symbol"])
    return _ALPHAVANTAGE[query["function"]](share, query)


def _global_quote(share: Share | None, query: Query) -> Any:
    if share is None:
        return {"Global Quote": {}}
    change = f"{(Decimal(share.price) / Decimal(share.before) - 1) * 100:.4f}%" if _is_number(share.price) else None
    return {
        "Global Quote": {
            "01. symbol": share.symbol,
            "02. open": "250.0000",
            "05. price": _word(share.price),
            "06. volume": _word(share.volume),
            "07. latest trading day": datetime.fromtimestamp(share.time_s, UTC).date().isoformat(),
            "08. previous close": _word(share.before),
            "10. change percent": change,
        }
    }


def _daily(share: Share | None, query: Query) -> Any:
    if share is None:
        return {"Error Message": "the call is not valid for TIME_SERIES_DAILY"}
    rows = [[bar.day.isoformat(), *map(str, bar.prices.values()), str(bar.volume)] for bar in reversed(share.bars)]
    return "\r\n".join(["timestamp,open,high,low,close,volume", *map(",".join, rows), ""])


_ALPHAVANTAGE: Mapping[str, Callable[[Share | None, Query], Any]] = {
    "GLOBAL_QUOTE": _global_quote,
    "TIME_SERIES_DAILY": _daily,
    "SPLITS": lambda share, _: {
        "symbol": share.symbol if share else "",
        "data": [
            {"effective_date": day.isoformat(), "split_factor": f"{Decimal(new) / old:.4f}"}
            for day, (new, old) in (share.splits if share else {}).items()
        ],
    },
    "DIVIDENDS": lambda share, _: {
        "symbol": share.symbol if share else "",
        "data": [
            {"ex_dividend_date": day.isoformat(), "declaration_date": "None", "amount": str(paid)}
            for day, paid in (share.dividends if share else {}).items()
        ],
    },
}


def fmp_quote(world: World, query: Query) -> Any:
    """The answer of `/stable/quote`; to a list of symbols it is empty."""
    share = world.get(query["symbol"])
    if share is None:
        return []
    row = {
        "symbol": share.symbol,
        "name": share.symbol.title(),
        "price": share.price,
        "changePercentage": (share.price / share.before - 1) * 100 if _is_number(share.price) else None,
        "volume": share.volume,
        "marketCap": 3_800_327_071_200,
        "exchange": share.exchange,
        "previousClose": share.before,
        "timestamp": share.time_s,
    }
    return [row]


def fmp_history(world: World, query: Query) -> Any:
    """The answer of `/stable/historical-price-eod/full`: newest first, in shares of today."""
    share = world.get(query["symbol"])
    days = range_of(share, query["from"], query["to"])
    return [
        {"symbol": share.symbol, "date": bar.day.isoformat(), **values, "change": 0, "vwap": values["close"]}
        for bar in reversed(days)
        if share is not None
        for values in [_split_adjusted(share, bar)]
    ]


def fmp_splits(world: World, query: Query) -> Any:
    """The answer of `/stable/splits`."""
    share = world.get(query["symbol"])
    return [
        {"symbol": query["symbol"], "date": day.isoformat(), "numerator": new, "denominator": old}
        for day, (new, old) in (share.splits if share else {}).items()
    ]


def fmp_dividends(world: World, query: Query) -> Any:
    """The answer of `/stable/dividends`."""
    share = world.get(query["symbol"])
    return [
        {"symbol": query["symbol"], "date": day.isoformat(), "adjDividend": paid, "dividend": paid, "yield": 1}
        for day, paid in (share.dividends if share else {}).items()
    ]


def yahoo_chart(world: World, symbol: str, query: Query) -> tuple[int, Any]:
    """Status and answer of `/v8/finance/chart/…`: in shares of today, with the day's adjusted close."""
    share = world.get(symbol)
    if share is None:
        error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
        return 404, {"chart": {"result": None, "error": error}}
    rows = [_split_adjusted(share, bar) for bar in share.bars]
    quote = {name: [row[name] for row in rows] for name in ("open", "high", "low", "close", "volume")}
    meta = {
        "currency": share.unit,
        "symbol": share.symbol,
        "exchangeTimezoneName": "America/New_York",
        "gmtoffset": -14400,
        "regularMarketPrice": share.price,
        "regularMarketTime": share.time_s,
        "regularMarketVolume": share.volume,
        "chartPreviousClose": share.before,
    }
    result = {
        "meta": meta,
        "timestamp": [_open(bar.day) for bar in share.bars],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": [*quote["close"]]}]},
        "events": {
            "splits": {
                str(_open(day)): {
                    "date": _open(day),
                    "numerator": new,
                    "denominator": old,
                    "splitRatio": f"{new}:{old}",
                }
                for day, (new, old) in share.splits.items()
            },
            "dividends": {
                str(_open(day)): {"date": _open(day), "amount": paid / _factor(share, day)}
                for day, paid in share.dividends.items()
            },
        },
    }
    return 200, {"chart": {"result": [result], "error": None}}


def finnhub_news(companies: Mapping[str, Company], query: Query) -> Any:
    """The answer of `/api/v1/company-news`."""
    company = companies.get(query["symbol"])
    if company is None:
        return []
    times = [_at(day, hours=14) for day in reversed(DAYS)]
    return [
        {
            "category": "company",
            "datetime": int(moment.timestamp()),
            "headline": f"{company.name} raises full-year outlook",
            "id": 135_000_001 + number,
            "image": "https://example.com/a.jpg",
            "related": company.symbol,
            "source": "Reuters",
            "summary": "",
            "url": f"https://example.com/news/{number}",
        }
        for number, moment in enumerate(times)
        if query["from"] <= moment.date().isoformat() <= query["to"]
    ]


def brave_news(query: Query) -> Any:
    """The answer of `/res/v1/news/search`."""
    results = [
        {
            "type": "news_result",
            "title": "Acme &amp; Sons <strong>rise</strong>",
            "url": f"https://example.com/found/{day.isoformat()}",
            "description": "Shares of <strong>Acme</strong> rose 4%.",
            "age": "2 hours ago",
            "page_age": f"{day.isoformat()}T12:00:00",
            "meta_url": {"scheme": "https", "netloc": "example.com", "hostname": "example.com", "path": "› news"},
        }
        for day in DAYS
    ]
    return {"type": "news", "query": {"original": query["q"]}, "results": results}


def edgar_submissions(company: Company) -> Any:
    """The answer of `/submissions/CIK….json`."""
    return {
        "cik": f"{company.cik:010d}",
        "sic": "3711",
        "sicDescription": "Motor Vehicles & Passenger Car Bodies",
        "name": company.name,
        "tickers": [company.symbol],
        "exchanges": ["Nasdaq"],
        "fiscalYearEnd": "1231",
        "formerNames": [{"name": "ACME MOTORS INC", "from": "2005-02-17T00:00:00.000Z", "to": None}],
        "filings": {
            "recent": {
                "accessionNumber": ["0000000001-26-000010", "0000000001-26-000009"],
                "filingDate": ["2026-11-02", "2026-10-28"],
                "reportDate": ["2026-09-30", ""],
                "acceptanceDateTime": ["2026-11-02T16:31:05.000Z", "2026-10-28T16:05:00.000Z"],
                "form": ["10-Q", "8-K"],
                "fileNumber": ["001-00001", "001-00001"],
                "items": ["", "2.02,9.01"],
                "size": [10_000_000, 500_000],
                "primaryDocument": ["acme-20260930.htm", "acme-20261028.htm"],
                "primaryDocDescription": ["10-Q", "8-K"],
            },
            "files": [
                {
                    "name": f"CIK{company.cik:010d}-submissions-001.json",
                    "filingCount": 1,
                    "filingFrom": "2009-01-01",
                    "filingTo": "2019-12-31",
                }
            ],
        },
    }


def edgar_older() -> Any:
    """The answer of `/submissions/CIK…-submissions-001.json`: columns without a frame."""
    return {
        "accessionNumber": ["0000000001-09-000001"],
        "filingDate": ["2009-03-02"],
        "reportDate": ["2008-12-31"],
        "acceptanceDateTime": ["2009-03-02T23:05:00.000Z"],
        "form": ["10-K"],
        "fileNumber": ["001-00001"],
        "items": [""],
        "primaryDocument": [""],
        "primaryDocDescription": [""],
    }


def edgar_facts(company: Company) -> Any:
    """The answer of `/api/xbrl/companyfacts/CIK….json`."""
    quarter = {
        "start": "2026-07-01",
        "end": "2026-09-30",
        "val": 26_000_000_000,
        "accn": "0000000001-26-000010",
        "fy": 2026,
        "fp": "Q3",
        "form": "10-Q",
        "filed": "2026-11-02",
        "frame": "CY2026Q3",
    }
    shares = {**quarter, "end": "2026-10-20", "val": 1_000_000_000}
    del shares["start"]
    return {
        "cik": company.cik,
        "entityName": company.name,
        "facts": {
            "dei": {"EntityCommonStockSharesOutstanding": {"label": "Shares", "units": {"shares": [shares]}}},
            "us-gaap": {"Revenues": {"label": "Revenues", "description": "Revenue.", "units": {"USD": [quarter]}}},
        },
    }


def edgar_tickers(companies: Mapping[str, Company]) -> Any:
    """The answer of `/files/company_tickers_exchange.json`."""
    rows = [[company.cik, company.name, company.symbol, "Nasdaq"] for company in companies.values()]
    return {"fields": ["cik", "name", "ticker", "exchange"], "data": rows}


def range_of(share: Share | None, first: str, last: str) -> list[Bar]:
    """The bars of those days."""
    return [bar for bar in (share.bars if share else ()) if first <= bar.day.isoformat() <= last]


def _split_adjusted(share: Share, bar: Bar) -> dict[str, Any]:
    factor = _factor(share, bar.day)
    return {**{name: price / factor for name, price in bar.prices.items()}, "volume": int(bar.volume * factor)}


def _factor(share: Share, day: date) -> Decimal:
    factor = Decimal(1)
    for ex_date, (new, old) in share.splits.items():
        factor *= Decimal(new) / old if ex_date > day else 1
    return factor


def _open(day: date) -> int:
    return int(_at(day).timestamp())


def _at(day: date, *, hours: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + (timedelta(hours=hours) if hours else OPEN_UTC)


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def _word(value: object) -> Any:
    return f"{value:.4f}" if isinstance(value, Decimal) else value if value is None else str(value)
