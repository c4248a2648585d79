"""What an attacker tries at the door: replayed, stolen, expired and forged secrets, other sites, guesses, clocks."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx2
import psycopg
import pytest

from core.accounts.accounts import FREE_FAILURES, LONGEST_SESSION, Accounts
from core.accounts.secrets import digest
from core.errors import AssayError, MeteringDenied
from core.ops.mail import Mail
from core.principal import Principal, Role
from core.settings import SESSION_COOKIE as COOKIE
from core.workbench import Workbench
from tests.conftest import MoveTime
from tests.core.accounts.sign_ins import PASSWORD, new_session, new_token, stop_time
from tests.core.http.conftest import Api, ServeApi, assert_problem
from tests.fakes.mail_server import MailServer, link_of, text_of

Service = psycopg.Connection[tuple[object, ...]]
SIGNED_IN_ONLY = "/docs"
"""An address that a session opens, where others than this machine can ask."""


@pytest.fixture
def api(serve_api: ServeApi) -> Api:
    """The API as others can reach it."""
    return serve_api(HOST="0.0.0.0")


@pytest.fixture
def ann(api: Api) -> Principal:
    """A member."""
    return api.member("ann", org="Acme", plan="team")


@pytest.fixture
def browser(api: Api) -> Iterator[httpx2.Client]:
    """A browser on a page of ours: it says where its requests come from, and keeps cookies."""
    base_url = api.base_url.removesuffix("/api")
    headers = {"Origin": base_url, "Sec-Fetch-Site": "same-origin", "User-Agent": "Firefox"}
    with httpx2.Client(base_url=base_url, headers=headers, timeout=20) as client:
        yield client


def ticket_of(api: Api, who: Principal) -> str:
    """What the sign-in form shows a browser that knew the password."""
    return api.workbench.accounts.ticket(who.user_id, who.org_id, method="password")


def opens(api: Api, session: str, **headers: str) -> bool:
    """Whether this cookie lets a request in."""
    cookies = {COOKIE: session}
    return httpx2.get(api.base_url + SIGNED_IN_ONLY, cookies=cookies, headers=headers).status_code == 200


def test_a_cookie_that_was_given_before_sign_in_is_not_kept(api: Api, ann: Principal, browser: httpx2.Client) -> None:
    eve = api.member("eve")
    of_eve = new_session(api.workbench, eve)
    for planted in ("chosen-by-an-attacker", of_eve):
        browser.cookies.clear()
        browser.cookies.set(COOKIE, planted, domain="127.0.0.1")
        answer = browser.post("/auth/session", json={"ticket": ticket_of(api, ann)})
        given = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        assert given not in (planted, "")
        assert not opens(api, planted)
        principal = api.workbench.accounts.principal_of_session(given)
        assert principal is not None
        assert principal.email == ann.email


def test_a_ticket_is_good_for_one_browser_once_and_not_for_long(
    api: Api, ann: Principal, browser: httpx2.Client, move_time: MoveTime
) -> None:
    used, late = ticket_of(api, ann), ticket_of(api, ann)
    assert browser.post("/auth/session", json={"ticket": used}).status_code == 204
    move_time(timedelta(seconds=31))
    for ticket in (used, late, "x" * 43, digest(late).hex()):
        answer = browser.post("/auth/session", json={"ticket": ticket})
        assert_problem(answer, 401, "unauthenticated")
        assert "set-cookie" not in answer.headers


def test_a_cookie_opens_nothing_once_it_has_ended_however_it_did(
    api: Api, ann: Principal, browser: httpx2.Client, move_time: MoveTime
) -> None:
    accounts = api.workbench.accounts
    browser.post("/auth/session", json={"ticket": ticket_of(api, ann)})
    signed_out = browser.cookies[COOKIE]
    assert opens(api, signed_out)
    assert browser.post("/auth/sign-out").status_code == 204
    assert not opens(api, signed_out)

    replaced = new_session(api.workbench, ann)
    browser.cookies.set(COOKIE, replaced, domain="127.0.0.1")
    browser.post("/auth/session", json={"ticket": ticket_of(api, ann)})
    assert not opens(api, replaced)

    late = new_session(api.workbench, ann)
    move_time(timedelta(days=15))
    assert not opens(api, late)
    assert accounts.principal_of_session(late) is None


def test_a_stolen_cookie_is_seen_by_its_owner_and_ended(api: Api, ann: Principal) -> None:
    accounts = api.workbench.accounts
    own = new_session(api.workbench, ann)
    stolen = accounts.redeem_ticket(ticket_of(api, ann), address="203.0.113.9", agent="Firefox")
    assert opens(api, stolen, **{"User-Agent": "curl", "X-Forwarded-For": "198.51.100.1"})
    at_home = accounts.principal_of_session(own)
    assert at_home is not None
    foreign = next(row for row in accounts.sessions(at_home) if row.address == "203.0.113.9")
    accounts.end_session(at_home, foreign.id)
    assert not opens(api, stolen)
    assert opens(api, own)


def test_forged_cookies_and_tokens_are_nobodys(api: Api, ann: Principal, service: Service) -> None:
    session, token = new_session(api.workbench, ann), new_token(api.workbench, ann)
    row = service.execute("SELECT id, session_hash FROM sessions").fetchone()
    assert row is not None
    kept = row[1]
    assert isinstance(kept, bytes)
    for forged in (
        session[:-1],
        session + "A",
        session.swapcase(),
        kept.hex(),
        str(row[0]),
        str(ann.user_id),
        token,
        "' OR true --",
        "a" * 5_000,
        "%00",
        '"' + session + '"x',
    ):
        assert not opens(api, forged)
    for forged in (session, f"assay_{session}", token[:-1], token.removeprefix("assay_"), f"{token}\t{token}"):
        answer = httpx2.get(f"{api.base_url}/ai/models", headers={"Authorization": f"Bearer {forged}"})
        assert_problem(answer, 401, "unauthenticated")
    assert opens(api, session)


@pytest.mark.parametrize("public_url", ["http://assay.example", "https://assay.example"])
def test_the_cookie_is_for_our_own_pages_alone_and_unreadable(serve_api: ServeApi, public_url: str) -> None:
    api = serve_api(HOST="0.0.0.0", PUBLIC_URL=public_url)
    base_url, ticket = api.base_url.removesuffix("/api"), ticket_of(api, api.member("ann"))
    headers = {"Origin": public_url, "Sec-Fetch-Site": "same-origin"}
    opened = httpx2.post(f"{base_url}/auth/session", json={"ticket": ticket}, headers=headers)
    value, *attributes = opened.headers["set-cookie"].split("; ")
    expected = {"HttpOnly", f"Max-Age={int(LONGEST_SESSION.total_seconds())}", "Path=/", "SameSite=lax"}
    assert set(attributes) == expected | ({"Secure"} if public_url.startswith("https") else set())
    assert "Domain" not in opened.headers["set-cookie"]
    assert len(value.partition("=")[2]) >= 43
    assert opened.headers["cache-control"] == "no-store"
    closed = httpx2.post(f"{base_url}/auth/sign-out", headers={**headers, "Cookie": value})
    assert "Max-Age=0" in closed.headers["set-cookie"]
    assert ("Secure" in closed.headers["set-cookie"]) is public_url.startswith("https")


@pytest.mark.parametrize("path", ["/auth/session", "/auth/sign-out", "/auth/forget-openid"])
def test_another_site_reaches_nothing_at_the_door(api: Api, ann: Principal, browser: httpx2.Client, path: str) -> None:
    session, ticket = new_session(api.workbench, ann), ticket_of(api, ann)
    own = browser.headers["Origin"]
    browser.cookies.set(COOKIE, session, domain="127.0.0.1")
    for foreign in (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
        {"Origin": own, "Sec-Fetch-Site": "same-site"},
        {"Origin": own, "Sec-Fetch-Site": "none"},
        {"Origin": own.replace("127.0.0.1", "127.0.0.1.evil.example"), "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"{own}.evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "file://", "Sec-Fetch-Site": "cross-site"},
    ):
        answer = browser.post(path, json={"ticket": ticket}, headers=foreign)
        assert_problem(answer, 403, "forbidden")
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = browser.post("/auth/session", content=f'{{"ticket": "{ticket}"}}', headers={"Content-Type": kind})
        assert_problem(answer, 422, "invalid_request")
    assert opens(api, session)
    browser.cookies.clear()
    assert browser.post("/auth/session", json={"ticket": ticket}).status_code == 204


@pytest.mark.parametrize("path", ["/auth/session", "/auth/sign-out", "/auth/session.js", "/api/docs", "/auth/nothing"])
def test_no_address_is_taken_from_a_request(api: Api, ann: Principal, browser: httpx2.Client, path: str) -> None:
    evil = "https://evil.example/"
    wishes = {"next": evil, "url": evil, "redirect": evil, "redirect_uri": evil, "return_to": "//evil.example"}
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Original-URL": evil, "Referer": evil}
    for method in ("GET", "POST"):
        body = {"ticket": ticket_of(api, ann), **wishes}
        answer = browser.request(method, path, params=wishes, json=body, headers=forwarded)
        assert "location" not in answer.headers
        assert not 300 <= answer.status_code < 400
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.fixture
def mailed() -> Iterator[MailServer]:
    """A mail server."""
    with MailServer() as server:
        yield server


def test_neither_a_name_nor_a_host_header_gets_into_a_mail_but_as_text(serve_api: ServeApi, mailed: MailServer) -> None:
    api = serve_api(SMTP_URL=mailed.url, PUBLIC_URL="http://127.0.0.1:8501", MAIL_FROM="assay@firm.example")
    joining, members = api.workbench.joining, api.workbench.members
    names = ("Ann\r\nBcc: all@evil.example", "Ann\nSubject: paid", "=?utf-8?q?Ann?=", "<b>Ann</b> http://evil.example")
    for number, name in enumerate(names):
        owner = api.member(f"owner{number}", plan="team")
        profiles = api.workbench.profiles
        profiles.change(owner, {"name": name})
        profiles.keep_organisation(owner, replace(profiles.organisation(owner), name=name))
        owner = api.workbench.directory.member(owner.email)
        members.invite(owner, f"guest{number}@test.example", Role.VIEWER)
        joining.request_account(f"new{number}@test.example", name, address="192.0.2.7")
        for to in (f"guest{number}@test.example", f"new{number}@test.example"):
            mail = mailed.wait_for(to)
            assert mail.get_all("To") == [to]
            assert not mail.get_all("Bcc")
            assert len(mail.get_all("Subject") or []) == 1
            assert mail.get_content_type() == "text/plain"
            assert "http://127.0.0.1:8501/link?token=" in text_of(mail)
    with pytest.raises(AssayError):
        joining.request_account("new@test.example\r\nBcc: all@evil.example", "Ann", address="192.0.2.7")
    assert not [mail for mail in mailed.received if "evil" in mail.to]


class Clockwork:
    """Takes the time of two things by turns, so that whatever else the machine does meets both alike."""

    def __init__(self, one: Callable[[int], object], other: Callable[[int], object]) -> None:
        self._steps = (one, other)

    def ratio(self, rounds: int) -> float:
        """How many times as long the one takes as the other, by the median of the rounds' own ratios."""
        ratios = []
        for number in range(rounds):
            order = (0, 1) if number % 2 else (1, 0)
            took = {which: self._seconds(which, number) for which in order}
            ratios.append(took[0] / took[1])
        return statistics.median(ratios)

    def _seconds(self, which: int, number: int) -> float:
        # The processor's own time counts, not that of a busy machine; bcrypt runs in this thread.
        started = time.thread_time()
        with suppress(AssayError):
            self._steps[which](number)
        return time.thread_time() - started


