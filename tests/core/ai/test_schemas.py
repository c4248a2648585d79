"""Answers that have to follow a schema: one repair under the same hold, and an unusable answer is free."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.ai.schemas import check_schema, followed
from core.errors import InvalidRequest, UnusableAnswer
from core.principal import Principal
from core.workbench import Workbench
from tests.core.ai.test_gateway import HONEST, HONEST_COST, Service, ann, ask, live, question, used
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

__all__ = ["ann", "live"]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"enum": ["BUY", "SELL"]}},
    "required": ["verdict"],
    "additionalProperties": False,
}
GOOD = '{"verdict": "BUY"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, GOOD),
        (f"```json\n{GOOD}\n```", GOOD),
        (f"  ```\n{GOOD}\n```  ", GOOD),
        ('{"verdict": "HOLD"}', None),
        ("BUY", None),
        ("", None),
        ('{"verdict": NaN}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_text_follows_a_schema_or_not(text: str, expected: str | None) -> None:
    assert followed(text, SCHEMA) == expected


def test_the_empty_schema_is_any_json_object() -> None:
    assert followed('{"a": 1}', {}) == '{"a": 1}'
    assert followed("[1]", {}) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "thing"},
        {"$ref": "https://example.com/schema.json"},
        {"properties": {"a": {"pattern": "(a+)+$"}}},
        {"description": "x" * 20_001},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
    ],
)
def test_a_schema_that_is_none_or_not_safe_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        check_schema(schema)


def test_a_schema_that_refers_to_itself_or_to_nothing_ends() -> None:
    assert followed("{}", {"$ref": "#"}) is None
    assert followed("{}", {"$ref": "#/$defs/none"}) is None


def test_a_usable_answer_is_shown_whole_without_its_fence(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text=f"```json\n{GOOD}\n```", usage=HONEST)
    session = live.gateway.session(ann, question(json_schema=SCHEMA))
    assert list(session) == [GOOD]
    assert session.answer is not None
    assert (session.answer.text, session.answer.cost_usd) == (GOOD, HONEST_COST)
    assert chat_server.requests[0].body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_one_repair_under_the_same_hold_charges_the_attempt_that_answered(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script.append(Reply(text="I would buy.", usage=HONEST))
    chat_server.reply(text=GOOD, usage=HONEST)
    answer = ask(live, ann, json_schema=SCHEMA)
    assert (answer.text, answer.cost_usd, used(live, ann)) == (GOOD, HONEST_COST, 1)
    repair = chat_server.requests[1].body["messages"]
    assert [message["role"] for message in repair] == ["user", "assistant", "user"]
    row = service.execute("SELECT status, charged_usd, cost_usd FROM usage_log").fetchall()
    assert row == [("success", HONEST_COST, 2 * HONEST_COST)]
    attempts = service.execute("SELECT status, error_code FROM attempts ORDER BY number").fetchall()
    assert attempts == [("failed", "unusable_answer"), ("success", None)]


def test_an_answer_that_is_unusable_after_a_repair_costs_the_user_nothing(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="I would buy.", usage=HONEST)
    with pytest.raises(UnusableAnswer):
        ask(live, ann, json_schema=SCHEMA)
    assert (chat_server.calls, used(live, ann)) == (2, 0)
    row = service.execute("SELECT status, error_code, charged_usd, cost_usd FROM usage_log").fetchall()
    assert row == [("failed", "unusable_answer", 0, 2 * HONEST_COST)]


def test_a_repair_that_the_budget_does_not_cover_is_not_made(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="I would buy.", usage=HONEST)
    service.execute("UPDATE memberships SET budget_usd_month = %s", (Decimal("0.00005"),))
    with pytest.raises(UnusableAnswer):
        ask(live, ann, json_schema=SCHEMA)
    assert chat_server.calls == 1


def test_an_unusable_answer_is_not_cached(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text="no")
    with pytest.raises(UnusableAnswer):
        ask(live, ann, json_schema=SCHEMA)
    chat_server.reply(text=GOOD)
    assert not ask(live, ann, json_schema=SCHEMA).is_cached
