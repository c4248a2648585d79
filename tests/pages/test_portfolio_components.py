"""What the components of portfolios say: figures in words, windows, fates, and numbers as they are typed."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from core.errors import InvalidRequest
from core.portfolio.imports.outcomes import FIELDS as COLUMNS
from core.portfolio.imports.outcomes import Fate
from core.portfolio.rebalancing import Side
from core.portfolio.report import CostMethod, Rate, Ribbon
from core.portfolio.risk import CONVENTIONS
from core.portfolio.transactions import Kind, checked
from pages.components import (
    portfolio_charts,
    portfolio_checks,
    portfolio_entry,
    portfolio_holdings,
    portfolio_import,
    portfolio_rebalance,
    portfolio_ribbon,
    portfolio_risk,
    portfolio_shapes,
    portfolio_transactions,
    portfolio_words,
)
from tests.gallery import portfolio as made

LATEST = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("-3.456"), "−$3.46"),
        (Decimal(0), "$0.00"),
        (None, "n/a"),
        (Decimal("0.5"), "$0.50"),
    ],
    ids=str,
)
def test_money_has_its_sign_and_two_decimals_and_nothing_is_no_zero(amount: Decimal | None, told: str) -> None:
    assert portfolio_words.money(amount, "USD") == told


def test_a_large_amount_of_the_ribbon_loses_its_decimals_and_a_small_one_does_not() -> None:
    assert portfolio_words.rounded(Decimal("1234567.89"), "EUR") == "€1,234,568"
    assert portfolio_words.rounded(Decimal("999999.99"), "EUR") == "€999,999.99"
    assert portfolio_words.rounded(None, "EUR") == "n/a"


def test_a_gain_has_a_plus_and_a_loss_a_minus() -> None:
    assert portfolio_words.signed(Decimal(12), "USD") == "+$12.00"
    assert portfolio_words.signed(Decimal(-12), "USD") == "−$12.00"
    assert portfolio_words.change(0.05) == "+5.00 %"
    assert portfolio_words.change(-0.00001) == "0.00 %"
    assert portfolio_words.change(-2.48) == "−248.00 %"
    assert portfolio_words.change(None) == "n/a"


@pytest.mark.parametrize(
    ("shares", "told"), [("1200", "1,200"), ("0.3333333333", "0.333333"), ("100.10", "100.1"), ("0", "0")]
)
def test_quantities_have_no_zeros_at_their_end(shares: str, told: str) -> None:
    assert portfolio_words.quantity(Decimal(shares)) == told


@pytest.mark.parametrize(
    ("prices", "stale", "part", "told"),
    [
        (42, 7, 0.18, "7 of 42 prices are stale = 18 % of value"),
        (42, 1, 0.004, "1 of 42 prices is stale = 0.4 % of value"),
        (3, 3, None, "3 of 3 prices are stale = a part of the value that is not known"),
        (42, 0, 0.0, "All 42 prices are of the last session."),
        (1, 0, 0.0, "The 1 price is of the last session."),
        (0, 0, None, "No price is needed: nothing is held."),
    ],
    ids=lambda each: str(each)[:12],
)
def test_the_ribbon_says_how_many_prices_are_stale_and_what_they_are_worth(
    prices: int, stale: int, part: float | None, told: str
) -> None:
    none = Rate(None)
    ribbon = Ribbon(None, None, None, None, none, none, None, prices, stale, part)
    assert portfolio_ribbon.stale_sentence(ribbon) == told


def test_a_return_says_of_which_days_it_is_or_why_there_is_none() -> None:
    rate = Rate(0.1, None, date(2010, 1, 4), date(2010, 8, 20), 159, "Several rates solve these flows.")
    assert portfolio_words.window(rate) == (
        "From 4 Jan 2010 to 20 Aug 2010, n 159 days with a value. Several rates solve these flows."
    )
    assert portfolio_words.window(Rate(None, note="One day alone.")) == "One day alone."


def test_a_price_says_where_it_is_from_and_how_old_it_is() -> None:
    line = made.holding("AAPL", 0)
    assert portfolio_holdings.price_from(line.price, made.MOMENT) == "Yahoo, kept, 3 hours old"
    stale = replace(line.price, is_stale=True, source="yahoo")
    assert portfolio_holdings.price_from(stale, made.MOMENT) == "Yahoo, 3 hours old, stale"
    generated = replace(line.price, is_generated=True, source="sample")
    assert portfolio_holdings.price_from(generated, made.MOMENT) == "generated data, 3 hours old"
    assert portfolio_holdings.price_from(replace(line.price, price=None), made.MOMENT) == "no source knows one"


def test_every_method_severity_fate_and_side_has_its_words() -> None:
    assert set(portfolio_holdings.METHODS) == set(CostMethod)
    assert set(portfolio_checks.LOOKS) == {check.severity for check in made.findings()}
    assert set(portfolio_import.FATES) == set(Fate)
    assert set(portfolio_rebalance.SIDES) == {*Side, None}
    assert set(portfolio_import.KINDS) > {kind.value for kind in Kind}
    assert {"day", "kind", "symbol"} <= set(COLUMNS)


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_the_form_of_each_kind_has_what_its_transaction_needs(kind: Kind) -> None:
    texts = {"symbol": "AAPL", "other_symbol": "IBM", "quantity": "10", "price": "2.5", "amount": "25", "fees": "1",
             "taxes": "0.5", "ratio": "0.5" if kind is Kind.REVERSE_SPLIT else "2", "cost_share": "0.25"}  # fmt: skip
    given = {name: texts[name] for name in portfolio_entry.FIELDS[kind]}
    draft = portfolio_entry.drafted(kind, date(2010, 3, 1), "USD", {**given, "fx_rate": ""})
    assert checked(draft, latest=LATEST).kind is kind


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_what_a_form_marks_as_required_is_refused_when_it_is_left_empty(kind: Kind) -> None:
    fields = portfolio_entry.FIELDS[kind]
    texts = {name: "AAPL" if not field.is_number else "0.5" for name, field in fields.items() if not field.is_required}
    draft = portfolio_entry.drafted(kind, date(2010, 3, 1), "USD", texts)
    with pytest.raises(InvalidRequest):
        checked(draft, latest=LATEST)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1234.5678901234", "1234.5678901234"), (" 1 234.5 ", "1234.5"), ("−3", "-3"), ("1_000", "1000"), ("1e3", "1000")],
)
def test_a_typed_number_keeps_every_digit(text: str, number: str) -> None:
    assert portfolio_entry.parsed(text, "Price") == Decimal(number)


@pytest.mark.parametrize("text", ["1,234.5", "1,5", "abc", "nan", "Infinity", "1.2.3"])
def test_what_is_typed_and_no_plain_number_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^Price: "):
        portfolio_entry.parsed(text, "Price")


def test_nothing_typed_is_nothing_and_no_zero() -> None:
    assert portfolio_entry.parsed("  ", "Price") is None


def test_a_transaction_is_told_in_a_line() -> None:
    told = [portfolio_transactions.told(row) for row in made.entered()]
    assert told[0] == "1 Mar 2010 · Buy 10 AAPL at 208.99 USD"
    assert told[1] == "9 Mar 2010 · Dividend AAPL 12.50 USD"
    assert told[3] == "9 Apr 2010 · Split IBM 2 for 1"
    assert [portfolio_transactions.state(row) for row in made.entered()] == [
        "in force", "reversed", "reversal", "in force",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        (portfolio_transactions.Filters(), [1, 4]),
        (portfolio_transactions.Filters(has_reversed=True), [1, 2, 3, 4]),
        (portfolio_transactions.Filters(symbol="AAPL"), [1]),
        (portfolio_transactions.Filters(kinds=frozenset({Kind.SPLIT})), [4]),
        (portfolio_transactions.Filters(year=2009), []),
    ],
    ids=["in force", "all", "symbol", "kind", "year"],
)
def test_filters_let_pass_what_is_asked_for(filters: portfolio_transactions.Filters, numbers: list[int]) -> None:
    assert [row.number for row in filter(filters.lets_pass, made.entered())] == numbers


def test_every_figure_of_an_analysis_has_its_convention_window_and_n() -> None:
    analysis = made.analysis()
    assert set(portfolio_risk.ORDER) <= set(CONVENTIONS)
    for name in portfolio_risk.ORDER:
        note = portfolio_risk.note(CONVENTIONS[name], 1.0, analysis)
        assert "n 247 days shared with SP500" in note or "n 250 days" in note
        assert f"to {made.DAY.day} Aug 2010" in note


def test_a_figure_that_is_not_shown_says_why() -> None:
    few = replace(made.analysis(), figures=replace(made.analysis().figures, n=12))
    assert portfolio_risk.note(CONVENTIONS["sharpe"], None, few).startswith(
        "Not shown: it needs 20 days, and there are 12."
    )
    assert portfolio_risk.note(CONVENTIONS["sharpe"], None, made.analysis()).startswith("Not defined")
    assert portfolio_risk.written("sharpe", None) == portfolio_risk.written("max_drawdown", None) == "n/a"
    assert portfolio_risk.written("max_drawdown", -0.1481) == "−14.81 %"
    assert portfolio_risk.written("beta", -0.5) == "−0.50"


def test_targets_are_what_was_typed_in_per_cent() -> None:
    typed = [("aapl", 12.5), ("IBM", None), ("MSFT", 0.0)]
    assert portfolio_rebalance.targets_of(typed) == {"AAPL": Decimal("0.125"), "MSFT": Decimal(0)}
    with pytest.raises(InvalidRequest, match="AAPL stands there twice"):
        portfolio_rebalance.targets_of([("AAPL", 1.0), ("aapl ", 2.0)])


def test_the_file_of_a_proposal_has_every_trade_with_every_digit_and_no_formula() -> None:
    plan = made.plan()
    odd = replace(plan.lines[0], symbol="=AAPL")
    rows = list(
        csv.reader(
            io.StringIO(
                portfolio_rebalance.proposal_csv(replace(plan, lines=(odd, *plan.lines[1:]))).decode("utf-8-sig")
            )
        )
    )
    assert rows[0] == list(portfolio_rebalance.CSV_HEADINGS)
    assert rows[1] == ["'=AAPL", "sell", "40", "249.64", "USD", "7858.67", "12.86", "EUR"]
    assert len(rows) == 3


def test_a_long_line_is_thinned_and_ends_with_its_last_day() -> None:
    for count in (0, 1, 799, 800, 801, 5_000):
        places = portfolio_charts.kept_places(count)
        assert len(places) <= portfolio_charts.MAX_POINTS
        assert not count or places[-1] == count - 1
        assert count > portfolio_charts.MAX_POINTS or len(places) == count


def test_the_small_parts_of_a_ring_are_one_and_nothing_is_lost() -> None:
    parts = {f"part {number}": Decimal(100 - number) for number in range(20)}
    bounded = portfolio_shapes._bounded({**parts, "below": Decimal(-5)})
    assert len(bounded) == portfolio_shapes.MAX_PARTS
    assert sum(bounded.values()) == sum(parts.values())
    assert "below" not in bounded
