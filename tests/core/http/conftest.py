"""The API on a socket: under its mount, with the headers around it, on a workbench of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from core.http.api import create_api
from core.http.entrance import Entrance
from core.http.security import SecurityHeaders
from core.http.session_routes import create_auth
from core.http.v1.app import create_v1
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings, member_factory
from tests.core.http.asgi_server import serving
from tests.fakes.chat_server import ChatServer

MODEL = "gpt-4o-mini"
QUESTION = "What is portfolio diversification?"


@dataclass(frozen=True)
class Api:
    """A served API, and what stands behind it."""

    base_url: str
    workbench: Workbench
    member: MakeMember

    def token(self, principal: Principal) -> str:
        """A new access token of a member."""
        return self.workbench.directory.create_token(principal.email, org_name=principal.org_name)

    def client(self, principal: Principal | None = None) -> httpx2.Client:
        """A client that bears a token of the member, or none."""
        headers = {"Authorization": f"Bearer {self.token(principal)}"} if principal else {}
        return httpx2.Client(base_url=self.base_url, headers=headers, timeout=20)

    @property
    def v1_url(self) -> str:
        """Where clients of OpenAI find it."""
        return f"{self.base_url.removesuffix('/api')}/v1"


ServeApi = Callable[..., Api]


@contextmanager
def serving_api(workbench: Workbench) -> Iterator[Api]:
    """The API of a workbench in both wire formats, as the process serves it."""
    entrance = Entrance.of(workbench)
    application = Starlette(
        routes=[
            Mount("/api", create_api(entrance)),
            Mount("/v1", create_v1(entrance)),
            Mount("/auth", create_auth(entrance)),
        ],
        middleware=[Middleware(SecurityHeaders, settings=workbench.settings, index_html="<html></html>")],
    )
    with serving(application) as base_url:
        yield Api(f"{base_url}/api", workbench, member_factory(workbench))


@pytest.fixture
def serve_api(database_url: str, tmp_path: Path) -> Iterator[ServeApi]:
    """Serves the API under settings of the test's own: `serve_api(RATE_PER_ADDRESS="3")`."""
    with ExitStack() as stack:

        def serve(**environ: str) -> Api:
            opened = stack.enter_context(closing(open_workbench(make_settings(database_url, tmp_path, **environ))))
            return stack.enter_context(serving_api(opened))

        yield serve


@pytest.fixture
def api(serve_api: ServeApi) -> Api:
    """The API where only the offline provider is live."""
    return serve_api()


@pytest.fixture
def live_api(serve_api: ServeApi, chat_server: ChatServer) -> Api:
    """The API whose OpenAI is the scripted server, with short time limits."""
    return serve_api(
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=chat_server.base_url,
        FIRST_TOKEN_TIMEOUT_S="1",
        TOKEN_GAP_TIMEOUT_S="1",
        TOTAL_TIMEOUT_S="5",
    )


@pytest.fixture
def ann(api: Api) -> Iterator[httpx2.Client]:
    """A client of a member on the free plan."""
    with api.client(api.member("ann")) as client:
        yield client


@pytest.fixture
def basic(live_api: Api) -> Iterator[httpx2.Client]:
    """A client of a member on the basic plan, where OpenAI is live."""
    with live_api.client(live_api.member("basic", plan="basic")) as client:
        yield client


@pytest.fixture
def free(live_api: Api) -> Iterator[httpx2.Client]:
    """A client of a member on the free plan, where OpenAI is live."""
    with live_api.client(live_api.member("free")) as client:
        yield client


@pytest.fixture
def basic_member(live_api: Api) -> Principal:
    """A member on the basic plan, where OpenAI is live."""
    return live_api.member("basic", plan="basic")


@pytest.fixture
def openai_client(live_api: Api, basic_member: Principal) -> Iterator[openai.OpenAI]:
    """The official client of that member: two lines are changed, base URL and key."""
    with openai.OpenAI(base_url=live_api.v1_url, api_key=live_api.token(basic_member), max_retries=0) as client:
        yield client


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    """Checks that an answer is this problem document, in one sentence, and gives its members."""
    problem: dict[str, object] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(problem)
    assert problem["status"] == status
    assert "Traceback" not in answer.text
    assert len(answer.headers["x-request-id"]) == 32
    return problem


def served(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Every route among these, those of routers that were included too."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from served(router.routes)


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    """Waits until something holds that another thread brings about."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
