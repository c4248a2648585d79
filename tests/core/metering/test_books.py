"""The books on a real Postgres: busy ones balance, and every kind of difference is seen, named and explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from core.ai.providers.contract import TokenUsage
from core.commands.doctor import accounting_lines
from core.db import books_dao, credits_dao
from core.db.credits_dao import Movement
from core.errors import MeteringDenied
from core.ids import new_id
from core.metering.books import CHECKS, LISTED_OF_A_KIND, ODD_ADVICE, Audit, audit
from core.metering.meter import CallRecord, Feature, Hold
from core.metering.usage_log import FreeRow
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, own_key, record

Owner = psycopg.Connection[tuple[object, ...]]
CENT = Decimal("0.000400000")
JANUARY, FEBRUARY = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Books:
    """A workbench with one call of every outcome, and the owner of its tables, who may do what no role may."""

    workbench: Workbench
    owner: Owner
    ann: Principal
    bob: Principal
    key_id: UUID
    """Ann's own."""

    def corrupt(self, statement: str) -> None:
        """Runs a statement past everything that guards the books."""
        self.owner.execute("ALTER TABLE usage_log DISABLE TRIGGER append_only")
        self.owner.execute(statement.format(ann=self.ann.user_id, bob=self.bob.user_id).encode())
        self.owner.execute("ALTER TABLE usage_log ENABLE TRIGGER append_only")

    def audit(self) -> Audit:
        """What a look at the books finds now."""
        return audit(self.workbench.database)


def called(workbench: Workbench, principal: Principal, **changes: object) -> Hold:
    """A hold whose call began."""
    hold = workbench.meter.reserve(principal, hold_request(**changes))
    assert workbench.meter.mark_in_flight(hold)
    return hold


def free_row(principal: Principal, status: str) -> FreeRow:
    """A cached answer or a denial."""
    return FreeRow(
        principal=principal,
        channel="chat",
        status=status,
        feature=Feature.CHAT_QUERY,
        provider="openai",
        model="a-model",
        request_id=new_id(),
        conversation_id=None,
        usage=TokenUsage(10, 20),
    )


def every_outcome(workbench: Workbench, ann: Principal, key_id: UUID) -> None:
    """Calls that end in every way there is, in the period that is running."""
    meter = workbench.meter
    for feature in (*Feature, None):
        meter.settle(called(workbench, ann, feature=feature), "success", CENT, record())
    meter.settle(called(workbench, ann), "cut", CENT, record())
    for _ in range(6):
        meter.settle(called(workbench, ann), "early_cut", CENT, record())
    odd = replace(record(), usage={"quarantine": "negative", "estimated": True})
    meter.settle(called(workbench, ann, own_key=True), "success", CENT, odd)
    meter.release(called(workbench, ann), "failed", record())
    meter.release(called(workbench, ann), "broken", CallRecord())
    meter.release(meter.reserve(ann, hold_request()), "never_called")
    meter.settle(called(workbench, ann, own_key=True, key_id=key_id), "success", CENT, record())
    batch = {"acts_as": "organisation", "feature": Feature.SIGNAL_VALIDATION}
    meter.settle(called(workbench, ann, **batch), "success", CENT, record())
    under_credits(workbench, ann)
    for status in ("cached", "denied"):
        workbench.usage_log.add(free_row(ann, status))


