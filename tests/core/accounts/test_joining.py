"""Joining on a real database and a real mail server: who gets an account, and what nobody can find out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from core.accounts.accounts import FREE_FAILURES
from core.accounts.joining import INVITATION_LIFE, JOIN_LIFE, MAILS_PER_ADDRESS, RESET_LIFE
from core.accounts.people import MAX_NAME_CHARS
from core.errors import (
    AssayError,
    Conflict,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotConfigured,
    NotFound,
    PlanRequired,
    Unauthenticated,
)
from core.principal import Principal, Role
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, MoveTime, make_settings, member_factory
from tests.core.accounts.sign_ins import new_session, signed_in
from tests.fakes.mail_server import MailServer, link_of, text_of

Service = psycopg.Connection[tuple[object, ...]]
PASSWORD = "four words kept together"
NEW_PASSWORD = "another four words here"
HERE = "192.0.2.1"
NIA = "nia@new.example"
SEATS = 3


@pytest.fixture
def bench(database_url: str, tmp_path: Path, mail_server: MailServer) -> Iterator[Workbench]:
    """A workbench whose mails arrive, and whose plan team has three seats."""
    plans = tmp_path / "plans.yaml"
    plans.write_text((DATA / "plans.yaml").read_text("utf-8").replace("seats: 50", f"seats: {SEATS}"), "utf-8")
    settings = make_settings(database_url, tmp_path, SMTP_URL=mail_server.url, PLANS_FILE=str(plans))
    with closing(open_workbench(settings)) as opened:
        yield opened


@pytest.fixture
def member(bench: Workbench) -> MakeMember:
    """Makes a user with an organisation."""
    return member_factory(bench)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """Somebody with an account."""
    return member("ann", password=PASSWORD)


class Post:
    """Asks for links, and reads them in the mails."""

    def __init__(self, bench: Workbench, mails: MailServer, member: MakeMember) -> None:
        self._bench, self._mails, self._member = bench, mails, member

    def join(self, email: str = NIA, name: str = "Nia", *, normal: str | None = None) -> str:
        """The token of a sign-up."""
        self._bench.joining.request_account(email, name, address=HERE)
        return self._token(normal or email, "Confirm your address")

    def reset(self, email: str) -> str:
        """The token of a forgotten password."""
        self._bench.joining.request_reset(email, address=HERE)
        return self._token(email, "Choose a new password")

    def invitation(self, email: str, role: Role = Role.ANALYST) -> str:
        """The token of an invitation into Acme, on the plan team."""
        self._bench.members.invite(self._member("olga", org="Acme", plan="team"), email, role)
        return self._token(email, "Invitation to Acme")

    def mails_until(self, email: str) -> list[tuple[str, str]]:
        """All mails so far, as (to, subject), ending with one to `email` that is asked for: they keep their order."""
        self._bench.joining.request_account(email, "Last", address="192.0.2.99")
        self._mails.wait_for(email, "Confirm")
        return [(mail.to, str(mail.message["Subject"])) for mail in self._mails.received]

    def _token(self, to: str, subject: str) -> str:
        return parse_qs(urlsplit(link_of(self._mails.wait_for(to, subject))).query)["token"][0]


@pytest.fixture
def post(bench: Workbench, mail_server: MailServer, member: MakeMember) -> Post:
    return Post(bench, mail_server, member)


def principal_of(bench: Workbench, ticket: str) -> Principal:
    """Who a ticket opens a session for."""
    opened = bench.accounts.redeem_ticket(ticket, address=HERE, agent="test")
    principal = bench.accounts.principal_of_session(opened)
    assert principal is not None
    return principal


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


def count(service: Service, table: str) -> int:
    row = service.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_followed_link_makes_a_user_who_owns_an_organisation_on_the_free_plan(bench: Workbench, post: Post) -> None:
    token = post.join()
    followed = bench.joining.look_at(token)
    assert (followed.purpose, followed.email, followed.name) == ("join", NIA, "Nia")
    principal = principal_of(bench, bench.joining.make_account(token, PASSWORD, "Nia New"))
    assert (principal.email, principal.name, principal.role, principal.plan, principal.is_operator) == (
        NIA,
        "Nia New",
        Role.OWNER,
        "free",
        False,
    )
    assert principal.org_name == "Nia New’s organisation"
    assert bench.accounts.sign_in(NIA, PASSWORD, address=HERE)


def test_nothing_exists_before_the_link_is_followed_and_looking_changes_nothing(
    bench: Workbench, post: Post, service: Service
) -> None:
    token = post.join()
    for _ in range(3):
        bench.joining.look_at(token)
    assert (count(service, "users"), count(service, "organisations")) == (0, 0)
    with pytest.raises(Unauthenticated):
        bench.accounts.sign_in(NIA, PASSWORD, address=HERE)


@pytest.mark.parametrize(
    ("email", "normal"),
    [
        (" Nia@NEW.Example\n", NIA),
        ("nia@münchen.example", "nia@xn--mnchen-3ya.example"),
        ("NIA@MÜNCHEN.example", "nia@xn--mnchen-3ya.example"),
        ("n.i+a@host", "n.i+a@host"),
    ],
)
def test_an_address_in_any_case_and_script_of_its_domain_is_one_account(
    bench: Workbench, post: Post, mail_server: MailServer, email: str, normal: str
) -> None:
    bench.joining.make_account(post.join(email, normal=normal), PASSWORD, "Nia")
    bench.joining.request_account(normal, "Nia", address=HERE)
    mail_server.wait_for(normal, "You have an account already")
    assert bench.accounts.sign_in(email, PASSWORD, address=HERE)


@pytest.mark.parametrize("email", ["", "nia", "nia@", "@new.example", "ниа@new.example", "a b@c.example", "x" * 10_000])
def test_what_is_no_address_is_refused_before_any_mail(bench: Workbench, email: str) -> None:
    with pytest.raises(InvalidRequest, match="e-mail address"):
        bench.joining.request_account(email, "Nia", address=HERE)
    with pytest.raises(InvalidRequest, match="e-mail address"):
        bench.joining.request_reset(email, address=HERE)


@pytest.mark.parametrize("name", ["", " \n ", "n" * 10_000, "Nia\x00", "Nia\u202e"])
def test_a_name_that_cannot_be_shown_is_refused_and_the_link_stays_good(
    bench: Workbench, post: Post, name: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"1 to {MAX_NAME_CHARS} characters"):
        bench.joining.request_account(NIA, name, address=HERE)
    token = post.join()
    with pytest.raises(InvalidRequest, match=f"1 to {MAX_NAME_CHARS} characters"):
        bench.joining.make_account(token, PASSWORD, name)
    assert bench.joining.make_account(token, PASSWORD, "n" * MAX_NAME_CHARS)


def test_the_answer_takes_as_long_whether_or_not_there_is_an_account(bench: Workbench, ann: Principal) -> None:
    def seconds(email: str, number: int) -> float:
        address = f"192.0.2.{number}"
        started = time.perf_counter()
        bench.joining.request_account(email, "Somebody", address=address)
        bench.joining.request_reset(email, address=address)
        return time.perf_counter() - started

    seconds("warm@up.example", 0)
    # In turns, so that whatever else the machine does meets both.
    pairs = [(seconds(ann.email, number), seconds(f"nobody{number}@test.example", number)) for number in range(1, 31)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < known / unknown < 2


def test_who_has_an_account_is_told_by_mail_alone_and_gets_no_second_one(
    bench: Workbench, ann: Principal, mail_server: MailServer, service: Service
) -> None:
    bench.joining.request_account(ann.email, "Somebody", address=HERE)
    mail = mail_server.wait_for(ann.email, "You have an account already")
    assert "token=" not in text_of(mail)
    assert count(service, "one_time_links") == 0


def test_an_unknown_or_deactivated_address_gets_no_link_to_reset(
    bench: Workbench, ann: Principal, member: MakeMember, post: Post
) -> None:
    bob = member("bob", password=PASSWORD)
    before = post.reset(bob.email)
    bench.directory.set_active(bob.email, is_active=False)
    for email in ("nobody@test.example", bob.email):
        bench.joining.request_reset(email, address=HERE)
    assert [to for to, _ in post.mails_until("last@test.example")] == [bob.email, "last@test.example"]
    with pytest.raises(AssayError):
        bench.joining.reset_password(before, NEW_PASSWORD)
    bench.directory.set_active(bob.email, is_active=True)
    assert bench.accounts.sign_in(bob.email, PASSWORD, address=HERE)


def test_one_address_gets_five_mails_an_hour_whoever_asks(
    bench: Workbench, ann: Principal, post: Post, move_time: MoveTime
) -> None:
    for number in range(MAILS_PER_ADDRESS + 3):
        bench.joining.request_reset(ann.email, address=f"192.0.2.{number}")
        bench.joining.request_account(ann.email, "Ann", address=f"192.0.2.{number}")
    assert [to for to, _ in post.mails_until("last@test.example")].count(ann.email) == MAILS_PER_ADDRESS
    move_time(timedelta(hours=1, seconds=10))
    assert post.reset(ann.email)


def test_one_place_asks_for_so_many_links_a_minute(bench: Workbench, move_time: MoveTime) -> None:
    most = bench.settings.sign_in_attempts
    for number in range(most):
        bench.joining.request_reset(f"nobody{number}@test.example", address=HERE)
    for _ in range(2):
        with pytest.raises(MeteringDenied, match="Too many requests; try again in 1 minute") as refused:
            bench.joining.request_account(NIA, "Nia", address=HERE)
    assert refused.value.denial.retry_after_s == 60
    bench.joining.request_account(NIA, "Nia", address="192.0.2.2")
    move_time(timedelta(seconds=66))
    bench.joining.request_account(NIA, "Nia", address=HERE)


def test_a_link_that_two_follow_at_once_makes_one_account(bench: Workbench, post: Post, service: Service) -> None:
    token = post.join()
    follow = [lambda: bench.joining.make_account(token, PASSWORD, "Nia")] * 4
    ends = at_once(*follow)
    assert ends.count(None) == 1
    assert set(ends) <= {None, NotFound, Conflict}
    assert (count(service, "users"), count(service, "organisations"), count(service, "memberships")) == (1, 1, 1)


def test_two_links_of_one_address_make_one_account_and_end_together(
    bench: Workbench, post: Post, service: Service
) -> None:
    tokens = [post.join(), post.join()]
    ends = at_once(
        lambda: bench.joining.make_account(tokens[0], PASSWORD, "Nia"),
        lambda: bench.joining.make_account(tokens[1], PASSWORD, "Nia"),
    )
    assert ends.count(None) == 1
    assert set(ends) <= {None, NotFound, Conflict}
    assert count(service, "users") == 1
    for token in tokens:
        with pytest.raises(NotFound):
            bench.joining.look_at(token)


@pytest.mark.parametrize("life", [JOIN_LIFE, RESET_LIFE, INVITATION_LIFE])
def test_a_link_is_good_until_its_last_second(
    bench: Workbench, ann: Principal, post: Post, move_time: MoveTime, life: timedelta
) -> None:
    ask = {JOIN_LIFE: post.join, RESET_LIFE: lambda: post.reset(ann.email), INVITATION_LIFE: _invite(post)}
    token = ask[life]()
    move_time(life - timedelta(seconds=30))
    assert bench.joining.look_at(token).email
    move_time(life + timedelta(seconds=1))
    for follow in (
        lambda: bench.joining.look_at(token),
        lambda: bench.joining.make_account(token, PASSWORD, "Nia"),
        lambda: bench.joining.reset_password(token, NEW_PASSWORD),
        lambda: bench.joining.accept(ann, token),
    ):
        with pytest.raises(NotFound):
            follow()


def _invite(post: Post) -> Callable[[], str]:
    return lambda: post.invitation("guest@test.example")


def test_a_link_is_good_for_its_own_purpose_alone(bench: Workbench, ann: Principal, post: Post) -> None:
    join, reset, invitation = post.join(), post.reset(ann.email), post.invitation(ann.email)
    for wrong in (
        lambda: bench.joining.reset_password(join, NEW_PASSWORD),
        lambda: bench.joining.reset_password(invitation, NEW_PASSWORD),
        lambda: bench.joining.make_account(reset, PASSWORD, "Ann"),
        lambda: bench.joining.accept(ann, join),
        lambda: bench.joining.accept(ann, reset),
    ):
        with pytest.raises(NotFound):
            wrong()
    assert {bench.joining.look_at(token).purpose for token in (join, reset, invitation)} == {
        "join",
        "reset",
        "invitation",
    }


@pytest.mark.parametrize("token", ["", "x", "x" * 1_000_000, "\x00", "\ud800", "'; DROP TABLE users; --"])
def test_an_unknown_link_is_not_found(bench: Workbench, token: str) -> None:
    with pytest.raises(NotFound, match="used already, or is too old"):
        bench.joining.look_at(token)


def test_a_link_is_not_kept_as_it_is_mailed(bench: Workbench, post: Post, service: Service) -> None:
    for token, table in ((post.join(), "one_time_links"), (post.invitation("guest@test.example"), "invitations")):
        kept = str(service.execute(f"SELECT * FROM {table}").fetchall())
        assert token not in kept


@pytest.mark.parametrize(
    "password", ["short", "password123", "aaaaaaaaaaaa", NIA, "ä" * 37, "x" * 73, "tab\tin the words"]
)
def test_a_password_that_the_policy_refuses_keeps_the_link_good(bench: Workbench, post: Post, password: str) -> None:
    token = post.join()
    with pytest.raises(InvalidRequest, match=r"[Pp]assword"):
        bench.joining.make_account(token, password, "Nia")
    assert bench.joining.make_account(token, PASSWORD, "Nia")


def test_a_new_password_ends_every_session_and_every_delay(
    bench: Workbench, ann: Principal, post: Post, mail_server: MailServer
) -> None:
    sessions = [new_session(bench, ann), new_session(bench, ann)]
    with pytest.raises(MeteringDenied):
        _guess(bench, ann.email)
    ticket = bench.joining.reset_password(post.reset(ann.email), NEW_PASSWORD)
    assert [bench.accounts.principal_of_session(opened) for opened in sessions] == [None, None]
    assert principal_of(bench, ticket).user_id == ann.user_id
    assert bench.accounts.sign_in(ann.email, NEW_PASSWORD, address="192.0.2.2")
    with pytest.raises(Unauthenticated):
        bench.accounts.sign_in(ann.email, PASSWORD, address="192.0.2.2")
    mail_server.wait_for(ann.email, "Your password was changed")


def _guess(bench: Workbench, email: str) -> None:
    for _ in range(FREE_FAILURES * 4):
        with suppress(Unauthenticated):
            bench.accounts.sign_in(email, "wrong", address=HERE)


def test_a_reset_that_two_follow_at_once_changes_the_password_once(
    bench: Workbench, ann: Principal, post: Post
) -> None:
    token = post.reset(ann.email)
    passwords = [NEW_PASSWORD, "yet another four words"]
    ends = at_once(
        lambda: bench.joining.reset_password(token, passwords[0]),
        lambda: bench.joining.reset_password(token, passwords[1]),
    )
    assert sorted(ends, key=str) == [NotFound, None]
    assert bench.accounts.sign_in(ann.email, passwords[ends.index(None)], address=HERE)


def test_somebody_new_joins_the_organisation_they_are_invited_to(
    bench: Workbench, post: Post, service: Service
) -> None:
    token = post.invitation("guest@test.example", Role.VIEWER)
    followed = bench.joining.look_at(token)
    assert (followed.purpose, followed.org_name, followed.role, followed.invited_by, followed.has_account) == (
        "invitation",
        "Acme",
        "viewer",
        "olga",
        False,
    )
    principal = principal_of(bench, bench.joining.make_account(token, PASSWORD, "A Guest"))
    assert (principal.org_name, principal.role, principal.plan) == ("Acme", Role.VIEWER, "team")
    assert count(service, "invitations") == 0


def test_a_user_joins_beside_what_they_belong_to_already(bench: Workbench, ann: Principal, post: Post) -> None:
    token = post.invitation(ann.email)
    assert bench.joining.look_at(token).has_account
    with pytest.raises(Conflict):
        bench.joining.make_account(token, PASSWORD, "Not Ann")
    here = signed_in(bench, ann)
    bench.accounts.switch_organisation(here, bench.joining.accept(here, token))
    assert [row.name for row in bench.accounts.organisations(here)] == ["ann's organisation", "Acme"]
    with pytest.raises(NotFound):
        bench.joining.accept(here, token)


def test_an_invitation_is_for_nobody_else_and_a_member_stays_what_they_are(
    bench: Workbench, ann: Principal, member: MakeMember, post: Post
) -> None:
    token = post.invitation(ann.email, Role.ADMIN)
    with pytest.raises(Forbidden, match="for another address"):
        bench.joining.accept(signed_in(bench, member("eve")), token)
    ann_at_acme = member("ann", org="Acme", plan="team", role=Role.VIEWER)
    with pytest.raises(Conflict, match="member of Acme already"):
        bench.joining.accept(signed_in(bench, ann), token)
    assert bench.directory.member(ann.email, "Acme").role is ann_at_acme.role is Role.VIEWER


def test_of_two_who_accept_the_last_seat_at_once_one_has_it_and_the_others_invitation_stays(
    bench: Workbench, member: MakeMember, post: Post, service: Service
) -> None:
    one, two = signed_in(bench, member("one")), signed_in(bench, member("two"))
    tokens = [post.invitation(one.email), post.invitation(two.email)]
    member("added", org="Acme", plan="team", role=Role.VIEWER)  # by the operator, who may
    ends = at_once(lambda: bench.joining.accept(one, tokens[0]), lambda: bench.joining.accept(two, tokens[1]))
    assert sorted(ends, key=str) == sorted([None, PlanRequired], key=str)
    assert bench.joining.look_at(tokens[ends.index(PlanRequired)]).org_name == "Acme"
    assert count(service, "memberships m JOIN organisations o ON o.id = m.org_id AND o.name = 'Acme'") == SEATS


def test_without_a_seat_nobody_new_is_made(bench: Workbench, post: Post, service: Service) -> None:
    token = post.invitation("guest@test.example")
    bench.directory.set_plan("Acme", "free")
    with pytest.raises(PlanRequired, match="seat"):
        bench.joining.make_account(token, PASSWORD, "A Guest")
    assert count(service, "users") == 1
    bench.directory.set_plan("Acme", "team")
    assert bench.joining.make_account(token, PASSWORD, "A Guest")


@pytest.mark.parametrize(
    ("environ", "error", "says"),
    [
        ({"ALLOW_SIGN_UP": "0", "SMTP_URL": "smtp://127.0.0.1:1"}, Forbidden, "by invitation"),
        ({"PUBLIC_URL": "https://assay.example", "SMTP_URL": "smtp://127.0.0.1:1"}, Forbidden, "by invitation"),
        ({"PUBLIC_URL": "https://assay.example", "ALLOW_SIGN_UP": "1"}, NotConfigured, "SMTP_URL"),
    ],
)
def test_sign_up_is_closed_unless_it_is_allowed_and_a_mail_can_be_sent(
    database_url: str, tmp_path: Path, environ: dict[str, str], error: type[AssayError], says: str
) -> None:
    with closing(open_workbench(make_settings(database_url, tmp_path, **environ))) as bench:
        assert bench.joining.is_open is (error is NotConfigured)
        with pytest.raises(error, match=says):
            bench.joining.request_account(NIA, "Nia", address=HERE)


def test_where_sign_up_is_closed_somebody_invited_still_joins(
    database_url: str, tmp_path: Path, mail_server: MailServer
) -> None:
    settings = make_settings(database_url, tmp_path, SMTP_URL=mail_server.url, ALLOW_SIGN_UP="0")
    with closing(open_workbench(settings)) as bench:
        token = Post(bench, mail_server, member_factory(bench)).invitation(NIA)
        assert bench.joining.make_account(token, PASSWORD, "Nia")
