"""Sign-in, sessions, tokens and memberships on a real database."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.accounts.accounts import FREE_FAILURES, Accounts
from core.errors import Conflict, InvalidRequest, MeteringDenied, NotFound, Unauthenticated
from core.principal import Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime, StopTime

Service = psycopg.Connection[tuple[object, ...]]
PASSWORD = "a long password"
HERE = "192.0.2.1"


@pytest.fixture
def accounts(workbench: Workbench, member: MakeMember) -> Accounts:
    """Accounts with one user, Ann, who has a password."""
    member("ann", password=PASSWORD)
    return workbench.accounts


def open_session(accounts: Accounts, password: str = PASSWORD) -> str:
    """Signs Ann in."""
    ticket = accounts.sign_in("ann@test.example", password, address=HERE)
    return accounts.redeem_ticket(ticket, address=HERE, agent="test")


def test_a_password_opens_a_session_that_says_who_is_asking(accounts: Accounts) -> None:
    principal = accounts.principal_of_session(open_session(accounts))
    assert principal is not None
    assert (principal.email, principal.role, principal.plan, principal.via) == (
        "ann@test.example",
        Role.OWNER,
        "free",
        "session",
    )


def test_the_address_is_taken_in_any_case_and_spacing(accounts: Accounts) -> None:
    assert accounts.sign_in("  Ann@TEST.example ", PASSWORD, address=HERE)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ann@test.example", "another password"),
        ("ann@test.example", ""),
        ("ann@test.example", PASSWORD + "x" * 80),
        ("nobody@test.example", PASSWORD),
        ("", ""),
        ("\ud800@x", "\ud800" * 10),
        ("a" * 10_000, "b" * 10_000),
    ],
)
def test_whatever_is_wrong_is_told_in_the_same_words(accounts: Accounts, email: str, password: str) -> None:
    with pytest.raises(Unauthenticated, match="The e-mail address or the password is wrong"):
        accounts.sign_in(email, password, address=HERE)


def test_an_unknown_address_takes_as_long_as_a_known_one(accounts: Accounts) -> None:
    def seconds(email: str) -> float:
        started = time.thread_time()  # hashing is nearly all of it, and other work is none of it
        with pytest.raises(Unauthenticated):
            accounts.sign_in(email, "another password", address=HERE)
        return time.thread_time() - started

    seconds("warm@up.example")
    known = statistics.median(seconds("ann@test.example") for _ in range(5))
    unknown = statistics.median(seconds("nobody@test.example") for _ in range(5))
    assert 0.8 < known / unknown < 1.25


def test_a_user_without_a_password_cannot_sign_in_by_one(accounts: Accounts, member: MakeMember) -> None:
    member("bob")
    with pytest.raises(Unauthenticated):
        accounts.sign_in("bob@test.example", "", address=HERE)


def test_an_account_waits_twice_as_long_after_each_wrong_password(accounts: Accounts, stop_time: StopTime) -> None:
    now = datetime(2026, 5, 5, 12, tzinfo=UTC)
    stop_time(now)
    for _ in range(FREE_FAILURES):
        with pytest.raises(Unauthenticated):
            accounts.sign_in("ann@test.example", "another password", address=HERE)
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        with pytest.raises(MeteringDenied) as denial:
            accounts.sign_in("ann@test.example", PASSWORD, address="192.0.2.99")
        assert denial.value.problem_code == "rate_limited"
        assert denial.value.denial.retry_after_s == seconds
        now += timedelta(seconds=seconds + 60)
        stop_time(now)
        with pytest.raises(Unauthenticated):
            accounts.sign_in("ann@test.example", "another password", address="192.0.2.98")
    stop_time(now + timedelta(minutes=16))
    assert accounts.sign_in("ann@test.example", PASSWORD, address=HERE)
    with pytest.raises(Unauthenticated):  # the right one has made good for all
        accounts.sign_in("ann@test.example", "another password", address=HERE)


def test_attempts_are_counted_across_the_turn_of_a_minute(
    workbench: Workbench, accounts: Accounts, move_time: MoveTime
) -> None:
    strict = Accounts(workbench.database, attempts_per_address=2)
    turn = datetime(2026, 5, 5, 12, 1, tzinfo=UTC)
    for seconds in (-2, 2):
        move_time(turn + timedelta(seconds=seconds))
        with pytest.raises(Unauthenticated):
            strict.sign_in("nobody@test.example", "another password", address=HERE)
    with pytest.raises(MeteringDenied):
        strict.sign_in("ann@test.example", PASSWORD, address=HERE)
    move_time(turn + timedelta(seconds=70))
    assert strict.sign_in("ann@test.example", PASSWORD, address=HERE)


def test_an_address_has_to_wait_after_its_attempts(workbench: Workbench, accounts: Accounts) -> None:
    strict = Accounts(workbench.database, attempts_per_address=3)
    for number in range(3):
        with pytest.raises(Unauthenticated):
            strict.sign_in(f"user{number}@test.example", "another password", address=HERE)
    with pytest.raises(MeteringDenied):
        strict.sign_in("ann@test.example", PASSWORD, address=HERE)
    assert strict.sign_in("ann@test.example", PASSWORD, address="192.0.2.2")


def test_a_ticket_is_good_once_and_for_thirty_seconds(accounts: Accounts, move_time: MoveTime) -> None:
    ticket = accounts.sign_in("ann@test.example", PASSWORD, address=HERE)
    accounts.redeem_ticket(ticket, address=HERE, agent="test")
    late = accounts.sign_in("ann@test.example", PASSWORD, address=HERE)
    move_time(timedelta(seconds=31))
    for used in (ticket, late, "never given", "x" * 100_000):
        with pytest.raises(Unauthenticated):
            accounts.redeem_ticket(used, address=HERE, agent="test")


def test_a_session_ends_by_sign_out_and_by_time(accounts: Accounts, move_time: MoveTime) -> None:
    ended, other = open_session(accounts), open_session(accounts)
    accounts.sign_out(ended)
    assert accounts.principal_of_session(ended) is None
    assert accounts.principal_of_session(other) is not None
    move_time(timedelta(days=15))
    assert accounts.principal_of_session(other) is None


def test_a_changed_password_or_role_ends_sessions(accounts: Accounts, member: MakeMember) -> None:
    session = open_session(accounts)
    member("ann", password="another long one")
    assert accounts.principal_of_session(session) is None
    session = open_session(accounts, "another long one")
    member("ann", role=Role.ANALYST)
    assert accounts.principal_of_session(session) is None


def test_a_deactivated_users_session_and_token_stop_at_once(
    workbench: Workbench, accounts: Accounts, service: Service
) -> None:
    session, token = open_session(accounts), workbench.directory.create_token("ann@test.example")
    service.execute("UPDATE users SET deactivated_at = now()")
    assert accounts.principal_of_session(session) is None
    for attempt in (
        lambda: accounts.principal_of_token(token),
        lambda: accounts.sign_in("ann@test.example", PASSWORD, address=HERE),
    ):
        with pytest.raises(Unauthenticated):
            attempt()


def test_a_token_is_bound_to_one_organisation(workbench: Workbench, accounts: Accounts, member: MakeMember) -> None:
    member("ann", org="Second")
    assert (
        accounts.principal_of_token(workbench.directory.create_token("ann@test.example")).org_name
        == "ann's organisation"
    )
    second = workbench.directory.create_token("ann@test.example", org_name="Second")
    assert accounts.principal_of_token(second).org_name == "Second"
    for unknown in ("Third", "ann's organisation "):
        with pytest.raises(NotFound):
            workbench.directory.create_token("ann@test.example", org_name=unknown)


@pytest.mark.parametrize(
    "token", ["", "assay_", "assay_" + "x" * 43, "Bearer", "assay_\ud800", "x" * 100_000, "assay_'; --"]
)
def test_a_malformed_token_is_nobodys(accounts: Accounts, token: str) -> None:
    with pytest.raises(Unauthenticated):
        accounts.principal_of_token(token)
    assert accounts.principal_of_session(token) is None


def test_a_revoked_or_expired_token_is_nobodys(workbench: Workbench, accounts: Accounts, service: Service) -> None:
    for change in ("revoked_at = now()", "expires_at = now()"):
        token = workbench.directory.create_token("ann@test.example")
        service.execute(f"UPDATE access_tokens SET {change} WHERE revoked_at IS NULL")
        with pytest.raises(Unauthenticated):
            accounts.principal_of_token(token)


def test_no_secret_is_stored(workbench: Workbench, accounts: Accounts, service: Service) -> None:
    token, session = workbench.directory.create_token("ann@test.example"), open_session(accounts)
    ticket = accounts.sign_in("ann@test.example", PASSWORD, address=HERE)
    for table in ("users", "sessions", "access_tokens", "sign_in_tickets", "attempt_buckets"):
        kept = str(service.execute(f"SELECT * FROM {table}").fetchall())
        for secret in (token, session, ticket, PASSWORD):
            assert secret not in kept


@pytest.mark.parametrize(
    ("email", "org", "password"),
    [
        ("not an address", "Acme", None),
        ("a@b", "", None),
        ("a@b", "x" * 201, None),
        ("a@b", "Acme", "short"),
        ("a@b", "Acme", "ü" * 37),
    ],
)
def test_bad_users_are_refused_and_nothing_is_kept(
    workbench: Workbench, accounts: Accounts, service: Service, email: str, org: str, password: str | None
) -> None:
    with pytest.raises(InvalidRequest):
        workbench.directory.add_user(email, org_name=org, plan="free", role=Role.OWNER, password=password)
    assert service.execute("SELECT count(*) FROM users").fetchone() == (1,)


def test_an_organisation_keeps_its_plan_until_it_is_changed_on_purpose(
    workbench: Workbench, accounts: Accounts
) -> None:
    with pytest.raises(Conflict, match="plan set"):
        workbench.directory.add_user("bob@test.example", org_name="ann's organisation", plan="team", role=Role.ANALYST)


def test_a_user_who_is_there_becomes_an_operator_and_signs_in_anew(workbench: Workbench, member: MakeMember) -> None:
    ann = member("ann", org="Acme", plan="team")
    session = workbench.accounts.redeem_ticket(
        workbench.accounts.ticket(ann.user_id, ann.org_id, method="link"), address="192.0.2.1", agent="test"
    )
    workbench.directory.add_user(ann.email, org_name="Acme", plan="team", role=ann.role, is_operator=True)
    assert workbench.accounts.principal_of_session(session) is None
    assert workbench.directory.member(ann.email, "Acme").is_operator
    workbench.directory.add_user(ann.email, org_name="Acme", plan="team", role=ann.role)
    assert workbench.directory.member(ann.email, "Acme").is_operator, "it is not taken away by leaving it out"
