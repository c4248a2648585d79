"""`GET /api/ai/usage`, `/api/ai/usage/details` and `/api/ai/providers`: sums, the log, and how providers fare."""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pyarrow.parquet as pq
import pytest

from core.db.usage_dao import ProviderCallsRow
from core.http.routes.providers import FRESH_S, LastHour
from core.principal import Role
from tests.conftest import MoveTime
from tests.core.http.conftest import MODEL, Api, assert_problem, eventually
from tests.fakes.chat_server import ChatServer

Service = psycopg.Connection[tuple[object, ...]]
SUMS = {
    "requests",
    "cached",
    "denied",
    "failed",
    "prompt_tokens",
    "completion_tokens",
    "charged_usd",
    "cost_usd",
    "saved_usd",
}


def _ask(client: httpx2.Client, prompt: str, model: str = MODEL) -> httpx2.Response:
    return client.post("/ai/completions", json={"prompt": prompt, "model": model})


def test_the_sums_of_the_running_month_in_groups(basic: httpx2.Client, chat_server: ChatServer) -> None:
    paid = [_ask(basic, f"What is beta {number}?").json() for number in range(2)]
    _ask(basic, "What is beta 0?")
    _ask(basic, "€" * 20_000, "gpt-4o")
    chat_server.reply(status=500)
    _ask(basic, "And now?")
    content = basic.get("/ai/usage", params={"group_by": "status"}).json()
    now = datetime.now(UTC)
    first, last = (datetime.fromisoformat(content[name]) for name in ("from", "to"))
    assert first == now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert first < now < last
    assert (content["zone"], content["currency"], content["whole_organisation"]) == ("UTC", "USD", True)
    total = content["total"]
    assert set(total) == SUMS
    assert (total["requests"], total["cached"], total["denied"], total["failed"]) == (5, 1, 1, 1)
    spent = sum(Decimal(answer["cost_usd"]) for answer in paid)
    assert Decimal(total["charged_usd"]) == Decimal(total["cost_usd"]) == spent
    assert Decimal(total["saved_usd"]) == Decimal(paid[0]["cost_usd"])
    assert total["prompt_tokens"] == sum(answer["usage"]["prompt_tokens"] for answer in paid)
    groups = {group["key"]: group["requests"] for group in content["groups"]}
    assert groups == {"success": 2, "cached": 1, "denied": 1, "failed": 1}


@pytest.mark.parametrize(
    ("group_by", "key"),
    [
        ("model", MODEL),
        ("provider", "openai"),
        ("feature", "chat_query"),
        ("channel", "api"),
        ("status", "success"),
        ("day", datetime.now(UTC).date().isoformat()),
    ],
)
def test_every_dimension_has_its_key(basic: httpx2.Client, group_by: str, key: str) -> None:
    _ask(basic, "What is beta?")
    content = basic.get("/ai/usage", params={"group_by": group_by}).json()
    assert content["group_by"] == group_by
    assert [group["key"] for group in content["groups"]] == [key]
    assert {name: content["groups"][0][name] for name in SUMS} == content["total"]


def test_what_has_no_feature_is_grouped_under_none(basic: httpx2.Client) -> None:
    basic.post("/ai/embeddings", json={"input": "beta"})
    groups = basic.get("/ai/usage", params={"group_by": "feature"}).json()["groups"]
    assert [group["key"] for group in groups] == [None]


def test_without_a_request_everything_is_zero(basic: httpx2.Client) -> None:
    content = basic.get("/ai/usage").json()
    assert content["groups"] == []
    assert {name: content["total"][name] for name in ("requests", "charged_usd")} == {"requests": 0, "charged_usd": "0"}
    assert basic.get("/ai/usage/details").json() == {"data": [], "next_cursor": None}


def test_an_analyst_sees_their_own_an_owner_the_organisations(live_api: Api) -> None:
    owner = live_api.member("owner", plan="team", org="Acme")
    analyst = live_api.member("analyst", plan="team", org="Acme", role=Role.ANALYST)
    stranger = live_api.member("stranger", plan="team")
    for member in (owner, analyst, stranger):
        with live_api.client(member) as client:
            assert _ask(client, f"What is beta to {member.name}?").status_code == 200
    seen = {}
    for member in (owner, analyst, stranger):
        with live_api.client(member) as client:
            content = client.get("/ai/usage", params={"group_by": "user"}).json()
            rows = client.get("/ai/usage/details").json()["data"]
        seen[member.name] = {group["key"] for group in content["groups"]}
        assert content["whole_organisation"] is (member is not analyst)
        assert {row["user_id"] for row in rows} == seen[member.name]
    assert seen == {
        "owner": {str(owner.user_id), str(analyst.user_id)},
        "analyst": {str(analyst.user_id)},
        "stranger": {str(stranger.user_id)},
    }


