"""Transactions: entered all or not at all, never changed, corrected by rows that take others back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import cast
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.db import portfolio_transactions_dao as dao
from core.db import portfolios_dao
from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound, PlanRequired
from core.ids import new_id
from core.portfolio import journal as module
from core.portfolio.journal import ImportFacts, Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import PortfolioInfo, Portfolios, PortfolioSettings
from core.portfolio.transactions import Draft, Kind, Transaction, identities, in_force
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

DAY = date(2010, 1, 4)
DEPOSIT = Draft(Kind.DEPOSIT, DAY, "USD", amount=Decimal(100_000))
BUY = Draft(Kind.BUY, DAY, "USD", "AAPL", Decimal(10), Decimal("214.01"), fees=Decimal("9.95"))
SELL = Draft(Kind.SELL, DAY + timedelta(days=30), "USD", "AAPL", Decimal(4), Decimal("199.5"))


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member("ann", org="Acme", plan="team")


@pytest.fixture
def journal(workbench: Workbench) -> Journal:
    return _journal(workbench)


@pytest.fixture
def portfolio(workbench: Workbench, ann: Principal) -> PortfolioInfo:
    """One of ann's, shared with all, edited by analysts."""
    settings = PortfolioSettings("Money", shared_with="viewer", edited_with="analyst")
    return Portfolios(workbench.database, workbench.plans).create(ann, settings)


def _journal(workbench: Workbench) -> Journal:
    """A journal that has read nothing yet."""
    return Journal(workbench.database, workbench.plans, Books(), workbench.market.time)


def _file(rows: int, name: str = "trades.csv") -> ImportFacts:
    return ImportFacts(new_id(), name, b"\x00" * 32, "generic", rows)


