"""Usage figures: what is used and left, by day in the user's zone, and the log."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from core.errors import InvalidRequest
from core.principal import Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime

Service = psycopg.Connection[tuple[object, ...]]


def test_a_new_user_has_everything_left(workbench: Workbench, member: MakeMember) -> None:
    overview = workbench.usage.overview(member())
    quota = overview.allowances["chat_queries_day"]
    assert (overview.plan.name, quota.limit, quota.used, quota.remaining, quota.is_near_limit) == (
        "free",
        10,
        0,
        10,
        False,
    )
    assert quota.ends_at - quota.starts_at == timedelta(days=1)
    assert set(overview.allowances) == {
        "chat_queries_day",
        "portfolio_analyses_day",
        "signal_validations_day",
        "sec_filings_month",
        "requests_month",
        "requests_minute",
        "charge_usd_month",
        "credits_free_day",
        "credits_cap_month",
    }


def test_eighty_percent_is_marked(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    for number in range(8):
        workbench.assistant.ask(ann, f"What is term {number}?").session.result()
    assert workbench.usage.overview(ann).allowances["chat_queries_day"].is_near_limit


def test_days_are_those_of_the_users_zone(
    workbench: Workbench, member: MakeMember, service: Service, move_time: MoveTime
) -> None:
    member()
    service.execute("UPDATE users SET zone = 'Asia/Tokyo'")
    ann = member()
    assert ann.zone == "Asia/Tokyo"
    move_time(datetime(2026, 3, 1, 14, 59, tzinfo=UTC))
    workbench.assistant.ask(ann, "What is duration?").session.result()
    move_time(datetime(2026, 3, 1, 15, 1, tzinfo=UTC))
    workbench.assistant.ask(ann, "What is beta?").session.result()
    workbench.assistant.ask(ann, "What is beta?").session.result()
    rows = workbench.usage.by_day(ann, date(2026, 3, 1), date(2026, 3, 2))
    assert [(row.day, row.requests, row.cached) for row in rows] == [(date(2026, 3, 1), 1, 0), (date(2026, 3, 2), 2, 1)]
    assert len(workbench.usage.log(ann, date(2026, 3, 2), date(2026, 3, 2))) == 2


def test_the_log_is_filtered_and_paged(workbench: Workbench, member: MakeMember) -> None:
    ann, today = member(plan="basic"), datetime.now(UTC).date()
    for text in ("What is duration?", "What is beta?", "What is beta?"):
        workbench.assistant.ask(ann, text).session.result()
    log = workbench.usage.log(ann, today - timedelta(days=1), today + timedelta(days=1))
    assert sorted(row.status for row in log) == ["cached", "success", "success"]
    cached = workbench.usage.log(ann, today - timedelta(days=1), today + timedelta(days=1), statuses=["cached"])
    assert [row.status for row in cached] == ["cached"]
    none = workbench.usage.log(ann, today - timedelta(days=1), today + timedelta(days=1), models=["gpt-4o"])
    assert none == []
    first = workbench.usage.log(ann, today - timedelta(days=1), today + timedelta(days=1), most=2)
    seen = (first[-1].at, first[-1].id)
    rest = workbench.usage.log(ann, today - timedelta(days=1), today + timedelta(days=1), most=2, before=seen)
    assert {row.id for row in first + rest} == {row.id for row in log}


def test_an_analyst_sees_their_own_usage_an_owner_the_organisations(workbench: Workbench, member: MakeMember) -> None:
    owner = member("ann", org="Acme", plan="team")
    analyst = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    today = datetime.now(UTC).date()
    days = (today - timedelta(days=1), today + timedelta(days=1))
    for who in (owner, analyst):
        workbench.assistant.ask(who, f"What is duration, {who.name}?").session.result()
    assert len(workbench.usage.log(owner, *days, whole_organisation=True)) == 2
    assert len(workbench.usage.log(owner, *days)) == 1
    assert len(workbench.usage.log(analyst, *days, whole_organisation=True)) == 1


def test_days_out_of_order_and_too_many_rows_are_refused(workbench: Workbench, member: MakeMember) -> None:
    ann, today = member(), datetime.now(UTC).date()
    with pytest.raises(InvalidRequest):
        workbench.usage.log(ann, today, today - timedelta(days=1))
    with pytest.raises(InvalidRequest):
        workbench.usage.log(ann, today, today, most=10_001)
    with pytest.raises(InvalidRequest):
        workbench.usage.by_day(ann, today - timedelta(days=500), today)


def test_a_cached_answer_is_logged_once_however_often_the_buffer_is_flushed(
    workbench: Workbench, member: MakeMember, service: Service
) -> None:
    ann = member()
    workbench.assistant.ask(ann, "What is duration?").session.result()
    workbench.assistant.ask(ann, "What is duration?").session.result()
    workbench.usage_log.flush()
    workbench.usage_log.flush()
    assert workbench.usage_log.dropped == 0
    assert service.execute("SELECT count(*) FROM usage_log WHERE status = 'cached'").fetchone() == (1,)