def test_days_are_those_of_the_organisations_zone(
    live_api: Api, basic: httpx2.Client, service: Service, move_time: MoveTime
) -> None:
    service.execute("UPDATE organisations SET zone = 'Asia/Tokyo'")
    move_time(datetime(2031, 3, 1, 14, 0, tzinfo=UTC))
    _ask(basic, "Before midnight in Tokyo?")
    move_time(datetime(2031, 3, 1, 16, 0, tzinfo=UTC))
    _ask(basic, "After midnight in Tokyo?")
    both = basic.get("/ai/usage", params={"from": "2031-03-01", "to": "2031-03-02"}).json()
    assert [(group["key"], group["requests"]) for group in both["groups"]] == [("2031-03-01", 1), ("2031-03-02", 1)]
    assert (both["from"], both["to"]) == ("2031-02-28T15:00:00Z", "2031-03-02T15:00:00Z")
    one = basic.get("/ai/usage", params={"from": "2031-03-02", "to": "2031-03-02"}).json()
    assert one["total"]["requests"] == 1
    exact = {"from": "2031-03-01T23:30:00+09:00", "to": "2031-03-02T01:30:00+09:00"}
    assert basic.get("/ai/usage", params=exact).json()["total"]["requests"] == 1
    unescaped = f"/ai/usage?from={exact['from']}&to={exact['to']}"
    assert basic.get(unescaped).json()["total"]["requests"] == 1


def test_the_log_is_paged_to_its_end_without_gap_or_repeat(basic: httpx2.Client) -> None:
    asked = [_ask(basic, f"What is beta {number}?").headers["x-request-id"] for number in range(5)]
    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        page = basic.get("/ai/usage/details", params={"limit": 2, **cursor}).json()
        seen += page["data"]
        pages += 1
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == 3
    assert [row["request_id"] for row in seen] == list(reversed(asked))
    assert [row["at"] for row in seen] == sorted((row["at"] for row in seen), reverse=True)


def test_a_row_tells_what_was_counted_charged_and_saved(basic: httpx2.Client, chat_server: ChatServer) -> None:
    chat_server.reply(usage=None)
    first = _ask(basic, "What is beta?").json()
    _ask(basic, "What is beta?")
    chat_server.reply(usage={"prompt_tokens": -5, "completion_tokens": 3, "total_tokens": -2})
    _ask(basic, "What is alpha?")
    rows = basic.get("/ai/usage/details").json()["data"]
    strange, cached, estimated = sorted(rows, key=lambda row: (row["quarantine"] is None, row["status"]))
    assert (strange["quarantine"], strange["estimated"], strange["status"]) == ("negative", True, "success")
    assert (estimated["estimated"], estimated["quarantine"], estimated["charged_usd"]) == (
        True,
        None,
        first["cost_usd"],
    )
    assert (cached["status"], cached["charged_usd"], cached["saved_usd"]) == ("cached", "0", first["cost_usd"])
    assert cached["cache_level"] in {"machine", "shared"}
    assert (estimated["channel"], estimated["feature"], estimated["provider"]) == ("api", "chat_query", "openai")
    assert estimated["at"].endswith("Z")
    assert estimated["conversation_id"] is None


def test_the_log_is_filtered_by_model_and_result(basic: httpx2.Client) -> None:
    _ask(basic, "What is beta?")
    _ask(basic, "What is beta?")
    _ask(basic, "What is beta?", "gpt-4.1-nano")

    def count(**filters: Any) -> int:
        return len(basic.get("/ai/usage/details", params=filters).json()["data"])

    assert count() == 3
    assert count(status="cached") == 1
    assert count(status=["cached", "success"]) == 3
    assert count(model=MODEL) == 2
    assert count(model=[MODEL, "gpt-4.1-nano"], status="success") == 2
    assert count(model="gpt-99") == 0


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/ai/usage", "from=yesterday"),
        ("/ai/usage", "from=2026-02-30"),
        ("/ai/usage", "from=2026-03-01T10:00:00"),
        ("/ai/usage", "from=0001-01-01"),
        ("/ai/usage", "to=9999-12-31"),
        ("/ai/usage", "from=2026-03-02&to=2026-03-01"),
        ("/ai/usage", "from=2020-01-01&to=2026-01-01"),
        ("/ai/usage", "from="),
        ("/ai/usage", "group_by=password_hash"),
        ("/ai/usage", "group_by="),
        ("/ai/usage", "nonsense=1"),
        ("/ai/usage/details", "limit=0"),
        ("/ai/usage/details", "limit=201"),
        ("/ai/usage/details", "limit=many"),
        ("/ai/usage/details", "cursor="),
        ("/ai/usage/details", "cursor=abc"),
        ("/ai/usage/details", "cursor=" + "A" * 32 + "%C3%A9"),
        ("/ai/usage/details", "cursor=" + "A" * 28),
        ("/ai/usage/details", "&".join(["model=x"] * 51)),
    ],
)
def test_a_time_or_a_page_that_is_none_is_refused(basic: httpx2.Client, path: str, query: str) -> None:
    assert_problem(basic.get(f"{path}?{query}"), 422, "invalid_request")


