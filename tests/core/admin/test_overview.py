"""The overview against histories worked out by hand: each figure, its basis, and whose rows it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.admin.changes import Boosting
from core.admin.overview import PERIODS, Overview
from core.db.rollups_dao import LATENCY_ERROR
from core.errors import Forbidden, InvalidRequest
from core.metering.rollups import Rollups
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.history import History

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
Look = Callable[..., object]


@pytest.fixture
def moved(move_time: MoveTime) -> None:
    """It is half past three in the afternoon of 21 November 2026."""
    move_time(NOW)


@pytest.fixture
def overview(workbench: Workbench, moved: None) -> Overview:
    return Overview(workbench.database, workbench.plans, workbench.usage_log)


@pytest.fixture
def ann(workbench: Workbench, moved: None, member: MakeMember) -> Principal:
    """The owner of Acme, on the plan basic, with a history."""
    return member("ann", org="Acme", plan="basic")


@pytest.fixture
def bob(moved: None, member: MakeMember) -> Principal:
    """The owner of Borealis, on the plan free."""
    return member("bob", org="Borealis", plan="free")


@pytest.fixture
def told(history: History, ann: Principal, bob: Principal) -> History:
    """Ann's: 10 requests of the last days, of which 4 answered calls, 1 failed, 1 broken off, 3 cached and 1 denied.
    Bob's: 2 answered calls to another provider. One of Ann's lies outside of seven days."""
    yesterday = NOW - timedelta(days=1)
    history.ask(
        ann, yesterday, times=2, prompt_tokens=1000, completion_tokens=200, cost_usd=Decimal("0.01"), latency_ms=200
    )
    history.ask(ann, NOW - timedelta(hours=2), times=2, prompt_tokens=500, completion_tokens=100, latency_ms=2000)
    history.ask(ann, NOW - timedelta(minutes=5), status="failed", error_code="provider_unavailable")
    history.ask(ann, NOW - timedelta(minutes=5), status="broken", cost_usd=Decimal("0.002"))
    history.ask(ann, NOW - timedelta(minutes=4), status="cached", times=3, saved_usd=Decimal("0.005"))
    history.ask(ann, NOW - timedelta(minutes=3), status="denied", error_code="quota_exceeded")
    history.ask(ann, NOW - timedelta(days=7), prompt_tokens=9_999)
    history.ask(bob, yesterday, times=2, provider="mistral", model="mistral-large", cost_usd=Decimal("0.03"))
    return history


def test_the_headline_of_an_organisation_counts_its_requests_alone(
    overview: Overview, told: History, ann: Principal
) -> None:
    found = overview.headline(ann, 7)
    figures = found.figures
    assert (figures.sums.requests, figures.calls) == (10, 6)
    assert figures.tokens == 2 * 1200 + 2 * 600
    assert figures.tokens_per_call == 3600 / 6
    assert figures.cache_hit_rate == 3 / 9
    assert figures.error_rate == 2 / 6
    assert figures.denial_rate == 1 / 10
    assert figures.sums.cost_usd == Decimal("0.022")
    assert figures.sums.saved_usd == Decimal("0.015")
    assert (found.users, found.organisations) == (1, 1)
    assert (found.counts.organisations, found.counts.members) == (1, 1)
    assert (found.period.starts_at, found.period.ends_at.date()) == (datetime(2026, 11, 15, tzinfo=UTC), NOW.date())


def test_the_headline_of_everything_counts_all_organisations(
    overview: Overview, told: History, olga: Principal
) -> None:
    found = overview.headline(olga, 7, everything=True)
    assert (found.figures.sums.requests, found.users, found.organisations) == (12, 2, 2)
    assert found.figures.sums.cost_usd == Decimal("0.082")
    assert found.counts.organisations == 3
    assert overview.headline(olga, 30, everything=True).figures.sums.requests == 13


def test_what_calls_no_model_is_told_by_feature_alone(
    workbench: Workbench,
    overview: Overview,
    told: History,
    ann: Principal,
    service: psycopg.Connection[tuple[object, ...]],
) -> None:
    before = overview.headline(ann, 7).figures, overview.groups(ann, 7, "day"), overview.hours(ann)
    for hours in (1, 30):
        at = NOW - timedelta(hours=hours)
        counted: dict[str, Any] = {
            "provider": "assay",
            "model": "risk figures",
            "price_version": "free",
            "latency_ms": 90_000,
        }
        told.ask(ann, at, feature="portfolio_analysis", times=3, **counted)
        told.ask(ann, at, feature="sec_filing", status="failed", error_code="provider_unavailable", **counted)
    service.execute("UPDATE usage_progress SET rolled_until = '2026-11-01'")
    for _ in ("the log", "rollups"):
        assert (overview.headline(ann, 7).figures, overview.groups(ann, 7, "day"), overview.hours(ann)) == before
        assert [each.key for each in overview.groups(ann, 7, "provider")] == ["openai"]
        features = {each.key: each.figures.sums.requests for each in overview.groups(ann, 7, "feature")}
        assert features == {"chat_query": 10, "portfolio_analysis": 6, "sec_filing": 2}
        Rollups(workbench.database).bring_up_to_date()


def test_latencies_are_of_answers_alone_and_as_exact_as_they_say(
    overview: Overview, told: History, ann: Principal
) -> None:
    latency = overview.headline(ann, 7).figures.latency
    assert latency is not None and latency.p50 is not None and latency.p95 is not None and latency.p99 is not None
    assert latency.answered == 4
    assert latency.p50 == pytest.approx(200, rel=LATENCY_ERROR + 0.01)
    assert latency.p95 == latency.p99 == pytest.approx(2000, rel=LATENCY_ERROR + 0.01)


def test_where_there_is_nothing_shares_and_latencies_are_not_zero(overview: Overview, ann: Principal) -> None:
    found = overview.headline(ann, 30)
    figures = found.figures
    assert figures.sums.requests == found.users == found.tries.n == 0
    assert figures.cache_hit_rate is figures.error_rate is figures.denial_rate is figures.tokens_per_call is None
    assert figures.latency is found.tries.time_out_rate is None
    assert overview.groups(ann, 30, "model") == []
    assert overview.hours(ann).requests == {}


def test_time_outs_are_told_of_the_tries_of_the_last_day(
    overview: Overview, history: History, ann: Principal, bob: Principal, olga: Principal
) -> None:
    history.tried(ann, NOW - timedelta(hours=1), times=6)
    history.tried(ann, NOW - timedelta(hours=2), status="failed", error_code="provider_timeout", times=2)
    history.tried(ann, NOW - timedelta(hours=3), status="failed", error_code="provider_unavailable")
    history.tried(ann, NOW - timedelta(hours=25), status="failed", error_code="provider_timeout")
    history.tried(bob, NOW - timedelta(hours=1))
    mine = overview.headline(ann, 7).tries
    assert (mine.n, mine.failed, mine.timed_out, mine.time_out_rate) == (9, 3, 2, 2 / 9)
    assert overview.headline(olga, 7, everything=True).tries.n == 10


def test_groups_are_dearest_first_and_organisations_have_their_names(
    overview: Overview, told: History, ann: Principal, olga: Principal
) -> None:
    providers = overview.groups(olga, 7, "provider", everything=True)
    assert [(each.key, each.figures.sums.requests) for each in providers] == [("mistral", 2), ("openai", 10)]
    organisations = overview.groups(olga, 7, "org_id", everything=True)
    assert [each.name for each in organisations] == ["Borealis", "Acme"]
    assert [each.name for each in overview.groups(ann, 7, "org_id")] == ["Acme"]
    plans = overview.groups(olga, 7, "plan", everything=True)
    assert [(each.key, each.figures.sums.cost_usd) for each in plans] == [
        ("free", Decimal("0.06")),
        ("basic", Decimal("0.022")),
    ]
    days = overview.groups(ann, 7, "day")
    assert [(each.key.date().day, each.figures.sums.requests) for each in days] == [(20, 2), (21, 8)]
    models = overview.groups(ann, 7, "model")
    latency = models[0].figures.latency
    assert [each.key for each in models] == ["gpt-4o-mini"]
    assert latency is not None and latency.answered == 4


def test_the_hours_of_the_day_are_of_utc(overview: Overview, told: History, ann: Principal, olga: Principal) -> None:
    assert overview.hours(ann).requests == {13: 2, 15: 8}
    assert overview.hours(olga, everything=True).requests == {13: 2, 15: 10}


@pytest.mark.parametrize(("days", "of_one", "of_all"), [(1, 1, 1), (7, 7, 7), (30, 7, 30)])
def test_the_hours_of_the_day_are_of_the_chosen_days_of_an_organisation_of_a_week(
    overview: Overview, told: History, *, ann: Principal, olga: Principal, days: int, of_one: int, of_all: int
) -> None:
    own, everybodys = overview.hours(ann, days), overview.hours(olga, days, everything=True)
    assert (own.days, everybodys.days) == (of_one, of_all)
    assert sum(own.requests.values()) == overview.headline(ann, of_one).figures.sums.requests
    all_of_them = overview.headline(olga, of_all, everything=True)
    assert sum(everybodys.requests.values()) == all_of_them.figures.sums.requests


def test_rolled_up_figures_are_those_of_the_log(
    workbench: Workbench,
    overview: Overview,
    told: History,
    olga: Principal,
    ann: Principal,
    service: psycopg.Connection[tuple[object, ...]],
) -> None:
    def looks() -> list[object]:
        return [
            overview.headline(olga, 7, everything=True).figures.sums,
            overview.headline(ann, 30).figures.sums,
            [(each.key, each.figures.sums.requests) for each in overview.groups(olga, 7, "model", everything=True)],
            overview.hours(olga, everything=True),
        ]

    service.execute("UPDATE usage_progress SET rolled_until = '2026-11-01'")
    before = looks()
    Rollups(workbench.database).bring_up_to_date()
    (rolled,) = service.execute("SELECT rolled_until FROM usage_progress").fetchone() or (None,)
    assert rolled == NOW.replace(minute=0)
    assert looks() == before


class TestPlans:
    def test_the_margin_is_the_list_price_by_the_day_and_paid_credits_less_the_platforms_cost(
        self,
        overview: Overview,
        history: History,
        ann: Principal,
        olga: Principal,
        service: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        service.execute(
            "UPDATE organisation_plans SET starts_at = %s WHERE org_id = %s", (NOW - timedelta(days=2), ann.org_id)
        )
        history.ask(ann, NOW - timedelta(days=1), credits=Decimal(5), free_charged=Decimal(2), cost_usd=Decimal("0.04"))
        history.ask(ann, NOW - timedelta(days=1), own_key=True, cost_usd=Decimal("0.50"))
        margins = {each.plan: each for each in overview.plans(olga, 7, everything=True).margins}
        basic = margins["basic"]
        assert basic.organisations == 1
        assert basic.subscriptions_usd is not None and basic.margin_usd is not None
        assert basic.subscriptions_usd == pytest.approx(Decimal("9.99") * 12 / 365 * 2, abs=Decimal("0.0001"))
        assert basic.credits_usd == Decimal("0.30")
        assert basic.cost_usd == Decimal("0.04")
        assert basic.margin_usd == basic.subscriptions_usd + Decimal("0.26")
        assert margins["enterprise"].margin_usd is None

    def test_a_plan_by_the_seat_is_paid_for_each_member_of_today(
        self, overview: Overview, member: MakeMember, olga: Principal, service: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        tess = member("tess", org="Team", plan="team")
        member("tom", org="Team", plan="team", role=Role.ANALYST)
        service.execute(
            "UPDATE organisation_plans SET starts_at = %s WHERE org_id = %s", (NOW - timedelta(days=1), tess.org_id)
        )
        team = next(each for each in overview.plans(olga, 30, everything=True).margins if each.plan == "team")
        assert team.subscriptions_usd == pytest.approx(Decimal(49) * 12 / 365 * 2, abs=Decimal("0.0001"))

    def test_an_organisation_without_an_active_member_brings_in_nothing(
        self, overview: Overview, member: MakeMember, olga: Principal, service: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        gone, ended = (member(name, org=name, plan="basic") for name in ("gone", "ended"))
        stays, off = (member(name, org="Team", plan="team") for name in ("stays", "off"))
        service.execute("UPDATE organisation_plans SET starts_at = %s", (NOW - timedelta(days=1),))
        service.execute("UPDATE users SET deactivated_at = %s WHERE id = ANY(%s)", (NOW, [gone.user_id, off.user_id]))
        service.execute("UPDATE memberships SET ended_at = %s WHERE user_id = %s", (NOW, ended.user_id))
        margins = {each.plan: each for each in overview.plans(olga, 7, everything=True).margins}
        assert "basic" not in margins
        assert margins["team"].organisations == 1
        assert margins["team"].subscriptions_usd == pytest.approx(Decimal(49) * 12 / 365, abs=Decimal("0.0001"))
        assert stays.org_id == off.org_id

    def test_use_is_the_mean_over_active_people(
        self, overview: Overview, told: History, ann: Principal, olga: Principal
    ) -> None:
        use = {each.plan: each for each in overview.plans(olga, 1, everything=True).use}
        assert set(use) == {"free", "basic"}
        assert (use["basic"].users, use["basic"].requests_per_user_day) == (1, 10 / 7)
        assert use["basic"].tokens_per_call == 600
        assert use["free"].cost_per_user_usd == Decimal("0.06")

    def test_conversion_is_of_those_on_a_free_plan_in_the_period(
        self, overview: Overview, member: MakeMember, olga: Principal, service: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        gone, stays, back = (member(name, org=name, plan="free") for name in ("gone", "stays", "back"))
        long_ago, lately = NOW - timedelta(days=60), NOW - timedelta(days=3)
        for each in (gone, stays, back):
            service.execute("UPDATE organisation_plans SET starts_at = %s WHERE org_id = %s", (long_ago, each.org_id))
        for org_id, plan, at in (
            (gone.org_id, "basic", lately),
            (back.org_id, "premium", NOW - timedelta(days=50)),
            (back.org_id, "free", lately),
        ):
            service.execute("INSERT INTO organisation_plans VALUES (%s, %s, %s)", (org_id, at, plan))
        month = overview.plans(olga, 30, everything=True).conversion
        quarter = overview.plans(olga, 90, everything=True).conversion
        assert month is not None and quarter is not None
        assert (month.converted, month.on_free, month.rate) == (1, 3, 1 / 3)
        assert (month.lapsed, month.on_paid) == (1, 3)  # gone, back and olga's
        assert (quarter.converted, quarter.on_free) == (2, 3)
        assert overview.plans(olga, 30).conversion is None


class TestNearLimits:
    def test_who_has_used_eighty_per_cent_is_told_with_what_raises_their_limit(
        self,
        overview: Overview,
        workbench: Workbench,
        ann: Principal,
        bob: Principal,
        olga: Principal,
        service: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        for who, used in ((ann, 80), (bob, 7)):
            workbench.usage.overview(who)
            self._use(service, who, used)
        assert [(row.metric, row.used, row.maximum) for row in overview.near_limits(ann).rows] == [
            ("chat_queries_day", 80, 100)
        ]
        assert overview.near_limits(bob).rows == []
        self._use(service, bob, 9)
        everybody = overview.near_limits(olga, everything=True)
        assert [(row.org_name, row.used) for row in everybody.rows] == [("Borealis", 9), ("Acme", 80)]
        assert everybody.users == 2
        service.execute(
            "INSERT INTO boosts (id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by,"
            " requested_at, decided_by, decided_at) VALUES (gen_random_uuid(), %s, %s, 'chat_queries_day', 10, %s, %s,"
            " 'A busy week', 'granted', %s, %s, %s, %s)",
            (
                *(bob.org_id, bob.user_id, NOW - timedelta(hours=1), NOW + timedelta(hours=1)),
                *(bob.user_id, NOW, olga.user_id, NOW),
            ),
        )
        assert overview.near_limits(bob).rows == []

    def test_a_pool_is_told_as_one_quota_of_the_organisation(
        self,
        overview: Overview,
        member: MakeMember,
        bob: Principal,
        service: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        ben = member("ben", org="Borealis", role=Role.ANALYST)
        service.execute("UPDATE organisations SET pools_allowances = true WHERE id = %s", (bob.org_id,))
        self._use(service, bob, 15)
        assert overview.near_limits(bob).rows == []
        self._use(service, ben, 1)
        (row,) = overview.near_limits(bob).rows
        assert (row.user_id, row.used, row.maximum) == (None, 16, 20)

    def test_a_pools_row_is_what_the_meter_tells_of_it(
        self,
        overview: Overview,
        workbench: Workbench,
        member: MakeMember,
        bob: Principal,
        olga: Principal,
        service: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        """What was used by who left, and what was carried over to who has not asked yet, are the pool's."""
        left, new = member("left", org="Borealis"), member("new", org="Borealis", role=Role.ANALYST)
        service.execute("UPDATE organisations SET pools_allowances = true WHERE id = %s", (bob.org_id,))
        for who, used in ((bob, 6), (left, 20), (new, 0)):
            self._use(service, who, used)
        service.execute(
            "UPDATE member_meters SET request_used = 200, request_carry = 5 WHERE org_id = %s", (bob.org_id,)
        )
        service.execute("UPDATE memberships SET ended_at = %s WHERE user_id = %s", (NOW, left.user_id))
        boost = Boosting("chat_queries_day", 7, 1, "A report")
        workbench.admin.people.give_boost(olga, bob.org_id, new.email, boost)
        told = {row.metric: (row.used, row.maximum) for row in overview.near_limits(bob).rows}
        meter = {name: (each.used, each.limit) for name, each in workbench.usage.overview(bob).allowances.items()}
        assert told == {name: meter[name] for name in told}
        assert told == {"chat_queries_day": (26, 2 * 10 + 7), "requests_month": (600, 2 * 300 + 3 * 5)}

    def test_a_members_row_is_what_the_meter_tells_of_it(
        self,
        overview: Overview,
        workbench: Workbench,
        bob: Principal,
        olga: Principal,
        service: psycopg.Connection[tuple[object, ...]],
    ) -> None:
        self._use(service, bob, 15)
        service.execute(
            "UPDATE member_meters SET request_used = 280, request_carry = 5 WHERE org_id = %s", (bob.org_id,)
        )
        for email in (bob.email, ""):
            boost = Boosting("chat_queries_day", 4, 1, "A report")
            workbench.admin.people.give_boost(olga, bob.org_id, email, boost)
        told = {row.metric: (row.used, row.maximum) for row in overview.near_limits(bob).rows}
        meter = {name: (each.used, each.limit) for name, each in workbench.usage.overview(bob).allowances.items()}
        assert told == {name: meter[name] for name in told}
        assert told == {"chat_queries_day": (15, 18), "requests_month": (280, 305)}

    def test_a_period_that_is_over_does_not_count(
        self, overview: Overview, bob: Principal, service: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        self._use(service, bob, 10, day=NOW - timedelta(days=2))
        assert overview.near_limits(bob).rows == []

    @staticmethod
    def _use(
        service: psycopg.Connection[tuple[object, ...]], who: Principal, used: int, *, day: datetime = NOW
    ) -> None:
        start = day.replace(hour=0, minute=0)
        service.execute(
            "INSERT INTO member_meters (org_id, user_id, day_start, day_end, month_start, month_end, chat_query_used)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (org_id, user_id) DO UPDATE SET"
            " chat_query_used = excluded.chat_query_used, day_start = excluded.day_start, day_end = excluded.day_end",
            (who.org_id, who.user_id, start, start + timedelta(days=1), start, start + timedelta(days=30), used),
        )


class TestTenancy:
    @pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
    def test_who_manages_nothing_sees_nothing(
        self, overview: Overview, told: History, member: MakeMember, role: Role
    ) -> None:
        eve = member("eve", org="Acme", plan="basic", role=role)
        looks: list[Look] = [
            lambda: overview.headline(eve, 7),
            lambda: overview.groups(eve, 7, "model"),
            lambda: overview.hours(eve),
            lambda: overview.plans(eve, 7),
            lambda: overview.near_limits(eve),
        ]
        for look in looks:
            with pytest.raises(Forbidden):
                look()

    def test_a_manager_cannot_ask_for_everything(self, overview: Overview, told: History, ann: Principal) -> None:
        looks: list[Look] = [
            lambda: overview.headline(ann, 7, everything=True),
            lambda: overview.groups(ann, 7, "org_id", everything=True),
            lambda: overview.hours(ann, everything=True),
            lambda: overview.plans(ann, 7, everything=True),
            lambda: overview.plans(ann, 7),
            lambda: overview.near_limits(ann, everything=True),
        ]
        for look in looks:
            with pytest.raises(Forbidden):
                look()

    def test_an_operator_in_an_organisation_sees_that_one(
        self, overview: Overview, told: History, bob: Principal
    ) -> None:
        found = overview.headline(replace(bob, is_operator=True), 7)
        assert found.figures.sums.requests == 2


@pytest.mark.parametrize("days", [0, 2, 91, -7])
def test_only_the_offered_periods_can_be_had(overview: Overview, ann: Principal, days: int) -> None:
    assert days not in PERIODS
    with pytest.raises(InvalidRequest):
        overview.headline(ann, days)
