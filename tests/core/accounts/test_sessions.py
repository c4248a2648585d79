"""Sessions on a real database: opened anew, sliding, listed, ended, moved, and gone with what they rest on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from core.accounts import accounts as accounts_module
from core.accounts.accounts import LONGEST_SESSION, TICKET_LIFE, Accounts
from core.accounts.passwords import check_password
from core.errors import InvalidRequest, MeteringDenied, NotFound, Unauthenticated
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.accounts.sign_ins import AGENT, HERE, PASSWORD, new_session, new_token, signed_in, stop_time

Service = psycopg.Connection[tuple[object, ...]]
NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
LIFE = timedelta(days=14)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """A member, not signed in."""
    return member("ann", org="Acme", plan="team")


@pytest.fixture
def accounts(workbench: Workbench) -> Accounts:
    """The service."""
    return workbench.accounts


def test_a_session_that_is_used_lives_on_and_one_that_is_not_ends(
    workbench: Workbench, accounts: Accounts, ann: Principal, move_time: MoveTime
) -> None:
    move_time(NOW)
    used, unused = new_session(workbench, ann), new_session(workbench, ann)
    for days in (10, 20, 30):
        move_time(NOW + timedelta(days=days))
        assert accounts.principal_of_session(used) is not None
    assert accounts.principal_of_session(unused) is None
    move_time(NOW + timedelta(days=30) + LIFE + timedelta(minutes=1))
    assert accounts.principal_of_session(used) is None


def test_no_session_lives_longer_than_its_longest_life_however_much_it_is_used(
    workbench: Workbench, accounts: Accounts, ann: Principal, move_time: MoveTime
) -> None:
    move_time(NOW)
    session = new_session(workbench, ann)
    for days in range(7, LONGEST_SESSION.days, 7):
        move_time(NOW + timedelta(days=days))
        assert accounts.principal_of_session(session) is not None
    move_time(NOW + LONGEST_SESSION - timedelta(minutes=5))
    assert accounts.principal_of_session(session) is not None
    move_time(NOW + LONGEST_SESSION + timedelta(seconds=1))
    assert accounts.principal_of_session(session) is None


def test_signing_in_again_ends_the_session_that_the_browser_had_and_no_other(
    workbench: Workbench, accounts: Accounts, ann: Principal
) -> None:
    elsewhere, before = new_session(workbench, ann), new_session(workbench, ann)
    after = new_session(workbench, ann, replaced=before)
    assert after not in (before, elsewhere)
    assert accounts.principal_of_session(before) is None
    assert accounts.principal_of_session(elsewhere) is not None
    # What never was a session is not made one by being brought along.
    given = "a value that an attacker chose"
    assert new_session(workbench, ann, replaced=given) != given
    assert accounts.principal_of_session(given) is None


def test_a_ticket_that_failed_ends_nothing(
    workbench: Workbench, accounts: Accounts, ann: Principal, move_time: MoveTime
) -> None:
    session, late = new_session(workbench, ann), accounts.ticket(ann.user_id, ann.org_id, method="password")
    move_time(TICKET_LIFE + timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        accounts.redeem_ticket(late, address=HERE, agent=AGENT, replaced=session)
    assert accounts.principal_of_session(session) is not None


def test_one_ticket_opens_one_session_however_many_redeem_it_at_once(accounts: Accounts, ann: Principal) -> None:
    ticket = accounts.ticket(ann.user_id, ann.org_id, method="password")

    def redeem(_number: int) -> bool:
        try:
            accounts.redeem_ticket(ticket, address=HERE, agent=AGENT)
        except Unauthenticated:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(redeem, range(24))).count(True) == 1


def test_their_owner_sees_sessions_with_place_and_device_and_ends_them(
    workbench: Workbench, accounts: Accounts, ann: Principal, member: MakeMember
) -> None:
    here = signed_in(workbench, ann)
    stolen = new_session(workbench, ann, address="203.0.113.9")
    at_home = new_session(workbench, member("ann", org="Home"))
    listed = accounts.sessions(here)
    assert {row.address for row in listed} == {HERE, "203.0.113.9"}
    assert {row.agent for row in listed} == {AGENT}
    assert {row.org_id for row in listed} > {ann.org_id}
    # A stolen cookie is as good as its owner's until it is ended, and it is to be seen.
    assert accounts.principal_of_session(stolen) is not None
    accounts.end_session(here, next(row.id for row in listed if row.address == "203.0.113.9"))
    assert accounts.principal_of_session(stolen) is None
    assert accounts.principal_of_session(at_home) is not None
    assert accounts.end_other_sessions(here) == 1
    assert accounts.principal_of_session(at_home) is None
    assert [row.id for row in accounts.sessions(here)] == [here.credential_id]


def test_nobody_sees_or_ends_the_sessions_of_another(
    workbench: Workbench, accounts: Accounts, ann: Principal, member: MakeMember
) -> None:
    session = new_session(workbench, ann)
    [row] = accounts.sessions(ann)
    eve = signed_in(workbench, member("eve", org="Acme", plan="team"))
    assert row.id not in {each.id for each in accounts.sessions(eve)}
    for unknown in (row.id, uuid4()):
        with pytest.raises(NotFound):
            accounts.end_session(eve, unknown)
    accounts.end_other_sessions(eve)
    assert accounts.principal_of_session(session) is not None


def test_a_session_moves_only_into_organisations_that_its_user_belongs_to(
    workbench: Workbench, accounts: Accounts, ann: Principal, member: MakeMember, service: Service
) -> None:
    home, foreign = member("ann", org="Home", role=Role.VIEWER), member("eve", org="Elsewhere")
    session = new_session(workbench, ann)
    here = accounts.principal_of_session(session)
    assert here is not None
    for org_id in (foreign.org_id, uuid4()):
        with pytest.raises(NotFound, match="do not belong"):
            accounts.switch_organisation(here, org_id)
    accounts.switch_organisation(here, home.org_id)
    moved = accounts.principal_of_session(session)
    assert moved is not None
    assert (moved.org_name, moved.role, moved.credential_id) == ("Home", Role.VIEWER, here.credential_id)
    # Only the session at hand moves: a command has none, and one that has ended stays where it was.
    with pytest.raises(NotFound):
        accounts.switch_organisation(ann, home.org_id)
    accounts.sign_out(session)
    with pytest.raises(NotFound):
        accounts.switch_organisation(moved, ann.org_id)
    assert service.execute("SELECT DISTINCT org_id FROM sessions").fetchall() == [(home.org_id,)]


def test_the_next_sign_in_begins_where_the_last_session_was(
    workbench: Workbench, accounts: Accounts, member: MakeMember
) -> None:
    member("ann", org="First", password=PASSWORD)
    second = member("ann", org="Second")

    def sign_in() -> Principal:
        ticket = accounts.sign_in("ann@test.example", PASSWORD, address=HERE)
        principal = accounts.principal_of_session(accounts.redeem_ticket(ticket, address=HERE, agent=AGENT))
        assert principal is not None
        return principal

    first = sign_in()
    assert first.org_name == "First"
    accounts.switch_organisation(first, second.org_id)
    assert sign_in().org_name == "Second"
    partner = member("bob", org="Second")
    workbench.members.remove(partner, second.user_id)
    assert sign_in().org_name == "First"


def test_a_deactivated_user_is_out_until_taken_back_and_then_has_tokens_but_no_session(
    workbench: Workbench, accounts: Accounts, ann: Principal
) -> None:
    session, token = new_session(workbench, ann), new_token(workbench, ann)
    ticket = accounts.ticket(ann.user_id, ann.org_id, method="password")
    workbench.directory.set_active("  ANN@test.example", is_active=False)
    assert accounts.principal_of_session(session) is None
    with pytest.raises(Unauthenticated):
        accounts.principal_of_token(token)
    with pytest.raises(Unauthenticated):
        accounts.redeem_ticket(ticket, address=HERE, agent=AGENT)
    with pytest.raises(Unauthenticated):
        new_session(workbench, ann)
    workbench.directory.set_active(ann.email, is_active=True)
    assert accounts.principal_of_session(session) is None
    assert accounts.principal_of_token(token).email == ann.email
    assert accounts.principal_of_session(new_session(workbench, ann)) is not None


def test_a_changed_password_ends_every_session_and_ticket_and_gives_one_new_ticket(
    workbench: Workbench, accounts: Accounts, member: MakeMember
) -> None:
    ann = member("ann", password=PASSWORD)
    here, elsewhere = signed_in(workbench, ann), new_session(workbench, ann)
    stolen = accounts.sign_in(ann.email, PASSWORD, address=HERE)
    for current, new, refused in (
        ("not the password", "another long one", Unauthenticated),
        (PASSWORD, PASSWORD, InvalidRequest),
        (PASSWORD, "short", InvalidRequest),
    ):
        with pytest.raises(refused):
            accounts.change_password(here, current, new, address=HERE)
    assert accounts.principal_of_session(elsewhere) is not None
    ticket = accounts.change_password(here, PASSWORD, "another long one", address=HERE)
    assert accounts.sessions(here) == []
    with pytest.raises(Unauthenticated):
        accounts.redeem_ticket(stolen, address=HERE, agent=AGENT)
    assert accounts.principal_of_session(accounts.redeem_ticket(ticket, address=HERE, agent=AGENT)) is not None
    with pytest.raises(Unauthenticated):
        accounts.sign_in(ann.email, PASSWORD, address=HERE)


def test_a_password_that_is_changed_while_it_is_checked_opens_and_changes_nothing(
    workbench: Workbench, accounts: Accounts, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = signed_in(workbench, member("ann", password=PASSWORD))

    def check_slowly(given: str, kept: str | None) -> bool:
        is_right = check_password(given, kept)
        member("ann", password="changed meanwhile")
        return is_right

    attempts: list[Callable[[], object]] = [
        lambda: accounts.sign_in(here.email, PASSWORD, address=HERE),
        lambda: accounts.change_password(here, PASSWORD, "what a thief chose", address=HERE),
    ]
    for attempt in attempts:
        member("ann", password=PASSWORD)
        with monkeypatch.context() as patched:
            patched.setattr(accounts_module, "check_password", check_slowly)
            with pytest.raises(Unauthenticated, match="password is wrong"):
                attempt()
        assert accounts.sign_in(here.email, "changed meanwhile", address=HERE)


def test_wrong_passwords_at_the_page_are_counted_as_those_of_the_form_are(
    workbench: Workbench, accounts: Accounts, member: MakeMember, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    stop_time(owner)
    ann = member("ann", password=PASSWORD)
    here = signed_in(workbench, ann)
    attempts: list[Callable[[], object]] = [
        lambda: accounts.change_password(here, "a guess", "another long one", address=HERE),
        lambda: accounts.sign_in(ann.email, "a guess", address="198.51.100.7"),
    ]
    for number in range(accounts_module.FREE_FAILURES):
        with pytest.raises(Unauthenticated):
            attempts[number % 2]()
    for attempt in attempts:
        with pytest.raises(MeteringDenied):
            attempt()


def test_many_sign_ins_of_one_account_from_one_address_wait_for_one_another_and_none_fails(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    member("ann", password=PASSWORD)
    busy = Accounts(workbench.database, attempts_per_address=100_000)
    # Without the time of bcrypt they meet far more often.
    monkeypatch.setattr(accounts_module, "check_password", lambda given, _kept: given == PASSWORD)

    def sign_in(_number: int) -> str:
        try:
            busy.sign_in("ann@test.example", PASSWORD, address=HERE)
        except MeteringDenied:
            return "waits"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        assert "in" in set(pool.map(sign_in, range(200)))
