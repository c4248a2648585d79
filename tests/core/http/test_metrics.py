"""`GET /metrics` over real sockets: who may read it, what it counts, and that no caller makes up labels."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psycopg
import pytest
import streamlit
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from core import workbench as workbench_module
from core.http.server import Shell
from core.settings import ROOT, VERSION
from core.workbench import open_workbench
from tests.conftest import StartApp, make_settings, member_factory
from tests.core.http.asgi_server import serving
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem, eventually
from tests.core.http.page_socket import page_socket
from tests.fakes.chat_server import ChatServer, Reply

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
ICON = ROOT / "pages" / "assets" / "favicon.png"
ELSEWHERE = "203.0.113.9"
TOKEN = "a-token-of-the-operator"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
Serve = Callable[..., Api]


@pytest.fixture
def serve(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves all that stands around the pages, to a peer of that address: `serve(peer="192.0.2.1", HOST="0.0.0.0")`."""
    with ExitStack() as stack:

        def start(*, peer: str | None = None, **environ: str) -> Api:
            settings = make_settings(database_url, tmp_path, **environ)
            bench = open_workbench(settings)
            monkeypatch.setattr(workbench_module, "_current", bench)
            shell = Shell(settings, index_html=INDEX, icon=ICON)
            pages = [WebSocketRoute("/_stcore/stream", _socket), Route("/{rest:path}", _page, methods=["GET", "POST"])]
            app = Starlette(routes=[*shell.routes, *pages], middleware=shell.middleware, lifespan=shell.lifespan)
            base_url = stack.enter_context(serving(app if peer is None else _from(peer, app)))
            return Api(f"{base_url}/api", bench, member_factory(bench))

        yield start


@pytest.fixture
def live(serve: Serve, chat_server: ChatServer) -> Api:
    """One whose OpenAI is the scripted server."""
    return serve(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url)


