"""Statements say what a company reported, of the periods it reported them for, as it was known on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.market.sources.contract import CompanyFacts, Fact
from core.market.statement_table import shipped_table
from core.market.statements import Cell, Frequency, Ledger, Statements, build_statements
from tests.core.market.facts import company, day, fact, year_2025

ANNUAL, QUARTERLY = Frequency.ANNUAL, Frequency.QUARTERLY
LATE = day("2027-01-01")


def statements(*facts: Fact, as_of: date = LATE) -> Statements:
    told: CompanyFacts = company(*facts)
    table = shipped_table()
    return build_statements(Ledger(told, as_of, table), told, table)


def cell(found: Statements, key: str, frequency: Frequency, end: str, statement: str = "income") -> Cell | None:
    shown = found.statement(statement, frequency)
    column = [period.end for period in shown.periods].index(day(end))
    return next((line.cells[column] for line in shown.lines if line.key == key), None)


def value(found: Statements, key: str, frequency: Frequency, end: str, statement: str = "income") -> Decimal | None:
    shown = cell(found, key, frequency, end, statement)
    return None if shown is None else shown.value


def test_a_fourth_quarter_is_the_year_less_the_other_three_and_says_that_it_was_derived() -> None:
    found = statements(*year_2025())
    fourth = cell(found, "revenue", QUARTERLY, "2025-12-31")
    assert fourth is not None
    assert (fourth.value, fourth.is_derived, fourth.form) == (130, True, "10-K")
    assert fourth.note == "the year less the quarters before"
    assert [period.start for period in found.statement("income", QUARTERLY).periods][:2] == [
        day("2025-10-01"),
        day("2025-07-01"),
    ]
    third = cell(found, "revenue", QUARTERLY, "2025-09-30")
    assert third is not None
    assert not third.is_derived


def test_a_cash_flow_statement_that_only_runs_is_taken_apart_into_quarters() -> None:
    concept = "NetCashProvidedByUsedInOperatingActivities"
    running = [("2025-03-31", 10, "2025-05-05"), ("2025-06-30", 25, "2025-08-05"), ("2025-09-30", 45, "2025-11-05")]
    found = statements(
        *year_2025(),
        *(fact(concept, "2025-01-01", end, v, filed=filed) for end, v, filed in running),
        fact(concept, "2025-01-01", "2025-12-31", 70, filed="2026-02-20", form="10-K"),
    )
    ends = ("2025-03-31", "2025-06-30", "2025-09-30", "2025-12-31")
    assert [value(found, "operating_cash_flow", QUARTERLY, end, "cash_flow") for end in ends] == [10, 15, 20, 25]


def test_periods_are_the_facts_own_and_not_those_of_the_filing() -> None:
    """Of a fiscal year to September, a filing's comparative figure bears the filing's year."""
    found = statements(
        fact("Revenues", "2023-10-01", "2024-09-28", 383, filed="2025-11-01", form="10-K"),
        fact("Revenues", "2024-09-29", "2025-09-27", 391, filed="2025-11-01", form="10-K"),
    )
    periods = found.statement("income", ANNUAL).periods
    assert [(p.start, p.end) for p in periods] == [
        (day("2024-09-29"), day("2025-09-27")),
        (day("2023-10-01"), day("2024-09-28")),
    ]
    assert value(found, "revenue", ANNUAL, "2024-09-28") == 383


def test_twelve_months_that_end_in_a_quarterly_report_are_no_fiscal_year() -> None:
    found = statements(*year_2025(), fact("Revenues", "2025-04-01", "2026-03-31", 480, filed="2026-05-05"))
    assert [period.end for period in found.statement("income", ANNUAL).periods] == [day("2025-12-31")]


def test_what_was_filed_later_is_not_seen_before() -> None:
    restated = fact("Revenues", "2025-01-01", "2025-03-31", 90, filed="2026-05-06")
    before = statements(*year_2025(), restated, as_of=day("2026-05-05"))
    after = statements(*year_2025(), restated, as_of=day("2026-05-06"))
    assert value(before, "revenue", QUARTERLY, "2025-03-31") == 100
    assert value(after, "revenue", QUARTERLY, "2025-03-31") == 90
    early = statements(*year_2025(), as_of=day("2025-08-04"))
    assert [period.end for period in early.statement("income", QUARTERLY).periods] == [day("2025-03-31")]
    assert early.last_filed == day("2025-05-05")
    assert statements(*year_2025(), as_of=day("2020-01-01")).currency is None


def test_a_company_that_changed_its_concept_keeps_its_line() -> None:
    found = statements(
        fact("SalesRevenueNet", "2017-01-01", "2017-12-31", 80, filed="2018-02-01", form="10-K"),
        fact(
            "RevenueFromContractWithCustomerExcludingAssessedTax",
            "2017-01-01",
            "2017-12-31",
            78,
            filed="2019-02-01",
            form="10-K",
        ),
        fact("Revenues", "2018-01-01", "2018-12-31", 95, filed="2019-02-01", form="10-K"),
        fact(
            "RevenueFromContractWithCustomerExcludingAssessedTax",
            "2018-01-01",
            "2018-12-31",
            90,
            filed="2019-02-01",
            form="10-K",
        ),
    )
    newer, older = (cell(found, "revenue", ANNUAL, end) for end in ("2018-12-31", "2017-12-31"))
    assert newer is not None
    assert older is not None
    assert (newer.value, newer.concept) == (95, "us-gaap:Revenues")
    assert (older.value, older.filed) == (78, day("2019-02-01"))


def test_each_figure_names_its_unit_and_its_filing() -> None:
    eps = fact("EarningsPerShareDiluted", "2025-01-01", "2025-03-31", "1.25", filed="2025-05-05", unit="USD/shares")
    shown = cell(statements(*year_2025(), eps), "eps_diluted", QUARTERLY, "2025-03-31")
    assert shown is not None
    assert (shown.unit, shown.value, shown.form) == ("USD/shares", Decimal("1.25"), "10-Q")
    assert shown.accession_number == "0000000001-25-0505"


def test_an_average_is_not_derived_for_the_fourth_quarter() -> None:
    concept, unit = "EarningsPerShareDiluted", "USD/shares"
    quarters = [
        fact(concept, f.start.isoformat(), f.end.isoformat(), 1, filed="2025-11-05", unit=unit)
        for f in year_2025()[:3]
        if f.start
    ]
    year = fact(concept, "2025-01-01", "2025-12-31", 5, filed="2026-02-20", form="10-K", unit=unit)
    found = statements(*year_2025(), *quarters, year)
    assert value(found, "eps_diluted", QUARTERLY, "2025-09-30") == 1
    assert value(found, "eps_diluted", QUARTERLY, "2025-12-31") is None


def test_figures_in_another_currency_are_not_mixed_in() -> None:
    found = statements(
        fact("Assets", None, "2025-12-31", 900, filed="2026-02-20", form="20-F", unit="EUR"),
        fact("Revenues", "2025-01-01", "2025-12-31", 400, filed="2026-02-20", form="20-F", unit="EUR"),
        fact("Revenues", "2025-01-01", "2025-12-31", 470, filed="2026-02-21", form="20-F", unit="USD"),
        as_of=day("2026-02-20"),
    )
    assert found.currency == "EUR"
    assert value(found, "revenue", ANNUAL, "2025-12-31") == 400


@pytest.mark.parametrize("factor", [1_000, 1_000_000])
def test_a_figure_out_of_scale_is_marked_and_so_is_what_is_derived_from_it(factor: int) -> None:
    years = [
        fact("Revenues", f"{y}-01-01", f"{y}-12-31", 400_000_000 + y, filed=f"{y + 1}-02-20", form="10-K")
        for y in range(2019, 2025)
    ]
    earlier = [
        fact("Revenues", f"2024-{month}", f"2024-{end}", 100_000_000, filed="2024-11-05")
        for month, end in (("01-01", "03-31"), ("04-01", "06-30"), ("07-01", "09-30"))
    ]
    wrong = year_2025(values=(100_000_000, 110_000_000 * factor, 120_000_000), year=460_000_000)
    found = statements(*years, *earlier, *wrong)
    second, fourth = (cell(found, "revenue", QUARTERLY, end) for end in ("2025-06-30", "2025-12-31"))
    third, year = cell(found, "revenue", QUARTERLY, "2025-09-30"), cell(found, "revenue", ANNUAL, "2025-12-31")
    assert second is not None
    assert fourth is not None
    assert third is not None
    assert year is not None
    assert [one.is_suspect for one in (second, fourth, third, year)] == [True, True, False, False]
    assert second.value == 110_000_000 * factor
    assert "out of scale" in fourth.note


def test_a_line_nobody_reports_is_the_difference_of_two_others() -> None:
    found = statements(*year_2025(), *year_2025("CostOfRevenue", (60, 66, 70), 270))
    profit = cell(found, "gross_profit", QUARTERLY, "2025-12-31")
    assert profit is not None
    assert (profit.value, profit.is_derived, profit.note) == (56, True, "revenue less cost of revenue")


def test_a_balance_sheet_is_of_the_last_day_of_each_period() -> None:
    found = statements(
        *year_2025(),
        fact("Assets", None, "2025-12-31", 900, filed="2026-02-20", form="10-K"),
        fact("Assets", None, "2025-09-30", 880, filed="2025-11-05"),
    )
    assert value(found, "total_assets", ANNUAL, "2025-12-31", "balance") == 900
    assert value(found, "total_assets", QUARTERLY, "2025-09-30", "balance") == 880


def test_facts_that_make_no_sense_are_left_out() -> None:
    bad = [
        fact("Revenues", "2025-12-31", "2025-01-01", 1, filed="2026-02-20", form="10-K"),
        fact("Revenues", "2025-01-01", "2025-03-31", "NaN", filed="2026-02-21"),
        fact("Revenues", None, "2025-03-31", 7, filed="2026-02-21"),
        fact("SomethingOfTheirOwn", "2025-01-01", "2025-03-31", 7, filed="2026-02-21"),
    ]
    assert value(statements(*year_2025(), *bad), "revenue", QUARTERLY, "2025-03-31") == 100
    assert statements().statement("income", ANNUAL).lines == ()


def test_a_fourth_quarter_of_seventeen_weeks_is_derived_too() -> None:
    spans = [("2024-09-02", "2024-11-24"), ("2024-11-25", "2025-02-16"), ("2025-02-17", "2025-05-11")]
    found = statements(
        *(fact("Revenues", start, end, 60, filed="2025-06-05") for start, end in spans),
        fact("Revenues", "2024-09-02", "2025-08-31", 270, filed="2025-10-08", form="10-K"),
    )
    assert value(found, "revenue", QUARTERLY, "2025-08-31") == 90
