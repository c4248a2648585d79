"""What the demo shows beside its usage: something in each part of the administration, said to be generated, once."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.accounts.demo import ORGANISATION, USERS
from core.admin.demo_usage import MADE, VARIANT
from core.metering.books import audit
from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MoveTime

Service = psycopg.Connection[tuple[Any, ...]]


def _admin(workbench: Workbench) -> Principal:
    return workbench.directory.member(USERS[0].email, ORGANISATION)


def test_every_part_of_the_administration_has_something_to_show(workbench: Workbench) -> None:
    workbench.make_demo()
    admin = _admin(workbench)
    boosts = workbench.boosts.all(admin)
    assert sorted(boost.state for boost in boosts) == ["granted", "requested"]
    assert all(boost.reason.startswith(MADE) for boost in boosts)
    (alert,) = workbench.oversight.alerts.history(admin)
    assert alert.rule == "cost_day"
    assert alert.body.startswith(MADE)
    assert MADE.lower() in alert.title
    assert workbench.oversight.alerts.deliveries(admin) == []
    jobs = workbench.admin.jobs.overview(admin)
    assert sum(row.done for row in jobs.kinds) == 4
    (failed,) = jobs.failed
    assert failed.error.startswith(MADE)
    (flag,) = workbench.flags.all(admin)
    assert flag.description.startswith(MADE)
    assert audit(workbench.database).balances


def test_readers_thought_something_of_answers_that_say_they_are_generated(workbench: Workbench) -> None:
    workbench.make_demo()
    quality = workbench.admin.quality.figures(_admin(workbench))
    assert sum(row.up for row in quality.reactions) == 2
    assert sum(row.down for row in quality.reactions) == 1
    assert sum(row.noted for row in quality.reactions) == 2
    analyst = workbench.directory.member(USERS[1].email, ORGANISATION)
    (conversation,) = workbench.conversations.latest(analyst)
    opened = workbench.conversations.open(analyst, conversation.id)
    answers = [message for message in opened.messages if message.role == "assistant"]
    assert all(MADE in message.text for message in answers)
    assert opened.cost.charged_usd == sum(message.cost_usd or 0 for message in answers)


def test_an_experiment_is_over_and_its_arms_can_be_compared(workbench: Workbench, service: Service) -> None:
    workbench.make_demo()
    admin = _admin(workbench)
    (experiment,) = workbench.experiments.all(admin)
    assert experiment.ended_at is not None
    assert experiment.id is not None
    arms = workbench.experiments.compared(admin, experiment.id)
    assert {name: arm.users for name, arm in arms.items()} == {"control": 2, "variant": 1}
    rows = service.execute("SELECT DISTINCT model FROM usage_log WHERE arm = 'variant'").fetchall()
    assert rows == [(VARIANT,)]


def test_it_is_left_once_and_anew_in_a_new_demo(workbench: Workbench, service: Service) -> None:
    count = (
        "SELECT (SELECT count(*) FROM boosts), (SELECT count(*) FROM oversight_alerts), (SELECT count(*) FROM flags)"
    )
    workbench.make_demo()
    workbench.make_demo()
    assert service.execute(count).fetchall() == [(2, 1, 1)]
    workbench.make_demo(as_new=True)
    assert service.execute(count).fetchall() == [(4, 2, 2)]
    assert len(workbench.boosts.all(_admin(workbench))) == 2
    assert audit(workbench.database).balances


@pytest.mark.parametrize("hour", [time(0, 5), time(12), time(23, 55)], ids=str)
def test_whatever_the_hour_each_story_is_there_and_an_alert_is_open(
    workbench: Workbench, move_time: MoveTime, hour: time
) -> None:
    now = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), hour, UTC)
    move_time(now)
    workbench.make_demo()
    workbench.oversight.watch.evaluate()
    admin, analyst = _admin(workbench), workbench.directory.member(USERS[1].email, ORGANISATION)
    firing = workbench.oversight.alerts.firing(admin)
    assert "job_failed" in {alert.rule for alert in firing}
    (over,) = [alert for alert in workbench.oversight.alerts.history(admin) if alert.cleared_at]
    assert over.cleared_at is not None
    assert over.cleared_at <= now
    assert sorted(boost.state for boost in workbench.boosts.all(admin)) == ["granted", "requested"]
    assert len(workbench.conversations.latest(analyst)) == 1
    quality = workbench.admin.quality.figures(admin)
    assert sum(row.up + row.down for row in quality.reactions) == 3
    jobs = workbench.admin.jobs.overview(admin)
    assert (sum(row.done for row in jobs.kinds), len(jobs.failed)) == (4, 1)
    (experiment,) = workbench.experiments.all(admin)
    assert experiment.ended_at is not None
    assert experiment.ended_at < now
    assert len(workbench.flags.all(admin)) == 1
    assert audit(workbench.database).balances


@pytest.mark.slow
def test_two_processes_that_make_it_at_once_make_one(database_url: str, tmp_path: Path, service: Service) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "core", "demo"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    (first, errors), (second, more_errors) = (each.communicate(timeout=120) for each in running)
    assert [each.returncode for each in running] == [0, 0], errors + more_errors
    assert first == second
    counts = """
        SELECT (SELECT count(*) FROM users WHERE email LIKE '%@demo.example'),
            (SELECT count(*) FROM organisations WHERE name LIKE '%Demo%' OR name LIKE '%analyst''s%'),
            (SELECT count(*) FROM boosts), (SELECT count(*) FROM flags),
            (SELECT count(*) FROM jobs WHERE key LIKE 'demo/%'),
            (SELECT count(*) FROM conversations), (SELECT count(*) FROM experiments),
            (SELECT max(n) FROM (SELECT count(*) AS n FROM usage_log GROUP BY user_id, at) made)
    """
    assert service.execute(counts).fetchone() == (len(USERS), 4, 2, 1, 5, 1, 1, 1)
