"""`/api/portfolios`: portfolios, their transactions, what they hold and how they did."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from core.errors import InvalidRequest, NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.portfolio_models import (
    CashAnswer,
    ChangedPortfolio,
    ContributionAnswer,
    DayAnswer,
    HoldingAnswer,
    HoldingsAnswer,
    LotAnswer,
    NewPortfolio,
    NewTransaction,
    PerformanceAnswer,
    PerformanceQuery,
    PeriodAnswer,
    PortfolioAnswer,
    PortfoliosAnswer,
    PriceAnswer,
    RateAnswer,
    Reversal,
    RibbonAnswer,
    TransactionAnswer,
    TransactionsPage,
    TransactionsQuery,
    plain_day,
)
from core.market.symbols import checked_symbol
from core.portfolio.portfolios import NO_PORTFOLIO, PortfolioInfo, PortfolioSettings
from core.portfolio.report import CostMethod, HoldingLine, Performance, Rate, Report, Ribbon
from core.portfolio.transactions import Draft, Transaction
from core.principal import Principal
from core.workbench import Workbench

PATH = "/portfolios"

router = APIRouter()
routes = APIRouter(route_class=SignedInRoute, tags=["Portfolios"])


@routes.get(PATH, summary="Portfolios")
async def list_portfolios(principal: SignedIn, bench: Bench, threads: Threads) -> PortfoliosAnswer:
    """The caller's own first, then those that are shared with their role."""

    def listed() -> PortfoliosAnswer:
        portfolios = bench.portfolio.portfolios
        found = [_portfolio(info) for info in portfolios.all(principal)]
        return PortfoliosAnswer(portfolios=found, limit=portfolios.limit(principal))

    return await in_thread(listed, threads)


@routes.post(PATH, status_code=201, summary="Make a portfolio")
async def create_portfolio(given: NewPortfolio, principal: SignedIn, bench: Bench, threads: Threads) -> PortfolioAnswer:
    """The caller's own; `plan_required` where the organisation has as many as its plan allows."""
    settings = PortfolioSettings(**{**given.model_dump(), "cost_method": CostMethod(given.cost_method)})
    return _portfolio(await in_thread(partial(bench.portfolio.portfolios.create, principal, settings), threads))


