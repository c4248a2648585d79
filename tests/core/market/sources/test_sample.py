"""What is shipped: the files are those that were made, and nothing later than the day is told of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from core.errors import NoData
from core.market.sources.contract import ActionKind
from core.market.sources.sample import LAST_SESSION, SampleSource, ShippedDataset, read_datasets
from core.settings import DATA


@pytest.mark.parametrize("dataset", read_datasets(), ids=lambda dataset: dataset.name)
def test_every_file_is_the_one_that_was_made(dataset: ShippedDataset) -> None:
    assert hashlib.sha256(dataset.path.read_bytes()).hexdigest() == dataset.sha256
    frame = pl.read_parquet(dataset.path)
    assert not frame.select("symbol", "date").is_duplicated().any()
    assert frame.null_count().sum_horizontal().item() == 0
    assert dataset.actions.keys() <= set(frame["symbol"])


@pytest.mark.parametrize("name", ["sp500_2010", "nse_generated"])
def test_a_universe_lists_the_symbols_of_its_bars_with_their_first_and_last_day(name: str) -> None:
    members = pl.read_csv(DATA / "universes" / f"{name}.csv", try_parse_dates=True)
    bars = pl.read_parquet(DATA / "sample" / f"{name}.parquet")
    spans = bars.group_by("symbol").agg(first_day=pl.col("date").min(), last_day=pl.col("date").max()).sort("symbol")
    assert members.select("symbol", "first_day", "last_day").sort("symbol").equals(spans)
    assert members["is_generated"].all() == members["is_generated"].any() == (name == "nse_generated")
    if name == "nse_generated":
        assert members["name"].str.ends_with("(generated)").all()


def test_a_quote_is_the_last_close_of_the_last_session() -> None:
    quote = SampleSource().quote("AAPL")
    assert (quote.price, quote.previous_close, quote.currency) == (Decimal("249.64"), Decimal("249.88"), "USD")
    assert quote.as_of == datetime(2010, 8, 20, 20, tzinfo=UTC)
    indian = SampleSource().quote("EKTAINFO.NS")
    assert (indian.currency, indian.as_of) == ("INR", datetime(2010, 8, 20, 10, tzinfo=UTC))
    assert SampleSource().is_generated("EKTAINFO.NS")
    assert not SampleSource().is_generated("AAPL")


def test_the_close_before_a_split_is_no_previous_close() -> None:
    quote = SampleSource(day=date(2010, 6, 14)).quote("DHR")
    assert (quote.price, quote.previous_close, quote.change_pct) == (Decimal("39.66"), None, None)


def test_nothing_later_than_the_day_is_told() -> None:
    source = SampleSource(day=date(2005, 2, 25))
    history = source.bars("AAPL", date(2000, 1, 1), date(2013, 1, 1))
    assert history.frame["date"][-1] == date(2005, 2, 25)
    assert [action.ex_date for action in history.actions] == [date(2000, 6, 21)]
    assert SampleSource().bars("AAPL", date(2000, 1, 1), date(2013, 1, 1)).frame["date"][-1] == LAST_SESSION
    with pytest.raises(NoData):
        SampleSource().quote("FB")


def test_dividends_are_those_that_the_source_applied_to_the_cent() -> None:
    paid = {
        action.ex_date: action.value
        for action in SampleSource().bars("IBM", date(2009, 1, 1), LAST_SESSION).actions
        if action.kind is ActionKind.DIVIDEND
    }
    assert [paid[day] for day in sorted(paid)] == [
        Decimal(text) for text in "0.5 0.55 0.55 0.55 0.55 0.65 0.65".split()
    ]
