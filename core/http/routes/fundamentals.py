"""`GET /api/fundamentals`: the statements of a company and its key statistics, each figure with its filing."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InvalidRequest
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.market_models import (
    FundamentalsAnswer,
    StatementFigure,
    StatementLine,
    StatementPeriod,
    StatementTable,
    StatisticRow,
)
from core.market.fundamentals import Fundamentals, priced_by
from core.market.statements import Cell, Line, Statement
from core.principal import Principal
from core.workbench import Workbench

MAX_TEXT = 200

router = APIRouter(route_class=SignedInRoute, tags=["Market"])


class CompanyQuery(BaseModel):
    """Which company: one of both."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbol: str | None = Field(None, max_length=MAX_TEXT)
    """Such as AAPL."""
    cik: str | None = Field(None, max_length=MAX_TEXT)
    """The company's number at the SEC, with or without zeros before it."""

    def number(self) -> int | None:
        """The CIK.

        Raises:
            InvalidRequest: it is no number.
        """
        if self.cik is None:
            return None
        digits = self.cik.strip().upper().removeprefix("CIK").strip()
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10):
            raise InvalidRequest("The field cik must be a number of at most ten digits.")
        return int(digits)


@router.get("/fundamentals", summary="Statements and key statistics of a company")
async def fundamentals(
    asked: Annotated[CompanyQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> FundamentalsAnswer:
    """What a company reported until the day that is looked at, over years and over quarters."""
    return await in_thread(partial(_fundamentals, asked, principal, bench), threads)


def _fundamentals(asked: CompanyQuery, principal: Principal, bench: Workbench) -> FundamentalsAnswer:
    market = bench.market
    as_of = market.time.of(principal)
    found = market.fundamentals.of(
        as_of,
        symbol=asked.symbol,
        cik=asked.number(),
        priced_by=priced_by(market.quotes, market.bars, as_of, principal.org_id),
    )
    return _told(found)


def _told(found: Fundamentals) -> FundamentalsAnswer:
    company, statements = found.company, found.statements
    return FundamentalsAnswer(
        symbol=company.symbol or None,
        cik=f"{statements.cik:010d}",
        entity_name=company.name,
        currency=statements.currency,
        source=found.source,
        generated=company.is_generated,
        as_of=found.as_of,
        age_s=found.age_s,
        stale=found.is_stale,
        statements=[_statement(statement, found) for statement in statements.statements],
        statistics=[
            StatisticRow(key=one.key, label=one.label, unit=one.shape.value, value=one.value, note=one.note)
            for one in found.statistics
        ],
    )


def _statement(statement: Statement, found: Fundamentals) -> StatementTable:
    return StatementTable(
        key=statement.key,
        label=statement.label,
        frequency=statement.frequency.value,
        periods=[StatementPeriod(start=period.start, end=period.end) for period in statement.periods],
        lines=[_line(line, found) for line in statement.lines],
    )


def _line(line: Line, found: Fundamentals) -> StatementLine:
    figures = [None if cell is None else _figure(cell, found) for cell in line.cells]
    return StatementLine(key=line.key, label=line.label, unit=line.unit.value, figures=figures)


def _figure(cell: Cell, found: Fundamentals) -> StatementFigure:
    return StatementFigure(
        value=cell.value,
        unit=cell.unit,
        concept=cell.concept,
        form=cell.form,
        filed=cell.filed,
        accession_number=cell.accession_number,
        url=found.address_of(cell),
        derived=cell.is_derived,
        suspect=cell.is_suspect,
        note=cell.note,
    )
