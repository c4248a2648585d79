"""The rules of the meter one by one: each limit, each check of a hold's state and time, each lock; see tests/guards."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.db.engine import Database
from core.errors import Conflict, DatabaseUnavailable, Forbidden, MeteringDenied, StillRunning
from core.ids import new_id
from core.metering.meter import Feature, Flight, Hold, Meter
from core.metering.plans import Plans
from core.metering.repeats import Idempotency
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

pytestmark = pytest.mark.usefixtures("books_balance")
Connection = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")
DEAR = Decimal("0.01")
FLIGHT = b"a question's name"
VALIDATION, ANALYSIS, FILING = Feature.SIGNAL_VALIDATION, Feature.PORTFOLIO_ANALYSIS, Feature.SEC_FILING


@pytest.fixture
def ann(member: MakeMember, service: Connection) -> Principal:
    """An analyst on a plan without any limit."""
    principal = member(plan="enterprise")
    service.execute(
        "UPDATE plan_limits SET requests_minute = NULL, requests_hour = NULL, signal_validations_minute = NULL, "
        "concurrent_requests = NULL, request_ceiling_usd = NULL WHERE plan = 'enterprise'"
    )
    return principal


def called(workbench: Workbench, who: Principal, **changes: Any) -> Hold:
    """A hold whose call has begun."""
    hold = workbench.meter.reserve(who, hold_request(**changes))
    assert workbench.meter.mark_in_flight(hold)
    return hold


def rows(service: Connection, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds."""
    return service.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("limit", "request_of"),
    [
        ("chat_queries_day", {}),
        ("portfolio_analyses_day", {"feature": ANALYSIS}),
        ("sec_filings_month", {"feature": FILING}),
        ("signal_validations_day", {"feature": VALIDATION}),
        ("requests_month", {"feature": None}),
        ("requests_minute", {"feature": None}),
        ("requests_hour", {"feature": None}),
        ("signal_validations_minute", {"feature": VALIDATION, "counts_request": False}),
        ("concurrent_requests", {"feature": None}),
    ],
)
def test_each_limit_of_a_plan_refuses_the_first_request_too_many(
    workbench: Workbench, ann: Principal, service: Connection, limit: str, request_of: dict[str, Any]
) -> None:
    service.execute(f"UPDATE plan_limits SET {limit} = 2 WHERE plan = 'enterprise'")
    for _ in range(2):
        called(workbench, ann, **request_of)
    with pytest.raises(MeteringDenied) as denied:
        workbench.meter.reserve(ann, hold_request(**request_of))
    assert (denied.value.denial.metric, denied.value.denial.limit, denied.value.denial.used) == (limit, 2, 2)


@pytest.mark.parametrize(
    ("metric", "setting"),
    [
        ("user_budget_usd_month", "UPDATE memberships SET budget_usd_month = 0.002"),
        ("org_budget_usd_month", "UPDATE organisations SET budget_usd_month = 0.002"),
        ("request_ceiling_usd", "UPDATE plan_limits SET request_ceiling_usd = 0.002 WHERE plan = 'enterprise'"),
    ],
)
def test_each_limit_of_money_refuses_what_could_cross_it_and_a_top_up_too(
    workbench: Workbench, ann: Principal, service: Connection, metric: str, setting: str
) -> None:
    service.execute(setting)
    with pytest.raises(MeteringDenied) as denied:
        workbench.meter.reserve(ann, hold_request(held_usd=Decimal("0.002000001")))
    assert denied.value.denial.metric == metric
    hold = called(workbench, ann, held_usd=Decimal("0.001"))
    assert not workbench.meter.top_up(hold, Decimal("0.002000001"))
    assert workbench.meter.top_up(hold, Decimal("0.002"))
    assert rows(service, "SELECT held_usd, bound_usd FROM holds") == [(Decimal("0.002"), Decimal("0.002"))]
    assert rows(service, "SELECT charge_usd_held FROM org_meters") == [(Decimal("0.002"),)]


