"""Records of signals as a tool tells them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from pydantic import ValidationError

from core.errors import InvalidRequest, NotEnoughData, NotFound
from core.market.as_of import AsOf, Reason
from core.principal import Principal
from core.research.tools.signal_record import LABELS, SignalRecord, signal_of
from core.screener.records import wilson
from core.workbench import Workbench
from tests.conftest import member_factory
from tests.core.research.tools.market_tools import figures_of, ran, value_of

LAST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def record(shipped: Workbench) -> SignalRecord:
    return SignalRecord(shipped.market, shipped.screener)


def test_a_symbols_own_record_is_computed(shipped: Workbench, record: SignalRecord, ann: Principal) -> None:
    result = ran(record, ann, signal="RSI leaves oversold" if "rsi" in LABELS else "close_over_50", symbol="AAPL")
    as_of = shipped.market.time.of(ann)
    expected = shipped.screener.records.of_symbol(result.content["signal"], "AAPL", as_of, ann.org_id)[20]
    assert expected.n >= 30
    assert value_of(result, "signals") == expected.n
    assert value_of(result, "hits") == expected.hits
    assert value_of(result, "hit_rate") == pytest.approx(expected.hits / expected.n)
    interval = wilson(expected.hits, expected.n)
    assert interval is not None
    assert (value_of(result, "hit_rate_low"), value_of(result, "hit_rate_high")) == pytest.approx(interval)
    assert value_of(result, "base_rate") == expected.base_rate
    assert value_of(result, "median_move") == expected.median_move
    assert {figure.unit for figure in figures_of(result, "hit_rate")} == {"fraction"}
    assert any("Wilson" in note for note in result.notes)


def test_too_few_signals_are_said_to_be(record: SignalRecord, ann: Principal) -> None:
    result = ran(record, ann, signal="Golden cross", symbol="AAPL", sessions=60)
    assert result.content["n"] < 30
    assert result.content["confidence"] is None
    assert any("Too few" in note for note in result.notes)


def test_nothing_after_the_chosen_day_counts(record: SignalRecord, ann: Principal) -> None:
    past = replace(ann, as_of=date(2005, 3, 4))
    early = ran(record, past, signal="close_over_50", symbol="AAPL")
    assert early.content["as_of"] == "2005-03-04"
    assert str(early.content["last_day"]) < "2005-03-04"
    assert early.content["n"] < ran(record, ann, signal="close_over_50", symbol="AAPL").content["n"]


def test_a_universe_without_a_record_says_so(record: SignalRecord, ann: Principal) -> None:
    with pytest.raises(NotEnoughData, match="No record of Golden cross on S&P 500"):
        ran(record, ann, signal="golden_cross")


@pytest.mark.slow
def test_a_universes_record_is_the_newest_that_was_known(workbench: Workbench) -> None:
    market = workbench.market
    market.load_shipped()
    who = member_factory(workbench)("cleo")
    plan = workbench.screener.planner.plan("nse_generated", market.time.of(who), None)
    for day in (date(2010, 6, 1), LAST):
        as_of = AsOf(day, Reason.CHOSEN, market.clock.now())
        workbench.screener.records.update("nse_generated", plan.symbols, as_of)
    tool = SignalRecord(market, workbench.screener)
    newest = ran(tool, who, signal="close_over_50", universe="Generated Indian market")
    assert newest.content["as_of"] == "2010-08-20"
    assert newest.source is not None
    assert newest.source.is_generated
    earlier = ran(tool, replace(who, as_of=date(2010, 7, 1)), signal="close_over_50", universe="nse_generated")
    assert earlier.content["as_of"] == "2010-06-01"
    assert earlier.content["n"] < newest.content["n"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("golden_cross", "golden_cross"),
        ("Golden Cross", "golden_cross"),
        ("golden crosses", "golden_cross"),
        ("20-day breakout", "breakout_20"),
        ("MACD over its signal", "macd_over_signal"),
    ],
    ids=["id", "label", "plural", "days", "words"],
)
def test_a_signal_is_known_by_its_id_and_label(named: str, expected: str) -> None:
    assert signal_of(named) == expected


def test_every_signal_is_known_by_both() -> None:
    labels = [*LABELS.values()]
    for type_id, label in LABELS.items():
        assert signal_of(type_id) == type_id
        if labels.count(label) == 1:
            assert signal_of(label) == type_id


def test_there_is_a_sentence_for_what_there_is_not(record: SignalRecord, ann: Principal) -> None:
    with pytest.raises(NotFound, match="There is no signal 'full moon'"):
        ran(record, ann, signal="full moon", symbol="AAPL")
    with pytest.raises(NotFound, match="There is no universe 'moon stocks'"):
        ran(record, ann, signal="golden_cross", universe="moon stocks")
    with pytest.raises(NotEnoughData, match="no bars of NOSUCH"):
        ran(record, ann, signal="golden_cross", symbol="NOSUCH")
    with pytest.raises(InvalidRequest):
        ran(record, ann, signal="golden_cross", symbol="<b>")
    with pytest.raises(ValidationError):
        ran(record, ann, signal="golden_cross", symbol="AAPL", sessions=7)
