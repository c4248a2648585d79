"""Belonging to an organisation, on a real database: roles, leaving, coming back, and what ends with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from uuid import uuid4

import psycopg
import pytest

from core.accounts.members import Members
from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound, PlanRequired, Unauthenticated
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.accounts.sign_ins import new_session, new_token, signed_in

Service = psycopg.Connection[tuple[object, ...]]
ACME = {"org": "Acme", "plan": "team"}


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember) -> Principal:
    """The one owner of Acme, at the page."""
    return signed_in(workbench, member("ann", **ACME))


@pytest.fixture
def bob(workbench: Workbench, ann: Principal, member: MakeMember) -> Principal:
    """An analyst of Acme, at the page."""
    return signed_in(workbench, member("bob", role=Role.ANALYST, **ACME))


@pytest.fixture
def members(workbench: Workbench) -> Members:
    """The service."""
    return workbench.members


def roles(members: Members, seen_by: Principal) -> dict[str, str]:
    """Who belongs to the organisation, and as what."""
    return {row.name: row.role for row in members.all(seen_by)}


def at_once(*steps: Callable[[], object]) -> list[type[BaseException] | None]:
    """How steps end that begin together, each in a thread of its own."""
    start = Barrier(len(steps))

    def run(step: Callable[[], object]) -> type[BaseException] | None:
        start.wait()
        try:
            step()
        except AssayError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def test_the_last_owner_can_neither_leave_nor_become_less(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench
) -> None:
    with pytest.raises(Conflict, match="last owner"):
        members.remove(ann, ann.user_id)
    for role in (Role.ADMIN, Role.ANALYST, Role.VIEWER):
        with pytest.raises(Conflict, match="last owner"):
            members.set_role(ann, ann.user_id, role)
    members.set_role(ann, ann.user_id, Role.OWNER)
    members.set_role(ann, bob.user_id, Role.OWNER)
    members.remove(ann, ann.user_id)
    assert roles(members, signed_in(workbench, bob)) == {"bob": "owner"}


def test_an_owner_who_was_deactivated_keeps_no_organisation_and_can_be_removed(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench
) -> None:
    members.set_role(ann, bob.user_id, Role.OWNER)
    workbench.directory.set_active(bob.email, is_active=False)
    with pytest.raises(Conflict, match="last owner"):
        members.remove(ann, ann.user_id)
    members.remove(ann, bob.user_id)
    assert roles(members, ann) == {"ann": "owner"}


@pytest.mark.parametrize("how", ["leave", "demote one another"])
def test_of_two_owners_who_go_at_once_one_stays(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench, service: Service, how: str
) -> None:
    for _ in range(5):
        members.set_role(ann, bob.user_id, Role.OWNER)
        other = signed_in(workbench, workbench.directory.member(bob.email, "Acme"))
        pairs = [(ann, ann), (other, other)] if how == "leave" else [(ann, other), (other, ann)]
        steps = [partial(members.remove, who, whom.user_id) for who, whom in pairs]
        if how != "leave":
            steps = [partial(members.set_role, who, whom.user_id, Role.VIEWER) for who, whom in pairs]
        assert sorted(at_once(*steps), key=str) == [Conflict, None]
        service.execute("UPDATE memberships SET role = 'owner', ended_at = NULL")


def test_who_is_removed_loses_sessions_and_tokens_of_that_organisation_at_once_and_keeps_the_others(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench, member: MakeMember
) -> None:
    at_home = member("bob", org="Home")
    accounts = workbench.accounts
    sessions = {bob.org_name: new_session(workbench, bob), "Home": new_session(workbench, at_home)}
    tokens = {bob.org_name: new_token(workbench, bob), "Home": new_token(workbench, at_home)}
    ticket = accounts.ticket(bob.user_id, bob.org_id, method="password")

    members.remove(ann, bob.user_id)

    assert accounts.principal_of_session(sessions["Acme"]) is None
    with pytest.raises(Unauthenticated):
        accounts.principal_of_token(tokens["Acme"])
    with pytest.raises(Unauthenticated):
        accounts.redeem_ticket(ticket, address="", agent="")
    here = accounts.principal_of_session(sessions["Home"])
    assert here is not None
    assert accounts.principal_of_token(tokens["Home"]).org_name == "Home"
    assert [row.name for row in accounts.organisations(here)] == ["Home"]
    with pytest.raises(NotFound):
        accounts.switch_organisation(here, bob.org_id)
    with pytest.raises(NotFound):
        members.remove(ann, bob.user_id)


def test_who_comes_back_has_the_new_role_and_none_of_the_old_sessions_and_tokens(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench, member: MakeMember
) -> None:
    session, token = new_session(workbench, bob), new_token(workbench, bob)
    members.remove(bob, bob.user_id)
    assert roles(members, ann) == {"ann": "owner"}
    again = member("bob", role=Role.VIEWER, **ACME)
    assert (again.user_id, again.role) == (bob.user_id, Role.VIEWER)
    assert workbench.accounts.principal_of_session(session) is None
    with pytest.raises(Unauthenticated):
        workbench.accounts.principal_of_token(token)
    assert workbench.accounts.principal_of_session(new_session(workbench, again)) is not None


def test_another_role_ends_every_session_and_narrows_tokens(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench, member: MakeMember
) -> None:
    elsewhere = new_session(workbench, member("bob", org="Home"))
    session, token = new_session(workbench, bob), new_token(workbench, bob)
    ticket = workbench.accounts.ticket(bob.user_id, bob.org_id, method="password")
    members.set_role(ann, bob.user_id, Role.ANALYST)  # the same one changes nothing
    assert workbench.accounts.principal_of_session(session) is not None

    members.set_role(ann, bob.user_id, Role.VIEWER)

    assert workbench.accounts.principal_of_session(session) is None
    assert workbench.accounts.principal_of_session(elsewhere) is None
    with pytest.raises(Unauthenticated):
        workbench.accounts.redeem_ticket(ticket, address="", agent="")
    viewer = workbench.accounts.principal_of_token(token)
    assert viewer.role is Role.VIEWER
    with pytest.raises(Forbidden, match="As a viewer you may not ask models"):
        workbench.assistant.ask(viewer, "What is duration?")


def test_an_admin_neither_makes_nor_changes_owners(
    members: Members, ann: Principal, bob: Principal, workbench: Workbench, member: MakeMember
) -> None:
    eve = signed_in(workbench, member("eve", role=Role.ADMIN, **ACME))
    attempts: list[Callable[[], object]] = [
        partial(members.set_role, eve, eve.user_id, Role.OWNER),
        partial(members.set_role, eve, bob.user_id, Role.OWNER),
        partial(members.set_role, eve, ann.user_id, Role.VIEWER),
        partial(members.remove, eve, ann.user_id),
        partial(members.invite, eve, "new@test.example", Role.OWNER),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="As an admin you may not make or change owners"):
            attempt()
    link = members.invite(ann, "partner@test.example", Role.OWNER)
    [invitation] = members.invitations(eve)
    assert link is not None
    attempts = [
        partial(members.invite, eve, "partner@test.example", Role.VIEWER),
        partial(members.invite_again, eve, invitation.id),
        partial(members.take_back, eve, invitation.id),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="As an admin you may not make or change owners"):
            attempt()
    members.set_role(eve, bob.user_id, Role.ADMIN)
    members.remove(eve, bob.user_id)
    members.remove(eve, eve.user_id)
    assert roles(members, ann) == {"ann": "owner"}


def test_the_members_of_another_organisation_are_nobody_here(
    members: Members, ann: Principal, workbench: Workbench, member: MakeMember
) -> None:
    stranger = signed_in(workbench, member("eve", org="Elsewhere", plan="team"))
    members.invite(stranger, "friend@test.example", Role.VIEWER)
    [theirs] = members.invitations(stranger)
    attempts: list[Callable[[], object]] = [
        partial(members.set_role, ann, stranger.user_id, Role.VIEWER),
        partial(members.remove, ann, stranger.user_id),
        partial(members.remove, ann, uuid4()),
        partial(members.invite_again, ann, theirs.id),
        partial(members.take_back, ann, theirs.id),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert members.invitations(ann) == []
    assert roles(members, stranger) == {"eve": "owner"}


def test_invitations_of_somebody_whose_powers_end_are_good_no_more(
    members: Members, ann: Principal, workbench: Workbench, member: MakeMember
) -> None:
    for how in ("removed", "left", "demoted", "deactivated"):
        eve = signed_in(workbench, member(how, role=Role.ADMIN, **ACME))
        link = members.invite(eve, f"{how}.friend@test.example", Role.ADMIN)
        assert link is not None
        token = link.partition("token=")[2]
        assert workbench.joining.look_at(token).role == "admin"
        if how == "demoted":
            members.set_role(ann, eve.user_id, Role.ANALYST)
        elif how == "deactivated":
            workbench.directory.set_active(eve.email, is_active=False)
        else:
            members.remove(ann if how == "removed" else eve, eve.user_id)
        with pytest.raises(NotFound):
            workbench.joining.look_at(token)
    members.invite(ann, "kept@test.example", Role.VIEWER)
    assert [row.email for row in members.invitations(ann)] == ["kept@test.example"]


def test_who_is_a_member_is_not_invited_in_whatever_form_the_address_is_written(
    members: Members, ann: Principal, bob: Principal
) -> None:
    for email in (bob.email, "BOB@Test.Example", "  bob@test.example\n", "Ann@TEST.EXAMPLE"):
        with pytest.raises(Conflict, match="member already"):
            members.invite(ann, email, Role.VIEWER)
    for no_address in ("", "bob", "bob@", "@test.example", "böb@test.example", "a@b@c.example", "x" * 10_000):
        with pytest.raises(InvalidRequest):
            members.invite(ann, no_address, Role.VIEWER)
    assert members.invitations(ann) == []


def test_seats_hold_when_several_are_invited_at_once(
    members: Members, workbench: Workbench, member: MakeMember
) -> None:
    seats = workbench.plans.get("free").limits.seats
    ann = signed_in(workbench, member("ann", plan="free"))
    assert members.seats(ann) == seats == 1
    with pytest.raises(PlanRequired, match="one seat of the plan free is taken"):
        members.invite(ann, "new@test.example", Role.VIEWER)
    workbench.directory.set_plan(ann.org_name, "team")
    team_seats = workbench.plans.get("team").limits.seats
    assert team_seats is not None
    emails = [f"new{number}@test.example" for number in range(team_seats + 2)]
    ends = at_once(*[partial(members.invite, ann, email, Role.VIEWER) for email in emails])
    assert (ends.count(None), ends.count(PlanRequired)) == (team_seats - 1, 3)
