"""How a symbol is spelt: ours, each source's, and the exchange that it tells.

Ours is what US exchanges print, share classes after a dot (BRK.B), and elsewhere the exchange's own symbol with a
suffix that tells the exchange (SHOP.TO, VOD.L, RELIANCE.NS). A source that does not know an exchange is never asked
for the bare symbol, which would be another company's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from core.errors import InvalidRequest, NoData

MAX_SYMBOL_CHARS = 20
MAX_SEARCH_CHARS = 100


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where instruments are traded."""

    code: str
    """Its MIC, which `exchange_calendars` names the calendar by."""
    name: str
    currency: str
    """ISO 4217: pounds and never pence."""
    zone: str
    """IANA zone of its sessions."""
    suffix: str = ""
    """What our symbols of it end with; none in the United States."""


_US_ZONE = "America/New_York"
EXCHANGES: dict[str, Exchange] = {
    each.code: each
    for each in (
        Exchange("XNYS", "NYSE", "USD", _US_ZONE),
        Exchange("XNAS", "Nasdaq", "USD", _US_ZONE),
        Exchange("XTSE", "Toronto", "CAD", "America/Toronto", ".TO"),
        Exchange("XLON", "London", "GBP", "Europe/London", ".L"),
        Exchange("XNSE", "NSE", "INR", "Asia/Kolkata", ".NS"),
        Exchange("XBOM", "BSE", "INR", "Asia/Kolkata", ".BO"),
        Exchange("XETR", "Xetra", "EUR", "Europe/Berlin", ".DE"),
        Exchange("XPAR", "Euronext Paris", "EUR", "Europe/Paris", ".PA"),
        Exchange("XAMS", "Euronext Amsterdam", "EUR", "Europe/Amsterdam", ".AS"),
        Exchange("XBRU", "Euronext Brussels", "EUR", "Europe/Brussels", ".BR"),
        Exchange("XLIS", "Euronext Lisbon", "EUR", "Europe/Lisbon", ".LS"),
        Exchange("XMIL", "Milan", "EUR", "Europe/Rome", ".MI"),
        Exchange("XMAD", "Madrid", "EUR", "Europe/Madrid", ".MC"),
        Exchange("XSWX", "SIX Swiss", "CHF", "Europe/Zurich", ".SW"),
        Exchange("XSTO", "Stockholm", "SEK", "Europe/Stockholm", ".ST"),
        Exchange("XOSL", "Oslo", "NOK", "Europe/Oslo", ".OL"),
        Exchange("XCSE", "Copenhagen", "DKK", "Europe/Copenhagen", ".CO"),
        Exchange("XHEL", "Helsinki", "EUR", "Europe/Helsinki", ".HE"),
        Exchange("XHKG", "Hong Kong", "HKD", "Asia/Hong_Kong", ".HK"),
        Exchange("XTKS", "Tokyo", "JPY", "Asia/Tokyo", ".T"),
        Exchange("XASX", "Sydney", "AUD", "Australia/Sydney", ".AX"),
        Exchange("XKRX", "Korea", "KRW", "Asia/Seoul", ".KS"),
        Exchange("XTAI", "Taiwan", "TWD", "Asia/Taipei", ".TW"),
        Exchange("XSHG", "Shanghai", "CNY", "Asia/Shanghai", ".SS"),
        Exchange("XSHE", "Shenzhen", "CNY", "Asia/Shanghai", ".SZ"),
        Exchange("XSES", "Singapore", "SGD", "Asia/Singapore", ".SI"),
        Exchange("BVMF", "B3", "BRL", "America/Sao_Paulo", ".SA"),
        Exchange("XJSE", "Johannesburg", "ZAR", "Africa/Johannesburg", ".JO"),
    )
}
"""By code. XNAS is a calendar that `exchange_calendars` knows as XNYS."""
HOME = "XNYS"
"""Of a symbol without suffix, where nothing else is known of it."""
US = frozenset({"XNYS", "XNAS"})
MARKETS = {
    **{each.name.upper(): each.code for each in EXCHANGES.values()},
    "TSX": "XTSE",
    "LSE": "XLON",
    "LON": "XLON",
    "OTC": HOME,
    "CBOE": HOME,
    "BATS": HOME,
    "AMEX": HOME,
    "NYSE ARCA": HOME,
    "NYSE AMERICAN": HOME,
    "NYSEARCA": HOME,
}
"""Codes by what sources and people call a market."""

