"""The edges of credits: what exceeds a hold, caps that are overrun, lost replies, who left, grants that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.db import credits_dao as dao
from core.errors import Forbidden, MeteringDenied
from core.metering.meter import Answered, Flight, Hold
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.credit_steps import (
    Connection,
    called,
    free,
    lots,
    put_in,
    refused,
    rows,
    settle,
    take_out,
    wallet,
)
from tests.core.metering.factories import hold_request, record

pytestmark = pytest.mark.usefixtures("books_balance")
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 6, tzinfo=UTC)
KEY = b"k" * 32


@pytest.fixture
def ann(member: MakeMember, service: Connection, move_time: MoveTime) -> Principal:
    """An owner whose plan allows no question, who lets credits take over, and has three free ones a day; at noon."""
    move_time(NOON)
    principal = member(plan="free")
    service.execute(
        "UPDATE plan_limits SET chat_queries_day = 0, requests_minute = NULL, requests_hour = NULL, "
        "concurrent_requests = NULL, request_ceiling_usd = NULL, free_credits_day = 3 WHERE plan = 'free'"
    )
    service.execute("UPDATE users SET uses_credits = true")
    return principal


@pytest.mark.parametrize(
    ("spent", "kept_free", "kept_wallet"),
    [("2.5", (3, Decimal("2.5"), 0), (1, 0, 0)), ("4", (3, 3, 0), (0, 0, 0)), ("6", (3, 3, 0), (0, 0, 2))],
    ids=["free ones do", "the wallet too", "an overdraft too"],
)
def test_what_exceeds_a_hold_takes_the_days_free_credits_first(
    workbench: Workbench,
    ann: Principal,
    service: Connection,
    spent: str,
    kept_free: tuple[object, ...],
    kept_wallet: tuple[object, ...],
) -> None:
    put_in(workbench, ann, "1")
    assert settle(workbench, called(workbench, ann, "1"), spent) == Decimal(spent)
    assert (free(service), wallet(service)) == (kept_free, kept_wallet)
    charged = rows(service, "SELECT credits_charged, free_charged FROM holds")
    assert charged == [(Decimal(spent), kept_free[1])]


def test_what_exceeds_a_hold_after_its_day_takes_the_wallets(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    put_in(workbench, ann, "5")
    move_time(MIDNIGHT - timedelta(seconds=10))
    hold = called(workbench, ann, "1")
    move_time(MIDNIGHT)
    settle(workbench, hold, "2")
    assert (free(service), wallet(service)) == ((3, 1, 0), (4, 0, 0))


def test_a_cap_that_is_overrun_refuses_no_free_credits(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    put_in(workbench, ann, "100")
    with workbench.database.service() as connection:
        dao.set_cap(connection, ann.org_id, ann.user_id, Decimal(5))
    settle(workbench, called(workbench, ann, "8"), "9")
    move_time(MIDNIGHT)
    hold = called(workbench, ann, "1")
    assert workbench.meter.top_up(hold, Decimal("0.002"), Decimal(3))
    assert not workbench.meter.top_up(hold, Decimal("0.003"), Decimal(4))
    assert free(service) == (3, 0, 3)
    assert refused(workbench, ann, "1") == "credits_cap_month"


def test_a_passing_refusal_is_told_where_credits_would_cover(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE plan_limits SET concurrent_requests = 1")
    hold = called(workbench, ann)
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, ann)
    assert (denied.value.denial.metric, denied.value.denial.retry_after_s) == ("concurrent_requests", 1)
    settle(workbench, hold, "1")
    service.execute("UPDATE users SET uses_credits = false")
    assert refused(workbench, ann) == "chat_queries_day"


@pytest.mark.parametrize(
    ("asked", "resets_at"),
    [("3", MIDNIGHT), ("4", MIDNIGHT), ("4.000001", datetime(2026, 6, 1, tzinfo=UTC))],
    ids=["free ones alone", "with the wallet's", "never enough"],
)
def test_where_tomorrows_free_credits_will_do_they_are_told_to_come(
    workbench: Workbench, ann: Principal, service: Connection, asked: str, resets_at: datetime
) -> None:
    put_in(workbench, ann, "1")
    service.execute("UPDATE plan_limits SET chat_queries_day = NULL, requests_month = 0")
    settle(workbench, called(workbench, ann, "3"), "3")
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, ann, asked)
    assert (denied.value.denial.metric, denied.value.denial.resets_at) == ("credits", resets_at)


def test_an_overdraft_waits_for_no_free_credits(workbench: Workbench, ann: Principal, service: Connection) -> None:
    service.execute("UPDATE plan_limits SET chat_queries_day = NULL, requests_month = 0")
    take_out(workbench, ann, "1")
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, ann, "1")
    assert denied.value.denial.resets_at == datetime(2026, 6, 1, tzinfo=UTC)


def test_the_first_organisation_that_gives_free_credits_decides_how_many(
    workbench: Workbench, ann: Principal, service: Connection, member: MakeMember
) -> None:
    service.execute("UPDATE plan_limits SET chat_queries_day = 0, free_credits_day = 0 WHERE plan = 'basic'")
    elsewhere = member("ann", org="Second", plan="basic")
    assert elsewhere.user_id == ann.user_id
    assert refused(workbench, elsewhere, "1") == "credits"
    assert called(workbench, ann, "1").credits == 1
    assert called(workbench, elsewhere, "2").credits == 2
    assert free(service) == (3, 0, 3)


def _answered(service: Connection, ann: Principal) -> None:
    service.execute(
        "INSERT INTO cache_entries (scope, key, org_id, user_id, task, value, created_at, expires_at) "
        "VALUES (%s, %s, %s, NULL, 't', '{}', assay_now(), assay_now() + interval '1 hour')",
        (f"org:{ann.org_id}", KEY, ann.org_id),
    )


def test_a_repeat_whose_first_try_was_granted_finds_its_hold_and_not_the_cache(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    request = hold_request(credits=Decimal(2), cache_scope=f"org:{ann.org_id}", cache_key=KEY)
    first = workbench.meter.reserve_or_join(ann, request)
    _answered(service, ann)
    again = workbench.meter.reserve_or_join(ann, request)
    assert isinstance(first, Hold)
    assert isinstance(again, Hold)
    assert (again.id, again.credits) == (first.id, 2)
    other = hold_request(credits=Decimal(2), cache_scope=f"org:{ann.org_id}", cache_key=KEY)
    assert isinstance(workbench.meter.reserve_or_join(ann, other), Answered)


def test_a_repeat_whose_first_try_was_granted_follows_nobody(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    first = hold_request(credits=Decimal(1), flight_key=KEY)
    assert isinstance(workbench.meter.reserve_or_join(ann, first), Hold)
    service.execute("UPDATE holds SET followers = 50")
    second = hold_request(credits=Decimal(1), flight_key=KEY)
    assert isinstance(workbench.meter.reserve_or_join(ann, second), Hold)
    assert isinstance(workbench.meter.reserve_or_join(ann, first), Hold)
    assert isinstance(workbench.meter.reserve_or_join(ann, hold_request(flight_key=KEY)), Flight)


@pytest.mark.parametrize(
    "change",
    ["UPDATE memberships SET ended_at = assay_now()", "UPDATE users SET deactivated_at = assay_now()"],
    ids=["left", "deactivated"],
)
def test_who_left_or_was_deactivated_is_refused_everything(
    workbench: Workbench, ann: Principal, service: Connection, change: str
) -> None:
    put_in(workbench, ann, "100")
    leader = workbench.meter.reserve_or_join(ann, hold_request(credits=Decimal(1), flight_key=KEY))
    _answered(service, ann)
    service.execute(change.encode())
    cached = {"cache_scope": f"org:{ann.org_id}", "cache_key": KEY}
    for more in ({}, {"flight_key": KEY}, cached):
        with pytest.raises(Forbidden):
            workbench.meter.reserve_or_join(ann, hold_request(credits=Decimal(1), **more))
    assert (wallet(service), free(service)) == ((100, 0, 0), (3, 0, 1))
    assert isinstance(leader, Hold)
    assert workbench.meter.mark_in_flight(leader)
    assert settle(workbench, leader, "2") == 2
    assert workbench.meter.release(leader, "failed", record()).outcome == "settled"


def test_grants_that_end_are_spent_first_and_the_earliest_before_the_others(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "5", expires_at=NOON + timedelta(days=30))
    put_in(workbench, ann, "5", expires_at=NOON + timedelta(days=3))
    put_in(workbench, ann, "100")
    settle(workbench, called(workbench, ann, "10"), "9")
    assert (lots(service), wallet(service)) == ([0, 4], (104, 0, 0))


def test_grants_end_and_what_is_held_for_a_request_stays_until_it_ends(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    put_in(workbench, ann, "10", expires_at=NOON + timedelta(seconds=60))
    put_in(workbench, ann, "1")
    hold = called(workbench, ann, "7")
    move_time(NOON + timedelta(seconds=60))
    with workbench.database.service() as connection:
        assert dao.due_wallets(connection, most=10) == [ann.org_id]
        assert [dao.expire(connection, ann.org_id) for _ in range(2)] == [1, 0]
    assert (lots(service), wallet(service)) == ([4], (1, 4, 0))
    settle(workbench, hold, "5")
    assert (lots(service), wallet(service)) == ([2], (3, 0, 0))
    with workbench.database.service() as connection:
        assert dao.expire(connection, ann.org_id) == 1
        assert dao.due_wallets(connection, most=10) == []
    assert wallet(service) == (1, 0, 0)


def test_a_grant_that_ended_covers_nothing_though_nobody_has_taken_it_yet(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    put_in(workbench, ann, "10", expires_at=NOON + timedelta(seconds=60))
    move_time(NOON + timedelta(seconds=60))
    assert refused(workbench, ann, "4") == "credits"
    assert wallet(service) == (0, 0, 0)


def test_an_overdraft_that_a_grant_repays_is_not_taken_again_at_its_end(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    take_out(workbench, ann, "4")
    put_in(workbench, ann, "10", expires_at=NOON + timedelta(days=1))
    assert (lots(service), wallet(service)) == ([6], (6, 0, 0))
    put_in(workbench, ann, "3")
    assert take_out(workbench, ann, "5", key="again") == "done"
    assert (lots(service), wallet(service)) == ([4], (4, 0, 0))


@pytest.mark.parametrize("spent", ["0", "4", "13"])
def test_a_payment_that_is_taken_back_while_a_grant_is_held_takes_no_bought_credits_at_its_end(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime, spent: str
) -> None:
    put_in(workbench, ann, "10", expires_at=NOON + timedelta(days=1))
    hold = called(workbench, ann, "13")  # three of them free
    take_out(workbench, ann, "5")
    assert (lots(service), wallet(service)) == ([5], (0, 10, 5))
    settle(workbench, hold, spent)
    put_in(workbench, ann, "100")
    move_time(NOON + timedelta(days=1))
    with workbench.database.service() as connection:
        dao.expire(connection, ann.org_id)
    assert wallet(service) == (100 - max(Decimal(0), Decimal(spent) - 3 - 5), 0, 0)


def test_grants_that_have_not_ended_stay(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    put_in(workbench, ann, "10", expires_at=NOON + timedelta(seconds=60))
    put_in(workbench, ann, "5", expires_at=NOON + timedelta(days=1))
    move_time(NOON + timedelta(seconds=61))
    with workbench.database.service() as connection:
        assert dao.expire(connection, ann.org_id) == 1
    assert (lots(service), wallet(service)) == ([0, 5], (5, 0, 0))
