"""Workbenches for tools: a live one, and one with the shipped market, which tests share: tools leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import copied, make_settings, member_factory
from tests.core.market.edgar_answers import SUBMISSIONS, submissions
from tests.core.market.reading import LISTED
from tests.core.market.vendor_server import VendorServer

FILED = [("10-K", "2026-02-20"), ("8-K", "2026-01-28"), ("10-Q", "2025-11-03")]


@pytest.fixture(scope="session")
def shipped(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The workbench, seen as of the last shipped session."""
    folder = tmp_path_factory.mktemp("shipped")
    with copied(server_url, template) as url, closing(open_workbench(make_settings(url, folder))) as opened:
        opened.market.load_shipped()
        yield opened


@pytest.fixture(scope="session")
def ann(shipped: Workbench) -> Principal:
    """Somebody who asks."""
    return member_factory(shipped)("ann")


@pytest.fixture
def vendors() -> Iterator[VendorServer]:
    """A server in the vendors' place, whose SEC knows one company."""
    with VendorServer() as server:
        server.answers[SUBMISSIONS] = submissions(FILED)
        yield server


@pytest.fixture
def live(database_url: str, tmp_path: Path, vendors: VendorServer) -> Iterator[Workbench]:
    """A workbench that asks that server, seen as of today."""
    settings = make_settings(
        database_url,
        tmp_path,
        FMP_API_KEY="unused",
        FMP_BASE_URL=vendors.url,
        FINNHUB_API_KEY="k",
        FINNHUB_BASE_URL=vendors.url,
        SEC_EDGAR_USER_AGENT="Test test@test.example",
        SEC_EDGAR_BASE_URL=vendors.url,
        SEC_EDGAR_WWW_BASE_URL=vendors.url,
        SEC_EDGAR_PER_SECOND="100",
    )
    with closing(open_workbench(settings)) as opened:
        opened.market.instruments.refresh(LISTED)
        yield opened
