"""Statements as a tool tells them, against an independent reading of the shipped facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from core.errors import InvalidRequest, NotConfigured, NotFound
from core.market.fundamentals import priced_by
from core.market.key_statistics import Shape
from core.market.statement_table import shipped_table
from core.principal import Principal
from core.research.tools.statements import SHAPES, UNITS, Statements
from core.settings import DATA
from core.workbench import Workbench
from tests.conftest import member_factory
from tests.core.market.edgar_answers import FACTS, company_facts
from tests.core.market.vendor_server import VendorServer
from tests.core.research.tools.market_tools import figures_of, ran, value_of
from tests.eval.reference import reported
from tests.eval.shipped import bars

SYMBOL = "CHAMELI.NS"
YEAR = (date(2009, 4, 1), date(2010, 3, 31))


@pytest.fixture(scope="module")
def statements(shipped: Workbench) -> Statements:
    return Statements(shipped.market)


@pytest.mark.parametrize(
    ("which", "line", "tag", "start"),
    [
        ("income", "revenue", "Revenues", YEAR[0]),
        ("income", "net_income", "NetIncomeLoss", YEAR[0]),
        ("balance", "total_assets", "Assets", None),
    ],
    ids=["revenue", "income", "assets"],
)
def test_lines_are_those_that_were_reported(
    statements: Statements, ann: Principal, which: str, line: str, tag: str, start: date | None
) -> None:
    result = ran(statements, ann, symbol=SYMBOL, which=which)
    expected = reported(SYMBOL, tag, YEAR[1], start)
    assert value_of(result, f"reported_{line}", SYMBOL, YEAR[1]) == expected
    [figure] = figures_of(result, f"reported_{line}", day=YEAR[1])
    assert (figure.unit, figure.currency, figure.first) == ("money", "INR", start)
    values = next(each["values"] for each in result.content["lines"] if each["key"] == line)
    assert values[0] == expected
    assert result.content["periods"][0]["end"] == "2010-03-31"
    assert result.content["periods"][0]["filed"] == "2010-05-22"
    assert result.source is not None
    assert result.source.is_generated


def test_periods_and_frequency_are_asked_for(statements: Statements, ann: Principal) -> None:
    result = ran(statements, ann, symbol=SYMBOL, frequency="quarterly", periods=2)
    assert [period["end"] for period in result.content["periods"]] == ["2010-06-30", "2010-03-31"]
    assert all(len(line["values"]) == 2 for line in result.content["lines"])
    assert result.table is not None
    assert result.table.columns == ("Line", "2010-06-30", "2010-03-31")
    assert all(len(row) == 3 for row in result.table.rows)


def test_statistics_are_those_of_the_fundamentals(shipped: Workbench, statements: Statements, ann: Principal) -> None:
    market = shipped.market
    as_of = market.time.of(ann)
    prices = priced_by(market.quotes, market.bars, as_of, ann.org_id)
    expected = {one.key: one.value for one in market.fundamentals.of(as_of, symbol=SYMBOL, priced_by=prices).statistics}
    result = ran(statements, ann, symbol=SYMBOL, statistics=True)
    for key, value in expected.items():
        found = figures_of(result, f"statistic_{key}")
        assert [figure.value for figure in found] == ([] if value is None else [float(value)])
    told = {each["key"]: each["value"] for each in result.content["statistics"]}
    assert told["price_to_earnings"] == pytest.approx(bars(SYMBOL).close[-1] / told["earnings_per_share"], rel=1e-4)
    assert "statistics" not in ran(statements, ann, symbol=SYMBOL).content


def test_what_was_filed_later_is_not_told(statements: Statements, ann: Principal) -> None:
    result = ran(statements, replace(ann, as_of=date(2010, 5, 21)), symbol=SYMBOL)
    assert result.content["periods"][0]["end"] == "2009-03-31"
    assert max(period["filed"] for period in result.content["periods"]) < "2010-05-22"


def test_a_live_statement_names_the_filing(live: Workbench, vendors: VendorServer) -> None:
    vendors.answers[FACTS] = company_facts(revenue=400)
    who = member_factory(live)("cleo")
    result = ran(Statements(live.market), who, symbol="ACME")
    assert value_of(result, "reported_revenue", "ACME", date(2025, 12, 31)) == 400
    assert result.source is not None
    assert (
        result.source.url
        == "https://www.sec.gov/Archives/edgar/data/1/000000000126000001/0000000001-26-000001-index.htm"
    )
    assert live.usage.overview(who).allowances["sec_filings_month"].used == 0


def test_there_is_a_sentence_for_what_there_is_not(live: Workbench, statements: Statements, ann: Principal) -> None:
    with pytest.raises(NotConfigured):
        ran(statements, ann, symbol="AAPL")
    with pytest.raises(NotFound):
        ran(Statements(live.market), member_factory(live)("cleo"), symbol="NOCIK")
    with pytest.raises(InvalidRequest):
        ran(statements, ann, symbol="; drop table")
    for arguments in ({"periods": 10_000}, {"which": "gossip"}, {"frequency": "hourly"}, {"portfolio": "x"}):
        with pytest.raises(ValidationError):
            ran(statements, ann, symbol=SYMBOL, **arguments)


def test_every_line_is_of_a_measure_that_answers_know() -> None:
    rows = yaml.safe_load(Path(DATA / "measures.yaml").read_text("utf-8"))["measures"]
    measures = {row["key"]: row["unit"] for row in rows}
    for statement in shipped_table().statements:
        for line in statement.lines:
            assert measures[f"reported_{line.key}"] == UNITS[line.unit], line.key


def test_every_statistic_is_of_a_measure_that_answers_know(shipped: Workbench, ann: Principal) -> None:
    rows = yaml.safe_load(Path(DATA / "measures.yaml").read_text("utf-8"))["measures"]
    measures = {row["key"]: row["unit"] for row in rows}
    found = shipped.market.fundamentals.of(shipped.market.time.of(ann), symbol=SYMBOL).statistics
    assert set(SHAPES) == set(Shape)
    for one in found:
        assert measures[f"statistic_{one.key}"] == SHAPES[one.shape], one.key
