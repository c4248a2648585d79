"""Records of universes: incremental as from nothing, a past day as whoever lived then, and nobody's but their own."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlalchemy import text

from core.db.engine import Database
from core.errors import NotEnoughData, NotFound
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import MOST_BARS, Bars
from core.market.sources.contract import ActionKind, CorporateAction
from core.ops.processes import Processes
from core.screener import record_store
from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.history import DETECTORS, RULES, all_events
from core.screener.outcomes import HORIZONS, Benchmark, Outcomes
from core.screener.record_store import Records, UniverseRecord
from core.screener.records import MINIMUM_N, figures_of
from core.screener.series import Series, cleaned
from core.screener.signals import SIGNALS
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.market.bars_made import as_of
from tests.core.screener.made_series import drawn, first_bars

DRAWN = drawn(4, 420, seed=5)
SYMBOLS = list(DRAWN.symbols)
DAYS: list[date] = DRAWN.of("S0000").dates.tolist()
LAST = DAYS[-1]
INDEX = drawn(1, 420, seed=99)
FETCHED = DatasetKey("fetched", "test", "a test")


@pytest.fixture
def store(database: Database, tmp_path: Path) -> BarStore:
    """Bars of four symbols and of an index, over 420 sessions."""
    made = BarStore(database, tmp_path / "bars")
    _fill(made, DRAWN)
    return made


@pytest.fixture
def records(store: BarStore, database: Database, tmp_path: Path) -> Records:
    """Records on these bars."""
    return Records(Bars(store), database, tmp_path / "bars")


def _frame(series: Series) -> pl.DataFrame:
    columns = {name: getattr(series, name) for name in ("open", "high", "low", "close", "volume")}
    symbols = np.repeat(series.symbols, series.lengths)
    return pl.DataFrame({"symbol": symbols, "date": series.dates, **columns}).select(COLUMNS)


def _fill(store: BarStore, series: Series, key: DatasetKey = FETCHED) -> None:
    index = _frame(first_bars(INDEX, int(series.lengths[0]))).with_columns(symbol=pl.lit("SP500"))
    frame = pl.concat([_frame(series), index])
    store.write(key, Batch(frame, {symbol: SeriesFacts("USD", "XNYS") for symbol in [*series.symbols, "SP500"]}))


def _same(one: UniverseRecord, other: UniverseRecord) -> bool:
    return (one.figures, one.as_of, one.symbols, one.benchmark) == (
        other.figures,
        other.as_of,
        other.symbols,
        other.benchmark,
    )


def test_the_record_is_that_of_all_signals_and_bars(records: Records, store: BarStore) -> None:
    record = records.update("ours", SYMBOLS, as_of(LAST))
    series = cleaned(Bars(store).panel(SYMBOLS, as_of(LAST), MOST_BARS))
    index = Benchmark.of("SP500", Bars(store).history("SP500", as_of(LAST)).frame)
    events = {type_id: each for one in DETECTORS for type_id, each in all_events(series, one).items()}
    assert record.figures == figures_of(Outcomes(series, index), events)
    assert (record.as_of, record.symbols, record.benchmark) == (LAST, 4, "SP500")
    assert [*record.figures] == [*SIGNALS, *CHART_PATTERNS], "in the order of the tables"
    assert [*record.figures["breakout_20"]] == [*HORIZONS]
    assert record.figures["cdl_doji"][20].n > MINIMUM_N
    assert record.figures["cdl_doji"][20].median_excess is not None


def test_a_record_that_grew_is_that_from_nothing(records: Records, database: Database, tmp_path: Path) -> None:
    grown = [records.update("ours", SYMBOLS, as_of(day)) for day in (DAYS[300], DAYS[301], DAYS[395], LAST)]
    shutil.rmtree(tmp_path / "bars" / "records")
    again = [records.update("ours", SYMBOLS, as_of(each.as_of)) for each in grown]
    assert all(_same(*pair) for pair in zip(grown, again, strict=True))
    assert grown[0].figures != grown[1].figures


def test_a_past_day_is_seen_as_by_whoever_lived_then(records: Records, database: Database, tmp_path: Path) -> None:
    records.update("ours", SYMBOLS, as_of(LAST))
    past = records.update("ours", SYMBOLS, as_of(DAYS[349]))
    with database.service() as connection:
        connection.execute(text("DELETE FROM bar_files"))
        connection.execute(text("DELETE FROM bar_series"))
        connection.execute(text("DELETE FROM bar_datasets"))
    earlier = BarStore(database, tmp_path / "earlier")
    _fill(earlier, first_bars(DRAWN, 350))
    then = Records(Bars(earlier), database, tmp_path / "earlier").update("ours", SYMBOLS, as_of(DAYS[349]))
    assert _same(past, then)
    assert all(each[20].last_day is None or each[20].last_day <= DAYS[329] for each in then.figures.values())


def test_a_split_is_no_move_of_the_price(records: Records, store: BarStore) -> None:
    before = records.update("ours", SYMBOLS, as_of(DAYS[399]))
    after_split = DRAWN.dates >= np.datetime64(DAYS[400])
    is_split = after_split & (np.repeat(DRAWN.symbols, DRAWN.lengths) == "S0001")
    share = pl.when(pl.Series(is_split)).then(4.0).otherwise(1.0)
    frame = _frame(DRAWN).with_columns(*(pl.col(name) / share for name in COLUMNS[2:6]), pl.col("volume") * share)
    split = CorporateAction(DAYS[400], ActionKind.SPLIT, Decimal(4))
    facts = {symbol: SeriesFacts("USD", "XNYS", actions=(split,) if symbol == "S0001" else ()) for symbol in SYMBOLS}
    store.write(FETCHED, Batch(frame, facts, replaced=frozenset(SYMBOLS)))
    assert _same(records.update("ours", SYMBOLS, as_of(DAYS[399])), before)
    for each in records.update("ours", SYMBOLS, as_of(LAST)).figures.values():
        assert each[1].worst is None or each[1].worst > -0.3


def test_a_record_serves_its_day_and_later_ones_but_confidences_its_own_day_alone(records: Records) -> None:
    assert records.of("ours", LAST) is None
    assert records.confidences("ours", LAST) is None
    record = records.update("ours", SYMBOLS, as_of(DAYS[400]))
    assert records.of("ours", DAYS[399]) is None
    assert records.of("ours", DAYS[400]) == records.of("ours", LAST) == record
    assert records.confidences("ours", LAST) is None
    found = records.confidences("ours", DAYS[400])
    assert found is not None
    assert found["cdl_doji"].value == pytest.approx(record.figures["cdl_doji"][20].hit_rate, abs=0.1)
    assert found["cup_and_handle"].value is None


def test_bars_of_an_organisation_make_a_record_of_its_own(
    workbench: Workbench, member: MakeMember, tmp_path: Path
) -> None:
    ann, bob = member("ann"), member("bob")
    database, store = workbench.database, BarStore(workbench.database, tmp_path / "bars")
    _fill(store, DRAWN)
    _fill(store, drawn(4, 420, seed=6), DatasetKey("own", "theirs", "theirs", org_id=ann.org_id))
    records = Records(Bars(store), database, tmp_path / "bars")
    shared = records.update("ours", SYMBOLS, as_of(LAST), detectors=[RULES])
    own = records.update("ours", SYMBOLS, as_of(LAST), ann.org_id, detectors=[RULES])
    assert own.figures != shared.figures
    assert records.of("ours", LAST) == shared
    assert records.of("ours", LAST, ann.org_id) == own
    assert records.of("ours", LAST, bob.org_id) is None
    seen = {}
    for principal in (ann, bob):
        with database.app(principal) as connection:
            rows = connection.execute(text("SELECT org_id FROM signal_records"))
            seen[principal.org_id] = {row[0] for row in rows}
    assert seen == {ann.org_id: {None, ann.org_id}, bob.org_id: {None}}


def test_the_record_of_one_symbol_is_of_its_own_entries(records: Records, store: BarStore) -> None:
    alone = records.update("alone", ["S0002"], as_of(LAST))
    for type_id in ("cdl_doji", "breakdown_20", "double_top"):
        assert records.of_symbol(type_id, "S0002", as_of(LAST)) == alone.figures[type_id]
    with pytest.raises(NotFound):
        records.of_symbol("nonsense", "S0002", as_of(LAST))
    with pytest.raises(NotEnoughData):
        records.of_symbol("cdl_doji", "GHOST", as_of(LAST))


def test_several_processes_find_the_same(
    records: Records, store: BarStore, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = records.update("ours", SYMBOLS, as_of(LAST))
    monkeypatch.setattr("core.screener.history.BARS_AT_ONCE", 700)
    with closing(Processes(2)) as processes:
        several = Records(Bars(store), database, tmp_path / "elsewhere", processes)
        assert _same(several.update("ours", SYMBOLS, as_of(LAST)), alone)


def test_an_update_says_how_far_it_is(records: Records) -> None:
    told: list[tuple[int, int, str]] = []

    def progress(*, done: int, total: int, detail: str) -> None:
        told.append((done, total, detail))

    records.update("ours", SYMBOLS, as_of(LAST), progress=progress)
    assert told == [
        (8, 8, "Records of signals"),
        (8, 8, "Records of candlesticks"),
        (8, 8, "Records of chart patterns"),
    ]


def test_without_bars_there_is_no_record(records: Records) -> None:
    with pytest.raises(NotEnoughData):
        records.update("ours", ["GHOST"], as_of(LAST))
    with pytest.raises(NotEnoughData):
        records.update("ours", SYMBOLS, as_of(date(2001, 1, 1)))


def test_symbols_without_bars_and_with_few_are_no_error(records: Records, store: BarStore) -> None:
    few = _frame(first_bars(DRAWN, 3)).filter(pl.col("symbol") == "S0000").with_columns(symbol=pl.lit("NEW"))
    store.write(DatasetKey("fetched", "few", "few"), Batch(few, {"NEW": SeriesFacts("INR", "XNSE")}))
    assert records.update("ours", [*SYMBOLS, "NEW", "GHOST"], as_of(LAST), detectors=[RULES]).symbols == 5
    alone = records.update("new", ["NEW"], as_of(LAST))
    assert alone.benchmark is None, "an index in dollars is no benchmark of rupees"
    assert {each.n for figures in alone.figures.values() for each in figures.values()} == {0}


def test_old_days_are_forgotten(records: Records, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr(record_store, "MOST_DAYS", 2)
    for day in (DAYS[-3], DAYS[-2], LAST):
        records.update("ours", SYMBOLS[:1], as_of(day), detectors=[RULES])
    assert records.of("ours", DAYS[-3]) is None
    assert records.of("ours", DAYS[-2]) is not None


def test_what_is_known_is_not_taken_for_lost_bars(records: Records, store: BarStore, tmp_path: Path) -> None:
    records.update("ours", SYMBOLS, as_of(LAST), detectors=[RULES])
    files = {path for path in (tmp_path / "bars" / "records").rglob("*") if path.is_file()}
    store.collect(timedelta(seconds=-60))
    assert files and {path for path in files if path.exists()} == files
