"""Files of bars that people bring: what is read, what is refused and why, and that nothing is half-loaded."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import polars as pl
import psycopg
import pytest

from core.db.engine import Database
from core.errors import Conflict, InvalidRequest, PayloadTooLarge
from core.ids import new_id
from core.market import bar_tables
from core.market.bar_imports import BarImports, Fate, ImportReport, ImportRequest, read_bars
from core.market.bar_store import BarStore
from core.market.bars import Bars
from core.market.sources.contract import Adjustment
from tests.core.market.bars_made import as_of

TODAY = date(2026, 11, 21)
HEAD = "Symbol,Date,Open,High,Low,Close,Volume\n"
GOOD = HEAD + "AAA,2024-03-05,10,11,9,10.5,1000\nAAA,2024-03-06,10.5,12,10,11,1200\nBBB,2024-03-05,5,6,4,5.5,10\n"
COMMA = " (a decimal comma between commas needs quotes)"
Load = Callable[..., ImportReport]


@pytest.fixture
def org_id(service: psycopg.Connection[tuple[object, ...]]) -> UUID:
    """An organisation that brings bars."""
    row = service.execute(
        "INSERT INTO organisations (id, name, plan) VALUES (gen_random_uuid(), 'Acme', 'team') RETURNING id"
    ).fetchone()
    assert row is not None
    assert isinstance(row[0], UUID)
    return row[0]


@pytest.fixture
def store(database: Database, tmp_path: Path) -> BarStore:
    """A store of the test's own."""
    return BarStore(database, tmp_path / "bars")


@pytest.fixture
def load(store: BarStore, org_id: UUID) -> Load:
    """Imports a file for the organisation: `load(content, "bars.csv", currency="EUR")`."""

    def run(content: bytes | str, name: str = "bars.csv", **more: object) -> ImportReport:
        request = ImportRequest(name, universe="mine", org_id=org_id, org_name="Acme", **more)  # type: ignore[arg-type]
        given = content.encode() if isinstance(content, str) else content
        return BarImports(store, today=TODAY).run(given, request)

    return run


def judge(content: bytes | str, name: str = "bars.csv", **more: object) -> ImportReport:
    """Reads a file without loading it."""
    request = ImportRequest(name, universe="mine", org_id=new_id(), org_name="Acme", **more)  # type: ignore[arg-type]
    return read_bars(content.encode() if isinstance(content, str) else content, request, today=TODAY)


def closes_in(report: ImportReport) -> dict[date, float]:
    """The closes that would be loaded, of one symbol."""
    return dict(zip(report.frame["date"], report.frame["close"], strict=True))


def closes(store: BarStore, symbol: str, org_id: UUID) -> dict[date, float]:
    """What is stored of a symbol."""
    frame = Bars(store).history(symbol, as_of(TODAY), org_id=org_id).frame
    return dict(zip(frame["date"], frame["close"], strict=True))


def refusals(report: ImportReport) -> dict[str, tuple[int, ...]]:
    """Why rows were refused, and which."""
    return {row.reason: row.lines for row in report.fates if row.fate is Fate.REFUSED}


def test_a_sound_file_is_loaded_for_its_organisation_alone(load: Load, store: BarStore, org_id: UUID) -> None:
    report = load(GOOD, currency="EUR", exchange="XPAR")
    assert (report.is_loaded, report.rows, report.bars, report.fates) == (True, 3, 3, ())
    assert (report.symbols, report.first_day, report.last_day) == (("AAA", "BBB"), date(2024, 3, 5), date(2024, 3, 6))
    assert closes(store, "AAA", org_id) == {date(2024, 3, 5): 10.5, date(2024, 3, 6): 11.0}
    about = Bars(store).about("AAA", as_of(TODAY), org_id)
    assert about is not None
    assert (about.source, about.currency, about.exchange) == ("Acme: bars.csv", "EUR", "XPAR")
    assert Bars(store).about("AAA", as_of(TODAY)) is None


def test_the_same_file_again_changes_nothing_and_a_later_one_adds(load: Load, store: BarStore, org_id: UUID) -> None:
    load(GOOD)
    again = load(GOOD)
    assert again.written is not None
    assert (again.written.added, again.written.changed) == (0, 0)
    load(HEAD + "AAA,2024-03-07,11,12,10,11.5,900\n")
    assert len(closes(store, "AAA", org_id)) == 3


