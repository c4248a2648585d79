"""Closes of many symbols: as the histories say, and with an origin that changes where they may."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.db.engine import Database
from core.market.bar_store import BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.closes import Origin
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from tests.core.market.bars_made import as_of, frame_of

DAYS = [date(2009, 12, 21) + timedelta(days=number) for number in range(20)]
SPLIT = CorporateAction(DAYS[12], ActionKind.SPLIT, Decimal(4))
LAST = as_of(DAYS[-1])
KEY = DatasetKey("fetched", "test", "a test")


@pytest.fixture
def store(database: Database, tmp_path: Path) -> BarStore:
    """Raw bars with a split, adjusted ones with the same, and plain ones, over the turn of a year."""
    made = BarStore(database, tmp_path / "bars")
    closes = {
        "RAW": {day: 100.0 if day < SPLIT.ex_date else 25.0 for day in DAYS},
        "PLAIN": {day: 5.0 + place for place, day in enumerate(DAYS)},
    }
    facts = {"RAW": SeriesFacts("USD", "XNYS", actions=(SPLIT,)), "PLAIN": SeriesFacts("USD", "XNYS")}
    made.write(KEY, Batch(frame_of(closes), facts))
    adjusted = SeriesFacts("EUR", "XPAR", Adjustment.SPLIT, adjusted_through=DAYS[-1], actions=(SPLIT,))
    other = DatasetKey("fetched", "adjusted", "a test")
    made.write(other, Batch(frame_of({"ADJUSTED": dict.fromkeys(DAYS, 25.0)}), {"ADJUSTED": adjusted}))
    return made


@pytest.fixture
def bars(store: BarStore) -> Bars:
    """Bars on that store."""
    return Bars(store)


@pytest.mark.parametrize("day", [DAYS[5], DAYS[-1]], ids=["before the split", "after it"])
@pytest.mark.parametrize("first", [None, DAYS[3], DAYS[14]], ids=["all", "most", "some"])
def test_closes_are_those_of_the_histories(bars: Bars, day: date, first: date | None) -> None:
    origins = bars.origins(["RAW", "PLAIN", "ADJUSTED", "NONE"], as_of(day))
    assert set(origins.of) == {"RAW", "PLAIN", "ADJUSTED"}
    found = bars.closes(origins, ["RAW", "ADJUSTED", "PLAIN", "NONE"], first=first)
    assert set(found) == (set() if first is not None and first > day else {"RAW", "PLAIN", "ADJUSTED"})
    for symbol, closes in found.items():
        expected = bars.history(symbol, as_of(day), first=first).frame
        assert closes.days.astype(object).tolist() == expected["date"].to_list()
        assert closes.close.tolist() == expected["close"].to_list()
    assert bars.closes(origins, []) == {}


def test_a_bar_without_a_close_has_nan(store: BarStore, bars: Bars) -> None:
    frame = frame_of({"GAP": {DAYS[0]: 1.0, DAYS[1]: 2.0}})
    gap = frame.with_columns(close=pl.when(pl.col("date") == DAYS[1]).then(None).otherwise("close"))
    store.write(KEY, Batch(gap, {"GAP": SeriesFacts()}))
    assert np.isnan(bars.closes(bars.origins(["GAP"], LAST), ["GAP"])["GAP"].close).tolist() == [False, True]


def test_an_origin_tells_what_closes_are_made_of(bars: Bars) -> None:
    origins = bars.origins(["RAW", "ADJUSTED"], LAST)
    assert (origins.of["ADJUSTED"].currency, origins.of["ADJUSTED"].exchange) == ("EUR", "XPAR")
    assert origins.of["RAW"].splits == origins.of["ADJUSTED"].splits == ((SPLIT.ex_date, 4.0),)
    assert [year for year, _ in origins.of["RAW"].files] == [2009, 2010]
    earlier = bars.origins(["RAW", "ADJUSTED"], as_of(DAYS[5]))
    assert earlier.of["RAW"].splits == ()
    assert [year for year, _ in earlier.of["RAW"].files] == [2009]
    for symbol in ("RAW", "ADJUSTED"):
        assert _changed(earlier.of[symbol], origins.of[symbol]) == date.min, "they are told in other shares"


def test_an_origin_says_from_when_on_closes_may_differ(store: BarStore, bars: Bars) -> None:
    before = bars.origins(["PLAIN"], LAST).of["PLAIN"]
    assert _changed(before, bars.origins(["PLAIN"], LAST).of["PLAIN"]) is None
    store.write(KEY, Batch(frame_of({"PLAIN": {DAYS[-1]: 99.0}}), {"PLAIN": SeriesFacts("USD", "XNYS")}))
    later = bars.origins(["PLAIN"], LAST).of["PLAIN"]
    assert _changed(before, later) == date(2010, 1, 1)
    store.write(KEY, Batch(frame_of({"PLAIN": {DAYS[0]: 99.0}}), {"PLAIN": SeriesFacts("USD", "XNYS")}))
    assert _changed(later, bars.origins(["PLAIN"], LAST).of["PLAIN"]) == date(2009, 1, 1)
    split = SeriesFacts("USD", "XNYS", actions=(SPLIT,))
    store.write(KEY, Batch(frame_of({"PLAIN": {DAYS[-1]: 99.0}}), {"PLAIN": split}))
    assert _changed(later, bars.origins(["PLAIN"], LAST).of["PLAIN"]) == date.min


def _changed(before: Origin, after: Origin) -> date | None:
    return after.changed_since(before.form, dict(before.files))
