"""A workbench with the shipped market and a worker at work, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, copied, make_settings, member_factory


@pytest.fixture(scope="module")
def working(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Everything that tests leave in it, others of the module find."""
    with copied(server_url, template) as url:
        settings = make_settings(url, tmp_path_factory.mktemp("screener"), SCAN_PROCESSES="2")
        with closing(open_workbench(settings)) as opened:
            opened.market.load_shipped()
            worker = opened.worker()
            worker.start()
            yield opened
            worker.stop()


@pytest.fixture(scope="module")
def made(working: Workbench) -> MakeMember:
    """Makes users of it, as `member` does."""
    return member_factory(working)
