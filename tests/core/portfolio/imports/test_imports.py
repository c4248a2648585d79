"""Imports into portfolios: previews, all or nothing, nothing twice, and what is remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier
from time import perf_counter
from uuid import UUID

import pytest

from core.errors import Forbidden, InvalidRequest, NotFound, PayloadTooLarge, PlanRequired
from core.ids import new_id
from core.portfolio.exports import csv_of
from core.portfolio.imports.imports import Imports
from core.portfolio.imports.outcomes import Choice, Fate, ImportResult, Preview
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import Portfolios, PortfolioSettings
from core.portfolio.transactions import Draft, Kind, Transaction, in_force
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.portfolio.imports.made import FILES, imports_of

HEADING = "Date,Type,Ticker,Shares,Price,Currency,Commission\n"
PLAIN = HEADING + "2010-01-05,Buy,AAPL,10,214.38,USD,5\n2010-03-01,Sell,AAPL,4,208.99,USD,5\n"


@dataclass(frozen=True)
class Desk:
    """A person with a portfolio, and what they do with it."""

    imports: Imports
    journal: Journal
    portfolios: Portfolios
    principal: Principal
    portfolio_id: UUID

    def preview(self, content: bytes | str, choice: Choice | None = None, *, name: str = "trades.csv") -> Preview:
        """How a file would be read."""
        return self.imports.preview(self.principal, self.portfolio_id, _bytes(content), name, choice)

    def run(
        self, content: bytes | str, choice: Choice | None = None, *, name: str = "trades.csv", leaves_out: bool = False
    ) -> ImportResult:
        """Imports a file."""
        return self.imports.run(
            self.principal, self.portfolio_id, _bytes(content), name, choice, leaves_out_refused=leaves_out
        )

    def rows(self) -> list[Transaction]:
        """What counts in the portfolio."""
        return in_force(self.journal.transactions(self.principal, self.portfolio_id))

    def other(self, currency: str = "USD") -> Desk:
        """Another portfolio of the same person."""
        made = self.portfolios.create(self.principal, PortfolioSettings(f"Money {new_id()}", currency=currency))
        return Desk(self.imports, self.journal, self.portfolios, self.principal, made.id)


def _bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _row_count(desk: Desk) -> int:
    return len(desk.journal.transactions(desk.principal, desk.portfolio_id))


@pytest.fixture
def desk(workbench: Workbench, member: MakeMember) -> Desk:
    """Ann's."""
    workbench.market.instruments.load_shipped(workbench.market.lists)
    portfolios = Portfolios(workbench.database, workbench.plans)
    journal = Journal(workbench.database, workbench.plans, Books(workbench.market.bars), workbench.market.time)
    ann = member("ann", plan="team")
    made = portfolios.create(ann, PortfolioSettings("Money"))
    return Desk(imports_of(workbench), journal, portfolios, ann, made.id)


def test_a_preview_tells_every_row_s_fate_and_enters_nothing(desk: Desk) -> None:
    preview = desk.preview(PLAIN + "2010-04-01,Lend,AAPL,1,1,USD,0\nTotal,,,,,,10\n")
    assert [row.fate for row in preview.rows] == [Fate.ADDED, Fate.ADDED, Fate.REFUSED, Fate.IGNORED]
    assert preview.counts == {Fate.ADDED: 2, Fate.KNOWN: 0, Fate.REFUSED: 1, Fate.IGNORED: 1}
    assert [row.line for row in preview.rows] == [2, 3, 4, 5]
    assert preview.headings == ("Date", "Type", "Ticker", "Shares", "Price", "Currency", "Commission")
    assert preview.sample[0] == ("2010-01-05", "Buy", "AAPL", "10", "214.38", "USD", "5")
    assert list(preview.kinds.items()) == [("Lend", ""), ("Buy", "buy"), ("Sell", "sell")]
    assert [(use.ours, use.rows, use.is_known) for use in preview.symbols] == [("AAPL", 2, True)]
    assert (preview.preset, preview.question, preview.problems) == (None, None, ())
    assert desk.rows() == []


def test_a_preview_tells_that_the_plan_has_no_room(workbench: Workbench, member: MakeMember) -> None:
    portfolios, imports, bob = Portfolios(workbench.database, workbench.plans), imports_of(workbench), member("bob")
    portfolio_id = portfolios.create(bob, PortfolioSettings("Money")).id
    content = (HEADING + "".join(f"2010-01-05,Buy,S{number},1,1,USD,0\n" for number in range(12))).encode()
    (problem,) = imports.preview(bob, portfolio_id, content, "a.csv").problems
    with pytest.raises(PlanRequired) as refused:
        imports.run(bob, portfolio_id, content, "a.csv")
    assert problem == refused.value.detail
    fewer = content[: content.index(b"2010-01-05,Buy,S9")]
    assert imports.preview(bob, portfolio_id, fewer, "a.csv").problems == ()


