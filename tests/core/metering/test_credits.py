"""Credits that come in, are taken out and end; who sees and does what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.books import audit
from core.metering.credits import Credits
from core.metering.pricing import shipped_billing
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime

Service = psycopg.Connection[tuple[object, ...]]
TEN = Decimal(10)


@pytest.fixture
def purse(workbench: Workbench) -> Credits:
    """Wallets of the workbench."""
    return Credits(workbench.database, shipped_billing())


def balanced(workbench: Workbench) -> None:
    """The books hold."""
    assert audit(workbench.database).differences == []


def test_who_never_had_any_has_todays_free_ones_and_nothing_else(purse: Credits, member: MakeMember) -> None:
    found = purse.balance(member())
    assert (found.balance, found.available, found.held, found.overdraft) == (0, 0, 0, 0)
    assert (found.daily_free, found.daily_free_remaining, found.cap_month, found.cap_used) == (10, 10, None, 0)
    assert not found.uses_credits
    assert purse.entries(member()) == []


def test_a_grant_is_an_entry_with_its_reason_and_its_author(
    workbench: Workbench, purse: Credits, member: MakeMember, operator: Principal
) -> None:
    ann = member()
    assert purse.grant(ann.org_id, Decimal("2.5"), reason="  For  the outage ", author=operator.user_id) == Decimal(
        "2.5"
    )
    assert purse.grant(ann.org_id, Decimal(1), reason="More", author=None) == Decimal("3.5")
    second, first = purse.entries(ann)
    assert (first.kind, first.amount, first.change, first.reason) == (
        "grant",
        *(2 * (Decimal("2.5"),)),
        "For the outage",
    )
    assert (first.debit, first.credit, first.author_id) == ("promotion", "available", operator.user_id)
    assert (second.author_id, second.number > first.number) == (None, True)
    assert purse.balance(ann).balance == Decimal("3.5")
    balanced(workbench)


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("0", "why"),
        ("-1", "why"),
        ("NaN", "why"),
        ("Infinity", "why"),
        ("0.0000001", "why"),
        ("1000000000.1", "why"),
        ("1", "  "),
        ("1", "x" * 501),
        ("1", "a\x00b"),
    ],
    ids=["zero", "negative", "nan", "infinite", "too-fine", "too-much", "no-reason", "long-reason", "nul"],
)
def test_what_cannot_be_granted_is_refused(purse: Credits, member: MakeMember, amount: str, reason: str) -> None:
    ann = member()
    with pytest.raises(InvalidRequest):
        purse.grant(ann.org_id, Decimal(amount), reason=reason, author=None)
    assert purse.entries(ann) == []


def test_nobody_is_granted_credits_who_is_not_there(purse: Credits, operator: Principal) -> None:
    with pytest.raises(NotFound):
        purse.grant(uuid4(), TEN, reason="why", author=None)
    with pytest.raises(NotFound):
        purse.adjust(operator, uuid4(), TEN, "why")


def test_only_operators_adjust(purse: Credits, member: MakeMember) -> None:
    ann = member()
    with pytest.raises(Forbidden):
        purse.adjust(ann, ann.org_id, TEN, "mine")
    assert purse.balance(ann).balance == 0


def test_an_adjustment_goes_both_ways_and_never_below_what_there_is(
    workbench: Workbench, purse: Credits, member: MakeMember, operator: Principal
) -> None:
    ann = member()
    assert purse.adjust(operator, ann.org_id, TEN, "A slip") == 10
    assert purse.adjust(operator, ann.org_id, Decimal(-4), "Half of it back") == 6
    with pytest.raises(InvalidRequest, match="less than that"):
        purse.adjust(operator, ann.org_id, Decimal("-6.000001"), "All and more")
    down, up = purse.entries(ann)
    assert (up.change, down.change, down.debit, down.credit) == (10, -4, "available", "adjustments")
    balanced(workbench)


def test_a_payment_is_credited_once_and_taken_back_once_below_zero_if_need_be(
    workbench: Workbench, purse: Credits, member: MakeMember, operator: Principal
) -> None:
    ann = member()

    def bought(payment: str) -> bool:
        with workbench.database.service() as transaction:
            return purse.purchased(transaction, ann.org_id, TEN, payment=payment, user_id=ann.user_id)

    def returned(event: str) -> None:
        with workbench.database.service() as transaction:
            purse.taken_back(transaction, ann.org_id, TEN, payment="pi_1", event=event, reason="Disputed")

    assert [bought("pi_1"), bought("pi_1"), bought("pi_2")] == [True, False, True]
    purse.adjust(operator, ann.org_id, Decimal(-15), "Spent elsewhere")
    returned("evt_1")
    returned("evt_1")
    found = purse.balance(ann)
    assert (found.balance, found.available, found.overdraft) == (-5, 0, 5)
    assert [entry.change for entry in purse.entries(ann)] == [-10, 0, -15, 10, 10]
    assert bought("pi_3")
    found = purse.balance(ann)
    assert (found.balance, found.available, found.overdraft) == (5, 5, 0)
    balanced(workbench)


def test_a_refused_transaction_leaves_nothing_of_a_payment(
    workbench: Workbench, purse: Credits, member: MakeMember
) -> None:
    ann = member()

    def fails() -> None:
        with workbench.database.service() as transaction:
            assert purse.purchased(transaction, ann.org_id, TEN, payment="pi_1", user_id=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert purse.entries(ann) == []


def test_a_grant_ends_with_what_is_left_of_it(
    workbench: Workbench, purse: Credits, member: MakeMember, move_time: MoveTime
) -> None:
    ann, soon = member(), datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(InvalidRequest, match="future"):
        purse.grant(ann.org_id, TEN, reason="why", author=None, expires_at=datetime.now(UTC) - timedelta(minutes=1))
    purse.grant(ann.org_id, TEN, reason="why", author=None, expires_at=soon)
    purse.grant(ann.org_id, Decimal(1), reason="kept", author=None)
    assert purse.expire_due() == 0
    move_time(timedelta(days=3))
    assert (purse.expire_due(), purse.expire_due()) == (1, 0)
    assert purse.balance(ann).balance == 1
    assert next((entry.kind, entry.change) for entry in purse.entries(ann)) == ("expiry", -10)
    balanced(workbench)


def test_members_see_their_own_entries_and_managers_all(
    workbench: Workbench, purse: Credits, member: MakeMember
) -> None:
    ann, stranger = member(), member("sue")
    carl = member("carl", org=ann.org_name, role=Role.ANALYST)
    purse.grant(ann.org_id, TEN, reason="why", author=None)
    with workbench.database.service() as transaction:
        purse.purchased(transaction, ann.org_id, TEN, payment="pi_1", user_id=carl.user_id)
    assert len(purse.entries(ann)) == 2
    assert [entry.user_name for entry in purse.entries(carl)] == ["carl"]
    assert purse.entries(stranger) == []
    assert (purse.balance(carl).balance, purse.balance(stranger).balance) == (20, 0)
    page = purse.entries(ann, most=1)
    assert [entry.kind for entry in purse.entries(ann, before=page[-1].number)] == ["grant"]
    for most in (0, 1_001):
        with pytest.raises(InvalidRequest):
            purse.entries(ann, most=most)


def test_managers_set_caps_of_their_own_members(purse: Credits, member: MakeMember) -> None:
    ann, stranger = member(), member("sue")
    carl = member("carl", org=ann.org_name, role=Role.ANALYST)
    purse.set_cap(ann, carl.user_id, Decimal("2.5"))
    assert purse.balance(carl).cap_month == Decimal("2.5")
    assert {row.name: row.cap_month for row in purse.caps(ann)} == {"ann": None, "carl": Decimal("2.5")}
    purse.set_cap(ann, carl.user_id, Decimal(0))
    assert purse.balance(carl).cap_month == 0
    purse.set_cap(ann, carl.user_id, None)
    assert purse.balance(carl).cap_month is None
    for who, whom, cap, error in (
        (carl, carl, TEN, Forbidden),
        (ann, stranger, TEN, NotFound),
        (ann, carl, Decimal(-1), InvalidRequest),
        (ann, carl, Decimal("NaN"), InvalidRequest),
    ):
        with pytest.raises(error):
            purse.set_cap(who, whom.user_id, cap)
    with pytest.raises(Forbidden):
        purse.caps(carl)


def test_each_change_is_in_the_audit_log(
    workbench: Workbench, purse: Credits, member: MakeMember, operator: Principal, service: Service
) -> None:
    ann = member()
    purse.grant(ann.org_id, TEN, reason="why", author=None)
    purse.adjust(operator, ann.org_id, Decimal(-1), "A slip")
    purse.set_cap(ann, ann.user_id, TEN)
    with workbench.database.service() as transaction:
        purse.purchased(transaction, ann.org_id, TEN, payment="pi_1", user_id=ann.user_id)
        purse.taken_back(transaction, ann.org_id, TEN, payment="pi_1", event="evt_1", reason="Disputed")
    rows = service.execute("SELECT action FROM audit_events WHERE org_id = %s", (ann.org_id,))
    assert {str(row[0]) for row in rows} >= {
        "credits.granted",
        "credits.adjusted",
        "member.cap_set",
        "credits.purchased",
        "credits.taken_back",
    }


def test_nobody_changes_the_ledger_or_a_wallet(
    purse: Credits, member: MakeMember, owner: Service, service: Service
) -> None:
    ann = member()
    purse.grant(ann.org_id, TEN, reason="why", author=None)
    for connection in (owner, service):
        for statement in (
            "UPDATE ledger_entries SET amount = 1000",
            "DELETE FROM ledger_entries",
            "TRUNCATE ledger_entries",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
    for statement in ("UPDATE wallets SET available = 1000", "DELETE FROM wallets", "TRUNCATE wallets CASCADE"):
        with pytest.raises(psycopg.Error):
            service.execute(statement)
    assert purse.balance(ann).balance == 10


def test_what_is_not_a_member_any_more_has_no_balance(purse: Credits, member: MakeMember) -> None:
    ann = member()
    with pytest.raises(AssayError):
        purse.balance(replace(ann, user_id=new_id()))


def test_a_grant_under_a_key_of_its_own_is_granted_once(purse: Credits, member: MakeMember, service: Service) -> None:
    ann, bob = member("ann"), member("bob")
    for _ in range(2):
        assert purse.grant(ann.org_id, TEN, reason="why", author=None, key="ticket 7") == TEN
    with pytest.raises(Conflict, match="Another amount"):
        purse.grant(ann.org_id, Decimal(11), reason="why", author=None, key="ticket 7")
    for unfit in ("", "x" * 201, "a\x00b"):
        with pytest.raises(InvalidRequest, match="key"):
            purse.grant(ann.org_id, TEN, reason="why", author=None, key=unfit)
    assert purse.grant(bob.org_id, TEN, reason="why", author=None, key="ticket 7") == TEN
    assert purse.grant(ann.org_id, TEN, reason="why", author=None, key="ticket 8") == 2 * TEN
    granted = service.execute("SELECT count(*) FROM audit_events WHERE action = 'credits.granted'").fetchall()
    assert granted == [(3,)]


def test_a_wallet_that_cannot_be_gone_through_holds_up_no_other_and_is_told(
    purse: Credits,
    member: MakeMember,
    move_time: MoveTime,
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ann, bob = member("ann"), member("bob")
    for who, days in ((ann, 1), (bob, 2)):
        purse.grant(who.org_id, TEN, reason="why", author=None, expires_at=datetime.now(UTC) + timedelta(days=days))
    # Past the functions that keep grants and wallet together.
    service.execute("SELECT enter(%s, 'refund', 'available', 'cash', 4, 'by hand')", (ann.org_id,))
    move_time(timedelta(days=3))
    assert purse.expire_due() == 1
    assert (purse.balance(ann).balance, purse.balance(bob).balance) == (6, 0)
    assert str(ann.org_id) in caplog.text
