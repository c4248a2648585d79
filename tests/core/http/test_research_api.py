"""`/api/portfolios/{id}/research`: three chat queries for all, nothing for a look, and errors as the house has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.principal import Role
from core.workbench import Workbench
from tests.core.http.conftest import Api, assert_problem, serving_api
from tests.core.market.vendor_server import VendorServer
from tests.core.research.bundles_made import PartServer, live_bench, portfolio, symbols_of


@pytest.fixture
def server() -> Iterator[PartServer]:
    """A provider that answers the questions of bundles."""
    with PartServer() as given:
        yield given


@pytest.fixture
def api(database_url: str, tmp_path: Path, server: PartServer) -> Iterator[Api]:
    """The API over it, and over local sources."""
    with ExitStack() as stack:
        bench = stack.enter_context(live_bench(database_url, tmp_path, server, stack.enter_context(VendorServer())))
        yield stack.enter_context(serving_api(bench))


def address(
    bench: Workbench, api: Api, name: str = "ann", plan: str = "free", count: int = 2
) -> tuple[httpx2.Client, str]:
    ann = api.member(name, plan=plan)
    return api.client(ann), f"/portfolios/{portfolio(bench, ann, symbols_of(count))}/research"


def queries(client: httpx2.Client) -> int:
    return int(client.get("/user/usage").json()["usage"]["daily"]["chatQueries"]["used"])


def made(client: httpx2.Client, path: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        told = client.get(path).json()
        if all(part["state"] != "making" for part in told["parts"]):
            return dict(told)
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_bundle_is_begun_looked_at_and_asked(api: Api, server: PartServer) -> None:
    client, path = address(api.workbench, api)
    with client:
        before = client.get(path).json()
        assert (before["needs"], before["held"], before["items"]) == (3, ["S000", "S001"], [])
        begun = client.post(path, json={}, headers={"Idempotency-Key": "k"})
        assert (begun.status_code, begun.json()["needs"]) == (202, 0)
        assert begun.headers["X-Quota-Metric"] == "chat_queries_day"
        told = made(client, path)
        assert [part["state"] for part in told["parts"]] == ["ready"] * 3
        assert {item["kind"] for item in told["items"]} == {"news", "filing", "sentiment"}
        assert all(item["at"].endswith("Z") for item in told["items"])
        assert (queries(client), server.calls) == (3, 3)
        again = client.post(path, json={}, headers={"Idempotency-Key": "k"})
        assert (again.status_code, queries(client)) == (202, 3)
        free = client.post(f"{path}/ask", json={"kind": "sentiment", "symbol": "S001"})
        assert (free.json()["free"], free.json()["of_bundle"], free.json()["items"][0]["tone"]) == (
            True,
            True,
            "positive",
        )
        assert (free.headers["X-Cache"], free.headers["X-Quota-Remaining"]) == ("hit", "7")
        body, key = {"kind": "news", "symbol": "S005"}, {"Idempotency-Key": "other"}
        outside = client.post(f"{path}/ask", json=body, headers=key)
        assert (outside.json()["free"], queries(client), server.calls) == (False, 4, 4)
        replay = client.post(f"{path}/ask", json=body, headers=key)
        assert (replay.headers["Idempotency-Replayed"], replay.json()["text"]) == ("true", outside.json()["text"])
        assert (queries(client), server.calls) == (4, 4)


def test_what_cannot_be_is_a_problem_and_counts_nothing(api: Api) -> None:
    client, path = address(api.workbench, api)
    eve = api.client(api.member("eve", plan="team"))
    vic = api.client(api.member("vic", org="ann's organisation", role=Role.VIEWER))
    with client, eve, vic:
        for other in (eve, vic):
            assert_problem(other.get(path), 404, "not_found")
        assert_problem(eve.post(path, json={}), 404, "not_found")
        assert_problem(vic.post(path, json={}), 403, "forbidden")
        assert_problem(client.get("/portfolios/nonsense/research"), 404, "not_found")
        assert_problem(client.post(path, json={"parts": ["gossip"]}), 422, "invalid_request")
        assert_problem(client.post(path, json={"more": 1}), 422, "invalid_request")
        assert_problem(client.post(f"{path}/ask", json={"kind": "gossip", "symbol": "S000"}), 422, "invalid_request")
        assert_problem(client.post(f"{path}/ask", json={"kind": "news", "symbol": "NOBODY"}), 404, "not_found")
        assert queries(client) == 0


def test_a_member_with_two_queries_left_is_told_so_up_front(api: Api) -> None:
    client, path = address(api.workbench, api)
    with client:
        for number in range(8):
            client.post(f"{path}/ask", json={"kind": "news", "symbol": f"S{number + 20:03d}"})
        refused = client.post(path, json={})
        told = assert_problem(refused, 429, "quota_exceeded")
        assert (told["metric"], told["remaining"], told["limit"]) == ("chat_queries_day", 2, 10)
        assert int(refused.headers["Retry-After"]) > 0
        assert queries(client) == 8
