"""The computations that the expected answers come from, by name: independent of what answers the questions.

They read the shipped files alone (`shipped`), and follow the house's conventions of finance. A fact of a question
names one (`by`) and its arguments (`of`).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from statistics import stdev
from typing import Any, TypeVar

from tests.eval import ledger, measures
from tests.eval.shipped import AS_OF, PORTFOLIOS, bars, document, facts_of, members, rate, reading, transactions

Value = float | int | str | date | list[str]
Computation = Callable[..., Value]
COMPUTATIONS: dict[str, Computation] = {}
_Computation = TypeVar("_Computation", bound=Computation)
WEEKS_52 = 252
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def computed(by: str, of: Mapping[str, Any] | None = None) -> Value:
    """What a computation gives; arguments that are themselves `{by, of}` are computed first.

    Raises:
        KeyError: no computation of that name.
    """
    given = {name: _argument(each) for name, each in (of or {}).items()}
    return COMPUTATIONS[by](**given)


def _argument(given: Any) -> Any:
    if isinstance(given, dict) and "by" in given:
        return computed(**given)
    return [_argument(each) for each in given] if isinstance(given, list) else given


def _computation(function: _Computation) -> _Computation:
    COMPUTATIONS[function.__name__] = function
    return function


@_computation
def close(symbol: str, day: date = AS_OF) -> float:
    """The close of a day, in the shares of the as-of day."""
    return bars(symbol).close_on(day)


@_computation
def change(symbol: str, points: bool = False) -> float:
    """The last close against the one before it, as a fraction or in money."""
    before, after = bars(symbol).close[-2:]
    return after - before if points else after / before - 1


@_computation
def extreme(
    symbol: str, first: date, last: date, lowest: bool = False, column: str = "close", gives: str = "value"
) -> Value:
    """The highest or lowest of a column between two days, or its day."""
    history = bars(symbol)
    begin, end = history.up_to(first - timedelta(days=1)), history.up_to(last)
    values = history.columns[column]
    at = (min if lowest else max)(range(begin, end), key=values.__getitem__)
    return values[at] if gives == "value" else history.days[at]


@_computation
def price_return(symbol: str, first: date, last: date) -> float:
    """The last close up to `last` against the last up to `first`, without dividends."""
    history = bars(symbol)
    return history.close[history.up_to(last) - 1] / history.close[history.up_to(first) - 1] - 1


@_computation
def sma(symbol: str, n: int) -> float:
    """Simple average of the last closes."""
    return measures.average(bars(symbol), n)


@_computation
def rsi(symbol: str, n: int = 14) -> float:
    """Relative strength index at the last close."""
    return measures.rsi(bars(symbol).close, n)


@_computation
def high_52(symbol: str, lowest: bool = False) -> float:
    """The highest high, or lowest low, of the last 252 bars."""
    columns = bars(symbol).columns
    return min(columns["low"][-WEEKS_52:]) if lowest else max(columns["high"][-WEEKS_52:])


@_computation
def volatility_20(symbol: str) -> float:
    """Of the last 20 daily returns, a year."""
    return stdev(measures.returns_of(bars(symbol).close[-21:])) * math.sqrt(measures.SESSIONS_A_YEAR)


@_computation
def above_average(portfolio: str, n: int, below: bool = False) -> list[str]:
    """The holdings that closed above, or below, their average of so many days."""
    found = ledger.held(portfolio)
    return sorted(symbol for symbol in found if (bars(symbol).close[-1] > sma(symbol, n)) is not below)


@_computation
def count(among: list[str]) -> int:
    """How many there are."""
    return len(among)


@_computation
def universe_members(universe: str, sector: str | None = None, above_sma: int = 0, rsi_below: float = 0) -> list[str]:
    """The members of a universe, of a sector, or with a last close above an average or an RSI(14) below a bound.

    With a bound, those alone that have a bar of the last session and enough before it.
    """
    found = []
    for symbol, row in members(universe).items():
        if sector is not None and row["sector"] != sector:
            continue
        if above_sma or rsi_below:
            history = bars(symbol)
            if history.days[-1] != AS_OF or len(history.days) < max(above_sma, 15):
                continue
            if above_sma and history.close[-1] <= measures.average(history, above_sma):
                continue
            if rsi_below and measures.rsi(history.close) >= rsi_below:
                continue
        found.append(symbol)
    return sorted(found)


@_computation
def about(symbol: str, what: str) -> str:
    """Name, sector or exchange of a symbol."""
    return facts_of(symbol)[what]


@_computation
def portfolio_value(portfolio: str, day: date | None = None) -> float:
    """Of all that is held, money included, at the last prices or on a day."""
    if day is None:
        return ledger.value(portfolio)
    found = ledger.curve(portfolio)
    return found.value[found.places(None, day)[1] - 1]


@_computation
def holding(portfolio: str, symbol: str, what: str) -> float:
    """Quantity, value, weight, cost, gain, gain_share or realised of a holding."""
    position, worth = ledger.positions(portfolio)[symbol], 0.0
    if symbol in ledger.held(portfolio):
        worth = ledger.worth(portfolio, symbol)
    paid = ledger.cost(portfolio, symbol)
    is_fifo = PORTFOLIOS[portfolio][2] == "fifo"
    figures = {
        "quantity": lambda: position.quantity,
        "value": lambda: worth,
        "weight": lambda: worth / ledger.value(portfolio),
        "cost": lambda: paid,
        "gain": lambda: worth - paid,
        "gain_share": lambda: worth / paid - 1,
        "realised": lambda: position.realised_fifo if is_fifo else position.realised_average,
    }
    return figures[what]()


@_computation
def ranked(portfolio: str, what: str = "value", place: int = 0, lowest: bool = False) -> str:
    """The holding at a place by a figure of `holding`, the largest first."""
    found = sorted(ledger.held(portfolio), key=lambda symbol: holding(portfolio, symbol, what), reverse=not lowest)
    return found[place]


@_computation
def holdings(portfolio: str, losing: bool = False) -> list[str]:
    """The symbols that are held, or those of them that are worth less than they cost."""
    return [s for s in ledger.held(portfolio) if not losing or holding(portfolio, s, "gain") < 0]


@_computation
def cash(portfolio: str, share: bool = False) -> float:
    """Money, or its share of the value."""
    return ledger.cash(portfolio) / (ledger.value(portfolio) if share else 1.0)


@_computation
def sector_share(portfolio: str, sector: str) -> float:
    """Of the portfolio's value, money included."""
    symbols = [symbol for symbol in ledger.held(portfolio) if facts_of(symbol)["sector"] == sector]
    return sum(ledger.worth(portfolio, symbol) for symbol in symbols) / ledger.value(portfolio)