def _from(peer: str, app: ASGIApp) -> ASGIApp:
    async def serve_peer(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": (peer, 50_000)} if "client" in scope else scope, receive, send)

    return serve_peer


async def _page(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("a page")


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


def _get(api: Api, *, method: str = "GET", **headers: str | bytes) -> httpx2.Response:
    named = [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    return httpx2.request(method, f"{_host(api)}/metrics", headers=named, timeout=20)


def _host(api: Api) -> str:
    return api.base_url.removesuffix("/api")


def _samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def _value(samples: Samples, name: str, **labels: str) -> float | None:
    """The sum of the samples of that name that bear these labels; None where there is none."""
    found = [value for (of, given), value in samples.items() if of == name and labels.items() <= given]
    return sum(found) if found else None


def _read(api: Api, name: str, **labels: str) -> float | None:
    return _value(_samples(_get(api).text), name, **labels)


def test_a_reader_on_this_machine_gets_text_that_prometheus_reads(serve: Serve) -> None:
    answer = _get(serve())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    samples = _samples(answer.text)
    assert _value(samples, "assay_build_info", version=VERSION) == 1
    assert _value(samples, "assay_database_up") == 1
    assert _value(samples, "assay_holds_open") == 0
    assert _value(samples, "assay_database_connections_in_use", pool="app") == 0
    assert _value(samples, "process_resident_memory_bytes")
    names = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("_created")]


def test_calls_tokens_cost_and_times_are_counted_as_they_end(live: Api, chat_server: ChatServer) -> None:
    with live.client(live.member("basic", plan="basic")) as basic:
        first = basic.post("/ai/chat", json={"message": QUESTION, "model": MODEL}).json()
        chat_server.script.append(Reply(status=400))
        failed = basic.post("/ai/chat", json={"message": "What is beta?", "model": MODEL})
        again = basic.post("/ai/completions", json={"prompt": QUESTION, "model": MODEL}).json()
        cached = basic.post("/ai/completions", json={"prompt": QUESTION, "model": MODEL}).json()
    assert failed.status_code >= 400
    assert (again["cached"], cached["cached"]) == (False, True)
    samples = _samples(_get(live).text)
    of_model = {"provider": "openai", "model": MODEL}
    assert _value(samples, "assay_ai_calls_total", **of_model, channel="api", outcome="success") == 2
    assert _value(samples, "assay_ai_calls_total", **of_model, channel="api", outcome="failed") == 1
    tokens = first["usage"]["completion_tokens"] + again["usage"]["completion_tokens"]
    assert _value(samples, "assay_ai_tokens_total", **of_model, direction="completion") == tokens
    charged = float(first["cost_usd"]) + float(again["cost_usd"])
    assert charged > 0
    assert _value(samples, "assay_ai_charged_usd_total", **of_model) == pytest.approx(charged)
    assert _value(samples, "assay_ai_cost_usd_total", **of_model) == pytest.approx(charged)
    assert _value(samples, "assay_ai_call_seconds_count", **of_model) == 2
    assert _value(samples, "assay_ai_first_token_seconds_count", **of_model) == 2
    assert _value(samples, "assay_ai_cached_answers_total", channel="api") == 1
    ok = {"application": "api", "method": "POST", "status": "2xx"}
    assert _value(samples, "assay_http_requests_total", route="/api/ai/completions", **ok) == 2
    assert _value(samples, "assay_http_request_seconds_count", application="api", route="/api/ai/chat") == 2


def test_a_denial_is_counted_by_its_limit(serve: Serve) -> None:
    api = serve()
    with api.client(api.member("free")) as free:
        statuses = [free.post("/ai/chat", json={"message": f"What is beta {n}?"}).status_code for n in range(11)]
    assert statuses == [200] * 10 + [429]
    assert _read(api, "assay_ai_denials_total", metric="chat_queries_day", code="quota_exceeded") == 1
    assert _read(api, "assay_http_requests_total", route="/api/ai/chat", status="4xx") == 1


def test_nothing_in_it_says_who_asked_or_what(live: Api) -> None:
    ann = live.member("ann", plan="basic", org="Very Secret Fund")
    with live.client(ann) as client:
        client.post("/ai/chat", json={"message": QUESTION, "model": MODEL})
        client.get(f"/ai/conversations/{ann.user_id}", headers={"X-Request-Id": "a-number"})
        secret = client.headers["authorization"].split()[1]
    text = _get(live).text
    for word in (ann.email, ann.org_name, str(ann.org_id), str(ann.user_id), secret, QUESTION, "127.0.0.1", "sk-test"):
        assert word not in text


def test_made_up_paths_methods_and_models_make_no_labels(serve: Serve) -> None:
    api = serve()
    with httpx2.Client(base_url=_host(api), timeout=20) as stranger:

        def knock(number: int) -> None:
            for folder in ("/api/", "/v1/", "/auth/", "/", "/_stcore/", "/static/", "/api/ai/conversations/"):
                stranger.get(f"{folder}made-up-{number}")
            stranger.request(("PROPFIND", "TRACE", "REPORT")[number % 3], "/api/health")
            stranger.post("/v1/chat/completions", json={"model": f"made-up-{number}", "messages": []})

        knock(1)
        _get(api)
        series = len(_samples(_get(api).text))
        for number in range(2, 30):
            knock(number)
    text = _get(api).text
    assert len(_samples(text)) == series
    assert "made-up" not in text
    assert "PROPFIND" not in text
    assert _read(api, "assay_http_requests_total", application="api", method="other", route="/api/health") == 29
    assert _read(api, "assay_http_requests_total", application="pages", route="page", status="2xx") == 29


def test_open_sockets_of_pages_are_counted_while_they_are_open(serve: Serve) -> None:
    api = serve()
    address = f"{_host(api).replace('http', 'ws', 1)}/_stcore/stream"
    with connect(address), connect(address):
        assert _read(api, "assay_websockets_open") == 2
    eventually(lambda: _read(api, "assay_websockets_open") == 0)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_is_this_machine(serve: Serve, peer: str) -> None:
    assert _get(serve(peer=peer, HOST="0.0.0.0")).status_code == 200


@pytest.mark.parametrize("peer", [ELSEWHERE, "10.0.0.1", "::ffff:203.0.113.9", "2001:db8::1", "not an address", ""])
def test_a_peer_from_elsewhere_needs_the_token(serve: Serve, peer: str) -> None:
    api = serve(peer=peer, HOST="0.0.0.0", METRICS_TOKEN=TOKEN)
    assert _get(api, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert _get(api, Authorization=f"bearer {TOKEN}").status_code == 200
    answers = [
        _get(api),
        _get(api, Authorization=f"Bearer {TOKEN}x"),
        _get(api, Authorization=f"Bearer {TOKEN[:-1]}"),
        _get(api, Authorization=f"Basic {TOKEN}"),
        _get(api, Authorization=TOKEN),
        _get(api, Authorization="Bearer"),
        _get(api, Authorization="Bearer ÿ".encode()),
        _get(api, X_Forwarded_For="127.0.0.1"),
        _get(api, Host="127.0.0.1"),
        _get(api, method="POST"),
    ]
    problems = [assert_problem(answer, 401, "unauthenticated") for answer in answers]
    assert len({str(problem) for problem in problems}) == 1
    assert not [answer for answer in answers if "assay_" in answer.text]


def test_two_authorizations_are_none(serve: Serve) -> None:
    api = serve(peer=ELSEWHERE, HOST="0.0.0.0", METRICS_TOKEN=TOKEN)
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer another")]
    assert_problem(httpx2.get(f"{_host(api)}/metrics", headers=headers), 401, "unauthenticated")


def test_without_a_token_of_the_operator_nobody_elsewhere_reads_it(serve: Serve) -> None:
    api = serve(peer=ELSEWHERE, HOST="0.0.0.0")
    token = api.token(api.member("ann"))
    for given in ("Bearer", "Bearer None", f"Bearer {token}"):
        assert_problem(_get(api, Authorization=given), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
    ],
)
def test_what_a_proxy_of_this_machine_passes_on_is_from_elsewhere(serve: Serve, name: str, value: str) -> None:
    api = serve(HOST="0.0.0.0", METRICS_TOKEN=TOKEN)
    assert_problem(_get(api, **{name: value}), 401, "unauthenticated")
    assert _get(api, **{name: value, "Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_proxy_that_says_nothing_of_itself_is_known_by_the_public_name(serve: Serve) -> None:
    api = serve(HOST="0.0.0.0", PUBLIC_URL="https://assay.example.com", METRICS_TOKEN=TOKEN)
    assert_problem(_get(api), 401, "unauthenticated")
    assert_problem(_get(api, Host="assay.example.com"), 401, "unauthenticated")
    assert _get(api, Host="assay.example.com", Authorization=f"Bearer {TOKEN}").status_code == 200


def test_whoever_guesses_too_often_waits_and_does_not_learn_the_token(serve: Serve) -> None:
    api = serve(peer=ELSEWHERE, HOST="0.0.0.0", METRICS_TOKEN=TOKEN, RATE_PER_ADDRESS="3")
    for number in range(3):
        assert_problem(_get(api, Authorization=f"Bearer {number}"), 401, "unauthenticated")
    for given in ("4", TOKEN):
        refused = _get(api, Authorization=f"Bearer {given}")
        assert_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_it_is_read_and_nothing_else(serve: Serve) -> None:
    api = serve()
    head = _get(api, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = _get(api, method=method)
        assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == "GET, HEAD"
    assert httpx2.get(f"{_host(api)}/_stcore/metrics").status_code == 404


def test_without_the_database_its_figures_are_absent_and_the_rest_is_told(
    serve: Serve, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.ops.database_figures.FRESH_S", 0.0)
    api = serve()
    database = api.workbench.settings.database_url
    assert database is not None
    name = database.get_secret_value().rsplit("/", 1)[1].partition("?")[0]
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        samples = _samples(_get(api).text)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    assert _value(samples, "assay_database_up") == 0
    assert [_value(samples, f"assay_{gauge}") for gauge in ("holds_open", "holds_overdue", "calls_unresolved")] == [
        None,
        None,
        None,
    ]
    assert _value(samples, "assay_build_info") == 1
    eventually(lambda: _read(api, "assay_database_up") == 1)


def test_a_database_that_hangs_is_not_waited_for(
    serve: Serve, owner: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.ops.database_figures.WITHIN_S", 0.2)
    api = serve()
    with owner.transaction():
        owner.execute("LOCK TABLE holds IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        assert [_read(api, "assay_database_up") for _ in range(5)] == [0] * 5
        assert time.monotonic() - begun < 1.4
    eventually(lambda: _read(api, "assay_database_up") == 1, within_s=10)


@pytest.mark.slow
def test_the_process_as_it_is_served_tells_its_figures(cold_app: StartApp) -> None:
    app = cold_app(ASSAY_DEMO="0", METRICS_TOKEN=TOKEN)
    host = app.base_url
    httpx2.get(f"{host}/usage")
    httpx2.get(f"{host}/static/no-such-file.js")
    with page_socket(host):
        samples = _samples(httpx2.get(f"{host}/metrics", timeout=20).text)
    assert _value(samples, "assay_websockets_open") == 1
    assert _value(samples, "assay_http_requests_total", application="api", route="/api/health", status="2xx") == 1
    assert _value(samples, "assay_http_requests_total", application="pages", route="page", status="2xx") == 2
    assert _value(samples, "assay_http_requests_total", application="pages", route="/static/…") == 1
    own = _own_address()
    if own is not None:  # whoever comes by another address of this machine is refused before anything is asked
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://{own}:{host.rsplit(':', 1)[1]}/metrics")


def _own_address() -> str | None:
    """An address of this machine that is not loopback; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address
