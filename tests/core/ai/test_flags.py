"""Flags: on for whom they name, the same for a user in every process, and never asked of the database in the path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from core.ai.flags import Flag, Flags, share_of
from core.db.engine import Database
from core.errors import Forbidden, InvalidRequest, NotFound
from core.principal import Principal, Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember

Someone = Callable[..., Principal]


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("root"), is_operator=True)


@pytest.fixture
def flags(workbench: Workbench) -> Flags:
    return Flags(workbench.database, workbench.plans)


def test_a_flag_that_nobody_made_is_off_and_withholds_nothing(flags: Flags, operator: Principal) -> None:
    assert not flags.is_on("beta.page", operator)
    assert flags.offers(operator) is None


def test_a_flag_is_on_for_the_plans_organisations_and_users_it_names(
    flags: Flags, operator: Principal, member: MakeMember
) -> None:
    ann, bob, eve = member("ann", plan="team", org="A"), member("bob", org="B"), member("eve", org="C")
    flags.keep(operator, Flag("beta.page", plans=("team",), org_ids=(bob.org_id,), user_ids=(operator.user_id,)))
    assert [flags.is_on("beta.page", each) for each in (ann, bob, eve, operator)] == [True, True, False, True]


def test_a_flag_that_names_nobody_is_on_for_everybody_until_it_is_switched_off(
    flags: Flags, operator: Principal
) -> None:
    flags.keep(operator, Flag("beta.page"))
    assert flags.is_on("beta.page", operator)
    flags.keep(operator, Flag("beta.page", is_on=False))
    assert not flags.is_on("beta.page", operator)


def test_a_share_of_users_is_always_the_same_and_only_grows(flags: Flags, operator: Principal) -> None:
    crowd = [replace(operator, user_id=uuid4()) for _ in range(2_000)]

    def on(percentage: str) -> set[object]:
        flag = flags.keep(operator, Flag("beta.page", percentage=Decimal(percentage)))
        return {each.user_id for each in crowd if flag.is_on_for(each)}

    few, more, none, every = on("10"), on("40"), on("0"), on("100")
    assert few == on("10")
    assert few < more < every
    assert not none
    assert len(every) == 2_000
    assert abs(len(few) - 200) < 60
    assert abs(len(more) - 800) < 100


def test_two_flags_of_the_same_share_do_not_pick_the_same_users() -> None:
    users = [uuid4() for _ in range(2_000)]
    one, other = ({user for user in users if share_of(name, user) < 50} for name in ("a", "b"))
    assert abs(len(one & other) - 500) < 120


def test_a_model_is_offered_unless_a_flag_of_its_name_is_off(
    flags: Flags, operator: Principal, member: MakeMember
) -> None:
    ann = member("ann", plan="team", org="A")
    flags.keep(operator, Flag("model:gpt-4o", plans=("team",)))
    for principal, is_offered in ((ann, True), (operator, False)):
        offers = flags.offers(principal)
        assert offers is not None
        assert offers("model:gpt-4o") is is_offered
        assert offers("model:gpt-4.1")


def test_another_process_learns_of_a_change(workbench: Workbench, flags: Flags, operator: Principal) -> None:
    other = Database(workbench.database._service_login.url)
    try:
        theirs = Flags(other, workbench.plans)
        assert not theirs.is_on("beta.page", operator)
        flags.keep(operator, Flag("beta.page"))
        theirs._kept._read_at = -100.0  # as old as it may be
        theirs.is_on("beta.page", operator)
        for _ in range(200):
            if theirs.is_on("beta.page", operator):
                break
            theirs._kept._refresh()
        assert theirs.is_on("beta.page", operator)
    finally:
        other.close()


def test_a_removed_flag_is_gone(flags: Flags, operator: Principal) -> None:
    flags.keep(operator, Flag("beta.page"))
    flags.remove(operator, "beta.page")
    assert flags.all(operator) == []
    with pytest.raises(NotFound):
        flags.remove(operator, "beta.page")


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (Flag("Beta page"), "lower case"),
        (Flag("x" * 121), "lower case"),
        (Flag("beta", percentage=Decimal(101)), "percentage"),
        (Flag("beta", percentage=Decimal("NaN")), "percentage"),
        (Flag("beta", plans=("golden",)), "no plan"),
        (Flag("beta", description="x" * 501), "500"),
    ],
    ids=["capitals", "long name", "above 100", "no number", "no such plan", "long description"],
)
def test_a_flag_that_cannot_be_is_refused(flags: Flags, operator: Principal, flag: Flag, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        flags.keep(operator, flag)


@pytest.mark.parametrize("role", list(Role))
def test_only_operators_see_or_change_flags(flags: Flags, member: MakeMember, role: Role) -> None:
    ann = member("ann", role=role)
    token = replace(ann, is_operator=True, via="token", scopes=frozenset({Scope.READ, Scope.ASK}))
    for caller in (ann, token):
        for refused in (
            lambda caller=caller: flags.all(caller),
            lambda caller=caller: flags.keep(caller, Flag("beta.page")),
            lambda caller=caller: flags.remove(caller, "beta.page"),
        ):
            with pytest.raises(Forbidden):
                refused()
