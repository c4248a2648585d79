"""Jobs over HTTP: who may look one up, and what CRON_SECRET opens."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from core.commands import doctor
from core.db.engine import Database
from core.ops.jobs import JobStatus, Queue
from tests.conftest import StartApp, make_settings
from tests.core.http.conftest import Api, ServeApi, assert_problem

SECRET = "a long secret of the scheduler"
BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
def api(serve_api: ServeApi) -> Api:
    """An API whose scheduler has a secret."""
    return serve_api(CRON_SECRET=SECRET)


def test_a_scheduler_with_the_secret_starts_the_night_once_and_follows_it(api: Api) -> None:
    started = [httpx2.post(f"{api.base_url}/jobs/scan", headers=BEARER) for _ in range(2)]
    assert [answer.status_code for answer in started] == [202, 202]
    job_id = started[0].json()["job_id"]
    assert started[1].json() == {"job_id": job_id}, "a call that is sent again joins, and needs no Idempotency-Key"
    job = httpx2.get(f"{api.base_url}/jobs/{job_id}", headers=BEARER).json()
    assert (job["id"], job["status"], job["done"], job["failed"], job["total"]) == (job_id, "waiting", 0, 0, None)
    assert job["created_at"].endswith("Z")
    assert (job["started_at"], job["finished_at"], job["error"]) == (None, None, None)


def test_without_a_secret_nothing_is_started(serve_api: ServeApi) -> None:
    api = serve_api()
    for headers in ({}, BEARER, {"Authorization": "Bearer x"}):
        answer = httpx2.post(f"{api.base_url}/jobs/scan", headers=headers)
        assert_problem(answer, 501, "not_configured")
        assert "CRON_SECRET" in answer.json()["detail"]
    assert api.workbench.queue.figures().waiting == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": f"Bearer {SECRET[:-1]}"},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": SECRET},
    ],
)
def test_a_wrong_secret_starts_nothing(api: Api, headers: dict[str, str]) -> None:
    assert_problem(httpx2.post(f"{api.base_url}/jobs/scan", headers=headers), 401, "unauthenticated")
    assert api.workbench.queue.figures().waiting == 0


def test_a_members_token_is_not_the_secret_and_the_secret_is_no_token(api: Api) -> None:
    with api.client(api.member("ann")) as client:
        assert_problem(client.post("/jobs/scan"), 401, "unauthenticated")
    for path in ("/ai/usage", "/profile", "/ai/conversations", "/quotes?symbols=AAPL"):
        assert_problem(httpx2.get(f"{api.base_url}{path}", headers=BEARER), 401, "unauthenticated")


def test_a_member_sees_jobs_of_the_organisation_and_the_installation_and_no_others(api: Api) -> None:
    ann, bob, queue = api.member("ann"), api.member("bob"), api.workbench.queue
    ours = queue.submit("count", {}, key="x", org_id=ann.org_id)
    everybodys = queue.submit("count", {}, key="x", org_id=None)
    with api.client(ann) as client:
        assert client.get(f"/jobs/{ours.id}").json()["status"] == JobStatus.WAITING
        assert client.get(f"/jobs/{everybodys.id}").json()["kind"] == "count"
        for unknown in (uuid4(), "not-an-id", "%00"):
            assert_problem(client.get(f"/jobs/{unknown}"), 404, "not_found")
    with api.client(bob) as client:
        assert_problem(client.get(f"/jobs/{ours.id}"), 404, "not_found")
    assert_problem(httpx2.get(f"{api.base_url}/jobs/{ours.id}", headers=BEARER), 404, "not_found")
    assert_problem(httpx2.get(f"{api.base_url}/jobs/{everybodys.id}"), 401, "unauthenticated")


def test_health_says_that_jobs_wait_for_nobody(api: Api) -> None:
    api.workbench.queue.submit("count", {}, key="x", org_id=None)
    health = httpx2.get(f"{api.base_url}/health").json()
    assert (health["status"], health["worker"]) == ("degraded", "absent")


def test_the_server_works_on_jobs_itself_and_stops_its_worker_first(cold_app: StartApp, database: Database) -> None:
    app, queue = cold_app(CRON_SECRET=SECRET, ASSAY_DEMO="0"), Queue(database)
    job = queue.submit("levitate", {}, key="x", org_id=None)
    pause = threading.Event()
    while not queue.find(job.id).is_finished:
        pause.wait(0.05)
    assert httpx2.get(f"{app.base_url}/api/health").json()["worker"] == "running"
    assert "assay_workers 1.0" in httpx2.get(f"{app.base_url}/metrics").text
    assert "1 alive; jobs: 0 waiting" in app.command("doctor").stdout
    app.stop()
    assert queue.figures().workers == 0


def test_a_server_that_leaves_jobs_to_others_starts_no_worker(cold_app: StartApp, database: Database) -> None:
    app = cold_app(RUNS_WORKER="0", ASSAY_DEMO="0")
    assert httpx2.get(f"{app.base_url}/api/health").json()["worker"] == "absent"
    assert Queue(database).figures().workers == 0


def test_the_doctor_misses_a_worker_where_the_server_brings_none(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(make_settings(database_url, tmp_path, RUNS_WORKER="0", CRON_SECRET=SECRET)) == 1
    told = capsys.readouterr().out
    assert "missing worker" in told
    assert "start `python -m core worker`" in told
    assert "ok      cron          configured" in told
    assert SECRET not in told
