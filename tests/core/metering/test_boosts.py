"""Boosts: asked for, decided on by somebody else, in force for their time and no longer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from core.admin.changes import Boosting, Effect
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.metering.boosts import Boost, Boosts
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime

Service = psycopg.Connection[tuple[object, ...]]
WANTED: dict[str, Any] = {"metric": "chat_queries_day", "amount": 5, "days": 2, "reason": "Earnings season"}


@pytest.fixture
def boosts(workbench: Workbench) -> Boosts:
    """Boosts of the workbench."""
    return Boosts(workbench.database)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner."""
    return member()


@pytest.fixture
def ada(member: MakeMember, ann: Principal) -> Principal:
    """An admin of the same organisation."""
    return member("ada", org=ann.org_name, role=Role.ADMIN)


@pytest.fixture
def carl(member: MakeMember, ann: Principal) -> Principal:
    """An analyst of the same organisation."""
    return member("carl", org=ann.org_name, role=Role.ANALYST)


def give(workbench: Workbench, who: Principal, to: Principal, *, for_all: bool = False, **changes: Any) -> Effect:
    """A boost that nobody asked for, to a member or all of their organisation."""
    boost = Boosting(**{**WANTED, **changes})
    return workbench.admin.people.give_boost(who, to.org_id, "" if for_all else to.email, boost)


def limit(workbench: Workbench, who: Principal, metric: str = "chat_queries_day") -> int | None:
    """A limit as it stands."""
    return workbench.usage.quota(who, metric).limit


def test_a_boost_holds_from_when_it_is_granted_until_its_end(
    workbench: Workbench, boosts: Boosts, ann: Principal, ada: Principal, move_time: MoveTime
) -> None:
    asked = boosts.request(ann, **WANTED)
    assert (asked.state, asked.user_id, asked.requested_by_name, asked.life) == (
        "requested",
        ann.user_id,
        "ann",
        timedelta(days=2),
    )
    assert limit(workbench, ann) == 10
    granted = boosts.decide(ada, asked.id, granted=True, note="Good luck")
    assert (granted.state, granted.decided_by_name, granted.note) == ("granted", "ada", "Good luck")
    assert (limit(workbench, ann), limit(workbench, ada)) == (15, 10)
    move_time(timedelta(days=2, minutes=1))
    assert limit(workbench, ann) == 10


def test_a_boost_for_all_is_everybodys_and_can_be_ended(
    workbench: Workbench, boosts: Boosts, ann: Principal, ada: Principal, carl: Principal
) -> None:
    asked = boosts.request(carl, **WANTED, for_all=True)
    boosts.decide(ada, asked.id, granted=True, amount=3)
    assert [limit(workbench, who) for who in (ann, ada, carl)] == [13, 13, 13]
    assert boosts.end(ann, asked.id).state == "ended"
    assert [limit(workbench, who) for who in (ann, ada, carl)] == [10, 10, 10]
    with pytest.raises(Conflict):
        boosts.end(ann, asked.id)


def test_limits_of_the_organisation_are_boosted_for_all(
    workbench: Workbench, boosts: Boosts, ada: Principal, carl: Principal
) -> None:
    asked = boosts.request(carl, **{**WANTED, "metric": "signal_validations_day"})
    assert asked.user_id is None
    boosts.decide(ada, asked.id, granted=True)
    assert limit(workbench, ada, "signal_validations_day") == 10


def test_nobody_grants_their_own_but_who_runs_the_installation(
    workbench: Workbench, boosts: Boosts, ann: Principal, carl: Principal, operator: Principal
) -> None:
    asked = boosts.request(ann, **WANTED)
    with pytest.raises(Forbidden, match="their own"):
        boosts.decide(ann, asked.id, granted=True)
    for for_all in (False, True):
        with pytest.raises(Forbidden, match="themselves"):
            give(workbench, ann, ann, for_all=for_all)
    with pytest.raises(Forbidden):
        boosts.decide(carl, asked.id, granted=True)
    with pytest.raises(NotFound):
        boosts.decide(operator, asked.id, granted=True)
    assert limit(workbench, ann) == 10
    assert boosts.decide(operator, asked.id, granted=True, everything=True).state == "granted"
    assert limit(workbench, ann) == 15
    give(workbench, operator, ann, for_all=True)
    assert [limit(workbench, who) for who in (ann, carl)] == [20, 15]