def test_an_organisation_acts_under_its_own_slots_budget_and_quota(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE plan_limits SET concurrent_requests = 0, requests_month = 0 WHERE plan = 'enterprise'")
    service.execute("UPDATE memberships SET budget_usd_month = 0")
    for _ in range(8):
        called(workbench, ann, feature=VALIDATION, acts_as="organisation")
    with pytest.raises(MeteringDenied) as denied:
        workbench.meter.reserve(ann, hold_request(feature=VALIDATION, acts_as="organisation"))
    assert (denied.value.denial.metric, denied.value.denial.limit) == ("concurrent_batch_requests", 8)
    member = "SELECT open_holds, request_held, charge_usd_held FROM member_meters"
    assert rows(service, member) == [(0, 0, 0)]
    assert rows(service, "SELECT open_batch_holds, signal_validation_held, charge_usd_held FROM org_meters") == [
        (8, 8, Decimal("0.008"))
    ]


@pytest.mark.parametrize("feature", [Feature.CHAT_QUERY, ANALYSIS, FILING])
def test_an_organisation_has_no_share_in_a_members_quotas(
    workbench: Workbench, ann: Principal, feature: Feature
) -> None:
    with pytest.raises(Forbidden):
        workbench.meter.reserve(ann, hold_request(feature=feature, acts_as="organisation"))


def test_nobody_acts_as_anything_else(workbench: Workbench, ann: Principal) -> None:
    with pytest.raises(Forbidden):
        workbench.meter.reserve(ann, hold_request(acts_as="operator"))


def test_an_organisations_quota_is_not_overrun_by_members_who_ask_at_once(
    workbench: Workbench, member: MakeMember, ann: Principal, service: Connection
) -> None:
    colleagues = [ann, *(member(name, org=ann.org_name, plan="enterprise") for name in ("bob", "carl", "dora"))]
    service.execute("UPDATE plan_limits SET signal_validations_day = 10 WHERE plan = 'enterprise'")

    def ask(number: int) -> bool:
        try:
            hold = called(workbench, colleagues[number % 4], feature=VALIDATION)
        except MeteringDenied:
            return False
        return workbench.meter.settle(hold, "success", CENT, record()).outcome == "settled"

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(80))) == 10


