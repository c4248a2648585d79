"""Ticket to cookie and back, over a real socket and with real accounts."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from core.accounts.accounts import Accounts
from core.http.problems import problem_response
from core.http.session_routes import session_routes
from core.settings import SESSION_COOKIE as COOKIE
from core.settings import Settings
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.http.asgi_server import serving

EMAIL, PASSWORD = "ann@test.example", "correct horse battery"


def _application(settings: Settings, accounts: Accounts) -> Starlette:
    return Starlette(routes=[Mount("/auth", routes=session_routes(settings, accounts, problem_response))])


@pytest.fixture
def accounts(workbench: Workbench, member: MakeMember) -> Accounts:
    member("ann", password=PASSWORD)
    return workbench.accounts


@pytest.fixture
def client(accounts: Accounts) -> Iterator[httpx2.Client]:
    with (
        serving(_application(Settings.model_validate({"session_days": 2}), accounts)) as base_url,
        httpx2.Client(base_url=base_url) as client,
    ):
        client.headers["Origin"] = base_url
        yield client


@pytest.fixture
def ticket(accounts: Accounts) -> str:
    return accounts.sign_in(EMAIL, PASSWORD, address="127.0.0.1")


def test_a_ticket_becomes_a_cookie_that_no_script_can_read(
    client: httpx2.Client, accounts: Accounts, ticket: str
) -> None:
    answer = client.post("/auth/session", json={"ticket": ticket})
    assert answer.status_code == 204
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "Max-Age=7776000", "Path=/", "SameSite=lax"}
    principal = accounts.principal_of_session(value.removeprefix(f"{COOKIE}="))
    assert principal is not None
    assert principal.email == EMAIL


def test_the_cookie_is_secure_when_users_come_by_https(accounts: Accounts, ticket: str) -> None:
    settings = Settings.model_validate({"public_url": "https://assay.example.com"})
    with serving(_application(settings, accounts)) as base_url:
        headers = {"Origin": "https://assay.example.com"}
        answer = httpx2.post(f"{base_url}/auth/session", json={"ticket": ticket}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_a_ticket_works_once(client: httpx2.Client, ticket: str) -> None:
    client.post("/auth/session", json={"ticket": ticket})
    again = client.post("/auth/session", json={"ticket": ticket})
    assert again.status_code == 401
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["code"] == "unauthenticated"
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/auth/session", "/auth/sign-out"])
def test_another_site_can_neither_sign_in_nor_out(
    client: httpx2.Client, ticket: str, path: str, headers: dict[str, str]
) -> None:
    refused = client.post(path, json={"ticket": ticket}, headers=headers)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    assert client.post("/auth/session", json={"ticket": ticket}).status_code == 204


def test_a_request_that_does_not_say_where_it_comes_from_is_refused(client: httpx2.Client, ticket: str) -> None:
    del client.headers["Origin"]
    assert client.post("/auth/session", json={"ticket": ticket}).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"ticket=x", "application/x-www-form-urlencoded", 422),
        (b'{"ticket": "x"}', "text/plain", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"ticket": 7}', "application/json", 422),
        (b'{"ticket": ""}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b'{"ticket": "' + b"x" * 3_000 + b'"}', "application/json", 413),
        (b'{"ticket": "unknown"}', "application/json", 401),
    ],
)
def test_a_body_that_is_no_ticket_is_a_problem(client: httpx2.Client, body: bytes, kind: str, status: int) -> None:
    answer = client.post("/auth/session", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["status"] == status


@pytest.mark.parametrize("path", ["/auth/session", "/auth/sign-out"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_taken(client: httpx2.Client, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 405


def test_signing_out_ends_the_session_on_the_server_and_takes_the_cookie(
    client: httpx2.Client, accounts: Accounts, ticket: str
) -> None:
    client.post("/auth/session", json={"ticket": ticket})
    session = client.cookies[COOKIE]
    answer = client.post("/auth/sign-out")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert accounts.principal_of_session(session) is None


def test_signing_out_without_a_session_is_no_error(client: httpx2.Client) -> None:
    assert client.post("/auth/sign-out").status_code == 204


def test_the_script_is_served_as_a_script(client: httpx2.Client) -> None:
    answer = client.get("/auth/session.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "/auth/session" in answer.text
