"""Own keys in the meter: each call is held and counted against its key's month, and no other's key pays for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.db.engine import Database
from core.errors import Forbidden, MeteringDenied
from core.ids import new_id
from core.metering.meter import Feature, Hold, HoldRequest, Meter
from core.metering.plans import Plans
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, own_key, record

pytestmark = pytest.mark.usefixtures("books_balance")
Connection = psycopg.Connection[tuple[object, ...]]
CENT, DIME = Decimal("0.01"), Decimal("0.10")
MIDNIGHT = datetime(2026, 8, 1, tzinfo=UTC)
USED = "SELECT used_usd, held_usd FROM provider_keys"


@pytest.fixture
def ann(member: MakeMember, service: Connection) -> Principal:
    """An owner on a plan without any limit."""
    principal = member("ann", org="Acme", plan="enterprise", role="owner")
    service.execute(
        "UPDATE plan_limits SET requests_minute = NULL, requests_hour = NULL, concurrent_requests = NULL, "
        "request_ceiling_usd = NULL WHERE plan = 'enterprise'"
    )
    return principal


@pytest.fixture
def bob(ann: Principal, member: MakeMember) -> Principal:
    """A colleague of Ann's."""
    return member("bob", org="Acme", plan="enterprise", role="analyst")


@pytest.fixture
def ground(workbench: Workbench, ann: Principal, service: Connection) -> tuple[Workbench, Principal, UUID]:
    """A workbench, Ann, and a key of hers."""
    return workbench, ann, own_key(service, ann)


def on(key_id: UUID, **changes: Any) -> HoldRequest:
    """A request for a cent at worst on an own key."""
    return hold_request(**{"own_key": True, "key_id": key_id, "held_usd": CENT, **changes})


def called(workbench: Workbench, who: Principal, key_id: UUID, **changes: Any) -> Hold:
    """A hold on an own key whose call has begun."""
    hold = workbench.meter.reserve(who, on(key_id, **changes))
    assert workbench.meter.mark_in_flight(hold)
    return hold


def rows(service: Connection, statement: str) -> list[tuple[object, ...]]:
    """What a statement finds."""
    return service.execute(statement).fetchall()


