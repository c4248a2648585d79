"""Large requests: every item asked once by a worker, within its user's own limits, whatever becomes of the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.db import large_requests_dao as dao
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.books import audit
from core.metering.repeats import Idempotency
from core.ops.jobs import JobStatus
from core.principal import Principal, Role, Scope
from core.research.large_requests import JOB, KEPT, MAX_ITEMS, MAX_OPEN, LargeRequests, Parameters
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.research.large_made import MODEL, ended, large_of, working
from tests.core.research.large_process import STEPS
from tests.fakes.chat_server import ChatServer
from tests.fakes.jobs import finished

Service = psycopg.Connection[tuple[object, ...]]
HONEST_COST = Decimal("0.000021")
HONEST = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
LIVE = Parameters(model=MODEL, max_tokens=50)


@contextmanager
def opened(database_url: str, home: Path, server: ChatServer, **environ: str) -> Iterator[Workbench]:
    """A workbench with one live provider; the books balance at the end."""
    live = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url, "TOTAL_TIMEOUT_S": "20"}
    with closing(open_workbench(make_settings(database_url, home, **live, **environ))) as bench:
        yield bench
        assert audit(bench.database).differences == []


@pytest.fixture
def bench(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench in which nobody works yet."""
    chat_server.reply(usage=HONEST)
    with opened(database_url, tmp_path, chat_server) as made:
        yield made


@pytest.fixture
def large(bench: Workbench) -> LargeRequests:
    """Its large requests."""
    return large_of(bench)


@pytest.fixture
def ann(bench: Workbench) -> Principal:
    """An analyst who may ask a lot."""
    return member_factory(bench)("ann", plan="team", org="Acme")


def _prompts(number: int) -> list[str]:
    return [f"What is term {each} of the list?" for each in range(number)]


def _rows(service: Service, status: str = "success") -> int:
    row = service.execute("SELECT count(*) FROM usage_log WHERE status = %s", (status,)).fetchone()
    assert row is not None
    number = row[0]
    assert isinstance(number, int)
    return number


def _charged(service: Service) -> object:
    row = service.execute("SELECT coalesce(sum(charged_usd), 0) FROM usage_log").fetchone()
    assert row is not None
    return row[0]


def test_every_item_is_answered_in_its_place_and_charged_as_one_call(
    bench: Workbench, large: LargeRequests, ann: Principal, service: Service
) -> None:
    started = large.create(ann, "completion", _prompts(12), LIVE)
    assert (started.row.total, started.row.waiting, started.row.ended_at) == (12, 12, None)
    assert started.job_id is not None
    with working(bench):
        row = ended(large, ann, started.row.id)
        job = finished(bench.queue, bench.queue.find(started.job_id))
    assert (row.done, row.failed, row.waiting, row.running) == (12, 0, 0, 0)
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 12, 12)
    assert row.cost_usd == 12 * HONEST_COST == _charged(service)
    assert _rows(service) == 12
    whole, items = large.results(ann, row.id, after=2, most=3)
    assert whole.total == 12
    assert [(each.number, each.input) for each in items] == [
        (number, f"What is term {number - 1} of the list?") for number in (3, 4, 5)
    ]
    told = items[0].result
    assert told is not None
    assert (told["model"], told["state"], told["cached"]) == (MODEL, "complete", False)
    assert items[0].tries == 1


def test_texts_become_vectors(bench: Workbench, large: LargeRequests, ann: Principal) -> None:
    parameters = Parameters(model="text-embedding-3-small", dimensions=8)
    started = large.create(ann, "embedding", ["one", "two words", "one"], parameters)
    with working(bench):
        row = ended(large, ann, started.row.id)
    assert (row.done, row.failed) == (3, 0)
    _, items = large.results(ann, row.id)
    texts = [each.result["text"] for each in items if each.result]
    assert texts[0] == texts[2] != texts[1]


