"""Credits over a socket: they take over where the plan's allowance is used up, and what there is of them is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import openai
import psycopg
import pytest

from core.metering.books import audit
from core.metering.pricing import shipped_billing
from core.principal import Principal, Role
from tests.core.http.conftest import MODEL, Api, assert_problem, eventually
from tests.fakes.chat_server import ChatServer

Service = psycopg.Connection[tuple[object, ...]]
HONEST = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
COST = "0.000021"
CREDITS = "0.000252"  # 0.000021 USD x 1.20 / 0.10 USD
QUOTA = 10
LONG = "one two three four five six seven eight nine ten"


@pytest.fixture
def member(live_api: Api) -> Iterator[Principal]:
    """A member on the plan free who used the day's questions up; the books balance at the end."""
    ann = live_api.member("ann")
    yield ann
    live_api.workbench.usage_log.flush()
    assert audit(live_api.workbench.database).differences == []


@pytest.fixture
def ann(live_api: Api, member: Principal, chat_server: ChatServer) -> Iterator[httpx2.Client]:
    """Their client."""
    chat_server.reply(text="Spreading it.", usage=HONEST)
    with live_api.client(member) as client:
        for number in range(QUOTA):
            answer = client.post("/ai/chat", json={"message": f"Question {number}?", "model": MODEL})
            assert (answer.status_code, answer.json()["credits"], answer.headers["x-credits"]) == (200, "0", "0")
        yield client


def ask(client: httpx2.Client, text: str = "One more?", **more: object) -> httpx2.Response:
    """One question of a conversation of its own."""
    return client.post("/ai/chat", json={"message": text, "model": MODEL, **more})


def switch(client: httpx2.Client, *, on: bool = True) -> None:
    """Lets credits take over, or not."""
    answer = client.patch("/profile", json={"use_credits": on})
    assert answer.json()["use_credits"] is on


def balance(client: httpx2.Client) -> dict[str, object]:
    """What there is to spend."""
    answer = client.get("/credits/balance")
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


def test_credits_take_over_where_the_day_is_used_up(ann: httpx2.Client, live_api: Api, member: Principal) -> None:
    problem = assert_problem(ask(ann), 429, "quota_exceeded")
    assert (problem["metric"], problem["upgrade_url"]) == ("chat_queries_day", "/billing")
    switch(ann)
    live_api.workbench.credits.grant(member.org_id, Decimal(3), reason="a test", author=None)
    answer = ask(ann)
    content = answer.json()
    assert (content["credits"], content["cost_usd"], content["cached"]) == (CREDITS, COST, False)
    assert (answer.headers["x-credits"], answer.headers["x-cost-usd"]) == (CREDITS, COST)
    assert (answer.headers["x-quota-metric"], answer.headers["x-quota-remaining"]) == ("chat_queries_day", "0")
    found = balance(ann)
    assert (found["balance"], found["daily_free_remaining"]) == ("3", "9.999748")
    assert (found["currency"], found["usd_per_credit"], found["held"]) == ("credits", "0.10", "0")
    switch(ann, on=False)
    assert_problem(ask(ann, "And one?"), 429, "quota_exceeded")


def test_what_is_refused_for_want_of_credits_says_how_many(
    ann: httpx2.Client, live_api: Api, service: Service, member: Principal
) -> None:
    service.execute("UPDATE plan_limits SET free_credits_day = 0 WHERE plan = 'free'")
    switch(ann)
    refused = ask(ann)
    problem = assert_problem(refused, 402, "insufficient_credits")
    assert (problem["metric"], problem["limit"], problem["remaining"]) == ("credits", "0", "0")
    assert Decimal(str(problem["used"])) > 0
    assert problem["upgrade_url"] == "/billing"
    assert "could take up to" in str(problem["reason"])
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    live_api.workbench.credits.grant(member.org_id, Decimal(3), reason="a test", author=None)
    set_cap = ann.put(f"/credits/caps/{member.user_id}", json={"cap_month": "0"})
    assert set_cap.status_code == 204
    problem = assert_problem(ask(ann), 402, "insufficient_credits")
    assert (problem["metric"], problem["limit"], problem["used"]) == ("credits_cap_month", "0", "0")
    assert problem["reason"] == "Your own cap of 0 credits a month would be exceeded"
    assert ann.put(f"/credits/caps/{member.user_id}", json={"cap_month": None}).status_code == 204
    assert ask(ann).json()["credits"] == CREDITS
    assert balance(ann)["balance"] == "2.999748"


