"""What everything keeps that makes pictures or writes recordings down: one suite over all of them."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import (
    ChatStream,
    Delta,
    Finish,
    Painter,
    PictureRequest,
    Provider,
    Recording,
    TimeLimits,
    TokenUsage,
    Transcriber,
    TranscriptionRequest,
)
from core.ai.providers.hosts import HOSTS
from core.ai.providers.media_stream import EXTENSIONS, PictureStream, TranscriptStream
from core.ai.providers.openai_chat import OpenAIChat
from core.ai.providers.painted import painted, painted_text
from core.errors import (
    ProviderBroke,
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, events
from tests.core.ai.providers.vendors import CHAT_VENDORS, ChatVendor
from tests.fakes.chat_server import ChatServer
from tests.fakes.pictures import base64_of, picture, picture_bytes
from tests.fakes.scripted_server import ScriptedServer, Stage, closed_address
from tests.fakes.sounds import recording

HURRIED = TimeLimits(connect_s=5, first_token_s=0.3, between_tokens_s=1, total_s=5)
WAKES_WITHIN_S = 0.05
STAGES: list[Stage] = ["headers", "first_token", "between_tokens"]
SAID = "Sell nothing before noon."
PROMPT = "A balance of brass"
SOUND = recording(2.5)
Ask = Callable[[Provider, TimeLimits], ChatStream]


def _paint(provider: Provider, limits: TimeLimits) -> ChatStream:
    assert isinstance(provider, Painter)
    return provider.paint(PictureRequest("a-painter", PROMPT, "1024x1536", "medium"), limits)


def _transcribe(provider: Provider, limits: TimeLimits) -> ChatStream:
    assert isinstance(provider, Transcriber)
    return provider.transcribe(TranscriptionRequest("a-writer", SOUND, "en"), limits)


@dataclass(frozen=True)
class Errand:
    """What one adapter is asked for, and how."""

    vendor: ChatVendor[Provider]
    ask: Ask
    stream: type[PictureStream] | type[TranscriptStream]


ERRANDS = {
    "openai picture": Errand(CHAT_VENDORS["openai"], _paint, PictureStream),
    "openai transcript": Errand(CHAT_VENDORS["openai"], _transcribe, TranscriptStream),
    "groq transcript": Errand(CHAT_VENDORS["groq"], _transcribe, TranscriptStream),
}


@dataclass(frozen=True)
class Case:
    """An errand, with the adapter pointed at its server."""

    errand: Errand
    adapter: Provider
    server: ScriptedServer

    def ask(self, limits: TimeLimits = LIMITS) -> ChatStream:
        """What is asked for, not called yet."""
        return self.errand.ask(self.adapter, limits)


@pytest.fixture(params=ERRANDS)
def errand(request: pytest.FixtureRequest) -> Errand:
    return ERRANDS[request.param]


@pytest.fixture
def case(errand: Errand) -> Iterator[Case]:
    with errand.vendor.served() as (adapter, server):
        server.reply(text=SAID)
        yield Case(errand, adapter, server)


class TestAllOfThem:
    def test_one_delta_holds_what_was_asked_for(self, case: Case) -> None:
        delta, finish = list(case.ask())

        assert isinstance(delta, Delta)
        assert isinstance(finish, Finish)
        assert (finish.reason, finish.calls) == ("stop", ())
        if case.errand.stream is TranscriptStream:
            assert delta.text == SAID
        else:
            made = painted(delta.text)
            assert (made.media_type, made.width, made.height) == ("image/webp", 1024, 1536)
            assert made.data == picture_bytes("image/webp", 1024, 1536, PROMPT)

    def test_usage_is_the_hosts(self, case: Case) -> None:
        stream = case.ask()
        _, finish = events(stream)

        is_picture = case.errand.stream is PictureStream
        assert finish.usage == (TokenUsage(4, 439) if is_picture else TokenUsage(0, 0, audio_s=3))
        assert stream.usage == finish.usage

    def test_missing_usage_is_none(self, case: Case) -> None:
        case.server.reply(text=SAID, usage=None)

        assert events(case.ask())[1].usage is None

    def test_one_connection_serves_one_call_after_the_other(self, case: Case) -> None:
        for _ in range(4):
            events(case.ask())

        assert (case.server.calls, case.server.connections, case.server.disconnects) == (4, 1, 0)

    def test_calls_nobody_before_the_first_event_is_asked_for(self, case: Case) -> None:
        stream = case.ask()
        assert not stream.was_sent
        stream.close()

        assert case.server.calls == 0

    def test_a_stream_that_was_aborted_before_it_began_says_nothing(self, case: Case) -> None:
        stream = case.ask()
        stream.abort()

        with pytest.raises(ProviderBroke):
            list(stream)
        assert case.server.connections == 0

    def test_closing_is_harmless_at_any_time_and_any_number_of_times(self, case: Case) -> None:
        stream = case.ask()
        events(stream)

        for _ in range(2):
            stream.close()
            stream.abort()

    @pytest.mark.parametrize("stage", STAGES)
    def test_silence_is_a_timeout(self, case: Case, stage: Stage) -> None:
        case.server.reply(hangs=stage)

        with pytest.raises(ProviderTimeout):
            list(case.ask(HURRIED))
        assert case.server.wait_for(disconnects=1)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_at_once_and_closes_the_connection(self, case: Case, stage: Stage) -> None:
        _check_abort_wakes(case, stage)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_over_tls_too(self, errand: Errand, tmp_path: Path, stage: Stage) -> None:
        with errand.vendor.served_over_tls(tmp_path) as (adapter, server):
            _check_abort_wakes(Case(errand, adapter, server), stage)

    @pytest.mark.parametrize("byte", [0, 1, 20])
    def test_a_body_that_is_cut_gives_nothing(self, case: Case, byte: int) -> None:
        case.server.reply(text=SAID, cut_at_byte=byte)
        reader = Reader(case.ask())
        reader.join()

        assert isinstance(reader.error, ProviderError)
        assert not reader.events

    @pytest.mark.parametrize(
        "body", ["", "{", "[]", "null", "nothing", "[" * 100_000, {}, {"data": {"a": 1}, "text": 5}]
    )
    def test_a_reply_in_another_form_is_broken(self, case: Case, body: Any) -> None:
        case.server.reply(body=body)

        _broken(case)

    def test_a_reply_that_is_too_long_is_broken(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(case.errand.stream, "most_bytes", 10)

        _broken(case)

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"status": 400}, ProviderRejectedRequest),
            ({"status": 401}, ProviderRefusedKey),
            ({"status": 402}, ProviderRateLimited),
            ({"status": 403}, ProviderRefusedKey),
            ({"status": 404}, ProviderLacksModel),
            ({"status": 408}, ProviderTimeout),
            ({"status": 413}, ProviderRejectedRequest),
            ({"status": 415}, ProviderUnavailable),
            ({"status": 422}, ProviderRejectedRequest),
            ({"status": 429}, ProviderRateLimited),
            ({"status": 500}, ProviderUnavailable),
            ({"status": 503}, ProviderUnavailable),
            ({"hangs_up": True}, ProviderUnavailable),
        ],
        ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(map(str, *value.items())),
    )
    def test_each_refusal_has_its_kind_and_is_not_retried(
        self, case: Case, changes: dict[str, Any], kind: type[ProviderError]
    ) -> None:
        case.server.reply(**changes)

        with pytest.raises(ProviderError) as caught:
            list(case.ask())
        assert type(caught.value) is kind
        assert case.server.calls == 1

    @pytest.mark.parametrize("code", ["insufficient_quota", "billing_error"])
    def test_an_account_without_credit_has_to_wait(self, case: Case, code: str) -> None:
        case.server.reply(status=429, error={"message": "no", "code": code})

        with pytest.raises(ProviderRateLimited, match="no credit left"):
            list(case.ask())

    @pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
    def test_what_a_host_does_not_allow_is_told_as_that(self, case: Case, code: str) -> None:
        case.server.reply(status=400, error={"message": "no", "code": code})

        with pytest.raises(ProviderRejectedRequest, match="Ask for something else"):
            list(case.ask())

    def test_the_wait_that_a_host_asks_for_is_passed_on(self, case: Case) -> None:
        case.server.reply(status=429, headers={"Retry-After": "7"})

        with pytest.raises(ProviderRateLimited, match="7 s"):
            list(case.ask())

    def test_a_host_that_does_not_listen_is_unavailable(self, errand: Errand) -> None:
        nobody = errand.vendor.open(closed_address(""))
        stream = errand.ask(nobody, LIMITS)
        with pytest.raises(ProviderUnavailable):
            list(stream)
        nobody.close()
        assert not stream.was_sent

    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    def test_nothing_that_the_host_says_is_repeated(self, case: Case, status: int) -> None:
        case.server.reply(status=status, error={"message": f"bad key {KEY} for {PROMPT}", "code": KEY})

        with pytest.raises(ProviderError) as caught:
            list(case.ask())
        told = repr(caught.value) + str(caught.value.__cause__) + caught.value.detail
        assert KEY not in told
        assert PROMPT not in told
        assert caught.value.__suppress_context__


class TestPictures:
    @pytest.fixture
    def openai(self) -> Iterator[Case]:
        with ERRANDS["openai picture"].vendor.served() as (adapter, server):
            yield Case(ERRANDS["openai picture"], adapter, server)

    def test_the_request_holds_what_was_asked_and_no_more(self, openai: Case) -> None:
        events(openai.ask())

        received = openai.server.requests[0]
        assert received.path == "/v1/images/generations"
        assert received.body == {
            "model": "a-painter",
            "prompt": PROMPT,
            "size": "1024x1536",
            "quality": "medium",
            "n": 1,
            "output_format": "webp",
            "output_compression": 80,
        }

    @pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
    def test_the_type_and_size_are_those_of_the_file(self, openai: Case, kind: str) -> None:
        openai.server.reply(body={"data": [{"b64_json": base64_of(picture_bytes(kind, 30, 20))}]})
        texts, _ = events(openai.ask())

        made = painted(texts[0])
        assert (made.media_type, made.width, made.height) == (kind, 30, 20)

    @pytest.mark.parametrize(
        "file",
        [
            b"",
            b"no picture",
            picture_bytes("image/gif", 4, 4),
            picture_bytes("image/png", 4, 4)[:20],
            picture_bytes("image/png", 5_000, 1),
        ],
        ids=["empty", "text", "gif", "cut", "wide"],
    )
    def test_what_is_no_picture_of_ours_is_broken(self, openai: Case, file: bytes) -> None:
        openai.server.reply(body={"data": [{"b64_json": base64_of(file)}]})

        _broken(openai)

    @pytest.mark.parametrize("made", [None, 5, "!", "x", ["a"], {}])
    def test_what_is_no_base64_is_broken(self, openai: Case, made: object) -> None:
        openai.server.reply(body={"data": [{"b64_json": made}]})

        _broken(openai)

    def test_input_of_a_hosts_cache_is_told(self, openai: Case) -> None:
        usage = {"input_tokens": 40, "output_tokens": 439, "input_tokens_details": {"cached_tokens": 30}}
        openai.server.reply(usage=usage)

        assert events(openai.ask())[1].usage == TokenUsage(40, 439, cached_prompt_tokens=30)

    def test_a_picture_survives_its_text(self) -> None:
        for made in (picture("image/png"), picture("image/jpeg"), picture("image/webp")):
            assert painted(painted_text(made)) == made


class TestTranscripts:
    @pytest.fixture
    def openai(self) -> Iterator[Case]:
        with ERRANDS["openai transcript"].vendor.served() as (adapter, server):
            yield Case(ERRANDS["openai transcript"], adapter, server)

    @pytest.mark.parametrize(("vendor", "form"), [("openai", "json"), ("groq", "verbose_json")])
    def test_the_form_holds_what_was_asked_and_no_more(self, vendor: str, form: str) -> None:
        with CHAT_VENDORS[vendor].served() as (adapter, server):
            events(_transcribe(adapter, LIMITS))
            body = dict(server.requests[0].body)

        file = body.pop("file")
        assert body == {"model": "a-writer", "language": "en", "response_format": form}
        assert (file["name"], file["type"]) == ("recording.wav", "audio/wav")
        assert hashlib.sha256(file["data"]).digest() == hashlib.sha256(SOUND.data).digest()

    @pytest.mark.parametrize(("media_type", "ending"), sorted(EXTENSIONS.items()))
    def test_the_name_of_the_file_tells_its_type(self, openai: Case, media_type: str, ending: str) -> None:
        sound = Recording(media_type, SOUND.data, 3)
        assert isinstance(openai.adapter, Transcriber)
        events(openai.adapter.transcribe(TranscriptionRequest("a-writer", sound), LIMITS))

        body = openai.server.requests[0].body
        assert (body["file"]["name"], body["file"]["type"]) == (f"recording.{ending}", media_type)
        assert "language" not in body

    def test_usage_of_tokens_is_read(self, openai: Case) -> None:
        openai.server.reply(usage={"type": "tokens", "input_tokens": 25, "output_tokens": 4, "total_tokens": 29})

        assert events(openai.ask())[1].usage == TokenUsage(25, 4)

    def test_usage_as_mistral_tells_it_is_read(self) -> None:
        usage = {"prompt_audio_seconds": 3, "prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39}
        with ChatServer() as server:
            server.reply(text=SAID, usage=usage)
            adapter = OpenAIChat(HOSTS["mistral"], SecretStr(KEY), server.base_url)
            _, finish = events(adapter.transcribe(TranscriptionRequest("voxtral", SOUND), LIMITS))
            adapter.close()

        assert finish.usage == TokenUsage(30, 9, audio_s=3)

    @pytest.mark.parametrize(
        ("seconds", "counted"),
        [(0, 0), (2.01, 3), (66, 66), (67, None), (-1, None), (1e300, None), ("3", None), (True, None), ([3], None)],
    )
    def test_a_length_is_believed_within_reason(self, openai: Case, seconds: object, counted: int | None) -> None:
        openai.server.reply(usage={"type": "duration", "seconds": seconds})

        wanted = None if counted is None else TokenUsage(0, 0, audio_s=counted)
        assert events(openai.ask())[1].usage == wanted

    def test_where_nothing_is_said_there_is_no_delta(self, openai: Case) -> None:
        openai.server.reply(text="  \n")
        (finish,) = list(openai.ask())

        assert isinstance(finish, Finish)
        assert finish.usage == TokenUsage(0, 0, audio_s=3)

    def test_abort_wakes_an_upload_that_nobody_reads(self) -> None:
        large = Recording("audio/wav", bytes(20 * 1024 * 1024), 60)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            adapter = OpenAIChat(HOSTS["openai"], SecretStr(KEY), f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")
            stream = adapter.transcribe(TranscriptionRequest("a-writer", large), LIMITS)
            reader = Reader(stream)
            caller, _ = deaf.accept()
            with caller:
                assert caller.recv(1)
                aborted_at = time.perf_counter()
                stream.abort()
                reader.join()
            adapter.close()

        assert isinstance(reader.error, ProviderBroke)
        assert reader.ended_at - aborted_at < 1


def _broken(case: Case) -> None:
    reader = Reader(case.ask())
    reader.join()
    assert isinstance(reader.error, ProviderBroke)
    assert not reader.events


def _check_abort_wakes(case: Case, stage: Stage) -> None:
    events(case.ask())  # the call under test uses a pooled connection
    case.server.reply(hangs=stage)
    stream = case.ask()
    reader = Reader(stream)
    assert case.server.wait_for(calls=2)

    aborted_at = time.perf_counter()
    stream.abort()
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert reader.ended_at - aborted_at < WAKES_WITHIN_S
    assert case.server.wait_for(disconnects=1)
