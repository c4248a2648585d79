"""Histories and panels: split-adjusted as of the day, each from one history, the last bars of each symbol in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db.bars_dao import SeriesRow
from core.db.engine import Database
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_store import BarStore, Batch, Catalogue, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from core.market.sources.sample import LAST_SESSION
from tests.core.market.bars_made import as_of, frame_of

KEY = DatasetKey("fetched", "test", "a test")
DAYS = [date(2024, 1, 2) + timedelta(days=number) for number in range(10)]
SPLIT = CorporateAction(DAYS[5], ActionKind.SPLIT, Decimal(4))
DIVIDEND = CorporateAction(DAYS[2], ActionKind.DIVIDEND, Decimal("0.25"))


@pytest.fixture
def store(database: Database, tmp_path: Path) -> BarStore:
    """A store of the test's own."""
    return BarStore(database, tmp_path / "bars")


@pytest.fixture
def bars(store: BarStore) -> Bars:
    """Bars on that store."""
    return Bars(store)


@pytest.fixture
def split_raw(store: BarStore) -> None:
    """Ten raw bars of SPLIT at 100, and at 25 from the sixth on, when it was split 4:1."""
    closes = {"SPLIT": {day: 100.0 if day < SPLIT.ex_date else 25.0 for day in DAYS}}
    store.write(KEY, Batch(frame_of(closes), {"SPLIT": SeriesFacts("USD", "XNYS", actions=(DIVIDEND, SPLIT))}))


@pytest.mark.usefixtures("split_raw")
def test_raw_bars_are_adjusted_by_the_splits_up_to_the_day(bars: Bars) -> None:
    history = bars.history("SPLIT", as_of(DAYS[-1]))
    assert history.adjustment is Adjustment.SPLIT
    assert history.frame["close"].to_list() == [25.0] * 10
    assert history.frame["volume"].to_list() == [4000.0] * 5 + [1000.0] * 5
    assert history.actions == (DIVIDEND, SPLIT)
    raw = bars.history("SPLIT", as_of(DAYS[-1]), adjusted=False)
    assert (raw.adjustment, raw.frame["close"].to_list()) == (Adjustment.RAW, [100.0] * 5 + [25.0] * 5)


@pytest.mark.usefixtures("split_raw")
def test_a_split_that_is_still_to_come_is_neither_told_nor_applied(bars: Bars) -> None:
    before = as_of(DAYS[4])
    assert bars.history("SPLIT", before).frame["close"].to_list() == [100.0] * 5
    assert bars.actions("SPLIT", before) == (DIVIDEND,)
    assert bars.panel(["SPLIT"], before).of("SPLIT").close.tolist() == [100.0] * 5


def test_what_a_source_adjusted_since_is_told_in_the_shares_of_the_day(store: BarStore, bars: Bars) -> None:
    facts = SeriesFacts("USD", "XNYS", Adjustment.SPLIT, adjusted_through=DAYS[-1], actions=(SPLIT,))
    store.write(KEY, Batch(frame_of({"SPLIT": dict.fromkeys(DAYS, 25.0)}), {"SPLIT": facts}))
    assert bars.history("SPLIT", as_of(DAYS[4])).frame["close"].to_list() == [100.0] * 5
    assert bars.history("SPLIT", as_of(DAYS[-1])).frame["close"].to_list() == [25.0] * 10
    assert bars.panel(["SPLIT"], as_of(DAYS[4])).of("SPLIT").close.tolist() == [100.0] * 5
    kept = bars.history("SPLIT", as_of(DAYS[4]), adjusted=False)
    assert (kept.adjustment, kept.frame["close"][0]) == (Adjustment.SPLIT, 25.0)


@pytest.mark.usefixtures("split_raw")
def test_a_panel_says_the_same_as_the_histories(store: BarStore, bars: Bars) -> None:
    closes = {f"S{number}": dict.fromkeys(DAYS[: number + 1], 1.0 + number) for number in range(5)}
    closes["OLD"] = {date(2019, 3, 29) + timedelta(days=number): 3.0 + number for number in range(7)}
    facts = {symbol: SeriesFacts("EUR", "XPAR") for symbol in closes}
    store.write(DatasetKey("shipped", "more", "a package"), Batch(frame_of(closes), facts))
    panel = bars.panel(["SPLIT", "NONE", *closes], as_of(DAYS[-1]), n=4)
    assert panel.symbols == ("OLD", "S0", "S1", "S2", "S3", "S4", "SPLIT")
    assert panel.missing == ("NONE",)
    for symbol in panel.symbols:
        expected = bars.history(symbol, as_of(DAYS[-1])).frame.tail(4)
        found = panel.of(symbol)
        assert found.dates.astype(object).tolist() == expected["date"].to_list()
        assert found.close.tolist() == expected["close"].to_list()
        assert found.close.flags["C_CONTIGUOUS"]
        assert found.close.base is not None, "a view, not a copy"
        alone = panel.only(symbol)
        assert (alone.symbols, alone.missing, list(alone.about)) == ((symbol,), (), [symbol])
        assert alone.of(symbol).close.tolist() == found.close.tolist()
    assert (panel.only("NONE").symbols, panel.only("NONE").missing) == ((), ("NONE",))
    assert panel.about["OLD"].source == "a package"
    assert (panel.about["SPLIT"].currency, panel.about["OLD"].currency) == ("USD", "EUR")


