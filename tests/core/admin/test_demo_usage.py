"""The demo's generated month: the books balance, the same each time, marked as made, written once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.accounts.demo import USERS
from core.admin.demo_usage import CAP_MONTH, CHANNEL, DAYS, GRANTED, HABITS, DemoUsage
from core.metering.books import audit
from core.metering.pricing import shipped_billing
from core.principal import Principal
from core.settings import Settings
from core.workbench import Workbench

Service = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def demo(workbench: Workbench) -> DemoUsage:
    return DemoUsage(workbench.database, workbench.catalogue, workbench.prices, shipped_billing())


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
    assert days in ([(DAYS, True)], [(DAYS + 1, True)])  # just after midnight nobody has asked yet today
    assert {row[0] for row in _rows(service, "SELECT DISTINCT plan FROM usage_log")} == {p.plan for p in people}
    costs = _rows(service, "SELECT sum(cost_usd), min(charged_usd) FROM usage_log WHERE hold_id IS NOT NULL")[0]
    assert costs[0] > 1
    assert costs[1] == 0


def test_credits_cover_what_the_plan_refuses_if_they_are_let_and_within_the_cap(
    demo: DemoUsage, people: list[Principal], service: Service
) -> None:
    demo.load()
    paid = _rows(
        service,
        """
        SELECT h.user_id, h.day_start, h.created_at, h.credits_held, h.free_held, (SELECT count(*) FROM holds p
            WHERE p.user_id = h.user_id AND p.day_start = h.day_start AND p.created_at < h.created_at
                AND p.feature = h.feature AND p.quota_charged = 1)
        FROM holds h WHERE h.cover = 'credits' ORDER BY h.created_at
        """,
    )
    basic = people[[habit.email for habit in HABITS].index("basic@demo.example")]
    assert {row[0] for row in paid} == {basic.user_id}
    assert {row[5] for row in paid} == {100}  # the plan's chat questions of the day
    assert any(row[3] == row[4] for row in paid)
    assert any(row[3] > row[4] for row in paid)
    assert _rows(service, "SELECT DISTINCT id FROM users WHERE uses_credits") == [(basic.user_id,)]
    of_wallet = _rows(service, "SELECT sum(credits_charged - free_charged) FROM holds GROUP BY month_start")
    assert 0 < sum(row[0] for row in of_wallet) <= CAP_MONTH
    assert _rows(service, "SELECT credits_cap_month FROM memberships WHERE credits_cap_month IS NOT NULL") == [
        (CAP_MONTH,)
    ]
    assert _rows(service, "SELECT available, held, overdraft FROM wallets WHERE available > 0") == [
        (GRANTED - sum(row[0] for row in of_wallet), 0, 0)
    ]
    assert _rows(service, "SELECT DISTINCT granted FROM free_days WHERE used > 0") == [(10,)]
    assert _rows(service, "SELECT count(*) FROM holds WHERE plan = 'basic' AND held_usd > 0.05") == [(0,)]
    refused = _rows(service, "SELECT DISTINCT user_id FROM usage_log WHERE error_code = 'quota_exceeded'")
    free = people[[habit.email for habit in HABITS].index("free@demo.example")]
    assert refused == [(free.user_id,)]


def test_it_is_written_once_and_never_over_what_was_used(
    workbench: Workbench, demo: DemoUsage, people: list[Principal], service: Service
) -> None:
    assert demo.load() > 0
    before = _rows(service, "SELECT id, at, cost_usd FROM usage_log ORDER BY id")
    assert demo.load() == 0
    assert _rows(service, "SELECT id, at, cost_usd FROM usage_log ORDER BY id") == before


def test_today_is_told_up_to_now_and_counters_go_on_from_it(
    workbench: Workbench, demo: DemoUsage, people: list[Principal], service: Service
) -> None:
    demo.load()
    assert audit(workbench.database).balances
    today = "(SELECT count(*) FROM holds WHERE user_id = %s AND state = 'settled' AND created_at >= %s AND {})"
    for person in people:
        allowances = workbench.usage.overview(person).allowances
        row = service.execute(
            f"SELECT {today.format('quota_charged = 1 AND feature = %s')}",
            (person.user_id, allowances["chat_queries_day"].starts_at, "chat_query"),
        ).fetchone()
        assert row == (allowances["chat_queries_day"].used,)
        days = workbench.usage.by_day(
            person, allowances["requests_month"].starts_at.date(), allowances["requests_month"].ends_at.date()
        )
        assert allowances["charge_usd_month"].used == sum((day.charged_usd for day in days), Decimal(0))


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
    plans = _rows(service, "SELECT DISTINCT plan FROM organisations WHERE name LIKE 'Retired: %'")
    assert plans == [("free",)]  # so that nothing is reckoned as their revenue
