"""What a provider says opens a session for the right person, once and soon, on a real database."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core.accounts.openid import Claims, OpenId
from core.clock import SystemClock
from core.errors import AssayError, Forbidden, Unauthenticated
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings

ISSUER = "https://id.example.com"
Service = psycopg.Connection[tuple[object, ...]]
Told = dict[str, object]


def this_second() -> datetime:
    """Now, as a claim tells it."""
    return datetime.now(UTC).replace(microsecond=0)


def told(**changes: object) -> Told:
    """What Streamlit knows of somebody who came back from the provider."""
    now = int(this_second().timestamp())
    honest = {
        "is_logged_in": True,
        "provider": "acme",
        "iss": ISSUER,
        "sub": "subject-1",
        "aud": "client",
        "iat": now,
        "exp": now + 3600,
        "nonce": "nonce-1",
        "email": "new@test.example",
        "email_verified": True,
        "name": "Nia New",
    }
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


@pytest.fixture
def openid(workbench: Workbench) -> OpenId:
    """Sign-in of a workbench where strangers may sign up."""
    return workbench.openid


def principal_of(bench: Workbench, claims: Claims) -> Principal:
    """Whose session the claims open."""
    session = bench.accounts.redeem_ticket(bench.openid.sign_in(claims), address="192.0.2.1", agent="test")
    principal = bench.accounts.principal_of_session(session)
    assert principal is not None
    return principal


def test_somebody_new_gets_an_account_and_an_organisation_of_their_own(workbench: Workbench) -> None:
    principal = principal_of(workbench, workbench.openid.claims_of(told(email=" New@TEST.example")))
    assert (principal.email, principal.name) == ("new@test.example", "Nia New")
    assert (principal.role, principal.plan) == (Role.OWNER, "free")
    again = principal_of(workbench, workbench.openid.claims_of(told(nonce="nonce-2")))
    assert (again.user_id, again.org_id) == (principal.user_id, principal.org_id)


def test_a_verified_address_is_linked_to_the_user_who_has_it(workbench: Workbench, member: MakeMember) -> None:
    ann = member("ann", plan="basic")
    linked = principal_of(workbench, workbench.openid.claims_of(told(email="ann@test.example", name="Somebody")))
    assert (linked.user_id, linked.org_id, linked.name) == (ann.user_id, ann.org_id, ann.name)


def test_the_subject_says_who_it_is_whatever_happens_to_the_address(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    openid = workbench.openid
    principal_of(workbench, openid.claims_of(told(email=ann.email)))
    changed = openid.claims_of(told(email=bob.email, nonce="nonce-2"))
    assert principal_of(workbench, changed).user_id == ann.user_id
    unverified = openid.claims_of(told(email=None, email_verified=False, nonce="nonce-3"))
    assert principal_of(workbench, unverified).user_id == ann.user_id
    other_issuer = openid.claims_of(told(email=bob.email, iss="https://other.example.com"))
    assert principal_of(workbench, other_issuer).user_id == bob.user_id


def test_an_answer_opens_one_session_once(openid: OpenId) -> None:
    claims = openid.claims_of(told())
    openid.sign_in(claims)
    with pytest.raises(Unauthenticated, match="used before"):
        openid.sign_in(claims)
    openid.sign_in(openid.claims_of(told(nonce=None, jti="token-1")))
    with pytest.raises(Unauthenticated, match="used before"):
        openid.sign_in(openid.claims_of(told(nonce=None, jti="token-1", name="Another")))


def test_a_refused_answer_is_not_used_up(workbench: Workbench, service: Service) -> None:
    claims = replace(workbench.openid.claims_of(told()), is_email_verified=False)
    with pytest.raises(Forbidden):
        workbench.openid.sign_in(claims)
    assert service.execute("SELECT count(*) FROM openid_answers").fetchone() == (0,)
    assert service.execute("SELECT count(*) FROM openid_identities").fetchone() == (0,)


def test_of_eight_at_once_an_answer_opens_one(openid: OpenId, service: Service) -> None:
    claims, opened, refused = openid.claims_of(told()), list[str](), list[AssayError]()
    start = threading.Barrier(8)

    def sign_in() -> None:
        start.wait(10)
        try:
            opened.append(openid.sign_in(claims))
        except AssayError as error:
            refused.append(error)

    threads = [threading.Thread(target=sign_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(opened), len(refused)) == (1, 7)
    assert service.execute("SELECT count(*) FROM users WHERE email = 'new@test.example'").fetchone() == (1,)


def test_two_first_answers_about_one_person_make_one_account(openid: OpenId, service: Service) -> None:
    answers = [openid.claims_of(told(sub=f"subject-{number}", nonce=f"nonce-{number}")) for number in range(6)]
    failures = list[Exception]()

    def sign_in(claims: Claims) -> None:
        try:
            openid.sign_in(claims)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=sign_in, args=(claims,)) for claims in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert service.execute("SELECT count(*) FROM users WHERE email = 'new@test.example'").fetchone() == (1,)
    assert service.execute("SELECT count(*), count(DISTINCT user_id) FROM openid_identities").fetchone() == (6, 1)


@pytest.mark.parametrize("email_verified", [False, "false", "True", 1, None, "yes"])
def test_an_address_that_the_provider_does_not_vouch_for_is_nobodys(
    openid: OpenId, member: MakeMember, email_verified: object
) -> None:
    ann = member("ann")
    claims = openid.claims_of(told(email=ann.email, email_verified=email_verified))
    with pytest.raises(Forbidden, match=r"does not vouch for ann@test\.example"):
        openid.sign_in(claims)


@pytest.mark.parametrize("email", [None, "", "no address", "a@b@c", "x" * 300 + "@test.example", 7, ["a@test.example"]])
def test_without_an_address_that_an_account_can_have_nobody_is_made(openid: OpenId, email: object) -> None:
    with pytest.raises(Forbidden, match="no e-mail address"):
        openid.sign_in(openid.claims_of(told(email=email)))


def test_the_address_of_a_trusted_issuer_is_believed_and_of_another_not(database_url: str, tmp_path: Path) -> None:
    settings = make_settings(database_url, tmp_path, OPENID_TRUSTED_ISSUERS=f"{ISSUER}/tenant/v2.0")
    with closing(open_workbench(settings)) as bench:
        openid = bench.openid
        assert openid.claims_of(told(iss=f"{ISSUER}/tenant/v2.0", email_verified=None)).is_email_verified
        for issuer in (f"{ISSUER}/tenant/v2.0/", f"{ISSUER}/other/v2.0", ISSUER):
            assert not openid.claims_of(told(iss=issuer, email_verified=None)).is_email_verified


def test_where_sign_up_is_closed_a_stranger_is_told_so_and_a_user_comes_in(database_url: str, tmp_path: Path) -> None:
    with closing(open_workbench(make_settings(database_url, tmp_path, ALLOW_SIGN_UP="0"))) as bench:
        with pytest.raises(Forbidden, match=r"no account for new@test\.example here"):
            bench.openid.sign_in(bench.openid.claims_of(told()))
        bench.directory.add_user("new@test.example", org_name="Acme", plan="free", role=Role.ANALYST)
        assert principal_of(bench, bench.openid.claims_of(told())).org_name == "Acme"


def test_who_was_deactivated_or_has_left_gets_no_session(
    workbench: Workbench, member: MakeMember, service: Service
) -> None:
    ann, openid = member("ann"), workbench.openid
    openid.sign_in(openid.claims_of(told(email=ann.email)))
    service.execute("UPDATE memberships SET ended_at = now() WHERE user_id = %s", [ann.user_id])
    with pytest.raises(Forbidden, match="do not belong to any organisation"):
        openid.sign_in(openid.claims_of(told(nonce="nonce-2")))
    service.execute("UPDATE users SET deactivated_at = now() WHERE id = %s", [ann.user_id])
    for nonce, subject in (("nonce-3", "subject-1"), ("nonce-4", "subject-2")):
        with pytest.raises(Unauthenticated, match="deactivated"):
            openid.sign_in(openid.claims_of(told(email=ann.email, nonce=nonce, sub=subject)))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"sub": None},
        {"iat": None},
        {"exp": None},
        {"iss": ""},
        {"sub": 7},
        {"iss": "i" * 501},
        {"sub": "s" * 256},
        {"sub": "two\nlines"},
        {"sub": "\ud800"},
        {"iat": True},
        {"iat": "now"},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**30},
        {"iat": -(10**30)},
    ],
)
def test_claims_that_are_missing_or_ill_formed_are_refused_by_name(openid: OpenId, changes: Told) -> None:
    with pytest.raises(Unauthenticated, match=f"{next(iter(changes))} is missing or ill-formed"):
        openid.claims_of({name: value for name, value in {**told(), **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("issued_s", "expires_s"), [(-601, 3600), (-3600, 60), (-60, 0), (-60, -1), (121, 3600), (-30 * 86_400, 10**9)]
)
def test_an_answer_that_is_late_or_from_the_future_is_refused(
    workbench: Workbench, issued_s: int, expires_s: int
) -> None:
    standing = this_second()

    class Standing(SystemClock):
        def now(self) -> datetime:
            return standing

    openid = OpenId(workbench.database, workbench.accounts, workbench.settings, Standing())
    now = int(standing.timestamp())
    with pytest.raises(Unauthenticated, match="too old"):
        openid.claims_of(told(iat=now + issued_s, exp=now + expires_s))
    assert openid.claims_of(told(iat=now - 600, exp=now + 1)).issued_at == standing - timedelta(minutes=10)


@pytest.mark.parametrize("name", [None, "", "  ", "n" * 201, "bell\x07", 7, "\u202e\ufeff"])
def test_a_name_that_no_account_can_have_gives_way_to_the_address(openid: OpenId, name: object) -> None:
    assert openid.claims_of(told(name=name)).name == "new"


def test_fingerprints_of_different_answers_differ(openid: OpenId) -> None:
    now = int(this_second().timestamp())
    changes: list[Told] = [
        {},
        {"nonce": "nonce-2"},
        {"nonce": None},
        {"jti": "1"},
        {"iat": now - 1},
        {"exp": now + 3601},
        {"sub": "subject-2"},
        {"iss": f"{ISSUER}/"},
        {"iss": "i" * 500, "sub": "s" * 255, "nonce": "n" * 4000},
        {"iss": "i" * 500, "sub": "s" * 255, "nonce": "n" * 4001},
    ]
    assert len({openid.claims_of(told(**change)).fingerprint for change in changes}) == len(changes)
