"""The tool `price_history`: closes of one symbol over a window, with its return, extremes and deepest fall."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.ai.evidence import MAX_ROWS, Cell, Chart, Figure, Table
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotFound
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import (
    Symbol,
    bars_source,
    cell,
    day_words,
    entities_of,
    figure,
    shown,
    window_words,
)
from core.research.tools.windows import PERIOD_PATTERN, WindowBars, window_of

SHOWN_ROWS = 60
"""Rows that a model is shown, the newest."""
WHOLE_ROWS = 20
"""Up to so many rows have open, high, low and volume too."""
INTERVALS: tuple[Literal["day", "week", "month"], ...] = ("day", "week", "month")
WHOLE = ("open", "high", "low", "close", "volume")
CONVENTION = "Closes are adjusted for splits; the return is of prices, without dividends."


class PriceHistoryArguments(Arguments):
    """Which window of which symbol."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    period: str | None = Field(
        None,
        max_length=10,
        pattern=PERIOD_PATTERN,
        description="1w 1m 3m 6m ytd 1y 3y 5y max, a year (2010) or a month (2010-03); or give first and last.",
    )
    first: date | None = Field(None, description="First day; the return is from the last close up to it.")
    last: date | None = Field(None, description="Last day; the context's date where it is left out.")
    interval: Literal["day", "week", "month"] = Field("day", description="Of the closes that are listed.")


class PriceHistory:
    """Tells what prices did over a window, from the bars that the principal's organisation reads."""

    name = "price_history"
    description = (
        "Closes of a symbol over a window, adjusted for splits: first, last, highest, lowest, return, volatility and "
        "maximum drawdown as fractions, with their days."
    )
    arguments: type[BaseModel] = PriceHistoryArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: PriceHistoryArguments) -> ToolResult:
        """The window, up to the principal's date.

        Raises:
            InvalidRequest: what cannot be a symbol, or a window that cannot be.
            NotFound: there are no bars of the symbol up to the window's end.
        """
        principal, symbol = context.principal, checked_symbol(arguments.symbol)
        as_of = self._market.time.of(principal)
        window = window_of(arguments.period, arguments.first, arguments.last, as_of.day)
        history = self._market.bars.history(symbol, as_of, org_id=principal.org_id)
        bars = WindowBars.of(history.frame, window)
        if not bars.days:
            first: date = history.frame["date"].to_list()[0]
            raise NotFound(f"The bars of {symbol} begin on {day_words(first)}.")
        told = _Told(symbol, history.currency or "", bars, arguments.interval)
        return ToolResult(
            words=f"Prices of {symbol}, {window_words(told.first, window.last)}",
            content=told.content(),
            figures=told.figures(),
            entities=entities_of(self._market, principal, [symbol]),
            source=bars_source(self._market, principal, symbol, as_of),
            table=told.table(),
            chart=told.chart(),
            notes=told.notes,
        )


