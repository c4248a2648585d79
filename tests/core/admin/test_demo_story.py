"""What the demo shows beside its usage: something in each part of the administration, said to be generated, once."""

from __future__ import annotations

from typing import Any

import psycopg

from core.accounts.demo import ORGANISATION, USERS
from core.admin.demo_usage import MADE, VARIANT
from core.metering.books import audit
from core.principal import Principal
from core.workbench import Workbench

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