@routes.get(f"{PATH}/{{portfolio_id}}", summary="A portfolio")
async def get_portfolio(portfolio_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> PortfolioAnswer:
    """One that the caller does not see is not found."""
    return _portfolio(await in_thread(partial(bench.portfolio.portfolios.get, principal, id_of(portfolio_id)), threads))


@routes.patch(f"{PATH}/{{portfolio_id}}", summary="Change a portfolio's settings")
async def change_portfolio(
    portfolio_id: str, given: ChangedPortfolio, principal: SignedIn, bench: Bench, threads: Threads
) -> PortfolioAnswer:
    """One's own; what is left out stays, and so do all transactions: what is derived is computed again."""

    changes = given.model_dump(exclude_unset=True)
    if "cost_method" in changes:
        changes["cost_method"] = CostMethod(changes["cost_method"])
    alter = partial(bench.portfolio.portfolios.alter, principal, id_of(portfolio_id), changes)
    return _portfolio(await in_thread(alter, threads))


@routes.delete(f"{PATH}/{{portfolio_id}}", status_code=204, summary="Delete a portfolio")
async def delete_portfolio(portfolio_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """One's own, with all its transactions, for good."""
    await in_thread(partial(bench.portfolio.portfolios.delete, principal, id_of(portfolio_id)), threads)


@routes.get(f"{PATH}/{{portfolio_id}}/transactions", summary="A portfolio's transactions, newest first")
async def list_transactions(
    portfolio_id: str,
    asked: Annotated[TransactionsQuery, Query()],
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> TransactionsPage:
    """Page by page, by day and then by entry; those that were reversed, and the rows that reverse them, included."""
    return await in_thread(partial(_page, portfolio_id, asked, principal, bench), threads)


@routes.post(f"{PATH}/{{portfolio_id}}/transactions/{{transaction_id}}/reverse", status_code=201, summary="Reverse it")
async def reverse_transaction(
    portfolio_id: str, transaction_id: str, given: Reversal, principal: SignedIn, bench: Bench, threads: Threads
) -> TransactionAnswer:
    """Takes a transaction back by a row of its own, which is the answer; `conflict` where it was reversed already."""
    ids = id_of(portfolio_id), _transaction_id(transaction_id)
    return transaction_answer(
        await in_thread(partial(bench.portfolio.journal.reverse, principal, *ids, given.note), threads)
    )


@routes.post(f"{PATH}/{{portfolio_id}}/transactions/{{transaction_id}}/correct", status_code=201, summary="Correct it")
async def correct_transaction(
    portfolio_id: str, transaction_id: str, given: NewTransaction, principal: SignedIn, bench: Bench, threads: Threads
) -> TransactionAnswer:
    """Reverses a transaction and enters another in its stead, in one step; the answer is the one that holds now."""
    ids = id_of(portfolio_id), _transaction_id(transaction_id)
    correct = partial(bench.portfolio.journal.correct, principal, *ids, given.draft())
    return transaction_answer(await in_thread(correct, threads))


@routes.get(f"{PATH}/{{portfolio_id}}/holdings", summary="What a portfolio holds")
async def holdings(portfolio_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> HoldingsAnswer:
    """At the last known prices, each with its source and age; what is not known is null. It counts against nothing."""
    return await in_thread(lambda: _holdings(bench.portfolio.reports.of(principal, id_of(portfolio_id))), threads)


@routes.get(f"{PATH}/{{portfolio_id}}/performance", summary="A portfolio's returns")
async def performance(
    portfolio_id: str,
    asked: Annotated[PerformanceQuery, Query()],
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> PerformanceAnswer:
    """Time-weighted and money-weighted, beside a benchmark over the same flows. It counts against nothing."""

    def found() -> PerformanceAnswer:
        first, last = _day_of(asked.first, "from"), _day_of(asked.last, "to")
        if first is not None and last is not None and first > last:
            raise InvalidRequest("The field from must not be after the field to.")
        benchmark = None if asked.benchmark is None else checked_symbol(asked.benchmark)
        reports = bench.portfolio.reports
        given = reports.performance(principal, id_of(portfolio_id), first=first, last=last, benchmark=benchmark)
        return _performance(given)

    return await in_thread(found, threads)


router.include_router(routes)


def id_of(given: str) -> UUID:
    """A portfolio's id.

    Raises:
        NotFound: it cannot be one.
    """
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(NO_PORTFOLIO) from None


def transaction_answer(transaction: Transaction) -> TransactionAnswer:
    """A row as the API tells it."""
    ids = ("reverses", "reversed_by", "import_id")
    return TransactionAnswer(
        id=str(transaction.id),
        number=transaction.number,
        in_force=transaction.is_in_force,
        author=transaction.author,
        created_at=transaction.created_at,
        **{name: None if (value := getattr(transaction, name)) is None else str(value) for name in ids},
        **told(transaction),
    )


def told(draft: Draft) -> dict[str, Any]:
    """What a transaction says, by the names of the API."""
    names = Draft.__dataclass_fields__.keys() - {"kind", "day", "reference"}
    return {"kind": draft.kind.value, "date": draft.day, **{name: getattr(draft, name) for name in names}}


def _portfolio(info: PortfolioInfo) -> PortfolioAnswer:
    names = PortfolioAnswer.model_fields.keys() - {"id", "cost_method"}
    values = {name: getattr(info, name) for name in names}
    return PortfolioAnswer(id=str(info.id), cost_method=info.cost_method.value, **values)


def _transaction_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such transaction in this portfolio.") from None


def _page(portfolio_id: str, asked: TransactionsQuery, principal: Principal, bench: Workbench) -> TransactionsPage:
    symbol = None if asked.symbol is None else checked_symbol(asked.symbol)
    first, last = _day_of(asked.first, "from") or date.min, _day_of(asked.last, "to") or date.max
    after = (date.max, 0) if asked.cursor is None else _place_of(asked.cursor)
    rows = bench.portfolio.journal.transactions(principal, id_of(portfolio_id))

    def is_wanted(each: Transaction) -> bool:
        return (
            first <= each.day <= last
            and (asked.kind is None or each.kind == asked.kind)
            and (symbol is None or symbol in (each.symbol, each.other_symbol))
            and (asked.cursor is None or _place(each) < after)
        )

    found = sorted(filter(is_wanted, rows), key=_place, reverse=True)
    shown = found[: asked.limit]
    next_cursor = _cursor(shown[-1]) if len(found) > len(shown) else None
    return TransactionsPage(transactions=[transaction_answer(each) for each in shown], next_cursor=next_cursor)


def _place(transaction: Transaction) -> tuple[date, int]:
    return transaction.day, transaction.number


def _cursor(transaction: Transaction) -> str:
    packed = struct.pack(">II", transaction.day.toordinal(), transaction.number)
    return base64.urlsafe_b64encode(packed).decode()


def _place_of(cursor: str) -> tuple[date, int]:
    try:
        day, number = struct.unpack(">II", base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        return date.fromordinal(day), number
    except (ValueError, OverflowError, struct.error):
        raise InvalidRequest("The field cursor is not one that this call gave.") from None


def _day_of(given: str | None, name: str) -> date | None:
    try:
        return None if given is None else plain_day(given)
    except ValueError:
        raise InvalidRequest(f"The field {name} must be a date such as 2026-01-31.") from None


def _holdings(report: Report) -> HoldingsAnswer:
    return HoldingsAnswer(
        id=str(report.portfolio_id),
        name=report.name,
        currency=report.currency,
        cost_method=report.cost_method.value,
        number=report.number,
        as_of=report.day,
        summary=_ribbon(report.ribbon),
        holdings=[_holding(line) for line in report.holdings],
        cash=[CashAnswer(**asdict(line)) for line in report.cash],
        notes=list(report.notes),
    )


def _ribbon(ribbon: Ribbon) -> RibbonAnswer:
    shares = {name: _finite(getattr(ribbon, name)) for name in ("day_change_share", "stale_share")}
    same = ("value", "day_change", "total_gain", "cash", "prices", "stale")
    return RibbonAnswer(
        time_weighted=_rate(ribbon.time_weighted),
        money_weighted=_rate(ribbon.money_weighted),
        **shares,
        **{name: getattr(ribbon, name) for name in same},
    )


def _holding(line: HoldingLine) -> HoldingAnswer:
    shares = ("weight", "unrealised_share")
    apart = {"price", "lots", *shares}
    price = {name: getattr(line.price, name) for name in PriceAnswer.model_fields if name != "change_pct"}
    change = line.price.change_pct
    return HoldingAnswer(
        price=PriceAnswer(**price, change_pct=None if change is None else _finite(float(change))),
        lots=[LotAnswer(**asdict(lot)) for lot in line.lots],
        **{name: _finite(getattr(line, name)) for name in shares},
        **{name: getattr(line, name) for name in HoldingAnswer.model_fields if name not in apart},
    )


def _performance(found: Performance) -> PerformanceAnswer:
    rates = ("time_weighted", "money_weighted", "benchmark_time_weighted", "benchmark_money_weighted")
    return PerformanceAnswer(
        first=found.first,
        last=found.last,
        benchmark=found.benchmark,
        explanation=found.explanation,
        days=_days(found),
        months=[PeriodAnswer(**_finite_all(asdict(each))) for each in found.months],
        years=[PeriodAnswer(**_finite_all(asdict(each))) for each in found.years],
        contributors=[ContributionAnswer(**_finite_all(asdict(each))) for each in found.contributors],
        missing_days=found.missing_days,
        notes=list(found.notes),
        **{name: _rate(getattr(found, name)) for name in rates},
    )


def _days(found: Performance) -> list[DayAnswer]:
    columns: dict[str, Sequence[float | None]] = {
        "value": found.value,
        "index": found.index,
        "benchmark_value": found.benchmark_value,
        "benchmark_index": found.benchmark_index,
    }
    return [
        DayAnswer(
            date=day,
            contributions=found.contributions[place],
            **{name: _finite(column[place]) if place < len(column) else None for name, column in columns.items()},
        )
        for place, day in enumerate(found.days)
    ]


def _rate(rate: Rate) -> RateAnswer:
    return RateAnswer(**_finite_all(asdict(rate)))


def _finite_all(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(value) if isinstance(value, float) else value for name, value in values.items()}


def _finite(number: float | None) -> float | None:
    """A figure as JSON has it; what is not a finite number is missing."""
    return None if number is None or not math.isfinite(number) else float(number)
