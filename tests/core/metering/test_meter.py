"""Reserve, settle and release on a real Postgres: limits hold, holds end once, the books balance."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.db.engine import Database
from core.errors import DatabaseUnavailable, Forbidden, MeteringDenied
from core.ids import new_id
from core.metering.meter import Feature, Hold, Meter
from core.metering.plans import Plans
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

pytestmark = pytest.mark.usefixtures("books_balance")
Service = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")


def used(workbench: Workbench, principal: Principal, metric: str = "chat_queries_day") -> int:
    """What a quota counts now, open holds included."""
    return int(workbench.usage.overview(principal).allowances[metric].used)


def spend(workbench: Workbench, principal: Principal) -> Hold:
    """One whole successful request."""
    hold = workbench.meter.reserve(principal, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    assert workbench.meter.settle(hold, "success", CENT, record()).outcome == "settled"
    return hold


def denied(action: Callable[[], object]) -> MeteringDenied:
    """The denial that an action meets."""
    with pytest.raises(MeteringDenied) as caught:
        action()
    return caught.value


def test_the_eleventh_chat_query_of_a_free_day_is_refused_with_everything_a_person_needs(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = member()
    for left in range(9, -1, -1):
        hold = spend(workbench, ann)
        assert hold.quota is not None
        assert hold.quota.remaining == left
    denial = denied(lambda: spend(workbench, ann)).denial
    assert (denial.code, denial.metric, denial.limit, denial.used) == ("quota_exceeded", "chat_queries_day", 10, 10)
    assert denial.reason == "Daily chat query limit reached (10/day)"
    assert denial.resets_at is not None
    assert denial.retry_after_s is not None
    assert 0 < denial.retry_after_s <= 86_400
    assert (denial.resets_at.hour, denial.resets_at.minute) == (0, 0)


def test_two_hundred_at_once_make_exactly_ten_calls(workbench: Workbench, member: MakeMember, service: Service) -> None:
    ann = member()
    service.execute(
        "UPDATE plan_limits SET concurrent_requests = NULL, requests_minute = NULL, "
        "requests_hour = NULL WHERE plan = 'free'"
    )

    def ask(_number: int) -> bool:
        try:
            spend(workbench, ann)
        except MeteringDenied:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(ask, range(200))) == 10
    assert used(workbench, ann) == 10


def test_concurrent_holds_are_bounded_and_released_ones_make_room(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    first, _second = (workbench.meter.reserve(ann, hold_request()) for _ in range(2))
    assert denied(lambda: workbench.meter.reserve(ann, hold_request())).denial.code == "too_many_concurrent"
    workbench.meter.release(first, "never_called")
    workbench.meter.reserve(ann, hold_request())


def test_a_release_returns_everything_but_the_rate(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    assert workbench.meter.release(hold, "failed", record()).outcome == "released"
    assert (used(workbench, ann), used(workbench, ann, "requests_month")) == (0, 0)
    again = workbench.meter.reserve(ann, hold_request())
    assert again.rate is not None
    assert again.rate.used == 2


def test_a_denial_uses_nothing(workbench: Workbench, member: MakeMember, service: Service) -> None:
    ann = member()
    workbench.meter.release(workbench.meter.reserve(ann, hold_request()), "never_called")
    rows = "SELECT m.*, o.* FROM member_meters m JOIN org_meters o USING (org_id)"
    before = service.execute(rows).fetchone()
    denied(lambda: workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.010000001"))))
    assert service.execute(rows).fetchone() == before


def test_a_request_above_the_ceiling_is_refused_and_never_shrunk(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    denial = denied(lambda: workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.010000001")))).denial
    assert (denial.code, denial.resets_at, denial.retry_after_s) == ("cost_ceiling", None, None)
    assert "0.010000001 USD" in denial.reason
    workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.01")))


def test_of_several_limits_the_one_that_lasts_longest_is_told(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    for _ in range(10):
        spend(workbench, ann)
    workbench.meter.reserve(ann, hold_request(feature=None))
    denial = denied(lambda: workbench.meter.reserve(ann, hold_request())).denial
    assert denial.metric == "chat_queries_day"


def test_requests_a_minute_slide(workbench: Workbench, member: MakeMember, move_time: MoveTime) -> None:
    ann = member()
    start = datetime(2026, 5, 5, 12, 0, 10, tzinfo=UTC)
    for second in range(20):
        move_time(start + timedelta(seconds=2 * second))
        hold = workbench.meter.reserve(ann, hold_request(feature=None))
        workbench.meter.release(hold, "never_called")
    denial = denied(lambda: workbench.meter.reserve(ann, hold_request(feature=None))).denial
    assert (denial.code, denial.metric) == ("rate_limited", "requests_minute")
    assert denial.resets_at == start + timedelta(seconds=60)
    move_time(start + timedelta(seconds=59))
    denied(lambda: workbench.meter.reserve(ann, hold_request(feature=None)))
    move_time(start + timedelta(seconds=60))
    workbench.meter.reserve(ann, hold_request(feature=None))


def test_a_hold_resolves_once(workbench: Workbench, member: MakeMember, service: Service) -> None:
    ann = member()
    hold = spend(workbench, ann)
    settled_again = workbench.meter.settle(hold, "success", CENT * 2, record())
    released_after = workbench.meter.release(hold, "failed", record())
    for resolved in (settled_again, released_after):
        assert (resolved.outcome, resolved.charged_usd) == ("settled", CENT)
    assert used(workbench, ann) == 1
    assert service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,)


def test_a_hundred_racing_resolutions_charge_once(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)

    def resolve(number: int) -> str:
        if number % 2:
            return workbench.meter.settle(hold, "success", CENT, record()).outcome
        return workbench.meter.release(hold, "failed", record()).outcome

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(resolve, range(100)))) == 1


def test_reserve_is_repeated_with_the_same_answer(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    request = hold_request()
    first, again = workbench.meter.reserve(ann, request), workbench.meter.reserve(ann, request)
    assert first.id == again.id
    assert used(workbench, ann) == 1
    with pytest.raises(Forbidden):
        workbench.meter.reserve(bob, request)


def test_nothing_is_settled_that_was_never_called(workbench: Workbench, member: MakeMember) -> None:
    hold = workbench.meter.reserve(member(), hold_request())
    assert workbench.meter.settle(hold, "success", CENT, record()).outcome == "not_open"


def test_an_expired_hold_can_neither_be_called_nor_settled(
    workbench: Workbench, member: MakeMember, move_time: MoveTime, service: Service
) -> None:
    ann = member()
    waiting, called = (workbench.meter.reserve(p, hold_request()) for p in (ann, member("bob")))
    assert workbench.meter.mark_in_flight(called)
    move_time(timedelta(seconds=151))
    assert not workbench.meter.mark_in_flight(waiting)
    assert workbench.meter.settle(called, "success", CENT, record()).outcome == "expired"
    assert workbench.meter.release(waiting, "never_called").outcome == "expired"
    rows = service.execute("SELECT status, charged_usd, cost_usd FROM usage_log").fetchall()
    assert rows == [("unresolved", 0, Decimal("0.001"))]


def test_the_next_request_expires_what_its_user_left_open(
    workbench: Workbench, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member()
    workbench.meter.reserve(ann, hold_request())
    move_time(timedelta(seconds=149))
    assert denied(lambda: workbench.meter.reserve(ann, hold_request())).denial.code == "too_many_concurrent"
    move_time(timedelta(seconds=151))
    workbench.meter.reserve(ann, hold_request())
    assert used(workbench, ann) == 1


def test_a_worker_behind_its_fence_does_not_call(workbench: Workbench, member: MakeMember, plans: Plans) -> None:
    now = [1_000.0]
    meter = Meter(workbench.database, plans, monotonic=lambda: now[0])
    hold = meter.reserve(member(), hold_request())
    now[0] += 140.0
    assert not meter.mark_in_flight(hold)
    meter.release(hold, "never_called")


def test_an_organisations_limit_is_shared_and_others_overdue_holds_make_room(
    workbench: Workbench, member: MakeMember, move_time: MoveTime
) -> None:
    ann, bob = member("ann", org="Acme", plan="free"), member("bob", org="Acme", plan="free")
    for _ in range(4):
        hold = workbench.meter.reserve(ann, hold_request(feature=Feature.SIGNAL_VALIDATION))
        workbench.meter.mark_in_flight(hold)
        workbench.meter.settle(hold, "success", CENT, record())
    workbench.meter.reserve(ann, hold_request(feature=Feature.SIGNAL_VALIDATION))

    def ask() -> Hold:
        return workbench.meter.reserve(bob, hold_request(feature=Feature.SIGNAL_VALIDATION))

    denial = denied(ask).denial
    assert (denial.metric, denial.used) == ("signal_validations_day", 5)
    move_time(timedelta(seconds=151))
    ask()


def test_budgets_count_what_is_charged_and_what_is_held(
    workbench: Workbench, member: MakeMember, service: Service
) -> None:
    ann = member(plan="premium")
    service.execute("UPDATE organisations SET budget_usd_month = 0.002")
    spend(workbench, ann)
    workbench.meter.reserve(ann, hold_request())
    denial = denied(lambda: workbench.meter.reserve(ann, hold_request())).denial
    assert (denial.code, denial.metric) == ("budget_exceeded", "org_budget_usd_month")
    workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.0006")))


def test_a_new_day_begins_by_the_first_request_after_midnight_in_the_organisations_zone(
    workbench: Workbench, member: MakeMember, service: Service, move_time: MoveTime
) -> None:
    ann = member()
    service.execute("UPDATE organisations SET zone = 'America/New_York'")
    midnight = datetime(2026, 7, 10, 4, 0, tzinfo=UTC)
    move_time(midnight - timedelta(minutes=5))
    for _ in range(10):
        spend(workbench, ann)
    late = denied(lambda: spend(workbench, ann)).denial
    assert late.resets_at == midnight
    move_time(midnight + timedelta(seconds=1))
    assert used(workbench, ann) == 0
    spend(workbench, ann)
    assert used(workbench, ann) == 1
    periods = service.execute(
        "SELECT starts_at, ends_at, chat_query_used FROM meter_periods WHERE period = 'day' AND user_id = %s",
        (ann.user_id,),
    ).fetchall()
    assert periods == [(midnight - timedelta(days=1), midnight, 10)]


def test_a_request_belongs_to_the_day_it_was_reserved_in(
    workbench: Workbench, member: MakeMember, service: Service, move_time: MoveTime
) -> None:
    ann = member(plan="basic")
    midnight = datetime(2026, 8, 1, 0, 0, tzinfo=UTC)
    move_time(midnight - timedelta(seconds=30))
    settled, released = (workbench.meter.reserve(ann, hold_request()) for _ in range(2))
    workbench.meter.mark_in_flight(settled)
    move_time(midnight + timedelta(seconds=30))
    assert used(workbench, ann) == 0
    workbench.meter.settle(settled, "success", CENT, record())
    hold = workbench.meter.reserve(ann, hold_request())
    workbench.meter.release(released, "never_called")
    assert used(workbench, ann) == 1
    workbench.meter.release(hold, "never_called")
    closed = service.execute(
        "SELECT period, chat_query_used, chat_query_held, request_used, request_held, charge_usd_used, charge_usd_held "
        "FROM meter_periods WHERE user_id = %s ORDER BY period",
        (ann.user_id,),
    ).fetchall()
    assert closed == [("day", 1, 0, 0, 0, 0, 0), ("month", 0, 0, 1, 0, CENT, 0)]


def test_a_changed_zone_bridges_without_granting_a_day_twice(
    workbench: Workbench, member: MakeMember, service: Service, move_time: MoveTime
) -> None:
    ann = member()
    midnight = datetime(2026, 7, 10, 0, 0, tzinfo=UTC)
    move_time(midnight - timedelta(hours=1))
    spend(workbench, ann)
    service.execute("UPDATE organisations SET zone = 'America/New_York'")
    overview = workbench.usage.overview(ann).allowances["chat_queries_day"]
    assert (overview.used, overview.ends_at) == (1, midnight)
    move_time(midnight + timedelta(hours=4, minutes=1))
    for _ in range(10):
        spend(workbench, ann)
    bridged = denied(lambda: spend(workbench, ann)).denial
    assert bridged.resets_at == midnight + timedelta(days=1, hours=4)


def test_a_clock_set_back_never_reopens_a_period(workbench: Workbench, member: MakeMember, move_time: MoveTime) -> None:
    ann = member()
    noon = datetime(2026, 7, 10, 12, 0, tzinfo=UTC)
    move_time(noon)
    for _ in range(10):
        spend(workbench, ann)
    move_time(noon - timedelta(days=3))
    assert denied(lambda: spend(workbench, ann)).denial.metric == "chat_queries_day"


def test_a_changed_plan_binds_the_next_request(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    for _ in range(10):
        spend(workbench, ann)
    workbench.directory.set_plan(ann.org_name, "basic")
    hold = spend(workbench, ann)
    assert (hold.plan, hold.quota and hold.quota.limit) == ("basic", 100)


def test_unlimited_is_counted_too(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="premium")
    hold = spend(workbench, ann)
    assert hold.quota is not None
    assert (hold.quota.limit, hold.quota.remaining, hold.quota.used) == (None, None, 1)
    assert used(workbench, ann) == 1


@pytest.mark.parametrize("role", [Role.VIEWER])
def test_a_viewer_may_not_reserve(workbench: Workbench, member: MakeMember, role: Role) -> None:
    with pytest.raises(Forbidden):
        workbench.meter.reserve(member(role=role), hold_request())


def test_nobody_reserves_without_a_membership(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    for stranger in (replace(ann, org_id=bob.org_id), replace(ann, user_id=new_id()), replace(ann, org_id=new_id())):
        with pytest.raises(Forbidden):
            workbench.meter.reserve(stranger, hold_request())


def test_five_early_cuts_a_day_are_free(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    charged = []
    for _ in range(6):
        hold = workbench.meter.reserve(ann, hold_request())
        workbench.meter.mark_in_flight(hold)
        charged.append(workbench.meter.settle(hold, "early_cut", CENT, record()).charged_usd)
    assert charged == [0, 0, 0, 0, 0, CENT]
    assert used(workbench, ann) == 1


def test_without_a_database_nothing_is_reserved(plans: Plans, member: MakeMember) -> None:
    with closing(Database("postgresql://nobody:x@127.0.0.1:1/none")) as away, pytest.raises(DatabaseUnavailable):
        Meter(away, plans, sleep=lambda _s: None).reserve(member(), hold_request())


def test_a_denial_of_an_organisations_limit_looks_for_overdue_holds_once_in_a_while(
    workbench: Workbench, member: MakeMember, service: Service, move_time: MoveTime
) -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    move_time(noon)
    ann = member("ann", plan="free")
    bob = member("bob", org=ann.org_name, plan="free")
    service.execute("UPDATE plan_limits SET signal_validations_day = 1, signal_validations_minute = NULL")
    workbench.meter.reserve(bob, hold_request(feature=Feature.SIGNAL_VALIDATION, lifetime_s=2))
    for after_s in (0, 4):  # nothing was overdue at first, and nobody looks again so soon
        move_time(noon + timedelta(seconds=after_s))
        told = denied(lambda: workbench.meter.reserve(ann, hold_request(feature=Feature.SIGNAL_VALIDATION)))
        assert told.denial.metric == "signal_validations_day"
    move_time(noon + timedelta(seconds=6))
    assert workbench.meter.reserve(ann, hold_request(feature=Feature.SIGNAL_VALIDATION)).plan == "free"
