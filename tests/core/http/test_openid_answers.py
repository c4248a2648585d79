"""What stays in a browser of a provider's answer, and where a failed sign-in leads; over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from core.accounts.accounts import Accounts
from core.http.openid_answers import OpenIdAnswers, OwnAuth, is_openid_cookie
from core.http.problems import problem_response
from core.http.session_routes import session_routes
from core.settings import SESSION_COOKIE, Settings
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.http.asgi_server import serving

MONTH_S = 30 * 86_400
PASSWORD = "correct horse battery"
LEFT_BEHIND = {"_streamlit_user": "chunks-2", "_streamlit_user_1": "a", "_streamlit_user_2": "b", "theme": "dark"}


async def _callback(request: Request) -> Response:
    """As Streamlit answers: claims in pieces and tokens where it trusts the provider, nothing where it does not."""
    response = RedirectResponse("/", status_code=302)
    if request.query_params.get("code") == "right":
        for name in ("_streamlit_user", "_streamlit_user_1", "_streamlit_user_tokens", "_streamlit_user_tokens_1"):
            response.set_cookie(name, "signed", httponly=True, samesite="lax", max_age=MONTH_S)
    else:
        response.delete_cookie("_streamlit_user")
    response.set_cookie("_streamlit_session", "state", max_age=MONTH_S)
    return response


async def _login(request: Request) -> Response:
    answers: dict[str, Response] = {
        "up": RedirectResponse("https://id.example.com/authorize", status_code=302),
        "down": PlainTextResponse("Authentication error", status_code=400),
        "late": RedirectResponse("/", status_code=302),
    }
    return answers[request.query_params["provider"]]


def _application(settings: Settings) -> Starlette:
    return Starlette(
        routes=[
            OwnAuth(
                "/auth", routes=[Route("/{rest:path}", lambda _request: Response("ours", 404), methods=["GET", "POST"])]
            ),
            Route("/auth/login", _login),
            Route("/oauth2callback", _callback),
        ],
        middleware=[Middleware(OpenIdAnswers, settings=settings)],
    )


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    settings = Settings.model_validate({"sign_in_attempts": 3, "public_url": "https://assay.example.com"})
    with serving(_application(settings)) as base_url, httpx2.Client(base_url=base_url) as client:
        yield client


def test_the_claims_stay_for_minutes_and_the_tokens_not_at_all(client: httpx2.Client) -> None:
    answer = client.get("/oauth2callback", params={"code": "right"})
    assert answer.headers["location"] == "/"
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == [
        "_streamlit_user",
        "_streamlit_user_1",
        "_streamlit_session",
    ]
    assert all("Max-Age=600" in cookie for cookie in cookies[:2])
    assert all(cookie.endswith("; Secure") for cookie in cookies)


def test_without_https_no_cookie_is_secure() -> None:
    with serving(_application(Settings())) as base_url:
        answer = httpx2.get(f"{base_url}/oauth2callback", params={"code": "right"})
    assert not any("secure" in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("code=wrong", "failed"),
        ("", "failed"),
        ("error=access_denied", "cancelled"),
        ("error=access_denied&error=x", "failed"),
        ("error=%ff", "failed"),
    ],
)
def test_a_sign_in_that_opened_nothing_says_so_to_the_start_page(
    client: httpx2.Client, query: str, outcome: str
) -> None:
    answer = client.get(f"/oauth2callback?{query}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/?sign-in={outcome}")


def test_the_way_to_the_provider_is_open_and_its_failures_lead_back(client: httpx2.Client) -> None:
    led = [client.get("/auth/login", params={"provider": name}).headers["location"] for name in ("up", "down", "late")]
    assert led == ["https://id.example.com/authorize", "/?sign-in=unreachable", "/?sign-in=failed"]


def test_one_address_begins_so_many_sign_ins_a_minute(client: httpx2.Client) -> None:
    led = [client.get("/auth/login", params={"provider": "up"}).headers["location"] for _ in range(4)]
    assert led[2:] == ["https://id.example.com/authorize", "/?sign-in=busy"]


@pytest.mark.parametrize(
    ("left", "returned"),
    [
        ("https://assay.example.com/usage?period=month", "/usage"),
        ("https://assay.example.com/", "/"),
        ("https://assay.example.com//evil.example", "/"),
        ("https://assay.example.com/\\evil.example", "/"),
        ("https://assay.example.com/api/docs", "/"),
        ("http://[bad", "/"),
        ("", "/"),
    ],
)
def test_who_left_a_page_comes_back_to_it_and_to_nothing_else(client: httpx2.Client, left: str, returned: str) -> None:
    led = client.get("/auth/login", params={"provider": "up"}, headers={"Referer": left})
    cookie = led.headers["set-cookie"]
    assert {"HttpOnly", "Path=/oauth2callback", "Max-Age=600", "Secure"} <= set(cookie.split("; "))
    brought = {"Cookie": cookie.partition(";")[0]}
    assert client.get("/oauth2callback?code=right", headers=brought).headers["location"] == returned
    assert client.get("/oauth2callback?code=wrong", headers=brought).headers["location"] == "/?sign-in=failed"


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/a/b", "/x\\015\\012A: b", "/é"])
def test_a_forged_page_leads_to_the_start_page(client: httpx2.Client, page: str) -> None:
    cookie = [(b"Cookie", f'assay_page="{page}"'.encode("latin-1", "backslashreplace"))]
    assert client.get("/oauth2callback?code=right", headers=cookie).headers["location"] == "/"


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/login/", "/auth/login/x", "/auth/session"])
def test_all_else_below_auth_is_ours(client: httpx2.Client, path: str) -> None:
    assert client.get(path).text == "ours"


def test_only_a_get_of_the_way_to_the_provider_is_streamlits(client: httpx2.Client) -> None:
    assert client.post("/auth/login").status_code == 404


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("_streamlit_user", True),
        ("_streamlit_user_12", True),
        ("_streamlit_user_tokens", True),
        ("_streamlit_user_tokens_1", True),
        ("_streamlit_users", False),
        ("_streamlit_user_x", False),
        ("_streamlit_session", False),
    ],
)
def test_which_cookies_hold_a_providers_answer(name: str, is_one: bool) -> None:
    assert is_openid_cookie(name) is is_one


@pytest.fixture
def accounts(workbench: Workbench, member: MakeMember) -> Accounts:
    member("ann", password=PASSWORD)
    return workbench.accounts


@pytest.fixture
def own_client(accounts: Accounts) -> Iterator[httpx2.Client]:
    """A browser with a provider's answer in three pieces, and a cookie that is none."""
    mount = Mount("/auth", routes=session_routes(Settings(), accounts, problem_response))
    with serving(Starlette(routes=[mount])) as base_url:
        cookies = "; ".join(f"{name}={value}" for name, value in LEFT_BEHIND.items())
        with httpx2.Client(base_url=base_url, headers={"Origin": base_url, "Cookie": cookies}) as client:
            yield client


def _dropped(answer: httpx2.Response) -> list[str]:
    return [value.partition("=")[0] for value in answer.headers.get_list("set-cookie") if "Max-Age=0" in value]


def test_a_session_of_ours_takes_the_place_of_the_providers_answer(
    own_client: httpx2.Client, accounts: Accounts
) -> None:
    ticket = accounts.sign_in("ann@test.example", PASSWORD, address="127.0.0.1")
    answer = own_client.post("/auth/session", json={"ticket": ticket})
    assert _dropped(answer) == ["_streamlit_user", "_streamlit_user_1", "_streamlit_user_2"]
    assert SESSION_COOKIE in answer.headers["set-cookie"]


def test_an_answer_that_opened_nothing_is_dropped(own_client: httpx2.Client) -> None:
    answer = own_client.post("/auth/forget-openid")
    assert answer.status_code == 204
    assert _dropped(answer) == ["_streamlit_user", "_streamlit_user_1", "_streamlit_user_2"]


def test_another_site_cannot_drop_it(own_client: httpx2.Client) -> None:
    assert own_client.post("/auth/forget-openid", headers={"Origin": "https://evil.example"}).status_code == 403
    assert own_client.get("/auth/forget-openid").status_code == 405
