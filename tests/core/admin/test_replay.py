"""The replay of a plan: by hand, and the same refusals as the meter itself makes of a random history."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from core.admin.replay import NEVER, Asked, Boosted, Calendar, Ground, Refusal, Replay
from core.admin.simulator import changed_plan
from core.errors import MeteringDenied
from core.metering.meter import Feature, Hold
from core.metering.plans import Plan, Plans
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

ORG, ANN, BOB = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
FREE = {"requests_minute": None, "requests_hour": None, "signal_validations_minute": None, "concurrent_requests": None}
TIGHT = {
    "chat_queries_day": 4,
    "portfolio_analyses_day": 2,
    "sec_filings_month": 3,
    "signal_validations_day": 5,
    "requests_month": 22,
    "requests_minute": 2,
    "requests_hour": 4,
    "signal_validations_minute": 1,
    "concurrent_requests": 2,
    "request_ceiling_usd": Decimal("0.005"),
    "carry_over_share": Decimal("0.5"),
}
"""Limits that a few requests reach."""


@pytest.fixture
def tight(plans: Plans) -> Plan:
    return changed_plan(plans.get("premium"), TIGHT)


def asked(at: datetime, **changes: Any) -> Asked:
    values = {"ends_at": at, "org_id": ORG, "user_id": ANN, "feature": "chat_query", "model_class": "economy"}
    return Asked(at=at, **{**values, **changes})


def replay(plan: Plan, *, zone: str = "UTC", **ground: Any) -> Replay:
    return Replay(plan, Ground({ORG: zone}, **ground))


def decided(plan: Plan, history: Sequence[Asked], *, zone: str = "UTC", **ground: Any) -> list[str | None]:
    run = replay(plan, zone=zone, **ground)
    return [None if (refusal := run.decide(each)) is None else refusal.metric for each in history]


class TestByHand:
    def test_a_day_ends_at_midnight_of_the_organisations_zone(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": 1, "requests_month": None})
        before, after = datetime(2026, 3, 10, 3, 59, tzinfo=UTC), datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
        history = [asked(before - timedelta(hours=1)), asked(before), asked(after)]
        assert decided(plan, history, zone="America/New_York") == [None, "chat_queries_day", None]
        assert decided(plan, history) == [None, "chat_queries_day", "chat_queries_day"]

    def test_a_rate_has_room_once_its_oldest_bucket_has_left(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "requests_minute": 2, "chat_queries_day": None})
        run = replay(plan)
        times = [NOON + timedelta(seconds=s) for s in (0.9, 30, 59.9, 60.0)]
        told = [run.decide(asked(at)) for at in times]
        assert told == [
            None,
            None,
            Refusal("requests_minute", Decimal(2), Decimal(2), NOON + timedelta(seconds=60)),
            None,
        ]

    def test_of_several_refusals_the_one_that_lasts_longest_is_told(self, tight: Plan) -> None:
        plan = changed_plan(tight, {"chat_queries_day": 1, "requests_minute": 1, "requests_month": 1})
        assert decided(plan, [asked(NOON), asked(NOON + timedelta(seconds=1))]) == [None, "requests_month"]

    def test_a_failed_call_gives_its_quota_back_and_keeps_its_place_in_the_rates(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": 1, "requests_month": 1, "requests_hour": 2})
        failed = asked(NOON, ends_at=NOON + timedelta(seconds=5), keeps_quota=False)
        history = [failed, *(asked(NOON + timedelta(seconds=s)) for s in (4, 6, 7))]
        assert decided(plan, history) == [None, "requests_month", None, "requests_month"]

    def test_what_was_left_is_carried_over_by_its_share_rounded_down(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": None, "requests_month": 5})
        march = [asked(NOON + timedelta(hours=n)) for n in range(2)]
        april = [asked(datetime(2026, 4, 2, n, tzinfo=UTC)) for n in range(7)]
        may = [asked(datetime(2026, 5, 2, n, tzinfo=UTC)) for n in range(7)]
        # 3 were left of 5: 1 more in April; there 6 were used, none was left: 5 in May.
        assert decided(plan, [*march, *april]) == [None] * 8 + ["requests_month"]
        assert decided(plan, [*march, *april, *may])[9:] == [None] * 5 + ["requests_month"] * 2

    def test_nothing_is_carried_to_whom_was_not_there_before(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": None, "requests_month": 1})
        history = [asked(NOON), asked(NOON)]
        assert decided(plan, history) == [None, "requests_month"]
        twice = changed_plan(plan, {"carry_over_share": Decimal(1)})
        assert decided(twice, history, known_since={(ORG, ANN): date(2026, 2, 1)}) == [None, None]

    def test_a_boost_adds_to_the_limit_while_it_is_in_force(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": 1, "requests_month": None})
        boost = Boosted(ORG, ANN, "chat_queries_day", 1, NOON, NOON + timedelta(hours=1))
        history = [asked(NOON + timedelta(minutes=m)) for m in (0, 1, 2)]
        others = [asked(NOON + timedelta(minutes=m), user_id=BOB) for m in (0, 1)]
        assert decided(plan, history, boosts=[boost]) == [None, None, "chat_queries_day"]
        assert decided(plan, others, boosts=[boost]) == [None, "chat_queries_day"]
        late = [asked(NOON), asked(NOON + timedelta(hours=1))]
        assert decided(plan, late, boosts=[boost]) == [None, "chat_queries_day"]

    def test_a_pool_is_one_quota_of_as_many_as_share_it(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": 1, "requests_month": None})
        history = [asked(NOON), asked(NOON), asked(NOON, user_id=BOB)]
        assert decided(plan, history) == [None, "chat_queries_day", None]
        assert decided(plan, history, pools={ORG: 2}) == [None, None, "chat_queries_day"]

    def test_credits_cover_what_only_the_allowance_refuses(self, tight: Plan) -> None:
        plan = changed_plan(tight, {**FREE, "chat_queries_day": 0, "requests_minute": 2, "requests_month": None})
        run = replay(plan)
        assert run.decide(asked(NOON, on_credits=True)) is None
        assert not run.on_plan
        assert run.decide(asked(NOON, on_credits=True)) is None
        full = run.decide(asked(NOON, on_credits=True))
        assert full is not None
        assert full.metric == "chat_queries_day"
        roomy = replay(changed_plan(plan, {"chat_queries_day": 1}))
        assert roomy.decide(asked(NOON, on_credits=True)) is None
        assert roomy.on_plan

    def test_a_class_that_the_plan_lacks_and_a_dear_request_are_refused_for_good(self, tight: Plan) -> None:
        run = replay(changed_plan(tight, {"model_classes": ("economy",)}))
        frontier = run.decide(asked(NOON, model_class="frontier"))
        dear = run.decide(asked(NOON, held_usd=Decimal("0.0050001")))
        assert frontier is not None
        assert (frontier.metric, frontier.resets_at) == ("model_classes", NEVER)
        assert dear == Refusal("request_ceiling_usd", Decimal("0.005"), Decimal("0.0050001"), NEVER)
        assert run.decide(asked(NOON, model_class=None, held_usd=Decimal("0.005"))) is None

    def test_slots_are_free_again_when_calls_end(self, tight: Plan) -> None:
        plan = changed_plan(tight, {"concurrent_requests": 1, "requests_minute": None, "requests_hour": None})
        first = asked(NOON, ends_at=NOON + timedelta(seconds=9))
        history = [first, asked(NOON + timedelta(seconds=8)), asked(NOON + timedelta(seconds=9))]
        assert decided(plan, history) == [None, "concurrent_requests", None]

    def test_what_the_organisation_does_takes_none_of_its_members_limits(self, tight: Plan) -> None:
        plan = changed_plan(tight, {"signal_validations_day": 2, "requests_month": 0})
        history = [asked(NOON, feature="signal_validation", acts_as="organisation") for _ in range(3)]
        assert decided(plan, history) == [None, None, "signal_validations_day"]


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Africa/Cairo", "America/Havana", "Asia/Beirut"]
)
def test_days_begin_and_end_as_the_database_has_them(
    zone: str, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    calendar = Calendar(zone)
    days = [date(2024, 12, 31) + timedelta(days=n) for n in range(800)]
    rows = service.execute(
        "SELECT ((d::date)::timestamp AT TIME ZONE %s) FROM unnest(%s::date[]) d", (zone, days)
    ).fetchall()
    assert [calendar.start(day) for day in days] == [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Happened:
    """A request, and what the meter made of it."""

    asked: Asked
    refused_by: str | None
    limit: Decimal | None = None
    used: Decimal | None = None
    resets_at: datetime | None = None


class History:
    """Random requests of members, put to the meter at moments of their own."""

    def __init__(self, workbench: Workbench, move: MoveTime, members: Sequence[Principal], seed: int) -> None:
        self._meter = workbench.meter
        self._move = move
        self._members = members
        self._random = random.Random(seed)
        self._waiting: list[tuple[datetime, int, Hold, str]] = []
        self.happened: list[Happened] = []

    def run(self, begins_at: datetime, count: int) -> None:
        at = begins_at
        for _ in range(count):
            at = self._later(at)
            self._end_until(at)
            self._ask(at)
        self._end_until(at + timedelta(days=1))

    def _later(self, at: datetime) -> datetime:
        span = self._random.choices([1, 20, 900, 9_000, 60_000], [5, 5, 4, 4, 3])[0]
        moved = at + timedelta(seconds=1 + self._random.randrange(span))
        return moved.replace(microsecond=300_000)

    def _ask(self, at: datetime) -> None:
        who = self._random.choice(self._members)
        feature = self._random.choices([*Feature, None], [6, 3, 1, 1, 1])[0]
        counts = feature not in (Feature.PORTFOLIO_ANALYSIS, Feature.SEC_FILING)
        held_usd = self._random.choice([Decimal("0.001")] * 15 + [Decimal("0.006")])
        ending = self._random.choices(["success", "failed", "cut"], [6, 2, 1])[0]
        lasts_s = self._random.choice([0, 0, 2, 7, 45])
        wanted = Asked(
            at=at, ends_at=at + timedelta(seconds=lasts_s), org_id=who.org_id, user_id=who.user_id, feature=feature,
            counts_request=counts, keeps_quota=ending != "failed", held_usd=held_usd,
        )  # fmt: skip
        request = hold_request(feature=feature, counts_request=counts, held_usd=held_usd)
        self._move(at)
        try:
            hold = self._meter.reserve(who, request)
        except MeteringDenied as denied:
            told = denied.denial
            refused = replace(wanted, ends_at=at, was_refused=True, keeps_quota=True)
            self.happened.append(Happened(refused, told.metric, told.limit, told.used, told.resets_at))
            return
        assert self._meter.mark_in_flight(hold)
        self.happened.append(Happened(wanted, None))
        heapq.heappush(self._waiting, (wanted.ends_at, len(self.happened), hold, ending))
        if lasts_s == 0:
            self._end_until(at)

    def _end_until(self, moment: datetime) -> None:
        while self._waiting and self._waiting[0][0] <= moment:
            at, _, hold, ending = heapq.heappop(self._waiting)
            self._move(at)
            if ending == "failed":
                self._meter.release(hold, "failed", record("0"))
            else:
                self._meter.settle(hold, ending, Decimal("0.0004"), record())


def enforce(service: psycopg.Connection[tuple[object, ...]], plan: Plan) -> None:
    """Puts a plan's limits in force."""
    names = [name for name in TIGHT if name != "carry_over_share"]
    columns = ", ".join(f"{name} = %({name})s" for name in (*names, "carry_over_share"))
    values = {name: getattr(plan.limits, name) for name in names}
    service.execute(
        f"UPDATE plan_limits SET {columns} WHERE plan = 'premium'",
        {**values, "carry_over_share": plan.carry_over_share},
    )


