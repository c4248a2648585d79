"""Yahoo: prices of now and daily bars with splits and dividends, for personal use only, and so off unless switched on.

The chart endpoint is asked through the HTTP client on which yfinance stands, a browser's likeness that Yahoo insists
on. yfinance itself is passed by: it makes two to five requests for one, follows redirects, holds no time limit over
them, hides failures as empty tables and keeps cookies on disk (docs/decisions/0008-sources-over-one-wire.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.errors import SourceError
from core.market.sources import figures
from core.market.sources.contract import (
    ActionKind,
    Adjustment,
    Allowance,
    BarHistory,
    CorporateAction,
    SourceQuote,
)
from core.market.sources.remote import Remote, Vendor, segment
from core.market.sources.wire import MEBIBYTE

VENDOR = Vendor(
    "yahoo",
    "Yahoo",
    "YAHOO_ENABLED",
    # It has no keys: whoever is refused has asked too much. 400 and 422 are said of days before a share was listed.
    statuses={400: "no_bars", 401: "limited", 403: "limited", 422: "no_bars", 999: "limited"},
)
BASE_URL = "https://query2.finance.yahoo.com"
FREE = Allowance(per_second=2)
MAX_BYTES = 8 * MEBIBYTE
_CODES: Mapping[str, Callable[[], SourceError]] = {
    "Not Found": VENDOR.nothing,
    "Bad Request": VENDOR.nothing,
    "Too Many Requests": VENDOR.limited,
    "Unauthorized": VENDOR.limited,
}
"""What it says of itself in place of data, whatever the status."""
Splits = Mapping[date, Decimal]
Rows = list[tuple[date, dict[str, object]]]


class Yahoo:
    """Prices and daily bars, each from one request."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance, clock: Clock) -> None:
        self.allowance = allowance
        self._remote = remote
        self._clock = clock

    def quote(self, symbol: str) -> SourceQuote:
        """The last price."""
        meta = figures.mapping(self._chart(symbol, {"range": "1d", "interval": "1d"}).get("meta"))
        unit = _unit(meta)
        price, moment = figures.price(meta.get("regularMarketPrice")), figures.moment(meta.get("regularMarketTime"))
        if price is None or moment is None:
            raise VENDOR.nothing("no_price")
        before = figures.price(meta.get("previousClose", meta.get("chartPreviousClose")))
        return SourceQuote(
            symbol=symbol,
            price=price / unit.per_currency,
            currency=unit.currency,
            as_of=moment,
            previous_close=None if before is None else before / unit.per_currency,
            change_pct=figures.change(price, before),
            volume=figures.amount(meta.get("regularMarketVolume")),
        )

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Daily bars in shares of `last`, with the splits and dividends of those days.

        Yahoo adjusts prices and dividends for every split up to today, so that it is asked for all days up to today.
        """
        chart = self._chart(
            symbol,
            {
                "period1": str(_epoch(first - timedelta(days=1))),
                "period2": str(_epoch(self._clock.now().date() + timedelta(days=2))),
                "interval": "1d",
                "events": "div,splits",
                "includeAdjustedClose": "true",
            },
        )
        meta = figures.mapping(chart.get("meta"))
        zone, unit = _zone(meta), _unit(meta)
        splits = _splits(chart, zone)
        rows = _rows(chart, zone)
        missed = {day: ratio for day, ratio in splits.items() if not _is_applied(rows, day, ratio)}
        applied = {day: ratio for day, ratio in splits.items() if day not in missed}
        for day, values in rows:
            _rescale(values, _product(missed, after=day) / _product(splits, after=last))
        dividends = _dividends(chart, zone, unit, applied)
        actions = (*(CorporateAction(day, ActionKind.SPLIT, ratio) for day, ratio in splits.items()), *dividends)
        return figures.history(
            VENDOR,
            symbol,
            rows,
            first=first,
            last=last,
            adjustment=Adjustment.SPLIT,
            unit=unit,
            actions=tuple(sorted(actions, key=lambda action: (action.ex_date, action.kind))),
        )

    def _chart(self, symbol: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        answer = figures.mapping(self._remote.json(f"/v8/finance/chart/{segment(symbol)}", query, max_bytes=MAX_BYTES))
        body = figures.mapping(answer.get("chart", answer.get("finance")))
        error = body.get("error")
        if error is not None:
            failure = _CODES.get(figures.text(figures.mapping(error).get("code")))
            raise failure() if failure else VENDOR.down("unreadable")
        results = body.get("result")
        if not isinstance(results, list) or len(results) != 1:
            raise VENDOR.down("unreadable")
        chart = figures.mapping(results[0])
        if not figures.is_same(symbol, figures.mapping(chart.get("meta")).get("symbol")):
            raise VENDOR.down("other")
        return chart


def _unit(meta: Mapping[str, Any]) -> figures.Unit:
    told = meta.get("currency")
    unit = figures.Unit(None) if told is None else figures.unit(told)
    if unit is None:
        raise VENDOR.nothing("unit")
    return unit


def _zone(meta: Mapping[str, Any]) -> tzinfo:
    """The exchange's zone; where it is not known here, its distance from UTC of today."""
    try:
        return ZoneInfo(figures.text(meta.get("exchangeTimezoneName")))
    except (KeyError, ValueError, OSError):
        pass
    try:
        return timezone(timedelta(seconds=figures.whole(meta.get("gmtoffset")) or 0))
    except ValueError:
        return UTC


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _day(epoch_s: object, zone: tzinfo) -> date:
    moment = figures.moment(epoch_s)
    if moment is None:
        raise VENDOR.down("unreadable")
    return moment.astimezone(zone).date()


