"""A workbench with the shipped market that the tests of a process share: tools read, and leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import copied, make_settings, member_factory


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


@pytest.fixture(scope="session")
def bob(shipped: Workbench) -> Principal:
    """Somebody of another organisation."""
    return member_factory(shipped)("bob")
