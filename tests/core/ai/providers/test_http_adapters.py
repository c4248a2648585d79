"""What the adapters beside OpenAI's make of cuts, silence and refusals, over a real socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.ai.providers.contract import ChatStream, Provider, TimeLimits
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
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, ask, events
from tests.core.ai.providers.vendors import CHAT_VENDORS, ChatVendor
from tests.fakes.scripted_server import Reply, ScriptedServer, Stage, closed_address

WAKES_WITHIN_S = 0.05
HURRIED = TimeLimits(connect_s=5, first_token_s=0.3, between_tokens_s=1, total_s=5)
STAGES: list[Stage] = ["headers", "first_token", "between_tokens"]


@pytest.fixture(params=["google", "ollama", "groq", "anthropic"])
def vendor(request: pytest.FixtureRequest) -> ChatVendor[Provider]:
    return CHAT_VENDORS[request.param]


@pytest.fixture
def served(vendor: ChatVendor[Provider]) -> Iterator[tuple[Provider, ScriptedServer]]:
    with vendor.served() as served:
        yield served


@pytest.fixture
def adapter(served: tuple[Provider, ScriptedServer]) -> Provider:
    return served[0]


@pytest.fixture
def server(served: tuple[Provider, ScriptedServer]) -> ScriptedServer:
    return served[1]


def _broken(stream: ChatStream) -> Reader:
    reader = Reader(stream)
    reader.join()
    assert isinstance(reader.error, ProviderBroke)
    return reader


class TestAnswers:
    def test_the_text_reason_and_usage_are_the_hosts(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="Käufe: 5 €, 日本 📈", finish_reason="length")
        texts, finish = events(adapter.chat(ask(), LIMITS))

        assert "".join(texts) == "Käufe: 5 €, 日本 📈"
        assert finish.reason == "length"
        assert finish.usage is not None
        assert (finish.usage.prompt_tokens, finish.usage.completion_tokens) == (5, 5)

    def test_missing_usage_is_none(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(usage=None)

        assert events(adapter.chat(ask(), LIMITS))[1].usage is None

    def test_the_usage_of_a_broken_stream_is_kept(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(is_usage_cumulative=True, cut_after=3)
        stream = adapter.chat(ask(), LIMITS)
        _broken(stream)

        assert stream.usage is not None
        assert stream.usage.completion_tokens == 3

    @pytest.mark.parametrize(
        ("changes", "deltas"),
        [
            ({"finish_reason": None, "done": False}, 9),
            ({"cut_after": 3}, 3),
            ({"malformed_after": 3}, 3),
            ({"malformed_after": 0}, 0),
            ({"error": "overloaded", "error_after": 3}, 3),
            ({"chunks": (), "done": False}, 0),
            ({"chunks": ("data: [1, 2]\n\n",)}, 0),
            ({"chunks": (f"data: {'[' * 100_000}\n\n",)}, 0),
        ],
    )
    def test_a_stream_that_ends_without_a_finish_reason_is_broken(
        self, adapter: Provider, server: ScriptedServer, changes: dict[str, Any], deltas: int
    ) -> None:
        server.reply(**changes)

        assert len(_broken(adapter.chat(ask(), LIMITS)).events) == deltas

    def test_a_stream_that_is_cut_at_any_byte_is_broken_or_complete(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        for byte in range(0, 1200, 37):
            server.reply(text="one two", cut_at_byte=byte)
            reader = Reader(adapter.chat(ask(), LIMITS))
            reader.join()
            texts = "".join(getattr(event, "text", "") for event in reader.events)

            assert "one two".startswith(texts)
            assert texts == "one two" if reader.error is None else isinstance(reader.error, ProviderError)

    def test_a_piece_without_end_is_not_kept_in_memory(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(chunks=(f"data: {'x' * 2_000_000}",), hangs="after_finish")

        with pytest.raises((ProviderBroke, ProviderUnavailable)):  # and no timeout: nothing is waited for
            list(adapter.chat(ask(), LIMITS))
        assert server.wait_for(disconnects=1)

    def test_one_connection_serves_one_call_after_the_other(self, adapter: Provider, server: ScriptedServer) -> None:
        for _ in range(5):
            events(adapter.chat(ask(), LIMITS))

        assert (server.calls, server.connections, server.disconnects) == (5, 1, 0)

    def test_many_threads_share_one_adapter(self, adapter: Provider, server: ScriptedServer) -> None:
        readers = [Reader(adapter.chat(ask(f"Question {number}"), LIMITS)) for number in range(20)]
        for reader in readers:
            reader.join()

        assert all(reader.error is None and len(reader.events) == 10 for reader in readers)
        assert len({json.dumps(received.body) for received in server.requests}) == 20

    def test_nothing_is_sent_that_the_call_does_not_need(
        self, monkeypatch: pytest.MonkeyPatch, vendor: ChatVendor[Provider], adapter: Provider, server: ScriptedServer
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, closed_address())
        events(adapter.chat(ask(), LIMITS))

        received = server.requests[0]
        assert KEY not in received.path
        assert KEY in received.headers["x-goog-api-key" if vendor.host.name == "google" else "authorization"]
        assert sum(KEY in value for value in received.headers.values()) == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects_are_not_followed(
        self, vendor: ChatVendor[Provider], adapter: Provider, server: ScriptedServer, status: int
    ) -> None:
        with vendor.server(None) as elsewhere:
            server.reply(status=status, headers={"Location": elsewhere.base_url})
            with pytest.raises(ProviderUnavailable):
                list(adapter.chat(ask(), LIMITS))

            assert (server.calls, elsewhere.calls) == (1, 0)


class TestCuts:
    @pytest.mark.parametrize("stage", ["headers", "first_token"])
    def test_silence_before_the_first_token_is_a_timeout(
        self, adapter: Provider, server: ScriptedServer, stage: Stage
    ) -> None:
        server.reply(hangs=stage)

        with pytest.raises(ProviderTimeout):
            list(adapter.chat(ask(), HURRIED))
        assert server.wait_for(disconnects=1)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_at_once_and_closes_the_connection(
        self, adapter: Provider, server: ScriptedServer, stage: Stage
    ) -> None:
        _check_abort_wakes(adapter, server, stage)

    @pytest.mark.parametrize("stage", STAGES)
    def test_abort_wakes_a_blocked_read_over_tls_too(
        self, vendor: ChatVendor[Provider], tmp_path: Path, stage: Stage
    ) -> None:
        with vendor.served_over_tls(tmp_path) as (adapter, server):
            _check_abort_wakes(adapter, server, stage)

    def test_abort_wakes_a_call_whose_handshake_is_not_answered(self, vendor: ChatVendor[Provider]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            adapter = vendor.open(f"https://127.0.0.1:{silent.getsockname()[1]}")
            stream = adapter.chat(ask(), LIMITS)
            reader = Reader(stream)
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)

                aborted_at = time.perf_counter()
                stream.abort()
                reader.join()
            adapter.close()

        assert isinstance(reader.error, ProviderBroke)
        assert reader.ended_at - aborted_at < WAKES_WITHIN_S

    def test_abort_wakes_a_call_that_is_still_connecting(self, vendor: ChatVendor[Provider]) -> None:
        with _full() as port:
            adapter = vendor.open(f"http://127.0.0.1:{port}")
            stream = adapter.chat(ask(), LIMITS)
            reader = Reader(stream)
            assert _is_running(f"connecting to 127.0.0.1:{port}")

            aborted_at = time.perf_counter()
            stream.abort()
            reader.join()
            adapter.close()

        assert isinstance(reader.error, ProviderBroke)
        assert reader.ended_at - aborted_at < WAKES_WITHIN_S
        assert not stream.was_sent

    def test_closing_half_way_lets_the_host_stop(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(hangs="between_tokens")
        stream = adapter.chat(ask(), LIMITS)
        next(iter(stream))
        stream.close()

        assert server.wait_for(disconnects=1)

    def test_a_stream_knows_whether_its_request_was_sent(
        self, vendor: ChatVendor[Provider], adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(hangs="headers")
        nobody = vendor.open(closed_address(""))
        unheard, waiting = nobody.chat(ask(), LIMITS), adapter.chat(ask(), LIMITS)
        assert bool(waiting.was_sent) is False

        reader = Reader(waiting)
        assert server.wait_for(calls=1)
        assert bool(waiting.was_sent) is True
        waiting.abort()
        reader.join()
        Reader(unheard).join()
        nobody.close()
        assert not unheard.was_sent


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"status": 204}, ProviderUnavailable),
            ({"status": 400}, ProviderRejectedRequest),
            ({"status": 401}, ProviderRefusedKey),
            ({"status": 402}, ProviderRateLimited),
            ({"status": 403}, ProviderRefusedKey),
            ({"status": 404}, ProviderLacksModel),
            ({"status": 408}, ProviderTimeout),
            ({"status": 413}, ProviderRejectedRequest),
            ({"status": 418}, ProviderUnavailable),
            ({"status": 429}, ProviderRateLimited),
            ({"status": 500}, ProviderUnavailable),
            ({"status": 503}, ProviderUnavailable),
            ({"status": 503, "cut_at_byte": 5}, ProviderUnavailable),
            ({"hangs_up": True}, ProviderUnavailable),
            ({"cut_after": 0}, ProviderUnavailable),
            ({"error": "overloaded"}, ProviderUnavailable),
        ],
    )
    def test_each_refusal_has_its_kind_and_is_not_retried(
        self,
        vendor: ChatVendor[Provider],
        adapter: Provider,
        server: ScriptedServer,
        changes: dict[str, Any],
        kind: type[ProviderError],
    ) -> None:
        server.reply(**changes)

        with pytest.raises(ProviderError) as caught:
            list(adapter.chat(ask(), LIMITS))
        assert type(caught.value) is kind
        assert caught.value.provider == vendor.host.name
        assert server.calls == 1

    def test_a_host_that_does_not_listen_is_unavailable(self, vendor: ChatVendor[Provider]) -> None:
        nobody = vendor.open(closed_address(""))
        with pytest.raises(ProviderUnavailable):
            list(nobody.chat(ask(), LIMITS))
        nobody.close()

    def test_a_host_with_an_untrusted_certificate_is_unavailable(
        self, vendor: ChatVendor[Provider], tmp_path: Path
    ) -> None:
        with vendor.served_over_tls(tmp_path) as (_, server):
            wary = vendor.open(server.base_url)
            with pytest.raises(ProviderUnavailable):
                list(wary.chat(ask(), LIMITS))
            wary.close()
            assert server.calls == 0

    def test_a_refused_key_names_the_variable_to_set(
        self, vendor: ChatVendor[Provider], adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(status=401)

        with pytest.raises(ProviderRefusedKey, match=vendor.host.key_variable):
            list(adapter.chat(ask(), LIMITS))

    def test_the_wait_that_a_host_asks_for_is_passed_on(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(status=429, headers={"Retry-After": "7"})

        with pytest.raises(ProviderRateLimited, match="7 s") as caught:
            list(adapter.chat(ask(), LIMITS))
        assert caught.value.retry_after_s == 7

    @pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
    def test_nothing_that_the_host_says_is_repeated(
        self, adapter: Provider, server: ScriptedServer, status: int
    ) -> None:
        server.reply(status=status, error={"message": f"bad key {KEY} for PROMPT", "status": KEY, "code": KEY})

        with pytest.raises(ProviderError) as caught:
            list(adapter.chat(ask("PROMPT"), LIMITS))
        told = repr(caught.value) + str(caught.value.__cause__) + json.dumps(caught.value.detail)
        assert KEY not in told
        assert "PROMPT" not in told
        assert caught.value.__suppress_context__


def _check_abort_wakes(adapter: Provider, server: ScriptedServer, stage: Stage) -> None:
    server.reply()
    events(adapter.chat(ask(), LIMITS))  # the call under test uses a pooled connection
    server.reply(hangs=stage)
    stream = adapter.chat(ask(), LIMITS)
    reader = Reader(stream)
    assert server.wait_for(calls=2)
    assert stage != "between_tokens" or reader.has_begun.wait(10)

    aborted_at = time.perf_counter()
    stream.abort()
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert reader.ended_at - aborted_at < WAKES_WITHIN_S
    assert server.wait_for(disconnects=1)
    server.reply()
    assert events(adapter.chat(ask(), LIMITS))[1].reason == Reply().finish_reason


@contextlib.contextmanager
def _full() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one waits."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def _is_running(name: str) -> bool:
    """Whether a thread of this name appears within some seconds."""
    deadline = time.perf_counter() + 5
    while time.perf_counter() < deadline:
        if any(thread.name == name for thread in threading.enumerate()):
            return True
        time.sleep(0.001)
    return False