def _at_once(steps: Sequence[Callable[[], object]]) -> list[object]:
    """What each of the steps, begun at one moment, gave, or the kind of error that it raised."""
    barrier = Barrier(len(steps))

    def run(step: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return step()
        except AssayError as error:
            return type(error)

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def test_transactions_are_kept_as_they_were_entered(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    spin_off = Draft(
        Kind.SPIN_OFF,
        DAY + timedelta(days=9),
        "USD",
        "AAPL",
        ratio=Decimal("0.25"),
        other_symbol="brk-b",
        cost_share=Decimal("0.1"),
        note="  of   shares ",
    )
    foreign = replace(BUY, symbol="sap.de", currency="eur", fx_rate=Decimal("1.4389"), quantity=Decimal("0.0000000001"))
    rows = journal.add(ann, portfolio.id, [DEPOSIT, BUY, foreign, spin_off])
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.author for row in rows] == ["ann"] * 4
    assert (rows[2].symbol, rows[2].currency, rows[2].quantity) == ("SAP.DE", "EUR", Decimal("1E-10"))
    assert (rows[3].other_symbol, rows[3].note, rows[3].cost_share) == ("BRK.B", "of shares", Decimal("0.1"))
    read = _journal(workbench).transactions(ann, portfolio.id)
    assert read == journal.transactions(ann, portfolio.id) == rows
    assert list(map(repr, read)) == list(map(repr, rows)), "numbers are also written alike"
    assert Portfolios(workbench.database, workbench.plans).get(ann, portfolio.id).number == 4


def test_the_application_can_neither_change_nor_delete_a_row(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    journal.add(ann, portfolio.id, [DEPOSIT])
    for statement in (
        "UPDATE portfolio_transactions SET amount = 1",
        "DELETE FROM portfolio_transactions",
        "UPDATE portfolio_imports SET rows = 1",
        "DELETE FROM portfolio_imports",
        "TRUNCATE portfolio_transactions",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            workbench.database.app(ann) as connection,
        ):
            connection.execute(text(statement))


def test_all_are_entered_or_none(journal: Journal, ann: Principal, portfolio: PortfolioInfo) -> None:
    with pytest.raises(InvalidRequest, match=r"^Transaction 2 of 3: A buy needs a price\.$"):
        journal.add(ann, portfolio.id, [DEPOSIT, replace(BUY, price=None), SELL])
    with pytest.raises(InvalidRequest, match="AAPL"):
        journal.add(ann, portfolio.id, [DEPOSIT, SELL])
    assert not journal.transactions(ann, portfolio.id)
    assert not journal.add(ann, portfolio.id, [])


def test_more_sold_than_held_is_refused_with_both_quantities(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    journal.add(ann, portfolio.id, [BUY, SELL])
    with pytest.raises(InvalidRequest) as refused:
        journal.add(ann, portfolio.id, [replace(SELL, day=SELL.day + timedelta(days=1), quantity=Decimal(7))])
    assert {"2010-02-04", "7", "AAPL", "6"} <= {word.strip(".,") for word in refused.value.detail.split()}
    with pytest.raises(InvalidRequest, match="What was entered before would not hold any more"):
        journal.add(ann, portfolio.id, [replace(SELL, day=DAY + timedelta(days=1), quantity=Decimal(8))])
    assert len(journal.transactions(ann, portfolio.id)) == 2


def test_the_order_of_a_day_does_not_matter(journal: Journal, ann: Principal, portfolio: PortfolioInfo) -> None:
    journal.add(ann, portfolio.id, [replace(SELL, day=DAY), BUY])
    assert len(journal.transactions(ann, portfolio.id)) == 2


def test_a_problem_that_was_there_does_not_lock_the_portfolio(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    journal.add(ann, portfolio.id, [BUY, SELL])
    with workbench.database.app(ann) as connection:
        assert portfolios_dao.lock_portfolio(connection, portfolio.id)
        [bought, _] = dao.rows(connection, portfolio.id, after=0)
        dao.add(connection, portfolio.id, [bought._replace(id=new_id(), number=3, reverses=bought.id)])
        portfolios_dao.advance(connection, portfolio.id, 3)
    rows = journal.add(ann, portfolio.id, [replace(BUY, symbol="MSFT")])
    with pytest.raises(InvalidRequest, match="MSFT"):
        journal.add(ann, portfolio.id, [replace(SELL, symbol="MSFT", quantity=Decimal(11))])
    journal.reverse(ann, portfolio.id, rows[0].id)
    journal.reverse(ann, portfolio.id, journal.transactions(ann, portfolio.id)[1].id)


def test_a_reversal_is_a_row_and_both_stay(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    [deposit, bought] = journal.add(ann, portfolio.id, [DEPOSIT, BUY])
    row = journal.reverse(ann, portfolio.id, bought.id, "  entered   twice ")
    assert (row.number, row.reverses, row.note, row.symbol, row.is_in_force) == (
        3,
        bought.id,
        "entered twice",
        "AAPL",
        False,
    )
    for each in (journal, _journal(workbench)):
        rows = each.transactions(ann, portfolio.id)
        assert [one.id for one in rows] == [deposit.id, bought.id, row.id]
        assert rows[1] == replace(bought, reversed_by=row.id)
        assert in_force(rows) == [deposit]
    with pytest.raises(Conflict, match="reversed already"):
        journal.reverse(ann, portfolio.id, bought.id)
    with pytest.raises(Conflict, match="reversed already"):
        journal.correct(ann, portfolio.id, bought.id, BUY)
    with pytest.raises(InvalidRequest, match="reverses another"):
        journal.reverse(ann, portfolio.id, row.id)
    with pytest.raises(NotFound, match="no such transaction"):
        journal.reverse(ann, portfolio.id, new_id())
    with pytest.raises(InvalidRequest, match="at most 500"):
        journal.reverse(ann, portfolio.id, deposit.id, "x" * 501)


def test_a_purchase_that_was_sold_is_not_reversed_before_its_sale(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    [bought, sold] = journal.add(ann, portfolio.id, [BUY, SELL])
    with pytest.raises(InvalidRequest, match=r"would not hold any more: .*2010-02-03.*AAPL.*Nothing was changed"):
        journal.reverse(ann, portfolio.id, bought.id)
    journal.reverse(ann, portfolio.id, sold.id)
    journal.reverse(ann, portfolio.id, bought.id)
    assert not in_force(journal.transactions(ann, portfolio.id))


def test_a_correction_takes_back_and_enters_in_one_step(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    [bought, sold] = journal.add(ann, portfolio.id, [BUY, SELL])
    right = journal.correct(ann, portfolio.id, bought.id, replace(BUY, price=Decimal("214.10")))
    rows = journal.transactions(ann, portfolio.id)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert (rows[0].reversed_by, rows[2].reverses, rows[3]) == (rows[2].id, bought.id, right)
    assert in_force(rows) == [right, sold]
    with pytest.raises(InvalidRequest, match="AAPL"):
        journal.correct(ann, portfolio.id, right.id, replace(BUY, quantity=Decimal(3)))
    assert journal.transactions(ann, portfolio.id) == rows


def test_a_file_that_is_imported_again_adds_nothing_twice(
    workbench: Workbench,
    journal: Journal,
    ann: Principal,
    portfolio: PortfolioInfo,
    service: psycopg.Connection[tuple[object, ...]],
) -> None:
    drafts = [DEPOSIT, BUY, BUY, SELL]
    file = _file(5)
    rows = journal.add(ann, portfolio.id, drafts, imported=file)
    assert [row.import_id for row in rows] == [file.id] * 4
    assert journal.known(ann, portfolio.id) == frozenset(identities(drafts))
    for each in (journal, _journal(workbench)):
        assert not each.add(ann, portfolio.id, drafts, imported=_file(5))
    assert len(journal.add(ann, portfolio.id, [*drafts, BUY], imported=_file(5))) == 1, "a third of its kind is new"
    assert not journal.add(ann, portfolio.id, [*drafts, BUY], imported=_file(5))
    kept = service.execute("SELECT file_name, rows, added FROM portfolio_imports ORDER BY created_at").fetchall()
    assert kept == [("trades.csv", 5, 4), ("trades.csv", 5, 1)]


def test_of_a_file_that_two_import_at_once_every_row_is_entered_once(
    workbench: Workbench, ann: Principal, portfolio: PortfolioInfo
) -> None:
    drafts = [replace(BUY, symbol=f"S{number}") for number in range(50)]
    steps = [partial(_journal(workbench).add, ann, portfolio.id, drafts, imported=_file(50)) for _ in range(4)]
    assert sorted(len(cast("Sequence[Transaction]", rows)) for rows in _at_once(steps)) == [0, 0, 0, 50]
    assert len(_journal(workbench).transactions(ann, portfolio.id)) == 50


def test_rows_that_were_identified_in_their_file_keep_that_identity(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    journal.add(ann, portfolio.id, [BUY], imported=_file(1))
    whole = identities([BUY, BUY])
    assert len(journal.add(ann, portfolio.id, [BUY], imported=_file(2), identified=[whole[1]])) == 1
    assert journal.known(ann, portfolio.id) == frozenset(whole)
    assert not journal.add(ann, portfolio.id, [BUY, BUY], imported=_file(2))


def test_what_was_entered_by_hand_is_found_by_an_import_and_may_be_entered_again(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    for _ in range(2):
        journal.add(ann, portfolio.id, [BUY])
    assert not journal.add(ann, portfolio.id, [BUY, BUY], imported=_file(2))
    assert len(journal.transactions(ann, portfolio.id)) == 2


def test_an_import_brings_back_what_was_reversed_and_not_what_was_corrected(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    drafts = [DEPOSIT, BUY]
    [deposit, bought] = journal.add(ann, portfolio.id, drafts, imported=_file(2))
    journal.correct(ann, portfolio.id, bought.id, replace(BUY, price=Decimal(200)))
    assert not journal.add(ann, portfolio.id, drafts, imported=_file(2))
    journal.reverse(ann, portfolio.id, deposit.id)
    [again] = journal.add(ann, portfolio.id, drafts, imported=_file(2))
    assert again.kind is Kind.DEPOSIT


def test_the_same_key_enters_the_same_once(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo, member: MakeMember
) -> None:
    first = journal.add(ann, portfolio.id, [DEPOSIT, BUY], key="k")
    assert journal.add(ann, portfolio.id, [DEPOSIT, BUY], key="k") == first
    assert _journal(workbench).add(ann, portfolio.id, [DEPOSIT, BUY], key="k") == first
    for others in ([DEPOSIT], [DEPOSIT, BUY, BUY], [DEPOSIT, replace(BUY, quantity=Decimal(11))]):
        with pytest.raises(Conflict, match="Idempotency-Key"):
            journal.add(ann, portfolio.id, others, key="k")
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    assert len(journal.add(bob, portfolio.id, [DEPOSIT, BUY], key="k")) == 2, "a key is one person's"
    outcomes = _at_once([partial(journal.add, ann, portfolio.id, [BUY], key="at once")] * 4)
    assert outcomes == [outcomes[0]] * 4
    assert len(journal.transactions(ann, portfolio.id)) == 5


def test_a_date_after_today_where_the_user_is_is_refused(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    today = journal.latest_day(ann)
    journal.add(ann, portfolio.id, [replace(DEPOSIT, day=today)])
    with pytest.raises(InvalidRequest, match="in the future"):
        journal.add(ann, portfolio.id, [replace(DEPOSIT, day=today + timedelta(days=1))])
    east, west = replace(ann, zone="Pacific/Kiritimati"), replace(ann, zone="Pacific/Pago_Pago")
    assert journal.latest_day(east) == journal.latest_day(west) + timedelta(days=1)


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(replace(DEPOSIT, fx_rate=Decimal(123456789012345)), id="a rate"),
        pytest.param(replace(DEPOSIT, fx_rate=Decimal("123456789012345.12345678901234")), id="a rate with decimals"),
        pytest.param(replace(DEPOSIT, amount=Decimal("1e15")), id="an amount"),
        pytest.param(replace(DEPOSIT, amount=Decimal("NaN")), id="no number"),
        pytest.param(replace(DEPOSIT, amount=Decimal("1e-11")), id="too small"),
        pytest.param(Draft(Kind.SPLIT, DAY, "USD", "AAPL", ratio=Decimal(999999999999999)), id="a ratio"),
    ],
)
def test_a_number_that_cannot_be_kept_is_refused_in_words(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo, draft: Draft
) -> None:
    with pytest.raises(InvalidRequest):
        journal.add(ann, portfolio.id, [draft])


def test_those_who_enter_at_once_all_find_their_place(
    workbench: Workbench, ann: Principal, portfolio: PortfolioInfo
) -> None:
    journals = [_journal(workbench) for _ in range(2)]
    steps = [
        partial(journals[number % 2].add, ann, portfolio.id, [replace(BUY, symbol=f"S{number}")]) for number in range(6)
    ]
    assert not [each for each in _at_once(steps) if isinstance(each, type)]
    rows = _journal(workbench).transactions(ann, portfolio.id)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert list(journals[0].transactions(ann, portfolio.id)) == list(rows)


def test_of_two_who_sell_the_same_shares_at_once_one_does(
    workbench: Workbench, ann: Principal, portfolio: PortfolioInfo
) -> None:
    _journal(workbench).add(ann, portfolio.id, [BUY])
    sale = replace(SELL, quantity=Decimal(10))
    steps = [partial(_journal(workbench).add, ann, portfolio.id, [sale]) for _ in range(2)]
    assert [each for each in _at_once(steps) if isinstance(each, type)] == [InvalidRequest]


def test_of_two_who_reverse_at_once_one_does(workbench: Workbench, ann: Principal, portfolio: PortfolioInfo) -> None:
    [row] = _journal(workbench).add(ann, portfolio.id, [DEPOSIT])
    steps = [partial(_journal(workbench).reverse, ann, portfolio.id, row.id) for _ in range(3)]
    assert [each for each in _at_once(steps) if isinstance(each, type)] == [Conflict] * 2


def test_what_one_process_read_is_not_shown_to_whom_it_is_not_shared_with(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo, member: MakeMember
) -> None:
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    journal.add(ann, portfolio.id, [DEPOSIT])
    assert len(journal.transactions(bob, portfolio.id)) == 1
    portfolios = Portfolios(workbench.database, workbench.plans)
    portfolios.change(ann, portfolio.id, replace(portfolio.settings, edited_with=None))
    with pytest.raises(Forbidden, match="You see this portfolio of ann"):
        journal.add(bob, portfolio.id, [DEPOSIT])
    portfolios.change(ann, portfolio.id, replace(portfolio.settings, shared_with=None, edited_with=None))
    for step in (journal.transactions, journal.known):
        with pytest.raises(NotFound):
            step(bob, portfolio.id)


def test_rows_that_another_process_entered_are_read_when_they_are_there(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    [row] = journal.add(ann, portfolio.id, [DEPOSIT])
    other = _journal(workbench)
    other.reverse(ann, portfolio.id, row.id)
    other.add(ann, portfolio.id, [BUY])
    rows = journal.transactions(ann, portfolio.id)
    assert [each.kind for each in in_force(rows)] == [Kind.BUY]
    assert rows == other.transactions(ann, portfolio.id)


def test_few_portfolios_are_kept_and_the_others_read_again(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS_KEPT", 5)
    portfolios, journal = Portfolios(workbench.database, workbench.plans), _journal(workbench)
    made = [portfolios.create(ann, PortfolioSettings(f"Portfolio {number}")) for number in range(4)]
    for each in made:
        journal.add(ann, each.id, [DEPOSIT, BUY, SELL])
    assert [len(journal.transactions(ann, each.id)) for each in made] == [3] * 4


def test_a_portfolio_takes_so_many_transactions(
    journal: Journal, ann: Principal, portfolio: PortfolioInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TRANSACTIONS", 3)
    journal.add(ann, portfolio.id, [DEPOSIT, BUY])
    with pytest.raises(InvalidRequest, match="at most 3 transactions"):
        journal.add(ann, portfolio.id, [SELL, DEPOSIT])
    journal.add(ann, portfolio.id, [SELL])


def _of_free_plan(workbench: Workbench, member: MakeMember) -> tuple[Principal, UUID]:
    bob = member("bob")
    return bob, Portfolios(workbench.database, workbench.plans).create(bob, PortfolioSettings("Mine")).id


def test_a_symbol_beyond_the_plan_is_refused_and_what_is_held_may_grow(
    workbench: Workbench, journal: Journal, member: MakeMember
) -> None:
    bob, mine = _of_free_plan(workbench, member)
    held = [replace(BUY, symbol=f"S{number}") for number in range(10)]
    with pytest.raises(PlanRequired, match="room for 10 holdings in a portfolio; with this it would have 11"):
        journal.add(bob, mine, [*held, BUY])
    journal.add(bob, mine, held)
    for kind in (Kind.BUY, Kind.TRANSFER_IN):
        with pytest.raises(PlanRequired):
            journal.add(bob, mine, [Draft(kind, DAY, "USD", "MORE", Decimal(1), Decimal(1))])
    journal.add(bob, mine, [held[0], DEPOSIT])
    spin_off = Draft(
        Kind.SPIN_OFF, SELL.day, "USD", "S1", ratio=Decimal(1), other_symbol="NEW", cost_share=Decimal("0.2")
    )
    journal.add(bob, mine, [spin_off])
    rows = journal.add(bob, mine, [replace(SELL, symbol="S2", quantity=Decimal(10)) for _ in range(1)])
    journal.reverse(bob, mine, rows[0].id)


def test_the_limit_is_of_what_is_held_and_not_of_what_ever_was(
    workbench: Workbench, journal: Journal, member: MakeMember
) -> None:
    bob, mine = _of_free_plan(workbench, member)
    history: list[Draft] = []
    for number in range(30):
        bought = replace(BUY, symbol=f"S{number}")
        history += [bought, replace(bought, kind=Kind.SELL, day=SELL.day, quantity=Decimal(10))]
    journal.add(bob, mine, history, imported=_file(60))
    assert len(journal.transactions(bob, mine)) == 60


def _many(number: int) -> list[Draft]:
    return [
        replace(
            BUY,
            day=DAY + timedelta(days=place // 3),
            symbol=f"S{place % 200}",
            quantity=Decimal(place + 1),
            price=Decimal("12.345") + place,
        )
        for place in range(number)
    ]


@pytest.mark.slow
def test_ten_thousand_rows_are_entered_and_read_fast(
    workbench: Workbench, journal: Journal, ann: Principal, portfolio: PortfolioInfo
) -> None:
    drafts = _many(10_000)
    begun = time.perf_counter()
    assert len(journal.add(ann, portfolio.id, drafts, imported=_file(10_000))) == 10_000
    entered_s = time.perf_counter() - begun
    begun = time.perf_counter()
    rows = _journal(workbench).transactions(ann, portfolio.id)
    cold_s = time.perf_counter() - begun
    begun = time.perf_counter()
    journal.add(ann, portfolio.id, [replace(BUY, day=DAY + timedelta(days=4_000))])
    one_s = time.perf_counter() - begun
    print(  # noqa: T201 (shown with -s)
        f"10,000 rows entered in {entered_s:.2f} s, read in {cold_s:.2f} s; one more in {one_s:.3f} s"
    )
    assert all(isinstance(row, Transaction) for row in rows)
    assert entered_s <= 6
    assert cold_s <= 1
    assert one_s <= 0.5