def test_a_cursor_of_another_tenant_opens_nothing(live_api: Api, basic: httpx2.Client) -> None:
    for number in range(2):
        _ask(basic, f"What is beta {number}?")
    cursor = basic.get("/ai/usage/details", params={"limit": 1}).json()["next_cursor"]
    with live_api.client(live_api.member("stranger")) as client:
        assert client.get("/ai/usage/details", params={"cursor": cursor}).json()["data"] == []


def test_providers_tell_how_the_last_hour_went(live_api: Api, basic: httpx2.Client, chat_server: ChatServer) -> None:
    for number in range(3):
        _ask(basic, f"What is beta {number}?")
    chat_server.reply(status=400)
    _ask(basic, "And now?")
    rows = {row["name"]: row for row in basic.get("/ai/providers").json()}
    assert (rows["openai"]["state"], rows["openai"]["live"]) == ("configured", True)
    assert (rows["openai"]["calls"], rows["openai"]["error_rate"]) == (4, 0.25)
    assert rows["openai"]["latency_ms_p50"] >= 0
    assert rows["mistral"] == {
        "name": "mistral",
        "state": "not_configured",
        "live": False,
        "latency_ms_p50": None,
        "error_rate": None,
        "calls": 0,
    }
    assert rows["offline"]["state"] == "built_in"


def test_attempts_of_more_than_an_hour_ago_are_not_told(
    live_api: Api, basic: httpx2.Client, move_time: MoveTime
) -> None:
    _ask(basic, "What is beta?")
    move_time(timedelta(minutes=61))
    assert live_api.workbench.usage.calls_by_provider() == {}


def test_however_many_ask_the_last_hour_is_looked_up_now_and_then() -> None:
    now = 100.0
    looks: list[float] = []

    def look() -> dict[str, ProviderCallsRow]:
        looks.append(now)
        return {}

    last_hour = LastHour(look, monotonic=lambda: now)
    for _ in range(50):
        last_hour.calls()
    now += FRESH_S
    last_hour.calls()
    assert looks == [100.0, 100.0 + FRESH_S]


def test_a_denial_is_in_the_sums_of_whoever_asks_next(live_api: Api, basic: httpx2.Client) -> None:
    assert _ask(basic, "€" * 20_000, "gpt-4o").status_code == 402
    eventually(lambda: basic.get("/ai/usage").json()["total"]["denied"] == 1)


def test_the_log_is_given_as_a_csv_or_parquet_file(basic: httpx2.Client) -> None:
    asked = [_ask(basic, f"What is beta {number}?").json() for number in range(2)]
    answer = basic.get("/ai/usage/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="assay-usage-')
    rows = [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]
    assert [Decimal(row["charged_usd"]) for row in rows] == [Decimal(each["cost_usd"]) for each in reversed(asked)]
    parquet = basic.get("/ai/usage/export", params={"format": "parquet", "status": "success"})
    assert pq.read_table(io.BytesIO(parquet.content))["request_id"].to_pylist() == [row["request_id"] for row in rows]
    none = basic.get("/ai/usage/export", params={"from": "2020-01-01", "to": "2020-01-31"})
    assert none.content.decode("utf-8-sig").count("\n") == 1


@pytest.mark.parametrize("params", [{"format": "xlsx"}, {"from": "soon"}, {"from": "2026-02-01", "to": "2026-01-01"}])
def test_a_file_of_a_wrong_format_or_time_is_refused(basic: httpx2.Client, params: dict[str, str]) -> None:
    assert_problem(basic.get("/ai/usage/export", params=params), 422, "invalid_request")


def test_files_that_were_sent_are_removed(
    basic: httpx2.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert basic.get("/ai/usage/export").status_code == 200
    eventually(lambda: not [*tmp_path.glob("assay-usage-*")])
