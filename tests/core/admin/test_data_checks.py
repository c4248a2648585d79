"""Checks of the data: on demand, of what the organisation sees, for those who manage it."""

from __future__ import annotations

import pytest

from core.admin.data_checks import DataChecks
from core.errors import Forbidden, NotFound
from core.market.bar_checks import Severity
from core.principal import Role
from core.workbench import Workbench
from tests.conftest import MakeMember


@pytest.fixture
def checks(workbench: Workbench) -> DataChecks:
    """Over the shipped history."""
    workbench.market.load_shipped()
    return DataChecks(workbench.market)


def test_a_universe_is_looked_through_and_every_finding_is_counted(checks: DataChecks, member: MakeMember) -> None:
    ann = member("ann")
    universe = checks.universes(ann)[0]
    report = checks.run(ann, universe.id)
    assert (report.universe, report.symbols) == (universe.title, universe.members)
    assert len(report.findings) == min(200, sum(report.counts.values()))
    ranks = [list(Severity).index(each.severity) for each in report.findings]
    assert ranks == sorted(ranks)
    assert report.stale <= report.symbols


def test_another_organisations_universe_is_not_found(checks: DataChecks, member: MakeMember) -> None:
    with pytest.raises(NotFound):
        checks.run(member("ann"), "no-such-universe")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_who_manages_nothing_checks_nothing(checks: DataChecks, member: MakeMember, role: Role) -> None:
    ann = member("ann", role=role)
    with pytest.raises(Forbidden):
        checks.universes(ann)
    with pytest.raises(Forbidden):
        checks.run(ann, "sp500")