@_computation
def currency_share(portfolio: str, currency: str) -> float:
    """Of the portfolio's value in holdings that are priced in a currency."""
    symbols = [symbol for symbol in ledger.held(portfolio) if bars(symbol).currency == currency]
    return sum(ledger.worth(portfolio, symbol) for symbol in symbols) / ledger.value(portfolio)


@_computation
def transaction_count(
    portfolio: str, kind: str | None = None, symbol: str | None = None, year: int | None = None
) -> int:
    """How many transactions there are of a kind, symbol and year."""
    return len(_rows(portfolio, kind, symbol, year))


def _rows(portfolio: str, kind: str | None, symbol: str | None, year: int | None) -> list[Any]:
    return [
        row
        for row in transactions(portfolio)
        if (kind is None or row.kind == kind)
        and (symbol is None or row.symbol == symbol)
        and (year is None or row.day.year == year)
    ]


@_computation
def transaction_day(portfolio: str, kind: str, symbol: str | None = None, last: bool = False) -> date:
    """Day of the first, or last, transaction of a kind and symbol."""
    rows = _rows(portfolio, kind, symbol, None)
    day: date = rows[-1 if last else 0].day
    return day


@_computation
def paid(portfolio: str, kind: str, symbol: str | None = None, year: int | None = None) -> float:
    """Sum of amounts of a kind (dividends gross), in the portfolio's currency."""
    return sum(ledger.in_base(portfolio, row, row.gross) for row in _rows(portfolio, kind, symbol, year))


@_computation
def fees(portfolio: str, year: int | None = None) -> float:
    """Of trades and of the account, in the portfolio's currency."""
    rows = _rows(portfolio, None, None, year)
    return sum(ledger.in_base(portfolio, row, row.fees + (row.gross if row.kind == "Fee" else 0.0)) for row in rows)


@_computation
def time_weighted(portfolio: str, first: date | None = None, last: date | None = None, yearly: bool = False) -> float:
    """Time-weighted return of a window, or by the year (ACT/365)."""
    found = ledger.time_weighted(portfolio, first, last)
    if not yearly:
        return found
    curve = ledger.curve(portfolio)
    begin, end = curve.places(first, last)
    length = (curve.days[end - 1] - curve.days[max(begin - 1, 0)]).days
    return math.pow(1 + found, ledger.DAYS_A_YEAR / length) - 1


@_computation
def money_weighted(portfolio: str) -> float:
    """XIRR since the first transaction."""
    return ledger.money_weighted(portfolio)


@_computation
def benchmark_return(portfolio: str, first: date, last: date) -> float:
    """Of the S&P 500 index in the portfolio's currency, from the last close before a window to its last."""
    history, base = bars(ledger.BENCHMARK), ledger.base_of(portfolio)
    begin, end = history.up_to(first - timedelta(days=1)) - 1, history.up_to(last) - 1
    rates = [rate(history.currency, base, history.days[at]) for at in (begin, end)]
    return history.close[end] * rates[1] / (history.close[begin] * rates[0]) - 1


