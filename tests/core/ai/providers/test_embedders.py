"""What every embedder keeps, whatever its wire format: one suite over all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.ai.providers import embed_stream
from core.ai.providers.contract import Delta, Embedder, EmbedRequest, Finish, TimeLimits, TokenUsage
from core.ai.providers.vectors import vectors_of as vectors_in
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
from tests.core.ai.providers.vendors import VENDORS, Vendor
from tests.fakes.scripted_server import ScriptedServer, Stage, closed_address
from tests.fakes.words import vectors_of

TEXTS = ("What is beta?", "Käufe: 5 €, 日本 📈", "one more")
HURRIED = TimeLimits(connect_s=5, first_token_s=0.3, between_tokens_s=1, total_s=5)
WAKES_WITHIN_S = 0.05
STAGES: list[Stage] = ["headers", "first_token", "between_tokens"]


@dataclass(frozen=True)
class Case:
    """An embedder, pointed at its server."""

    vendor: Vendor
    embedder: Embedder
    server: ScriptedServer


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return VENDORS[request.param]


@pytest.fixture
def case(vendor: Vendor) -> Iterator[Case]:
    with vendor.served() as (embedder, server):
        yield Case(vendor, embedder, server)


def _request(*texts: str, dimensions: int | None = None) -> EmbedRequest:
    return EmbedRequest("embed-fake", texts or TEXTS, dimensions)


def _broken(case: Case, *texts: str) -> None:
    reader = Reader(case.embedder.embed(_request(*texts), LIMITS))
    reader.join()
    assert isinstance(reader.error, ProviderBroke)
    assert not reader.events


class TestVectors:
    def test_it_is_an_embedder(self, case: Case) -> None:
        assert isinstance(case.embedder, Embedder)

    def test_one_delta_holds_the_vectors_in_the_order_of_the_texts(self, case: Case) -> None:
        delta, finish = list(case.embedder.embed(_request(), LIMITS))

        assert isinstance(delta, Delta)
        assert vectors_in(delta.text) == vectors_of(TEXTS)
        assert isinstance(finish, Finish)
        assert finish.reason == "stop"

    def test_the_length_of_the_vectors_can_be_chosen(self, case: Case) -> None:
        texts, _ = events(case.embedder.embed(_request("one", dimensions=2), LIMITS))

        assert vectors_in(texts[0]) == vectors_of(["one"], 2)

    def test_usage_has_the_hosts_count_and_no_output(self, case: Case) -> None:
        stream = case.embedder.embed(_request(), LIMITS)
        _, finish = events(stream)

        words = 10 if case.vendor.host.name != "google" else None
        assert finish.usage == (None if words is None else TokenUsage(words, 0))
        assert stream.usage == finish.usage

    def test_missing_usage_is_none(self, case: Case) -> None:
        case.server.reply(usage=None)

        assert events(case.embedder.embed(_request(), LIMITS))[1].usage is None

    @pytest.mark.parametrize("count", [-5, 10**12, 7])
    def test_usage_is_read_as_it_was_sent(self, case: Case, count: int) -> None:
        names = {"openai": "prompt_tokens", "google": "promptTokenCount", "ollama": "prompt_eval_count"}
        case.server.reply(usage={names[case.vendor.host.name]: count})

        assert events(case.embedder.embed(_request(), LIMITS))[1].usage == TokenUsage(count, 0)

    def test_one_connection_serves_one_call_after_the_other(self, case: Case) -> None:
        for _ in range(5):
            events(case.embedder.embed(_request(), LIMITS))

        assert (case.server.calls, case.server.connections, case.server.disconnects) == (5, 1, 0)

    def test_many_texts_make_one_call(self, case: Case) -> None:
        texts = tuple(f"text {number}" for number in range(500))
        deltas, _ = events(case.embedder.embed(_request(*texts), LIMITS))

        assert vectors_in(deltas[0]) == vectors_of(texts)
        assert case.server.calls == 1

    @pytest.mark.parametrize(
        "vectors",
        [
            [[1.0, 2.0]],
            [[1.0], [2.0], [3.0]],
            [[1.0], []],
            [[1.0], None],
            [[1.0], {"0": 2.0}],
            [[1.0], [None]],
            [[1.0], ["2.0"]],
            [[1.0], [True]],
            [[1.0], [[2.0]]],
            [[1.0], [math.nan]],
            [[1.0], [math.inf]],
            [[1.0], [1e39]],
            [[1.0], [10**400]],
            [],
            None,
            "vectors",
            5,
        ],
    )
    def test_a_reply_with_other_than_a_vector_for_each_text_is_broken(self, case: Case, vectors: Any) -> None:
        case.server.reply(body=case.vendor.body_of(vectors))

        _broken(case, "one", "two")

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", "nothing", "[" * 100_000, {}, {"data": {"a": 1}}])
    def test_a_reply_in_another_form_is_broken(self, case: Case, body: Any) -> None:
        case.server.reply(body=body)

        _broken(case, "one", "two")

    def test_a_reply_that_is_too_long_is_broken(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embed_stream, "MAX_BODY_BYTES", 100)

        _broken(case)


class TestFailures:
    def test_calls_nobody_before_the_first_event_is_asked_for(self, case: Case) -> None:
        stream = case.embedder.embed(_request(), LIMITS)
        assert not stream.was_sent
        stream.close()

        assert case.server.calls == 0

    def test_a_stream_that_was_aborted_before_it_began_says_nothing(self, case: Case) -> None:
        stream = case.embedder.embed(_request(), LIMITS)
        stream.abort()

        with pytest.raises(ProviderBroke):
            list(stream)
        assert case.server.connections == 0

    def test_closing_is_harmless_at_any_time_and_any_number_of_times(self, case: Case) -> None:
        stream = case.embedder.embed(_request(), LIMITS)
        events(stream)

        for _ in range(2):
            stream.close()
            stream.abort()

    @pytest.mark.parametrize("stage", STAGES)
    def test_silence_is_a_timeout(self, case: Case, stage: Stage) -> None:
        case.server.reply(hangs=stage)

        with pytest.raises(ProviderTimeout):
            list(case.embedder.embed(_request(), HURRIED))
        assert case.server.wait_for(disconnects=1)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_at_once_and_closes_the_connection(self, case: Case, stage: Stage) -> None:
        _check_abort_wakes(case, stage)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_over_tls_too(self, vendor: Vendor, tmp_path: Path, stage: Stage) -> None:
        with vendor.served_over_tls(tmp_path) as (embedder, server):
            _check_abort_wakes(Case(vendor, embedder, server), stage)

    @pytest.mark.parametrize("byte", [0, 1, 20, 60])
    def test_a_body_that_is_cut_gives_no_vectors(self, case: Case, byte: int) -> None:
        case.server.reply(cut_at_byte=byte)
        reader = Reader(case.embedder.embed(_request(), LIMITS))
        reader.join()

        assert isinstance(reader.error, ProviderError)
        assert not reader.events

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"status": 400}, ProviderRejectedRequest),
            ({"status": 401}, ProviderRefusedKey),
            ({"status": 404}, ProviderLacksModel),
            ({"status": 429}, ProviderRateLimited),
            ({"status": 500}, ProviderUnavailable),
            ({"hangs_up": True}, ProviderUnavailable),
        ],
    )
    def test_each_refusal_has_its_kind_and_is_not_retried(
        self, case: Case, changes: dict[str, Any], kind: type[ProviderError]
    ) -> None:
        case.server.reply(**changes)

        with pytest.raises(ProviderError) as caught:
            list(case.embedder.embed(_request(), LIMITS))
        assert type(caught.value) is kind
        assert case.server.calls == 1

    def test_the_wait_that_a_host_asks_for_is_passed_on(self, case: Case) -> None:
        case.server.reply(status=429, headers={"Retry-After": "7"})

        with pytest.raises(ProviderRateLimited, match="7 s"):
            list(case.embedder.embed(_request(), LIMITS))

    def test_a_host_that_does_not_listen_is_unavailable(self, vendor: Vendor) -> None:
        nobody = vendor.open(closed_address(""))
        stream = nobody.embed(_request(), LIMITS)
        with pytest.raises(ProviderUnavailable):
            list(stream)
        nobody.close()
        assert not stream.was_sent

    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    def test_nothing_that_the_host_says_is_repeated(self, case: Case, status: int) -> None:
        case.server.reply(status=status, error={"message": f"bad key {KEY} for PROMPT", "code": KEY})

        with pytest.raises(ProviderError) as caught:
            list(case.embedder.embed(_request("PROMPT"), LIMITS))
        told = repr(caught.value) + str(caught.value.__cause__) + caught.value.detail
        assert KEY not in told
        assert "PROMPT" not in told
        assert caught.value.__suppress_context__


class TestOpenAIFormat:
    @pytest.fixture
    def openai(self) -> Iterator[Case]:
        with VENDORS["openai"].served() as (embedder, server):
            yield Case(VENDORS["openai"], embedder, server)

    def test_the_request_holds_what_was_asked_and_no_more(self, openai: Case) -> None:
        events(openai.embedder.embed(_request("one", "two"), LIMITS))

        received = openai.server.requests[0]
        assert received.path == "/v1/embeddings"
        assert received.body == {"model": "embed-fake", "input": ["one", "two"], "encoding_format": "float"}

    def test_the_order_is_that_of_the_hosts_numbers(self, openai: Case) -> None:
        rows = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
        openai.server.reply(body={"data": rows})
        deltas, _ = events(openai.embedder.embed(_request("one", "two"), LIMITS))

        assert vectors_in(deltas[0]) == [[1.0], [2.0]]

    def test_without_numbers_the_order_is_that_of_the_reply(self, openai: Case) -> None:
        openai.server.reply(body={"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]})
        deltas, _ = events(openai.embedder.embed(_request("one", "two"), LIMITS))

        assert vectors_in(deltas[0]) == [[1.0], [2.0]]

    @pytest.mark.parametrize("numbers", [(0, 0), (1, 2), (0, None), ("0", "1"), (-1, 0)])
    def test_numbers_that_are_not_those_of_the_texts_break_the_reply(
        self, openai: Case, numbers: tuple[object, object]
    ) -> None:
        openai.server.reply(body={"data": [{"index": number, "embedding": [1.0]} for number in numbers]})

        _broken(openai, "one", "two")

    def test_a_host_that_sends_base64_unasked_is_understood(self, openai: Case) -> None:
        openai.server.reply(body={"data": [{"index": 0, "embedding": "AACAPwAAAEA="}]})
        deltas, _ = events(openai.embedder.embed(_request("one"), LIMITS))

        assert vectors_in(deltas[0]) == [[1.0, 2.0]]

    @pytest.mark.parametrize("text", ["", "AAAA", "?", "AADAfwAAAEA="])
    def test_base64_of_something_else_breaks_the_reply(self, openai: Case, text: str) -> None:
        openai.server.reply(body={"data": [{"index": 0, "embedding": text}]})

        _broken(openai, "one")


def _check_abort_wakes(case: Case, stage: Stage) -> None:
    events(case.embedder.embed(_request(), LIMITS))  # the call under test uses a pooled connection
    case.server.reply(hangs=stage)
    stream = case.embedder.embed(_request(), LIMITS)
    reader = Reader(stream)
    assert case.server.wait_for(calls=2)

    aborted_at = time.perf_counter()
    stream.abort()
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert reader.ended_at - aborted_at < WAKES_WITHIN_S
    assert case.server.wait_for(disconnects=1)
    case.server.reply()
    assert events(case.embedder.embed(_request(), LIMITS))[1].reason == "stop"