def _rows(chart: Mapping[str, Any], zone: tzinfo) -> Rows:
    """The days in order; columns of another length than the days would shift figures to days that are not theirs."""
    days = [_day(told, zone) for told in figures.listing(chart.get("timestamp"))]
    indicators = figures.mapping(chart.get("indicators"))
    columns = {
        **{name: _column(indicators, "quote", name) for name in (*figures.PRICES, "volume")},
        "adjclose": _column(indicators, "adjclose", "adjclose"),
    }
    if any(len(column) not in (0, len(days)) for column in columns.values()):
        raise VENDOR.down("unreadable")
    present = {name: column for name, column in columns.items() if column}
    rows = [(day, {name: column[i] for name, column in present.items()}) for i, day in enumerate(days)]
    return sorted(rows, key=lambda row: row[0])


def _column(indicators: Mapping[str, Any], group: str, name: str) -> Sequence[object]:
    groups = figures.listing(indicators.get(group))
    return figures.listing(figures.mapping(groups[0]).get(name)) if groups else []


def _splits(chart: Mapping[str, Any], zone: tzinfo) -> Splits:
    """New shares for one old, by ex-date."""
    splits = {}
    for event in figures.mapping(figures.mapping(chart.get("events")).get("splits")).values():
        told = figures.mapping(event)
        new, old = figures.price(told.get("numerator")), figures.price(told.get("denominator"))
        if new is None or old is None:
            raise VENDOR.down("unreadable")
        splits[_day(told.get("date"), zone)] = new / old
    return dict(sorted(splits.items()))


def _dividends(chart: Mapping[str, Any], zone: tzinfo, unit: figures.Unit, applied: Splits) -> list[CorporateAction]:
    """Dividends as they were paid; Yahoo tells them in shares of today, as it does prices."""
    dividends = []
    for event in figures.mapping(figures.mapping(chart.get("events")).get("dividends")).values():
        told = figures.mapping(event)
        paid, day = figures.price(told.get("amount")), _day(told.get("date"), zone)
        if paid is not None:
            value = paid * _product(applied, after=day) / unit.per_currency
            dividends.append(CorporateAction(day, ActionKind.DIVIDEND, value))
    return dividends


def _is_applied(rows: Rows, ex_date: date, ratio: Decimal) -> bool:
    """Whether the prices before a split are in shares of after it; Yahoo forgets now and then.

    The adjusted close tells: it holds every split, so that where the close holds one too, the quotient of the two does
    not leap at the ex-date by more than a dividend. Without it the leap of the price itself has to do.
    """
    before = next((values for day, values in reversed(rows) if day < ex_date and _close(values)), None)
    after = next((values for day, values in rows if day >= ex_date and _close(values)), None)
    if before is None or after is None:
        return True
    old, new = _quotient(before), _quotient(after)
    leap = math.log(old / new) if old and new else math.log((_close(after) or 1) / (_close(before) or 1))
    return abs(leap) <= abs(leap + math.log(ratio))


def _close(values: Mapping[str, object]) -> Decimal | None:
    return figures.price(values.get("close"))


def _quotient(values: Mapping[str, object]) -> Decimal | None:
    adjusted, close = figures.price(values.get("adjclose")), _close(values)
    return None if adjusted is None or close is None else adjusted / close


def _product(splits: Splits, *, after: date) -> Decimal:
    return math.prod((ratio for day, ratio in splits.items() if day > after), start=Decimal(1))


def _rescale(values: dict[str, object], ratio: Decimal) -> None:
    """One old share has become `ratio` of those in which the bar is told."""
    if ratio == 1:
        return
    for name in figures.PRICES:
        read = figures.price(values.get(name))
        values[name] = None if read is None else read / ratio
    volume = figures.amount(values.get("volume"))
    values["volume"] = None if volume is None else volume * ratio