@_computation
def month(portfolio: str, year: int, worst: bool = False, gives: str = "name") -> Value:
    """Name, or time-weighted return, of the best or worst month of a year."""
    found = {}
    for number in range(1, 13):
        first = date(year, number, 1)
        last = date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)
        if last <= AS_OF:
            found[number] = ledger.time_weighted(portfolio, first, last)
    chosen = (min if worst else max)(found, key=found.__getitem__)
    return MONTHS[chosen - 1] if gives == "name" else found[chosen]


@_computation
def contributor(portfolio: str, first: date | None, last: date | None, worst: bool = False) -> str:
    """The holding that gained, or lost, most money in a window."""
    found = ledger.gains(portfolio, first, last)
    return (min if worst else max)(found, key=found.__getitem__)


@_computation
def drawdown(portfolio: str, first: date | None = None, last: date | None = None, gives: str = "value") -> Value:
    """Maximum drawdown of a window: its value, the day of its trough or peak, or the holding that lost most meanwhile.

    The window's start counts; the day before it is told as a peak's.
    """
    found = measures.portfolio_returns(portfolio, first, last)
    worst, peak, trough = measures.deepest(found.mine)
    if gives == "value":
        return worst
    curve = ledger.curve(portfolio)
    begin = curve.places(first, last)[0]
    if gives in ("trough", "peak"):
        return curve.days[max(begin + (trough if gives == "trough" else peak) - 1, 0)]
    return contributor(portfolio, curve.days[begin + peak], curve.days[begin + trough - 1], worst=True)


@_computation
def risk(portfolio: str, figure: str, first: date | None = None, last: date | None = None) -> float:
    """A risk figure of a portfolio's daily returns."""
    return measures.portfolio_returns(portfolio, first, last).figure(figure)


@_computation
def what_if(portfolio: str, symbol: str, quantity: float, gives: str) -> float:
    """Weight of a symbol, money that is left, or value, after a purchase (or sale, below 0) at the last close."""
    price = bars(symbol).close[-1] * rate(bars(symbol).currency, ledger.base_of(portfolio), AS_OF)
    keeps_cash = PORTFOLIOS[portfolio][3]
    there = ledger.worth(portfolio, symbol) if symbol in ledger.held(portfolio) else 0.0
    after, total = there + quantity * price, ledger.value(portfolio) + (0.0 if keeps_cash else quantity * price)
    figures = {
        "weight": after / total,
        "cash": ledger.cash(portfolio) - quantity * price,
        "holding": after,
        "value": total,
        "cost": quantity * price,
    }
    return figures[gives]


@_computation
def filing_day(symbol: str, form: str, back: int = 0) -> date:
    """Day on which the last filing of a form, or one so many before it, was filed."""
    days: list[date] = sorted(each["filing_date"] for each in _filings(symbol, form))
    return days[-1 - back]


@_computation
def filing_count(symbol: str, form: str | None = None, year: int | None = None) -> int:
    """How many filings there are."""
    return len([each for each in _filings(symbol, form) if year is None or each["filing_date"].year == year])


def _filings(symbol: str, form: str | None) -> list[Any]:
    issuer = next(each for each in reading()["issuers"] if each["symbol"] == symbol)
    return [f for f in issuer["filings"] if (form is None or f["form"] == form) and f["filing_date"] <= AS_OF]


@_computation
def reported(symbol: str, tag: str, end: date, start: date | None = None) -> float:
    """A figure of statements, as it was filed last; a balance has no start."""
    found = [
        row
        for row in reading()["facts"]
        if (row["symbol"], row["tag"], row["end"]) == (symbol, tag, end.isoformat())
        and row["start"] == ("" if start is None else start.isoformat())
        and row["filed"] <= AS_OF.isoformat()
    ]
    return float(max(found, key=lambda row: row["filed"])["value"])


@_computation
def filing_says(name: str, words: str) -> str:
    """Words of a shipped filing, as long as they stand there.

    Raises:
        KeyError: they do not.
    """
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", document(name))))
    if words.lower() not in text.lower():
        raise KeyError(f"{name} does not say: {words}")
    return words


@_computation
def headline(symbol: str, back: int = 0, containing: str = "") -> str:
    """Title of the latest article, or of one before it, among those whose title has some words."""
    found = [each for each in _articles(symbol) if containing.lower() in each["title"].lower()]
    return str(found[back]["title"])


@_computation
def headline_day(symbol: str, containing: str = "") -> date:
    """Day (UTC) of the latest article whose title has some words."""
    found = [each for each in _articles(symbol) if containing.lower() in each["title"].lower()]
    day: date = found[0]["at"].date()
    return day


def _articles(symbol: str) -> list[Any]:
    found = [each for each in reading()["articles"] if each["symbol"] == symbol and each["at"].date() <= AS_OF]
    return sorted(found, key=lambda each: each["at"], reverse=True)


@_computation
def ratio(above: float, below: float) -> float:
    """One figure as a multiple of another."""
    return above / below


@_computation
def difference(of: float, less: float) -> float:
    """One figure less another."""
    return of - less


@_computation
def total(parts: list[float]) -> float:
    """A sum."""
    return sum(parts)
