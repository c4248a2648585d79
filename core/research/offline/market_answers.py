"""Answers about shares and indices: last prices, closes, windows, indicators, and what company it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.dates import Window, said
from core.research.offline.entities import Named
from core.research.offline.steps import Result, Steps

MOST_SHARES = 5
"""Companies of one question that are looked up one by one."""
INDICATORS: tuple[tuple[str, str, str], ...] = (
    (r"\brsi\b|relative strength index", "rsi_14", "RSI"),
    (r"\b200[\s-]?(?:day|session|d|dma)?s?\b(?! (?:highest|sessions|days ago))", "sma_200", "200-day average"),
    (r"\b50[\s-]?(?:day|session|d|dma)?s?\b(?! (?:highest|sessions|days ago))", "sma_50", "50-day average"),
    (
        r"\b20[\s-]?(?:day|session|d|dma)s?\b(?=.*\b(?:average|sma|mean|moving)\b)|\bsma\s?\(?20\b",
        "sma_20",
        "20-day average",
    ),
    (r"\bema\b|exponential", "ema_21", "21-day exponential moving average"),
    (r"\bmacd\b(?=.*\bsignal\b)", "macd_signal", "MACD signal line"),
    (r"\bmacd\b(?=.*\bhistogram\b)", "macd_hist", "MACD histogram"),
    (r"\bmacd\b", "macd", "MACD"),
    (r"\batr\b|average true range", "atr_14", "ATR"),
    (r"\badx\b|directional index", "adx_14", "ADX"),
    (r"\bstochastic", "stoch_k", "stochastic %K"),
    (r"\bupper\b.*\bbands?\b|\bbollinger\b(?!.*\blower\b)", "bb_upper", "upper Bollinger band"),
    (r"\blower\b.*\bbands?\b|\bbollinger\b(?!.*\bupper\b)", "bb_lower", "lower Bollinger band"),
    (
        r"\b(?:52[\s-]?weeks?|one[\s-]year|yearly|annual|1[\s-]year|12[\s-]month)\s?-?\s?high\b|"
        r"high of (?:the (?:last )?)?52 weeks",
        "week52_high",
        "52-week high",
    ),
    (
        r"\b(?:52[\s-]?weeks?|one[\s-]year|yearly|annual|1[\s-]year|12[\s-]month)\s?-?\s?low\b|"
        r"low of (?:the (?:last )?)?52 weeks",
        "week52_low",
        "52-week low",
    ),
    (
        r"\b(?:how far|distance|away|percent|%|far)\b.*\b52[\s-]?weeks?\s?-?\s?high\b|"
        r"52[\s-]?weeks?\s?-?\s?high\b.*\b(?:how far|distance|"
        r"percent|%|below)\b",
        "from_week52_high",
        "distance to the 52-week high",
    ),
    (r"\brelative volume\b|volume ratio", "relative_volume", "relative volume"),
    (r"\bvolatility\b|\bstandard deviation\b", "volatility_20", "annualised volatility"),
)
"""Words of a question, the indicator that they ask for, and how an answer calls it."""
_AVERAGES = ("sma_20", "sma_50", "sma_200")
_AVERAGE = r"\b(?:average|sma|mean|moving|ma|dma)\b"
_EXTREMES = (
    (r"\b(?:highest|max(?:imum)?|peak|top)\b(?!\s(?:drawdown|loss))", "highest_close", "highest close"),
    (r"\b(?:lowest|min(?:imum)?|bottom|cheapest)\b", "lowest_close", "lowest close"),
)


def label(named: Named) -> str:
    """How an answer calls a company: by its symbol, and by its name where it has one."""
    return f"{named.symbol} ({named.name})" if named.name != named.symbol else named.symbol


def lasts(asked: Asked, steps: Steps) -> str:
    """Last prices and the change of the day."""
    result = steps.use("quote", symbols=[each.symbol for each in asked.shares])
    if result.error:
        return result.failure
    rows = result.rows("quotes")
    names = {each.symbol: each for each in asked.shares}
    lines = [_quoted(row, names.get(str(row.get("symbol"))), result) for row in rows]
    lines += [f"No price of {symbol} is known {result.cite}." for symbol in result.get("unknown") or ()]
    return _lines(lines)


def _quoted(row: Any, named: Named | None, result: Result) -> str:
    who = label(named) if named is not None else str(row.get("symbol"))
    value = saying.price(row.get("price"), row.get("currency"))
    told = f"{who}: last price {value} on {saying.day(row.get('day'))}"
    if row.get("change") is not None:
        told += f", change {saying.signed_percent(row['change'])} from the close before"
    notes = [word for name, word in (("is_stale", "stale"), ("is_generated", "generated")) if row.get(name)]
    return f"{told} {result.cite}.{f' The price is {saying.listed(notes)}.' if notes else ''}"


def about(asked: Asked, steps: Steps) -> str:
    """Sector, exchange, currency or name."""
    result = steps.use("quote", symbols=[each.symbol for each in asked.shares])
    if result.error:
        return result.failure
    lines = []
    for row in result.rows("quotes"):
        parts = [
            f"{name} {row[key]}"
            for key, name in (("sector", "sector"), ("exchange", "exchange"), ("currency", "currency"))
            if row.get(key)
        ]
        lines.append(
            f"{row.get('symbol')} is {row.get('name') or 'a share'}: "
            f"{', '.join(parts) or 'no more is known'} {result.cite}."
        )
    return _lines(lines)


def indicator_names(text: str) -> list[tuple[str, str]]:
    """The indicators that a text asks for, each with what it is called."""
    has_average = re.search(_AVERAGE, text) is not None
    found = {
        name: called
        for pattern, name, called in INDICATORS
        if re.search(pattern, text) and (has_average or name not in _AVERAGES)
    }
    return list(found.items())


def indicators(asked: Asked, steps: Steps) -> str:
    """Indicators at the last bar of a day."""
    wanted = indicator_names(asked.text)
    compares = asked.has(r"\b(?:above|below|over|under|higher|lower|compared?|versus|vs|far|distance)\b")
    averages = [name for name, _ in wanted if name in _AVERAGES]
    names = [name for name, _ in wanted] + (["close", *(f"from_{each}" for each in averages)] if compares else [])
    day = asked.window.last if asked.window is not None and asked.window.kind != "sessions" else None
    day = None if day is None or day >= asked.context.as_of else day
    uses = [("indicators", {"symbol": each.symbol, "names": names, "day": day}) for each in asked.shares[:MOST_SHARES]]
    results = steps.use_all(uses)
    called = dict(wanted)
    return _lines(_indicated(each, result, called) for each, result in zip(asked.shares, results, strict=False))


def _indicated(named: Named, result: Result, called: dict[str, str]) -> str:
    if result.error:
        return result.failure
    currency = str(result.get("currency") or "")
    parts = []
    for row in result.rows("indicators"):
        name = str(row.get("name"))
        title = called.get(name) or ("close" if name == "close" else f"distance to the {_of_average(name)}")
        parts.append(f"{title} is {_value(row, currency)}")
    on = saying.day(result.get("day"))
    lacking = [note for note in result.notes if note.startswith(("Not defined", "Figures of 52"))]
    return f"{label(named)} on {on}: {saying.listed(parts)} {result.cite}. {' '.join(lacking)}".strip()


def _of_average(name: str) -> str:
    return f"{name.removeprefix('from_sma_')}-day average" if name.startswith("from_sma_") else name.replace("_", " ")


def _value(row: Any, currency: str) -> str:
    unit, value = row.get("unit"), row.get("value")
    if str(row.get("name")).startswith("macd"):
        return saying.ratio(value)
    if unit == "price":
        return saying.price(value, currency)
    if unit == "fraction":
        is_change = str(row.get("name")).startswith(("from_", "return_", "change"))
        return saying.signed_percent(value) if is_change else saying.percent(value)
    return saying.ratio(value) if unit in ("points", "ratio") else saying.number(value)


def history(asked: Asked, steps: Steps) -> str:
    """What a price did over a window: extremes, mean, return, drawdown, or the close of a day."""
    told = _history_told(asked)
    window = asked.window
    if window is not None and window.first is not None and window.first > asked.context.as_of:
        return after_the_day(asked)
    uses = [
        (
            "price_history",
            {"symbol": each.symbol, **arguments(window, asked.context.as_of, is_return=told is _returned)},
        )
        for each in asked.shares[:MOST_SHARES]
    ]
    results = steps.use_all(uses)
    pairs = list(zip(asked.shares, results, strict=False))
    return _lines(result.failure if result.error else told(asked, named, result) for named, result in pairs)


def after_the_day(asked: Asked) -> str:
    """That nothing later than the day that is seen is known."""
    return (
        f"I cannot say: the market is seen as of {said(asked.context.as_of)} here, and nothing after that day is known."
    )


def arguments(window: Window | None, as_of: date, *, is_return: bool = False) -> dict[str, Any]:
    """A window as the tool of prices takes it; a return over whole months is from the close before them."""
    if window is None:
        return {"period": "1y"}
    if window.first is None:
        return {"period": "max"} if window.last >= as_of else {"first": date(1900, 1, 1), "last": window.last}
    if window.kind == "month":
        return {"period": f"{window.first:%Y-%m}"}
    if window.kind == "year":
        return {"period": str(window.first.year)}
    first, last = window.first, min(window.last, as_of)
    if is_return and first.day == 1 and window.kind != "day":
        first -= timedelta(days=1)
    return {"first": first, "last": None if last == as_of else last}


_Teller = Callable[[Asked, Named, Result], str]


def _history_told(asked: Asked) -> _Teller:
    if asked.window is not None and asked.window.kind == "day" and len(asked.windows) == 1:
        return _closed
    for pattern, told in _TOLD:
        if asked.has(pattern):
            return told
    return _returned


def _closed(asked: Asked, named: Named, result: Result) -> str:
    currency = str(result.get("currency") or "")
    wanted = asked.window.last if asked.window is not None else asked.context.as_of
    close = result.get("last_close") or {}
    day = saying.as_day(close.get("day"))
    row = next((each for each in result.rows("closes") if each.get("day") == close.get("day")), {})
    others = [
        f"{name} {saying.price(row.get(name), currency)}"
        for name in ("open", "high", "low")
        if asked.has(rf"\b{name}(?:ed|ing|s)?\b") and row.get(name) is not None
    ]
    if asked.has(r"\bvolume\b") and row.get("volume") is not None:
        others.append(f"volume {saying.number(row['volume'])}")
    told = f"{label(named)}: close {saying.price(close.get('close'), currency)} on {saying.day(close.get('day'))}"
    told += f", {saying.listed(others)}" if others else ""
    if day is not None and day != wanted:
        return f"There was no session on {said(wanted)}; the close before it: {told} {result.cite}."
    return f"{told} {result.cite}."


def _extreme(asked: Asked, named: Named, result: Result) -> str:
    currency, over = str(result.get("currency") or ""), window_words(asked, result)
    parts = []
    for pattern, key, title in _EXTREMES:
        found = result.get(key)
        if asked.has(pattern) and isinstance(found, dict):
            parts.append(
                f"{title} {over} {saying.price(found.get('value'), currency)}, on {saying.day(found.get('day'))}"
            )
    return f"{label(named)}: {'; '.join(parts) or saying.NOT_DEFINED} {result.cite}."


def _mean(asked: Asked, named: Named, result: Result) -> str:
    currency, over = str(result.get("currency") or ""), window_words(asked, result)
    if asked.has(r"\bvolume\b"):
        return f"{label(named)}: mean volume {over} {saying.number(result.get('mean_volume'), 0)} {result.cite}."
    return (
        f"{label(named)}: average close {over} "
        f"{saying.price(result.get('mean_close'), currency)}, of {_sessions(result)} "
        ""
        ""
        ""
        f"{result.cite}."
    )


def _sessions(result: Result) -> str:
    return f"{saying.number(result.get('sessions'))} sessions"


def _counted(asked: Asked, named: Named, result: Result) -> str:
    return f"{label(named)}: {_sessions(result)} {window_words(asked, result)} {result.cite}."


def _volatility(asked: Asked, named: Named, result: Result) -> str:
    value = saying.percent(result.get("volatility"))
    return (
        f"{label(named)}: annualised volatility {window_words(asked, result)} {value}, of daily "
        f"returns of {_sessions(result)} × √252 "
        f"{result.cite}."
    )


def _fallen(asked: Asked, named: Named, result: Result) -> str:
    fall = result.get("max_drawdown")
    if not isinstance(fall, dict):
        return f"{label(named)}: max drawdown {window_words(asked, result)} {saying.NOT_DEFINED} {result.cite}."
    value = saying.signed_percent(fall.get("value"))
    return (
        f"{label(named)}: max drawdown {window_words(asked, result)} {value} {result.cite}. "
        f"The peak was on {saying.day(fall.get('peak'))}, the trough on {saying.day(fall.get('trough'))}."
    )


def _returned(asked: Asked, named: Named, result: Result) -> str:
    currency, begin, end = (
        str(result.get("currency") or ""),
        result.get("return_from") or {},
        result.get("last_close") or {},
    )
    value = saying.signed_percent(result.get("return"))
    told = f"{label(named)}: price return {value} {window_words(asked, result)} {result.cite}."
    if not begin or not end:
        return f"{told} Dividends are left out."
    return (
        f"{told} It closed at {saying.price(begin.get('close'), currency)} on {saying.day(begin.get('day'))} and at "
        f"{saying.price(end.get('close'), currency)} on {saying.day(end.get('day'))}. Dividends are left out."
    )


_TOLD: tuple[tuple[str, _Teller], ...] = (
    (r"\bdrawdown\b|\b(?:deepest|largest|biggest|worst) (?:fall|drop|decline|loss)\b", _fallen),
    (r"\b(?:highest|lowest|max(?:imum)?|min(?:imum)?|peak|bottom|cheapest)\b", _extreme),
    (r"\bhow many (?:sessions|trading days|bars)\b", _counted),
    (r"\b(?:average|mean)\b", _mean),
    (r"\bvolatility\b|\bstandard deviation\b", _volatility),
)


def window_words(asked: Asked, result: Result) -> str:
    """How an answer calls the window that a step looked at."""
    window = asked.window
    is_named = window is not None and window.kind in ("month", "quarter", "year") and window.last <= asked.context.as_of
    if window is not None and is_named and saying.as_day(result.get("first")) == window.first:
        return window.words
    return f"from {saying.day(result.get('first'))} to {saying.day(result.get('last'))}"


def ratio(asked: Asked, steps: Steps) -> str:
    """The last prices of two shares, one over the other or one less the other."""
    pair = asked.shares[:2]
    result = steps.use("quote", symbols=[each.symbol for each in pair])
    if result.error:
        return result.failure
    rows = {str(row.get("symbol")): row for row in result.rows("quotes")}
    one, two = (rows.get(each.symbol, {}).get("price") for each in pair)
    if one is None or not two:
        return f"The two cannot be compared: a price is {saying.NOT_DEFINED} {result.cite}."
    is_difference = asked.has(r"\b(?:difference|how much (?:more|less|higher|lower)|minus)\b")
    sign, word, unit = ("-", "difference", "price") if is_difference else ("/", "ratio", "number")
    title = f"{pair[0].symbol} price {sign} {pair[1].symbol} price"
    given = steps.use("calculate", expression=f"{one!r} {sign} {two!r}", label=title, unit=unit)
    prices = [
        f"{each.symbol} last price {saying.price(rows[each.symbol]['price'], rows[each.symbol].get('currency'))}"
        for each in pair
    ]
    lead = f"The {word} could not be computed: {given.failure}" if given.error else _ratio_words(given, word)
    return f"{lead} {saying.listed(prices)} on {saying.day(rows[pair[0].symbol].get('day'))} {result.cite}."


def _ratio_words(given: Result, word: str) -> str:
    value = given.get("value")
    said_value = saying.price(value, given.get("currency")) if word == "difference" else saying.ratio(value, 4)
    return f"The {word} is {said_value} {given.cite}:"


def limits(asked: Asked, steps: Steps) -> str:
    """Which of pasted limits stand above or below the last close."""
    rows = [
        (named.symbol, _limit(line))
        for line in asked.pasted
        for named in asked.pasted_named
        if _is_of(line, named.symbol)
    ]
    wanted = {symbol: limit for symbol, limit in rows if limit is not None}
    result = steps.use("quote", symbols=list(wanted)[:10])
    if result.error:
        return result.failure
    is_above = not asked.has(r"\b(?:below|under|lower|less)\b")
    prices = {str(row.get("symbol")): row for row in result.rows("quotes")}
    met = [
        symbol
        for symbol, limit in wanted.items()
        if symbol in prices
        and prices[symbol].get("price") is not None
        and (limit > prices[symbol]["price"]) is is_above
    ]
    word = "above" if is_above else "below"
    if not met:
        return f"None of the pasted limits is {word} the last price of its share {result.cite}."
    told = [
        f"{symbol}, whose last price is "
        f"{saying.price(prices[symbol]['price'], prices[symbol].get('currency'))} on "
        f"{saying.day(prices[symbol].get('day'))}"
        for symbol in met
    ]
    return f"The pasted limit is {word} the last price for: {'; '.join(told)} {result.cite}."


def _is_of(line: str, symbol: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(symbol)}(?![\w.])", line) is not None


def _limit(line: str) -> float | None:
    found = re.findall(r"(?<![\w.])[0-9][0-9,]*(?:\.[0-9]+)?(?![\w%])", line)
    return float(found[-1].replace(",", "")) if found else None


def _lines(lines: Any) -> str:
    told: Sequence[str] = [each for each in lines if each]
    return told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)
