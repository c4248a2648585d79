"""The research part of the Portfolio page over a provider that answers late, or fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import workbench as workbench_module
from core.principal import Principal
from core.research.bundle import Bundle
from core.workbench import Workbench
from tests.conftest import member_factory
from tests.core.market.vendor_server import VendorServer
from tests.core.research.bundles_made import (
    PartServer,
    answered,
    assert_balanced,
    live_bench,
    portfolio,
    settled,
    used,
    written,
)
from tests.fakes.scripted_server import Reply
from tests.pages.signed_in import carry, open_page, open_session, press, words_of

PAGE, TAB = "portfolio.py", "Research"


@pytest.fixture
def server() -> Iterator[PartServer]:
    """A provider that answers the questions of bundles."""
    with PartServer() as given:
        yield given


@pytest.fixture
def bench(database_url: str, tmp_path: Path, server: PartServer) -> Iterator[Workbench]:
    """A workbench over it."""
    with VendorServer() as vendor, live_bench(database_url, tmp_path, server, vendor) as given:
        yield given


@pytest.fixture
def ann(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in owner who agreed."""
    monkeypatch.setattr(workbench_module, "_current", bench)
    who = member_factory(bench)("ann", plan="basic")
    carry(open_session(bench, who), monkeypatch)
    bench.bundles.agree(who)
    return who


def test_parts_come_one_by_one_and_reruns_meanwhile_begin_nothing(
    bench: Workbench, ann: Principal, server: PartServer
) -> None:
    gate = threading.Event()
    server.replies = lambda part, symbols: Reply(text=written(part, symbols), gate=None if part == "filings" else gate)
    held = portfolio(bench, ann, ["S000"])
    app = open_page(PAGE, tab=TAB, portfolio=str(held))
    for _ in range(3):
        app.run()
    assert not app.exception
    assert words_of(app).count("It is being made for") >= 2
    gate.set()
    settled(bench.bundles, ann, held)
    app.run()
    assert "It is being made" not in words_of(app)
    assert sorted(part for part, _ in server.asked) == ["filings", "news", "sentiment"]
    assert used(bench, ann) == 3
    assert_balanced(bench)


def test_what_failed_says_why_and_is_tried_again_by_its_button_alone(
    bench: Workbench, ann: Principal, server: PartServer
) -> None:
    server.replies = lambda part, symbols: Reply(text="I cannot.") if part == "news" else answered(part, symbols)
    held = portfolio(bench, ann, ["S000"])
    open_page(PAGE, tab=TAB, portfolio=str(held))
    assert _states(settled(bench.bundles, ann, held)) == ["failed", "ready", "ready"]
    app = open_page(PAGE, tab=TAB, portfolio=str(held))
    assert "does not follow the schema" in words_of(app)
    assert _states(settled(bench.bundles, ann, held))[0] == "failed", "opening it does not try again"
    assert used(bench, ann) == 2
    server.replies = answered
    press(app, "Try news again · 1 chat query")
    assert _states(settled(bench.bundles, ann, held)) == ["ready"] * 3
    assert used(bench, ann) == 3
    assert_balanced(bench)


def _states(bundle: Bundle) -> list[str]:
    return [part.state for part in bundle.parts]
