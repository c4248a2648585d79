"""`POST /api/ai/images/generate`: pictures of a live provider, metered as any request."""

from __future__ import annotations

import base64
import io
from decimal import Decimal

import httpx2
import psycopg
import pytest
from PIL import Image

from core.metering.books import audit
from tests.core.http.conftest import MODEL, Api, assert_problem
from tests.fakes.chat_server import ChatServer
from tests.fakes.pictures import base64_of, picture_bytes

Service = psycopg.Connection[tuple[object, ...]]
PATH = "/ai/images/generate"
PROMPT = "A balance made of brass, weighing a share"
PAINTER = "gpt-image-2.5-flare"


def test_a_picture_has_the_shape_of_the_contract(basic: httpx2.Client, chat_server: ChatServer) -> None:
    answer = basic.post(PATH, json={"prompt": PROMPT})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert set(content) == {"data", "model", "provider", "usage", "estimated", "cost_usd", "credits", "cached"}
    assert (content["model"], content["provider"], content["cached"]) == (PAINTER, "openai", False)
    (made,) = content["data"]
    assert made["media_type"] == "image/webp"
    with Image.open(io.BytesIO(base64.b64decode(made["b64_json"]))) as picture:
        assert (picture.size, picture.format) == ((1024, 1024), "WEBP")
    assert content["usage"] == {"prompt_tokens": 8, "completion_tokens": 196, "total_tokens": 204}
    assert Decimal(content["cost_usd"]) == (8 * Decimal(5) + 196 * Decimal(30)) / 1_000_000
    assert chat_server.requests[0].body == {
        "model": PAINTER,
        "prompt": PROMPT,
        "size": "1024x1024",
        "quality": "low",
        "n": 1,
        "output_format": "webp",
        "output_compression": 80,
    }


def test_a_picture_counts_one_request_and_no_chat_query(live_api: Api, basic: httpx2.Client, service: Service) -> None:
    answer = basic.post(PATH, json={"prompt": PROMPT})

    assert (answer.headers["x-plan"], answer.headers["x-quota-metric"]) == ("basic", "requests_month")
    assert answer.headers["x-quota-remaining"] == "2999"
    assert service.execute("SELECT feature, model, status FROM usage_log").fetchall() == [(None, PAINTER, "success")]
    assert audit(live_api.workbench.database).differences == []


def test_the_same_picture_is_cached_for_90_days_and_free(
    basic: httpx2.Client, chat_server: ChatServer, service: Service
) -> None:
    first, second = (basic.post(PATH, json={"prompt": PROMPT}) for _ in range(2))

    assert second.json() == {**first.json(), "cached": True, "cost_usd": "0"}
    assert chat_server.calls == 1
    row = service.execute("SELECT task, expires_at - created_at > interval '89 days' FROM cache_entries").fetchone()
    assert row == ("image", True)


@pytest.mark.parametrize("change", [{"size": "1024x1536"}, {"quality": "medium"}, {"prompt": PROMPT + "!"}])
def test_a_picture_of_another_kind_is_another_picture(
    basic: httpx2.Client, chat_server: ChatServer, change: dict[str, str]
) -> None:
    basic.post(PATH, json={"prompt": PROMPT})
    other = basic.post(PATH, json={"prompt": PROMPT, **change})

    assert (other.status_code, other.json()["cached"], chat_server.calls) == (200, False, 2)


