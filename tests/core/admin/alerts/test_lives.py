"""Every rule with moved time: it fires, is told once while it lasts, is over, and fires and is told another time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from core.admin.alerts.billing_watch import BillingWatch
from core.admin.alerts.rules import ERROR_MEMORY, JOB_WINDOW, RULES
from core.principal import Principal
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.alerts.alerts_made import NOON, Made
from tests.core.admin.alerts.test_watch import report
from tests.core.metering.factories import own_key

Service = psycopg.Connection[tuple[object, ...]]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
IN_APRIL = datetime(2027, 4, 10, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Stage:
    """On which a rule lives: alerts, a member of an organisation on each plan, an operator, and the clock."""

    made: Made
    service: Service
    free: Principal
    large: Principal
    """On the plan without limits."""
    olga: Principal
    move: MoveTime

    def look(self) -> None:
        """Everything that the queue does with alerts, once."""
        self.made.area.watch.evaluate()
        self.made.area.books.look()
        BillingWatch(self.made.area.watch).look()
        self.made.area.delivery.deliver_due()

    def fires(self, rule: str) -> bool:
        """Whether an alert of the rule fires anywhere."""
        found = "SELECT 1 FROM oversight_alerts WHERE cleared_at IS NULL AND rule = %s"
        return self.service.execute(found, (rule,)).fetchone() is not None

    def told(self, rule: str) -> int:
        """Mails that told of it, which came."""
        titles = {row[0] for row in self.service.execute("SELECT title FROM oversight_alerts WHERE rule = %s", (rule,))}
        return sum(str(mail.message["Subject"]) in titles for mail in self.made.mail.received)


Life = Callable[[Stage], Iterator[None]]
"""Brings about that a rule fires, that it is over, and that it fires again."""


def quota(stage: Stage, *, times: int) -> Iterator[None]:
    stage.made.asked(stage.free, times=times)
    yield
    stage.move(NOON + DAY)
    yield
    stage.made.asked(stage.free, times=times)
    yield


def budget(stage: Stage, *, cost_usd: str) -> Iterator[None]:
    stage.service.execute("UPDATE organisations SET budget_usd_month = 1 WHERE id = %s", (stage.large.org_id,))
    stage.made.asked(stage.large, cost_usd=cost_usd)
    yield
    stage.move(IN_APRIL)
    yield
    stage.made.asked(stage.large, cost_usd=cost_usd)
    yield


def projected(stage: Stage) -> Iterator[None]:
    stage.service.execute("UPDATE organisations SET budget_usd_month = 2 WHERE id = %s", (stage.large.org_id,))
    stage.made.asked(stage.large, cost_usd="0.8")  # two fifths, in less than a third of the month
    yield
    stage.move(NOON + 12 * DAY)
    yield
    stage.move(IN_APRIL)
    stage.made.asked(stage.large, cost_usd="0.8")
    yield


def key(stage: Stage) -> Iterator[None]:
    expires = "UPDATE provider_keys SET expires_at = %s"
    own_key(stage.service, stage.large, expires_at=NOON + 3 * DAY)
    yield
    stage.service.execute(expires, (NOON + 99 * DAY,))
    yield
    stage.service.execute(expires, (NOON + 4 * DAY,))
    yield


def subscribe(stage: Stage, name: str, *, ends: bool) -> None:
    stage.service.execute(
        "INSERT INTO subscriptions (subscription_id, org_id, plan, seats, status, item_id, period_end, "
        "ends_at_period_end, version, created_at, read_at) VALUES (%s, %s, 'team', 3, 'active', %s, %s, %s, 1, "
        "assay_now(), assay_now())",
        (name, stage.large.org_id, f"item of {name}", NOON + 5 * DAY, ends),
    )


def plan(stage: Stage) -> Iterator[None]:
    subscribe(stage, "sub_1", ends=True)
    yield
    stage.service.execute("UPDATE subscriptions SET ends_at_period_end = false")
    yield
    stage.service.execute("UPDATE subscriptions SET ends_at_period_end = true, period_end = %s", (NOON + 6 * DAY,))
    yield


def circuit(stage: Stage, *, model: str) -> Iterator[None]:
    workbench = stage.made.workbench
    report(workbench, has_answered=False, failures=5, model=model)
    yield
    report(workbench, has_answered=True, model=model)
    stage.move(NOON + 11 * MINUTE)
    yield
    report(workbench, has_answered=False, failures=5, model=model)
    yield


def errors(stage: Stage) -> Iterator[None]:
    stage.made.failed(stage.large, times=20)
    yield
    stage.move(NOON + ERROR_MEMORY + MINUTE)
    yield
    stage.made.failed(stage.large, times=20)
    yield


def cost(stage: Stage) -> Iterator[None]:
    stage.made.asked(stage.large, cost_usd="100.01")
    yield
    stage.move(NOON + DAY)
    yield
    stage.made.asked(stage.large, cost_usd="100.01")
    yield


def job(stage: Stage) -> Iterator[None]:
    queue = stage.made.workbench.queue
    queue.fail(queue.submit("count", {}, key="one", org_id=None).id, "It could not be counted.")
    yield
    stage.move(NOON + JOB_WINDOW + MINUTE)
    yield
    queue.fail(queue.submit("count", {}, key="another", org_id=None).id, "It could not be counted.")
    yield


def billing(stage: Stage) -> Iterator[None]:
    for name in ("sub_1", "sub_2"):
        subscribe(stage, name, ends=False)
    yield
    stage.service.execute("UPDATE subscriptions SET status = 'canceled' WHERE subscription_id = 'sub_2'")
    yield
    stage.service.execute("UPDATE subscriptions SET status = 'active'")
    yield


def books(stage: Stage) -> Iterator[None]:
    counted = "UPDATE member_meters SET chat_query_used = %s"
    stage.made.asked(stage.free, times=2)
    stage.service.execute(counted, (1,))
    yield
    stage.service.execute(counted, (2,))
    yield
    stage.service.execute(counted, (1,))
    yield
    stage.service.execute(counted, (2,))


LIVES: Mapping[str, Life] = {
    "quota_80": partial(quota, times=8),
    "quota_100": partial(quota, times=10),
    "budget_80": partial(budget, cost_usd="0.85"),
    "budget_100": partial(budget, cost_usd="1"),
    "projected_overrun": projected,
    "key_expiring": key,
    "plan_expiring": plan,
    "provider_down": partial(circuit, model=""),
    "model_down": partial(circuit, model="a-model"),
    "error_rate": errors,
    "cost_day": cost,
    "job_failed": job,
    "billing_trouble": billing,
    "books_out_of_balance": books,
}


@pytest.fixture
def stage(made: Made, member: MakeMember, olga: Principal, service: Service, noon: MoveTime) -> Stage:
    """Nothing has happened on it."""
    return Stage(made, service, member("ann", plan="free"), member("bob", plan="enterprise"), olga, noon)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_told_once_while_it_lasts_is_over_and_is_told_another_time(stage: Stage, rule: str) -> None:
    life = LIVES[rule](stage)
    for fires, told in ((True, 1), (False, 1), (True, 2)):
        next(life)
        for _ in range(3):
            stage.look()
        assert (stage.fires(rule), stage.told(rule)) == (fires, told)
    next(life, None)
