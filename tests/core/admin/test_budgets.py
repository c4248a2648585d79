"""Monthly budgets: who sets them, what is refused beyond, and what is left of it in the audit log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest

from core.admin.budgets import Budgets, projected
from core.errors import Forbidden, InvalidRequest, MeteringDenied, NotFound
from core.ids import new_id
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import hold_request, record

Service = psycopg.Connection[tuple[object, ...]]
CENTS = Decimal("0.01")


@pytest.fixture
def budgets(workbench: Workbench) -> Budgets:
    return workbench.admin.budgets


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member("ann", plan="enterprise", org="Acme")


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True, via="session")


def spend(workbench: Workbench, who: Principal, usd: str) -> None:
    """A call that was made and charged."""
    hold = workbench.meter.reserve(who, hold_request(held_usd=Decimal(usd)))
    assert workbench.meter.mark_in_flight(hold)
    workbench.meter.settle(hold, "success", Decimal(usd), record(usd))


def test_what_would_go_beyond_is_refused_from_the_next_request_on(
    budgets: Budgets, ann: Principal, member: MakeMember, workbench: Workbench
) -> None:
    bob = member("bob", org="Acme", plan="enterprise", role=Role.ANALYST)
    spend(workbench, ann, "0.90")
    effect = budgets.set(ann, ann.org_id, Decimal(1))
    assert (effect.before, effect.after) == ("no budget", "1.00 USD a month")
    for who in (ann, bob):
        with pytest.raises(MeteringDenied) as refused:
            spend(workbench, who, "0.11")
        assert (refused.value.denial.code, refused.value.denial.metric) == ("budget_exceeded", "org_budget_usd_month")
    spend(workbench, bob, "0.10")  # what fits goes on
    budgets.set(ann, ann.org_id, Decimal(2))
    spend(workbench, ann, "1")
    with pytest.raises(MeteringDenied):
        spend(workbench, ann, "0.01")
    budgets.set(ann, ann.org_id, None)
    spend(workbench, ann, "5")
    [row] = budgets.found(ann, everything=False)
    assert (row.used_usd, row.budget_usd) == (Decimal(7), None)


def test_a_budget_of_nothing_is_one(budgets: Budgets, ann: Principal, workbench: Workbench) -> None:
    budgets.set(ann, ann.org_id, Decimal(0))
    with pytest.raises(MeteringDenied):
        spend(workbench, ann, "0.01")


def test_it_starts_anew_with_the_month(
    budgets: Budgets, ann: Principal, workbench: Workbench, move_time: MoveTime
) -> None:
    move_time(datetime(2027, 3, 16, 12, tzinfo=UTC))
    budgets.set(ann, ann.org_id, Decimal(1))
    spend(workbench, ann, "1")
    [row] = budgets.found(ann, everything=False)
    assert (row.used_usd, row.resets_at) == (Decimal(1), datetime(2027, 4, 1, tzinfo=UTC))
    assert projected(row) == pytest.approx(Decimal(2), abs=CENTS)
    move_time(datetime(2027, 4, 1, 0, 1, tzinfo=UTC))
    [row] = budgets.found(ann, everything=False)
    assert (row.used_usd, row.resets_at, projected(row)) == (Decimal(0), None, None)
    spend(workbench, ann, "1")
    assert projected(budgets.found(ann, everything=False)[0]) is None  # a minute says nothing of a month


def test_it_is_in_the_audit_log_before_and_after_once(
    budgets: Budgets, ann: Principal, operator: Principal, service: Service
) -> None:
    ann = replace(ann, via="session")
    budgets.set(ann, ann.org_id, Decimal("12.5"))
    budgets.set(ann, ann.org_id, Decimal("12.50"))  # as it is
    budgets.set(operator, ann.org_id, None)
    rows = service.execute(
        "SELECT org_id, actor, actor_kind, subject_id, before ->> 'budget_usd_month', after ->> 'budget_usd_month' "
        "FROM audit_events WHERE action = 'organisation.budget_set' ORDER BY seq"
    ).fetchall()
    subject = str(ann.org_id)
    assert [(row[0], row[1], row[2], row[3]) for row in rows] == [
        (ann.org_id, ann.user_id, "member", subject),
        (ann.org_id, operator.user_id, "operator", subject),
    ]
    assert rows[0][4] is None and Decimal(str(rows[0][5])) == Decimal("12.5")
    assert Decimal(str(rows[1][4])) == Decimal("12.5") and rows[1][5] is None


def test_managers_set_their_own_and_operators_everybodys(
    budgets: Budgets, ann: Principal, operator: Principal, member: MakeMember
) -> None:
    admin = member("adam", org="Acme", plan="enterprise", role=Role.ADMIN)
    other = member("carl", org="Other")
    budgets.set(admin, ann.org_id, Decimal(3))
    for role in (Role.ANALYST, Role.VIEWER):
        who = member(f"a_{role}", org="Acme", plan="enterprise", role=role)
        with pytest.raises(Forbidden):
            budgets.set(who, who.org_id, None)
        with pytest.raises(Forbidden):
            budgets.found(who, everything=False)
    with pytest.raises(Forbidden):
        budgets.set(other, ann.org_id, None)
    with pytest.raises(Forbidden):
        budgets.found(other, everything=True)
    with pytest.raises(NotFound):
        budgets.set(operator, new_id(), None)
    assert [row.name for row in budgets.found(other, "acme", everything=False)] == ["Other"]
    assert [row.name for row in budgets.found(operator, everything=True)] == ["Acme", "House", "Other"]
    assert [(row.name, row.budget_usd) for row in budgets.found(operator, "ACM", everything=True)] == [("Acme", 3)]
    assert budgets.found(operator, "%", everything=True) == []


def test_a_members_own_budget_refuses_them_alone_whichever_is_nearer(
    budgets: Budgets, ann: Principal, member: MakeMember, workbench: Workbench
) -> None:
    bob = member("bob", org="Acme", plan="enterprise", role=Role.ANALYST)
    spend(workbench, bob, "0.90")
    effect = budgets.set_of_member(ann, ann.org_id, bob.user_id, Decimal(1))
    assert (effect.subject, effect.before, effect.after) == (
        "bob@test.example, Acme", "no budget", "1.00 USD a month",
    )  # fmt: skip
    with pytest.raises(MeteringDenied) as refused:
        spend(workbench, bob, "0.11")
    assert (refused.value.denial.code, refused.value.denial.metric) == ("budget_exceeded", "user_budget_usd_month")
    spend(workbench, bob, "0.10")  # what fits goes on
    spend(workbench, ann, "2")
    budgets.set_of_member(ann, ann.org_id, bob.user_id, Decimal(9))
    budgets.set(ann, ann.org_id, Decimal(3))
    with pytest.raises(MeteringDenied) as refused:
        spend(workbench, bob, "0.01")
    assert refused.value.denial.metric == "org_budget_usd_month"
    budgets.set(ann, ann.org_id, None)
    assert not budgets.set_of_member(ann, ann.org_id, bob.user_id, Decimal("9.00")).changes
    budgets.set_of_member(ann, ann.org_id, bob.user_id, None)
    spend(workbench, bob, "20")


def test_what_is_used_of_a_members_budget_is_among_their_limits(
    budgets: Budgets, ann: Principal, workbench: Workbench
) -> None:
    budgets.set_of_member(ann, ann.org_id, ann.user_id, Decimal(2))
    spend(workbench, ann, "0.50")
    told = {each.metric: each for each in workbench.admin.people.limits(ann, ann.org_id, ann.user_id)}
    own = told["user_budget_usd"]
    assert (own.maximum, own.used, own.parts[0].source) == (Decimal(2), Decimal("0.5"), "budget")
    assert own.resets_at is not None


def test_a_members_budget_is_in_the_audit_log_once(
    budgets: Budgets, ann: Principal, operator: Principal, service: Service
) -> None:
    ann = replace(ann, via="session")
    budgets.set_of_member(ann, ann.org_id, ann.user_id, Decimal("12.5"))
    budgets.set_of_member(ann, ann.org_id, ann.user_id, Decimal("12.50"))  # as it is
    budgets.set_of_member(operator, ann.org_id, ann.user_id, None)
    rows = service.execute(
        "SELECT org_id, actor_kind, subject_id, (before ->> 'budget_usd_month')::numeric, "
        "(after ->> 'budget_usd_month')::numeric FROM audit_events WHERE action = 'member.budget_set' ORDER BY seq"
    ).fetchall()
    amount = Decimal("12.5")
    assert rows == [
        (ann.org_id, "member", str(ann.user_id), None, amount),
        (ann.org_id, "operator", str(ann.user_id), amount, None),
    ]


def test_members_budgets_are_set_by_their_managers_and_operators(
    budgets: Budgets, ann: Principal, operator: Principal, member: MakeMember
) -> None:
    bob, carl = member("bob", org="Acme", plan="enterprise", role=Role.ANALYST), member("carl", org="Other")
    for who in (bob, carl):
        with pytest.raises(Forbidden):
            budgets.set_of_member(who, ann.org_id, bob.user_id, None)
    with pytest.raises(NotFound):
        budgets.set_of_member(ann, ann.org_id, carl.user_id, Decimal(1))
    with pytest.raises(NotFound):
        budgets.set_of_member(operator, carl.org_id, bob.user_id, Decimal(1))
    with pytest.raises(InvalidRequest, match="to the cent"):
        budgets.set_of_member(ann, ann.org_id, bob.user_id, Decimal("0.001"))
    assert budgets.set_of_member(operator, ann.org_id, bob.user_id, Decimal(0)).after == "0.00 USD a month"


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "10000000.01", "0.001"])
def test_an_amount_that_cannot_be_is_refused(budgets: Budgets, ann: Principal, amount: str) -> None:
    with pytest.raises(InvalidRequest, match="to the cent"):
        budgets.set(ann, ann.org_id, Decimal(amount))


@pytest.mark.parametrize("words", ["x" * 201, "a\0b"], ids=["long", "nul"])
def test_words_that_cannot_be_looked_for_are_refused(budgets: Budgets, ann: Principal, words: str) -> None:
    with pytest.raises(InvalidRequest):
        budgets.found(ann, words, everything=False)
