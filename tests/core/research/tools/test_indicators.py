"""Indicators as a tool tells them, against an independent reading of the shipped files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import yaml

from core.errors import InvalidRequest, NotFound
from core.principal import Principal
from core.research.tools.field_figures import MEASURES, field_figures
from core.research.tools.indicators import OFFERED, USUAL, Indicators
from core.screener.fields import FIELDS
from core.settings import DATA
from core.workbench import Workbench
from tests.core.research.tools.market_tools import ran, value_of
from tests.eval.measures import average, rsi
from tests.eval.reference import high_52, volatility_20
from tests.eval.shipped import bars

LAST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def indicators(shipped: Workbench) -> Indicators:
    return Indicators(shipped.market)


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "KO", "CHAMELI.NS"])
def test_indicators_are_those_of_the_bars(indicators: Indicators, ann: Principal, symbol: str) -> None:
    names = [*("sma_20", "sma_50", "sma_200", "rsi_14", "week52_high", "week52_low", "volatility_20"), "from_sma_200"]
    result = ran(indicators, ann, symbol=symbol, names=[*names, "from_week52_high", "volume_sma_20", "return_20"])
    told = bars(symbol)
    for n in (20, 50, 200):
        assert value_of(result, f"sma_{n}", symbol, LAST) == pytest.approx(average(told, n))
    assert value_of(result, "rsi_14") == pytest.approx(rsi(told.close, 14), abs=1e-6)
    assert value_of(result, "high_52w") == pytest.approx(high_52(symbol))
    assert value_of(result, "low_52w") == pytest.approx(high_52(symbol, lowest=True))
    assert value_of(result, "volatility") == pytest.approx(volatility_20(symbol))
    assert value_of(result, "mean_volume_20") == pytest.approx(average(told, 20, "volume"))
    assert value_of(result, "distance_sma_200") == pytest.approx(told.close[-1] / average(told, 200) - 1)
    assert value_of(result, "distance_52w_high") == pytest.approx(told.close[-1] / high_52(symbol) - 1)
    assert value_of(result, "return_20") == pytest.approx(told.close[-1] / told.close[-21] - 1)


def test_the_usual_ones_are_told_where_none_is_named(indicators: Indicators, ann: Principal) -> None:
    result = ran(indicators, ann, symbol="aapl")
    assert [each["name"] for each in result.content["indicators"]] == [*USUAL]
    assert result.table is not None
    assert len(result.table.rows) == len(USUAL)
    assert result.words == "Indicators of AAPL on 20 August 2010"


def test_a_past_day_is_told_of_its_own_bars(indicators: Indicators, ann: Principal) -> None:
    day = date(2010, 3, 5)
    result = ran(indicators, ann, symbol="AAPL", names=["close", "sma_20"], day=day)
    told, end = bars("AAPL"), bars("AAPL").up_to(day)
    assert value_of(result, "close", "AAPL", day) == pytest.approx(told.close[end - 1])
    assert value_of(result, "sma_20", "AAPL", day) == pytest.approx(sum(told.close[end - 20 : end]) / 20)
    later = ran(indicators, replace(ann, as_of=day), symbol="AAPL", names=["close"], day=LAST)
    assert later.content["day"] == "2010-03-05"


def test_what_is_not_defined_is_null_and_no_figure(indicators: Indicators, ann: Principal) -> None:
    result = ran(indicators, ann, symbol="KO", names=["sma_200", "close"], day=date(2009, 10, 1))
    assert {each["name"]: each["value"] is None for each in result.content["indicators"]} == {
        "sma_200": True,
        "close": False,
    }
    assert not [figure for figure in result.figures if figure.measure == "sma_200"]
    assert any("Not defined" in note for note in result.notes)


def test_what_is_generated_is_said_to_be(indicators: Indicators, ann: Principal) -> None:
    source = ran(indicators, ann, symbol="CHAMELI.NS").source
    assert source is not None
    assert source.is_generated


def test_there_is_a_sentence_for_what_there_is_not(indicators: Indicators, ann: Principal) -> None:
    with pytest.raises(InvalidRequest, match="There is no indicator 'ichimoku'"):
        ran(indicators, ann, symbol="AAPL", names=["ichimoku"])
    with pytest.raises(NotFound, match="no bars of NOSUCH"):
        ran(indicators, ann, symbol="NOSUCH")


def test_every_field_is_of_a_measure_that_answers_know() -> None:
    measures = {row["key"]: row["unit"] for row in yaml.safe_load((DATA / "measures.yaml").read_text())["measures"]}
    for name in {*OFFERED, *(each for each, field in FIELDS.items() if field.is_number)}:
        (figure,) = field_figures("AAPL", name, 1.0, day=LAST, currency="USD")
        assert figure.measure in measures
        if name in MEASURES:
            assert figure.unit == measures[figure.measure], name
