"""The components of portfolios, with holdings, returns and files that somebody made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import sin
from uuid import UUID

import numpy as np
import streamlit as st

from core.portfolio.analysis import (
    Analysis,
    Correlations,
    Frontier,
    HoldingRisk,
    Mix,
    RollingCurve,
    UnderwaterCurve,
)
from core.portfolio.book import Disposal, Lot, Payment
from core.portfolio.imports.outcomes import Asked, Choice, Fate, Preview, Question, RowFate, SymbolUse
from core.portfolio.rebalancing import DriftLine, Plan, Side, TradeLine
from core.portfolio.report import (
    CashLine,
    Check,
    Contribution,
    CostMethod,
    HoldingLine,
    Income,
    IncomePeriod,
    Performance,
    Period,
    Price,
    Rate,
    Report,
    Ribbon,
)
from core.portfolio.risk import RiskFigures
from core.portfolio.series import Series
from core.portfolio.transactions import Draft, Kind, Transaction
from pages.components import (
    portfolio_charts,
    portfolio_checks,
    portfolio_entry,
    portfolio_holdings,
    portfolio_import,
    portfolio_income,
    portfolio_overview,
    portfolio_performance,
    portfolio_rebalance,
    portfolio_ribbon,
    portfolio_risk,
    portfolio_shapes,
    portfolio_transactions,
    portfolio_words,
)
from tests.gallery.texts import TEXTS

DAY = date(2010, 8, 20)
MOMENT = datetime(2010, 8, 20, 23, tzinfo=UTC)
NAMES = {"AAPL": "Apple Inc.", "MSFT": "Microsoft", "IBM": TEXTS["markup"], "GEN": "A generated company"}
NOTHING = np.zeros(0)
NO_SERIES = Series(
    np.zeros(0, "datetime64[D]"), NOTHING, NOTHING, NOTHING, NOTHING, {}, (), np.zeros((0, 0)), np.zeros((0, 0))
)


def words() -> None:
    """Money, shares of a whole, returns and quantities, and what is not known"""
    for amount in (Decimal("1234567.891"), Decimal("-0.5"), Decimal(0), None):
        st.text(
            f"{portfolio_words.money(amount, 'USD')} · {portfolio_words.signed(amount, 'SEK')} · "
            f"{portfolio_words.rounded(amount, 'EUR')} · {portfolio_words.change(amount and amount / 100)} · "
            f"{portfolio_words.share(amount and amount / 10_000_000)}"
        )
    st.text(portfolio_words.quantity(Decimal("1200.5000000001")))


def ribbons() -> None:
    """A portfolio with stale and generated prices; one of which little is known; an empty one"""
    portfolio_ribbon.show(report())
    unknown = Rate(None, note="Without a day between two flows there is no return.")
    poor = Ribbon(None, None, None, None, unknown, unknown, None, 3, 3, None)
    portfolio_ribbon.show(replace(report(), ribbon=poor, cash=(), notes=("One exchange rate is missing.",)))
    portfolio_ribbon.show(replace(report(), ribbon=replace(poor, prices=0, stale=0), holdings=(), cash=()))


def overviews() -> None:
    """The first look; and that of a portfolio that began today"""
    portfolio_overview.show("gallery_overview", report(), performance())
    begun = replace(performance(), days=(), value=(), contributors=(), first=None, last=None)
    portfolio_overview.show("gallery_begun", replace(report(), holdings=(), cash=(), sectors={}, currencies={}), begun)


def lines() -> None:
    """Lines with a gap, and bars by month"""
    days = [DAY - timedelta(days=number) for number in range(60, 0, -1)]
    values = [None if 20 < number < 26 else 100 + number for number in range(60)]
    axis = portfolio_charts.Axis("USD", ",.0f")
    portfolio_charts.show_lines("gallery_lines", days, [portfolio_charts.Line("Value", values)], axis, alt="A gap")


def shapes() -> None:
    """A ring with more parts than colours, and one holding alone"""
    parts = {f"Sector {number}": Decimal(100 - 7 * number) for number in range(12)}
    portfolio_shapes.show_ring("gallery_ring", parts, "USD", alt="Twelve sectors")
    tiles = [portfolio_shapes.Tile("AAPL", 100.0, None)]
    portfolio_shapes.show_treemap("gallery_tile", tiles, "USD", alt="One holding")


def holdings() -> None:
    """What is held, and the holding that is open"""
    portfolio_holdings.show("gallery_holdings", report(), MOMENT)
    portfolio_holdings.show_holding("gallery_holding", holding("AAPL", 0), report(), MOMENT)


def nothing_held() -> None:
    """A portfolio that holds nothing"""
    portfolio_holdings.show("gallery_empty", replace(report(), holdings=(), cash=()), MOMENT)


def transactions() -> None:
    """What was entered, one of it taken back"""
    portfolio_transactions.show("gallery_transactions", entered())
    portfolio_transactions.show_chosen(entered()[1])


def entries() -> None:
    """The form of a purchase; and a correction of a dividend"""
    portfolio_entry.show("gallery_entry", "EUR", DAY, lambda draft: None, done="Entered")
    before = Draft(Kind.DIVIDEND, DAY, "USD", "AAPL", amount=Decimal("12.5"), taxes=Decimal("1.88"), note="withheld")
    portfolio_entry.show("gallery_correct", "EUR", DAY, lambda draft: None, before=before, done="Corrected")


def returns() -> None:
    """Returns by window, month, year and holding; and a window without a time-weighted return"""
    portfolio_performance.show_window("gallery_window", DAY, date(2009, 1, 2))
    portfolio_performance.show_benchmark("gallery_benchmark")
    portfolio_performance.show("gallery_returns", report(), performance())
    missing = Rate(None, note="On 3 days a price is missing: 2 March 2010 (GEN).")
    gap = replace(performance(), time_weighted=missing, months=(), years=(), contributors=(), days=(), explanation="")
    portfolio_performance.show("gallery_gap", report(), gap)


def incomes() -> None:
    """Payments by month and one by one; and none"""
    portfolio_income.show("gallery_income", report().income, "EUR")
    portfolio_income.show("gallery_no_income", replace(report().income, payments=()), "EUR")


def checks() -> None:
    """Findings of each severity"""
    portfolio_checks.show("gallery_checks", report().checks)


def risks() -> None:
    """What is analysed; an analysis; one of few days"""
    portfolio_risk.show_request("gallery_request", DAY, date(2009, 1, 2))
    portfolio_risk.show("gallery_risk", analysis())
    few = replace(analysis().figures, n=12, n_pairs=0)
    portfolio_risk.show(
        "gallery_few",
        replace(analysis(), figures=few, rolling=(), underwater=None, correlations=None, holdings=(), frontier=None),
    )


def imports() -> None:
    """A file with every fate, and one that has to be asked about"""
    portfolio_import.show_preview("gallery_import", preview(), {"generic": "Generic"}, lambda choice: None)
    asked = Question(
        Asked.DATE_ORDER, "Is 03/04/2010 the third of April, or the fourth of March?",
        {"dmy": "3 April 2010", "mdy": "4 March 2010"},
    )  # fmt: skip
    portfolio_import.show_preview(
        "gallery_asked", replace(preview(), question=asked, file_name="asked.csv"), {}, lambda choice: None
    )


def rebalancing() -> None:
    """Targets that can be changed, those of a viewer, and the trades that lead there"""
    portfolio_rebalance.show_targets("gallery_targets", drifts(), lambda targets: None, {"Equal weights": {"AAPL": 1}})
    portfolio_rebalance.show_targets("gallery_seen", drifts(), None, {})
    portfolio_rebalance.show_terms("gallery_terms", "EUR")
    portfolio_rebalance.show_plan("gallery_plan", plan(), "trades.csv")
    portfolio_rebalance.show_plan("gallery_no_plan", replace(plan(), lines=(), value=None), "none.csv")


@cache
def report() -> Report:
    """A portfolio in euros with four holdings, one of them generated, one without a price."""
    held = tuple(holding(symbol, place) for place, symbol in enumerate(NAMES))
    sectors = {"Technology": Decimal(52_000), "Services": Decimal(18_000), "Cash": Decimal(6_100)}
    return Report(
        portfolio_id=UUID(int=7), name="Made <b>up</b>", currency="EUR", number=41, day=DAY,
        cost_method=CostMethod.FIFO,
        ribbon=Ribbon(
            Decimal("76100.25"), Decimal("-412.10"), -0.0054, Decimal("9310.55"), rate(0.21, 0.132),
            rate(0.145, 0.145, "Several rates solve these flows."), Decimal("6100.25"), 42, 7, 0.18,
        ),
        holdings=held,
        cash=(
            CashLine("EUR", Decimal("4100.25"), Decimal(1), Decimal("4100.25")),
            CashLine("SEK", Decimal(19_000), None, None),
        ),
        series=NO_SERIES, disposals=(disposal(),), income=income(), checks=findings(), sectors=sectors,
        currencies={"USD": Decimal(70_000), "EUR": Decimal(6_100)}, notes=(),
    )  # fmt: skip


def rate(value: float | None, annual: float | None = None, note: str = "") -> Rate:
    """A return of a year and a half."""
    return Rate(value, annual, date(2009, 2, 20), DAY, 377, note)


def holding(symbol: str, place: int) -> HoldingLine:
    """One holding; the last one has no known value."""
    is_known = place < 3
    value = Decimal(40_000 - 9_000 * place) if is_known else None
    cost = Decimal(30_000 + 1_000 * place)
    lot = Lot(date(2009, 3, 2), Decimal("120.5"), cost, "USD", cost)
    return HoldingLine(
        symbol=symbol, name=NAMES[symbol], sector="Technology" if place < 2 else "", currency="USD",
        quantity=Decimal("120.5"),
        price=Price(
            Decimal("249.64") if is_known else None, "USD", MOMENT - timedelta(hours=3 + 30 * place), "cache",
            "yahoo", is_stale=place == 2, is_generated=symbol == "GEN", change_pct=Decimal("-0.31"),
        ),
        fx_rate=Decimal("0.787"), value=value, weight=0.5 - 0.1 * place if is_known else None, cost=cost,
        fifo_cost=cost, average_cost=cost + 350, unrealised=None if value is None else value - cost,
        unrealised_share=None if value is None else float((value - cost) / cost), realised=Decimal(-120),
        income=Decimal("88.4"), day_change=Decimal("-31.2"), target=Decimal("0.3") if place < 2 else None, lots=(lot,),
        closes=tuple(240 + 9 * sin(number / 5 + place) for number in range(60)),
        note="" if is_known else "No source knows a price.",
    )  # fmt: skip


def disposal() -> Disposal:
    """A sale that gained by one method more than by the other."""
    return Disposal(
        UUID(int=9), "AAPL", date(2010, 4, 1), Decimal(15), "USD", Decimal(3_500), Decimal(3_100), Decimal(3_180),
        Decimal(2_600), Decimal(2_300), Decimal(2_360), date(2009, 3, 2),
    )  # fmt: skip


def income() -> Income:
    """A year of dividends."""
    months = tuple(
        IncomePeriod(2009 + (7 + number) // 12, (7 + number) % 12 + 1, Decimal(40 + number % 3 * 25), Decimal(number),
                     Decimal(5), Decimal(7))
        for number in range(13)
    )  # fmt: skip
    payments = tuple(
        Payment(UUID(int=number), Kind.DIVIDEND, DAY - timedelta(days=30 * number), "AAPL", "USD", Decimal("40.5"),
                Decimal("6.08"), Decimal(0), Decimal("31.87"), Decimal("4.78"), Decimal(0))
        for number in range(12)
    )  # fmt: skip
    return Income(payments, months, Decimal("612.40"), 0.0081, None)


def findings() -> tuple[Check, ...]:
    """One of each severity."""
    return (
        Check("fees", "Fees", "ok", "Fees came to 0.2 % of the value.", "A notice from 1 % on."),
        Check("concentration", "Concentration", "warning", "AAPL is 52.6 % of the value.", "A warning from 25 % on."),
        Check(
            "staleness", "Stale prices", "notice", "7 of 42 prices are stale = 18 % of value.", "A notice from 1 on."
        ),
    )


@cache
def performance() -> Performance:
    """A year and a half with a week without a price."""
    days = [
        DAY - timedelta(days=number) for number in range(380, -1, -1) if (DAY - timedelta(days=number)).weekday() < 5
    ]
    growth = [1 + number / 1_300 + 0.05 * sin(number / 19) for number in range(len(days))]
    paid = [60_000.0 if number < 120 else 66_000.0 for number in range(len(days))]
    years = [Period(2009, None, 0.082, 0.11, is_whole=False), Period(2010, None, 0.118, None, is_whole=False)]
    months = [
        Period(day.year, day.month, 0.09 * sin(day.month * 2.1), 0.01, is_whole=day.month != 8)
        for day in days
        if day.day <= 7 and day.weekday() == 0
    ]
    return Performance(
        first=days[0], last=days[-1], time_weighted=rate(0.21, 0.132), money_weighted=rate(0.145, 0.145),
        benchmark="SP500", benchmark_time_weighted=rate(0.16, 0.1), benchmark_money_weighted=rate(0.09, 0.09),
        explanation="More money was there in the worse months: each unit of it earned less than the first one did.",
        days=days,
        value=[None if 80 <= number < 85 else 60_000 * each for number, each in enumerate(growth)],
        contributions=paid, index=growth, benchmark_value=[55_000 * each for each in growth],
        benchmark_index=[1 + (each - 1) * 0.8 for each in growth], months=months, years=years,
        contributors=[
            Contribution("AAPL", 8_200.0, 0.124, 0.41), Contribution("MSFT", 300.0, 0.0045, 0.01),
            Contribution("GEN", None, None, None), Contribution("IBM", -1_100.0, -0.017, -0.06),
        ],
        missing_days=5, notes=("5 days have no value.",),
    )  # fmt: skip


def entered() -> list[Transaction]:
    """A purchase, a dividend that was taken back by the third row, and a split."""
    at = datetime(2010, 8, 1, tzinfo=UTC)
    shared = {"author": "Ann Miller", "created_at": at}
    return [
        Transaction(
            Kind.BUY, date(2010, 3, 1), "USD", "AAPL", Decimal(10), Decimal("208.99"), fees=Decimal("4.95"),
            id=UUID(int=1), number=1, **shared,  # type: ignore[arg-type]
        ),
        Transaction(
            Kind.DIVIDEND, date(2010, 3, 9), "USD", "AAPL", amount=Decimal("12.5"), note=TEXTS["markup"][:90],
            id=UUID(int=2), number=2, reversed_by=UUID(int=3), **shared,  # type: ignore[arg-type]
        ),
        Transaction(
            Kind.DIVIDEND, date(2010, 3, 9), "USD", "AAPL", amount=Decimal("12.5"), id=UUID(int=3), number=3,
            reverses=UUID(int=2), **shared,  # type: ignore[arg-type]
        ),
        Transaction(
            Kind.SPLIT, date(2010, 4, 9), "USD", "IBM", ratio=Decimal(2), id=UUID(int=4), number=4, **shared,  # type: ignore[arg-type]
        ),
    ]  # fmt: skip


@cache
def analysis() -> Analysis:
    """All figures of a year, and a frontier of four holdings."""
    days = [DAY - timedelta(days=number) for number in range(200, -1, -2)]
    wave = [0.2 + 0.05 * sin(number / 9) for number in range(len(days))]
    none: list[float | None] = [None] * 40
    figures = RiskFigures(
        n=250, n_pairs=247, std_dev=0.0121, volatility=0.192, sharpe=0.91, sortino=1.32, alpha=0.031, beta=0.94,
        r_squared=0.81, max_drawdown=-0.148, current_drawdown=-0.051, cagr=0.18, calmar=1.22, var_95=0.0191,
        cvar_95=None,
    )  # fmt: skip
    rolling = RollingCurve(63, days, [*none, *wave[40:]], [*none, *wave[40:]], [None] * len(days))
    symbols = list(NAMES)
    related = [[1.0 if one == other else 0.62 - 0.3 * (one + other) / 3 for other in range(4)] for one in range(4)]
    gaps: list[list[float | None]] = [list(row) for row in related]
    gaps[3][0] = gaps[0][3] = None
    counts = [[250 - 10 * (row + column) for column in range(4)] for row in range(4)]
    mixes = [Mix(dict.fromkeys(symbols, 0.25), 0.08 + 0.02 * step, 0.15 + 0.01 * step**1.6) for step in range(6)]
    return Analysis(
        id=UUID(int=5), author="Ann Miller", made_at=MOMENT, figures=figures, risk_free_rate=0.04, benchmark="SP500",
        first=days[0], last=days[-1], missing=2, missing_pairs=3,
        rolling=(rolling, replace(rolling, window=126)),
        underwater=UnderwaterCurve(days, [-0.1 * abs(sin(number / 15)) for number in range(len(days))]),
        correlations=Correlations(symbols, gaps, counts),
        holdings=[
            HoldingRisk(symbol, 0.25, 0.05 + 0.05 * place if place < 3 else None, 0.2 + 0.06 * place, 250)
            for place, symbol in enumerate(symbols)
        ],
        frontier=Frontier(
            mixes, mixes[0], mixes[1], replace(mixes[2], volatility=0.24), days[0], days[-1], 190, ["NEW"], 0.0, 0.4
        ),
        notes=("GEN has generated prices.",),
    )  # fmt: skip


def preview() -> Preview:
    """A file with a row of each fate, and a security that is not known."""
    draft = Draft(Kind.BUY, date(2010, 3, 1), "USD", "AAPL", Decimal(10), Decimal("208.99"))
    rows = (
        RowFate(6, Fate.ADDED, notices=("1 March 2010 was a holiday of its exchange.",), drafts=(draft,),
                text="01.03.2010;Kauf;AAPL;10;208,99"),
        RowFate(7, Fate.KNOWN, "The same is in the portfolio already.", drafts=(draft,), text="01.03.2010;Kauf;AAPL"),
        RowFate(8, Fate.REFUSED, TEXTS["markup"], text="=cmd|'/c calc'!A1"),
        RowFate(9, Fate.IGNORED, "A total.", text="Summe;;;2.089,90"),
    )  # fmt: skip
    return Preview(
        file_name="made-up.csv", preset="generic", title="Generic", headings=("Datum", "Art", "Wertpapier", "Stück"),
        sample=(("01.03.2010", "Kauf", "AAPL", "10"),),
        choice=Choice(preset="generic", columns={"day": "Datum", "kind": "Art", "symbol": "Wertpapier"}),
        is_remembered=True, rows=rows, counts=dict.fromkeys(Fate, 1),
        how=("Columns are parted by semicolons.", "Decimals are written with a comma."), kinds={"Kauf": "buy", "?": ""},
        symbols=(SymbolUse("APC", "APC", "Apple Inc.", 3, is_known=False, near=("AAPL",)),),
    )  # fmt: skip


def drifts() -> list[DriftLine]:
    """Two holdings with a target, one without, and a target that is not held."""
    return [
        DriftLine("AAPL", NAMES["AAPL"], 0.526, Decimal("0.3"), 0.226),
        DriftLine("NEW", "", 0.0, Decimal("0.2"), -0.2),
        DriftLine("MSFT", NAMES["MSFT"], 0.28, Decimal("0.3"), -0.02),
        DriftLine("IBM", NAMES["IBM"], None, None, None),
    ]


def plan() -> Plan:
    """A sale, a purchase, and what cannot be traded."""
    lines = (
        TradeLine("AAPL", NAMES["AAPL"], Side.SELL, Decimal(40), Decimal("249.64"), "USD", Decimal("7858.67"),
                  Decimal("12.86"), 0.526, Decimal("0.3"), 0.301),
        TradeLine("MSFT", NAMES["MSFT"], Side.BUY, Decimal(61), Decimal("24.23"), "USD", Decimal("1163.21"),
                  Decimal("6.16"), 0.28, Decimal("0.3"), 0.298),
        TradeLine("NEW", "", None, Decimal(0), None, "USD", Decimal(0), Decimal(0), 0.0, Decimal("0.2"), 0.0,
                  "No price is known."),
    )  # fmt: skip
    return Plan(lines, "EUR", Decimal("76100.25"), Decimal("6100.25"), Decimal("12776.69"), Decimal("19.02"), 0.059)