def test_a_stream_and_the_wire_format_of_openai_are_covered_alike(
    ann: httpx2.Client, live_api: Api, member: Principal
) -> None:
    switch(ann)
    events = ask(ann, stream=True).text.strip().split("\n\n")
    sums = json.loads(events[-2].removeprefix("data: "))
    assert (sums["credits"], sums["cost_usd"]) == (CREDITS, COST)
    with openai.OpenAI(base_url=live_api.v1_url, api_key=live_api.token(member), max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=MODEL, messages=[{"role": "user", "content": "And so?"}]
        )
    assert raw.headers["x-credits"] == CREDITS
    assert ann.post("/ai/completions", json={"prompt": "Or so?", "model": MODEL}).json()["credits"] == CREDITS
    assert balance(ann)["daily_free_remaining"] == str(10 - 3 * Decimal(CREDITS))


def test_a_failed_request_gives_everything_back(ann: httpx2.Client, chat_server: ChatServer) -> None:
    switch(ann)
    chat_server.reply(status=401)
    assert_problem(ask(ann), 503, "provider_unavailable")
    assert balance(ann)["daily_free_remaining"] == "10"


def test_a_repeated_key_is_not_charged_again_and_tells_the_same(ann: httpx2.Client) -> None:
    switch(ann)
    body, key = {"message": "One more?", "model": MODEL}, {"Idempotency-Key": "once"}
    first = ann.post("/ai/chat", json=body, headers=key)
    again = ann.post("/ai/chat", json=body, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (first.json()["credits"], again.json()["credits"]) == (CREDITS, CREDITS)
    assert balance(ann)["daily_free_remaining"] == str(10 - Decimal(CREDITS))


def test_a_client_that_leaves_a_stream_pays_for_what_came(
    ann: httpx2.Client, service: Service, chat_server: ChatServer
) -> None:
    switch(ann)
    chat_server.reply(text=LONG, usage=None, hangs="between_tokens")
    body = {"message": "One more?", "model": MODEL, "stream": True}
    with ann.stream("POST", "/ai/chat", json=body) as answer:
        assert next(answer.iter_lines()).startswith("data: ")
    newest = "SELECT status, charged_usd, credits FROM usage_log ORDER BY at DESC LIMIT 1"
    eventually(lambda: (service.execute(newest).fetchone() or ("",))[0] == "cut")
    row = service.execute(newest).fetchone()
    assert row is not None
    taken = shipped_billing().credits_of(Decimal(str(row[1])), "openai")
    assert row[2] == taken > 0
    assert balance(ann)["daily_free_remaining"] == str(10 - taken)


def test_what_was_answered_before_is_free_when_quota_credits_and_money_are_gone(
    ann: httpx2.Client, service: Service
) -> None:
    service.execute("UPDATE plan_limits SET free_credits_day = 0 WHERE plan = 'free'")
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    switch(ann)
    assert ask(ann).status_code == 402
    again = ask(ann, "Question 3?")
    assert (again.status_code, again.json()["cached"], again.json()["credits"]) == (200, True, "0")
    assert (again.headers["x-cache"], again.headers["x-credits"], again.headers["x-cost-usd"]) == ("hit", "0", "0")


def test_the_packages_may_be_kept_for_an_hour(ann: httpx2.Client) -> None:
    answer = ann.get("/credits/packages")
    assert answer.headers["cache-control"] == "private, max-age=3600"
    assert answer.json()[0] == {"id": "starter", "name": "Starter", "credits": 100, "price_usd": "10.00"}


def test_the_ledger_is_read_page_by_page(ann: httpx2.Client, live_api: Api, member: Principal) -> None:
    for number in range(3):
        live_api.workbench.credits.grant(member.org_id, Decimal(1), reason=f"Grant {number}", author=None)
    first = ann.get("/credits/ledger", params={"limit": 2}).json()
    assert [entry["reason"] for entry in first["entries"]] == ["Grant 2", "Grant 1"]
    rest = ann.get("/credits/ledger", params={"limit": 2, "before": first["next_before"]}).json()
    assert [(entry["reason"], entry["change"]) for entry in rest["entries"]] == [("Grant 0", "1")]
    assert rest["next_before"] is None
    for wrong in ({"limit": 0}, {"limit": 201}, {"before": "x"}, {"nothing": 1}):
        assert_problem(ann.get("/credits/ledger", params=wrong), 422, "invalid_request")


def test_nobody_sees_or_sets_what_is_anothers(ann: httpx2.Client, live_api: Api, member: Principal) -> None:
    live_api.workbench.credits.grant(member.org_id, Decimal(1), reason="Ours", author=None)
    analyst = live_api.member("carl", org=member.org_name, role=Role.ANALYST)
    stranger = live_api.member("sue")
    with live_api.client(analyst) as carl, live_api.client(stranger) as sue:
        assert balance(carl)["balance"] == "1"
        assert carl.get("/credits/ledger").json()["entries"] == []
        assert_problem(carl.get("/credits/caps"), 403, "forbidden")
        assert_problem(carl.put(f"/credits/caps/{analyst.user_id}", json={"cap_month": "9"}), 403, "forbidden")
        assert balance(sue)["balance"] == "0"
        assert sue.get("/credits/ledger").json()["entries"] == []
        assert_problem(sue.put(f"/credits/caps/{member.user_id}", json={"cap_month": "9"}), 404, "not_found")
    for cap in ("-1", "NaN", "nine", "0.0000001"):
        wrong = ann.put(f"/credits/caps/{member.user_id}", json={"cap_month": cap})
        assert_problem(wrong, 422, "invalid_request")


def test_a_boost_is_asked_for_and_decided_and_holds_for_the_next_question(
    ann: httpx2.Client, live_api: Api, member: Principal
) -> None:
    wanted = {"metric": "chat_queries_day", "amount": 2, "days": 3, "reason": "Earnings season"}
    asked = ann.post("/boosts", json=wanted)
    assert asked.status_code == 201
    boost = asked.json()
    assert (boost["state"], boost["for_user"], boost["note"]) == ("requested", str(member.user_id), None)
    own = ann.post(f"/boosts/{boost['id']}/decision", json={"granted": True})
    assert_problem(own, 403, "forbidden")
    admin = live_api.member("ada", org=member.org_name, role=Role.ADMIN)
    with live_api.client(admin) as ada:
        assert [row["id"] for row in ada.get("/boosts/all").json()["boosts"]] == [boost["id"]]
        granted = ada.post(
            f"/boosts/{boost['id']}/decision", json={"granted": True, "amount": 1, "note": "One will do"}
        )
        assert (granted.json()["state"], granted.json()["amount"]) == ("granted", 1)
        assert_problem(ada.post(f"/boosts/{boost['id']}/decision", json={"granted": False}), 409, "conflict")
        assert ask(ann).json()["credits"] == "0"
        assert_problem(ask(ann, "And one?"), 429, "quota_exceeded")
        assert ada.delete(f"/boosts/{boost['id']}").json()["state"] == "ended"
    assert [row["state"] for row in ann.get("/boosts").json()["boosts"]] == ["ended"]
    assert_problem(ann.delete("/boosts/not-an-id"), 404, "not_found")


def test_free_credits_are_new_on_the_next_day(
    ann: httpx2.Client, live_api: Api, service: Service, member: Principal
) -> None:
    switch(ann)
    ask(ann)
    day = service.execute("SELECT day, used FROM free_days").fetchone()
    assert day == (datetime.now(UTC).date(), Decimal(CREDITS))
