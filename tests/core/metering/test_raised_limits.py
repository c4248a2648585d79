"""What changes a plan's limits for a time: plans in time, what is carried over, boosts, pools."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from core.db import credits_dao as dao
from core.errors import MeteringDenied
from core.ids import new_id
from core.metering.meter import Feature, Hold
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

pytestmark = pytest.mark.usefixtures("books_balance")
Connection = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")
MAY, JUNE, JULY, AUGUST = (datetime(2036, month, 1, tzinfo=UTC) for month in (5, 6, 7, 8))
FILING, VALIDATION = Feature.SEC_FILING, Feature.SIGNAL_VALIDATION


@pytest.fixture
def ann(member: MakeMember, service: Connection, move_time: MoveTime) -> Principal:
    """An owner whose plan allows ten requests and five filings a month, and two questions a day."""
    move_time(MAY)
    service.execute(
        "UPDATE plan_limits SET requests_month = 10, sec_filings_month = 5, chat_queries_day = 2, "
        "signal_validations_day = 1, requests_minute = NULL, requests_hour = NULL, concurrent_requests = NULL, "
        "carry_over_share = 0.5 WHERE plan = 'free'"
    )
    return member(plan="free")


def ask(workbench: Workbench, who: Principal, times: int = 1, **changes: Any) -> None:
    """Whole requests, one after the other."""
    for _ in range(times):
        hold = workbench.meter.reserve(who, hold_request(**{"feature": None, **changes}))
        workbench.meter.mark_in_flight(hold)
        workbench.meter.settle(hold, "success", CENT, record())


def left(workbench: Workbench, who: Principal, **changes: Any) -> int:
    """How many more requests are granted, which then fail and return what they held."""
    holds: list[Hold] = []
    while len(holds) < 50:
        try:
            holds.append(workbench.meter.reserve(who, hold_request(**{"feature": None, **changes})))
        except MeteringDenied:
            break
    for hold in holds:
        workbench.meter.release(hold, "never_called")
    return len(holds)


def shown(workbench: Workbench, who: Principal, metric: str) -> tuple[object, object]:
    """A limit and what is used of it, as the user is told."""
    allowance = workbench.usage.overview(who).allowances[metric]
    return allowance.limit, allowance.used


def test_a_share_of_what_a_month_left_is_carried_over_and_never_of_a_carry(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    ask(workbench, ann, 3)
    ask(workbench, ann, 4, feature=FILING, counts_request=False)
    move_time(JUNE)
    assert shown(workbench, ann, "requests_month") == (13, 0)
    assert shown(workbench, ann, "sec_filings_month") == (5, 0)
    assert (left(workbench, ann), left(workbench, ann, feature=FILING, counts_request=False)) == (13, 5)
    ask(workbench, ann, 12)
    move_time(JULY)
    assert left(workbench, ann) == 10
    ask(workbench, ann, 1)
    assert shown(workbench, ann, "requests_month") == (10, 1)


def test_of_several_months_without_a_request_the_last_one_counts_and_it_alone(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    ask(workbench, ann, 10)
    move_time(AUGUST)
    assert left(workbench, ann) == 15


def test_what_is_held_when_a_month_ends_is_carried_nowhere(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    move_time(JUNE - timedelta(seconds=30))
    workbench.meter.reserve(ann, hold_request(feature=None))
    move_time(JUNE)
    assert left(workbench, ann) == 14


def test_the_plan_at_a_months_end_says_what_is_carried(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    service.execute("UPDATE plan_limits SET requests_month = 100, carry_over_share = 0.1 WHERE plan = 'basic'")
    ask(workbench, ann, 4)
    move_time(JUNE - timedelta(hours=1))
    workbench.directory.set_plan(ann.org_name, "basic")
    move_time(JUNE + timedelta(hours=1))
    workbench.directory.set_plan(ann.org_name, "free")
    assert shown(workbench, ann, "requests_month") == (19, 0)
    assert left(workbench, ann) == 19
    with workbench.database.service() as connection:
        moments = (MAY - timedelta(days=1), MAY + timedelta(days=1), JUNE, JUNE + timedelta(hours=2), AUGUST)
        plans = [dao.plan_at(connection, ann.org_id, moment) for moment in moments]
    assert plans == ["free", "free", "basic", "free", "free"]


def test_an_unlimited_allowance_carries_nothing(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    service.execute("UPDATE plan_limits SET requests_month = NULL WHERE plan = 'free'")
    ask(workbench, ann)
    move_time(JUNE)
    ask(workbench, ann)
    assert service.execute("SELECT request_carry FROM member_meters").fetchall() == [(0,)]


def boost(workbench: Workbench, ann: Principal, metric: str, amount: int, **changes: Any) -> UUID:
    """A boost that was asked for and granted, for an hour."""
    values = {
        "id": new_id(),
        "org_id": ann.org_id,
        "user_id": ann.user_id,
        "metric": metric,
        "amount": amount,
        "life_s": 3600,
        "reason": "Month end",
        "requested_by": ann.user_id,
        **changes,
    }
    with workbench.database.service() as connection:
        asked = dao.add_boost(connection, values)
        assert asked.state == "requested"
        told = dao.decide_boost(connection, asked.id, ann.org_id, grants=True, decided_by=ann.user_id, note=None)
    assert told is not None
    assert (told.state, told.amount, told.ends_at - told.starts_at) == ("granted", amount, timedelta(hours=1))
    return asked.id


@pytest.mark.parametrize(
    ("metric", "request_of", "before"),
    [
        ("chat_queries_day", {"feature": Feature.CHAT_QUERY}, 2),
        ("requests_month", {}, 10),
        ("sec_filings_month", {"feature": FILING, "counts_request": False}, 5),
        ("portfolio_analyses_day", {"feature": Feature.PORTFOLIO_ANALYSIS, "counts_request": False}, 1),
        ("signal_validations_day", {"feature": VALIDATION}, 1),
    ],
)
def test_a_boost_raises_a_limit_while_it_lasts(
    workbench: Workbench, ann: Principal, move_time: MoveTime, metric: str, request_of: dict[str, Any], before: int
) -> None:
    assert left(workbench, ann, **request_of) == before
    whose = {"user_id": None} if metric == "signal_validations_day" else {}
    boost(workbench, ann, metric, 4, **whose)
    assert left(workbench, ann, **request_of) == before + 4
    assert shown(workbench, ann, metric) == (before + 4, 0)
    move_time(MAY + timedelta(hours=2))
    assert left(workbench, ann, **request_of) == before
    assert shown(workbench, ann, metric) == (before, 0)


def test_a_boost_is_one_members_or_each_members(workbench: Workbench, ann: Principal, member: MakeMember) -> None:
    bob = member("bob", org=ann.org_name, plan="free")
    boost(workbench, ann, "requests_month", 4)
    assert (left(workbench, ann), left(workbench, bob)) == (14, 10)
    boost(workbench, ann, "requests_month", 2, user_id=None)
    assert (left(workbench, ann), left(workbench, bob)) == (16, 12)
    with pytest.raises(IntegrityError):
        boost(workbench, ann, "signal_validations_day", 1)


def test_a_boost_that_ended_counts_nothing_beside_one_that_lasts(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    boost(workbench, ann, "requests_month", 4)
    move_time(MAY + timedelta(minutes=30))
    boost(workbench, ann, "requests_month", 2)
    assert left(workbench, ann) == 16
    move_time(MAY + timedelta(minutes=70))
    assert left(workbench, ann) == 12


def test_a_boost_is_decided_once_and_by_its_organisation(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    other = member("eve", plan="free")
    values: dict[str, Any] = {
        "id": new_id(),
        "org_id": ann.org_id,
        "user_id": None,
        "metric": "requests_month",
        "amount": 4,
    }
    with workbench.database.service() as connection:
        dao.add_boost(connection, {**values, "life_s": 60, "reason": "More", "requested_by": ann.user_id})
        decision: dict[str, Any] = {"decided_by": ann.user_id, "note": "No"}
        assert dao.decide_boost(connection, values["id"], other.org_id, grants=True, **decision) is None
        refused = dao.decide_boost(connection, values["id"], ann.org_id, grants=False, **decision)
        assert refused is not None
        assert refused.state == "refused"
        assert dao.decide_boost(connection, values["id"], None, grants=True, **decision) is None
        assert dao.end_boost(connection, values["id"], None, **decision) is None
    assert left(workbench, ann) == 10


def test_a_boost_is_granted_otherwise_than_asked_and_ended_early(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    values: dict[str, Any] = {
        "id": new_id(),
        "org_id": ann.org_id,
        "user_id": ann.user_id,
        "metric": "requests_month",
        "amount": 4,
    }
    by: dict[str, Any] = {"decided_by": ann.user_id, "note": "Less"}
    with workbench.database.service() as connection:
        dao.add_boost(connection, {**values, "life_s": 60, "reason": "More", "requested_by": ann.user_id})
        told = dao.decide_boost(connection, values["id"], None, grants=True, amount=1, life_s=7200, **by)
        assert told is not None
        assert (told.amount, told.ends_at - told.starts_at) == (1, timedelta(hours=2))
    assert left(workbench, ann) == 11
    with workbench.database.app(ann) as app:
        assert [row.id for row in dao.boosts(app, ann.org_id, ["granted"], in_force=True)] == [values["id"]]
    with workbench.database.service() as connection:
        assert dao.end_boost(connection, values["id"], ann.org_id, **by) is not None
        assert dao.end_boost(connection, values["id"], ann.org_id, **by) is None
    assert left(workbench, ann) == 10


def test_what_is_boosted_is_not_carried_over(workbench: Workbench, ann: Principal, move_time: MoveTime) -> None:
    move_time(JUNE - timedelta(minutes=30))
    boost(workbench, ann, "requests_month", 40)
    ask(workbench, ann, 8)
    move_time(JUNE + timedelta(hours=1))
    assert left(workbench, ann) == 11


@pytest.fixture
def pooled(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection
) -> tuple[Principal, Principal]:
    """Two who share; a viewer, one who left, and one whose account is closed do not count."""
    bob, vic, lea, dee = (member(name, org=ann.org_name, plan="free") for name in ("bob", "vic", "lea", "dee"))
    service.execute("UPDATE memberships SET role = 'viewer' WHERE user_id = %s", (vic.user_id,))
    service.execute("UPDATE memberships SET ended_at = assay_now() WHERE user_id = %s", (lea.user_id,))
    service.execute("UPDATE users SET deactivated_at = assay_now() WHERE id = %s", (dee.user_id,))
    with workbench.database.service() as connection:
        dao.set_pooling(connection, ann.org_id, True)
    return ann, bob


def test_pooled_allowances_are_one_of_all_members(workbench: Workbench, pooled: tuple[Principal, Principal]) -> None:
    ann, bob = pooled
    ask(workbench, ann, 13)
    assert (left(workbench, ann), left(workbench, bob)) == (7, 7)
    ask(workbench, ann, 3, feature=Feature.CHAT_QUERY)
    assert left(workbench, bob, feature=Feature.CHAT_QUERY) == 1
    assert shown(workbench, bob, "requests_month") == (20, 16)
    assert shown(workbench, bob, "chat_queries_day") == (4, 3)
    ask(workbench, bob, 4)
    with pytest.raises(MeteringDenied) as denied:
        ask(workbench, bob)
    assert (denied.value.denial.metric, denied.value.denial.limit, denied.value.denial.used) == (
        "requests_month",
        20,
        20,
    )


def test_a_pool_counts_running_periods_alone_and_carries_nothing(
    workbench: Workbench, pooled: tuple[Principal, Principal], move_time: MoveTime
) -> None:
    ann, bob = pooled
    ask(workbench, ann, 4, feature=Feature.CHAT_QUERY)
    move_time(MAY + timedelta(days=1))
    assert left(workbench, bob, feature=Feature.CHAT_QUERY) == 4
    assert left(workbench, bob) == 16
    move_time(JUNE)
    assert (left(workbench, bob), left(workbench, ann)) == (20, 20)


def test_boosts_of_every_member_raise_the_pool_once(workbench: Workbench, pooled: tuple[Principal, Principal]) -> None:
    ann, bob = pooled
    boost(workbench, ann, "requests_month", 3)
    boost(workbench, ann, "requests_month", 2, user_id=None)
    assert (left(workbench, ann), left(workbench, bob)) == (25, 25)
    assert shown(workbench, bob, "requests_month") == (25, 0)


def test_another_organisations_members_and_boosts_are_none_of_a_pools(
    workbench: Workbench, pooled: tuple[Principal, Principal], member: MakeMember
) -> None:
    ann, _ = pooled
    other = member("eve", plan="free")
    boost(workbench, other, "requests_month", 9)
    ask(workbench, other, 7)
    assert left(workbench, ann) == 20
    assert shown(workbench, ann, "requests_month") == (20, 0)


def test_a_pool_is_not_overrun_by_members_who_ask_at_once(
    workbench: Workbench, pooled: tuple[Principal, Principal]
) -> None:
    def one(number: int) -> bool:
        try:
            workbench.meter.reserve(pooled[number % 2], hold_request(feature=None))
        except MeteringDenied:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(100))) == 20


def test_a_viewer_sees_a_pool_as_it_is(workbench: Workbench, pooled: tuple[Principal, Principal]) -> None:
    ann, bob = pooled
    ask(workbench, ann, 2)
    viewer = replace(bob, role=Role.VIEWER)
    assert shown(workbench, viewer, "requests_month") == (20, 2)


def test_a_pool_that_is_switched_off_lasts_until_the_month_ends_and_carries_nothing(
    workbench: Workbench, pooled: tuple[Principal, Principal], move_time: MoveTime
) -> None:
    ann, bob = pooled
    ask(workbench, ann, 15)
    for pools in (False, True, False, False):
        with workbench.database.service() as connection:
            dao.set_pooling(connection, ann.org_id, pools)
        assert (left(workbench, ann), left(workbench, bob)) == (5, 5)
        assert shown(workbench, bob, "requests_month") == (20, 15)
    move_time(JUNE - timedelta(seconds=1))
    assert (left(workbench, ann), left(workbench, bob)) == (5, 5)
    move_time(JUNE)
    assert (left(workbench, ann), left(workbench, bob)) == (10, 10)
    move_time(JULY)
    assert (left(workbench, ann), left(workbench, bob)) == (15, 15)


def test_an_answer_tells_the_pools_use(workbench: Workbench, pooled: tuple[Principal, Principal]) -> None:
    ann, bob = pooled
    ask(workbench, bob, 2, feature=Feature.CHAT_QUERY)
    hold = workbench.meter.reserve(ann, hold_request())
    assert hold.quota is not None
    assert (hold.quota.used, hold.quota.limit) == (3, 4)
    workbench.meter.mark_in_flight(hold)
    assert workbench.meter.settle(hold, "success", CENT, record()).quota_used == 3
    assert workbench.meter.settle(hold, "success", CENT, record()).quota_used == 3