def test_a_dry_run_tells_everything_and_loads_nothing(load: Load, store: BarStore, org_id: UUID) -> None:
    report = load(GOOD, is_dry_run=True)
    assert (report.is_loaded, report.bars) == (False, 3)
    assert Bars(store).about("AAA", as_of(TODAY), org_id) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("AAA,2024-03-07,-1,11,9,10,1", "a price is not above 0"),
        ("AAA,2024-03-07,10,11,9,0,1", "a price is not above 0"),
        ("AAA,2024-03-07,10,11,9,inf,1", "a price or volume is not a number"),
        ("AAA,2024-03-07,10,11,9,ten,1", "a price or volume is not a number"),
        ("AAA,2024-03-07,10,11,9,1e12,1", "a price is above a thousand million"),
        ("AAA,2024-03-07,10,11,9,10,-5", "its volume is below 0"),
        ("AAA,2024-03-07,10,8,9,10,5", "its high is below its low"),
        ("AAA,2024-02-30,10,11,9,10,5", "its date cannot be read, or is of another form than the others"),
        ("AAA,07.03.2024,10,11,9,10,5", "its date cannot be read, or is of another form than the others"),
        ("AAA,2026-11-22,10,11,9,10,5", "its date is in the future"),
        ("AAA,1815-06-18,10,11,9,10,5", "its date is before 1900"),
        ("AAA,,10,11,9,10,5", "it has no date"),
        (",2024-03-07,10,11,9,10,5", "it has no symbol"),
        ("A A/A,2024-03-07,10,11,9,10,5", "its symbol has characters that no symbol has, or more than 20"),
        ("AAA,2024-03-07,10,11,9,10,5,6,7", f"it has more fields than the heading{COMMA}"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_right_is_told_by_its_line(row: str, reason: str) -> None:
    report = judge(GOOD + row + "\nCCC,2024-03-07,1,1,1,1,1\n")
    assert refusals(report) == {reason: (5,)}
    assert (report.rows, report.bars) == (5, 4)


def test_nothing_is_loaded_of_a_file_with_a_row_that_cannot_be_right(load: Load, store: BarStore, org_id: UUID) -> None:
    report = load(GOOD + "AAA,2024-03-07,-1,11,9,10,1\n")
    assert (report.is_loaded, report.written) == (False, None)
    assert Bars(store).about("AAA", as_of(TODAY), org_id) is None


def test_rows_of_one_day_that_differ_are_refused_and_repeated_ones_left_out() -> None:
    repeated = judge(GOOD + "AAA,2024-03-05,10,11,9,10.5,1000\n")
    assert (repeated.refused, repeated.bars) == (0, 3)
    assert [(row.fate, row.reason, row.count, row.lines) for row in repeated.fates] == [
        (Fate.SKIPPED, "it repeats another row", 1, (5,))
    ]
    assert refusals(judge(GOOD + "AAA,2024-03-05,10,11,9,10.6,1000\n")) == {
        "another row says something else of its symbol and day": (2, 5)
    }


def test_days_without_a_close_and_empty_rows_are_left_out_and_counted() -> None:
    report = judge(GOOD + "AAA,2024-03-07,,,,,\nAAA,2024-03-08,1,1,1,n/a,1\n,,,,,,\n\n")
    assert (report.refused, report.bars) == (0, 3)
    assert {row.reason: (row.fate, row.lines) for row in report.fates} == {
        "it has no close": (Fate.SKIPPED, (5, 6)),
        "it is empty": (Fate.SKIPPED, (7, 8)),
    }


def test_unsorted_rows_are_ordered(load: Load, store: BarStore, org_id: UUID) -> None:
    lines = GOOD.splitlines()
    load("\n".join([lines[0], *reversed(lines[1:])]))
    assert list(closes(store, "AAA", org_id)) == [date(2024, 3, 5), date(2024, 3, 6)]


GERMAN = "Datum;Eröffnung;Hoch;Tief;Schlusskurs;Volumen\n05.03.2024;1.010,5;1.100,25;1.000,0;1.050,75;1.000\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GERMAN.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + GERMAN.encode(), "utf-8-sig"),
        (GERMAN.encode("cp1252"), "windows-1252"),
        (GERMAN.encode("utf-16"), "utf-16"),
        (GERMAN.replace("\n", "\r\n").encode(), "utf-8"),
        (GERMAN.replace(";", "\t").encode(), "tab"),
        (("Kurse der Firma\n\n" + GERMAN).encode(), "2 lines above the heading"),
    ],
)
def test_encodings_separators_and_decimal_commas_are_recognised(content: bytes, says: str) -> None:
    report = judge(content, "SAP.csv")
    assert says in " ".join(report.how)
    assert (report.symbols, report.refused) == (("SAP",), 0)
    assert closes_in(report) == {date(2024, 3, 5): 1050.75}


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        ("TICKER,Trading Date,o,h,l,Last Price,qty", "aaa,2024-03-05,10,11,9,10.5,1000"),
        ("Close,Date,Symbol", "10.5,2024-03-05,AAA"),
        ("Symbol,Date,Close,Adj Close,Remark", 'AAA,20240305,10.5,9.9,"x, y"'),
        ("Symbol,Date,Close,Volume", 'AAA,2024-03-05 00:00:00,"10.5","1,000"'),
        ("Symbol,Date,Close,Volume", "AAA,13/03/2024,10.5,1000"),
        ("Symbol|Date|Close", "AAA|2024-03-05|$10.5".replace("$", "")),
    ],
)
def test_headings_are_known_by_many_names_in_any_order(heading: str, row: str) -> None:
    report = judge(f"{heading}\n{row}\n")
    assert (report.symbols, report.refused, list(closes_in(report).values())) == (("AAA",), 0, [10.5])


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", "a.csv", "empty"),
        ("Symbol,Price\nAAA,1\n", "a.csv", "No heading"),
        ("<html><body>Too many requests</body></html>", "a.csv", "No heading"),
        ("Symbol,Date,Adj Close\nAAA,2024-03-05,1\n", "a.csv", "adjusted"),
        ("Date,Close\n2024-03-05,1\n", "my prices.csv", "no column for the symbol"),
        ("Symbol,Date,Close\nAAA,03/04/2024,1\n", "a.csv", "two ways"),
        ('Symbol;Date;Close\nAAA;2024-03-05;"1,234"\n', "a.csv", "two ways"),
        (b"PAR1 and then something else", "a.parquet", "Parquet"),
        (b"\x89PNG\r\n\x00\x00" * 10, "a.csv", "neither text nor Parquet"),
        (b"\xff\xfea", "a.csv", "byte-order"),
    ],
)
def test_what_is_no_table_of_bars_is_refused_with_a_sentence(content: str | bytes, name: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        judge(content, name)


def test_a_quote_that_is_never_closed_loads_nothing() -> None:
    report = judge('Symbol,Date,Close\nAAA,2024-03-05,"1\nBBB,2024-03-05,2\nCCC,2024-03-05,3\n')
    assert report.refused == 3


def test_what_can_be_read_in_two_ways_is_read_as_the_user_says() -> None:
    content = 'Symbol;Date;Close\nAAA;03/04/2024;"1,234"\n'
    assert closes_in(judge(content, decimal=",", date_order="mdy")) == {date(2024, 3, 4): 1.234}
    assert closes_in(judge(content, decimal=".", date_order="dmy")) == {date(2024, 4, 3): 1234.0}


def test_parquet_with_typed_or_text_columns_is_read() -> None:
    frame = pl.DataFrame({"ticker": ["AAA"], "date": [date(2024, 3, 5)], "close": [10.5], "volume": [7]})
    for content in (frame, frame.with_columns(pl.col("date", "close").cast(pl.String))):
        file = io.BytesIO()
        content.write_parquet(file)
        assert closes_in(judge(file.getvalue(), "bars.parquet")) == {date(2024, 3, 5): 10.5}
    file = io.BytesIO()
    frame.with_columns(close=pl.lit(-1.0)).write_parquet(file)
    assert refusals(judge(file.getvalue(), "bars.parquet")) == {"a price is not above 0": (1,)}


def test_currency_exchange_name_and_sector_may_be_columns() -> None:
    head = "symbol,date,close,currency,exchange,name,sector\n"
    report = judge(head + "AAA,2024-03-05,1,inr,XNSE,Alpha,Energy\nBBB,2024-03-05,2,,,,\n", currency="USD")
    assert {symbol: (facts.currency, facts.exchange) for symbol, facts in report.facts.items()} == {
        "AAA": ("INR", "XNSE"),
        "BBB": ("USD", None),
    }
    assert report.names == {"AAA": ("Alpha", "Energy"), "BBB": ("", "")}
    clash = judge(head + "AAA,2024-03-05,1,INR,XNSE,,\nAAA,2024-03-06,2,USD,XNSE,,\n")
    assert refusals(clash) == {"its currency is of a wrong form, or contradicts another row of its symbol": (2, 3)}


def test_adjusted_bars_are_kept_as_such_and_never_mixed_with_raw_ones(
    load: Load, store: BarStore, org_id: UUID
) -> None:
    load(GOOD)
    adjusted = load(HEAD + "CCC,2024-03-05,1,1,1,1,1\n", adjustment=Adjustment.SPLIT)
    assert adjusted.is_loaded
    history = Bars(store).history("CCC", as_of(TODAY), adjusted=False, org_id=org_id)
    assert history.adjustment is Adjustment.SPLIT
    with pytest.raises(Conflict, match="mixed"):
        load(HEAD + "CCC,2024-03-06,1,1,1,1,1\n")


@pytest.mark.parametrize(
    "wrong", [{"currency": "dollars"}, {"exchange": "nyse"}, {"universe": ""}, {"universe": "a\nb"}]
)
def test_what_is_said_of_a_file_has_its_form(wrong: dict[str, str]) -> None:
    given = {"universe": "mine", **wrong}
    request = ImportRequest("a.csv", org_id=new_id(), org_name="Acme", **given)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        read_bars(GOOD.encode(), request, today=TODAY)


def test_a_file_beyond_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_tables, "MOST_ROWS", 2)
    with pytest.raises(PayloadTooLarge, match="3 rows"):
        judge(GOOD)
    monkeypatch.setattr(bar_tables, "MOST_BYTES", 10)
    with pytest.raises(PayloadTooLarge):
        judge(GOOD)


