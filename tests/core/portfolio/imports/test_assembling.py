"""Rows of files that no preset knows: mapped by headings, by the cells, or by hand, each with its fate."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.errors import InvalidRequest
from core.portfolio.imports.outcomes import Asked, Choice, Fate
from core.portfolio.transactions import Kind
from tests.core.portfolio.imports.made import excel, read

HEADING = "Date,Type,Ticker,Shares,Price,Currency,Commission\n"


def test_a_plain_file_is_read_by_its_headings() -> None:
    found = read(HEADING + "2024-01-05,Bought,AAPL,10,181.18,USD,4.95\n")
    assert found.planned.preset is None
    assert found.planned.choice.columns == {
        "day": "Date",
        "kind": "Type",
        "symbol": "Ticker",
        "quantity": "Shares",
        "price": "Price",
        "currency": "Currency",
        "fees": "Commission",
    }
    (draft,) = found.drafts
    assert (draft.kind, draft.day, draft.symbol) == (Kind.BUY, date(2024, 1, 5), "AAPL")
    assert (draft.quantity, draft.price, draft.fees) == (10, Decimal("181.18"), Decimal("4.95"))


def test_excel_and_csv_come_to_the_same() -> None:
    rows: list[list[object]] = [
        ["Date", "Type", "Ticker", "Shares", "Price"],
        [date(2024, 1, 5), "Buy", "AAPL", 10, 181.18],
    ]
    from_excel = read(excel(list(enumerate(rows, 1)))).drafts
    assert from_excel == read("Date,Type,Ticker,Shares,Price\n2024-01-05,Buy,AAPL,10,181.18\n").drafts


def test_a_decimal_comma_is_told_by_the_file() -> None:
    found = read("Datum;Typ;Symbol;Stück;Kurs;Währung;Gebühren\n05.01.2024;Kauf;SAP.DE;1,5;1.140,50;EUR;4,95\n")
    (draft,) = found.drafts
    assert (draft.quantity, draft.price, draft.fees) == (Decimal("1.5"), Decimal("1140.5"), Decimal("4.95"))
    assert "Numbers have a decimal comma." in found.planned.how


def test_a_number_that_could_be_either_is_asked_about() -> None:
    content = "Date;Type;Ticker;Shares;Price\n2024-01-05;Buy;AAPL;10;1,234\n"
    found = read(content)
    question = found.planned.question
    assert question is not None
    assert question.asked is Asked.DECIMAL
    assert question.options == {".": "A point: 1,234 is 1234", ",": "A comma: 1,234 is 1.234"}
    assert found.planned.choice.decimal is None
    for sign, price in ((".", 1234), (",", Decimal("1.234"))):
        answered = read(content, Choice(decimal=sign))
        assert answered.planned.question is None
        assert answered.drafts[0].price == price


def test_a_date_that_could_be_either_is_asked_about() -> None:
    content = HEADING + "03/04/2024,Buy,AAPL,10,181,USD,0\n"
    question = read(content).planned.question
    assert question is not None
    assert question.asked is Asked.DATE_ORDER
    assert question.options == {
        "dmy": "Day first: 03/04/2024 is 3 April 2024",
        "mdy": "Month first: 03/04/2024 is 4 March 2024",
    }
    assert read(content, Choice(date_order="mdy")).drafts[0].day == date(2024, 3, 4)
    assert read(content, Choice(date_order="dmy")).drafts[0].day == date(2024, 4, 3)


def test_one_date_settles_the_order_of_all() -> None:
    found = read(HEADING + "03/04/2024,Buy,AAPL,10,181,USD,0\n03/14/2024,Buy,AAPL,10,181,USD,0\n")
    assert found.planned.question is None
    assert [draft.day for draft in found.drafts] == [date(2024, 3, 4), date(2024, 3, 14)]
    assert "Dates such as 03/04/2024 are read with the month first." in found.planned.how


def test_years_of_two_digits_are_told() -> None:
    found = read(HEADING + "14/03/24,Buy,AAPL,10,181,USD,0\n14/03/98,Buy,AAPL,10,181,USD,0\n")
    assert [draft.day.year for draft in found.drafts] == [2024, 1998]
    assert "Years of two digits are taken for 1927 to 2026." in found.planned.how


def test_currencies_may_be_mixed_and_a_row_without_one_is_in_the_portfolio_s() -> None:
    found = read(HEADING + "2024-01-05,Buy,AAPL,1,1,USD,0\n2024-01-05,Buy,SAP.DE,1,1,eur,0\n2024-01-05,Buy,X,1,1,,0\n")
    assert [draft.currency for draft in found.drafts] == ["USD", "EUR", "USD"]


def test_pence_become_pounds() -> None:
    (draft,) = read(HEADING + "2024-01-05,Buy,VOD.L,100,66.5,GBX,595\n").drafts
    assert (draft.currency, draft.price, draft.fees) == ("GBP", Decimal("0.665"), Decimal("5.95"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param("2024-01-05,Lend,AAPL,1,1,USD,0", "The kind 'Lend' is not known", id="unknown kind"),
        pytest.param("2024-01-05,,AAPL,1,1,USD,0", "The kind is missing.", id="no kind"),
        pytest.param("2024-01-05,Buy,AAPL,ten,1,USD,0", "'ten' is no number", id="bad number"),
        pytest.param('2024-01-05,Buy,AAPL,1,"1,5",USD,0', "no number with a decimal point", id="other decimal sign"),
        pytest.param("32/01/2024,Buy,AAPL,1,1,USD,0", "'32/01/2024' is no date.", id="bad date"),
        pytest.param(",Buy,AAPL,1,1,USD,0", "The date is missing.", id="no date"),
        pytest.param("2030-01-05,Buy,AAPL,1,1,USD,0", "in the future", id="future"),
        pytest.param("1890-01-05,Buy,AAPL,1,1,USD,0", "before 1900", id="long ago"),
        pytest.param("2024-01-05,Buy,,1,1,USD,0", "needs a symbol", id="no symbol"),
        pytest.param("2024-01-05,Buy,A A P L,1,1,USD,0", "A symbol has", id="bad symbol"),
        pytest.param("2024-01-05,Buy,=cmd|' /C calc'!A0,1,1,USD,0", "A symbol has", id="formula"),
        pytest.param("2024-01-05,Buy,AAPL,,1,USD,0", "needs a quantity", id="no quantity"),
        pytest.param("2024-01-05,Buy,AAPL,0,1,USD,0", "needs a quantity", id="quantity 0"),
        pytest.param("2024-01-05,Buy,AAPL,-1,1,USD,0", "quantity above zero", id="negative purchase"),
        pytest.param("2024-01-05,Buy,AAPL,1,,USD,0", "needs a price", id="no price"),
        pytest.param("2024-01-05,Buy,AAPL,1,-1,USD,0", "not below zero", id="negative price"),
        pytest.param("2024-01-05,Buy,AAPL,1e15,1,USD,0", "not a number that can be kept", id="huge"),
        pytest.param("2024-01-05,Buy,AAPL,1,1,DOLLARS,0", "is no currency", id="currency"),
        pytest.param("2024-01-05,Split,AAPL,1,1,USD,0", "needs a ratio", id="split without ratio"),
    ],
)
def test_a_row_that_cannot_be_is_refused_in_a_sentence_and_the_others_are_not(row: str, words: str) -> None:
    """wealthfolio#38: an import that failed did not say why."""
    found = read(f"{HEADING}{row}\n2024-01-08,Buy,MSFT,2.5,1.5,USD,0\n")
    assert set(found.of(Fate.REFUSED)) == {2}
    assert words in found.of(Fate.REFUSED)[2]
    assert [draft.symbol for draft in found.drafts] == ["MSFT"]


