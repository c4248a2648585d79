"""Two people of an organisation, and what is recorded of them."""

from __future__ import annotations

import pytest

from core.principal import Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.ops.audited_scene import PASSWORD, Connection, Ledger, Scene


@pytest.fixture
def scene(workbench: Workbench, member: MakeMember, service: Connection) -> Scene:
    """Ann owns Acme, in which Bob is an analyst."""
    ann = member("ann", org="Acme", plan="team", password=PASSWORD)
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST, password=PASSWORD)
    return Scene(workbench, ann, bob, Ledger(service))
