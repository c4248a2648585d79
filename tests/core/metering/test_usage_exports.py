"""The log as a file: every row once, as its reader may see it, safe to open, in bounded memory."""

from __future__ import annotations

import csv
import io
import threading
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pyarrow.parquet as pq
import pytest

from core.errors import Conflict, InvalidRequest
from core.metering import usage_exports
from core.metering.usage import Span
from core.metering.usage_exports import COLUMNS, UsageExports, Wanted
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.usage_made import Driver, Logged, put

NOON = datetime(2031, 3, 3, 12, tzinfo=UTC)
SPAN = Span(NOON - timedelta(days=1), NOON + timedelta(days=1), "UTC")
_MANY = """
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, channel, status, provider, model)
    SELECT gen_random_uuid(), %s::timestamptz - i * interval '1 second', %s, %s, gen_random_uuid(), 'page', 'denied',
        'openai', 'a-model' FROM generate_series(1, %s) i
"""


@pytest.fixture
def exports(workbench: Workbench) -> UsageExports:
    """What is tested."""
    return UsageExports(workbench.database, workbench.usage_log)


@pytest.fixture
def ann(member: MakeMember, move_time: MoveTime) -> Principal:
    """An owner, at noon."""
    move_time(NOON)
    return member("ann", org="Acme", plan="team")


def _csv(content: bytes) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]


def _made(exports: UsageExports, principal: Principal, wanted: Wanted) -> tuple[bytes, int]:
    out = io.BytesIO()
    count = exports.write(principal, wanted, out)
    return out.getvalue(), count


def test_both_files_hold_every_row_once_newest_first_with_every_digit(
    exports: UsageExports, ann: Principal, service: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_exports, "PAGE_ROWS", 3)
    same = NOON - timedelta(minutes=5)
    for number in range(7):
        cost = Decimal(number + 1) / 10**9
        put(service, ann, Logged(at=same, model=f"model {number}", cost_usd=cost, charged_usd=cost))
    put(service, ann, Logged(status="cached"))
    text, count = _made(exports, ann, Wanted(SPAN))
    rows = _csv(text)
    assert count == len(rows) == 8
    assert len({row["request_id"] for row in rows}) == 8
    assert rows[0]["status"] == "cached"
    assert {row["charged_usd"] for row in rows[1:]} == {f"0.00000000{n}" for n in range(1, 8)}
    assert list(rows[0]) == ["time", *COLUMNS]
    table = pq.read_table(io.BytesIO(_made(exports, ann, Wanted(SPAN, "parquet"))[0]))
    assert table["request_id"].to_pylist() == [row["request_id"] for row in rows]
    assert [f"{each:f}" for each in table["charged_usd"].to_pylist()[1:]] == [row["charged_usd"] for row in rows[1:]]
    assert table["time"].to_pylist()[-1] == same


def test_a_period_without_requests_is_a_file_with_a_header(exports: UsageExports, ann: Principal) -> None:
    assert _csv(_made(exports, ann, Wanted(SPAN))[0]) == []
    assert pq.read_table(io.BytesIO(_made(exports, ann, Wanted(SPAN, "parquet"))[0])).num_rows == 0


def test_only_a_manager_gets_others_requests_and_nobody_those_of_another_organisation(
    exports: UsageExports, ann: Principal, member: MakeMember, service: Driver
) -> None:
    bob = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    put(service, ann, Logged(model="of ann"))
    put(service, bob, Logged(model="of bob"))
    put(service, member("zoe", org="Other"), Logged(model="of zoe"))
    for principal, whole, models in (
        (ann, True, {"of ann", "of bob"}),
        (ann, False, {"of ann"}),
        (bob, True, {"of bob"}),
        (replace(bob, role=Role.VIEWER), True, {"of bob"}),
    ):
        rows = _csv(_made(exports, principal, Wanted(SPAN, whole_organisation=whole))[0])
        assert {row["model"] for row in rows} == models


def test_filters_and_the_time_choose_the_rows(exports: UsageExports, ann: Principal, service: Driver) -> None:
    put(service, ann, Logged(model="a"))
    put(service, ann, Logged(model="b"))
    put(service, ann, Logged(model="a", status="denied"))
    put(service, ann, Logged(model="a", at=SPAN.starts_at - timedelta(microseconds=1)))
    put(service, ann, Logged(model="a", at=SPAN.ends_at))
    assert _made(exports, ann, Wanted(SPAN, models=["a"], statuses=["success"]))[1] == 1
    assert _made(exports, ann, Wanted(SPAN))[1] == 3


@pytest.mark.parametrize("model", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_runs_nothing_of_a_file(
    exports: UsageExports, ann: Principal, service: Driver, model: str
) -> None:
    put(service, ann, Logged(model=model))
    assert _csv(_made(exports, ann, Wanted(SPAN))[0])[0]["model"] == f"'{model}"


def test_more_than_a_file_has_is_refused_before_anything_is_written(
    exports: UsageExports, ann: Principal, service: Driver
) -> None:
    for _ in range(3):
        put(service, ann, Logged())
    out = io.BytesIO()
    with pytest.raises(InvalidRequest, match="more than 2 requests"):
        exports.write(ann, Wanted(SPAN, most=2), out)
    assert out.getvalue() == b""
    assert exports.write(ann, Wanted(SPAN, most=3), out) == 3


def test_no_more_files_are_made_at_once_than_places(exports: UsageExports, ann: Principal, service: Driver) -> None:
    put(service, ann, Logged())
    begun, go_on = threading.Semaphore(0), threading.Event()

    class Slow(io.BytesIO):
        def write(self, data: object) -> int:
            begun.release()
            go_on.wait(20)
            return 0

    threads = [threading.Thread(target=exports.write, args=(ann, Wanted(SPAN), Slow())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    with pytest.raises(Conflict):
        exports.write(ann, Wanted(SPAN), io.BytesIO())
    go_on.set()
    for thread in threads:
        thread.join()
    assert exports.write(ann, Wanted(SPAN), io.BytesIO()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("file_format", usage_exports.FORMATS)
def test_memory_does_not_grow_with_the_number_of_rows(
    exports: UsageExports,
    ann: Principal,
    service: psycopg.Connection[tuple[object, ...]],
    file_format: usage_exports.FileFormat,
) -> None:
    class Nowhere(io.BytesIO):
        def write(self, data: object) -> int:
            return len(bytes(data))  # type: ignore[call-overload]

    service.execute(_MANY, [NOON, ann.org_id, ann.user_id, 40_000])
    peaks = []
    for most in (2, 8):
        wanted = Wanted(Span(NOON - timedelta(seconds=most * 5_000), NOON, "UTC"), file_format)
        exports.write(ann, replace(wanted, span=Span(NOON - timedelta(seconds=10), NOON, "UTC")), Nowhere())
        tracemalloc.start()
        exports.write(ann, wanted, Nowhere())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
