"""The headers of every answer, the content policy, and who may knock: over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from core.http.host_guard import HostGuard, is_known_host, is_own_origin
from core.http.security import SecurityHeaders, content_policy
from core.settings import Settings
from tests.core.http.asgi_server import serving

INDEX = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
LOCAL = Settings.model_validate({})
PUBLIC = Settings.model_validate({"host": "0.0.0.0", "public_url": "https://assay.example.com"})


async def _echo(request: Request) -> JSONResponse:
    return JSONResponse({"seen": request.headers.getlist("x-request-id"), "state": request.state.request_id})


async def _fail(_request: Request) -> PlainTextResponse:
    raise RuntimeError("a secret of the inside")


async def _cacheable(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("", headers={"Cache-Control": "max-age=3600", "Content-Security-Policy": "sandbox"})


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def _application(settings: Settings) -> Starlette:
    return Starlette(
        routes=[
            Route("/api/echo", _echo),
            Route("/api/packages", _cacheable),
            Route("/page", _echo),
            Route("/fail", _fail),
            WebSocketRoute("/socket", _socket),
        ],
        middleware=[
            Middleware(SecurityHeaders, settings=settings, index_html=INDEX),
            Middleware(HostGuard, settings=settings),
        ],
    )


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    with serving(_application(LOCAL)) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def public() -> Iterator[str]:
    with serving(_application(PUBLIC)) as base_url:
        yield base_url


@pytest.mark.parametrize("path", ["/api/echo", "/page", "/nowhere", "/fail", "/_stcore/metrics"])
def test_every_answer_is_protected(local: str, path: str) -> None:
    headers = httpx2.get(local + path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert len(headers["x-request-id"]) == 32
    assert "strict-transport-security" not in headers


def test_a_refused_host_is_protected_too(local: str) -> None:
    answer = httpx2.get(f"{local}/page", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "content-security-policy" in answer.headers


def test_https_is_insisted_on_when_users_come_by_https(public: str) -> None:
    headers = httpx2.get(f"{public}/page", headers={"Host": "assay.example.com"}).headers
    assert headers["strict-transport-security"].startswith("max-age=31536000")


def test_a_request_id_from_outside_is_replaced(local: str) -> None:
    answer = httpx2.get(f"{local}/page", headers={"X-Request-Id": "forged"})
    number = answer.headers["x-request-id"]
    assert number != "forged"
    assert answer.json() == {"seen": [number], "state": number}
    assert httpx2.get(f"{local}/page").headers["x-request-id"] != number


def test_answers_for_one_caller_are_not_kept(local: str) -> None:
    assert httpx2.get(f"{local}/api/echo").headers["cache-control"] == "no-store"
    assert "cache-control" not in httpx2.get(f"{local}/page").headers


def test_a_route_that_knows_better_keeps_its_own_policy_and_lifetime(local: str) -> None:
    headers = httpx2.get(f"{local}/api/packages").headers
    assert headers["cache-control"] == "max-age=3600"
    assert headers["content-security-policy"] == "sandbox"


def test_a_failure_shows_a_reference_and_nothing_of_the_inside(local: str) -> None:
    answer = httpx2.get(f"{local}/fail")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_the_servers_own_figures_are_closed(local: str) -> None:
    assert httpx2.get(f"{local}/_stcore/metrics").status_code == 404


def test_the_policy_allows_the_inline_script_of_the_index_and_no_other() -> None:
    policy = content_policy("<script>alert(1)</script><script src='a.js'></script>")
    # printf 'alert(1)' | openssl dgst -sha256 -binary | base64
    assert "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert content_policy(INDEX).count("'sha256-") == 1


def test_the_policy_hashes_lines_as_browsers_read_them() -> None:
    assert content_policy("<script>a\r\nb</script>") == content_policy("<script>a\nb</script>")


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST", "localhost."])
def test_a_local_workbench_answers_to_its_machine(host: str) -> None:
    assert is_known_host(host, LOCAL)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5",
        "a@localhost",
        "localhost/x",
        "localhost:x",
        "127.0.0.1:99999",
    ],
)
def test_a_local_workbench_answers_to_nothing_else(host: str) -> None:
    assert not is_known_host(host, LOCAL)


@pytest.mark.parametrize("host", ["assay.example.com", "ASSAY.example.com:443", "10.0.0.7:8501", "localhost"])
def test_a_public_workbench_answers_to_its_name_and_to_bare_addresses(host: str) -> None:
    assert is_known_host(host, PUBLIC)


def test_a_public_workbench_refuses_another_name() -> None:
    assert not is_known_host("rebound.example.com", PUBLIC)


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("https://assay.example.com", True),
        ("http://assay.example.com", False),
        ("https://evil.example", False),
        ("https://assay.example.com.evil.example", False),
        ("null", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_an_origin_is_ours_by_scheme_and_name(origin: str, is_own: bool) -> None:
    assert is_own_origin(origin, "assay.example.com", PUBLIC) is is_own


def test_another_port_of_the_same_machine_is_another_origin() -> None:
    assert not is_own_origin("http://127.0.0.1:3000", "127.0.0.1:8501", LOCAL)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3000", "null"])
def test_a_socket_of_a_foreign_page_is_refused(local: str, origin: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(f"{local.replace('http', 'ws')}/socket", origin=Origin(origin)),
    ):
        pass
    assert refusal.value.response.status_code == 403
    assert "x-request-id" in refusal.value.response.headers


def test_a_socket_that_names_a_second_host_is_refused(local: str) -> None:
    address = f"{local.replace('http', 'ws')}/socket"
    with (
        pytest.raises(InvalidStatus) as refusal,
        connect(address, additional_headers={"Host": "evil.example"}),
    ):
        pass
    assert refusal.value.response.status_code == 421


def test_a_socket_of_our_own_page_opens(local: str) -> None:
    with connect(f"{local.replace('http', 'ws')}/socket", origin=Origin(local)):
        pass
