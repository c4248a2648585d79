"""The tool `statements`: what a company reported, by line and period, and its key statistics."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.ai.evidence import Cell, Figure, Source, Table, Unit
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotFound
from core.market.fundamentals import FACTS_LIFE_S, Fundamentals, priced_by
from core.market.key_statistics import Shape, Statistic
from core.market.market import Market
from core.market.statement_table import Unit as LineUnit
from core.market.statements import Cell as Reported
from core.market.statements import Frequency, Line, Period, Statement
from core.market.symbols import checked_symbol
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import Symbol, cell, day_words, entity_of, figure, shown

MAX_PERIODS = 8
UNITS: dict[LineUnit, Unit] = {LineUnit.MONEY: "money", LineUnit.PER_SHARE: "price", LineUnit.SHARES: "number"}
SHAPES: dict[Shape, Unit] = {
    Shape.MONEY: "money",
    Shape.PER_SHARE: "price",
    Shape.RATIO: "number",
    Shape.SHARE: "fraction",
    Shape.COUNT: "number",
}
BALANCE = "balance"


class StatementsArguments(Arguments):
    """Which statement of which company."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    which: Literal["income", "balance", "cash_flow"] = "income"
    frequency: Literal["annual", "quarterly"] = "annual"
    periods: int = Field(4, ge=1, le=MAX_PERIODS, description="The newest so many.")
    statistics: bool = Field(default=False, description="Key statistics too: P/E, margins, growth, debt.")


class Statements:
    """Tells what a company reported to the SEC, as it was known on the principal's date."""

    name = "statements"
    description = (
        "Lines of a company's income statement, balance sheet or cash flow by period, newest first, as filed; on "
        "request key statistics such as P/E and margins."
    )
    arguments: type[BaseModel] = StatementsArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: StatementsArguments) -> ToolResult:
        """The statement.

        Raises:
            InvalidRequest, NotFound: what cannot be a symbol, no company that files, or nothing reported until then.
            NotConfigured, SourceError: nobody to ask, or the SEC failed.
        """
        market, principal = self._market, context.principal
        as_of = market.time.of(principal)
        prices = priced_by(market.quotes, market.bars, as_of, principal.org_id) if arguments.statistics else None
        known = market.fundamentals.of(as_of, symbol=checked_symbol(arguments.symbol), priced_by=prices)
        statement = known.statements.statement(arguments.which, Frequency(arguments.frequency))
        periods = statement.periods[: arguments.periods]
        if not periods:
            raise NotFound(
                f"{known.company.symbol} reported no {arguments.frequency} {statement.label.lower()} so far."
            )
        told = _Told(known, statement, periods, known.statistics if arguments.statistics else ())
        return ToolResult(
            words=f"{statement.label} of {known.company.symbol}, {arguments.frequency}",
            content=told.content(),
            figures=told.figures(),
            entities=(entity_of(known.company.symbol, known.company.name),),
            source=told.source(),
            table=told.table(),
            keep_s=FACTS_LIFE_S if not known.company.is_generated else None,
            notes=told.notes(),
        )


class _Told:
    """A statement as it is told."""

    def __init__(
        self,
        known: Fundamentals,
        statement: Statement,
        periods: tuple[Period, ...],
        statistics: tuple[Statistic, ...],
    ) -> None:
        self._known = known
        self._statement = statement
        self._periods = periods
        self._statistics = statistics
        self._symbol = known.company.symbol
        self._currency = known.statements.currency or ""

    def content(self) -> dict[str, Any]:
        """What a model is shown."""
        found: dict[str, Any] = {
            "symbol": self._symbol,
            "statement": self._statement.key,
            "frequency": self._statement.frequency.value,
            "currency": self._currency,
            "periods": [self._period(at) for at in range(len(self._periods))],
            "lines": [self._line(line) for line in self._statement.lines],
        }
        if self._statistics:
            found["statistics"] = [_statistic(each) for each in self._statistics]
        return found

    def figures(self) -> list[Figure]:
        """Each line in each period, and each statistic on the day that is looked at."""
        found: list[Figure] = []
        for line in self._statement.lines:
            unit, measure = UNITS[line.unit], f"reported_{line.key}"
            currency = self._currency if line.unit is not LineUnit.SHARES else ""
            for period, reported in zip(self._periods, line.cells, strict=False):
                if reported is not None:
                    when: dict[str, Any] = {"day": period.end, "first": self._first(period)}
                    found += figure(self._symbol, measure, reported.value, unit, currency=currency, **when)
        for at, period in enumerate(self._periods):
            filed = self._newest(at)
            found += figure(self._symbol, "period_end", period.end, day=period.end)
            if filed is not None:
                found += figure(self._symbol, "filed_day", filed.filed, day=filed.filed)
        for each in self._statistics:
            unit = SHAPES[each.shape]
            currency = self._currency if unit in ("money", "price") else ""
            found += figure(
                self._symbol, f"statistic_{each.key}", each.value, unit, day=self._known.as_of, currency=currency
            )
        return found

    def table(self) -> Table:
        """Lines by periods, and the statistics below them in the newest column."""
        columns = ("Line", *(period.end.isoformat() for period in self._periods))
        rows: list[tuple[Cell, ...]] = [
            (line.label, *(cell(None if each is None else each.value) for each in line.cells[: len(self._periods)]))
            for line in self._statement.lines
        ]
        empty = (None,) * (len(self._periods) - 1)
        rows += [(each.label, cell(each.value), *empty) for each in self._statistics]
        return Table(columns=columns, rows=tuple(rows))

    def source(self) -> Source:
        """Where the statement comes from: the filing of its newest period."""
        newest = self._newest(0)
        title = "SEC EDGAR" if not self._known.company.is_generated else "The shipped sample (generated)"
        form = f"{newest.form} filed {day_words(newest.filed)}" if newest else "reported figures"
        return Source(
            title=f"{title}: {form} of {self._symbol}",
            url=self._known.address_of(newest) if newest else None,
            as_of=newest.filed if newest else self._known.as_of,
            is_generated=self._known.company.is_generated,
        )

    def notes(self) -> list[str]:
        """What a reader has to know."""
        notes = []
        if self._known.company.is_generated:
            notes.append(f"{self._symbol} does not exist: its figures are generated.")
        if self._known.is_stale:
            notes.append("The SEC did not answer; these figures are older than they should be.")
        if any(each.is_suspect for line in self._statement.lines for each in line.cells if each is not None):
            notes.append("Some figures are out of scale beside their neighbours.")
        return notes

    def _period(self, at: int) -> dict[str, Any]:
        period, filed = self._periods[at], self._newest(at)
        first = self._first(period)
        return {
            "end": period.end.isoformat(),
            "start": first and first.isoformat(),
            "form": filed and filed.form,
            "filed": filed and filed.filed.isoformat(),
            "address": filed and self._known.address_of(filed),
        }

    def _line(self, line: Line) -> dict[str, Any]:
        values = [None if each is None else shown(each.value) for each in line.cells[: len(self._periods)]]
        return {"key": line.key, "label": line.label, "values": values}

    def _newest(self, at: int) -> Reported | None:
        """The figure of a period that was filed last."""
        cells = [line.cells[at] for line in self._statement.lines if line.cells[at] is not None]
        return max((each for each in cells if each is not None), key=lambda each: each.filed, default=None)

    def _first(self, period: Period) -> date | None:
        """The first day of a period; a balance sheet is of one day."""
        return None if self._statement.key == BALANCE else period.start


def _statistic(each: Statistic) -> dict[str, Any]:
    return {"key": each.key, "label": each.label, "value": shown(each.value), "note": each.note}
