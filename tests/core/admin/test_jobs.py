"""Jobs as they are looked after: whose are told, and which may be done again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from core.admin.jobs import SAFE_KINDS, AdminJobs
from core.errors import Conflict, Forbidden, NotFound
from core.ops.jobs import JobStatus
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def jobs(workbench: Workbench) -> AdminJobs:
    return AdminJobs(workbench.database, workbench.queue)


def fail(
    workbench: Workbench, service: Service, kind: str, org_id: UUID | None, *, ago: timedelta = timedelta(hours=1)
) -> UUID:
    """A job that failed so long ago."""
    job = workbench.queue.submit(kind, {"universe_id": "sp500", "day": "2026-11-20"}, key="one", org_id=org_id)
    service.execute(
        "UPDATE jobs SET status = 'failed', error = 'The source failed.', attempts = 3,"
        " finished_at = assay_now() - %s WHERE id = %s",
        (ago, job.id),
    )
    return job.id


def test_a_manager_is_told_of_their_organisations_jobs_alone(
    jobs: AdminJobs, workbench: Workbench, service: Service, member: MakeMember, olga: Principal
) -> None:
    ann, bob = member("ann", org="Acme"), member("bob", org="Borealis")
    mine = fail(workbench, service, "scan", ann.org_id)
    fail(workbench, service, "scan", bob.org_id)
    fail(workbench, service, "night", None)
    workbench.queue.submit("scan", {}, key="two", org_id=ann.org_id)
    found = jobs.overview(ann)
    assert [job.id for job in found.failed] == [mine]
    assert [(row.kind, row.waiting, row.failed) for row in found.kinds] == [("scan", 1, 1)]
    assert found.queue is None
    everything = jobs.overview(olga, everything=True)
    assert {job.org_name for job in everything.failed} == {"Acme", "Borealis", None}
    assert everything.queue is not None and everything.queue.failed == 3


def test_what_failed_more_than_a_week_ago_is_left_out(
    jobs: AdminJobs, workbench: Workbench, service: Service, member: MakeMember
) -> None:
    ann = member("ann")
    fail(workbench, service, "scan", ann.org_id, ago=timedelta(days=8))
    assert (jobs.overview(ann).failed, jobs.overview(ann).kinds) == ([], [])


@pytest.mark.parametrize("kind", SAFE_KINDS)
def test_a_safe_kind_is_done_again_with_its_arguments(
    jobs: AdminJobs, workbench: Workbench, service: Service, olga: Principal, kind: str
) -> None:
    failed = fail(workbench, service, kind, None)
    again = jobs.retry(olga, failed, everything=True)
    assert again.id != failed
    assert (again.kind, again.key, again.status) == (kind, "one", JobStatus.WAITING)
    assert again.arguments == {"universe_id": "sp500", "day": "2026-11-20"}
    assert jobs.retry(olga, failed, everything=True).id == again.id
    assert [job.id for job in jobs.overview(olga, everything=True).failed] == [failed]
    rows = service.execute(
        "SELECT org_id, actor, subject_id FROM audit_events WHERE action = 'job.repeated'"
    ).fetchall()
    assert rows == [(None, olga.user_id, str(failed))] * 2


@pytest.mark.parametrize("kind", ["validate_batch", "large_request", "scan", "validate_all"])
def test_what_asks_models_or_belongs_to_a_request_is_not_repeated(
    jobs: AdminJobs, workbench: Workbench, service: Service, olga: Principal, kind: str
) -> None:
    failed = fail(workbench, service, kind, olga.org_id)
    (told,) = jobs.overview(olga).failed
    assert not told.may_be_retried
    with pytest.raises(Conflict, match="whoever started it starts it again"):
        jobs.retry(olga, failed)


def test_a_job_out_of_reach_or_not_failed_is_not_found(
    jobs: AdminJobs, workbench: Workbench, service: Service, member: MakeMember
) -> None:
    ann, bob = member("ann", org="Acme"), member("bob", org="Borealis")
    others = fail(workbench, service, "night", bob.org_id)
    installation = fail(workbench, service, "nightly", None)
    waiting = workbench.queue.submit("night", {}, key="two", org_id=ann.org_id)
    for job_id in (others, installation, waiting.id):
        with pytest.raises(NotFound):
            jobs.retry(ann, job_id)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_who_manages_nothing_sees_no_jobs(
    jobs: AdminJobs, workbench: Workbench, service: Service, member: MakeMember, role: Role
) -> None:
    ann = member("ann", role=role)
    failed = fail(workbench, service, "night", ann.org_id)
    with pytest.raises(Forbidden):
        jobs.overview(ann)
    with pytest.raises(Forbidden):
        jobs.retry(ann, failed)
