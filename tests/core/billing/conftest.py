"""A shop for each test: a workbench, and a local server that speaks Stripe's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.principal import Principal
from tests.core.billing.selling import Shop, open_shop
from tests.fakes.stripe_server import StripeServer


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    """A local server that speaks Stripe's API."""
    with StripeServer() as server:
        yield server


@pytest.fixture
def shop(database_url: str, tmp_path: Path, stripe: StripeServer) -> Iterator[Shop]:
    """A workbench that sells over it."""
    with open_shop(database_url, tmp_path, stripe) as opened:
        yield opened


@pytest.fixture
def olga(shop: Shop) -> Principal:
    """An owner of an organisation on the free plan."""
    return shop.member("olga", org="Acme")