def test_totals_repeated_headings_and_lines_of_text_are_ignored_and_told() -> None:
    found = read(
        f"{HEADING}2024-01-05,Buy,AAPL,1,1,USD,0\n{HEADING}Total,,,1,1,USD,0\nClosing balance,,,,,USD,5\nMade by hand\n"
    )
    assert found.of(Fate.IGNORED) == {
        3: "It is the heading again.",
        4: "It is a total or a balance.",
        5: "It is a total or a balance.",
        6: "It is a line of text and no row.",
    }
    assert found.of(Fate.REFUSED) == {}


def test_without_a_kind_the_sign_tells_it() -> None:
    found = read(
        "Date,Symbol,Quantity,Price,Amount\n2024-01-05,AAPL,5,10,\n2024-01-08,AAPL,-2,11,\n2024-01-09,,,,-50\n"
    )
    assert [draft.kind for draft in found.drafts] == [Kind.BUY, Kind.SELL, Kind.WITHDRAWAL]
    assert [draft.quantity for draft in found.drafts] == [5, 2, None]
    assert "No column tells the kind: the sign of quantities and amounts does." in found.planned.how


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param("Buy,AAPL,1,10,-11,1\nFee,,,,-3,\nInterest,,,,-2,", [None, 3, -2], id="as cash moves"),
        pytest.param("Buy,AAPL,1,10,11,1\nFee,,,,3,\nInterest,,,,2,", [None, 3, 2], id="as written"),
        pytest.param("Buy,AAPL,1,10,11,1\nFee,,,,-3,\nDeposit,,,,2,", [None, -3, 2], id="a fee given back"),
    ],
)
def test_how_amounts_are_signed_is_told_by_purchases(rows: str, expected: list[int | None]) -> None:
    lines = "".join(f"2024-01-05,{row}\n" for row in rows.split("\n"))
    found = read(f"Date,Type,Ticker,Shares,Price,Total,Fees\n{lines}")
    assert [draft.amount for draft in found.drafts] == expected
    assert found.drafts[0].price == 10


def test_fees_below_zero_were_paid_where_most_are() -> None:
    found = read(
        HEADING + "2024-01-05,Buy,AAPL,1,10,USD,-1\n2024-01-05,Sell,AAPL,1,10,USD,-2\n2024-01-05,Buy,X,1,10,USD,0.5\n"
    )
    assert [draft.fees for draft in found.drafts] == [1, 2, 0, 0]
    assert (found.drafts[3].kind, found.drafts[3].amount) == (Kind.FEE, Decimal("-0.5"))