def test_a_picture_without_usage_costs_what_it_may_take(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    chat_server.reply(usage=None)
    content = basic.post(PATH, json={"prompt": PROMPT, "quality": "medium"}).json()

    assert content["estimated"]
    assert content["usage"]["completion_tokens"] == 439
    assert audit(live_api.workbench.database).differences == []


def test_a_picture_above_the_plans_ceiling_is_refused_before_it_is_asked_for(
    free: httpx2.Client, chat_server: ChatServer
) -> None:
    assert_problem(free.post(PATH, json={"prompt": PROMPT, "quality": "high"}), 402, "cost_ceiling")
    assert chat_server.calls == 0


def test_a_repeat_with_a_key_is_the_same_picture(basic: httpx2.Client, chat_server: ChatServer) -> None:
    headers = {"Idempotency-Key": "one"}
    first = basic.post(PATH, json={"prompt": PROMPT}, headers=headers)
    again = basic.post(PATH, json={"prompt": PROMPT}, headers=headers)

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert chat_server.calls == 1
    assert_problem(basic.post(PATH, json={"prompt": "Other"}, headers=headers), 409, "conflict")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": 3},
        {"prompt": PROMPT, "size": "16x16"},
        {"prompt": PROMPT, "quality": "max"},
        {"prompt": PROMPT, "n": 2},
        {"prompt": PROMPT, "model": MODEL},
    ],
    ids=["none", "number", "size", "quality", "unknown", "chat model"],
)
def test_a_wish_that_cannot_be_is_told(basic: httpx2.Client, chat_server: ChatServer, body: dict[str, object]) -> None:
    assert_problem(basic.post(PATH, json=body), 422, "invalid_request")
    assert chat_server.calls == 0


def test_half_of_a_character_is_no_prompt(basic: httpx2.Client) -> None:
    answer = basic.post(PATH, content=b'{"prompt": "half \\ud800"}', headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "invalid_request")


def test_an_empty_prompt_is_rejected(basic: httpx2.Client) -> None:
    assert_problem(basic.post(PATH, json={"prompt": "  "}), 422, "prompt_rejected")


@pytest.mark.parametrize("body", [{}, {"model": PAINTER}])
def test_without_a_live_provider_it_is_unavailable(api: Api, ann: httpx2.Client, body: dict[str, str]) -> None:
    problem = assert_problem(ann.post(PATH, json={"prompt": PROMPT, **body}), 503, "provider_unavailable")

    assert "OPENAI_API_KEY" in str(problem["detail"])
    assert audit(api.workbench.database).differences == []


def test_an_unknown_model_is_not_found(basic: httpx2.Client) -> None:
    assert_problem(basic.post(PATH, json={"prompt": PROMPT, "model": "dall-e-2"}), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"b64_json": "!"}]},
        {"data": [{"b64_json": base64_of(b"no picture")}]},
        {"data": [{"url": "http://localhost/picture"}]},
        {"data": [{"b64_json": base64_of(picture_bytes("image/gif", 4, 4))}]},
    ],
    ids=["none", "not base64", "no picture", "address", "gif"],
)
def test_what_is_no_picture_is_a_failure_that_costs_nothing(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, body: object
) -> None:
    chat_server.reply(body=body)
    assert_problem(basic.post(PATH, json={"prompt": PROMPT}), 503, "provider_unavailable")

    assert basic.get("/user/usage").json()["usage"]["monthly"]["requests"]["used"] == 0
    assert audit(live_api.workbench.database).differences == []


def test_what_a_vendor_refuses_to_paint_is_told_and_free(basic: httpx2.Client, chat_server: ChatServer) -> None:
    chat_server.reply(
        status=400, error={"message": "no", "type": "image_generation_user_error", "code": "moderation_blocked"}
    )
    answer = basic.post(PATH, json={"prompt": PROMPT})

    problem = assert_problem(answer, 422, "invalid_request")
    assert "refuses" in str(problem["detail"])
    assert basic.get("/user/usage").json()["usage"]["monthly"]["requests"]["used"] == 0


def test_other_users_of_the_organisation_share_a_picture_and_others_do_not(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    basic.post(PATH, json={"prompt": PROMPT})
    with live_api.client(live_api.member("stranger", plan="basic")) as other:
        assert other.post(PATH, json={"prompt": PROMPT}).json()["cached"] is False
    assert chat_server.calls == 2