def test_an_item_that_fails_is_its_own_matter_and_is_asked_again_when_wanted(
    bench: Workbench, large: LargeRequests, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    prompts = [*_prompts(3), "x" * 60_000]
    started = large.create(ann, "completion", prompts, LIVE)
    chat_server.reply(status=400)
    with working(bench):
        row = ended(large, ann, started.row.id)
        assert (row.done, row.failed, row.cost_usd) == (0, 4, 0)
        _, items = large.results(ann, row.id, state="failed")
        assert [each.error_code for each in items] == ["invalid_request"] * 3 + ["prompt_rejected"]
        assert all(each.error for each in items)
        chat_server.reply(usage=HONEST)
        again = large.retry(ann, row.id)
        assert again.job_id is not None
        assert again.row.ended_at is None
        row = ended(large, ann, row.id)
    assert (row.done, row.failed, row.cost_usd) == (3, 1, 3 * HONEST_COST)
    assert _charged(service) == 3 * HONEST_COST
    assert large.retry(ann, row.id).row.waiting == 1


def test_a_quota_that_ends_stops_the_rest_with_its_code(
    bench: Workbench, large: LargeRequests, ann: Principal, service: Service, owner: Service
) -> None:
    owner.execute("UPDATE plan_limits SET requests_month = 5 WHERE plan = 'team'")
    started = large.create(ann, "completion", _prompts(12), LIVE)
    with working(bench):
        row = ended(large, ann, started.row.id)
    assert (row.done, row.failed) == (5, 7)
    _, items = large.results(ann, row.id, state="failed")
    assert {each.error_code for each in items} == {"quota_exceeded"}
    assert _charged(service) == 5 * HONEST_COST


def test_slots_that_are_taken_are_waited_for(
    bench: Workbench, large: LargeRequests, ann: Principal, owner: Service
) -> None:
    owner.execute("UPDATE plan_limits SET concurrent_requests = 1 WHERE plan = 'team'")
    started = large.create(ann, "completion", _prompts(8), LIVE)
    with working(bench):
        row = ended(large, ann, started.row.id)
    assert (row.done, row.failed) == (8, 0)


def test_a_minute_that_is_used_up_is_waited_for(
    bench: Workbench, large: LargeRequests, ann: Principal, owner: Service, move_time: MoveTime
) -> None:
    owner.execute("UPDATE plan_limits SET requests_minute = 4 WHERE plan = 'team'")
    started = large.create(ann, "completion", _prompts(6), LIVE)
    with working(bench):
        until = time.monotonic() + 30
        while large.get(ann, started.row.id).done < 4:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert large.get(ann, started.row.id).failed == 0
        large.delete(ann, started.row.id)
    with pytest.raises(NotFound):
        large.get(ann, started.row.id)


def test_a_long_request_leaves_its_place_and_goes_on(
    database_url: str, tmp_path: Path, chat_server: ChatServer
) -> None:
    chat_server.reply(usage=HONEST, delay_s=0.02)
    with opened(database_url, tmp_path, chat_server) as bench:
        large = large_of(bench, slice_s=0.3)
        ann = member_factory(bench)("ann", plan="team")
        started = large.create(ann, "completion", _prompts(30), LIVE)
        with working(bench):
            row = ended(large, ann, started.row.id)
        with bench.database.service() as connection:
            assert dao.left(connection, JOB, most=10) == []
    assert (row.done, row.failed) == (30, 0)


def test_a_request_that_is_deleted_is_asked_no_further(
    bench: Workbench, large: LargeRequests, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(usage=HONEST, delay_s=0.1)
    started = large.create(ann, "completion", _prompts(200), LIVE)
    assert started.job_id is not None
    with working(bench):
        until = time.monotonic() + 30
        while large.get(ann, started.row.id).done < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        large.delete(ann, started.row.id)
        job = finished(bench.queue, bench.queue.find(started.job_id))
    assert job.status is JobStatus.DONE
    assert _rows(service) < 30
    for step in (large.get, large.retry, large.delete):
        with pytest.raises(NotFound):
            step(ann, started.row.id)


def test_whoever_left_is_not_asked_for(
    bench: Workbench, large: LargeRequests, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    ben = member_factory(bench)("ben", plan="team", org="Acme", role=Role.ANALYST)
    started = large.create(ben, "completion", _prompts(3), LIVE)
    bench.members.remove(ann, ben.user_id)
    with working(bench):
        row = ended(large, ben, started.row.id)
    assert (row.done, row.failed) == (0, 3)
    assert chat_server.requests == []


@pytest.mark.parametrize(
    ("kind", "items", "parameters", "words"),
    [
        ("image", ["x"], {}, "completion or embedding"),
        ("completion", [], {}, "1 to 10,000 items; this one has 0"),
        ("completion", ["x"] * (MAX_ITEMS + 1), {}, "this one has 10,001"),
        ("completion", ["x", " "], {}, "Item 2 is not a text"),
        ("completion", ["x", 5], {}, "Item 2 is not a text"),
        ("completion", ["x", "a\x00"], {}, "Item 2 holds characters"),
        ("completion", ["x", "a\ud800"], {}, "Item 2 holds characters"),
        ("completion", ["x"], {"json_schema": {"type": 5}}, "not a valid JSON Schema"),
        ("completion", ["x"], {"max_tokens": 10_000_000}, "max_tokens is at most"),
    ],
    ids=range(9),
)
def test_what_cannot_be_asked_is_refused_at_once(
    large: LargeRequests, ann: Principal, kind: str, items: list[object], parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        large.create(ann, kind, items, replace(LIVE, **parameters))


def test_who_may_ask_what(bench: Workbench, large: LargeRequests, ann: Principal) -> None:
    started = large.create(ann, "completion", ["x"], LIVE)
    make = member_factory(bench)
    colleague, stranger = make("ben", plan="team", org="Acme", role=Role.ADMIN), make("eve")
    for who in (colleague, stranger):
        for step in (large.get, large.results, large.retry, large.delete):
            with pytest.raises(NotFound):
                step(who, started.row.id)
    for who in (replace(ann, role=Role.VIEWER), replace(ann, scopes=frozenset({Scope.READ}))):
        for change in (large.retry, large.delete):
            with pytest.raises(Forbidden):
                change(who, started.row.id)
        with pytest.raises(Forbidden):
            large.create(who, "completion", ["x"], LIVE)
        assert large.get(who, started.row.id).total == 1
    with pytest.raises(NotFound):
        large.create(ann, "completion", ["x"], Parameters(model="no-such-model"))


def test_a_key_takes_a_request_once(large: LargeRequests, ann: Principal) -> None:
    key = Idempotency("POST /api/ai/large-requests", "mine", b"one")
    first = large.create(ann, "completion", ["x"], LIVE, idempotency=key)
    again = large.create(ann, "completion", ["x"], LIVE, idempotency=key)
    assert (again.row.id, again.job_id) == (first.row.id, None)
    with pytest.raises(Conflict, match="Idempotency-Key"):
        large.create(ann, "completion", ["y"], LIVE, idempotency=replace(key, body_sha256=b"two"))


def test_a_user_has_so_many_at_once(large: LargeRequests, ann: Principal) -> None:
    for _ in range(MAX_OPEN):
        large.create(ann, "completion", ["x"], LIVE)
    with pytest.raises(Conflict, match="not at their end"):
        large.create(ann, "completion", ["x"], LIVE)


def test_what_nobody_is_at_is_taken_up_and_what_is_old_forgotten(
    bench: Workbench, large: LargeRequests, ann: Principal, move_time: MoveTime
) -> None:
    left = new_id()
    with bench.database.app(ann) as connection:
        dao.add(connection, dao.NewRequest(left, "completion", _parameters(), ["x"], None))
    taken = large.create(ann, "completion", ["y"], LIVE).row.id
    large.revive()
    with bench.database.service() as connection:
        assert dao.left(connection, JOB, most=10) == []
    with working(bench):
        assert ended(large, ann, left).done == 1
        ended(large, ann, taken)
    large.forget()
    assert large.get(ann, left).done == 1
    move_time(KEPT + timedelta(hours=1))
    large.forget()
    with pytest.raises(NotFound):
        large.get(ann, left)


def _parameters() -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 50, "temperature": 0.7, "json_schema": None, "dimensions": None}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_every_item_is_done_and_charged_once(
    database_url: str, tmp_path: Path, chat_server: ChatServer, move_time: MoveTime, service: Service, step: str
) -> None:
    number = 10
    chat_server.reply(usage=HONEST)
    with opened(database_url, tmp_path, chat_server) as bench:
        large, ann = large_of(bench), member_factory(bench)("ann", plan="team")
        started = large.create(ann, "completion", _prompts(number), LIVE)
        environ = {
            **os.environ,
            "DATABASE_URL": database_url,
            "ASSAY_HOME": str(tmp_path / "other"),
            "ASSAY_DEMO": "0",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": chat_server.base_url,
            "TOTAL_TIMEOUT_S": "20",
        }
        count = "1" if step.endswith("ended") else "5"
        command = [sys.executable, "-m", "tests.core.research.large_process", step, count]
        died = subprocess.run(command, cwd=ROOT, env=environ, check=False, timeout=120)
        assert died.returncode == -signal.SIGKILL
        move_time(timedelta(seconds=90))
        with working(bench):
            row = ended(large, ann, started.row.id)
        assert (row.done, row.failed) == (number, 0)
        bench.meter.sweep()
        assert row.cost_usd == number * HONEST_COST == _charged(service)
        assert _rows(service) == number
        _keys_are_one_each(service, row.id, number)


def _keys_are_one_each(service: Service, request_id: UUID, number: int) -> None:
    """Each item has one settled hold under its key."""
    rows = service.execute(
        "SELECT idempotency_key, count(*) FROM holds WHERE idempotency_route = %s AND resolution = 'success' "
        "GROUP BY 1",
        (f"large/{request_id}",),
    ).fetchall()
    assert sorted(int(str(key)) for key, _ in rows) == list(range(1, number + 1))
    assert {count for _, count in rows} == {1}