def under_credits(workbench: Workbench, ann: Principal) -> None:
    """Calls that credits cover, of free ones and of the wallet, which end in every way there is."""
    meter = workbench.meter
    workbench.directory.set_plan(ann.org_name, "basic")
    with workbench.database.service() as connection:
        movement = Movement(ann.org_id, Decimal(30), str(new_id()))
        credits_dao.put_in(connection, "grant", movement, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
        connection.execute(text("UPDATE users SET uses_credits = true"))
        connection.execute(text("UPDATE plan_limits SET signal_validations_day = 0 WHERE plan = 'basic'"))
    request = {"feature": Feature.SIGNAL_VALIDATION, "credits": Decimal(6)}
    holds = [called(workbench, ann, **request) for _ in range(4)]
    assert all(hold.is_under_credits for hold in holds)
    for hold, taken in zip(holds[:2], (Decimal(7), Decimal("1.5")), strict=True):
        meter.settle(hold, "success", CENT, replace(record(), credits=taken))
    meter.release(holds[2], "failed", record())
    meter.release(holds[3], "failed", record())
    workbench.directory.set_plan(ann.org_name, "enterprise")


@pytest.fixture
def books(workbench: Workbench, member: MakeMember, owner: Owner, service: Owner, move_time: MoveTime) -> Books:
    """Books of two months: all outcomes in a closed and in the running one, calls left unresolved, calls still open."""
    ann, bob = member("ann", plan="enterprise", org="Acme"), member("bob", plan="enterprise", org="Acme")
    owner.execute(
        "UPDATE plan_limits SET concurrent_requests = NULL, requests_minute = NULL, signal_validations_minute = NULL"
    )
    move_time(JANUARY)
    key_id = own_key(service, ann)
    every_outcome(workbench, ann, key_id)
    for begins in (True, False):
        hold = workbench.meter.reserve(ann, hold_request())
        assert not begins or workbench.meter.mark_in_flight(hold)
    move_time(FEBRUARY)
    workbench.meter.sweep()
    every_outcome(workbench, ann, key_id)
    called(workbench, ann)
    called(workbench, ann, acts_as="organisation", feature=Feature.SIGNAL_VALIDATION)
    workbench.meter.release(workbench.meter.reserve(bob, hold_request()), "never_called")
    workbench.usage_log.flush()
    # The owner too is held by row-level security, so that nobody passes it by accident.
    for table in books_dao.TABLES:
        owner.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(sql.Identifier(table)))
    return Books(workbench, owner, ann, bob, key_id)


def test_books_with_every_outcome_balance_and_say_how_much_is_in_them(books: Books) -> None:
    found = books.audit()
    assert found.differences == []
    assert found.odd("unresolved") == (1, Decimal("0.001"))
    assert found.odd("quarantined") == (2, 2 * CENT)
    assert (found.totals.calls, found.totals.free, found.totals.open, found.totals.overdue) == (43, 4, 2, 0)
    assert list(accounting_lines(found))[-1] == (
        "The books balance: 43 calls, 2 open, 0 overdue, 1 unresolved (at most 0.001 USD), 2 quarantined, "
        "4 cached or denied."
    )


def test_books_balance_at_every_moment_while_many_members_are_at_work(
    workbench: Workbench, member: MakeMember, owner: Owner
) -> None:
    people = [member(f"user{number}", plan="enterprise", org=f"Org {number % 2}") for number in range(6)]
    owner.execute(b"UPDATE plan_limits SET requests_minute = 20, concurrent_requests = NULL WHERE plan = 'enterprise'")

    def work(ann: Principal) -> None:
        ways: list[Callable[[Hold], object]] = [
            lambda hold: workbench.meter.settle(hold, "success", CENT, record()),
            lambda hold: workbench.meter.release(hold, "failed", record()),
            lambda hold: workbench.meter.settle(hold, "early_cut", CENT, record()),
            lambda hold: None,
        ]
        for number in range(25):
            try:
                ways[number % len(ways)](called(workbench, ann))
            except MeteringDenied:
                workbench.usage_log.add(free_row(ann, "denied"))

    with ThreadPoolExecutor(len(people)) as pool:
        at_work = [pool.submit(work, ann) for ann in people]
        while not all(done.done() for done in at_work):
            assert audit(workbench.database).differences == []
        for done in at_work:
            done.result()
    workbench.usage_log.flush()
    found = audit(workbench.database)
    assert found.differences == []
    assert (found.totals.calls, found.totals.open, found.totals.free) == (90, 30, 30)


SUCCESS = "(SELECT hold_id FROM usage_log WHERE status = 'success' AND feature = 'chat_query' ORDER BY at LIMIT 1)"
COVERED = "(SELECT id FROM holds WHERE cover = 'credits' AND state = 'settled' ORDER BY created_at DESC LIMIT 1)"
MINE = "user_id = '{ann}'"
BOBS = "user_id = '{bob}'"
COPIED = (
    "INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), {changes}))).* "
    f"FROM {{table}} t WHERE t.hold_id = {SUCCESS}"
)


def copied(table: str, changes: str) -> str:
    """A second row like that of the call that succeeded."""
    return COPIED.format(table=table, changes=changes)


def without(table: str, constraint: str) -> str:
    """Takes away what would refuse the corruption."""
    return f"ALTER TABLE {table} DROP CONSTRAINT {constraint}; "


