"""`/v1/embeddings` and `/v1/models` as the official client of OpenAI finds them."""

from __future__ import annotations

import base64
import struct
from decimal import Decimal
from typing import Any

import openai
import psycopg
import pytest

from core.metering.books import audit
from core.principal import Principal
from tests.core.http.conftest import Api
from tests.fakes.chat_server import ChatServer
from tests.fakes.words import vectors_of

EMBEDDER = "text-embedding-3-small"
TEXTS = ["net interest margin", "price to book"]
Service = psycopg.Connection[tuple[object, ...]]


def test_texts_become_vectors_in_their_order(openai_client: openai.OpenAI, chat_server: ChatServer) -> None:
    answer = openai_client.embeddings.create(model=EMBEDDER, input=TEXTS)
    assert (answer.object, answer.model) == ("list", EMBEDDER)
    assert [(row.object, row.index) for row in answer.data] == [("embedding", 0), ("embedding", 1)]
    for row, expected in zip(answer.data, vectors_of(TEXTS, None), strict=True):
        assert row.embedding == pytest.approx(expected, abs=1e-6)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (6, 6)
    assert chat_server.requests[0].path == "/v1/embeddings"


def test_one_text_and_numbers_instead_of_base64_are_the_same(openai_client: openai.OpenAI) -> None:
    packed = openai_client.embeddings.create(model=EMBEDDER, input=TEXTS[0], encoding_format="base64")
    numbers = openai_client.embeddings.create(model=EMBEDDER, input=[TEXTS[0]], encoding_format="float")
    given: Any = packed.data[0].embedding
    vector = base64.b64decode(given)
    assert list(struct.unpack(f"<{len(vector) // 4}f", vector)) == numbers.data[0].embedding


def test_the_length_of_vectors_can_be_chosen(openai_client: openai.OpenAI, chat_server: ChatServer) -> None:
    answer = openai_client.embeddings.create(model=EMBEDDER, input=TEXTS[0], dimensions=4)
    assert len(answer.data[0].embedding) == 4
    assert chat_server.requests[0].body["dimensions"] == 4


def test_vectors_count_as_a_request_and_no_chat_query_and_again_as_nothing(
    live_api: Api, openai_client: openai.OpenAI, basic_member: Principal, service: Service, chat_server: ChatServer
) -> None:
    first, again = (openai_client.embeddings.with_raw_response.create(model=EMBEDDER, input=TEXTS) for _ in range(2))
    assert first.headers["x-quota-metric"] == "requests_month"
    assert Decimal(first.headers["x-cost-usd"]) > 0
    assert (first.headers["x-cache"], again.headers["x-cache"], again.headers["x-cost-usd"]) == ("miss", "hit", "0")
    assert again.headers["x-quota-remaining"] == first.headers["x-quota-remaining"]
    assert again.parse().data[0].embedding == first.parse().data[0].embedding
    overview = live_api.workbench.usage.overview(basic_member).allowances
    assert (overview["requests_month"].used, overview["chat_queries_day"].used) == (1, 0)
    assert chat_server.calls == 1
    assert service.execute("SELECT feature, channel FROM usage_log WHERE hold_id IS NOT NULL").fetchall() == [
        (None, "v1")
    ]
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1, 2, 3], "tokens"),
        ([[1, 2], [3]], "tokens"),
        ([], "list of texts"),
        ("", "empty"),
        (["fine", "  "], "empty"),
        (["fine", None], "texts"),
        ({"text": "x"}, "list of texts"),
        (["x"] * 2_049, "2,048"),
        ("a\x00b", "not text"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(
    openai_client: openai.OpenAI, chat_server: ChatServer, given: Any, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.embeddings.create(model=EMBEDDER, input=given)
    assert refused.value.param == "input"
    assert words in refused.value.message
    assert chat_server.calls == 0


def test_a_model_that_only_chats_gives_no_vectors_and_the_other_way_round(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        openai_client.embeddings.create(model="gpt-4o-mini", input="x")
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "x"}])


def test_the_models_that_may_be_asked_are_listed(live_api: Api, openai_client: openai.OpenAI) -> None:
    models = {model.id: model for model in openai_client.models.list()}
    assert {"auto", "gpt-4o-mini", EMBEDDER} <= set(models)
    assert (models["gpt-4o-mini"].owned_by, models["gpt-4o-mini"].object) == ("openai", "model")
    assert {model.owned_by for model in models.values()} == {"assay", "openai", "offline"}
    with live_api.client(live_api.member("free")) as http:
        listed = {row["id"] for row in http.get(f"{live_api.v1_url}/models").json()["data"]}
    assert "gpt-4o" not in listed
    assert "gpt-4o-mini" in listed


def test_one_model_is_told_by_name_and_an_unknown_one_is_404(openai_client: openai.OpenAI) -> None:
    assert openai_client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"
    for name in ("gpt-99", "some/host/gpt", "claude-opus-4-5", "%2e%2e"):
        with pytest.raises(openai.NotFoundError) as missing:
            openai_client.models.retrieve(name)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