def test_an_import_enters_the_rows_and_says_so(desk: Desk) -> None:
    told: list[tuple[int, int, str]] = []
    result = desk.imports.run(
        desk.principal, desk.portfolio_id, PLAIN.encode(), "my/trades.csv", progress=lambda *step: told.append(step)
    )
    assert result.is_imported
    assert result.words == "2 transactions were added."
    assert [row.kind for row in desk.rows()] == [Kind.BUY, Kind.SELL]
    assert {row.import_id for row in desk.rows()} == {result.import_id}
    assert [step[0] for step in told] == [0, 1, 2, 3, 4]
    (past,) = desk.imports.past(desk.principal, desk.portfolio_id)
    assert (past.id, past.file_name, past.rows, past.added, past.preset) == (
        result.import_id,
        "trades.csv",
        2,
        2,
        "headings",
    )


def test_the_same_file_twice_adds_nothing_twice_and_says_so(desk: Desk) -> None:
    """ghostfolio#6205: an import that was repeated brought everything again."""
    desk.run(PLAIN)
    again = desk.run(PLAIN, name="copy.csv")
    assert again.is_imported
    assert again.words.startswith(
        "0 transactions were added. 2 rows were there already. The same file was imported on "
    )
    assert {row.fate for row in again.preview.rows} == {Fate.KNOWN}
    assert _row_count(desk) == 2


def test_a_longer_file_adds_what_is_new(desk: Desk) -> None:
    desk.run(PLAIN)
    result = desk.run(PLAIN + "2010-04-01,Buy,MSFT,1,29,USD,0\n")
    assert [row.fate for row in result.preview.rows] == [Fate.KNOWN, Fate.KNOWN, Fate.ADDED]
    assert [row.symbol for row in result.transactions] == ["MSFT"]
    assert _row_count(desk) == 3


def test_two_equal_rows_of_a_file_are_two_and_are_told(desk: Desk) -> None:
    content = HEADING + "2010-01-05,Buy,AAPL,10,214.38,USD,5\n" * 2
    result = desk.run(content)
    assert result.preview.rows[1].notices == ("It is the same as line 2, and is taken for another one.",)
    assert len(desk.rows()) == 2
    assert desk.run(content).words.startswith("0 transactions were added. 2 rows were there already.")


def test_two_imports_at_once_add_once(desk: Desk) -> None:
    barrier = Barrier(2)

    def run(_number: int) -> int:
        barrier.wait()
        return len(desk.run(PLAIN).transactions)

    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(run, range(2)))
    assert sorted(added) == [0, 2]
    assert _row_count(desk) == 2


def test_with_a_refused_row_nothing_is_imported_unless_such_rows_are_left_out(desk: Desk) -> None:
    content = PLAIN + "2010-04-01,Buy,AAPL,ten,1,USD,0\n"
    result = desk.run(content)
    assert not result.is_imported
    assert "Nothing was imported: 1 row is refused, the first on line 4:" in result.words
    assert "'ten' is no number" in result.words
    assert (result.import_id, result.transactions) == (None, ())
    assert _row_count(desk) == 0
    result = desk.run(content, leaves_out=True)
    assert result.words == "2 transactions were added. 1 row is refused and left out."
    assert _row_count(desk) == 2


def test_more_sold_than_held_is_refused_with_both_quantities(desk: Desk) -> None:
    content = (
        HEADING
        + "2010-01-05,Buy,AAPL,10,214,USD,0\n2010-02-01,Sell,AAPL,12,209,USD,0\n2010-02-02,Buy,MSFT,1,29,USD,0\n"
    )
    preview = desk.preview(content)
    assert [row.fate for row in preview.rows] == [Fate.ADDED, Fate.REFUSED, Fate.ADDED]
    reason = preview.rows[1].reason
    assert "2010-02-01" in reason
    assert "12" in reason
    assert "10" in reason
    assert "AAPL" in reason
    assert len(desk.run(content, leaves_out=True).transactions) == 2


def test_sales_that_hang_on_a_refused_purchase_are_refused_too(desk: Desk) -> None:
    preview = desk.preview(HEADING + "2010-01-05,Buy,AAPL,ten,214,USD,0\n2010-02-01,Sell,AAPL,1,209,USD,0\n")
    assert [row.fate for row in preview.rows] == [Fate.REFUSED, Fate.REFUSED]


def test_rows_may_stand_in_any_order(desk: Desk) -> None:
    head, *lines = PLAIN.splitlines()
    assert desk.run("\n".join([head, *reversed(lines)])).is_imported


