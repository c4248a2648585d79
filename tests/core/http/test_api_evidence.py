"""What answers rest on, over a socket: portfolios in questions, steps, sources, checked figures; offline, and free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from core.portfolio.demo import load_demo_portfolios
from core.principal import Principal, Role
from tests.core.http.conftest import Api, assert_problem

QUESTION = "How much is my portfolio worth?"


@pytest.fixture
def owner(api: Api) -> Principal:
    """Somebody with the demo's portfolios, who share an organisation with nobody."""
    who = api.member("owner", plan="team")
    area = api.workbench.portfolio
    api.workbench.market.load_shipped()
    load_demo_portfolios(area.portfolios, area.journal, who)
    return who


@pytest.fixture
def client(api: Api, owner: Principal) -> Iterator[httpx2.Client]:
    with api.client(owner) as opened:
        yield opened


@pytest.fixture
def portfolio_id(api: Api, owner: Principal) -> str:
    """Of the one with American stocks."""
    found = {info.name: info for info in api.workbench.portfolio.portfolios.all(owner)}
    return str(found["US stocks"].id)


def _events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_an_answer_about_a_portfolio_names_steps_sources_and_checked_figures(
    client: httpx2.Client, portfolio_id: str
) -> None:
    answer = client.post("/ai/chat", json={"message": QUESTION, "portfolio_id": portfolio_id})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert [(step["number"], step["tool"], step["state"], step["error"]) for step in content["steps"]] == [
        (1, "holdings", "done", None)
    ]
    assert "US stocks" in content["steps"][0]["words"]
    assert content["sources"] == [content["steps"][0]["source"]]
    assert content["sources"][0]["as_of"] == "2010-08-20"
    assert content["figures"]
    for figure in content["figures"]:
        assert content["text"][figure["start"] : figure["end"]] == figure["text"]
    verified = sum(figure["verified"] for figure in content["figures"])
    assert content["confidence"] == pytest.approx(verified / len(content["figures"]))
    assert content["confidence"] == 1.0
    kept = client.get(f"/ai/conversations/{content['conversation_id']}").json()
    assert kept["portfolio_id"] == portfolio_id
    told = kept["messages"][1]
    for field in ("steps", "sources", "figures", "confidence", "notes"):
        assert told[field] == content[field], field
    assert kept["messages"][0]["steps"] == []


def test_a_stream_tells_steps_before_the_text(client: httpx2.Client, portfolio_id: str) -> None:
    asked = {"message": QUESTION, "portfolio_id": portfolio_id, "stream": True}
    events = _events(client.post("/ai/chat", json=asked).text)
    kinds = ["step" if "step" in event else "delta" if "delta" in event else "end" for event in events]
    assert kinds[:2] == ["step", "step"]
    assert set(kinds[2:-1]) == {"delta"}
    assert [event["step"]["state"] for event in events[:2]] == ["running", "done"]
    assert {event["step"]["number"] for event in events[:2]} == {1}
    assert events[-1]["confidence"] == 1.0
    assert [step["tool"] for step in events[-1]["steps"]] == ["holdings"]


def test_a_question_with_tools_is_one_chat_query(client: httpx2.Client, portfolio_id: str) -> None:
    client.post("/ai/chat", json={"message": QUESTION, "portfolio_id": portfolio_id})
    assert client.get("/user/usage").json()["usage"]["daily"]["chatQueries"]["used"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_portfolio_of_somebody_else_is_not_found_and_nothing_is_counted(
    api: Api, owner: Principal, portfolio_id: str, stream: bool
) -> None:
    who = api.member("colleague", plan="team", org=owner.org_name, role=Role.ANALYST)
    area = api.workbench.portfolio.portfolios
    info = area.get(owner, UUID(portfolio_id))
    area.change(owner, info.id, replace(info.settings, shared_with=None, edited_with=None))
    with api.client(who) as other:
        body = {"message": QUESTION, "portfolio_id": portfolio_id, "stream": stream}
        assert_problem(other.post("/ai/chat", json=body), 404, "not_found")
        assert other.get("/ai/conversations").json()["data"] == []
        assert other.get("/user/usage").json()["usage"]["daily"]["chatQueries"]["used"] == 0


@pytest.mark.parametrize("wrong", ["nonsense", "4a1f6c1e-8a52-4f0b-9a77-2d1c5b0e7f33"])
def test_a_portfolio_that_is_none_is_refused(client: httpx2.Client, wrong: str) -> None:
    answer = client.post("/ai/chat", json={"message": QUESTION, "portfolio_id": wrong})
    assert answer.status_code in (404, 422)
    assert client.get("/ai/conversations").json()["data"] == []
