"""`python -m core usage prune` as operators run it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.commands import usage
from core.errors import NotConfigured
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime, make_settings
from tests.core.metering.usage_made import Driver, Logged, put

NOW = datetime(2031, 9, 10, 12, tzinfo=UTC)


@pytest.fixture
def log(workbench: Workbench, member: MakeMember, service: Driver, move_time: MoveTime) -> Workbench:
    """Two requests in January, one in February whose cost is not clear, and one in June."""
    move_time(NOW)
    ann = member("ann", org="Acme")
    for month, status in ((1, "success"), (1, "denied"), (2, "unresolved"), (6, "success")):
        put(service, ann, Logged(status=status, at=NOW.replace(month=month)))
    workbench.metering.rollups.make_partitions()
    return workbench


def test_a_dry_run_tells_what_would_go_and_drops_nothing(
    log: Workbench, service: Driver, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings(database_url, tmp_path, USAGE_RETENTION_MONTHS="4")
    assert usage.prune(settings, is_dry_run=True, drops_uncertain=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "2031-01: 2 requests would be exported and dropped.",
        "2031-02: 1 requests stay: 1 calls are unresolved or quarantined: compare them with the provider's bill.",
    ]
    assert service.execute("SELECT count(*) FROM usage_log").fetchone() == (4,)


def test_what_goes_is_told_with_its_file_and_what_stays_with_its_reason(
    log: Workbench, service: Driver, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings(database_url, tmp_path, USAGE_RETENTION_MONTHS="4")
    assert usage.prune(settings, is_dry_run=False, drops_uncertain=False) == 1
    told = capsys.readouterr().out
    (file,) = (settings.assay_home / "usage").iterdir()
    assert f"2031-01: 2 requests are in {file}, SHA-256 " in told
    assert "Requests are kept from 2031-02-01 on." in told
    assert "2031-02: 1 requests stay: 1 calls are unresolved or quarantined" in told
    assert usage.prune(settings, is_dry_run=False, drops_uncertain=True) == 0
    assert "No other month is due." in capsys.readouterr().out
    assert service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,)
    assert log.metering.usage.kept_from() == datetime(2031, 3, 1, tzinfo=UTC)


def test_without_the_setting_it_says_how_to_set_it(workbench: Workbench) -> None:
    with pytest.raises(NotConfigured, match="Set USAGE_RETENTION_MONTHS"):
        usage.prune(workbench.settings, is_dry_run=True, drops_uncertain=False)