_BY_SUFFIX = {each.suffix: each.code for each in EXCHANGES.values() if each.suffix}
_CLASS = re.compile(r"(?<=[A-Z])\.(?=[A-Z]$)")
"""The dot before a share class: one letter, at the end of what is left without the exchange."""
_FOREIGN_CLASS = re.compile(r"(?<=[A-Z])[-/ ](?=[A-Z]$)")
_SYMBOL = re.compile(r"\^?[A-Z0-9][A-Z0-9&=.\-]{0,18}")


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a source spells symbols."""

    class_mark: str = "."
    """Between a symbol and its share class."""
    suffixes: Mapping[str, str] = field(default_factory=lambda: {each.code: each.suffix for each in EXCHANGES.values()})
    """By exchange; one that is not here, the source does not know."""


_US_ONLY = dict.fromkeys(US, "")
SPELLINGS: dict[str, Spelling] = {
    "alphavantage": Spelling(
        suffixes={
            **_US_ONLY,
            "XLON": ".LON",
            "XTSE": ".TRT",
            "XETR": ".DEX",
            "XBOM": ".BSE",
            "XSHG": ".SHH",
            "XSHE": ".SHZ",
        }
    ),
    "fmp": Spelling(class_mark="-"),
    "yahoo": Spelling(class_mark="-"),
    "finnhub": Spelling(),
    "brave": Spelling(),
    "sec_edgar": Spelling(class_mark="-", suffixes=_US_ONLY),
    "sample": Spelling(),
}
"""By the source's name."""
EXCEPTIONS: dict[tuple[str, str], str | None] = {
    ("yahoo", "SP500"): "^GSPC",
    ("fmp", "SP500"): "^GSPC",
    ("finnhub", "SP500"): "^GSPC",
    ("alphavantage", "SP500"): None,
    ("sec_edgar", "SP500"): None,
    ("yahoo", "NASDAQ"): "^IXIC",
    ("fmp", "NASDAQ"): "^IXIC",
    ("finnhub", "NASDAQ"): "^IXIC",
    ("alphavantage", "NASDAQ"): None,
    ("sec_edgar", "NASDAQ"): None,
}
"""What follows no rule, by source and our symbol; None is what the source does not have."""
_THEIR_SUFFIXES = {
    theirs: EXCHANGES[code].suffix
    for spelling in SPELLINGS.values()
    for code, theirs in spelling.suffixes.items()
    if theirs and theirs not in _BY_SUFFIX
}


def exchange_of(symbol: str) -> Exchange:
    """The exchange that our symbol tells; that of the United States at large where it has no suffix."""
    return EXCHANGES[_BY_SUFFIX.get(_parts(symbol)[1], HOME)]


def alias(symbol: str, source: str) -> str:
    """Our symbol as a source spells it.

    Raises:
        NoData: the source does not know the symbol's exchange.
    """
    spelled: str | None
    if (source, symbol) in EXCEPTIONS:
        spelled = EXCEPTIONS[source, symbol]
    else:
        spelling, (stem, suffix) = SPELLINGS[source], _parts(symbol)
        theirs = spelling.suffixes.get(_BY_SUFFIX.get(suffix, HOME))
        spelled = None if theirs is None else _CLASS.sub(spelling.class_mark, stem) + theirs
    if spelled is None:
        raise NoData(f"{source} has nothing from the exchange of {symbol}.", source=source)
    return spelled


def canonical(text: str) -> str:
    """What people and sources write, as we spell it: brk-b, BRK/B, $AAPL, NASDAQ:AAPL, VOD.LON. Not checked."""
    line = " ".join(visible(text).upper().split()).removeprefix("$")
    market, colon, rest = line.partition(":")
    suffix = ""
    if colon and market in MARKETS:
        line, suffix = rest.strip(), EXCHANGES[MARKETS[market]].suffix
    stem, ours = _parts(line)
    dot = line.rfind(".")
    if not ours and dot > 0 and line[dot:] in _THEIR_SUFFIXES:
        stem, ours = line[:dot], _THEIR_SUFFIXES[line[dot:]]
    return _FOREIGN_CLASS.sub(".", stem) + (ours or suffix)


def checked_symbol(text: str) -> str:
    """A symbol as we spell it, that may be one.

    Raises:
        InvalidRequest: it cannot be a symbol.
    """
    return _checked(text[: 10 * MAX_SYMBOL_CHARS])


@lru_cache(maxsize=8192)
def _checked(text: str) -> str:
    symbol = canonical(text)
    if len(symbol) > MAX_SYMBOL_CHARS or not _SYMBOL.fullmatch(symbol):
        raise InvalidRequest(
            f"A symbol has 1 to {MAX_SYMBOL_CHARS} letters, digits and the signs . - & ^ =, as in AAPL, BRK.B or VOD.L."
        )
    return symbol


def visible(text: str) -> str:
    """The text without what cannot be seen, wide letters made plain."""
    kept = "".join(each if unicodedata.category(each)[0] != "C" else " " for each in text)
    return unicodedata.normalize("NFKC", kept).strip()


def _parts(symbol: str) -> tuple[str, str]:
    """The symbol without the suffix of its exchange, and the suffix, or nothing."""
    dot = symbol.rfind(".")
    if dot > 0 and symbol[dot:] in _BY_SUFFIX:
        return symbol[:dot], symbol[dot:]
    return symbol, ""
