"""Admin: an operator sees how each source fares, what was asked of it and what failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbenches
from core.errors import SourceError
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from pages.components import session
from tests.conftest import MakeMember, make_settings
from tests.fakes.market_server import KEY, MarketServer

MAIN = str(ROOT / "pages" / "main.py")


@pytest.fixture
def vendors() -> Iterator[MarketServer]:
    """A server that speaks for all vendors."""
    with closing(MarketServer()) as server:
        yield server


@pytest.fixture
def live(
    workbench: Workbench, database_url: str, tmp_path: Path, vendors: MarketServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workbench]:
    """In place of the workbench without sources, one whose sources are the server."""
    environ = {name: value for name, value in vendors.environ.items() if name != "YAHOO_ENABLED"}
    with closing(open_workbench(make_settings(database_url, tmp_path, **environ))) as opened:
        monkeypatch.setattr(workbenches, "_current", opened)
        yield opened


def test_each_source_shows_its_allowance_and_its_last_failure(
    live: Workbench, vendors: MarketServer, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = replace(member("olga"), is_operator=True)
    monkeypatch.setattr(session, "current_principal", lambda: operator)
    market = live.market
    fmp = next(source for source in market.sources.quotes if source.name == "fmp")
    vendors.reply("fmp", status=503)
    with pytest.raises(SourceError):
        market.gate.call(fmp, lambda: fmp.quote("AAPL"))
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    app.query_params["section"] = "sources"
    app.switch_page("admin.py").run()
    assert not app.exception
    words = " ".join(part.value for part in (*app.markdown, *app.text)).replace("\\", "")
    assert "Financial Modeling Prep" in words
    assert "it could not be reached, or its answer could not be read" in words
    assert "of 250 this day" in words
    assert "Set YAHOO_ENABLED=1; its terms allow personal use only." in words
    assert "API_KEY" not in words
    assert KEY not in words
