"""`POST /api/ai/audio/transcribe`: recordings written down by a live provider, metered as any request."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import httpx2
import psycopg
import pytest

from core.metering.books import audit
from tests.core.http.conftest import MODEL, Api, ServeApi, assert_problem
from tests.fakes.chat_server import ChatServer
from tests.fakes.groq_server import GroqServer
from tests.fakes.sounds import RATE, wav

Service = psycopg.Connection[tuple[object, ...]]
PATH = "/ai/audio/transcribe"
WRITER = "gpt-transcribe"
SAID = "Sell nothing before noon."
HOUR_USD = Decimal("0.27")


def _post(client: httpx2.Client, data: bytes, key: str = "", **fields: str) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(PATH, files={"file": ("call.wav", data, "audio/wav")}, data=fields, headers=headers)


@pytest.fixture(autouse=True)
def said(chat_server: ChatServer) -> None:
    """What the provider hears."""
    chat_server.reply(text=SAID)


def test_a_transcript_has_the_shape_of_the_contract(basic: httpx2.Client, chat_server: ChatServer) -> None:
    answer = _post(basic, wav(90.5), language="en")
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert set(content) == {
        "text",
        "model",
        "provider",
        "usage",
        "estimated",
        "cost_usd",
        "credits",
        "cached",
        "seconds",
    }
    assert (content["text"], content["seconds"], content["cached"]) == (SAID, 91, False)
    assert (content["model"], content["provider"]) == (WRITER, "openai")
    assert Decimal(content["cost_usd"]) == 91 * HOUR_USD / 3600
    assert not content["estimated"]
    sent = chat_server.requests[0]
    assert sent.path.endswith("/audio/transcriptions")
    assert sent.body == {
        "model": WRITER,
        "response_format": "json",
        "language": "en",
        "file": {"name": "recording.wav", "type": "audio/wav", "data": wav(90.5)},
    }


def test_a_transcript_counts_one_request_and_no_chat_query(
    live_api: Api, basic: httpx2.Client, service: Service
) -> None:
    answer = _post(basic, wav(2))

    assert (answer.headers["x-quota-metric"], answer.headers["x-quota-remaining"]) == ("requests_month", "2999")
    assert service.execute("SELECT feature, model, status FROM usage_log").fetchall() == [(None, WRITER, "success")]
    assert audit(live_api.workbench.database).differences == []


def test_the_same_recording_is_cached_for_a_week_and_free(
    basic: httpx2.Client, chat_server: ChatServer, service: Service
) -> None:
    first, second = (_post(basic, wav(2)) for _ in range(2))

    assert second.json() == {**first.json(), "cached": True, "cost_usd": "0"}
    assert chat_server.calls == 1
    row = service.execute(
        "SELECT task, expires_at - created_at BETWEEN interval '6 days' AND interval '7 days' FROM cache_entries"
    ).fetchone()
    assert row == ("transcription", True)


def test_another_recording_or_language_is_another_question(basic: httpx2.Client, chat_server: ChatServer) -> None:
    _post(basic, wav(2))
    _post(basic, wav(2, level=129))
    _post(basic, wav(2), language="de")

    assert chat_server.calls == 3


def test_a_model_by_tokens_is_charged_by_what_it_counts(basic: httpx2.Client, live_api: Api) -> None:
    content = _post(basic, wav(60), model="gpt-4o-mini-transcribe").json()

    assert content["usage"] == {"prompt_tokens": 600, "completion_tokens": 4, "total_tokens": 604}
    assert Decimal(content["cost_usd"]) == (600 * Decimal(3) + 4 * Decimal(5)) / 1_000_000
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize("model", [WRITER, "gpt-4o-mini-transcribe"])
def test_without_usage_it_is_charged_by_the_recording(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, model: str
) -> None:
    chat_server.reply(text=SAID, usage=None)
    content = _post(basic, wav(60), model=model).json()

    assert content["estimated"]
    by_tokens = (600 * Decimal(3) + 7 * Decimal(5)) / 1_000_000
    assert Decimal(content["cost_usd"]) == (60 * HOUR_USD / 3600 if model == WRITER else by_tokens)
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize("seconds", [-5, 1e12, "many", float("1e3")])
def test_a_length_that_cannot_be_is_not_believed(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, seconds: object
) -> None:
    chat_server.reply(text=SAID, usage={"type": "duration", "seconds": seconds})
    content = _post(basic, wav(2)).json()

    assert content["estimated"]
    assert Decimal(content["cost_usd"]) == 2 * HOUR_USD / 3600
    assert audit(live_api.workbench.database).differences == []


def test_a_recording_in_which_nothing_is_said_has_no_words(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    chat_server.reply(text="")
    answer = _post(basic, wav(2))

    assert (answer.status_code, answer.json()["text"]) == (200, "")
    assert audit(live_api.workbench.database).differences == []


def test_a_repeat_with_a_key_is_the_same_transcript(basic: httpx2.Client, chat_server: ChatServer) -> None:
    key = "one"
    first, again = (_post(basic, wav(2), key) for _ in range(2))

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert chat_server.calls == 1
    assert_problem(_post(basic, wav(3), key), 409, "conflict")
    assert_problem(_post(basic, wav(2), key, language="de"), 409, "conflict")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"hello, this is no sound at all", "no recording"),
        (b"%PDF-1.7 and so on", "no recording"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "no recording"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "no sound"),
        (b"ID3" + bytes(400), "no sound"),
        (b"fLaC" + bytes(40), "read"),
        (wav(0), "no sound"),
    ],
    ids=["empty", "text", "pdf", "avi", "header", "tags", "flac", "no time"],
)
def test_a_file_that_cannot_be_heard_is_told(
    basic: httpx2.Client, chat_server: ChatServer, data: bytes, word: str
) -> None:
    problem = assert_problem(_post(basic, data), 422, "invalid_request")

    assert word in str(problem["detail"])
    assert chat_server.calls == 0


def test_a_recording_that_is_too_long_is_told(basic: httpx2.Client, chat_server: ChatServer) -> None:
    slow = bytearray(wav(1))
    slow[24:28] = slow[28:32] = (1).to_bytes(4, "little")  # one sample a second: 8,000 seconds

    problem = assert_problem(_post(basic, bytes(slow)), 422, "invalid_request")
    assert "minutes long, of at most 2 hours" in str(problem["detail"])
    assert chat_server.calls == 0


def test_a_file_that_is_too_large_is_refused_before_it_is_read(basic: httpx2.Client, chat_server: ChatServer) -> None:
    assert_problem(_post(basic, bytes(26 * 1024 * 1024)), 413, "payload_too_large")
    assert chat_server.calls == 0


@pytest.mark.parametrize(
    "fields",
    [{"language": "english"}, {"language": "EN"}, {"model": ""}, {"prompt": "x"}, {"model": MODEL}],
    ids=["long", "upper case", "empty", "unknown", "chat model"],
)
def test_a_wish_that_cannot_be_is_told(basic: httpx2.Client, chat_server: ChatServer, fields: dict[str, str]) -> None:
    assert_problem(_post(basic, wav(1), **fields), 422, "invalid_request")
    assert chat_server.calls == 0


def test_a_form_without_a_file_or_another_body_is_told(basic: httpx2.Client) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_problem(basic.post(PATH, json={"file": "x"}), 422, "invalid_request")
    assert_problem(basic.post(PATH, data={"file": "x"}), 422, "invalid_request")
    assert_problem(basic.post(PATH, content=b"--y\r\n", headers=boundary), 422, "invalid_request")
    assert_problem(basic.post(PATH, files={"sound": ("a", wav(1))}), 422, "invalid_request")
    twice = {"file": ("a", wav(1))}
    content = httpx2.Request("POST", "http://a", files=twice, data={"language": ["en", "de"]})
    headers = {"Content-Type": content.headers["content-type"]}
    assert_problem(basic.post(PATH, content=content.read(), headers=headers), 422, "invalid_request")


def test_without_a_token_nothing_is_read(api: Api) -> None:
    with api.client() as client:
        assert_problem(_post(client, wav(1)), 401, "unauthenticated")


@pytest.mark.parametrize("fields", [{}, {"model": WRITER}])
def test_without_a_live_provider_it_is_unavailable(api: Api, ann: httpx2.Client, fields: dict[str, str]) -> None:
    problem = assert_problem(_post(ann, wav(1), **fields), 503, "provider_unavailable")

    assert "OPENAI_API_KEY" in str(problem["detail"])


def test_a_recording_above_the_plans_ceiling_is_refused_before_it_is_sent(
    free: httpx2.Client, chat_server: ChatServer
) -> None:
    quiet = bytearray(wav(60))
    quiet[24:28] = quiet[28:32] = (RATE // 10).to_bytes(4, "little")  # ten minutes: 0.045 USD of 0.01

    assert_problem(_post(free, bytes(quiet)), 402, "cost_ceiling")
    assert chat_server.calls == 0


def test_a_recording_that_a_model_cannot_hold_is_told_and_not_sent(live_api: Api, chat_server: ChatServer) -> None:
    slow = bytearray(wav(15))
    slow[24:28] = slow[28:32] = (RATE // 100).to_bytes(4, "little")  # 25 minutes
    with live_api.client(live_api.member("desk", plan="team")) as desk:
        refused = assert_problem(_post(desk, bytes(slow), model="gpt-4o-mini-transcribe"), 422, "invalid_request")
        assert "at most 23 minutes" in str(refused["detail"])
        assert chat_server.calls == 0
        assert _post(desk, bytes(slow), model="whisper-1").json()["seconds"] == 1_500
    assert audit(live_api.workbench.database).differences == []


@pytest.fixture
def at_groq(serve_api: ServeApi) -> Iterator[tuple[Api, GroqServer]]:
    """The API whose one live provider is Groq."""
    with GroqServer() as server:
        server.reply(text=SAID)
        yield serve_api(GROQ_API_KEY="gsk-test", GROQ_BASE_URL=server.base_url), server


def test_groq_charges_a_short_recording_as_ten_seconds(at_groq: tuple[Api, GroqServer]) -> None:
    api, server = at_groq
    with api.client(api.member("ann")) as client:
        content = _post(client, wav(1.5)).json()

    assert (content["model"], content["seconds"]) == ("groq/whisper-large-v3-turbo", 2)
    assert Decimal(content["cost_usd"]) == Decimal("0.000111112")
    assert server.requests[0].body["response_format"] == "verbose_json"
    assert audit(api.workbench.database).differences == []