def test_a_sale_may_need_what_was_entered_before(desk: Desk) -> None:
    desk.run(PLAIN)
    result = desk.run(HEADING + "2010-04-01,Sell,AAPL,6,230,USD,0\n")
    assert result.is_imported
    assert desk.preview(HEADING + "2010-04-02,Sell,AAPL,1,230,USD,0\n").counts[Fate.REFUSED] == 1


def test_a_trade_on_a_day_without_a_session_is_accepted_with_a_notice(desk: Desk) -> None:
    preview = desk.preview(
        HEADING + "2010-01-18,Buy,AAPL,1,214,USD,0\n2010-01-16,Buy,AAPL,1,214,USD,0\n2010-01-19,Buy,AAPL,1,214,USD,0\n"
    )
    assert [row.fate for row in preview.rows] == [Fate.ADDED] * 3
    first, second, third = (row.notices for row in preview.rows)
    assert first[0].startswith("On 2010-01-18 ")
    assert first[0].endswith(" had no session.")
    assert second
    assert third == ()


def test_an_unknown_symbol_is_accepted_with_a_notice_and_near_misses(desk: Desk) -> None:
    preview = desk.preview(HEADING + "2010-01-05,Buy,AAPLX,1,214,USD,0\n")
    (use,) = preview.symbols
    assert (use.is_known, "AAPL" in use.near) == (False, True)
    assert preview.rows[0].fate is Fate.ADDED
    assert preview.rows[0].notices[0].startswith("AAPLX is not known here: no prices are known of it. It may be ")
    chosen = desk.preview(HEADING + "2010-01-05,Buy,AAPLX,1,214,USD,0\n", Choice(symbol_names={"AAPLX": "AAPL"}))
    assert [draft.symbol for draft in chosen.drafts] == ["AAPL"]
    assert chosen.rows[0].notices == ()


def test_an_isin_is_told_and_its_name_looked_up(desk: Desk) -> None:
    preview = desk.preview((FILES / "degiro.csv").read_bytes())
    apple = next(use for use in preview.symbols if use.ours == "US0378331005")
    assert (apple.theirs, apple.name, apple.is_known) == ("US0378331005", "APPLE INC", False)
    assert apple.near[0] == "AAPL"


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir() if path.suffix != ".md"))
def test_a_shipped_sample_is_imported_whole_and_only_once(desk: Desk, name: str) -> None:
    content = (FILES / name).read_bytes()
    if name == "interactive_brokers_cash.csv":  # its dividends are of what the other file bought
        desk.run((FILES / "interactive_brokers.csv").read_bytes())
    result = desk.run(content, name=name)
    assert result.is_imported, result.words
    assert result.transactions
    assert desk.run(content, name=name).transactions == ()


@pytest.mark.parametrize("name", ["generic.csv", "degiro.csv", "trading_212.csv", "interactive_brokers.csv"])
def test_an_export_adds_nothing_to_its_own_portfolio_and_all_to_an_empty_one(desk: Desk, name: str) -> None:
    desk.run((FILES / name).read_bytes())
    content = csv_of(desk.journal.transactions(desk.principal, desk.portfolio_id))
    again = desk.run(content, name="export.csv")
    assert {row.fate for row in again.preview.rows} == {Fate.KNOWN}
    empty = desk.other()
    assert empty.run(content, name="export.csv").is_imported
    assert csv_of(empty.journal.transactions(empty.principal, empty.portfolio_id)) == content


def test_what_was_reversed_comes_back_with_its_file(desk: Desk) -> None:
    bought, sold = desk.run(PLAIN).transactions
    desk.journal.reverse(desk.principal, desk.portfolio_id, sold.id)
    again = desk.preview(PLAIN)
    assert [row.fate for row in again.rows] == [Fate.KNOWN, Fate.ADDED]
    assert bought.is_in_force


def test_what_was_corrected_does_not_come_back(desk: Desk) -> None:
    bought, _ = desk.run(PLAIN).transactions
    right = Draft(Kind.BUY, bought.day, "USD", "AAPL", Decimal(11), Decimal("214.38"))
    desk.journal.correct(desk.principal, desk.portfolio_id, bought.id, right)
    assert {row.fate for row in desk.preview(PLAIN).rows} == {Fate.KNOWN}


MAPPED = "Wann;Was;Papier;Wieviel;Zu\n{}\n"
BY_HAND = Choice(
    columns={"day": "Wann", "kind": "Was", "symbol": "Papier", "quantity": "Wieviel", "price": "Zu"},
    kinds={"Erwerb": "buy"},
    symbol_names={"Apfel": "AAPL"},
    date_order="mdy",
)