# What is done to the books: the kinds that must be found, then part of the line that says it.
CORRUPTIONS = [
    (f"UPDATE member_meters SET chat_query_used = 40 WHERE {MINE}", "counter_running", "chat_query_used of day from"),
    ("UPDATE org_meters SET charge_usd_used = 7", "counter_running", "charge_usd_used of month from"),
    (
        f"UPDATE member_meters SET request_held = 0 WHERE {MINE}",
        "counter_running",
        "request_held .* says 0, should be 1",
    ),
    (
        without("member_meters", "ck_member_meters_not_negative")
        + f"UPDATE member_meters SET sec_filing_used = -1 WHERE {MINE}",
        "counter_running guard_missing",
        "sec_filing_used .* says -1, should be 1",
    ),
    (
        f"UPDATE meter_periods SET charge_usd_used = 9 WHERE period = 'month' AND {MINE}",
        "counter_closed",
        "charge_usd_used of month from 2026-01-01 00:00:00.00 says 9",
    ),
    (
        f"UPDATE meter_periods SET request_used = 1 WHERE period = 'day' AND {MINE}",
        "counter_closed",
        "request_used of day from 2026-01-31 .* says 1, should be 0",
    ),
    (f"UPDATE member_meters SET open_holds = 5 WHERE {MINE}", "open_holds", "open_holds of now says 5, should be 1"),
    (
        "UPDATE org_meters SET open_batch_holds = 0",
        "open_holds",
        "open_batch_holds of now says 0, should be 1; .*its own",
    ),
    (
        f"DELETE FROM meter_periods WHERE period = 'day' AND {MINE}",
        "period_missing",
        "no row keeps it, should be .* holds",
    ),
    (f"DELETE FROM member_meters WHERE {MINE}", "meter_missing", "there is no meter, should be the period of"),
    ("DELETE FROM org_meters", "meter_missing", "there is no meter, .*its own"),
    (
        f"UPDATE holds SET created_at = created_at + interval '1 day' WHERE id = {SUCCESS}",
        "reserved_late",
        "newest hold of day from 2026-01-31 .* should be before 2026-02-01",
    ),
    (
        f"DELETE FROM holds WHERE {BOBS}; "
        f"UPDATE member_meters SET day_end = day_start - interval '1 hour' WHERE {BOBS}",
        "period_span",
        "end of day from 2026-02-02",
    ),
    (
        "INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at) SELECT org_id, user_id, 'day', "
        f"day_start - interval '12 hours', day_start + interval '1 hour' FROM member_meters WHERE {BOBS}",
        "period_overlap",
        "start of day from 2026-02-02 .* should be 2026-02-02 01:00:00.00 or later",
    ),
    (
        "INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at) SELECT org_id, user_id, 'day', "
        f"day_end, day_end + interval '1 day' FROM member_meters WHERE {BOBS}",
        "period_overlap",
        "running of day from 2026-02-02 .* but a closed one starts at 2026-02-03",
    ),
    (
        f"DELETE FROM usage_log WHERE hold_id = {SUCCESS}",
        "usage_missing",
        "usage row .* says none, should be one, success",
    ),
    (
        "UPDATE holds SET resolution = 'never_called' WHERE resolution = 'failed'",
        "usage_unexpected",
        "says failed, should be none: the hold is released, never_called",
    ),
    (
        f"UPDATE usage_log SET {BOBS} WHERE hold_id = {SUCCESS}",
        "usage_other",
        "user_id of hold .* says {bob}, .* {ann}",
    ),
    (f"UPDATE usage_log SET request_id = id WHERE hold_id = {SUCCESS}", "usage_other", "request_id of hold"),
    (f"UPDATE usage_log SET feature = NULL WHERE hold_id = {SUCCESS}", "usage_other", "says nothing, .* chat_query"),
    (f"UPDATE usage_log SET status = 'cut' WHERE hold_id = {SUCCESS}", "usage_status", "says cut, should be success"),
    (f"UPDATE usage_log SET charged_usd = 1 WHERE hold_id = {SUCCESS}", "usage_charge", "says 1.0*, should be 0.0004"),
    (f"UPDATE usage_log SET cost_usd = 1 WHERE hold_id = {SUCCESS}", "usage_cost", "says 1.0*, should be 0.0004"),
    (f"UPDATE usage_log SET price_version = NULL WHERE hold_id = {SUCCESS}", "price_missing", "nothing, should be v1"),
    (f"UPDATE attempts SET cost_usd = 1 WHERE hold_id = {SUCCESS}", "attempts_cost", "says 1.0*, should be 0.0004"),
    (f"DELETE FROM attempts WHERE hold_id = {SUCCESS}", "attempts_cost", "says 0, should be 0.0004"),
    (
        copied("attempts", f"'cost_usd', 0, 'user_id', '{{bob}}', 'hold_id', (SELECT id FROM holds WHERE {BOBS})"),
        "attempts_uncalled",
        "attempts of hold .* says 1, should be 0; .* {bob}",
    ),
    (f"UPDATE attempts SET {BOBS} WHERE hold_id = {SUCCESS}", "attempts_other", "says {bob}, should be {ann}"),
    (
        "UPDATE holds SET cost_usd = 0.5 WHERE resolution = 'unresolved'; "
        "UPDATE usage_log SET cost_usd = 0.5 WHERE status = 'unresolved'",
        "unresolved_amount",
        "says 0.50*, should be 0.001",
    ),
    (
        "UPDATE holds SET cost_usd = 0 WHERE resolution = 'unresolved'; "
        "UPDATE usage_log SET cost_usd = 0 WHERE status = 'unresolved'",
        "unresolved_amount",
        "says 0.0*, should be 0.001",
    ),
    (
        f"UPDATE holds SET own_key = true WHERE id = {SUCCESS}; "
        f"UPDATE usage_log SET own_key = true WHERE hold_id = {SUCCESS}",
        "own_key_charged",
        "charged_usd .* says 0.0004",
    ),
    (
        f"UPDATE usage_log SET own_key = true WHERE hold_id = {SUCCESS}",
        "usage_other",
        "own_key of hold .* says true, should be false",
    ),
    ("UPDATE provider_keys SET used_usd = 7", "key_counter", "used_usd of key .* says 7.0*, should be 0.0004"),
    ("UPDATE provider_keys SET held_usd = 7", "key_counter", "held_usd of key .* says 7.0*, should be 0"),
    (
        "UPDATE provider_keys SET month_start = '2026-01-01Z'",
        "key_month",
        "month of key .* says 2026-01-01 .* should be 2026-02-01 .* or later",
    ),
    (f"UPDATE holds SET quota_held = 0 WHERE id = {SUCCESS}", "charged_too_much", "quota_charged .* at most 0"),
    (
        "UPDATE holds SET expires_at = expires_at + interval '2 days' WHERE state = 'in_flight' AND acts_as = 'member'",
        "hold_too_long",
        "expires_at of hold .* says 2026-02-04 .* should be within minutes",
    ),
    (
        without("usage_log", "fk_usage_log_hold_id_holds") + copied("usage_log", "'hold_id', gen_random_uuid()"),
        "guard_missing usage_without_hold",
        "usage row of hold .* says success, should be none: there is no such hold",
    ),
    (
        without("usage_log", "uq_usage_log_hold_id") + copied("usage_log", "'channel', 'page'"),
        "guard_missing usage_twice",
        "usage rows of hold .* says 2, should be 1",
    ),
    (
        without("attempts", "fk_attempts_hold_id_holds") + copied("attempts", "'hold_id', gen_random_uuid()"),
        "attempt_without_hold guard_missing",
        "attempt of hold .* says 1, should be none",
    ),
    (
        without("usage_log", "ck_usage_log_free_without_hold")
        + "UPDATE usage_log SET cost_usd = 1, charged_usd = 2 WHERE status = 'cached'",
        "free_row_costs guard_missing",
        "charged_usd of usage row .* says 2.0*, should be 0",
    ),
    (
        without("usage_log", "ck_usage_log_hold")
        + without("usage_log", "ck_usage_log_free_without_hold")
        + copied("usage_log", "'hold_id', NULL, 'cost_usd', 0, 'charged_usd', 0"),
        "call_without_hold guard_missing",
        "hold of usage row .* says none, should be one: success",
    ),
    (f"UPDATE usage_log SET credits = 3 WHERE hold_id = {COVERED}", "usage_charge", "credits of hold .* says 3"),
    (
        f"UPDATE usage_log SET credits = 0, cover = 'plan' WHERE hold_id = {COVERED}",
        "usage_charge",
        "cover of hold .* says plan, should be credits",
    ),
    (
        f"UPDATE member_meters SET credits_used = 99 WHERE {MINE}",
        "counter_running",
        "credits_used of month from .* says 99",
    ),
    (
        "ALTER TABLE wallets DISABLE TRIGGER wallets_moved; UPDATE wallets SET available = 99; "
        "ALTER TABLE wallets ENABLE ALWAYS TRIGGER wallets_moved",
        "wallet_sum",
        "available of wallet says 99.0*, should be .*its own",
    ),
    (
        "ALTER TABLE free_days DISABLE TRIGGER free_days_moved; UPDATE free_days SET used = 0; "
        "ALTER TABLE free_days ENABLE ALWAYS TRIGGER free_days_moved",
        "free_day_sum",
        "used of day 2026-01-31 says 0.0*, should be",
    ),
    ("UPDATE credit_lots SET remaining = granted", "lots_exceed", "remaining of its grants that end of wallet says 60"),
    (
        "UPDATE credit_lots SET remaining = 1; INSERT INTO ledger_entries (org_id, at, kind, debit, credit, amount, "
        "lot_id, idempotency_key) SELECT org_id, assay_now(), 'expiry', 'available', 'expired', 30, id, 'a key' "
        "FROM credit_lots LIMIT 1",
        "lots_exceed",
        "remaining of grant .* says 1.0*, should be at most 0",
    ),
    (
        f"UPDATE holds SET credits_held = credits_held + 1 WHERE id = {COVERED}",
        "hold_credits",
        "credits held of hold .* says",
    ),
    (
        "INSERT INTO ledger_entries (org_id, user_id, at, kind, debit, credit, amount, hold_id, idempotency_key) "
        "SELECT org_id, '{bob}', assay_now(), 'charge', 'available', 'revenue', 1, id, 'a key' FROM holds "
        "WHERE resolution = 'failed' AND cover = 'credits' LIMIT 1",
        "entry_other hold_credits lots_exceed",
        "owner of its entries of hold .* {bob}, should be .* {ann}",
    ),
    ("DROP TRIGGER ledger_entries_kept ON ledger_entries", "guard_missing", "ledger_entries_kept of database"),
    (
        "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_kept",
        "guard_missing",
        "ledger_entries_kept of table ledger_entries says switched off",
    ),
    (without("holds", "ck_holds_resolved_once"), "guard_missing", "ck_holds_resolved_once of database .* of everyone"),
    (
        without("holds", "ck_holds_state") + "ALTER TABLE holds ADD CONSTRAINT ck_holds_state CHECK (true) NOT VALID",
        "guard_missing",
        "ck_holds_state of database",
    ),
    ("DROP INDEX uq_holds_idempotency", "guard_missing", "uq_holds_idempotency of database"),
    (
        "CREATE TRIGGER keeper BEFORE UPDATE ON holds FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE holds DISABLE TRIGGER keeper",
        "guard_missing",
        "keeper of table holds says switched off",
    ),
]


