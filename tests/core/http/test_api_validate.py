"""`POST /api/ai/validate-signal` and `/api/verdicts`: verdicts on signals over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from core.db import verdicts_dao
from core.metering.books import audit
from core.principal import Role
from tests.conftest import MoveTime
from tests.core.http.conftest import MODEL, Api, assert_problem, serving_api
from tests.core.verdicts.batches_made import GOOD, World, database_url, provider, scanned, world
from tests.core.verdicts.own_universe import own_signal
from tests.fakes.scripted_server import Reply

__all__ = ["database_url", "provider", "scanned", "world"]

PATH = "/ai/validate-signal"
BODY: dict[str, object] = {
    "symbol": "AAPL",
    "signal_type": "golden_cross",
    "signal_direction": "bullish",
    "entry_price": 100.0,
    "current_price": 101.0,
    "target_price": 110.0,
    "stop_loss": 95.0,
    "rsi_value": 61.5,
    "volume_ratio": 1.8,
    "pattern_name": "Cup and handle",
    "strongest_pattern": "cup_and_handle",
    "pattern_confidence": 0.7,
    "detected_patterns": ["cup_and_handle", "bull_flag"],
    "model": MODEL,
}


@pytest.fixture
def served(world: World) -> Iterator[Api]:
    """The API of a workbench with a scan, whose OpenAI is the test's server."""
    with serving_api(world.bench) as api:
        yield api


@pytest.fixture
def ann(served: Api) -> Iterator[httpx2.Client]:
    """A client of a member on the basic plan."""
    with served.client(served.member("ann", plan="basic")) as client:
        yield client


@pytest.fixture
def signal(world: World) -> str:
    """Id of a signal of the scan."""
    return str(world.signals(world.member("reader"), 1)[0])


def _validate(client: httpx2.Client, body: dict[str, Any], key: str | None = None) -> httpx2.Response:
    return client.post(PATH, json=body, headers={"Idempotency-Key": key} if key else {})


def test_a_verdict_on_a_signal_has_the_shape_of_the_contract(ann: httpx2.Client, signal: str) -> None:
    answer = _validate(ann, {"signal_id": signal, "model": MODEL})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content["validation"] == {name: json.loads(GOOD)[name] for name in content["validation"]}
    assert set(content["validation"]) == {"verdict", "confidence", "reasoning", "risk_factors", "entry_suggestion"}
    assert content["usage"]["tokens_used"] > 0
    assert Decimal(content["usage"]["cost_usd"]) > 0
    assert (content["cached"], content["model"], content["offline"]) == (False, MODEL, False)
    assert (content["as_of"], content["retrospective"]) == ("2010-08-20", True)
    assert (answer.headers["x-plan"], answer.headers["x-cache"]) == ("basic", "miss")
    assert answer.headers["x-cost-usd"] == content["usage"]["cost_usd"]
    assert answer.headers["x-quota-metric"] == "signal_validations_day"
    assert answer.headers["x-quota-remaining"] == "49"
    assert answer.headers["ratelimit-limit"] == "60"


def test_the_same_again_is_given_for_free_and_again_on_purpose_is_paid_for(
    ann: httpx2.Client, world: World, signal: str
) -> None:
    body = {"signal_id": signal, "model": MODEL}
    first, second = _validate(ann, body), _validate(ann, body)
    assert second.json()["verdict_id"] == first.json()["verdict_id"]
    assert (second.json()["cached"], second.json()["usage"]["cost_usd"]) == (True, "0")
    assert (second.headers["x-cache"], second.headers["x-cost-usd"]) == ("hit", "0")
    assert second.headers["x-quota-remaining"] == "49"
    again = _validate(ann, {**body, "again": True})
    assert again.json()["verdict_id"] != first.json()["verdict_id"]
    assert (again.headers["x-quota-remaining"], world.provider.calls) == ("48", 2)


