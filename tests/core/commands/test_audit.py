"""`python -m core doctor --audit`: prints what differs and where, and the anchor to keep elsewhere."""

from __future__ import annotations

import pytest

from core.__main__ import main
from core.ops.audit_verify import FindingKind
from core.settings import Settings
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.ops.audit_made import record, superuser


@pytest.fixture
def as_set(settings: Settings, monkeypatch: pytest.MonkeyPatch, workbench: Workbench) -> None:
    """The command's environment is that of the test's workbench."""
    assert workbench.settings is settings
    assert settings.database_url is not None
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("ASSAY_HOME", str(settings.assay_home))
    monkeypatch.setenv("ASSAY_DEMO", "0")


@pytest.mark.usefixtures("as_set")
def test_the_doctor_checks_the_audit_log(
    workbench: Workbench, member: MakeMember, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record(workbench.database, member("ann").org_id, 3)
    assert main(["doctor", "--audit"]) == 0
    *_, whole, last = capsys.readouterr().out.splitlines()
    assert whole.startswith("The audit log is as it was sealed:")
    anchor = last.split()[1].rstrip(".")
    assert main(["doctor", "--audit", "--anchor", anchor]) == 0

    with superuser(database_url) as above:
        above.execute("DELETE FROM audit_events WHERE action = 'organisation.changed'")
    assert main(["doctor", "--audit", "--anchor", anchor]) == 1
    told = capsys.readouterr().out
    assert told.count(f"DIFFERENCE {FindingKind.MISSING}: event at place") == 3

    assert main(["doctor", "--audit", "--anchor", "12"]) == 2
    assert "An anchor is the number of a block" in capsys.readouterr().err
