"""What tests of metering share: who runs the installation, and that the books balance in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.metering.books import audit
from core.principal import Principal, Role
from core.workbench import Workbench


@pytest.fixture
def books_balance(workbench: Workbench) -> Iterator[None]:
    """After the test the books balance."""
    yield
    assert audit(workbench.database).differences == []


@pytest.fixture
def operator(workbench: Workbench) -> Principal:
    """Who runs the installation."""
    workbench.directory.add_user(
        "op@test.example", org_name="The house", plan="team", role=Role.OWNER, is_operator=True
    )
    return workbench.directory.member("op@test.example", "The house")
