"""The books on demand: what `doctor --accounting` finds, with what to do; for operators alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from core.admin.books import Books, owner_words
from core.errors import Conflict, Forbidden
from core.metering.books import ODD_ADVICE, advice
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record


@pytest.fixture
def books(workbench: Workbench) -> Books:
    return Books(workbench.database)


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True)


def test_books_in_order_have_no_differences(
    books: Books, operator: Principal, workbench: Workbench, member: MakeMember
) -> None:
    hold = workbench.meter.reserve(member("ann"), hold_request())
    assert workbench.meter.mark_in_flight(hold)
    workbench.meter.settle(hold, "success", Decimal("0.0004"), record())
    found = books.look(operator)
    assert found.audit.balances
    assert (found.differences, found.odd, found.audit.totals.calls) == ([], [], 1)


def test_a_difference_and_a_lost_call_are_told_with_what_to_do(
    books: Books,
    operator: Principal,
    workbench: Workbench,
    member: MakeMember,
    service: psycopg.Connection[tuple[object, ...]],
    move_time: MoveTime,
) -> None:
    ann = member("ann")
    hold = workbench.meter.reserve(ann, hold_request())
    assert workbench.meter.mark_in_flight(hold)
    move_time(timedelta(minutes=10))
    assert workbench.meter.sweep() == 1
    service.execute("UPDATE member_meters SET chat_query_used = 3")
    found = books.look(operator)
    (difference,) = found.differences
    assert (difference.kind, difference.count, difference.advice) == ("counter_running", 1, advice("counter_running"))
    assert owner_words(difference.rows[0]) == f"user {ann.user_id} in organisation {ann.org_id}"
    (odd,) = found.odd
    assert (odd.kind, odd.count, odd.total_usd, odd.advice) == (
        "unresolved", 1, Decimal("0.001"), ODD_ADVICE["unresolved"],
    )  # fmt: skip


def test_nobody_else_looks_and_no_two_at_once(books: Books, operator: Principal, member: MakeMember) -> None:
    with pytest.raises(Forbidden):
        books.look(member("ann"))
    assert books._looking.acquire(blocking=False)
    with pytest.raises(Conflict):
        books.look(operator)
    books._looking.release()
    assert books.look(operator).audit.balances
