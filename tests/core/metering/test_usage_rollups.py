"""Figures of a whole organisation are read from rollups, and are those of its log to the last digit, in every zone."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from core.db import usage_dao
from core.db.usage_dao import DIMENSIONS, DayRow, Reach
from core.metering.usage import Totals
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.usage_made import CALLS, FREE, Driver, Logged, put

NOW = datetime(2031, 4, 2, 10, 40, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
"""Their days begin at, before and after those of UTC, at half past and a quarter to; the last turns by half an hour."""


@pytest.fixture
def people(member: MakeMember) -> list[Principal]:
    """An owner, an analyst of the same organisation, and the owner of another."""
    return [
        member("ann", org="Acme", plan="team"),
        member("bob", org="Acme", plan="team", role=Role.ANALYST),
        member("cid", org="Other", plan="team"),
    ]


def _lived(workbench: Workbench, service: Driver, people: list[Principal], move_time: MoveTime, seed: int) -> None:
    """Three weeks with the change of clocks in two zones; some of it rolled up, some late, some in the running hour."""
    dice = random.Random(seed)
    move_time(NOW - timedelta(days=21))
    workbench.metering.rollups.bring_up_to_date()
    for step in range(1, 22):
        move_time(NOW - timedelta(days=21 - step))
        for _ in range(dice.randrange(14)):
            late = timedelta(days=6) if dice.random() < 0.1 else timedelta(hours=23)
            row = Logged(
                status=dice.choice([*CALLS, *FREE, "success"]),
                age=late * dice.random(),
                feature=dice.choice(["chat_query", "signal_validation", None]),
                provider=dice.choice(["openai", "groq"]),
                model=dice.choice(["a", "b", ""]),
                channel=dice.choice(["page", "api"]),
                cost_usd=Decimal(dice.randrange(10**7)) / 10**9,
                charged_usd=Decimal(dice.randrange(10**7)) / 10**9,
                latency_ms=dice.randrange(30_000),
            )
            put(service, dice.choice(people), row)
        if dice.random() < 0.7:
            workbench.metering.rollups.bring_up_to_date(most=dice.choice([1, 100]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_days_totals_and_spend_of_all_equal_the_log(
    workbench: Workbench, service: Driver, people: list[Principal], move_time: MoveTime, seed: int
) -> None:
    _lived(workbench, service, people, move_time, seed)
    usage, spending = workbench.usage, workbench.metering.spending
    for zone in ZONES:
        ann = replace(people[0], zone=zone)
        today = NOW.astimezone(ZoneInfo(zone)).date()
        for days in (0, 1, 6, 20):
            first = today - timedelta(days=days)
            span = spending.span(ann, first, today)
            reach = Reach(ann.org_id, None, span.starts_at, span.ends_at)
            with workbench.database.app(ann) as connection:
                by_day = usage_dao.by_day(
                    connection, org_id=ann.org_id, user_id=None, zone=zone, first=first, last=today
                )
                spend = usage_dao.spend(connection, reach, most=200)
                totals = {
                    name: usage_dao.totals(connection, reach, group_by=name, zone=zone, most=2_000)
                    for name in DIMENSIONS
                }
            assert usage.by_day(ann, first, today, whole_organisation=True) == by_day
            assert spending.by_feature(ann, span, whole_organisation=True) == spend
            for name, (total, *groups) in totals.items():
                assert usage.totals(ann, span, name) == Totals(total, groups), name


def test_an_analyst_reads_their_own_rows_and_nobody_those_of_another_organisation(
    workbench: Workbench, service: Driver, people: list[Principal], move_time: MoveTime
) -> None:
    move_time(NOW)
    for who in (people[0], people[1], people[1], people[2]):
        put(service, who, Logged(age=timedelta(hours=3)))
    workbench.metering.rollups.bring_up_to_date()
    today = NOW.date()
    told = [
        sum(row.requests for row in workbench.usage.by_day(who, today, today, whole_organisation=True))
        for who in people
    ]
    assert told == [3, 2, 1]
    span = workbench.metering.spending.span(people[0], today, today)
    spent = [
        sum(row.requests for row in workbench.metering.spending.by_feature(who, span, whole_organisation=True))
        for who in people
    ]
    assert spent == [3, 2, 1]
    assert [workbench.usage.totals(who, span, "user").total.requests for who in people] == [3, 2, 1]


def test_days_before_what_is_kept_are_still_told_in_their_zone(
    workbench: Workbench, service: Driver, owner: Driver, people: list[Principal], move_time: MoveTime
) -> None:
    move_time(NOW)
    ann = replace(people[0], zone="Asia/Kathmandu")
    for hours in (17.9, 18.6):
        put(service, ann, Logged(status="cached", at=datetime(2031, 3, 1, tzinfo=UTC) + timedelta(hours=hours)))
    workbench.metering.rollups.make_partitions()
    workbench.metering.rollups.bring_up_to_date()
    owner.execute("DROP TABLE usage_log_2031_03")
    first = NOW.date() - timedelta(days=40)
    rows = workbench.usage.by_day(ann, first, NOW.date(), whole_organisation=True)
    assert [(row.day.isoformat(), row.requests) for row in rows] == [("2031-03-01", 1), ("2031-03-02", 1)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_calls_of_both_hours_at_the_change_of_a_month_that_come_late_are_in_their_day_and_month(
    workbench: Workbench, service: Driver, people: list[Principal], move_time: MoveTime, zone: str
) -> None:
    ann, rollups = replace(people[0], zone=zone), workbench.metering.rollups
    month = datetime(2031, 4, 1, tzinfo=UTC)
    first = (month - timedelta(days=1)).date()
    ends = [month - timedelta(microseconds=1), month]

    def told() -> list[DayRow]:
        rows = workbench.usage.by_day(ann, first, NOW.date(), whole_organisation=True)
        with workbench.database.app(ann) as connection:
            assert rows == usage_dao.by_day(
                connection, org_id=ann.org_id, user_id=None, zone=zone, first=first, last=NOW.date()
            )
        return rows

    move_time(month + timedelta(minutes=30))
    for at in ends:
        put(service, ann, Logged(at=at))
    rollups.make_partitions()
    move_time(month + timedelta(hours=3))
    rollups.bring_up_to_date()
    assert sum(row.requests for row in told()) == 2
    for at in ends:
        put(service, ann, Logged(at=at))
    late = told()
    assert (sum(row.requests for row in late), sum(row.charged_usd for row in late)) == (4, Decimal("0.0016"))
    rollups.bring_up_to_date()
    assert told() == late
    hours = service.execute("SELECT hour, requests FROM usage_hours ORDER BY hour").fetchall()
    assert hours == [(month - timedelta(hours=1), 2), (month, 2)]


def test_of_very_many_questions_the_newest_are_counted(
    workbench: Workbench,
    service: Driver,
    people: list[Principal],
    move_time: MoveTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    move_time(NOW)
    for number, intent in enumerate(("code", "chat", "chat")):
        put(service, people[0], Logged(intent=intent, age=timedelta(hours=3 - number)))
    spending = workbench.metering.spending
    span = spending.span(people[0], NOW.date(), NOW.date())
    top = spending.top_prompts(people[0], span)
    assert (top.intents, top.is_cut) == ({"chat": 2, "code": 1}, False)
    monkeypatch.setattr("core.metering.spending.MAX_READ_PROMPTS", 2)
    top = spending.top_prompts(people[0], span)
    assert (top.intents, top.is_cut) == ({"chat": 2}, True)
