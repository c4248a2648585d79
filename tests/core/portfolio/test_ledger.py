"""What transactions come to: lots, costs by both methods, sales, payments, money and what cannot be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.book import Exchange, HoldingFlow, ShareFlow
from core.portfolio.transactions import Kind, Transaction
from tests.core.portfolio.ledger_made import LAST, Facts, Fixings, book_of, day, made, numbered

D = Decimal
BUY, SELL, IN, OUT = Kind.BUY, Kind.SELL, Kind.TRANSFER_IN, Kind.TRANSFER_OUT


def test_the_published_case_of_both_methods() -> None:
    """Conventions: 109 for 3,149.20 and 52 for 1,684.92, then 15 sold."""
    rows = numbered(
        made(BUY, 0, quantity=109, price=0, amount="3149.20"),
        made(BUY, 1, quantity=52, price=0, amount="1684.92"),
        made(SELL, 2, quantity=15, price=40),
    )
    position = book_of(rows).positions["AAA"]
    assert position.quantity == 146
    assert position.fifo_cost is not None and position.average_cost is not None
    assert round(position.fifo_cost, 2) == D("4400.74")
    assert round(position.average_cost, 2) == D("4383.74")


def test_fees_and_taxes_are_cost_of_a_purchase_and_come_off_a_sale() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=100, fees=5, taxes=1),
        made(SELL, 5, quantity=10, price=120, fees=5, taxes=3),
    )
    book = book_of(rows)
    (disposal,) = book.disposals
    assert (disposal.proceeds, disposal.fifo_cost, disposal.average_cost) == (1192, 1006, 1006)
    assert book.positions["AAA"].realised_fifo_base == book.positions["AAA"].realised_average_base == 186
    assert book.positions["AAA"].quantity == 0 and book.positions["AAA"].lots == ()
    assert book.trade_fees_base == 10
    assert book.cash["USD"] == ((day(0), D(-1006)), (day(5), D(186)))
    assert [(flow.day, flow.amount) for flow in book.holding_flows] == [(day(0), 1006), (day(5), -1192)]


def test_the_oldest_lots_leave_first() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(BUY, 1, quantity=10, price=20),
        made(BUY, 2, quantity=10, price=30),
        made(SELL, 3, quantity=15, price=40),
    )
    book = book_of(rows)
    lots = [(lot.acquired, lot.quantity, lot.cost) for lot in book.positions["AAA"].lots]
    assert lots == [(day(1), 5, 100), (day(2), 10, 300)]
    (disposal,) = book.disposals
    assert (disposal.fifo_cost, disposal.average_cost, disposal.acquired) == (200, 300, day(0))
    assert book.positions["AAA"].average_cost == 300


def test_a_part_of_a_cost_loses_nothing_by_rounding() -> None:
    rows = numbered(
        made(BUY, 0, quantity=3, price=0, amount=100),
        made(SELL, 1, quantity=1, price=50),
        made(SELL, 2, quantity=1, price=50),
        made(SELL, 3, quantity=1, price=50),
    )
    book = book_of(rows)
    assert [each.fifo_cost for each in book.disposals] == [D("33.3333333333"), D("33.3333333334"), D("33.3333333333")]
    assert sum(each.average_cost or 0 for each in book.disposals) == 100


def test_a_leftover_that_is_next_to_nothing_is_closed() -> None:
    rows = numbered(made(BUY, 0, quantity="1.0000000005", price=10), made(SELL, 1, quantity="1.0000000010", price=12))
    book = book_of(rows)
    assert book.positions["AAA"].quantity == 0
    assert not book.problems


def test_more_sold_than_held_is_a_problem_that_names_both() -> None:
    rows = numbered(
        made(BUY, date(2010, 1, 4), quantity=10, price=10), made(SELL, date(2010, 3, 4), quantity=12, price=12)
    )
    book = book_of(rows)
    (problem,) = book.problems
    assert problem.words == "On 2010-03-04 12 AAA are sold, and 10 are held."
    assert (problem.transaction_id, problem.symbol, problem.day) == (rows[1].id, "AAA", date(2010, 3, 4))
    assert book.positions["AAA"].quantity == 10
    assert book.cash["USD"][-1][1] == -100


def test_of_two_sales_of_a_day_the_later_one_is_the_problem() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(SELL, 5, quantity=8, price=12),
        made(SELL, 5, quantity=8, price=11),
        made(OUT, 6, quantity=3),
    )
    book = book_of(rows)
    assert [(each.transaction_id, each.words) for each in book.problems] == [
        (rows[2].id, f"On {day(5)} 8 AAA are sold, and 2 are held."),
        (rows[3].id, f"On {day(6)} 3 AAA are transferred out, and 2 are held."),
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (made(SELL, 0, quantity=1, price=1), "On 2010-01-04 1 AAA are sold, and none are held."),
        (made(OUT, 0, quantity=1), "On 2010-01-04 1 AAA are transferred out, and none are held."),
        (
            made(Kind.SPIN_OFF, 0, other_symbol="BBB", ratio=1, cost_share="0.1"),
            "A spin-off of AAA is entered on 2010-01-04, and none are held.",
        ),
        (made(Kind.MERGER, 0, amount=5), "A merger of AAA is entered on 2010-01-04, and none are held."),
        (made(Kind.DIVIDEND, 0, amount=5), "On 2010-01-04 AAA pays a dividend, and none were held up to then."),
    ],
    ids=["sale", "transfer", "spin-off", "merger", "dividend"],
)
def test_nothing_comes_of_what_was_never_held(row: Transaction, words: str) -> None:
    book = book_of(numbered(row))
    assert [each.words for each in book.problems] == [words]
    assert not book.positions and not book.payments and not any(book.cash.values()) and not book.exchanges


def test_a_dividend_after_the_sale_is_a_payment() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(SELL, 5, quantity=10, price=12),
        made(Kind.DIVIDEND, 9, amount=20, taxes=3, fees=1),
    )
    book = book_of(rows)
    assert not book.problems
    (payment,) = book.payments
    assert (payment.kind, payment.gross, payment.taxes, payment.fees) == (Kind.DIVIDEND, 20, 3, 1)
    assert book.cash["USD"][-1] == (day(9), D(36))
    assert book.positions["AAA"].last_day == day(9)


def test_a_split_of_nothing_is_a_note() -> None:
    book = book_of(numbered(made(Kind.SPLIT, 0, ratio=2)))
    assert book.notes == ("On 2010-01-04 a split of AAA is entered, and none are held.",)
    assert not book.problems and not book.positions


def test_payments_move_money_their_own_way() -> None:
    rows = numbered(
        made(Kind.DEPOSIT, 0, None, amount=1000, fees=2),
        made(Kind.INTEREST, 1, None, amount=10, taxes=2),
        made(Kind.INTEREST, 2, None, amount=-4),
        made(Kind.FEE, 3, None, amount=7),
        made(Kind.TAX, 4, None, amount=-5),
        made(Kind.WITHDRAWAL, 5, None, amount=100),
    )
    book = book_of(rows)
    assert [amount for _, amount in book.cash["USD"]] == [998, 1006, 1002, 995, 1000, 900]
    assert [(each.day, each.amount_base) for each in book.money_flows] == [(day(0), 1000), (day(5), -100)]
    assert [(each.kind, each.gross) for each in book.payments] == [
        (Kind.FEE, 2),
        (Kind.INTEREST, 10),
        (Kind.INTEREST, -4),
        (Kind.FEE, 7),
        (Kind.TAX, -5),
    ]


def test_without_cash_money_comes_from_outside_and_goes_there() -> None:
    rows = numbered(
        made(Kind.DEPOSIT, 0, None, amount=5000),
        made(BUY, 1, quantity=10, price=10, fees=1),
        made(SELL, 2, quantity=4, price=12, fees=1),
        made(Kind.DIVIDEND, 3, amount=6, taxes=1),
        made(Kind.FEE, 4, None, amount=3),
        made(IN, 5, None, amount=40),
        made(Kind.WITHDRAWAL, 6, None, amount=50),
    )
    book = book_of(rows, has_cash=False)
    assert book.cash == {}
    assert [(each.day, each.amount) for each in book.money_flows] == [
        (day(1), 101),
        (day(2), -47),
        (day(3), -5),
        (day(4), 3),
    ]


def test_money_below_zero_is_told() -> None:
    rows = numbered(
        made(BUY, 2, quantity=1, price=100),
        made(Kind.DEPOSIT, 3, None, amount=60),
        made(BUY, 4, quantity=1, price="80.5"),
        made(Kind.DEPOSIT, 9, None, amount=1000),
    )
    (note,) = book_of(rows).notes
    assert note == (
        "The USD of this portfolio are below zero first on 2010-01-06, and least on 2010-01-08: -120.50. "
        "A deposit may be missing."
    )


def test_shares_that_come_without_a_cost_make_no_gain_of_their_whole_price() -> None:
    rows = numbered(
        made(IN, 0, quantity=10),
        made(BUY, 5, quantity=10, price=20),
        made(SELL, 6, quantity=5, price=30),
        made(SELL, 7, quantity=10, price=30),
    )
    book = book_of(rows)
    position = book.positions["AAA"]
    assert [each.fifo_cost for each in book.disposals] == [None, None]
    assert [each.average_cost_base for each in book.disposals] == [None, None]
    assert position.realised_fifo_base is None and position.realised_average_base is None
    assert (position.fifo_cost, position.average_cost) == (100, None)
    assert [lot.cost for lot in position.lots] == [100]
    assert "had cost is not told" in book.notes[0]


def test_shares_come_at_the_cost_that_is_told_and_leave_without_gain() -> None:
    rows = numbered(
        made(IN, 0, quantity=10, price=15, fees=4), made(OUT, 5, quantity=4), made(BUY, 5, quantity=1, price=30)
    )
    book = book_of(rows)
    assert [(lot.quantity, lot.cost) for lot in book.positions["AAA"].lots] == [(6, 90), (1, 30)]
    assert not book.disposals
    assert list(book.share_flows) == [ShareFlow(day(0), "AAA", D(10)), ShareFlow(day(5), "AAA", D(-4))]
    assert [(each.kind, each.gross) for each in book.payments] == [(Kind.FEE, 4)]
    assert book.money_flows == ()


def test_what_leaves_and_comes_on_one_day_never_left() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(Kind.DEPOSIT, 0, None, amount=500),
        made(OUT, 5, quantity=10),
        made(IN, 5, quantity=10, price=10),
        made(OUT, 5, None, amount=300),
        made(IN, 5, None, amount=280),
    )
    book = book_of(rows)
    assert [(lot.acquired, lot.quantity, lot.cost) for lot in book.positions["AAA"].lots] == [(day(0), 10, 100)]
    assert book.share_flows == ()
    assert [(each.day, each.amount) for each in book.money_flows] == [(day(0), 500), (day(5), -20)]
    assert book.cash["USD"][-1] == (day(5), D(380))


@pytest.mark.parametrize("out", [OUT, Kind.WITHDRAWAL], ids=["transfers", "deposit and withdrawal"])
@pytest.mark.parametrize(
    ("euros", "dollars", "left"),
    [
        (8000, 10000, []),
        (8400, 10000, [("EUR", D(400), D(500))]),
        (8000, 10300, [("USD", D(-300), D(-300))]),
    ],
    ids=["all", "more came", "more went"],
)
def test_own_money_that_is_changed_into_another_currency_never_left(
    out: Kind, euros: int, dollars: int, left: list[tuple[str, Decimal, Decimal]]
) -> None:
    rows = numbered(
        made(Kind.DEPOSIT, 0, None, amount=20000),
        made(out, 5, None, amount=dollars),
        made(IN if out is OUT else Kind.DEPOSIT, 5, None, amount=euros, currency="EUR", fx_rate="1.25"),
    )
    book = book_of(rows)
    flows = [(flow.currency, flow.amount, flow.amount_base) for flow in book.money_flows if flow.day == day(5)]
    assert flows == left
    assert {currency: steps[-1][1] for currency, steps in book.cash.items()} == {"USD": 20000 - dollars, "EUR": euros}


def test_money_is_not_taken_to_be_changed_where_a_rate_is_missing_or_only_one_currency_moved() -> None:
    rows = numbered(
        made(Kind.DEPOSIT, 0, None, amount=20000),
        made(Kind.WITHDRAWAL, 0, None, amount=500),
        made(OUT, 5, None, amount=1000),
        made(IN, 5, None, amount=800, currency="EUR"),
    )
    assert [flow.amount_base for flow in book_of(rows).money_flows] == [20000, -500, -1000, None]


def test_a_spin_off_takes_a_share_of_each_lot_and_its_day() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(BUY, 1, quantity=30, price=20),
        made(Kind.SPIN_OFF, 5, other_symbol="NEW", ratio="0.5", cost_share="0.2"),
        made(SELL, 9, "NEW", quantity=5, price=9),
    )
    book = book_of(rows)
    old, new = book.positions["AAA"], book.positions["NEW"]
    assert [(lot.acquired, lot.quantity, lot.cost) for lot in old.lots] == [(day(0), 10, 80), (day(1), 30, 480)]
    assert [(lot.acquired, lot.quantity, lot.cost) for lot in new.lots] == [(day(1), 15, 120)]
    (disposal,) = book.disposals
    assert (disposal.fifo_cost, disposal.average_cost, disposal.acquired) == (20, 35, day(0))
    assert (old.average_cost, new.average_cost) == (560, 105)
    assert list(book.exchanges) == [Exchange(day(5), "AAA", "NEW", D(20))]
    assert not book.share_flows and not book.money_flows


def test_a_merger_for_shares_carries_lots_over() -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=10),
        made(BUY, 3, "NEW", quantity=10, price=50),
        made(Kind.MERGER, 5, other_symbol="NEW", ratio="0.5"),
        made(SELL, 9, "NEW", quantity=5, price=60),
    )
    book = book_of(rows)
    old, new = book.positions["AAA"], book.positions["NEW"]
    assert (old.quantity, old.lots, old.fifo_cost, old.realised_fifo_base) == (0, (), 0, 0)
    assert [(lot.acquired, lot.quantity, lot.cost) for lot in new.lots] == [(day(3), 10, 500)]
    (disposal,) = book.disposals
    assert (disposal.fifo_cost, disposal.average_cost, disposal.acquired) == (100, 200, day(0))
    assert book.quantities["AAA"] == ((day(0), D(10)), (day(5), D(0)))
    assert book.quantities["NEW"][1] == (day(5), D(15))


def test_a_merger_for_money_is_a_sale() -> None:
    rows = numbered(made(BUY, 0, quantity=10, price=10), made(Kind.MERGER, 5, amount=170, fees=2))
    book = book_of(rows)
    (disposal,) = book.disposals
    assert (disposal.quantity, disposal.proceeds, disposal.fifo_cost) == (10, 168, 100)
    assert book.positions["AAA"].realised_fifo_base == 68
    assert book.cash["USD"][-1] == (day(5), D(68))
    assert list(book.holding_flows)[-1] == HoldingFlow(day(5), "AAA", D(-168), D(-168))
    assert book.trade_fees_base == 2


def test_mergers_of_one_day_follow_one_another_whatever_their_names() -> None:
    rows = numbered(
        made(BUY, 0, "ZED", quantity=10, price=10),
        made(Kind.MERGER, 5, "MID", other_symbol="AAA", ratio=3),
        made(Kind.MERGER, 5, "ZED", other_symbol="MID", ratio=2),
    )
    book = book_of(rows)
    assert not book.problems
    held = {symbol: position.quantity for symbol, position in book.positions.items() if position.quantity}
    assert held == {"AAA": 60}
    assert book.positions["AAA"].fifo_cost == 100


@pytest.mark.parametrize(
    ("money", "gain", "left"),
    [(100, 0, [40, 160]), (300, 0, [0, 0]), (360, 60, [0, 0])],
    ids=["part of the cost", "all of it", "more than it"],
)
def test_money_beside_shares_lowers_the_cost_and_only_the_rest_is_gain(money: int, gain: int, left: list[int]) -> None:
    rows = numbered(
        made(BUY, 0, quantity=10, price=6),
        made(BUY, 1, quantity=10, price=24),
        made(Kind.MERGER, 5, other_symbol="NEW", ratio=2, amount=money),
    )
    book = book_of(rows)
    new, old = book.positions["NEW"], book.positions["AAA"]
    assert [(lot.acquired, lot.quantity, lot.cost) for lot in new.lots] == [
        (day(0), 20, left[0]),
        (day(1), 20, left[1]),
    ]
    assert new.average_cost == new.fifo_cost == new.fifo_cost_base == sum(left)
    assert old.realised_fifo_base == old.realised_average_base == gain
    (disposal,) = book.disposals
    assert disposal.proceeds - (disposal.fifo_cost or 0) == gain
    assert disposal.proceeds - (disposal.average_cost or 0) == gain


def test_lots_of_several_currencies_have_a_cost_in_base_alone() -> None:
    fx = Fixings({("EUR", "USD"): {day(0): "1.25"}})
    rows = numbered(
        made(BUY, 0, quantity=10, price=10, currency="EUR"),
        made(BUY, 1, quantity=10, price=10),
        made(SELL, 2, quantity=15, price=20),
    )
    book = book_of(rows, fx=fx)
    (disposal,) = book.disposals
    assert (disposal.fifo_cost, disposal.fifo_cost_base) == (None, 175)
    assert (disposal.average_cost, disposal.average_cost_base) == (None, D("168.75"))
    position = book.positions["AAA"]
    assert (position.fifo_cost, position.average_cost, position.currency) == (50, None, "USD")
    assert position.average_cost_base == D("56.25")
    assert set(book.cash) == {"EUR", "USD"}


def test_ghostfolio_2449_an_old_trade_is_told_by_the_rate_of_its_day() -> None:
    fx = Fixings({("EUR", "USD"): {day(0): "1.50", day(100): "1.20", day(400): "1.05"}})
    rows = numbered(
        made(BUY, 0, quantity=10, price=10, currency="EUR"), made(SELL, 100, quantity=10, price=10, currency="EUR")
    )
    position = book_of(rows, fx=fx).positions["AAA"]
    assert (position.bought_base, position.sold_base, position.realised_fifo_base) == (150, 120, -30)


def test_a_rate_that_the_transaction_tells_is_used() -> None:
    fx = Fixings({("EUR", "USD"): {day(0): "1.50"}})
    rows = numbered(made(BUY, 0, quantity=10, price=10, currency="EUR", fx_rate="1.4", fees=1))
    book = book_of(rows, fx=fx, has_cash=False)
    assert book.positions["AAA"].fifo_cost_base == D("141.4")
    assert book.trade_fees_base == D("1.4")
    (flow,) = book.money_flows
    assert (flow.amount, flow.fx_rate, flow.amount_base) == (101, D("1.4"), D("141.4"))


def test_ghostfolio_2866_without_a_rate_there_is_no_figure_rather_than_one_to_one() -> None:
    rows = numbered(
        made(Kind.DEPOSIT, 0, None, amount=500, currency="CHF"),
        made(BUY, 0, quantity=10, price=10, currency="CHF", fees=1),
        made(SELL, 1, quantity=5, price=12, currency="CHF"),
        made(Kind.DIVIDEND, 2, amount=3, currency="CHF"),
    )
    book = book_of(rows)
    position = book.positions["AAA"]
    assert position.fifo_cost == D("50.5") and position.average_cost == D("50.5")
    assert position.fifo_cost_base is None and position.average_cost_base is None
    assert position.bought_base is None and position.sold_base is None
    assert position.realised_fifo_base is None and position.realised_average_base is None
    assert [lot.cost_base for lot in position.lots] == [None]
    assert [each.gross_base for each in book.payments] == [None]
    assert [each.amount_base for each in book.money_flows] == [None]
    assert book.trade_fees_base is None
    assert [each.proceeds_base for each in book.disposals] == [None]
    assert book.notes == (
        "No rate of CHF in USD is known for 2010-01-04 and 2 more days: figures in USD that need it are missing. "
        "A transaction may tell its own rate.",
    )


def test_transactions_after_the_day_are_not_seen() -> None:
    rows = numbered(made(BUY, 0, quantity=10, price=10), made(SELL, 50, quantity=20, price=12))
    book = book_of(rows, until=day(49))
    assert not book.problems and not book.disposals
    assert book.positions["AAA"].quantity == 10
    assert book_of(rows, until=day(50)).problems


def test_an_empty_portfolio_has_an_empty_book() -> None:
    book = book_of([])
    assert book.first_day is None
    assert not book.positions and not book.cash and not book.notes
    assert book.trade_fees_base == 0


def test_what_is_bought_and_sold_on_one_day_is_remembered() -> None:
    rows = numbered(
        made(SELL, 3, quantity=10, price=12), made(BUY, 3, quantity=10, price=10), made(Kind.DIVIDEND, 3, amount=1)
    )
    book = book_of(rows)
    assert not book.problems
    assert book.positions["AAA"].realised_fifo_base == 20
    assert book.quantities["AAA"] == ((day(3), D(0)),)
    assert len(book.payments) == 1


def test_of_shares_of_one_day_the_cheaper_stand_first() -> None:
    rows = [
        made(BUY, 0, quantity=10, price=30),
        made(BUY, 0, quantity=10, price=10),
        made(SELL, 1, quantity=10, price=40),
    ]
    one, other = book_of(numbered(*rows)), book_of(numbered(rows[1], rows[0], rows[2]))
    assert one.disposals[0].fifo_cost == other.disposals[0].fifo_cost == 100


def test_what_the_market_splits_is_split_before_it_is_sold() -> None:
    facts = Facts({"AAA": [(day(5), "2")]})
    rows = numbered(made(BUY, 0, quantity=10, price=10), made(SELL, 5, quantity=20, price=6))
    book = book_of(rows, facts=facts)
    assert not book.problems and book.positions["AAA"].quantity == 0
    assert book_of(rows[:1], facts=facts, until=LAST).quantities["AAA"] == ((day(0), D(10)), (day(5), D(20)))
