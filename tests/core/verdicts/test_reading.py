"""Answers of a provider on a socket as they are read, repaired once, charged or free."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.ai.answer import Answer
from core.ai.retries import REPAIR
from core.errors import UnusableAnswer
from core.metering.meter import Feature
from core.principal import Principal
from core.verdicts.answer import MAX_TOKENS, SCHEMA, TEMPERATURE, Mark, read_answer, validation_of
from core.workbench import Workbench
from tests.core.ai import test_gateway as gateway
from tests.core.ai.test_gateway import HONEST, HONEST_COST, Service, last_row, question
from tests.core.verdicts.test_answer import GOOD, text_of
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

live, ann = gateway.live, gateway.ann
REFUSAL = "I am sorry, but I cannot help with that."


def ask(live: Workbench, who: Principal, **changes: Any) -> Answer:
    asked: dict[str, Any] = {
        "task": "signal_validation",
        "feature": Feature.SIGNAL_VALIDATION,
        "max_tokens": MAX_TOKENS,
        "temperature": TEMPERATURE,
        "json_schema": SCHEMA,
        "reads": read_answer,
        "is_normalised": False,
    }
    return live.gateway.session(who, question("Judge this signal.", **{**asked, **changes})).result()


def validations(live: Workbench, who: Principal) -> int:
    return live.usage.quota(who, "signal_validations_day").used


@pytest.mark.parametrize(
    ("text", "verdict", "marks"),
    [
        (text_of(), "BUY", ()),
        (f"```json\n{text_of()}\n```", "BUY", (Mark.FENCED,)),
        (f"My verdict is this: {text_of()} Good luck.", "BUY", (Mark.PROSE_AROUND,)),
        (text_of(confidence=62), "BUY", (Mark.PERCENTAGE,)),
        (text_of(confidence="62%"), "BUY", (Mark.PERCENTAGE,)),
        (text_of(verdict="sell"), "SELL", (Mark.CASE,)),
    ],
)
def test_what_can_be_read_is_kept_in_canonical_form_and_charged_once(
    live: Workbench, ann: Principal, chat_server: ChatServer, text: str, verdict: str, marks: tuple[Mark, ...]
) -> None:
    chat_server.reply(text=text, usage=HONEST)
    answer = ask(live, ann)
    validation = validation_of(answer.text)
    assert (validation.verdict, validation.confidence, validation.marks) == (verdict, 0.62, marks)
    assert (answer.cost_usd, chat_server.calls, validations(live, ann)) == (HONEST_COST, 1, 1)
    body = chat_server.requests[0].body
    assert (body["temperature"], body["response_format"]["json_schema"]["schema"]) == (TEMPERATURE, SCHEMA)
    assert MAX_TOKENS in (body.get("max_tokens"), body.get("max_completion_tokens"))
    again = ask(live, ann)
    assert (again.is_cached, again.text, again.cost_usd) == (True, answer.text, 0)


UNUSABLE = [
    Reply(text=text_of(verdict="STRONG BUY"), usage=HONEST),
    Reply(text=text_of(confidence=850), usage=HONEST),
    Reply(text=text_of(reasoning=...), usage=HONEST),
    Reply(text=REFUSAL, usage=HONEST),
    Reply(text=REFUSAL, usage=HONEST, finish_reason="content_filter"),
    Reply(text=text_of()[:70], usage=HONEST, finish_reason="length"),
    Reply(text=text_of()[:70], usage=HONEST),
    Reply(text="", usage=HONEST),
]
IDS = ["wrong enum", "no confidence", "missing field", "refusal", "filtered", "truncated", "broken off", "nothing"]


@pytest.mark.parametrize("bad", UNUSABLE, ids=IDS)
def test_what_cannot_be_read_is_repaired_once_under_the_same_hold(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, bad: Reply
) -> None:
    chat_server.script = [bad, Reply(text=text_of(), usage=HONEST)]
    answer = ask(live, ann)
    assert validation_of(answer.text).verdict == "BUY"
    assert (answer.cost_usd, chat_server.calls, validations(live, ann)) == (HONEST_COST, 2, 1)
    repair = chat_server.requests[1].body["messages"]
    assert [message["role"] for message in repair[-2:]] == ["assistant", "user"]
    assert (repair[-2]["content"], repair[-1]["content"]) == (bad.text, REPAIR)
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("success", HONEST_COST, 2 * HONEST_COST)
    assert service.execute("SELECT count(*), count(DISTINCT hold_id) FROM attempts").fetchone() == (2, 1)
    assert service.execute("SELECT count(*) FROM holds").fetchone() == (1,)


@pytest.mark.parametrize("bad", UNUSABLE, ids=IDS)
def test_what_stays_unusable_is_a_failure_that_is_free_and_never_a_hold(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, bad: Reply
) -> None:
    chat_server.script = [bad, bad]
    with pytest.raises(UnusableAnswer):
        ask(live, ann)
    row = last_row(service)
    assert (row["status"], row["error_code"]) == ("failed", "unusable_answer")
    assert (row["charged_usd"], row["cost_usd"]) == (0, 2 * HONEST_COST), "the organisation's log has both calls"
    assert (chat_server.calls, validations(live, ann)) == (2, 0)
    assert service.execute("SELECT count(*) FROM cache_entries").fetchone() == (0,)
    chat_server.reply(text=text_of(), usage=HONEST)
    assert not ask(live, ann).is_cached


def test_nothing_is_shown_before_it_is_known_to_be_usable(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.script = [Reply(text=REFUSAL), Reply(text=text_of())]
    session = live.gateway.session(ann, question("Judge.", task="signal_validation", reads=read_answer))
    pieces = list(session)
    assert [json.loads(piece)["verdict"] for piece in pieces] == [GOOD["verdict"]]
    assert "response_format" not in chat_server.requests[0].body, "a reader needs no schema"


def test_how_it_is_read_stands_above_the_schema(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=json.dumps(GOOD))
    assert ask(live, ann, reads=str.upper).text == json.dumps(GOOD).upper()