def compared(plan: Plan, happened: Sequence[Happened], ground: Ground) -> None:
    """Replays what happened, and asserts that each refusal is the meter's, with its figures."""
    run = Replay(plan, ground)
    for number, each in enumerate(happened):
        refusal = run.decide(each.asked)
        told = None if refusal is None else refusal.metric
        assert told == each.refused_by, (number, each, refusal)
        if refusal is not None:
            assert (refusal.limit, refusal.used) == (each.limit, each.used), (number, each, refusal)
            if refusal.metric != "concurrent_requests":
                assert (None if refusal.resets_at == NEVER else refusal.resets_at) == each.resets_at, (number, each)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("pools", [False, True], ids=["each", "pooled"])
def test_a_random_history_is_refused_as_the_meter_refuses_it(
    workbench: Workbench,
    member: MakeMember,
    service: psycopg.Connection[tuple[object, ...]],
    move_time: MoveTime,
    tight: Plan,
    *,
    seed: int,
    pools: bool,
) -> None:
    zone = ["America/New_York", "Asia/Kathmandu", "UTC", "Europe/Berlin"][seed - 1]
    move_time(datetime(2026, 2, 27, 9, tzinfo=UTC))
    ann, bob, eve = (
        member(name, org="Acme", plan="premium", role=role)
        for name, role in (("ann", Role.OWNER), ("bob", Role.ANALYST), ("eve", Role.VIEWER))
    )
    service.execute(
        "UPDATE organisations SET zone = %s, pools_allowances = %s WHERE id = %s", (zone, pools, ann.org_id)
    )
    enforce(service, tight)
    boost = Boosted(
        ann.org_id,
        bob.user_id,
        "chat_queries_day",
        2,
        datetime(2026, 3, 5, tzinfo=UTC),
        datetime(2026, 3, 9, tzinfo=UTC),
    )
    grant(service, boost, ann.user_id)
    history = History(workbench, move_time, [ann, bob], seed)
    history.run(datetime(2026, 2, 27, 10, tzinfo=UTC), 260)
    refused = {each.refused_by for each in history.happened}
    assert None in refused
    assert len(refused) > 4
    assert {each.asked.at.month for each in history.happened} >= {2, 3}
    ground = Ground({ann.org_id: zone}, boosts=[boost], pools={ann.org_id: 2} if pools else {})
    compared(tight, history.happened, ground)
    assert eve.org_id == ann.org_id  # a viewer shares no pool


def grant(service: psycopg.Connection[tuple[object, ...]], boost: Boosted, by: UUID) -> None:
    """A boost, as if it had been granted before it began."""
    service.execute(
        "INSERT INTO boosts (id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by,"
        " requested_at, decided_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'a report', 'granted', %s, %s, %s)",
        (uuid4(), boost.org_id, boost.user_id, boost.metric, boost.amount, boost.starts_at, boost.ends_at, by,
         boost.starts_at, boost.starts_at),
    )  # fmt: skip
    service.execute(
        "INSERT INTO org_meters (org_id, day_start, day_end, month_start, month_end, boosts_until)"
        " SELECT o.id, d.starts_at, d.ends_at, m.starts_at, m.ends_at, %s FROM organisations o,"
        " meter_period('day', NULL, assay_now(), o.zone) d, meter_period('month', NULL, assay_now(), o.zone) m"
        " WHERE o.id = %s",
        (boost.ends_at, boost.org_id),
    )
