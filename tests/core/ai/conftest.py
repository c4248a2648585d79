"""What the tests of the AI area share."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.ai.prices import PriceBook
from core.settings import DATA


@pytest.fixture(scope="session")
def shipped_prices() -> PriceBook:
    """The price tables that the program ships with."""
    return PriceBook.load(DATA / "prices")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for tables."""
    made = tmp_path / "tables"
    made.mkdir()
    return made
