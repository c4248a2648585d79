"""The rules of credits one by one: what they cover, in which order they go, what comes back; see tests/guards."""

from __future__ import annotations

from collections.abc import Callable
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
from core.db import metering_dao
from core.db.credits_dao import Movement
from core.errors import MeteringDenied
from core.ids import new_id
from core.metering.meter import Feature, Hold
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
VALIDATION = Feature.SIGNAL_VALIDATION


@pytest.fixture
def ann(member: MakeMember, service: Connection) -> Principal:
    """An owner whose plan allows no AI question, who lets credits take over, and has three free ones a day."""
    principal = member(plan="free")
    service.execute(
        "UPDATE plan_limits SET chat_queries_day = 0, signal_validations_day = 0, requests_minute = NULL, "
        "requests_hour = NULL, concurrent_requests = NULL, request_ceiling_usd = NULL, free_credits_day = 3, "
        "signal_validations_minute = NULL WHERE plan = 'free'"
    )
    service.execute("UPDATE users SET uses_credits = true")
    return principal


def test_todays_free_credits_are_taken_before_the_wallets_and_the_rest_comes_back(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")
    hold = called(workbench, ann, "5")
    assert (hold.is_under_credits, hold.credits) == (True, 5)
    assert (wallet(service), free(service)) == ((8, 2, 0), (3, 0, 3))
    assert settle(workbench, hold, "3.5") == Decimal("3.5")
    assert (wallet(service), free(service)) == ((Decimal("9.5"), 0, 0), (3, 3, 0))
    assert rows(service, "SELECT kind, debit, credit, amount FROM ledger_entries ORDER BY id") == [
        ("grant", "promotion", "available", 10),
        ("grant", "promotion", "free", 3),
        ("hold", "free", "free_held", 3),
        ("hold", "available", "held", 2),
        ("charge", "free_held", "revenue", 3),
        ("charge", "held", "revenue", Decimal("0.5")),
        ("release", "held", "available", Decimal("1.5")),
    ]


def test_under_credits_the_features_quota_counts_nothing_and_the_month_one(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    settle(workbench, called(workbench, ann), "1")
    settle(workbench, called(workbench, ann, feature=VALIDATION), "1")
    counted = "SELECT chat_query_used + chat_query_held, request_used FROM member_meters"
    assert rows(service, counted) == [(0, 2)]
    assert rows(service, "SELECT signal_validation_used FROM org_meters") == [(0,)]
    assert rows(service, "SELECT cover, credits, plan FROM usage_log") == [("credits", 1, "free")] * 2


def test_where_the_plan_covers_no_credit_moves(workbench: Workbench, ann: Principal, service: Connection) -> None:
    put_in(workbench, ann, "10")
    service.execute("UPDATE plan_limits SET chat_queries_day = 1 WHERE plan = 'free'")
    hold = called(workbench, ann)
    assert not hold.is_under_credits
    assert settle(workbench, hold, "2") == 0
    assert wallet(service) == (10, 0, 0)
    assert rows(service, "SELECT cover, credits FROM usage_log") == [("plan", 0)]
    assert called(workbench, ann).is_under_credits


@pytest.mark.parametrize(
    ("changed", "request_of", "metric"),
    [
        ("UPDATE users SET uses_credits = false", {}, "chat_queries_day"),
        ("SELECT 1", {"credits": Decimal(0)}, "chat_queries_day"),
        ("SELECT 1", {"own_key": True}, "chat_queries_day"),
        ("SELECT 1", {"feature": VALIDATION, "acts_as": "organisation"}, "signal_validations_day"),
        (
            "UPDATE plan_limits SET portfolio_analyses_day = 0",
            {"feature": Feature.PORTFOLIO_ANALYSIS},
            "portfolio_analyses_day",
        ),
        ("UPDATE plan_limits SET sec_filings_month = 0", {"feature": Feature.SEC_FILING}, "sec_filings_month"),
        ("UPDATE plan_limits SET requests_hour = 0", {}, "requests_hour"),
        ("UPDATE plan_limits SET request_ceiling_usd = 0", {}, "request_ceiling_usd"),
    ],
    ids=["not wanted", "free model", "own key", "batch", "analysis", "filing", "rate too", "ceiling"],
)
def test_credits_take_over_nothing_else(
    workbench: Workbench, ann: Principal, service: Connection, changed: str, request_of: dict[str, Any], metric: str
) -> None:
    put_in(workbench, ann, "10")
    service.execute(changed.encode())
    assert refused(workbench, ann, **request_of) == metric
    assert rows(service, "SELECT count(*) FROM holds") == [(0,)]
    assert wallet(service) == (10, 0, 0)


def test_the_database_itself_takes_no_credits_where_an_own_key_pays(workbench: Workbench, ann: Principal) -> None:
    request: dict[str, Any] = {
        "hold_id": new_id(),
        "request_id": new_id(),
        "org_id": ann.org_id,
        "user_id": ann.user_id,
        "feature": "chat_query",
        "provider": "openai",
        "model": "a-model",
        "price_version": "v1",
        "held_usd": Decimal("0.001"),
        "lifetime_s": 150,
        "counts_request": True,
        "own_key": True,
        "conversation_id": None,
        "acts_as": "member",
        "route": None,
        "key": None,
        "body_sha256": None,
        "flight_key": None,
        "cache_scope": None,
        "cache_key": None,
        "key_id": None,
        "credits": Decimal(1),
    }
    with workbench.database.heart() as driver:
        told = metering_dao.reserve(driver, request)
    assert (told.outcome, told.metric) == ("denied", "chat_queries_day")


def test_credits_take_over_the_requests_of_a_month(workbench: Workbench, ann: Principal, service: Connection) -> None:
    service.execute("UPDATE plan_limits SET requests_month = 0")
    assert called(workbench, ann, feature=None).is_under_credits


def test_what_is_not_enough_is_refused_whole_and_says_what_there_is(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "1")
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, ann, "4.000001")
    told = denied.value.denial
    assert (told.code, told.metric, told.limit, told.used) == (
        "insufficient_credits",
        "credits",
        4,
        Decimal("4.000001"),
    )
    assert (wallet(service), free(service)) == ((1, 0, 0), (3, 0, 0))
    assert rows(service, "SELECT count(*) FROM holds") == [(0,)]
    assert called(workbench, ann, "4").is_under_credits


def test_a_members_own_cap_counts_what_the_wallet_gave_this_month(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(NOON)
    put_in(workbench, ann, "100")
    with workbench.database.service() as connection:
        assert dao.set_cap(connection, ann.org_id, ann.user_id, Decimal(5))
    settle(workbench, called(workbench, ann, "6"), "5")
    called(workbench, ann, "2")
    assert rows(service, "SELECT credits_used, credits_held FROM member_meters") == [(2, 2)]
    with pytest.raises(MeteringDenied) as denied:
        called(workbench, ann, "2")
    told = denied.value.denial
    assert (told.code, told.metric, told.limit, told.used) == ("insufficient_credits", "credits_cap_month", 5, 4)
    assert told.resets_at == datetime(2026, 6, 1, tzinfo=UTC)
    called(workbench, ann, "1")
    move_time(datetime(2026, 6, 1, tzinfo=UTC))
    called(workbench, ann, "8")
    assert rows(service, "SELECT credits_used, credits_held FROM meter_periods WHERE request_used > 0") == [(2, 0)]


@pytest.mark.parametrize("end", ["released", "expired", "never called", "early cut"])
def test_a_call_that_costs_nothing_returns_every_credit(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime, end: str
) -> None:
    put_in(workbench, ann, "10")
    hold = workbench.meter.reserve(ann, hold_request(credits=Decimal(5)))
    if end != "never called":
        workbench.meter.mark_in_flight(hold)
    ends: dict[str, Callable[[], object]] = {
        "released": lambda: workbench.meter.release(hold, "failed", record()),
        "never called": lambda: workbench.meter.release(hold, "never_called"),
        "early cut": lambda: settle(workbench, hold, "5", "early_cut"),
        "expired": workbench.meter.sweep,
    }
    if end == "expired":
        move_time(timedelta(seconds=151))
    ends[end]()
    ends[end]()
    assert (wallet(service), free(service)) == ((10, 0, 0), (3, 0, 0))
    assert rows(service, "SELECT credits_used, credits_held FROM member_meters") == [(0, 0)]


def test_what_exceeds_the_hold_is_charged_in_full_and_the_next_request_is_refused(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "2")
    hold = called(workbench, ann, "4")
    assert settle(workbench, hold, "9") == 9
    assert wallet(service) == (0, 0, 4)
    assert refused(workbench, ann) == "credits"
    assert put_in(workbench, ann, "3")
    assert wallet(service) == (0, 0, 1)
    assert put_in(workbench, ann, "3")
    assert wallet(service) == (2, 0, 0)
    assert rows(service, "SELECT kind, amount FROM ledger_entries WHERE kind IN ('overdraft', 'repayment')") == [
        *(("overdraft", 4), ("repayment", 3), ("repayment", 1)),
    ]
    called(workbench, ann, "2")


def test_an_overdraft_covers_no_request_though_free_credits_are_left(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection
) -> None:
    bob = member("bob", org=ann.org_name, plan="free")
    service.execute("UPDATE users SET uses_credits = true")
    settle(workbench, called(workbench, ann, "3"), "4")
    assert refused(workbench, bob, "1") == "credits"


def test_what_is_released_repays_an_overdraft(workbench: Workbench, ann: Principal, service: Connection) -> None:
    put_in(workbench, ann, "4")
    hold = called(workbench, ann, "7")
    take_out(workbench, ann, "1")
    assert wallet(service) == (0, 4, 1)
    workbench.meter.release(hold, "failed", record())
    assert wallet(service) == (3, 0, 0)


def test_a_payment_that_is_taken_back_takes_also_what_is_not_there_once(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")
    settle(workbench, called(workbench, ann, "9"), "9")
    assert take_out(workbench, ann, "10") == "done"
    assert take_out(workbench, ann, "10") == "repeated"
    assert wallet(service) == (0, 0, 6)


def test_an_adjustment_takes_no_more_than_there_is_and_names_reason_and_author(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")
    with workbench.database.service() as connection:
        named: dict[str, Any] = {"author": ann.user_id, "reason": "A mistake"}
        assert dao.take_out(connection, "adjustment", Movement(ann.org_id, Decimal(11), "a", **named)) == "insufficient"
        assert dao.take_out(connection, "adjustment", Movement(ann.org_id, Decimal(4), "b", **named)) == "done"
        assert dao.put_in(connection, "adjustment", Movement(ann.org_id, Decimal(1), "c", **named))
    for nameless in ({"reason": "A mistake"}, {"author": ann.user_id}, {"author": ann.user_id, "reason": " "}):
        with pytest.raises(IntegrityError), workbench.database.service() as connection:
            dao.put_in(connection, "adjustment", Movement(ann.org_id, Decimal(1), "d", **nameless))
    assert wallet(service) == (7, 0, 0)


def test_the_same_key_adds_once(workbench: Workbench, ann: Principal, service: Connection) -> None:
    assert put_in(workbench, ann, "10", key="one")
    assert not put_in(workbench, ann, "10", key="one")
    assert wallet(service) == (10, 0, 0)


def test_free_credits_are_a_users_over_all_organisations_and_a_days(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection, move_time: MoveTime
) -> None:
    move_time(NOON)
    settle(workbench, called(workbench, ann, "2"), "2")
    other = member("bob", plan="free", org="Other")
    service.execute("UPDATE users SET uses_credits = true")
    service.execute(
        "INSERT INTO memberships (org_id, user_id, role) VALUES (%s, %s, 'analyst')", (other.org_id, ann.user_id)
    )
    elsewhere = replace(ann, org_id=other.org_id)
    assert refused(workbench, elsewhere, "2") == "credits"
    settle(workbench, called(workbench, elsewhere, "1"), "1")
    assert free(service) == (3, 3, 0)
    move_time(datetime(2026, 5, 6, tzinfo=UTC))
    called(workbench, elsewhere, "3")


def test_free_credits_that_come_back_after_their_day_are_gone(
    workbench: Workbench, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(datetime(2026, 5, 5, 23, 59, 30, tzinfo=UTC))
    hold, other = called(workbench, ann, "2"), called(workbench, ann, "1")
    move_time(datetime(2026, 5, 6, 0, 0, 30, tzinfo=UTC))
    settle(workbench, hold, "0.5")
    workbench.meter.release(other, "failed", record())
    assert free(service) == (3, Decimal("0.5"), 0)
    assert rows(service, "SELECT amount FROM ledger_entries WHERE kind = 'expiry' ORDER BY id") == [
        (Decimal("1.5"),),
        (1,),
    ]
    called(workbench, ann, "3")


def test_a_top_up_is_held_in_credits_too_free_ones_first_or_refused(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")
    service.execute("UPDATE memberships SET credits_cap_month = 4")
    hold = called(workbench, ann, "2")
    assert workbench.meter.top_up(hold, Decimal("0.002"), Decimal(5))
    assert (wallet(service), free(service)) == ((8, 2, 0), (3, 0, 3))
    assert not workbench.meter.top_up(hold, Decimal("0.003"), Decimal(8))
    service.execute("UPDATE memberships SET credits_cap_month = NULL")
    assert not workbench.meter.top_up(hold, Decimal("0.003"), Decimal(14))
    assert rows(service, "SELECT held_usd, credits_held, free_held FROM holds") == [(Decimal("0.002"), 5, 3)]
    assert workbench.meter.top_up(hold, Decimal("0.001"), Decimal(13))
    assert wallet(service) == (0, 10, 0)
    assert rows(service, "SELECT credits_held FROM member_meters") == [(10,)]
    settle(workbench, hold, "13")
    assert wallet(service) == (0, 0, 0)


def test_with_an_overdraft_no_hold_is_topped_up(workbench: Workbench, ann: Principal) -> None:
    hold = called(workbench, ann, "1")
    take_out(workbench, ann, "1")
    assert not workbench.meter.top_up(hold, Decimal("0.002"), Decimal(2))
    workbench.meter.release(hold, "failed", record())


def test_under_the_plan_a_top_up_takes_no_credits(workbench: Workbench, ann: Principal, service: Connection) -> None:
    service.execute("UPDATE plan_limits SET chat_queries_day = NULL")
    hold = called(workbench, ann)
    assert workbench.meter.top_up(hold, Decimal("0.002"), Decimal(1000))
    assert rows(service, "SELECT credits_held FROM holds") == [(0,)]


@pytest.mark.timeout(120)
def test_debits_at_once_take_what_there_is_and_no_more(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")

    def take(number: int) -> bool:
        with workbench.database.heart() as driver:
            return dao.debit(driver, ann.org_id, Decimal("0.5"), f"debit {number}")

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(take, range(200))) == 20
    assert wallet(service) == (0, 0, 0)


@pytest.mark.timeout(120)
def test_two_hundred_at_once_with_credits_for_ten_make_exactly_ten_calls(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    service.execute("UPDATE plan_limits SET free_credits_day = 0")
    put_in(workbench, ann, "20")

    def ask(_number: int) -> Hold | None:
        try:
            return called(workbench, ann, "2")
        except MeteringDenied:
            return None

    with ThreadPoolExecutor(32) as pool:
        made = [hold for hold in pool.map(ask, range(200)) if hold is not None]
    assert len(made) == 10
    assert wallet(service) == (0, 20, 0)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda hold: settle(workbench, hold, "1.25"), made)) == Decimal("12.5")
    assert wallet(service) == (Decimal("7.5"), 0, 0)


@pytest.mark.timeout(120)
def test_members_at_once_never_take_more_than_the_wallet_has(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection
) -> None:
    people = [ann, *(member(f"user{number}", org=ann.org_name, plan="free") for number in range(5))]
    service.execute("UPDATE users SET uses_credits = true; UPDATE plan_limits SET free_credits_day = 0")
    put_in(workbench, ann, "10")

    def ask(number: int) -> bool:
        try:
            hold = called(workbench, people[number % 6], "1")
        except MeteringDenied:
            return False
        settle(workbench, hold, "1")
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(120))) == 10
    assert wallet(service) == (0, 0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE wallets SET available = 99",
        "DELETE FROM wallets",
        "TRUNCATE wallets CASCADE",
        "UPDATE free_days SET granted = 99",
        "DELETE FROM free_days",
        "INSERT INTO free_days (user_id, day, granted) SELECT id, '2026-01-01', 5 FROM users",
    ],
)
def test_no_role_changes_what_was_entered_or_what_it_sums_up_to(
    workbench: Workbench, ann: Principal, service: Connection, database_url: str, statement: str
) -> None:
    put_in(workbench, ann, "10")
    settle(workbench, called(workbench, ann, "2"), "1")
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as superuser:
        superuser.execute("SET search_path = assay")
        for connection in (service, superuser):
            with pytest.raises(psycopg.Error):
                connection.execute(statement.encode())
    assert wallet(service) == (10, 0, 0)


def test_a_wallet_begins_empty(service: Connection, ann: Principal) -> None:
    for figure in ("available", "held", "overdraft"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute(f"INSERT INTO wallets (org_id, {figure}) VALUES (%s, 5)".encode(), (ann.org_id,))


def test_a_wallet_never_goes_below_zero_but_by_an_overdraft_entry(
    workbench: Workbench, ann: Principal, service: Connection
) -> None:
    put_in(workbench, ann, "10")
    with pytest.raises(psycopg.errors.CheckViolation):
        service.execute("SELECT enter(%s, 'charge', 'available', 'revenue', 11, 'a key')", (ann.org_id,))
    for sides in ("'charge', 'cash', 'available'", "'grant', 'available', 'promotion'", "'gift', 'cash', 'available'"):
        with pytest.raises(psycopg.errors.CheckViolation):
            service.execute(f"SELECT enter(%s, {sides}, 1, 'a key')".encode(), (ann.org_id,))
    for amount in (0, -1):
        with pytest.raises(psycopg.errors.CheckViolation):
            service.execute("SELECT enter(%s, 'grant', 'promotion', 'available', %s, 'a key')", (ann.org_id, amount))


def test_a_debit_is_one_step_and_one_only(workbench: Workbench, ann: Principal, service: Connection) -> None:
    put_in(workbench, ann, "10", expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    with workbench.database.heart() as driver:
        assert dao.debit(driver, ann.org_id, Decimal(4), "a", user_id=ann.user_id)
        assert not dao.debit(driver, ann.org_id, Decimal(4), "a")
        assert not dao.debit(driver, ann.org_id, Decimal(7), "b")
    assert (lots(service), wallet(service)) == ([6], (6, 0, 0))


def test_members_see_their_own_entries_and_managers_all(
    workbench: Workbench, ann: Principal, member: MakeMember, service: Connection
) -> None:
    bob = member("bob", org=ann.org_name, plan="free")
    stranger = member("eve", org="Elsewhere", plan="free")
    service.execute("UPDATE users SET uses_credits = true")
    service.execute("UPDATE memberships SET role = 'analyst' WHERE user_id = %s", (bob.user_id,))
    bob = replace(bob, role=type(bob.role)("analyst"))
    put_in(workbench, ann, "10")
    settle(workbench, called(workbench, ann, "2"), "1")
    settle(workbench, called(workbench, bob, "2"), "1")

    def seen(who: Principal) -> set[UUID | None]:
        with workbench.database.app(who) as connection:
            return {entry.user_id for entry in dao.entries(connection, ann.org_id)}

    assert seen(ann) == {ann.user_id, bob.user_id, None}
    assert seen(bob) == {bob.user_id}
    assert seen(stranger) == set()
    with workbench.database.service() as connection:
        first, second, *rest = dao.entries(connection, ann.org_id)
        assert dao.entries(connection, ann.org_id, before=second.id) == rest
        assert first.id > second.id
        assert {entry.user_id for entry in dao.entries(connection, ann.org_id, user_id=bob.user_id)} == {bob.user_id}


def test_a_balance_says_what_there_is(workbench: Workbench, ann: Principal) -> None:
    def told() -> tuple[object, ...]:
        with workbench.database.app(ann) as connection:
            row = dao.balance(connection, ann.org_id, ann.user_id)
        assert row is not None
        return (row.available, row.held, row.overdraft, row.daily_free_remaining, row.cap_used, row.uses_credits)

    assert told() == (0, 0, 0, 3, 0, True)
    put_in(workbench, ann, "10")
    called(workbench, ann, "5")
    assert told() == (8, 2, 0, 0, 2, True)
    with workbench.database.service() as connection:
        assert dao.balance(connection, ann.org_id, new_id()) is None