@pytest.mark.parametrize(("corruption", "kinds", "line"), CORRUPTIONS, ids=[line for _, _, line in CORRUPTIONS])
def test_a_corruption_is_found_named_and_explained(books: Books, corruption: str, kinds: str, line: str) -> None:
    books.corrupt(corruption)
    found = books.audit()
    assert not found.balances
    assert sorted({row.kind for row in found.differences}) == kinds.split()
    lines = list(accounting_lines(found))
    for kind in kinds.split():
        advice = next(check.advice[kind] for check in CHECKS if kind in check.advice)
        assert any(re.fullmatch(rf"DIFFERENCE {kind}, \d+ found\. {re.escape(advice)}", said) for said in lines)
    pattern = line.format(ann=books.ann.user_id, bob=books.bob.user_id)
    assert any(re.search(pattern, said) for said in lines), lines
    assert re.fullmatch(r"\d+ differences?", lines[-1])


def test_every_kind_of_difference_has_its_test_and_every_statement_its_advice() -> None:
    explained = {kind for check in CHECKS for kind in check.advice}
    assert {kind for _, kinds, _ in CORRUPTIONS for kind in kinds.split()} == explained
    assert [check.name for check in CHECKS] == list(books_dao.STATEMENTS)


def test_a_difference_says_whose_it_is(books: Books) -> None:
    books.corrupt(
        f"UPDATE member_meters SET chat_query_used = 40 WHERE {MINE}; UPDATE org_meters SET charge_usd_used = 7"
    )
    lines = list(accounting_lines(books.audit()))
    assert any(said.endswith(f"organisation {books.ann.org_id}, user {books.ann.user_id}") for said in lines)
    assert any(said.endswith(f"organisation {books.ann.org_id}, its own") for said in lines)
    assert lines[-1] == "2 differences"


