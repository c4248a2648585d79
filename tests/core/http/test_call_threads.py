"""Calls in line: a few do our own work at a time, and none that waits holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest

from core.http.context import in_thread
from core.principal import Principal
from tests.core.http.conftest import MODEL, Api
from tests.fakes.chat_server import ChatServer

Service = psycopg.Connection[tuple[object, ...]]


def test_calls_that_wait_for_a_slow_provider_run_side_by_side(live_api: Api, chat_server: ChatServer) -> None:
    chat_server.reply(hangs="first_token")
    member = live_api.member("ann", plan="team")
    with live_api.client(member) as client, ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(_ask, client, number) for number in range(12)]
        assert chat_server.wait_for(calls=12)
        live_api.workbench.gateway.close()
        assert {answer.result().status_code for answer in asked} == {503}


def test_an_organisation_whose_meter_is_locked_holds_up_no_other(
    live_api: Api, chat_server: ChatServer, service: Service
) -> None:
    stuck, other = live_api.member("ann", plan="team"), live_api.member("bob", plan="team")
    for member in (stuck, other):
        with live_api.client(member) as client:
            assert _ask(client, 0).status_code == 200
    with ThreadPoolExecutor(6) as pool, live_api.client(stuck) as waiting, live_api.client(other) as client:
        with service.transaction():
            _lock(service, stuck)
            asked = [pool.submit(_ask, waiting, number) for number in range(1, 7)]
            assert _ask(client, 7).status_code == 200
            assert not any(answer.done() for answer in asked)
        assert {answer.result().status_code for answer in asked} == {200}


def test_a_step_that_ends_with_stop_iteration_is_not_waited_for_for_ever() -> None:
    nothing: Iterator[None] = iter(())
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(asyncio.wait_for(in_thread(lambda: next(nothing), pool), 5))


def _ask(client: httpx2.Client, number: int) -> httpx2.Response:
    return client.post("/ai/completions", json={"prompt": f"What is risk, {number}?", "model": MODEL})


def _lock(service: Service, member: Principal) -> None:
    service.execute("SELECT 1 FROM org_meters WHERE org_id = %s FOR UPDATE", (member.org_id,))