def test_an_own_key_is_charged_nothing_and_its_cost_is_logged(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    hold = called(workbench, ann, own_key=True, held_usd=DEAR)
    assert workbench.meter.top_up(hold, 2 * DEAR)
    assert workbench.meter.settle(hold, "success", CENT, record()).charged_usd == 0
    assert rows(service, "SELECT charged_usd, cost_usd FROM usage_log") == [(0, CENT)]


def test_an_own_keys_call_that_was_never_resolved_is_bounded_by_its_worst_case(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    hold = called(workbench, ann, own_key=True, held_usd=DEAR)
    workbench.meter.top_up(hold, 2 * DEAR)
    move_time(timedelta(seconds=151))
    assert workbench.meter.sweep() == 1
    assert rows(service, "SELECT status, charged_usd, cost_usd FROM usage_log") == [("unresolved", 0, 2 * DEAR)]


def test_only_a_call_under_way_is_topped_up(workbench: Workbench, ann: Principal, move_time: MoveTime) -> None:
    waiting, own = workbench.meter.reserve(ann, hold_request()), called(workbench, ann, own_key=True)
    under_way, ended = called(workbench, ann), called(workbench, ann)
    workbench.meter.release(ended, "failed")
    assert not workbench.meter.top_up(waiting, DEAR)
    assert not workbench.meter.top_up(ended, DEAR)
    assert workbench.meter.top_up(under_way, DEAR)
    move_time(timedelta(seconds=150))
    for hold in (under_way, own):
        assert not workbench.meter.top_up(hold, 2 * DEAR)


def test_a_hold_is_topped_up_in_the_month_it_was_reserved_in_alone(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    midnight = datetime(2026, 8, 1, tzinfo=UTC)
    move_time(midnight - timedelta(seconds=30))
    hold = called(workbench, ann)
    move_time(midnight + timedelta(seconds=30))
    called(workbench, ann)
    assert not workbench.meter.top_up(hold, DEAR)


def test_a_call_begins_once_and_not_after_its_end(workbench: Workbench, ann: Principal) -> None:
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    assert not workbench.meter.mark_in_flight(hold)
    workbench.meter.release(hold, "failed")
    assert not workbench.meter.mark_in_flight(hold)


def test_a_hold_does_not_expire_before_its_time(workbench: Workbench, ann: Principal, move_time: MoveTime) -> None:
    start = datetime(2026, 5, 5, 12, tzinfo=UTC)
    move_time(start)
    hold = called(workbench, ann)
    move_time(start + timedelta(seconds=149))
    assert not workbench.meter._expire(hold.id)
    assert workbench.meter.settle(hold, "success", CENT, record()).outcome == "settled"
    assert not workbench.meter._expire(hold.id)


def test_a_late_worker_may_say_what_it_used_and_charges_nothing(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    first, second = called(workbench, ann), called(workbench, ann)
    move_time(timedelta(seconds=151))
    workbench.meter.sweep()
    for hold in (first, second):
        assert workbench.meter.settle(hold, "success", CENT, record()).outcome == "expired"
    assert workbench.meter.release(second, "failed", record()).outcome == "expired"
    assert rows(service, "SELECT status, charged_usd FROM usage_log") == [("unresolved", 0)] * 2
    assert rows(service, "SELECT cost_usd FROM attempts") == [(CENT,)] * 2


def test_a_late_release_expires_the_hold(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    hold = called(workbench, ann)
    move_time(timedelta(seconds=151))
    assert workbench.meter.release(hold, "failed", record()).outcome == "expired"
    assert rows(service, "SELECT state, resolution FROM holds") == [("expired", "unresolved")]


def test_an_outcome_that_does_not_exist_charges_nothing(workbench: Workbench, ann: Principal) -> None:
    hold = called(workbench, ann)
    with pytest.raises(psycopg.Error):
        workbench.meter.settle(hold, "failed", CENT, record())
    assert workbench.meter.release(hold, "failed").outcome == "released"


def test_the_five_free_early_cuts_are_a_days(workbench: Workbench, ann: Principal, move_time: MoveTime) -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)

    def cuts(count: int) -> list[Decimal]:
        holds = [called(workbench, ann) for _ in range(count)]
        return [workbench.meter.settle(hold, "early_cut", CENT, record()).charged_usd for hold in holds]

    move_time(noon)
    assert cuts(6) == [0, 0, 0, 0, 0, CENT]
    move_time(noon + timedelta(days=1))
    assert cuts(6) == [0, 0, 0, 0, 0, CENT]


def test_a_denial_at_the_first_request_of_a_day_uses_nothing_of_it(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    move_time(noon)
    workbench.meter.release(called(workbench, ann), "failed")
    move_time(noon + timedelta(days=40))
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    with pytest.raises(MeteringDenied):
        workbench.meter.reserve(ann, hold_request())
    counters = "SELECT chat_query_held, request_held, charge_usd_held, open_holds, rate_sum(minute_counts) "
    assert rows(service, counters + "FROM member_meters") == [(0, 0, 0, 0, 0)]


@pytest.mark.parametrize("feature", [Feature.CHAT_QUERY, ANALYSIS, FILING, VALIDATION])
def test_whatever_was_reserved_in_a_closed_period_is_counted_there(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime, feature: Feature
) -> None:
    midnight = datetime(2026, 8, 1, tzinfo=UTC)
    move_time(midnight - timedelta(seconds=30))
    holds = [called(workbench, ann, feature=feature) for _ in range(3)]
    move_time(midnight + timedelta(seconds=30))
    workbench.meter.settle(holds[0], "success", CENT, record())  # the rows still stand in July
    again = called(workbench, ann, feature=feature)
    workbench.meter.settle(holds[1], "success", CENT, record())
    workbench.meter.release(holds[2], "failed")
    name = feature.value
    whose = "organisation" if feature is VALIDATION else "member"
    table = "org_meters" if whose == "organisation" else "member_meters"
    assert rows(service, f"SELECT {name}_used, {name}_held FROM {table}") == [(0, 1)]
    closed = f"SELECT sum({name}_used), sum({name}_held) FROM meter_periods"
    assert rows(service, closed) == [(2, 0)]
    workbench.meter.settle(again, "success", CENT, record())


def test_a_new_zone_begins_with_one_long_day_and_no_short_one(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    service.execute("UPDATE plan_limits SET chat_queries_day = 1 WHERE plan = 'enterprise'")
    midnight = datetime(2026, 7, 10, tzinfo=UTC)
    move_time(midnight - timedelta(hours=1))
    workbench.meter.settle(called(workbench, ann), "success", CENT, record())
    service.execute("UPDATE organisations SET zone = 'America/New_York'")
    move_time(midnight + timedelta(minutes=30))
    workbench.meter.settle(called(workbench, ann), "success", CENT, record())
    for hours in (0, 3, 5, 27):  # at four a day begins in New York
        move_time(midnight + timedelta(hours=hours, minutes=31))
        with pytest.raises(MeteringDenied) as denied:
            workbench.meter.reserve(ann, hold_request())
        assert denied.value.denial.resets_at == midnight + timedelta(hours=28)
    move_time(midnight + timedelta(hours=28))
    workbench.meter.settle(called(workbench, ann), "success", CENT, record())


def test_a_clock_set_back_opens_no_room_in_a_full_minute(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    service.execute("UPDATE plan_limits SET requests_minute = 2 WHERE plan = 'enterprise'")
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    move_time(noon)
    for _ in range(2):
        called(workbench, ann)
    move_time(noon - timedelta(hours=1))
    with pytest.raises(MeteringDenied) as denied:
        workbench.meter.reserve(ann, hold_request())
    assert denied.value.denial.resets_at == noon + timedelta(minutes=1)


def test_a_membership_that_is_made_a_viewers_may_not_reserve(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE memberships SET role = 'viewer'")
    with pytest.raises(Forbidden):
        workbench.meter.reserve(ann, hold_request())


def test_the_id_of_a_hold_is_nobody_elses(workbench: Workbench, ann: Principal, member: MakeMember) -> None:
    colleague = member("bob", org=ann.org_name, plan="enterprise")
    request = hold_request()
    workbench.meter.reserve(ann, request)
    with pytest.raises(Forbidden):
        workbench.meter.reserve(colleague, request)
    with pytest.raises(Forbidden):
        workbench.meter.reserve(ann, replace(request, request_id=new_id()))


def test_a_worker_behind_its_fence_tops_nothing_up(workbench: Workbench, ann: Principal, plans: Plans) -> None:
    now = [1_000.0]
    meter = Meter(workbench.database, plans, monotonic=lambda: now[0])
    hold = meter.reserve(ann, hold_request())
    assert meter.mark_in_flight(hold)
    now[0] += 140.0
    assert not meter.top_up(hold, DEAR)
    meter.release(hold, "failed")


def test_a_settlement_is_tried_until_the_hold_expires_and_no_longer(
    workbench: Workbench, ann: Principal, plans: Plans
) -> None:
    now, waits = [1_000.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    hold = Meter(workbench.database, plans, monotonic=lambda: now[0]).reserve(ann, hold_request())
    with closing(Database("postgresql://nobody:x@127.0.0.1:1/none")) as away:
        meter = Meter(away, plans, monotonic=lambda: now[0], sleep=sleep)
        with pytest.raises(DatabaseUnavailable):
            meter.settle(hold, "success", CENT, record())
    assert 140 < sum(waits) <= 150
    assert max(waits) <= 2
    workbench.meter.release(hold, "never_called")


def blocked(action: Callable[[], object], service: Connection, *, where: str) -> threading.Thread:
    """Starts an action that has to wait for a lock, and waits until it does."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while thread.is_alive() and rows(service, waiting) == [(0,)]:
        thread.join(0.01)
    assert thread.is_alive(), f"{where} did not wait"
    return thread


@pytest.mark.parametrize("step", ["settle", "release", "expire", "top_up", "reserve", "reserve past a full flight"])
def test_every_step_locks_the_membership_before_the_organisation_and_the_hold(
    workbench: Workbench, ann: Principal, service: Connection, database_url: str, move_time: MoveTime, step: str
) -> None:
    hold = workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT))
    assert isinstance(hold, Hold)
    assert workbench.meter.mark_in_flight(hold)
    service.execute("UPDATE holds SET followers = 50")
    if step == "expire":
        move_time(timedelta(seconds=151))
    steps: dict[str, Callable[[], object]] = {
        "settle": lambda: workbench.meter.settle(hold, "success", CENT, record()),
        "release": lambda: workbench.meter.release(hold, "failed"),
        "expire": lambda: workbench.meter._expire(hold.id),
        "top_up": lambda: workbench.meter.top_up(hold, DEAR),
        "reserve": lambda: workbench.meter.reserve(ann, hold_request()),
        "reserve past a full flight": lambda: workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT)),
    }
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SET ROLE assay_service; SET search_path = assay")
        other.execute("SELECT 1 FROM member_meters FOR UPDATE")
        thread = blocked(steps[step], service, where=step)
        other.execute("SELECT 1 FROM org_meters FOR UPDATE NOWAIT")
        other.execute("SELECT 1 FROM holds FOR UPDATE NOWAIT")
        other.rollback()
        thread.join(10)
    assert not thread.is_alive()


def test_a_call_that_begins_while_its_hold_expires_is_not_forgotten(
    workbench: Workbench, ann: Principal, service: Connection, database_url: str, move_time: MoveTime
) -> None:
    hold = workbench.meter.reserve(ann, hold_request())
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SET ROLE assay_service; SET search_path = assay")
        assert other.execute("SELECT mark_in_flight(%s)", (hold.id,)).fetchone() == (True,)
        move_time(timedelta(seconds=151))
        thread = blocked(lambda: workbench.meter._expire(hold.id), service, where="expire")
        other.commit()
        thread.join(10)
    assert rows(service, "SELECT state, resolution FROM holds") == [("expired", "unresolved")]


def test_a_hold_that_ended_does_not_expire(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    settled, released = called(workbench, ann), called(workbench, ann)
    workbench.meter.settle(settled, "success", CENT, record())
    workbench.meter.release(released, "failed")
    move_time(timedelta(seconds=151))
    assert not workbench.meter._expire(settled.id)
    assert not workbench.meter._expire(released.id)
    assert rows(service, "SELECT state FROM holds ORDER BY state") == [("released",), ("settled",)]


def test_an_organisations_own_hold_gives_no_members_slot_back(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    called(workbench, ann)
    batch = called(workbench, ann, feature=VALIDATION, acts_as="organisation")
    workbench.meter.settle(batch, "success", CENT, record())
    assert rows(service, "SELECT open_holds, charge_usd_used FROM member_meters") == [(1, 0)]
    assert rows(service, "SELECT open_batch_holds, charge_usd_used FROM org_meters") == [(0, CENT)]


def repeatable(body: str = "a body") -> Idempotency:
    """A request that may be sent again."""
    return Idempotency("POST /api/ai/chat", "a key", hashlib.sha256(body.encode()).digest())


def test_a_key_is_one_requests_of_one_body_for_a_day(
    workbench: Workbench, ann: Principal, member: MakeMember, move_time: MoveTime
) -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    move_time(noon)
    hold = called(workbench, ann, idempotency=repeatable())
    with pytest.raises(StillRunning):
        workbench.meter.reserve(ann, hold_request(idempotency=repeatable()))
    with pytest.raises(Conflict, match="body"):
        workbench.meter.reserve(ann, hold_request(idempotency=repeatable("another body")))
    workbench.meter.reserve(member("bob", org=ann.org_name, plan="enterprise"), hold_request(idempotency=repeatable()))
    workbench.meter.settle(hold, "success", CENT, replace(record(), answer={"answer": {}}))
    kept = workbench.meter.repeated(ann, repeatable())
    assert kept is not None
    assert kept.value["charged_usd"] == str(CENT)
    move_time(noon + timedelta(hours=23, minutes=58))
    with pytest.raises(Conflict):
        workbench.meter.reserve(ann, hold_request(idempotency=repeatable()))
    move_time(noon + timedelta(hours=24, seconds=30))
    called(workbench, ann, idempotency=repeatable("another body"))


@pytest.mark.parametrize("end", ["denied", "released", "expired", "free early cut"])
def test_a_request_that_cost_nothing_leaves_its_key_free(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime, end: str
) -> None:
    if end == "denied":
        service.execute("UPDATE memberships SET budget_usd_month = 0")
        with pytest.raises(MeteringDenied):
            workbench.meter.reserve(ann, hold_request(idempotency=repeatable()))
        service.execute("UPDATE memberships SET budget_usd_month = NULL")
    else:
        hold = called(workbench, ann, idempotency=repeatable())
        if end == "released":
            workbench.meter.release(hold, "failed")
        elif end == "free early cut":
            workbench.meter.settle(hold, "early_cut", CENT, record())
        else:
            move_time(timedelta(seconds=151))
            workbench.meter.sweep()
    assert workbench.meter.repeated(ann, repeatable()) is None
    called(workbench, ann, idempotency=repeatable("another body"))


def test_an_entry_that_cannot_be_kept_undoes_no_settlement(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    hold = called(workbench, ann)
    entry = {"scope": "public", "key": "00", "org_id": str(ann.org_id), "task": "chat", "life_s": 60, "value": {}}
    assert workbench.meter.settle(hold, "success", CENT, replace(record(), entry=entry)).outcome == "settled"
    assert rows(service, "SELECT count(*) FROM cache_entries") == [(0,)]


def test_a_viewer_joins_no_flight(workbench: Workbench, ann: Principal, member: MakeMember) -> None:
    workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT))
    viewer = member("vic", org=ann.org_name, plan="enterprise", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        workbench.meter.reserve_or_join(viewer, hold_request(flight_key=FLIGHT))


def test_nobody_follows_a_leader_whose_hold_is_overdue(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    assert isinstance(workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT)), Hold)
    assert isinstance(workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT)), Flight)
    move_time(timedelta(seconds=151))
    assert isinstance(workbench.meter.reserve_or_join(ann, hold_request(flight_key=FLIGHT)), Hold)