def test_many_differences_of_a_kind_are_counted_and_only_the_first_listed(books: Books) -> None:
    for _ in range(3):
        every_outcome(books.workbench, books.ann, books.key_id)
    books.corrupt(f"UPDATE usage_log SET request_id = id; UPDATE member_meters SET open_holds = 9 WHERE {BOBS}")
    found = books.audit()
    count = found.differences[-1].of_kind
    assert count > LISTED_OF_A_KIND
    assert len(found.differences) == LISTED_OF_A_KIND + 1
    lines = list(accounting_lines(found))
    assert any(said.startswith(f"DIFFERENCE usage_other, {count} found, {LISTED_OF_A_KIND} listed. ") for said in lines)
    assert lines[-1] == f"{count + 1} differences"


def test_a_call_that_was_never_resolved_is_listed_with_its_bound_and_what_a_late_worker_reported(books: Books) -> None:
    (unresolved,) = [call for call in books.audit().odd_calls if call.kind == "unresolved"]
    assert (unresolved.cost_usd, unresolved.reported_usd) == (Decimal("0.001"), None)
    books.owner.execute(
        "INSERT INTO attempts (id, hold_id, org_id, user_id, number, provider, model, price_version, status, cost_usd, "
        "latency_ms, at) SELECT id, id, org_id, user_id, 1, provider, model, price_version, 'success', 0.0003, 5, "
        "resolved_at FROM holds WHERE resolution = 'unresolved'"
    )
    lines = list(accounting_lines(books.audit()))
    assert f"unresolved, 1 found, at most 0.001 USD together. {ODD_ADVICE['unresolved']}" in lines
    assert any(
        "at most 0.001 USD, its late worker reported 0.0003 USD; hold" in said and str(unresolved.hold_id) in said
        for said in lines
    )
    assert lines[-1].startswith("The books balance")


