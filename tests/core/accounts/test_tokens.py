"""Access tokens on a real database: what they are good for, how long, for whom, and how many there may be."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from uuid import uuid4

import psycopg
import pytest

from core.accounts.tokens import MAX_DAYS, MAX_TOKENS
from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound, Unauthenticated
from core.principal import Principal, Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.accounts.sign_ins import new_token, signed_in, with_token

Service = psycopg.Connection[tuple[object, ...]]
QUESTION = "What is duration?"


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember) -> Principal:
    """An owner at the page."""
    return signed_in(workbench, member("ann", org="Acme", plan="team"))


def test_a_token_does_what_its_scope_says_and_no_more(workbench: Workbench, ann: Principal) -> None:
    bench = workbench

    def settings(principal: Principal) -> object:
        return bench.profiles.keep_organisation(principal, bench.profiles.organisation(ann))

    def profile(principal: Principal) -> object:
        return bench.profiles.keep(principal, bench.profiles.profile(ann))

    uses: dict[Scope, list[Callable[[Principal], object]]] = {
        Scope.READ: [bench.profiles.profile, bench.tokens.all, bench.members.all],
        Scope.ASK: [lambda who: bench.assistant.ask(who, QUESTION).session.result()],
        Scope.ADMIN: [settings, profile, lambda who: bench.members.invite(who, "new@test.example", Role.VIEWER)],
    }
    for held in Scope:
        program = with_token(bench, ann, held)
        assert program.scopes == {held}
        for scope, attempts in uses.items():
            for attempt in attempts:
                if scope is held:
                    attempt(program)
                else:
                    with pytest.raises(Forbidden, match=f"lacks the scope {scope}"):
                        attempt(program)


def test_no_token_makes_tokens_or_changes_how_its_owner_signs_in(workbench: Workbench, ann: Principal) -> None:
    program = with_token(workbench, ann)
    [row] = workbench.tokens.all(ann)
    attempts: list[Callable[[], object]] = [
        partial(workbench.tokens.create, program, "another", scopes=[Scope.READ], days=1),
        partial(workbench.tokens.revoke, program, row.id),
        partial(workbench.accounts.end_other_sessions, program),
        partial(workbench.accounts.end_session, program, ann.credential_id or uuid4()),
        partial(workbench.accounts.switch_organisation, program, ann.org_id),
        partial(workbench.accounts.change_password, program, "a guess", "another long one", address=""),
        partial(workbench.members.remove, program, program.user_id),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="A token may not change how this user signs in"):
            attempt()
    assert [each.id for each in workbench.tokens.all(ann)] == [row.id]


def test_a_role_cannot_make_a_token_for_what_it_may_not_do(workbench: Workbench, member: MakeMember) -> None:
    viewer = signed_in(workbench, member("vic", org="Acme", plan="team", role=Role.VIEWER))
    with pytest.raises(InvalidRequest, match="As viewer you cannot use the scope ask"):
        workbench.tokens.create(viewer, "asks", scopes=[Scope.READ, Scope.ASK], days=1)
    assert workbench.tokens.all(viewer) == []
    assert workbench.tokens.create(viewer, "reads", scopes=[Scope.READ], days=1)


def test_a_token_is_good_until_its_last_day_and_then_no_more(
    workbench: Workbench, ann: Principal, move_time: MoveTime
) -> None:
    token = new_token(workbench, ann, days=2)
    move_time(timedelta(days=2) - timedelta(minutes=1))
    assert workbench.accounts.principal_of_token(token).email == ann.email
    move_time(timedelta(days=2, seconds=1))
    with pytest.raises(Unauthenticated):
        workbench.accounts.principal_of_token(token)
    assert workbench.tokens.all(ann) == []


def test_a_token_acts_in_the_organisation_it_was_made_in_wherever_its_owner_is(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    home = member("ann", org="Home")
    token = new_token(workbench, ann)
    workbench.accounts.switch_organisation(ann, home.org_id)
    assert workbench.accounts.principal_of_token(token).org_id == ann.org_id
    assert workbench.tokens.all(signed_in(workbench, home)) == []
    [row] = workbench.tokens.all(ann)
    with pytest.raises(NotFound):
        workbench.tokens.revoke(signed_in(workbench, home), row.id)


def test_a_token_is_revoked_at_once_and_by_its_owner_alone(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    token = new_token(workbench, ann)
    [row] = workbench.tokens.all(ann)
    admin = signed_in(workbench, member("bob", org="Acme", plan="team", role=Role.ADMIN))
    assert workbench.tokens.all(admin) == []
    for who, number in ((admin, row.id), (ann, uuid4())):
        with pytest.raises(NotFound):
            workbench.tokens.revoke(who, number)
    assert workbench.accounts.principal_of_token(token).email == ann.email
    workbench.tokens.revoke(ann, row.id)
    with pytest.raises(Unauthenticated):
        workbench.accounts.principal_of_token(token)
    with pytest.raises(NotFound):
        workbench.tokens.revoke(ann, row.id)


def test_a_member_has_at_most_fifty_tokens_also_when_many_are_made_at_once(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    def make(number: int) -> type[AssayError] | None:
        try:
            workbench.tokens.create(ann, f"token {number}", scopes=[Scope.READ], days=1)
        except AssayError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(make, range(MAX_TOKENS + 10)))
    assert (ends.count(None), ends.count(Conflict)) == (50, 10)
    # Those that have ended do not count.
    workbench.tokens.revoke(ann, workbench.tokens.all(ann)[0].id)
    service.execute("UPDATE access_tokens SET expires_at = assay_now() WHERE name = 'token 3'")
    assert make(100) is None


def test_whoever_has_just_left_makes_no_token_that_would_work_when_they_come_back(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    bob = signed_in(workbench, member("bob", org="Acme", plan="team", role=Role.ANALYST))
    workbench.members.remove(ann, bob.user_id)
    with pytest.raises(Forbidden, match="do not belong"):
        workbench.tokens.create(bob, "late", scopes=[Scope.READ], days=1)


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", [Scope.READ], 1),
        (" \t\n", [Scope.READ], 1),
        ("x" * 10_000, [Scope.READ], 1),
        ("a\x00b", [Scope.READ], 1),
        ("\u202egnp.exe", [Scope.READ], 1),
        ("\ud800", [Scope.READ], 1),
        ("a name", [], 1),
        ("a name", ["everything"], 1),
        ("a name", [Scope.READ], 0),
        ("a name", [Scope.READ], -1),
        ("a name", [Scope.READ], MAX_DAYS + 1),
        ("a name", [Scope.READ], 10**12),
    ],
)
def test_what_no_token_can_have_is_refused(
    workbench: Workbench, ann: Principal, name: str, scopes: list[Scope], days: int
) -> None:
    with pytest.raises(InvalidRequest):
        workbench.tokens.create(ann, name, scopes=scopes, days=days)
    assert workbench.tokens.all(ann) == []


def test_a_tokens_name_is_kept_as_it_is_and_its_use_is_noted(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    token = workbench.tokens.create(ann, "  <b>my</b>\n notebook ", scopes=[Scope.READ, Scope.READ], days=1)
    [row] = workbench.tokens.all(ann)
    assert (row.name, row.scopes, row.last_used_at) == ("<b>my</b> notebook", ["read"], None)
    workbench.accounts.principal_of_token(token)
    assert workbench.tokens.all(ann)[0].last_used_at is not None
    assert token not in str(service.execute("SELECT * FROM access_tokens").fetchall())