class _Told:
    """A window as it is told."""

    def __init__(self, symbol: str, currency: str, bars: WindowBars, interval: Literal["day", "week", "month"]) -> None:
        self._symbol = symbol
        self._currency = currency
        self._bars = bars
        self.first = max(bars.window.first, bars.days[0])
        """The window's first day, or that of the first bar there is."""
        self.notes: list[str] = [CONVENTION]
        wider = INTERVALS[INTERVALS.index(interval) :]
        self._interval = next((each for each in wider if len(bars.places(each)) <= MAX_ROWS), INTERVALS[-1])
        places = bars.places(self._interval)
        self._more = max(0, len(places) - MAX_ROWS)
        self._places = places[-MAX_ROWS:]
        self._is_whole = len(self._places) <= WHOLE_ROWS
        if self._interval != interval:
            self.notes.append(f"The closes that are listed are the last of each {self._interval}: there are too many.")
        if bars.window.first < bars.days[0] and bars.window.first > date.min:
            self.notes.append(f"The bars of {symbol} begin on {day_words(bars.days[0])}.")
        if not len(bars):
            self.notes.append(
                f"There was no session in this window; the close before it is of {day_words(bars.days[-1])}."
            )

    def content(self) -> dict[str, Any]:
        """What a model is shown."""
        bars, deepest, base = self._bars, self._bars.deepest(), self._bars.base
        return {
            "symbol": self._symbol,
            "currency": self._currency,
            "first": self.first.isoformat(),
            "last": bars.window.last.isoformat(),
            "sessions": len(bars),
            "first_close": self._at(bars.begin) if len(bars) else None,
            "last_close": self._at(len(bars.days) - 1),
            "highest_close": _extreme(bars.extreme("close")),
            "lowest_close": _extreme(bars.extreme("close", lowest=True)),
            "high": _extreme(bars.extreme("high")),
            "low": _extreme(bars.extreme("low", lowest=True)),
            "mean_close": shown(bars.mean("close")),
            "mean_volume": shown(bars.mean("volume")),
            "return": shown(bars.price_return),
            "return_from": None if base is None else self._at(base),
            "volatility": shown(bars.volatility),
            "max_drawdown": deepest
            and {"value": shown(deepest[0]), "peak": deepest[1].isoformat(), "trough": deepest[2].isoformat()},
            "interval": self._interval,
            "closes": [self._row(at) for at in self._places[-SHOWN_ROWS:]],
            "closes_left_out": self._more + max(0, len(self._places) - SHOWN_ROWS),
        }

    def figures(self) -> list[Figure]:
        """Every number that is told, each of its own day or of the window."""
        bars, last = self._bars, self._bars.window.last
        found = [each for at in self._listed() for each in self._of_bar(at)]
        for measure, column, is_lowest in _EXTREMES:
            extreme = bars.extreme(column, lowest=is_lowest)
            if extreme is None:
                continue
            value, day = extreme
            found += self._price(measure, value, day=last, first=self.first)
            found += [*self._price(measure, value, day=day), *self._price(column, value, day=day)]
        of_window: dict[str, Any] = {"day": last, "first": self.first}
        found += self._price("mean_close", bars.mean("close"), **of_window)
        found += figure(self._symbol, "mean_volume", bars.mean("volume"), **of_window)
        found += figure(self._symbol, "price_return", bars.price_return, "fraction", **of_window)
        found += figure(self._symbol, "volatility", bars.volatility, "fraction", **of_window)
        found += figure(self._symbol, "sessions", len(bars), **of_window)
        return [*found, *self._of_fall()]

    def _of_fall(self) -> list[Figure]:
        """The maximum drawdown, of the window and from its peak to its trough.

        The days are told by themselves where a text cannot take them for those of other extremes.
        """
        deepest = self._bars.deepest()
        if deepest is None:
            return []
        value, peak, trough = deepest
        found = figure(self._symbol, "max_drawdown", value, "fraction", day=self._bars.window.last, first=self.first)
        found += figure(self._symbol, "max_drawdown", value, "fraction", day=trough, first=peak)
        for measure, day, is_lowest in (("peak_day", peak, False), ("trough_day", trough, True)):
            extreme = self._bars.extreme("close", lowest=is_lowest)
            if extreme is not None and extreme[1] == day:
                found += figure(self._symbol, measure, day, day=day)
        return found

    def table(self) -> Table:
        """The closes as a reader opens them; of few also the rest of the bars."""
        names = WHOLE if self._is_whole else ("close",)
        rows = [(self._bars.days[at], *(self._cell(name, at) for name in names)) for at in self._places]
        return Table(columns=("Day", *(name.capitalize() for name in names)), rows=tuple(rows), more=self._more)

    def chart(self) -> Chart | None:
        """The closes as a line; none of fewer than two."""
        if len(self._places) < 2:
            return None
        return Chart(kind="line", x="Day", y=("Close",), unit="price", title=f"Close of {self._symbol}")

    def _listed(self) -> list[int]:
        """Places of the bars that are told by themselves: those of the table, and those that the return is between."""
        base = self._bars.base
        ends = [len(self._bars.days) - 1, *([] if base is None else [base])]
        begin = [self._bars.begin] if len(self._bars) else []
        return sorted({*self._places, *ends, *begin})

    def _of_bar(self, at: int) -> list[Figure]:
        day = self._bars.days[at]
        found = self._price("close", self._value("close", at), day=day)
        if self._is_whole:
            for name in ("open", "high", "low"):
                found += self._price(name, self._value(name, at), day=day)
            found += figure(self._symbol, "volume", self._value("volume", at), day=day)
        return found

    def _price(self, measure: str, value: float | None, *, day: date, first: date | None = None) -> list[Figure]:
        return figure(self._symbol, measure, value, "price", day=day, first=first, currency=self._currency)

    def _value(self, name: str, at: int) -> float:
        return float(self._bars.columns[name][at])

    def _cell(self, name: str, at: int) -> Cell:
        return cell(self._value(name, at))

    def _at(self, at: int) -> dict[str, Any]:
        return {"day": self._bars.days[at].isoformat(), "close": shown(self._value("close", at))}

    def _row(self, at: int) -> dict[str, Any]:
        names = WHOLE if self._is_whole else ("close",)
        return {"day": self._bars.days[at].isoformat(), **{name: shown(self._value(name, at)) for name in names}}


def _extreme(found: tuple[float, date] | None) -> dict[str, Any] | None:
    return None if found is None else {"value": shown(found[0]), "day": found[1].isoformat()}


_EXTREMES = (
    ("highest_close", "close", False),
    ("lowest_close", "close", True),
    ("high", "high", False),
    ("low", "low", True),
)