def test_impossible_usage_is_listed_with_its_reason(books: Books) -> None:
    lines = list(accounting_lines(books.audit()))
    assert f"quarantined, 2 found, 0.0008 USD together. {ODD_ADVICE['quarantined']}" in lines
    assert sum("0.0004 USD, reported usage was refused: negative; hold" in said for said in lines) == 2


def test_overdue_holds_are_a_warning_until_their_member_asks_again(books: Books, move_time: MoveTime) -> None:
    move_time(FEBRUARY + timedelta(hours=1))
    found = books.audit()
    assert (found.balances, found.totals.overdue) == (True, 2)
    assert any(
        said.startswith("warning: 2 holds overdue, the oldest since 2026-02-02 12:0")
        for said in accounting_lines(found)
    )
    books.workbench.meter.sweep()
    found = books.audit()
    assert (found.balances, found.totals.overdue, found.totals.open) == (True, 0, 0)


def test_a_zone_that_changes_and_idle_days_leave_no_difference(
    workbench: Workbench, member: MakeMember, owner: Owner, service: Owner, move_time: MoveTime
) -> None:
    ann = member("ann", plan="enterprise")
    for day, zone in enumerate(("UTC", "Asia/Tokyo", "America/New_York", "UTC")):
        service.execute("UPDATE organisations SET zone = %s", [zone])
        move_time(JANUARY + timedelta(days=9 * day, hours=5 * day))
        called(workbench, ann)
        workbench.meter.settle(called(workbench, ann), "success", CENT, record())
    assert audit(workbench.database).differences == []


def test_the_audit_waits_for_no_writer_and_no_writer_for_it(books: Books) -> None:
    with books.workbench.database.snapshot() as connection:
        now = books_dao.prepare(connection)
        hold = called(books.workbench, books.ann)
        assert books.workbench.meter.settle(hold, "success", CENT, record()).outcome == "settled"
        for check in CHECKS:
            assert books_dao.differences(connection, check.name, now=now, most=1) == []
    with books.workbench.database.service() as writer:
        writer.execute(text("SELECT FROM member_meters FOR UPDATE"))
        assert books.audit().balances


def test_empty_books_balance(workbench: Workbench) -> None:
    (line,) = accounting_lines(audit(workbench.database))
    assert line.startswith("The books balance: 0 calls, 0 open, 0 overdue, 0 unresolved (at most 0 USD)")


def test_the_audit_has_time_and_memory_of_its_own_and_writes_nothing(workbench: Workbench) -> None:
    with workbench.database.snapshot() as connection:
        books_dao.prepare(connection)
        shown = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("statement_timeout", "work_mem", "transaction_read_only", "transaction_isolation")
        ]
    assert shown == ["0", books_dao.WORK_MEMORY, "on", "repeatable read"]


def test_nobody_stands_for_the_organisation_alone() -> None:
    assert UUID(int=0) == books_dao.NOBODY
