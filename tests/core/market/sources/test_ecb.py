"""New exchange rates of the European Central Bank: asked for where quotes are live, and never trusted unread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.errors import RateLimited, SourceDown
from core.market.market import Market
from core.workbench import open_workbench
from tests.conftest import make_settings
from tests.core.market.test_fx import with_day, zipped
from tests.fakes.market_server import MarketServer

FRIDAY = date(2026, 11, 6)


class At(SystemClock):
    """A clock that stands."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """The moment at which it stands."""
        return self._moment


@pytest.fixture
def market(database_url: str, tmp_path: Path, market_server: MarketServer) -> Iterator[Market]:
    """A live market on a Saturday, a week after the last shipped fixing."""
    with closing(open_workbench(make_settings(database_url, tmp_path, **market_server.environ))) as opened:
        yield replace(opened.market, clock=At(datetime(2026, 11, 7, 12, tzinfo=UTC)))


def test_a_newer_history_is_taken_over_and_then_not_asked_for_again(
    market: Market, market_server: MarketServer
) -> None:
    market_server.reply("ecb", body=with_day(FRIDAY.isoformat(), "1.2345"), content_type="application/zip")
    assert market.refresh_rates()
    assert market.fx.rate("EUR", "USD", FRIDAY) == Decimal("1.2345")
    assert not market.refresh_rates()
    assert [each.path for each in market_server.asked("ecb")] == ["/stats/eurofxref/eurofxref-hist.zip"]


def test_what_is_no_newer_changes_nothing(market: Market, market_server: MarketServer) -> None:
    before = market.fx.version
    market_server.reply("ecb", body=zipped(), content_type="application/zip")
    assert not market.refresh_rates()
    assert market.fx.version == before


@pytest.mark.parametrize(
    "body", [b"<html>Sorry</html>", b"no zip at all", zipped(lambda lines: lines[:50])], ids=["page", "text", "short"]
)
def test_what_is_no_history_is_refused_and_what_was_known_stays(
    market: Market, market_server: MarketServer, body: bytes
) -> None:
    before = market.fx.version
    market_server.reply("ecb", body=body, content_type="application/zip")
    with pytest.raises(SourceDown):
        market.refresh_rates()
    assert market.fx.version == before


@pytest.mark.parametrize(("status", "error"), [(503, SourceDown), (429, RateLimited)])
def test_a_failing_server_is_told_as_such(
    market: Market, market_server: MarketServer, status: int, error: type[Exception]
) -> None:
    market_server.reply("ecb", status=status)
    with pytest.raises(error):
        market.refresh_rates()
    assert market.fx.rate("EUR", "USD", date(2010, 8, 20)) == Decimal("1.2711")


def test_a_failure_of_the_schedule_is_logged_and_asked_again(
    market: Market, market_server: MarketServer, caplog: pytest.LogCaptureFixture
) -> None:
    market_server.reply("ecb", status=404)
    market.keep_rates()
    assert "New exchange rates were not taken over" in caplog.text
    market_server.reply("ecb", body=with_day(FRIDAY.isoformat(), "1.2345"), content_type="application/zip")
    market.keep_rates()
    assert market.fx.last_day == FRIDAY


def test_a_file_without_end_is_not_read_whole(market: Market, market_server: MarketServer) -> None:
    market_server.reply("ecb", megabytes=40)
    with pytest.raises(SourceDown):
        market.refresh_rates()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 10, 30, 20, tzinfo=UTC),
        datetime(2026, 11, 1, 9, tzinfo=UTC),
        datetime(2026, 11, 2, 12, tzinfo=UTC),
    ],
    ids=["the day itself", "Sunday", "Monday before the fixing"],
)
def test_nobody_is_asked_before_there_can_be_newer_rates(
    market: Market, market_server: MarketServer, moment: datetime
) -> None:
    assert not replace(market, clock=At(moment)).refresh_rates()
    assert market_server.asked("ecb") == []


@pytest.mark.parametrize("environ", [{}, {"ECB_ENABLED": "0"}], ids=["nothing live", "switched off"])
def test_where_it_is_off_nobody_is_asked(
    database_url: str, tmp_path: Path, market_server: MarketServer, environ: dict[str, str]
) -> None:
    live = {**market_server.environ, **environ} if environ else {"ECB_BASE_URL": market_server.url}
    with closing(open_workbench(make_settings(database_url, tmp_path, **live))) as opened:
        assert not opened.market.refresh_rates()
    assert market_server.asked("ecb") == []
