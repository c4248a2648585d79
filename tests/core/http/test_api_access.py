"""Who may call the API: without a token, with a wrong one, from too busy an address, from elsewhere."""

from __future__ import annotations

import logging
import secrets

import httpx2
import psycopg
import pytest

from core.http.api import create_api
from core.http.entrance import Entrance
from core.settings import SESSION_COOKIE as COOKIE
from tests.core.http.conftest import Api, ServeApi, assert_problem, served

OPEN = {("GET", "/api/health")}
"""What the contract opens to everybody."""
SIGNED = {("POST", "/api/webhooks/stripe")}
"""What asks for no token, and for a signature instead."""


def test_every_route_but_health_refuses_who_has_no_valid_token(
    serve_api: ServeApi, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    # Strangers knock here more often than they may in a minute, and at what only a secret opens.
    api = serve_api(
        HOST="0.0.0.0",
        RATE_PER_ADDRESS="10000",
        CRON_SECRET=secrets.token_urlsafe(32),
        STRIPE_WEBHOOK_SECRET="whsec_test",
    )
    revoked = api.token(api.member("ann"))
    service.execute("UPDATE access_tokens SET revoked_at = assay_now()")
    given = [
        b"",
        b"Bearer",
        b"Bearer nonsense",
        b"Bearer " + b"x" * 5000,
        b"Bearer \xff\xfe",
        b"Bearer assay_" + secrets.token_urlsafe(32).encode(),
        b"Bearer " + revoked.encode(),
        b"Basic YW5uOnNlY3JldA==",
        revoked.encode(),
    ]
    wrong: list[list[tuple[bytes, bytes]]] = [[], *([(b"Authorization", value)] for value in given)]
    with api.client() as client:
        for method, path in _routes(api):
            for headers in wrong:
                answer = client.request(method, path.removeprefix("/api"), headers=headers)
                if (method, path) in OPEN:
                    assert answer.status_code == 200
                elif (method, path) in SIGNED:
                    assert_problem(answer, 400, "invalid_request")
                else:
                    assert_problem(answer, 401, "unauthenticated")
                    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_request_with_two_tokens_has_none(api: Api) -> None:
    token = api.token(api.member("ann"))
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert_problem(httpx2.get(f"{api.base_url}/ai/models", headers=headers), 401, "unauthenticated")


def test_a_session_cookie_is_no_token(api: Api) -> None:
    cookie = _session(api)
    with httpx2.Client(base_url=api.base_url, cookies={COOKIE: cookie}) as client:
        assert_problem(client.get("/ai/models"), 401, "unauthenticated")
        assert_problem(client.post("/ai/chat", json={"message": "hello"}), 401, "unauthenticated")


def test_nobody_without_a_token_has_their_body_read(api: Api) -> None:
    answer = httpx2.post(f"{api.base_url}/ai/chat", content=b"{" * 1000)
    assert_problem(answer, 401, "unauthenticated")


def test_a_token_is_never_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = api.token(api.member("ann")), "assay_" + secrets.token_urlsafe(32)
    for token in (good, bad):
        httpx2.get(f"{api.base_url}/user/quota", headers={"Authorization": f"Bearer {token}"})
    told = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [line for line in told if good in line or bad in line]


def test_addresses_without_a_valid_token_are_bounded_and_others_are_not(serve_api: ServeApi) -> None:
    api = serve_api(RATE_PER_ADDRESS="3")
    with api.client() as stranger, api.client(api.member("ann")) as ann:
        assert [stranger.get("/health").status_code for _ in range(3)] == [200, 200, 200]
        for path in ("/health", "/ai/models", "/nothing"):
            denied = stranger.get(path, headers={"Authorization": "Bearer assay_wrong"})
            problem = assert_problem(denied, 429, "rate_limited")
            assert problem["limit"] == 3
            assert 1 <= int(denied.headers["retry-after"]) <= 60
        assert [ann.get("/ai/models").status_code for _ in range(5)] == [200] * 5


def test_what_does_not_exist_and_what_does_not_fit_have_problems_of_their_own(api: Api) -> None:
    with api.client() as client:
        for path in ("/nothing", "/ai/chat/", "/health/more", "/"):
            assert_problem(client.get(path), 404, "not_found")
        refused = client.put("/ai/chat")
        assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == "POST"
        assert client.options("/health").headers["allow"] == "GET"


def test_only_pages_of_allowed_origins_may_call(serve_api: ServeApi) -> None:
    api = serve_api(ALLOWED_ORIGINS="https://desk.example")
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with api.client() as client:
        allowed = client.options("/ai/chat", headers={**asks, "Origin": "https://desk.example"})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://desk.example"
        assert "access-control-allow-credentials" not in allowed.headers
        refused = client.options("/ai/chat", headers={**asks, "Origin": "https://evil.example"})
        assert_problem(refused, 403, "forbidden")
        assert "access-control-allow-origin" not in refused.headers
        error = client.get("/ai/models", headers={"Origin": "https://desk.example"})
        assert error.headers["access-control-allow-origin"] == "https://desk.example"


def test_no_origin_is_allowed_unless_it_is_named(api: Api) -> None:
    asks = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
    answer = httpx2.options(f"{api.base_url}/ai/chat", headers=asks)
    assert_problem(answer, 405, "method_not_allowed")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/init.js"])
def test_the_docs_are_open_where_only_this_machine_can_ask(api: Api, path: str) -> None:
    assert httpx2.get(api.base_url + path).status_code == 200


@pytest.mark.parametrize("environ", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "https://assay.example"}])
def test_elsewhere_the_docs_are_for_who_is_signed_in(serve_api: ServeApi, environ: dict[str, str]) -> None:
    api = serve_api(**environ)
    session = _session(api)
    for path in ("/openapi.json", "/docs", "/docs/init.js", "/docs/swagger-ui.css"):
        assert_problem(httpx2.get(api.base_url + path), 401, "unauthenticated")
        assert httpx2.get(api.base_url + path, cookies={COOKIE: "wrong"}).status_code == 401
        assert httpx2.get(api.base_url + path, cookies={COOKIE: session}).status_code == 200
        token = api.token(api.member("ann"))
        assert httpx2.get(api.base_url + path, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def _routes(api: Api) -> list[tuple[str, str]]:
    """Every method of every route that is served, those that the document does not name included."""
    routes = served(create_api(Entrance.of(api.workbench)).routes)
    return [(method, f"/api{route.path}") for route in routes for method in route.methods or ()]


def _session(api: Api) -> str:
    principal = api.member("sam", password="correct horse battery")
    accounts = api.workbench.accounts
    ticket = accounts.sign_in(principal.email, "correct horse battery", address="127.0.0.1")
    return accounts.redeem_ticket(ticket, address="127.0.0.1", agent="test")
