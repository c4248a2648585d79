"""The demo's portfolios: loaded once, left alone afterwards, and true to the shipped prices."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import pytest

from core.market.as_of import AsOf
from core.portfolio.demo import FOLDER, PORTFOLIOS, DemoPortfolio, drafts_of, load_demo_portfolios
from core.portfolio.exports import HEADINGS
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import Portfolios
from core.portfolio.transactions import TRADES, Draft, Kind
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

DAY = date(2010, 8, 20)


@pytest.fixture
def books(workbench: Workbench) -> Books:
    """Books over the shipped market."""
    workbench.market.load_shipped()
    return Books(workbench.market.bars, workbench.market.fx)


@pytest.fixture
def portfolios(workbench: Workbench) -> Portfolios:
    """Portfolios of the workbench."""
    return Portfolios(workbench.database, workbench.plans)


@pytest.fixture
def journal(workbench: Workbench, books: Books) -> Journal:
    """The journal of the workbench."""
    return Journal(workbench.database, workbench.plans, books, workbench.market.time)


@pytest.fixture
def owner(member: MakeMember) -> Principal:
    """The owner of an organisation that may keep as many portfolios as it likes."""
    return member("ada", plan="team", org="Demo")


def drafts(file_name: str) -> list[Draft]:
    """The transactions of a shipped file."""
    return list(drafts_of((FOLDER / file_name).read_bytes()))


def test_they_are_made_once_and_seen_by_everybody(
    portfolios: Portfolios, journal: Journal, owner: Principal, member: MakeMember
) -> None:
    assert load_demo_portfolios(portfolios, journal, owner) == 2
    assert load_demo_portfolios(portfolios, journal, owner) == 0
    viewer = member("vera", plan="team", org="Demo", role=Role.VIEWER)
    found = {info.name: info for info in portfolios.all(viewer)}
    assert {name: (info.currency, info.has_cash) for name, info in found.items()} == {
        "US stocks": ("USD", True),
        "Two currencies": ("EUR", False),
    }
    assert len(journal.transactions(viewer, found["US stocks"].id)) == len(drafts("us_stocks.csv"))


def test_what_users_did_stays(portfolios: Portfolios, journal: Journal, owner: Principal) -> None:
    load_demo_portfolios(portfolios, journal, owner)
    info = next(each for each in portfolios.all(owner) if each.name == "US stocks")
    last = journal.transactions(owner, info.id)[-1]
    journal.reverse(owner, info.id, last.id)
    before = journal.transactions(owner, info.id)
    assert load_demo_portfolios(portfolios, journal, owner) == 0
    assert journal.transactions(owner, info.id) == before


def test_a_load_that_was_cut_off_is_finished(portfolios: Portfolios, journal: Journal, owner: Principal) -> None:
    empty = portfolios.create(owner, PORTFOLIOS[0].settings)
    assert load_demo_portfolios(portfolios, journal, owner) == 2
    assert len(journal.transactions(owner, empty.id)) == len(drafts("us_stocks.csv"))


def test_processes_that_start_at_once_load_them_once(
    portfolios: Portfolios, journal: Journal, owner: Principal
) -> None:
    threads = [threading.Thread(target=load_demo_portfolios, args=(portfolios, journal, owner)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = {info.name: len(journal.transactions(owner, info.id)) for info in portfolios.all(owner)}
    assert sizes == {demo.settings.name: len(drafts(demo.file_name)) for demo in PORTFOLIOS}


@pytest.mark.parametrize("demo", PORTFOLIOS, ids=lambda demo: str(demo.settings.name))
def test_the_ledger_finds_nothing_wrong(
    portfolios: Portfolios, journal: Journal, books: Books, owner: Principal, workbench: Workbench, demo: DemoPortfolio
) -> None:
    load_demo_portfolios(portfolios, journal, owner)
    info = next(each for each in portfolios.all(owner) if each.name == demo.settings.name)
    transactions = journal.transactions(owner, info.id)
    as_of = workbench.market.time.of(owner)
    book = books.of(info.id, transactions, info.currency, info.has_cash, as_of, owner.org_id)
    assert not book.problems
    assert all(note.startswith("Splits that the market's data tell of") for note in book.notes)
    assert all(amount >= 0 for steps in book.cash.values() for _, amount in steps)
    assert all(position.fifo_cost_base is not None for position in book.positions.values())
    if info.has_cash:
        assert {symbol: book.positions[symbol].quantity for symbol in ("AAPL", "MSFT", "IBM", "XOM")} == {
            "AAPL": 200,  # (40 × 2 + 60) × 2 − 80
            "MSFT": 250,  # (60 + 40) × 2 + 200 − 150
            "IBM": 50,
            "XOM": 0,
        }
    else:
        assert book.positions["EKTAINFO.NS"].quantity == 300  # 150, and a split 2:1


@pytest.mark.parametrize("file_name", [demo.file_name for demo in PORTFOLIOS])
def test_prices_are_within_their_day_and_rates_near_the_bank_s(
    books: Books, workbench: Workbench, owner: Principal, file_name: str
) -> None:
    as_of: AsOf = workbench.market.time.of(owner)
    rows = drafts(file_name)
    assert {each.kind for each in rows} >= {Kind.BUY, Kind.SELL, Kind.DIVIDEND}
    for row in rows:
        assert row.day <= DAY
        if row.kind in TRADES and row.symbol is not None and row.price is not None:
            frame = workbench.market.bars.history(row.symbol, as_of, first=row.day, adjusted=False).frame
            bar = frame.row(0, named=True)
            assert bar["date"] == row.day
            assert bar["low"] - 0.005 <= float(row.price) <= bar["high"] + 0.005
        if row.fx_rate is not None:
            fixing = workbench.market.fx.rate(row.currency, "EUR", row.day)
            assert fixing is not None
            assert abs(row.fx_rate / fixing - 1) < Decimal("0.01")


@pytest.mark.parametrize("file_name", [demo.file_name for demo in PORTFOLIOS])
def test_files_are_as_exports_are(file_name: str) -> None:
    assert (FOLDER / file_name).read_text("utf-8").splitlines()[0] == ",".join(HEADINGS)