def test_a_mapping_is_remembered_for_the_next_file_with_these_headings(desk: Desk) -> None:
    first = MAPPED.format("01/05/2010;Erwerb;Apfel;10;214,5")
    assert desk.preview(first).problems
    assert desk.run(first, BY_HAND).is_imported
    preview = desk.preview(MAPPED.format("02/03/2010;Erwerb;Apfel;1;195,5"))
    assert preview.is_remembered
    assert preview.question is None
    assert [(draft.symbol, draft.day) for draft in preview.drafts] == [("AAPL", date(2010, 2, 3))]
    assert any("your last file" in sentence for sentence in preview.how)


def test_a_remembered_order_of_dates_gives_way_to_what_the_file_says(desk: Desk) -> None:
    desk.run(MAPPED.format("01/05/2010;Erwerb;Apfel;10;214,5"), BY_HAND)
    preview = desk.preview(MAPPED.format("03/02/2010;Erwerb;Apfel;1;1,5\n23/02/2010;Erwerb;Apfel;1;1,5"))
    assert [draft.day for draft in preview.drafts] == [date(2010, 2, 3), date(2010, 2, 23)]


def test_a_mapping_is_its_maker_s_alone(desk: Desk, member: MakeMember) -> None:
    desk.run(MAPPED.format("01/05/2010;Erwerb;Apfel;10;214,5"), BY_HAND)
    bob = member("bob", plan="team")
    made = desk.portfolios.create(bob, PortfolioSettings("Money"))
    preview = desk.imports.preview(bob, made.id, MAPPED.format("02/03/2010;Erwerb;Apfel;1;1,5").encode(), "a.csv")
    assert (preview.is_remembered, preview.problems != ()) == (False, True)


def test_an_open_question_is_asked_and_has_to_be_answered(desk: Desk) -> None:
    content = HEADING + "03/04/2010,Buy,AAPL,10,214,USD,0\n"
    assert desk.preview(content).question is not None
    with pytest.raises(InvalidRequest, match="does not settle which"):
        desk.run(content)
    assert desk.rows() == []
    assert desk.run(content, Choice(date_order="dmy")).transactions[0].day == date(2010, 4, 3)


def test_a_file_without_a_date_cannot_be_imported(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="No column was found that holds the date"):
        desk.run("Wann;Was\nx;y\n")


def test_a_hundred_megabytes_are_refused(desk: Desk) -> None:
    with pytest.raises(PayloadTooLarge):
        desk.run(b"," * (100 * 1024 * 1024))


def test_a_formula_stays_text_and_is_neutral_in_the_export(desk: Desk) -> None:
    content = "Date,Type,Ticker,Shares,Price,Note\n2010-01-05,Buy,AAPL,1,214,=cmd|' /C calc'!A0\n"
    desk.run(content)
    assert desk.rows()[0].note == "=cmd|' /C calc'!A0"
    assert b",'=cmd|" in csv_of(desk.rows())


def test_rows_without_a_currency_are_in_the_portfolio_s(desk: Desk) -> None:
    euros = desk.other("EUR")
    euros.run("Date,Type,Ticker,Shares,Price\n2010-01-05,Buy,AAPL,1,150\n")
    assert euros.rows()[0].currency == "EUR"


def test_who_may_not_enter_transactions_may_not_import(desk: Desk, member: MakeMember) -> None:
    stranger = member("eve")
    with pytest.raises(NotFound):
        desk.imports.preview(stranger, desk.portfolio_id, PLAIN.encode(), "a.csv")
    settings = PortfolioSettings("Shared", shared_with=Role.VIEWER.value)
    shared = desk.portfolios.create(desk.principal, settings)
    for role in (Role.VIEWER, Role.ANALYST):
        colleague = member(f"a.{role}", org="ann's organisation", plan="team", role=role)
        for call in (desk.imports.preview, desk.imports.run):
            with pytest.raises(Forbidden):
                call(colleague, shared.id, PLAIN.encode(), "a.csv")


@pytest.mark.slow
def test_ten_thousand_rows_take_seconds(desk: Desk) -> None:
    """The figure itself is measured by the benchmark; here a busy machine has room."""
    begin = date(2000, 1, 3)
    lines = [
        f"{begin + timedelta(days=number // 3)},{'Sell' if number % 5 == 4 else 'Buy'},SYM{number // 5 % 200},"
        f"{1 if number % 5 == 4 else 10},{100 + number % 37}.25,USD,1.5"
        for number in range(10_000)
    ]
    content = HEADING + "\n".join(lines)
    started = perf_counter()
    result = desk.run(content)
    took = perf_counter() - started
    assert len(result.transactions) == 10_000
    assert took < 9, f"{took:.1f} s"