def test_a_missing_value_is_nan_in_a_panel_and_null_in_a_history(store: BarStore, bars: Bars) -> None:
    frame = frame_of({"A": {DAYS[0]: 1.0, DAYS[1]: 2.0}})
    gap = frame.with_columns(close=pl.when(pl.col("date") == DAYS[1]).then(None).otherwise("close"))
    store.write(KEY, Batch(gap, {"A": SeriesFacts()}))
    assert bars.history("A", as_of(DAYS[1])).frame["close"].to_list() == [1.0, None]
    assert np.isnan(bars.panel(["A"], as_of(DAYS[1])).of("A").close).tolist() == [False, True]


class Overtaken(BarStore):
    """A store that another process writes to, each time before bars are read of it."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        self.other = BarStore(database, folder)

    def read(
        self, series: Sequence[SeriesRow], as_of: AsOf, first: date | None = None, within: Catalogue | None = None
    ) -> pl.DataFrame:
        """Bars of an adjusted history that was split 4:1 on the sixth day, and went on since."""
        facts = SeriesFacts("USD", "XNYS", Adjustment.SPLIT, adjusted_through=DAYS[-1], actions=(SPLIT,))
        batch = Batch(frame_of({"A": dict.fromkeys(DAYS, 25.0)}), {"A": facts}, replaced=frozenset({"A"}))
        self.other.write(KEY, batch)
        return super().read(series, as_of, first, within)


def test_what_is_written_between_the_catalogue_and_the_files_is_not_read(database: Database, tmp_path: Path) -> None:
    store = Overtaken(database, tmp_path)
    facts = SeriesFacts("USD", "XNYS", Adjustment.SPLIT, adjusted_through=DAYS[4])
    before = Batch(frame_of({"A": dict.fromkeys(DAYS[:5], 100.0)}), {"A": facts}, is_whole=True)
    store.other.write(KEY, before)
    assert Bars(store).panel(["A"], as_of(DAYS[-1])).of("A").close.tolist() == [100.0] * 5
    store.other.write(KEY, before)
    assert Bars(store).history("A", as_of(DAYS[-1])).frame["close"].to_list() == [100.0] * 5
    assert Bars(store.other).history("A", as_of(DAYS[4])).frame["close"].to_list() == [100.0] * 5
    assert Bars(store.other).history("A", as_of(DAYS[-1])).frame["close"].to_list() == [25.0] * 10


def test_no_bars_are_an_error_of_one_symbol_and_an_absence_in_a_panel(bars: Bars) -> None:
    with pytest.raises(NotFound, match="NONE"):
        bars.history("NONE", as_of(DAYS[0]))
    assert bars.about("NONE", as_of(DAYS[0])) is None
    assert bars.actions("NONE", as_of(DAYS[0])) == ()
    panel = bars.panel(["NONE"], as_of(DAYS[0]))
    assert (panel.symbols, panel.missing, len(panel.close)) == ((), ("NONE",), 0)
    assert bars.panel([], as_of(DAYS[0])).symbols == ()


def test_what_is_shipped_is_loaded_once_and_read_as_of_its_last_session(bars: Bars) -> None:
    written = bars.load_shipped()
    assert {name: row.added for name, row in written.items()} == {
        "wiki": 12_154,
        "nse_generated": 11_712,
        "sp500_2010": 122_574,
        "indices": 10_062,
    }
    assert bars.load_shipped() == {}
    day = as_of(LAST_SESSION)
    apple = bars.history("AAPL", day)
    assert (apple.frame["date"][0], apple.frame["date"][-1]) == (date(2000, 3, 1), LAST_SESSION)
    assert apple.frame["close"][-1] == 249.64
    assert apple.frame["close"][0] == 130.31 / 4, "two splits came since"
    about = bars.about("UDAYHOSP.NS", day)
    assert about is not None
    assert (about.is_generated, about.currency, about.exchange) == (True, "INR", "XNSE")
    panel = bars.panel(["AAPL", "DHR", "UDAYHOSP.NS", "ETFC"], day, n=250)
    assert [len(panel.of(symbol).close) for symbol in panel.symbols] == [250, 245, 220, 250]
    danaher = panel.of("DHR").close
    assert np.abs(danaher[1:] / danaher[:-1] - 1).max() < 0.1, "the split of 2010-06-14 is adjusted"


@given(
    lives=st.lists(
        st.tuples(st.integers(0, 900), st.integers(1, 40), st.integers(1, 30)), min_size=1, max_size=4, unique=True
    ),
    day=st.integers(-5, 1000),
    n=st.integers(1, 50),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_stored_nothing_later_than_the_day_is_read(
    store: BarStore, bars: Bars, lives: list[tuple[int, int, int]], day: int, n: int
) -> None:
    start = date(2021, 12, 1)
    closes = {
        f"L{number}": {start + timedelta(days=first + step * bar): 1.0 + bar for bar in range(length)}
        for number, (first, length, step) in enumerate(lives)
    }
    store.write(KEY, Batch(frame_of(closes), {symbol: SeriesFacts() for symbol in closes}, is_whole=True))
    seen = as_of(start + timedelta(days=day))
    panel = bars.panel(closes, seen, n=n)
    for symbol, days in closes.items():
        visible = sorted(known for known in days if known <= seen.day)
        if not visible:
            assert symbol in panel.missing
            continue
        assert bars.history(symbol, seen).frame["date"].to_list() == visible
        for found in (panel.of(symbol), bars.panel([symbol], seen, n=n).of(symbol)):
            assert found.dates.astype(object).tolist() == visible[-n:]
            assert found.close.tolist() == [days[known] for known in visible[-n:]]