def test_sign_in_tells_neither_by_words_nor_by_time_whether_an_address_is_known(
    api: Api, ann: Principal, service: Service
) -> None:
    bench = api.workbench
    accounts = Accounts(bench.database, attempts_per_address=10_000)
    api.member("ann", org="Acme", plan="team", password=PASSWORD)
    api.member("off", org="Off", password=PASSWORD)
    bench.directory.set_active("off@test.example", is_active=False)
    api.member("only", org="Only")  # has no password: comes by a provider

    def try_one(email: str) -> Callable[[int], object]:
        return lambda number: accounts.sign_in(email, "another password", address=f"192.0.2.{number}")

    told = {}
    for email in ("ann@test.example", "off@test.example", "only@test.example", "nobody@test.example", "no address"):
        with pytest.raises(AssayError) as refusal:
            try_one(email)(0)
        told[email] = (type(refusal.value), refusal.value.detail)
    assert len(set(told.values())) == 1, told
    for email in ("off@test.example", "only@test.example", "ann@test.example"):
        service.execute("DELETE FROM sign_in_delays")
        # Four tries are free for each account; the fifth of them is still looked at.
        assert 0.75 < Clockwork(try_one(email), try_one("nobody@test.example")).ratio(4) < 1.33


def test_a_guess_that_has_to_wait_waits_the_same_for_an_unknown_address(
    api: Api, ann: Principal, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    stop_time(owner)
    api.member("ann", org="Acme", plan="team", password=PASSWORD)
    accounts = api.workbench.accounts
    told: list[tuple[bool, type[AssayError], str]] = []
    for email in (ann.email, "nobody@test.example"):
        for number in range(12):
            try:
                accounts.sign_in(email, "another password", address=f"198.51.100.{number}")
            except MeteringDenied as denial:
                told.append((email == ann.email, type(denial), denial.denial.metric))
            except AssayError as error:
                told.append((email == ann.email, type(error), error.detail))
    known, unknown = [each[1:] for each in told if each[0]], [each[1:] for each in told if not each[0]]
    assert known == unknown
    assert [each[0] for each in known].count(MeteringDenied) == 12 - FREE_FAILURES


def test_sign_up_and_forgot_answer_alike_and_as_fast_whether_or_not_there_is_an_account(
    serve_api: ServeApi, mailed: MailServer
) -> None:
    api = serve_api(SMTP_URL=mailed.url, MAIL_FROM="assay@firm.example", SIGN_IN_ATTEMPTS="1000")
    api.member("ann")
    joining = api.workbench.joining
    asks: list[Callable[[str, int], object]] = [
        lambda email, number: joining.request_account(email, "Ann", address=f"192.0.2.{number}"),
        lambda email, number: joining.request_reset(email, address=f"192.0.2.{number}"),
    ]
    for ask in asks:
        assert ask("ann@test.example", 0) == ask("nobody@test.example", 0)  # nothing, in both cases
        known = Clockwork(partial(ask, "ann@test.example"), partial(ask, "nobody@test.example"))
        assert 0.5 < known.ratio(15) < 2


def test_what_depends_on_an_account_is_done_when_the_asker_is_gone(
    serve_api: ServeApi, mailed: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = serve_api(SMTP_URL=mailed.url, MAIL_FROM="assay@firm.example")
    api.member("ann")
    bench: Workbench = api.workbench
    seen: list[str] = []
    made = bench.mailer.later

    def later(work: Callable[[], Mail | None]) -> None:
        def told() -> Mail | None:
            seen.append(threading.current_thread().name)
            return work()

        made(told)

    monkeypatch.setattr(bench.mailer, "later", later)
    for email in ("ann@test.example", "nobody@test.example"):
        bench.joining.request_account(email, "Ann", address="192.0.2.7")
    there = text_of(mailed.wait_for("ann@test.example"))
    link = link_of(mailed.wait_for("nobody@test.example"))
    assert "You have one already" in there
    assert "/link?token=" not in there
    assert "/link?token=" in link
    assert seen == ["assay-mail", "assay-mail"]
