"""Which sources an installation has, in which order, and how often it may ask them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import SystemClock
from core.errors import ConfigurationError
from core.market.sources.contract import ActionSource, Allowance
from core.market.sources.registry import Sources, build_sources
from core.settings import load_settings
from tests.fakes.market_server import MarketServer


def _built(root: Path, **environ: str) -> Sources:
    return build_sources(load_settings(environ, root=root), SystemClock())


def test_without_a_key_there_is_nobody_to_ask(tmp_path: Path) -> None:
    sources = _built(tmp_path)
    assert (sources.quotes, sources.bars, sources.news, sources.filings) == ((), (), (), None)
    sources.close()


@pytest.mark.parametrize(
    ("first", "ladder"),
    [("alphavantage", ["alphavantage", "fmp", "yahoo"]), ("fmp", ["fmp", "alphavantage", "yahoo"])],
)
def test_the_ladder_begins_with_the_one_that_the_setting_names(
    first: str, ladder: list[str], market_server: MarketServer, tmp_path: Path
) -> None:
    sources = _built(tmp_path, **market_server.environ, STOCK_API_PROVIDER=first)
    assert [source.name for source in sources.quotes] == ladder
    assert [source.name for source in sources.bars] == ladder
    assert [source.name for source in sources.news] == ["finnhub", "brave"]
    sources.close()


def test_yahoo_is_asked_only_where_it_is_switched_on(market_server: MarketServer, tmp_path: Path) -> None:
    sources = _built(tmp_path, **{**market_server.environ, "YAHOO_ENABLED": "0"})
    assert [source.name for source in sources.quotes] == ["alphavantage", "fmp"]


def test_who_tells_splits_on_their_own_is_known_and_who_tells_them_with_the_bars(sources: Sources) -> None:
    told = {source.name: isinstance(source, ActionSource) for source in sources.bars}
    assert told == {"alphavantage": True, "fmp": True, "yahoo": False}


def test_allowances_are_the_free_ones_unless_settings_say_otherwise(
    market_server: MarketServer, tmp_path: Path
) -> None:
    sources = _built(
        tmp_path, **market_server.environ, FMP_PER_DAY="10000", FMP_PER_MINUTE="300", BRAVE_PER_SECOND="20"
    )
    told = [source for source in (*sources.quotes, *sources.news, sources.filings) if source is not None]
    assert {source.name: getattr(source, "allowance") for source in told} == {  # noqa: B009
        "alphavantage": Allowance(per_second=1, per_day=25),
        "fmp": Allowance(per_minute=300, per_day=10_000),
        "yahoo": Allowance(per_second=2),
        "finnhub": Allowance(per_minute=60),
        "brave": Allowance(per_second=20),
        "sec_edgar": Allowance(per_second=10),
    }


@pytest.mark.parametrize("told", ["0", "-1", "many", "1.5", "1e3", "９", "99999999999"])
def test_an_allowance_that_is_no_number_names_its_variable(
    told: str, market_server: MarketServer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="FMP_PER_DAY"):
        _built(tmp_path, **market_server.environ, FMP_PER_DAY=told)