def test_money_that_is_not_quantity_times_price_counts_and_is_told() -> None:
    found = read("Date,Type,Ticker,Shares,Price,Net\n2024-01-05,Buy,AAPL,3,1.3333,4\n2024-01-05,Buy,OPT,1,2,200\n")
    assert [draft.amount for draft in found.drafts] == [4, 200]
    assert [row.notices for row in found.rows] == [(), ("The amount 200 is not quantity × price, 2.",)]


def test_what_a_kind_has_no_use_for_is_left_out() -> None:
    (deposit,) = read("Date,Type,Ticker,Shares,Price,Amount,Note\n2024-01-05,Deposit,CASH,0,0,50,hello\n").drafts
    assert (deposit.symbol, deposit.quantity, deposit.amount, deposit.note) == (None, None, 50, "hello; CASH")


def test_rates_of_exchange_are_used_where_somebody_says_what_they_are() -> None:
    content = "Date,Type,Ticker,Shares,Price,Currency,Exchange rate\n2024-01-05,Buy,SAP.DE,1,100,EUR,1.25\n"
    found = read(content)
    assert found.drafts[0].fx_rate is None
    assert any("exchange rates is not used" in sentence for sentence in found.planned.how)
    assert read(content, Choice(columns={"fx_rate": "Exchange rate"})).drafts[0].fx_rate == Decimal("1.25")


def test_a_file_is_mapped_by_hand() -> None:
    content = "Wann;Was;Papier;Wieviel;Zu\n05.01.2024;Erwerb;Apple;10;181,5\n06.01.2024;Erwerb;US5949181045;1;374\n"
    assert read(content).planned.problems[0] == "No column was found that holds the date; say which does."
    choice = Choice(
        columns={"day": "Wann", "kind": "Was", "symbol": "Papier", "quantity": "Wieviel", "price": "Zu"},
        kinds={"Erwerb": "buy"},
        symbol_names={"apple": "AAPL", "US5949181045": "msft"},
        currency="EUR",
    )
    found = read(content, choice)
    assert [(draft.symbol, draft.price, draft.currency) for draft in found.drafts] == [
        ("AAPL", Decimal("181.5"), "EUR"),
        ("MSFT", 374, "EUR"),
    ]


def test_a_kind_can_be_left_out() -> None:
    content = HEADING + "2024-01-05,Lend,AAPL,1,1,USD,0\n2024-01-05,Buy,AAPL,1,1,USD,0\n"
    found = read(content, Choice(kinds={"lend": "ignore"}))
    assert found.of(Fate.IGNORED) == {2: "Rows of the kind 'Lend' are left out."}
    assert len(found.drafts) == 1


def test_the_choice_that_is_given_back_reads_the_same() -> None:
    content = HEADING + "14/03/2024,Buy,AAPL,10,181,USD,0\n15/03/2024,Lend,AAPL,10,181,USD,0\n"
    found = read(content)
    again = read(content, found.planned.choice)
    assert again.rows == found.rows
    assert again.planned.choice == found.planned.choice


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        pytest.param(Choice(preset="nobody"), "There is no preset 'nobody'", id="preset"),
        pytest.param(Choice(columns={"colour": "Date"}), "'colour' is no field", id="field"),
        pytest.param(Choice(columns={"day": "When"}), "no column 'When'", id="column"),
        pytest.param(Choice(kinds={"Buy": "purchase"}), "'purchase', chosen for 'Buy'", id="kind"),
        pytest.param(Choice(date_order="ydm"), "order of dates", id="order"),
        pytest.param(Choice(decimal=" "), "decimal sign", id="decimal"),
        pytest.param(Choice(currency="Dollar"), "is no currency", id="currency"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: Choice, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(HEADING + "2024-01-05,Buy,AAPL,1,1,USD,0\n", choice)


def test_a_preset_that_is_chosen_for_another_file_says_what_is_missing() -> None:
    found = read("Wann;Was\n1.2.2024;X\n", Choice(preset="schwab"))
    assert found.planned.problems
    assert found.rows == []


def test_an_exchange_beside_the_symbol_becomes_its_suffix() -> None:
    found = read("Date,Type,Ticker,Exchange,Shares,Price\n2024-01-05,Buy,VOD,LSE,1,1\n2024-01-05,Buy,IBM,NYSE,1,1\n")
    assert [draft.symbol for draft in found.drafts] == ["VOD.L", "IBM"]


def test_a_file_may_have_more_words_for_kinds_than_are_told() -> None:
    lines = "".join(f"01/{1 + at % 28:02}/2024,YOU BOUGHT COMPANY {at} (Cash),C{at},1,2,-2\n" for at in range(300))
    found = read(f"Run Date,Action,Symbol,Quantity,Price ($),Amount ($)\n{lines}01/02/2024,WHAT IS THIS,C1,1,2,-2\n")
    assert len(found.drafts) == 300
    assert set(found.of(Fate.REFUSED)) == {302}
    assert next(iter(found.planned.kinds.items())) == ("WHAT IS THIS", "")
    assert len(found.planned.kinds) == 60