def test_a_manager_gives_to_another_and_withdraws_their_own_request(
    workbench: Workbench, boosts: Boosts, ann: Principal, carl: Principal, member: MakeMember
) -> None:
    give(workbench, ann, carl)
    [given] = boosts.all(ann)
    assert (given.state, given.requested_by, given.decided_by) == ("granted", ann.user_id, ann.user_id)
    assert limit(workbench, carl) == 15
    own = boosts.request(ann, **WANTED)
    assert boosts.decide(ann, own.id, granted=False).state == "refused"
    with pytest.raises(NotFound):
        workbench.admin.people.give_boost(ann, ann.org_id, member("sue").email, Boosting(**WANTED))


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "seats"},
        {"amount": 0},
        {"amount": -5},
        {"amount": 1_000_001},
        {"days": 0},
        {"days": 91},
        {"reason": " "},
        {"reason": "x" * 501},
    ],
    ids=["metric", "nothing", "negative", "too-much", "no-time", "too-long", "no-reason", "long-reason"],
)
def test_what_cannot_be_asked_for_is_refused(boosts: Boosts, ann: Principal, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        boosts.request(ann, **{**WANTED, **change})
    assert boosts.mine(ann) == []


def test_three_requests_wait_at_once(boosts: Boosts, ann: Principal, ada: Principal, carl: Principal) -> None:
    asked = [boosts.request(carl, **WANTED) for _ in range(3)]
    with pytest.raises(Conflict, match="wait"):
        boosts.request(carl, **WANTED)
    boosts.request(ann, **WANTED)
    boosts.decide(ada, asked[0].id, granted=False)
    assert boosts.request(carl, **WANTED).state == "requested"


def test_who_sees_which(
    boosts: Boosts, ann: Principal, ada: Principal, carl: Principal, member: MakeMember, operator: Principal
) -> None:
    sue = member("sue")
    own, shared = boosts.request(carl, **WANTED), boosts.request(ann, **WANTED, for_all=True)
    private = boosts.request(ann, **WANTED)
    others = boosts.request(sue, **WANTED)

    def ids(found: list[Boost]) -> set[object]:
        return {boost.id for boost in found}

    assert ids(boosts.mine(carl)) == {own.id, shared.id}
    assert ids(boosts.all(ada)) == {own.id, shared.id, private.id}
    assert ids(boosts.all(operator, everything=True)) == {own.id, shared.id, private.id, others.id}
    assert ids(boosts.all(ada, state="granted")) == set()
    for step in (
        lambda: boosts.all(carl),
        lambda: boosts.all(ada, everything=True),
        lambda: boosts.decide(ada, own.id, granted=True, everything=True),
        lambda: boosts.end(carl, own.id),
    ):
        with pytest.raises(Forbidden):
            step()
    for step in (
        lambda: boosts.decide(ada, others.id, granted=True),
        lambda: boosts.decide(ada, uuid4(), granted=True),
        lambda: boosts.end(ada, others.id),
    ):
        with pytest.raises(NotFound):
            step()


def test_a_viewer_asks_for_none(boosts: Boosts, member: MakeMember, ann: Principal) -> None:
    with pytest.raises(Forbidden):
        boosts.request(member("vic", org=ann.org_name, role=Role.VIEWER), **WANTED)


def test_managers_grant_as_much_again_as_the_plan_allows(
    workbench: Workbench, boosts: Boosts, ann: Principal, ada: Principal, carl: Principal, move_time: MoveTime
) -> None:
    for who, whom in ((ann, ada), (ada, ann), (ann, carl)):
        give(workbench, who, whom, amount=6)
    for whom, amount in ((ada, 6), (carl, 5)):
        with pytest.raises(Forbidden, match="as much again"):
            give(workbench, ann, whom, amount=amount)
    asked = boosts.request(carl, **{**WANTED, "amount": 4}, for_all=True)
    with pytest.raises(Forbidden, match="10 chat questions a day"):
        boosts.decide(ada, asked.id, granted=True, amount=5)
    boosts.decide(ada, asked.id, granted=True)
    assert [limit(workbench, who) for who in (ann, ada, carl)] == [20, 20, 20]
    give(workbench, ann, ada, amount=6, metric="requests_month")
    move_time(timedelta(days=3))
    assert give(workbench, ann, ada, amount=10).changes


def test_who_runs_the_installation_grants_more_than_the_plan_allows(
    workbench: Workbench, ann: Principal, operator: Principal
) -> None:
    give(workbench, operator, ann, amount=1000)
    assert limit(workbench, ann) == 1010


def test_each_step_is_in_the_audit_log(boosts: Boosts, ann: Principal, ada: Principal, service: Service) -> None:
    asked = boosts.request(ann, **WANTED)
    boosts.decide(ada, asked.id, granted=True)
    boosts.end(ada, asked.id)
    rows = service.execute("SELECT action FROM audit_events WHERE subject_kind = 'boost' ORDER BY at, id").fetchall()
    assert rows == [("boost.requested",), ("boost.decided",), ("boost.ended",)]
