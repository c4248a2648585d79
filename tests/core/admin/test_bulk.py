"""Files of changes: what a preview says is what applying does; whole or not at all, and once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from core.admin import bulk as bulk_module
from core.admin.bulk import Bulk, Preview, example
from core.errors import Conflict, Forbidden, InvalidRequest
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

Service = psycopg.Connection[tuple[object, ...]]
HEADER = "change,organisation,user,value,metric,days,reason\n"
State = Callable[[], list[object]]


@pytest.fixture
def bulk(workbench: Workbench) -> Bulk:
    return Bulk(workbench.database, workbench.plans, workbench.mailer, workbench.settings.address)


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    member("bob", plan="team", org="Acme", role=Role.ANALYST)
    return member("ann", plan="team", org="Acme")


@pytest.fixture
def state(service: Service) -> State:
    """Everything that a file can change."""
    statements = (
        "SELECT name, plan FROM organisations ORDER BY name",
        "SELECT u.email, m.role, m.credits_cap_month, u.deactivated_at FROM memberships m JOIN users u ON u.id = "
        "m.user_id ORDER BY 1",
        "SELECT metric, amount, state FROM boosts ORDER BY 1, 2",
        "SELECT kind, amount, reason FROM ledger_entries ORDER BY id",
        "SELECT action FROM audit_events ORDER BY seq",
        "SELECT lines FROM bulk_changes",
    )
    return lambda: [service.execute(statement).fetchall() for statement in statements]


def csv(*lines: str) -> bytes:
    return (HEADER + "\n".join(lines) + "\n").encode()


def told(preview: Preview) -> list[tuple[int, str, str]]:
    return [(line.number, line.effect.before, line.effect.after) for line in preview.lines if line.effect]


EVERY = csv(
    "plan,Acme,,premium,,,",
    "role,Acme,bob@test.example,admin,,,",
    "cap,Acme,bob@test.example,50,,,",
    "boost,Acme,bob@test.example,200,chat_queries_day,14,quarterly report",
    "boost,Acme,bob@test.example,1,chat_queries_day,1,one more",
    "credits,Acme,,500.5,,90,goodwill",
    "cap,Acme,bob@test.example,none,,,",
    "deactivate,,bob@test.example,,,,",
    "reactivate,,bob@test.example,,,,",
    "role,Acme,bob@test.example,admin,,,",
)
EFFECTS = [
    (2, "team", "premium"),
    (3, "analyst", "admin"),
    (4, "no cap", "50 credits a month"),
    (5, "+0 chat questions a day", "+200 chat questions a day, 200 of them for 14 days"),
    (6, "+200 chat questions a day", "+201 chat questions a day, 1 of them for 1 day"),
    (7, "0 credits", "500.5 credits"),
    (8, "50 credits a month", "no cap"),
    (9, "active", "deactivated"),
    (10, "deactivated", "active"),
    (11, "admin", "admin"),
]


def test_a_preview_tells_every_lines_before_and_after_and_changes_nothing(
    bulk: Bulk, operator: Principal, ann: Principal, state: State
) -> None:
    before = state()
    preview = bulk.preview(operator, EVERY, everything=True)
    assert told(preview) == EFFECTS
    assert (preview.can_be_applied, preview.changed) == (True, 9)
    assert state() == before


def test_applying_does_what_the_preview_said_once(
    bulk: Bulk, operator: Principal, ann: Principal, state: State
) -> None:
    assert told(bulk.apply(operator, EVERY, everything=True)) == EFFECTS
    after = state()
    assert after[0] == [("Acme", "premium"), ("House", "free")]
    assert after[1][1] == ("bob@test.example", "admin", None, None)  # type: ignore[index]
    assert after[3] == [("grant", Decimal("500.5"), "goodwill")]
    assert after[5] == [(10,)]
    again = bulk.apply(operator, EVERY, everything=True)
    assert again.applied_at is not None
    assert not again.lines
    assert not bulk.preview(operator, EVERY, everything=True).can_be_applied
    assert state() == after


def test_one_wrong_line_refuses_the_whole_with_its_number_and_reason(
    bulk: Bulk, operator: Principal, ann: Principal, state: State
) -> None:
    wrong = csv("plan,Acme,,premium,,,", "", "role,Acme,ann@test.example,viewer,,,", "cap,Acme,bob@test.example,5,,,")
    before = state()
    preview = bulk.preview(operator, wrong, everything=True)
    assert [(line.number, line.flaw) for line in preview.flaws] == [
        (4, "The last owner cannot become less: make another member an owner first.")
    ]
    with pytest.raises(InvalidRequest, match=r"Line 4: The last owner cannot become less: .* Nothing was changed\."):
        bulk.apply(operator, wrong, everything=True)
    assert state() == before
    mended = csv("role,Acme,bob@test.example,owner,,,", "role,Acme,ann@test.example,viewer,,,")
    assert bulk.apply(operator, mended, everything=True).changed == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("plan,Acme,,gold,,,", "There is no plan 'gold'", id="plan"),
        pytest.param("plan,Nobody,,team,,,", "There is no organisation 'Nobody'", id="organisation"),
        pytest.param("plan,,,team,,,", "The organisation is missing", id="no_organisation"),
        pytest.param("role,Acme,eve@test.example,admin,,,", "There is no such member", id="member"),
        pytest.param("role,Acme,bob@test.example,boss,,,", "There is no role 'boss'", id="role"),
        pytest.param("role,Acme,,admin,,,", "The user is missing", id="no_user"),
        pytest.param("promote,Acme,bob@test.example,admin,,,", "There is no change 'promote'", id="change"),
        pytest.param("cap,Acme,bob@test.example,many,,,", "'many' is no amount of credits", id="amount"),
        pytest.param("cap,Acme,bob@test.example,-1,,,", "above 0", id="negative"),
        pytest.param("cap,Acme,bob@test.example,sNaN,,,", "above 0", id="nan"),
        pytest.param("credits,Acme,,5,,,", "The reason is missing", id="no_reason"),
        pytest.param("credits,Acme,,0,,,nothing", "above 0", id="zero"),
        pytest.param("credits,Acme,,5,,0,ends now", "Granted credits last 1 to", id="credit_days"),
        pytest.param("boost,Acme,,5,seats,3,more", "There is no boost of 'seats'", id="metric"),
        pytest.param("boost,Acme,,5,requests_month,91,more", "A boost lasts 1 to 90 days", id="days"),
        pytest.param("boost,Acme,,٣,requests_month,9,more", "is no whole number (column value)", id="digits"),
        pytest.param("deactivate,,olga@test.example,,,,", "cannot deactivate yourself", id="oneself"),
        pytest.param("deactivate,,ann@test.example,,,,", "left without an owner", id="owner"),
        pytest.param("deactivate,,eve@test.example,,,,", "There is no such user", id="user"),
    ],
)
def test_a_line_that_cannot_be_says_why(bulk: Bulk, operator: Principal, ann: Principal, line: str, said: str) -> None:
    (flaw,) = bulk.preview(operator, csv(line), everything=True).flaws
    assert flaw.number == 2
    assert said in flaw.flaw


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "Line 1: it needs the column change", id="empty"),
        pytest.param(b"change,organisation\n", "no line beneath its header", id="header_only"),
        pytest.param(b"change,who\nplan,x\n", "Line 1: there is no column 'who'", id="column"),
        pytest.param(b"change,change\nplan,x\n", "each column once", id="twice"),
        pytest.param(b"change,value\nplan,a,b\n", "Line 2: it has 3 fields, and the header 2", id="fields"),
        pytest.param(b"change,value\nplan,a\nplan,\xff\n", "Line 3: this is not UTF-8", id="utf8"),
        pytest.param(b"change,value\nplan,a\nplan,\x00b\n", "Line 3: it has a NUL character", id="nul"),
        pytest.param(b'change,value\nplan,"a"b\n', "Line 2: this is not CSV", id="quotes"),
        pytest.param(b"change,value\n" + b"plan,a\n" * 1_001, "Line 1002: a file has at most 1,000", id="lines"),
        pytest.param(b"x" * (bulk_module.MAX_BYTES + 1), "more than 1,048,576 bytes", id="bytes"),
        pytest.param(b"change,value\nplan," + b"a" * 1_001 + b"\n", "Line 2: a field has more than", id="field"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_line(
    bulk: Bulk, operator: Principal, content: bytes, said: str
) -> None:
    for do in (bulk.preview, bulk.apply):
        with pytest.raises(InvalidRequest) as refused:
            do(operator, content, everything=True)
        assert said in str(refused.value)


def test_lines_are_counted_as_an_editor_counts_them(bulk: Bulk, operator: Principal, ann: Principal) -> None:
    content = csv('credits,Acme,,1,,,"two\nlines"', "", "plan,Acme,,gold,,,")
    assert [line.number for line in bulk.preview(operator, content, everything=True).lines] == [2, 5]


def test_a_manager_changes_their_own_organisation_and_nothing_of_operators(
    bulk: Bulk, ann: Principal, operator: Principal, state: State
) -> None:
    fine = csv("role,,bob@test.example,viewer,,,", f"cap,{ann.org_id},bob@test.example,5,,,")
    assert bulk.apply(ann, fine, everything=False).changed == 2
    before = state()
    for line in (
        "plan,Acme,,enterprise,,,",
        "credits,Acme,,5,,,a gift",
        "deactivate,,bob@test.example,,,,",
        "cap,House,olga@test.example,5,,,",
        "boost,,,5,requests_month,3,for all",
    ):
        with pytest.raises(InvalidRequest, match="Line 2: "):
            bulk.apply(ann, csv(line), everything=False)
    with pytest.raises(Forbidden):
        bulk.preview(ann, fine, everything=True)
    assert state() == before


def test_the_same_file_of_two_organisations_is_two(bulk: Bulk, ann: Principal, member: MakeMember) -> None:
    member("bea", plan="team", org="Other", role=Role.ANALYST)
    eve = member("eve", plan="team", org="Other")
    same = csv("cap,,bob@test.example,5,,,")
    assert bulk.apply(ann, same, everything=False).changed == 1
    with pytest.raises(InvalidRequest, match="There is no such member"):
        bulk.apply(eve, same, everything=False)


@pytest.mark.parametrize("first", [True, False], ids=["all_first", "one_first"])
def test_a_file_that_was_applied_to_one_organisation_is_not_applied_to_all_again(
    bulk: Bulk, operator: Principal, ann: Principal, state: State, *, first: bool
) -> None:
    acting = replace(operator, org_id=ann.org_id, org_name="Acme")
    same = csv("boost,Acme,bob@test.example,5,requests_month,9,a report")
    assert bulk.apply(acting, same, everything=first).changed == 1
    before = state()
    assert bulk.preview(acting, same, everything=not first).applied_at is not None
    assert bulk.apply(acting, same, everything=not first).applied_at is not None
    assert state() == before


def test_only_what_was_previewed_is_applied(bulk: Bulk, operator: Principal, ann: Principal, state: State) -> None:
    acting = replace(operator, org_id=ann.org_id, org_name="Acme")
    content, other = csv("cap,Acme,bob@test.example,5,,,"), csv("cap,Acme,bob@test.example,6,,,")
    before, preview = state(), bulk.preview(acting, content, everything=False)
    for who, file, everything in ((acting, content, True), (operator, content, False), (acting, other, False)):
        with pytest.raises(Conflict, match="look at it once more"):
            bulk.apply(who, file, everything=everything, previewed=preview)
    assert state() == before
    assert bulk.apply(acting, content, everything=False, previewed=preview).changed == 1


def test_the_example_is_what_its_reader_may_change(bulk: Bulk, operator: Principal, member: MakeMember) -> None:
    member("ann", plan="premium", org="Acme", role=Role.ANALYST)
    member("bob", plan="team", org="Other")
    owner = member("eve", plan="premium", org="Acme")
    for who in (owner, operator):
        sample = example(is_operator=who.is_operator).replace("acme.example", "test.example").encode()
        preview = bulk.preview(who, sample, everything=who.is_operator)
        assert not preview.flaws, preview.flaws
        assert preview.changed == len(preview.lines)


def test_viewers_and_analysts_change_nothing(bulk: Bulk, member: MakeMember) -> None:
    for role in (Role.ANALYST, Role.VIEWER):
        who = member(f"x{role}", org="Third", role=role)
        with pytest.raises(Forbidden):
            bulk.preview(who, EVERY, everything=False)
        with pytest.raises(Forbidden):
            bulk.apply(who, EVERY, everything=False)