def test_only_the_first_rows_of_each_fate_are_shown_and_all_are_counted() -> None:
    rows = "".join(f"AAA,2024-03-{day:02d},1,1,1,-1,1\n" for day in range(1, 31))
    (row,) = judge(HEAD + rows).fates
    assert (row.count, row.lines) == (30, tuple(range(2, 22)))


def test_a_million_rows_are_read_whole_and_every_one_is_accounted_for() -> None:
    days = pl.date_range(date(2020, 1, 1), date(2022, 9, 26), eager=True)
    symbols = pl.DataFrame({"symbol": [f"S{number}" for number in range(1000)]})
    frame = symbols.join(pl.DataFrame({"date": days}), how="cross").with_columns(close=pl.lit(12.5))
    wrong = frame.with_columns(close=pl.when(pl.int_range(pl.len()) == 777_777).then(-1.0).otherwise("close"))
    report = judge(wrong.write_csv())
    assert (report.rows, report.bars) == (1_000_000, 999_999)
    assert refusals(report) == {"a price is not above 0": (777_779,)}


def test_prices_in_pence_are_kept_in_pounds_by_the_capitals_of_their_unit() -> None:
    head = "symbol,date,close,volume,currency\n"
    rows = "A.L,2024-03-05,70.5,9,GBp\nB.L,2024-03-05,70.5,9,GBX\nC.L,2024-03-05,70.5,9,GBP\n"
    others = (
        "D.JO,2024-03-05,70.5,9,ZAc\nE.TA,2024-03-05,70.5,9,ILA\nF.L,2024-03-05,70.5,9,gbx\nG.KW,2024-03-05,70.5,9,\n"
    )
    report = judge(head + rows + others, currency="KWF")
    assert {symbol: facts.currency for symbol, facts in report.facts.items()} == {
        **dict.fromkeys(("A.L", "B.L", "C.L", "F.L"), "GBP"),
        "D.JO": "ZAR",
        "E.TA": "ILS",
        "G.KW": "KWD",
    }
    assert dict(zip(report.frame["symbol"], report.frame["close"], strict=True)) == {
        **dict.fromkeys(("A.L", "B.L", "D.JO", "E.TA", "F.L"), 0.705),
        "C.L": 70.5,
        "G.KW": 0.0705,
    }
    assert set(report.frame["volume"]) == {9.0}
    assert "kept in GBP, ILS, KWD, ZAR" in report.how[-1]
    clash = judge(head + "A.L,2024-03-05,70.5,9,GBp\nA.L,2024-03-06,70.5,9,GBP\n")
    assert refusals(clash) == {"its currency is of a wrong form, or contradicts another row of its symbol": (2, 3)}


@pytest.mark.parametrize("told", ["GBX", "GBp"])
def test_pence_may_be_said_of_a_whole_file(told: str, load: Load, store: BarStore, org_id: UUID) -> None:
    load(HEAD + "VOD.L,2024-03-05,70,71,69,70.5,1000\n", currency=told)
    about = Bars(store).about("VOD.L", as_of(TODAY), org_id)
    assert about is not None
    assert about.currency == "GBP"
    assert closes(store, "VOD.L", org_id) == {date(2024, 3, 5): 0.705}


def test_symbols_are_kept_as_we_spell_them_and_two_spellings_are_one() -> None:
    report = judge(HEAD + "brk-b,2024-03-05,1,1,1,1,1\nBRK/B,2024-03-05,1,1,1,1,1\nVOD.LON,2024-03-05,1,1,1,1,1\n")
    assert report.symbols == ("BRK.B", "VOD.L")
    assert [(row.reason, row.lines) for row in report.fates] == [("it repeats another row", (3,))]
    assert set(report.facts) == {"BRK.B", "VOD.L"}
    assert judge("Date,Close\n2024-03-05,1\n", "brk-b.csv").symbols == ("BRK.B",)
