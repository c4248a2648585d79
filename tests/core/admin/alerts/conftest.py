"""Alerts on a workbench of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MoveTime, make_settings
from tests.core.admin.alerts.alerts_made import NOON, Made, make
from tests.fakes.mail_server import MailServer


@pytest.fixture
def made(workbench: Workbench, mail_server: MailServer, database_url: str, tmp_path: Path) -> Iterator[Made]:
    """Alerts that mail and webhooks leave, as an installation without addresses of its own has them."""
    opened = make(workbench, make_settings(database_url, tmp_path, SMTP_URL=mail_server.url), mail_server, tmp_path)
    with opened.hook:
        yield opened
    opened.area.close()


@pytest.fixture
def olga(workbench: Workbench) -> Principal:
    """An operator, in an organisation of her own."""
    workbench.directory.add_user(
        "olga@test.example", org_name="Olga's", plan="team", role=Role.OWNER, password=None, is_operator=True
    )
    return workbench.directory.member("olga@test.example", "Olga's")


@pytest.fixture
def noon(move_time: MoveTime) -> MoveTime:
    """It is noon."""
    move_time(NOON)
    return move_time
