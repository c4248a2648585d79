"""Financial Modeling Prep, its stable endpoints alone: prices of now, and daily bars adjusted for splits.

The older endpoints answer 403 to keys made since 2025, and lists of symbols are answered with nothing at all, so that
each request asks for one. The text of a limit may come with status 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from core.market.sources import figures
from core.market.sources.contract import ActionKind, Adjustment, Allowance, BarHistory, CorporateAction, SourceQuote
from core.market.sources.remote import Remote, Vendor

VENDOR = Vendor(
    "fmp",
    "Financial Modeling Prep",
    "FMP_API_KEY",
    # 402 is said of a symbol that the plan lacks, 403 of an endpoint: the first is no fault of the others.
    statuses={402: "plan_lacks_it", 403: "plan"},
)
BASE_URL = "https://financialmodelingprep.com"
FREE = Allowance(per_day=250)
DOLLARS = frozenset("NASDAQ NYSE AMEX NYSEARCA ARCA BATS CBOE OTC PNK".split())
"""Exchanges as it names them whose prices are in US dollars; of others it does not say."""
UNIT_UNKNOWN = frozenset("LSE IOB JNB JSE TLV .L .IL .JO .TA".split())
"""Exchanges and suffixes where some shares are quoted in hundredths; pence must not pass for pounds."""


class FinancialModelingPrep:
    """Prices and daily bars, each from one request."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance) -> None:
        self.allowance = allowance
        self._remote = remote

    def quote(self, symbol: str) -> SourceQuote:
        """The last price."""
        _with_a_unit(symbol)
        rows = self._rows("/stable/quote", symbol)
        if len(rows) != 1:
            raise VENDOR.down("other")
        row = rows[0]
        exchange = figures.text(row.get("exchange")).upper()
        if exchange in UNIT_UNKNOWN:
            raise VENDOR.nothing("unit")
        price, moment = figures.price(row.get("price")), figures.moment(row.get("timestamp"))
        if price is None or moment is None:
            raise VENDOR.nothing("no_price")
        before = figures.price(row.get("previousClose"))
        percent = figures.number(row.get("changePercentage", row.get("changesPercentage")))
        return SourceQuote(
            symbol=symbol,
            price=price,
            currency="USD" if exchange in DOLLARS else None,
            as_of=moment,
            previous_close=before,
            change_pct=figures.change(price, before) if percent is None else percent / 100,
            volume=figures.amount(row.get("volume")),
        )

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Daily bars in shares of the day of asking; splits and dividends are asked for on their own."""
        _with_a_unit(symbol)
        path, query = "/stable/historical-price-eod/full", {"from": first.isoformat(), "to": last.isoformat()}
        rows = [(self._day(row.get("date")), row) for row in self._rows(path, symbol, query)]
        found = figures.history(VENDOR, symbol, rows, first=first, last=last, adjustment=Adjustment.SPLIT)
        return replace(found, is_as_of_asking=True)

    def actions(self, symbol: str, kind: ActionKind) -> tuple[CorporateAction, ...]:
        """All splits or all dividends, oldest first, as they were paid."""
        rows = self._rows(_ACTIONS[kind], symbol, is_empty_fine=True)
        return figures.actions(VENDOR, kind, ((row.get("date"), _value(kind, row)) for row in rows))

    def _rows(
        self, path: str, symbol: str, query: Mapping[str, str] | None = None, *, is_empty_fine: bool = False
    ) -> list[Mapping[str, Any]]:
        """The rows of an answer, all of them about `symbol`."""
        answer = self._remote.json(path, {"symbol": symbol, **(query or {})})
        if isinstance(answer, dict) and "Error Message" in answer:
            raise VENDOR.limited(sentence="notice")
        rows = VENDOR.rows(answer)
        if not rows and not is_empty_fine:
            raise VENDOR.nothing()
        if not all(figures.is_same(symbol, row.get("symbol")) for row in rows):
            raise VENDOR.down("other")
        return rows

    def _day(self, told: object) -> date:
        day = figures.day(told)
        if day is None:
            raise VENDOR.down("unreadable")
        return day


_ACTIONS = {ActionKind.SPLIT: "/stable/splits", ActionKind.DIVIDEND: "/stable/dividends"}


def _value(kind: ActionKind, row: Mapping[str, Any]) -> object:
    if kind is ActionKind.DIVIDEND:
        return row.get("dividend")
    new, old = figures.price(row.get("numerator")), figures.price(row.get("denominator"))
    return None if new is None or old is None else new / old


def _with_a_unit(symbol: str) -> None:
    if "." in symbol and "." + symbol.rpartition(".")[2].upper() in UNIT_UNKNOWN:
        raise VENDOR.nothing("unit")