def test_a_callers_own_snapshot_needs_no_bars(ann: httpx2.Client, world: World) -> None:
    answer = _validate(ann, {**BODY, "symbol": "NOBARS"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["as_of"], answer.json()["retrospective"]) == (None, False)
    shown = json.dumps(world.provider.requests[0].body["messages"])
    assert "NOBARS" in shown and "61.5" in shown and "bull_flag" in shown
    (listed,) = ann.get("/verdicts").json()["verdicts"]
    assert (listed["symbol"], listed["signal_id"], listed["universe"]) == ("NOBARS", None, None)


@pytest.mark.parametrize(
    ("changes", "status", "code", "word"),
    [
        ({"entry_price": 0}, 422, "invalid_request", "entry_price"),
        ({"current_price": -1}, 422, "invalid_request", "current_price"),
        ({"entry_price": "100"}, 422, "invalid_request", "entry_price"),
        ({"rsi_value": 101}, 422, "invalid_request", "rsi_value"),
        ({"pattern_confidence": 70}, 422, "invalid_request", "pattern_confidence"),
        ({"signal_direction": "sideways"}, 422, "invalid_request", "signal_direction"),
        ({"target_price": 99.0}, 422, "invalid_request", "target_price"),
        ({"stop_loss": 101.0}, 422, "invalid_request", "stop_loss"),
        ({"price": 1}, 422, "invalid_request", "price"),
        ({"symbol": "not a symbol at all"}, 422, "invalid_request", "symbol"),
        ({"signal_type": None}, 422, "invalid_request", "signal_type"),
        ({"entry_price": None}, 422, "not_enough_data", "entry_price"),
        ({"current_price": None}, 422, "not_enough_data", "current_price"),
        ({"signal_id": str(uuid4())}, 422, "invalid_request", "not both"),
        ({"model": "no-such-model"}, 404, "not_found", "model"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_any_call(
    ann: httpx2.Client, world: World, changes: dict[str, object], status: int, code: str, word: str
) -> None:
    answer = _validate(ann, {**BODY, **changes})
    assert word in str(assert_problem(answer, status, code)["detail"])
    assert (world.provider.calls, world.charges) == (0, (0, 0, 0))


def test_neither_a_signal_nor_a_snapshot_is_said(ann: httpx2.Client) -> None:
    assert_problem(_validate(ann, {"model": MODEL}), 422, "invalid_request")
    for nothing in ("no id", str(uuid4())):
        assert_problem(_validate(ann, {"signal_id": nothing}), 404, "not_found")


def test_the_signal_of_another_organisation_is_not_found(served: Api, world: World, ann: httpx2.Client) -> None:
    theirs = own_signal(world, served.member("bob", plan="enterprise"))
    assert_problem(_validate(ann, {"signal_id": str(theirs), "model": MODEL}), 404, "not_found")
    assert world.provider.calls == 0


def test_a_signal_without_levels_is_not_enough_data(ann: httpx2.Client, world: World, signal: str) -> None:
    world.service.execute(b"UPDATE signals SET entry = NULL WHERE id = %s", (signal,))
    answer = _validate(ann, {"signal_id": signal, "model": MODEL})
    assert "No model was asked" in str(assert_problem(answer, 422, "not_enough_data")["detail"])
    assert answer.headers["x-quota-remaining"] == "50"
    assert world.provider.calls == 0


def test_an_unusable_answer_costs_nothing_and_leaves_nothing(ann: httpx2.Client, world: World, signal: str) -> None:
    world.provider.reply(text="HOLD, I suppose.")
    answer = _validate(ann, {"signal_id": signal, "model": MODEL}, key="k")
    assert_problem(answer, 502, "unusable_answer")
    assert (answer.headers["x-quota-remaining"], world.charges) == ("50", (0, 0, 0))
    assert ann.get("/verdicts").json() == {"verdicts": [], "next_cursor": None}
    world.provider.reply(text=GOOD)
    assert _validate(ann, {"signal_id": signal, "model": MODEL}, key="k").status_code == 200


def test_an_answer_that_needs_repair_is_charged_once(ann: httpx2.Client, world: World, signal: str) -> None:
    world.provider.script.append(Reply(text="Let me think."))
    assert _validate(ann, {"signal_id": signal, "model": MODEL}).json()["validation"]["verdict"] == "BUY"
    assert (world.provider.calls, world.charges) == (2, (1, 1, 1))


def test_eleven_in_a_minute_are_one_too_many(ann: httpx2.Client, world: World) -> None:
    ids = [str(each) for each in world.signals(world.member("reader"), 11)]
    answers = [_validate(ann, {"signal_id": each, "model": MODEL}) for each in ids]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    problem = assert_problem(answers[-1], 429, "rate_limited")
    assert (problem["metric"], problem["limit"]) == ("signal_validations_minute", 10)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["x-quota-remaining"] == "40"


def test_a_repeated_key_gives_the_same_answer_and_is_charged_once(
    ann: httpx2.Client, world: World, signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"signal_id": signal, "model": MODEL}
    keep, left = verdicts_dao.add, [1]

    def add(*given: Any) -> Any:
        if left.pop() if left else 0:
            raise RuntimeError("the process ends here")
        return keep(*given)

    monkeypatch.setattr(verdicts_dao, "add", add)
    assert_problem(_validate(ann, body, key="k"), 500, "internal")
    answers = [_validate(ann, body, key="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert {answer.headers["idempotency-replayed"] for answer in answers} == {"true"}
    assert (answers[0].json()["cached"], Decimal(answers[0].json()["usage"]["cost_usd"]) > 0) == (False, True)
    assert (world.provider.calls, world.charges) == (1, (1, 1, 1))
    assert world.value("SELECT count(*) FROM verdicts") == 1
    assert_problem(_validate(ann, {**body, "again": True}, key="k"), 409, "conflict")
    assert audit(world.bench.database).differences == []


def test_a_viewer_reads_verdicts_and_asks_for_none(served: Api, ann: httpx2.Client, signal: str) -> None:
    verdict_id = _validate(ann, {"signal_id": signal, "model": MODEL}).json()["verdict_id"]
    viewer = served.member("vic", plan="basic", org="ann's organisation", role=Role.VIEWER)
    with served.client(viewer) as client:
        assert_problem(_validate(client, {"signal_id": signal}), 403, "forbidden")
        assert client.get(f"/verdicts/{verdict_id}").json()["validation"]["verdict"] == "BUY"


def test_a_verdict_is_told_with_its_numbers_and_all_that_the_model_was_shown(ann: httpx2.Client, world: World) -> None:
    world.provider.reply(text=json.dumps({**json.loads(GOOD), "reasoning": "RSI at 61.5, and 42.42 % of nothing."}))
    made = _validate(ann, BODY).json()
    assert [(each["text"], each["figure"]) for each in made["numbers"]] == [("61.5", "RSI"), ("42.42 %", None)]
    told = ann.get(f"/verdicts/{made['verdict_id']}").json()
    assert {name: told[name] for name in made} == made
    assert (told["snapshot"]["symbol"], told["snapshot"]["indicators"]["figures"]["rsi_14"]) == ("AAPL", 61.5)
    assert len(told["snapshot_sha256"]) == 64
    assert told["price_version"] == world.value("SELECT price_version FROM usage_log")
    assert told["request_id"] == str(world.value("SELECT request_id FROM usage_log"))


def test_verdicts_are_listed_page_by_page_and_to_nobody_else(served: Api, ann: httpx2.Client, world: World) -> None:
    for symbol in ("AAPL", "MSFT", "GOOG"):
        _validate(ann, {**BODY, "symbol": symbol})
    first = ann.get("/verdicts", params={"limit": 2}).json()
    rest = ann.get("/verdicts", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [each["symbol"] for each in first["verdicts"] + rest["verdicts"]] == ["GOOG", "MSFT", "AAPL"]
    assert rest["next_cursor"] is None
    assert [each["symbol"] for each in ann.get("/verdicts", params={"symbol": "msft"}).json()["verdicts"]] == ["MSFT"]
    verdict_id = first["verdicts"][0]["id"]
    with served.client(served.member("bob")) as bob:
        assert bob.get("/verdicts").json()["verdicts"] == []
        assert_problem(bob.get(f"/verdicts/{verdict_id}"), 404, "not_found")
    for wrong in ({"cursor": "nonsense"}, {"limit": 0}, {"colour": "red"}):
        assert_problem(ann.get("/verdicts", params=wrong), 422, "invalid_request")
    assert_problem(ann.get("/verdicts/nothing"), 404, "not_found")
    assert world.provider.calls == 3


def test_a_verdict_is_given_again_for_a_day_and_then_asked_for_anew(
    ann: httpx2.Client, world: World, move_time: MoveTime, signal: str
) -> None:
    body = {"signal_id": signal, "model": MODEL}
    first = _validate(ann, body).json()["verdict_id"]
    move_time(timedelta(hours=23))
    assert _validate(ann, body).json()["verdict_id"] == first
    move_time(timedelta(hours=25))
    assert _validate(ann, body).json()["verdict_id"] != first
    assert world.provider.calls == 2
