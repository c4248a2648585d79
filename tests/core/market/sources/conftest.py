"""A server that speaks for all vendors, and the sources that are pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.market.sources.registry import Sources
from tests.core.market.sources.asking import opened
from tests.fakes.market_server import MarketServer


@pytest.fixture
def market_server() -> Iterator[MarketServer]:
    """Answers for all vendors."""
    with MarketServer() as server:
        yield server


@pytest.fixture
def sources(market_server: MarketServer, tmp_path: Path) -> Iterator[Sources]:
    """Every source, pointed at the server."""
    with opened(market_server, tmp_path) as built:
        yield built
