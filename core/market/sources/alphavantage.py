"""Alpha Vantage: prices of the last trading day, and daily bars as they were traded.

Its key goes into the address, its numbers are strings, and a limit, a plan that lacks something and a call that it
cannot serve all come with status 200, told apart by the key of the object alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.market.sources import figures
from core.market.sources.contract import (
    ActionKind,
    Adjustment,
    Allowance,
    BarHistory,
    CorporateAction,
    SourceQuote,
)
from core.market.sources.remote import Remote, Vendor

VENDOR = Vendor("alphavantage", "Alpha Vantage", "ALPHAVANTAGE_API_KEY")
BASE_URL = "https://www.alphavantage.co"
FREE = Allowance(per_second=1, per_day=25)
COMPACT = timedelta(days=130)
"""Days for which the short answer of 100 bars is sure to be enough; the long one needs a paid plan."""
NOTICES = ("Note", "Information")
PAID = "premium feature"
"""What a notice says of a question that the key's plan does not answer at all, be its allowance used up or not."""
CLOSES = {
    "": ("America/New_York", time(16), "USD"),
    "TRT": ("America/Toronto", time(16), "CAD"),
    "TRV": ("America/Toronto", time(16), "CAD"),
    "DEX": ("Europe/Berlin", time(17, 30), "EUR"),
    "FRK": ("Europe/Berlin", time(20), "EUR"),
    "BSE": ("Asia/Kolkata", time(15, 30), "INR"),
    "SHH": ("Asia/Shanghai", time(15), "CNY"),
    "SHZ": ("Asia/Shanghai", time(15), "CNY"),
}
"""Of each suffix of a symbol the zone, the close of a day and the currency, none of which it says itself."""
UNIT_UNKNOWN = frozenset({"LON", "LSE", "JSE", "JNB", "TLV"})
"""Markets that quote some shares in hundredths; it does not say which, and pence must not pass for pounds."""


class AlphaVantage:
    """Prices and daily bars, each from one request."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance, clock: Clock) -> None:
        self.allowance = allowance
        self._remote = remote
        self._clock = clock

    def quote(self, symbol: str) -> SourceQuote:
        """The close of the last trading day."""
        suffix = _suffix(symbol)
        found = figures.mapping(self._asked("GLOBAL_QUOTE", symbol).get("Global Quote"))
        if not found:
            raise VENDOR.nothing()
        if not figures.is_same(symbol, found.get("01. symbol")):
            raise VENDOR.down("other")
        price, day = figures.price(found.get("05. price")), figures.day(found.get("07. latest trading day"))
        if price is None or day is None:
            raise VENDOR.nothing("no_price")
        before = figures.price(found.get("08. previous close"))
        return SourceQuote(
            symbol=symbol,
            price=price,
            currency=CLOSES[suffix][2] if suffix in CLOSES else None,
            as_of=min(_close(day, suffix), self._clock.now()),
            previous_close=before,
            change_pct=_told_change(found.get("10. change percent"), price, before),
            volume=figures.amount(found.get("06. volume")),
        )

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Daily bars as they were traded; splits and dividends are asked for on their own."""
        suffix = _suffix(symbol)
        is_recent = self._clock.now().date() - first <= COMPACT
        size = "compact" if is_recent else "full"
        query = {"function": "TIME_SERIES_DAILY", "symbol": symbol, "outputsize": size, "datatype": "csv"}
        answer = self._remote.csv_or_json("/query", query, columns=_COLUMNS)
        rows = _csv_rows(answer) if isinstance(answer, list) else _json_rows(_read(answer))
        return figures.history(
            VENDOR,
            symbol,
            list(rows),
            first=first,
            last=last,
            adjustment=Adjustment.RAW,
            unit=figures.Unit(CLOSES[suffix][2] if suffix in CLOSES else None),
        )

    def actions(self, symbol: str, kind: ActionKind) -> tuple[CorporateAction, ...]:
        """All splits or all dividends, oldest first, as they were paid."""
        function, day, value = _ACTIONS[kind]
        rows = VENDOR.rows(self._asked(function, symbol).get("data"))
        return figures.actions(VENDOR, kind, ((row.get(day), row.get(value)) for row in rows))

    def _asked(self, function: str, symbol: str) -> Mapping[str, Any]:
        return _read(self._remote.json("/query", {"function": function, "symbol": symbol}))


_COLUMNS = ("timestamp", *figures.PRICES, "volume")
_ACTIONS = {
    ActionKind.SPLIT: ("SPLITS", "effective_date", "split_factor"),
    ActionKind.DIVIDEND: ("DIVIDENDS", "ex_dividend_date", "amount"),
}


def _read(answer: object) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise VENDOR.down("unreadable")
    if "Error Message" in answer:
        raise VENDOR.nothing()
    notices = [figures.text(answer[name]) for name in NOTICES if name in answer]
    if any(PAID in notice for notice in notices):
        raise VENDOR.nothing("plan")
    if notices:
        raise VENDOR.limited(sentence="notice")
    return answer


def _csv_rows(rows: Sequence[Mapping[str, str]]) -> Iterator[figures.Row]:
    for row in rows:
        day = figures.day(row.get("timestamp"))
        if day is None:
            raise VENDOR.down("unreadable")
        yield day, row


def _json_rows(answer: Mapping[str, Any]) -> Iterator[figures.Row]:
    """Of an answer in JSON, whose figures are named as in `1. open`."""
    series = answer.get("Time Series (Daily)")
    if not isinstance(series, dict):
        raise VENDOR.down("unreadable")
    for told, values in series.items():
        day = figures.day(told)
        if day is None:
            raise VENDOR.down("unreadable")
        yield day, {name.partition(". ")[2]: value for name, value in figures.mapping(values).items()}


def _suffix(symbol: str) -> str:
    """What names the exchange; one letter after a dot is a class of shares."""
    suffix = symbol.rpartition(".")[2].upper() if "." in symbol else ""
    suffix = suffix if len(suffix) > 1 else ""
    if suffix in UNIT_UNKNOWN:
        raise VENDOR.nothing("unit")
    return suffix


def _close(day: date, suffix: str) -> datetime:
    if suffix not in CLOSES:
        return datetime.combine(day, time(23, 59, 59), UTC)
    zone, close, _ = CLOSES[suffix]
    return datetime.combine(day, close, ZoneInfo(zone)).astimezone(UTC)


def _told_change(told: object, price: Decimal, before: Decimal | None) -> Decimal | None:
    percent = figures.number(figures.text(told).removesuffix("%"))
    return figures.change(price, before) if percent is None else percent / 100