def test_a_call_on_an_own_key_is_held_and_counted_at_its_key_and_charged_nothing(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    key_id = own_key(service, ann, limit_usd_month=DIME)
    hold = called(workbench, ann, key_id)
    assert rows(service, USED) == [(0, CENT)]
    assert workbench.meter.settle(hold, "success", Decimal("0.004"), record("0.004")).charged_usd == 0
    assert rows(service, USED) == [(Decimal("0.004"), 0)]
    assert rows(service, "SELECT own_key, charged_usd, cost_usd FROM usage_log") == [(True, 0, Decimal("0.004"))]
    assert rows(service, "SELECT last_used_at IS NOT NULL FROM provider_keys") == [(True,)]
    assert workbench.usage.overview(ann).allowances["chat_queries_day"].used == 1


def test_a_key_that_was_used_up_refuses_until_its_month_ends(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(MIDNIGHT - timedelta(hours=1))
    key_id = own_key(service, ann, limit_usd_month=CENT)
    called(workbench, ann, key_id)
    with pytest.raises(MeteringDenied) as denied:
        workbench.meter.reserve(ann, on(key_id, held_usd=Decimal("0.000000001")))
    told = denied.value.denial
    assert (told.code, told.metric, told.limit, told.used, told.resets_at) == (
        *("budget_exceeded", "key_limit_usd_month", CENT, CENT, MIDNIGHT),
    )
    assert told.reason == "This key's own monthly limit of 0.01 USD would be exceeded; change it in Settings"
    assert denied.value.http_status == 402
    move_time(MIDNIGHT)
    called(workbench, ann, key_id)
    assert rows(service, f"{USED} WHERE month_start = '2026-08-01Z'") == [(0, CENT)]


def test_a_hold_of_another_month_changes_nothing_of_the_running_one(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(MIDNIGHT - timedelta(seconds=30))
    key_id = own_key(service, ann, limit_usd_month=DIME)
    late, failed = called(workbench, ann, key_id), called(workbench, ann, key_id)
    move_time(MIDNIGHT + timedelta(seconds=30))
    called(workbench, ann, key_id)
    assert not workbench.meter.top_up(late, 2 * CENT)
    assert workbench.meter.settle(late, "success", CENT, record("0.01")).outcome == "settled"
    assert workbench.meter.release(failed, "failed", record("0.002")).outcome == "released"
    assert rows(service, USED) == [(0, CENT)]


def test_a_month_of_a_key_is_its_organisations(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    service.execute("UPDATE organisations SET zone = 'Asia/Tokyo'")
    move_time(MIDNIGHT - timedelta(hours=9, seconds=1))
    key_id = own_key(service, ann, limit_usd_month=CENT)
    called(workbench, ann, key_id)
    with pytest.raises(MeteringDenied):
        workbench.meter.reserve(ann, on(key_id))
    move_time(MIDNIGHT - timedelta(hours=9))
    called(workbench, ann, key_id)


def test_a_call_that_failed_or_was_never_resolved_costs_its_key_what_it_may_have_cost(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(MIDNIGHT)
    key_id = own_key(service, ann)
    workbench.meter.release(called(workbench, ann, key_id), "failed", record("0.002"))
    workbench.meter.release(workbench.meter.reserve(ann, on(key_id)), "never_called")
    assert rows(service, USED) == [(Decimal("0.002"), 0)]
    called(workbench, ann, key_id)
    workbench.meter.reserve(ann, on(key_id))
    move_time(MIDNIGHT + timedelta(seconds=151))
    assert workbench.meter.sweep() == 2
    assert rows(service, USED) == [(Decimal("0.012"), 0)]


def test_a_top_up_is_held_of_the_key_and_never_above_its_limit(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    key_id = own_key(service, ann, limit_usd_month=3 * CENT)
    hold = called(workbench, ann, key_id)
    called(workbench, ann, key_id)
    assert not workbench.meter.top_up(hold, 2 * CENT + Decimal("0.000000001"))
    assert workbench.meter.top_up(hold, 2 * CENT)
    assert rows(service, USED) == [(0, 3 * CENT)]
    assert workbench.meter.settle(hold, "success", CENT, record("0.015")).outcome == "settled"
    assert rows(service, USED) == [(Decimal("0.015"), CENT)]
    workbench.meter.top_up(hold, 9 * CENT)
    service.execute("UPDATE provider_keys SET revoked_at = assay_now(), secret = NULL")
    other = rows(service, "SELECT id FROM holds WHERE state = 'in_flight'")
    assert not workbench.meter.top_up(replace(hold, id=other[0][0]), Decimal("0.011"))  # type: ignore[arg-type]


def test_a_key_pays_for_its_owner_alone(
    workbench: Workbench, ann: Principal, bob: Principal, member: MakeMember, service: Connection
) -> None:
    eve = member("eve", org="Other", plan="enterprise", role="owner")
    anns, shared = own_key(service, ann), own_key(service, ann, is_shared=True)
    for who, key_id in ((bob, anns), (eve, anns), (eve, shared), (ann, new_id())):
        with pytest.raises(Forbidden, match="key"):
            workbench.meter.reserve(who, on(key_id))
    for who, key_id in ((ann, anns), (ann, shared), (bob, shared)):
        called(workbench, who, key_id)
    batch = {"acts_as": "organisation", "feature": Feature.SIGNAL_VALIDATION}
    with pytest.raises(Forbidden, match="key"):
        workbench.meter.reserve(ann, on(anns, **batch))
    called(workbench, ann, shared, **batch)
    with pytest.raises(Forbidden, match="key"):
        workbench.meter.reserve(ann, on(anns, provider="groq"))


def test_a_key_pays_in_its_organisation_alone_also_where_its_owner_belongs_to_two(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection
) -> None:
    eve = member("eve", org="Other", plan="enterprise", role="owner")
    service.execute(
        "INSERT INTO memberships (org_id, user_id, role) VALUES (%s, %s, 'owner')", (eve.org_id, ann.user_id)
    )
    there = replace(ann, org_id=eve.org_id)
    for key_id in (own_key(service, ann), own_key(service, ann, is_shared=True)):
        with pytest.raises(Forbidden, match="key"):
            workbench.meter.reserve(there, on(key_id))


def test_a_key_that_is_revoked_while_a_request_waits_for_it_pays_for_nothing(
    workbench: Workbench, ann: Principal, service: Connection, database_url: str
) -> None:
    key_id = own_key(service, ann)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SET ROLE assay_service; SET search_path = assay")
        other.execute("UPDATE provider_keys SET revoked_at = assay_now(), secret = NULL")
        asked = pool.submit(workbench.meter.reserve, ann, on(key_id))
        while not asked.done() and rows(service, "SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            pass
        other.commit()
        with pytest.raises(Forbidden, match="revoked"):
            asked.result(timeout=10)
    assert rows(service, "SELECT count(*) FROM holds") == [(0,)]


def test_a_viewer_uses_no_key(workbench: Workbench, ann: Principal, member: MakeMember, service: Connection) -> None:
    shared = own_key(service, ann, is_shared=True)
    vic = member("vic", org="Acme", plan="enterprise", role="viewer")
    with pytest.raises(Forbidden):
        workbench.meter.reserve(vic, on(shared))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE provider_keys SET revoked_at = assay_now(), secret = NULL", "revoked or has expired"),
        ("UPDATE provider_keys SET expires_at = assay_now()", "revoked or has expired"),
        ("UPDATE users SET deactivated_at = assay_now()", "may not ask"),
        ("UPDATE memberships SET ended_at = assay_now()", "may not ask"),
    ],
    ids=["revoked", "expired", "deactivated", "left"],
)
def test_a_key_that_ended_or_whose_owner_left_pays_for_nothing(
    workbench: Workbench, ann: Principal, service: Connection, change: str, said: str
) -> None:
    key_id = own_key(service, ann, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    called(workbench, ann, key_id)
    service.execute(change.encode())
    with pytest.raises(Forbidden, match=said):
        workbench.meter.reserve(ann, on(key_id))
    assert rows(service, "SELECT count(*) FROM holds") == [(1,)]


def test_an_answer_shows_that_a_key_is_accepted_again(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    key_id = own_key(service, ann, refused_at=datetime(2026, 1, 1, tzinfo=UTC))
    refused = "SELECT refused_at IS NOT NULL FROM provider_keys"
    workbench.meter.release(called(workbench, ann, key_id), "failed", record())
    assert rows(service, refused) == [(True,)]
    workbench.meter.settle(called(workbench, ann, key_id), "success", CENT, record())
    assert rows(service, refused) == [(False,)]


def test_what_a_call_was_routed_by_is_in_the_log(workbench: Workbench, ann: Principal, service: Connection) -> None:
    experiment = new_id()
    routed = {"intent": "analysis", "complexity": "medium", "prompt_version": "chat@3", "arm": "variant"}
    kept = replace(record(), usage={**routed, "experiment_id": experiment})
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    workbench.meter.settle(hold, "success", CENT, kept)
    logged = "SELECT own_key, intent, complexity, prompt_version, arm, experiment_id FROM usage_log"
    assert rows(service, logged) == [(False, *routed.values(), experiment)]


def test_two_hundred_at_once_on_a_key_with_room_for_ten_make_exactly_ten_calls(
    workbench: Workbench, ann: Principal, bob: Principal, service: Connection, database_url: str, plans: Plans
) -> None:
    key_id = own_key(service, ann, is_shared=True, limit_usd_month=10 * CENT)
    with closing(Database(database_url, pool_size=4)) as elsewhere:
        meters = [workbench.meter, Meter(elsewhere, plans)]

        def ask(number: int) -> bool:
            meter, who = meters[number % 2], (ann, bob)[number // 2 % 2]
            try:
                hold = meter.reserve(who, on(key_id))
            except MeteringDenied as denied:
                assert denied.denial.metric == "key_limit_usd_month"
                return False
            assert meter.mark_in_flight(hold)
            return meter.settle(hold, "success", CENT, record("0.01")).outcome == "settled"

        with ThreadPoolExecutor(32) as pool:
            assert sum(pool.map(ask, range(200))) == 10
    assert rows(service, USED) == [(10 * CENT, 0)]


def test_others_overdue_holds_on_a_shared_key_make_room(
    workbench: Workbench, ann: Principal, bob: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(MIDNIGHT)
    key_id = own_key(service, ann, is_shared=True, limit_usd_month=CENT)
    workbench.meter.reserve(ann, on(key_id))
    with pytest.raises(MeteringDenied):
        workbench.meter.reserve(bob, on(key_id))
    move_time(MIDNIGHT + timedelta(seconds=151))
    called(workbench, bob, key_id)


@pytest.mark.parametrize("step", ["settle", "release", "expire", "top_up", "reserve"])
@pytest.mark.parametrize(
    "tables",
    [("org_meters", "provider_keys", "holds"), ("provider_keys", "holds")],
    ids=["behind the organisation", "behind the key"],
)
def test_every_step_locks_the_organisation_before_the_key_and_the_key_before_the_hold(
    ground: tuple[Workbench, Principal, UUID],
    service: Connection,
    database_url: str,
    move_time: MoveTime,
    step: str,
    tables: Sequence[str],
) -> None:
    workbench, ann, key_id = ground
    held, *free = tables
    hold = called(workbench, ann, key_id)
    if step == "expire":
        move_time(timedelta(seconds=151))
    steps: dict[str, Callable[[], object]] = {
        "settle": lambda: workbench.meter.settle(hold, "success", CENT, record()),
        "release": lambda: workbench.meter.release(hold, "failed"),
        "expire": lambda: workbench.meter._expire(hold.id),
        "top_up": lambda: workbench.meter.top_up(hold, 2 * CENT),
        "reserve": lambda: workbench.meter.reserve(ann, on(key_id)),
    }
    with psycopg.connect(database_url.replace("+psycopg", "")) as other:
        other.execute("SET ROLE assay_service; SET search_path = assay")
        other.execute(f"SELECT 1 FROM {held} FOR UPDATE".encode())
        thread = threading.Thread(target=steps[step], daemon=True)
        thread.start()
        while thread.is_alive() and rows(service, "SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            thread.join(0.01)
        assert thread.is_alive(), f"{step} did not wait for {held}"
        for table in free:
            other.execute(f"SELECT 1 FROM {table} FOR UPDATE NOWAIT".encode())
        other.rollback()
        thread.join(10)
    assert not thread.is_alive()
