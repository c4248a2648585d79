"""The demo's generated month: the books balance, the same each time, marked as made, written once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.accounts.demo import USERS
from core.admin.demo_usage import CHANNEL, DAYS, HABITS, DemoUsage
from core.clock import SystemClock
from core.metering.books import audit
from core.metering.pricing import shipped_billing
from core.principal import Principal
from core.settings import Settings
from core.workbench import Workbench

Service = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def demo(workbench: Workbench) -> DemoUsage:
    return DemoUsage(workbench.database, workbench.catalogue, workbench.prices, shipped_billing(), SystemClock())


@pytest.fixture
def people(workbench: Workbench) -> list[Principal]:
    for user in USERS:
        workbench.directory.add_user(user.email, org_name=user.org_name, plan=user.plan, role=user.role)
    return [workbench.directory.member(habit.email) for habit in HABITS]


def _rows(service: Service, statement: str) -> list[tuple[Any, ...]]:
    return service.execute(statement).fetchall()


def test_the_books_balance_over_a_month_that_nobody_asked(
    workbench: Workbench, demo: DemoUsage, people: list[Principal], service: Service
) -> None:
    written = demo.load()
    assert written > 1_500
    found = audit(workbench.database)
    assert found.balances, found
    assert _rows(service, "SELECT DISTINCT channel FROM usage_log") == [(CHANNEL,)]
    assert _rows(service, "SELECT count(*) FROM usage_log") == [(written,)]
    days = _rows(service, "SELECT count(DISTINCT (at AT TIME ZONE 'UTC')::date), max(at) < now() FROM usage_log")
    assert days == [(DAYS, True)]
    assert {row[0] for row in _rows(service, "SELECT DISTINCT plan FROM usage_log")} == {p.plan for p in people}
    costs = _rows(service, "SELECT sum(cost_usd), min(charged_usd) FROM usage_log WHERE hold_id IS NOT NULL")[0]
    assert costs[0] > 1
    assert costs[1] == 0
    (balance,) = _rows(service, "SELECT available, held, overdraft FROM wallets")
    assert 0 < balance[0] < 100
    assert balance[1:] == (0, 0)
    assert _rows(service, "SELECT count(*) FROM holds WHERE cover = 'credits'") == [(14,)]


def test_it_is_written_once_and_never_over_what_was_used(
    workbench: Workbench, demo: DemoUsage, people: list[Principal], service: Service
) -> None:
    assert demo.load() > 0
    before = _rows(service, "SELECT id, at, cost_usd FROM usage_log ORDER BY id")
    assert demo.load() == 0
    assert _rows(service, "SELECT id, at, cost_usd FROM usage_log ORDER BY id") == before


def test_counters_go_on_from_it(workbench: Workbench, demo: DemoUsage, people: list[Principal]) -> None:
    demo.load()
    analyst = people[1]
    allowances = workbench.usage.overview(analyst).allowances
    assert allowances["chat_queries_day"].used == 0
    days = workbench.usage.by_day(
        analyst, allowances["requests_month"].starts_at.date(), allowances["requests_month"].ends_at.date()
    )
    charged = sum((row.charged_usd for row in days), Decimal(0))
    assert allowances["charge_usd_month"].used == charged


def test_the_demo_is_made_as_new_and_the_old_one_stays_on_the_books(
    settings: Settings, workbench: Workbench, service: Service
) -> None:
    first = workbench.make_demo()
    old = workbench.directory.member("analyst@demo.example")
    count = _rows(service, "SELECT count(*) FROM usage_log")[0][0]
    assert workbench.make_demo() == first
    assert workbench.make_demo(as_new=True) == first
    new = workbench.directory.member("analyst@demo.example")
    assert (new.user_id, new.org_id) != (old.user_id, old.org_id)
    assert new.org_name == old.org_name
    assert _rows(service, "SELECT count(*) FROM usage_log")[0][0] > count
    assert audit(workbench.database).balances
    retired = _rows(service, "SELECT count(*) FROM users WHERE email LIKE 'retired-%' AND deactivated_at IS NOT NULL")
    assert retired == [(len(USERS),)]
