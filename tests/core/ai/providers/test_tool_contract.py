"""What every adapter makes of tools, whatever its wire format: one suite over the real adapters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.ai.providers.calls import MAX_CALLS
from core.ai.providers.contract import MAX_ARGUMENT_CHARS, Finish, Provider, ToolCall
from core.errors import ProviderBroke, ProviderError, ProviderRateLimited, ProviderRejectedRequest
from tests.core.ai.providers.asking import RESULT, asking, used, written
from tests.core.ai.providers.conftest import LIMITS, Reader, events
from tests.core.ai.providers.vendors import CHAT_VENDORS
from tests.fakes.scripted_server import ScriptedServer, Wanted

APPLE = Wanted("quote", '{"symbol": "AAPL"}', "id-1")
MICROSOFT = Wanted("quote", '{"symbol": "MSFT"}', "id-2")
PIECEWISE = pytest.mark.parametrize("served", ["openai", "groq", "anthropic"], indirect=True)
"""The formats that send arguments as text."""


@pytest.fixture(params=[*CHAT_VENDORS])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Provider, ScriptedServer]]:
    with CHAT_VENDORS[request.param].served() as served:
        yield served


@pytest.fixture
def adapter(served: tuple[Provider, ScriptedServer]) -> Provider:
    return served[0]


@pytest.fixture
def server(served: tuple[Provider, ScriptedServer]) -> ScriptedServer:
    return served[1]


def _calls(adapter: Provider) -> tuple[ToolCall, ...]:
    texts, finish = events(adapter.chat(asking(), LIMITS))
    assert (texts, finish.reason) == ([], "tool_calls")
    return finish.calls


class TestCalls:
    def test_text_is_text_and_calls_come_with_the_finish(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="Let me look.", wants=(APPLE,))
        stream = adapter.chat(asking(), LIMITS)
        texts, finish = events(stream)

        assert "".join(texts) == "Let me look."
        assert [(call.id, call.name, written(call)) for call in finish.calls] == [("id-1", "quote", {"symbol": "AAPL"})]
        assert finish.reason == "tool_calls"
        assert finish.usage is not None
        assert finish.usage == stream.usage

    def test_a_call_its_result_and_the_answer(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(APPLE,))
        calls = _calls(adapter)
        server.reply(text="It costs 187.25.")
        texts, finish = events(adapter.chat(asking(*used(*calls, text="Let me look.")), LIMITS))

        assert ("".join(texts), finish.reason, finish.calls) == ("It costs 187.25.", "stop", ())
        offered, told = (received.body for received in server.requests)
        assert "The last price of a symbol." in json.dumps(offered)
        assert all(json.dumps(text) in json.dumps(told) for text in (RESULT, "quote", "Let me look."))
        assert json.dumps(told["messages" if "messages" in told else "contents"]).count("AAPL") == 2

    @pytest.mark.parametrize("is_interleaved", [False, True])
    @pytest.mark.parametrize("piece_chars", [1, 3, 1000])
    def test_several_calls_in_pieces_are_put_together(
        self, adapter: Provider, server: ScriptedServer, is_interleaved: bool, piece_chars: int
    ) -> None:
        odd = '{"symbol": "K\\u00e4ufe \\ud83d\\udcc8 日本", "of": [1, {"a": "\\\\\\""}]}'
        wants = (APPLE, Wanted("odd", odd, "id-3"), MICROSOFT)
        server.reply(text="", wants=wants, is_interleaved=is_interleaved, piece_chars=piece_chars)
        calls = _calls(adapter)

        assert [(call.id, call.name) for call in calls] == [("id-1", "quote"), ("id-3", "odd"), ("id-2", "quote")]
        assert [written(call) for call in calls] == [
            {"symbol": "AAPL"},
            {"symbol": "Käufe 📈 日本", "of": [1, {"a": '\\"'}]},
            {"symbol": "MSFT"},
        ]

    def test_a_call_without_an_id_gets_one_that_no_earlier_call_has(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(text="", wants=(Wanted("quote", '{"a": 1}'), Wanted("quote", '{"a": 2}')))
        first = _calls(adapter)
        second = events(adapter.chat(asking(*used(*first)), LIMITS))[1].calls

        assert [call.id for call in (*first, *second)] == ["call_1", "call_2", "call_3", "call_4"]
        assert [written(call) for call in second] == [{"a": 1}, {"a": 2}]

    def test_two_calls_of_one_id_are_told_apart(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(APPLE, Wanted("quote", '{"symbol": "MSFT"}', "id-1")))
        calls = _calls(adapter)

        assert [call.id for call in calls] == ["id-1", "call_2"]
        assert [written(call)["symbol"] for call in calls] == ["AAPL", "MSFT"]

    def test_calls_are_known_whatever_the_finish_reason(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(APPLE,), ends_as_text=True, usage=None)
        _, finish = events(adapter.chat(asking(), LIMITS))

        assert (finish.reason, len(finish.calls), finish.usage) == ("tool_calls", 1, None)

    def test_an_answer_that_is_cut_in_its_calls_keeps_its_reason(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(text="", wants=(APPLE,), finish_reason="length")
        _, finish = events(adapter.chat(asking(), LIMITS))

        assert (finish.reason, len(finish.calls)) == ("length", 1)

    @pytest.mark.parametrize("served", ["openai", "groq", "anthropic", "google"], indirect=True)
    def test_an_answer_that_was_filtered_asks_for_nothing(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(APPLE,), finish_reason="SAFETY" if adapter.name == "google" else "content_filter")

        assert events(adapter.chat(asking(), LIMITS))[1] == Finish("content_filter", _usage(adapter, server), ())

    def test_where_no_tools_are_offered_nobody_asks_for_any(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="Hi", wants=(APPLE,), ends_as_text=True)
        texts, finish = events(adapter.chat(asking(tools=()), LIMITS))

        assert ("".join(texts), finish.reason, finish.calls) == ("Hi", "stop", ())

    def test_tools_of_earlier_turns_are_told_where_none_are_offered(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        events(adapter.chat(asking(*used(ToolCall("id-1", "quote", "{}")), tools=()), LIMITS))

        body = json.dumps(server.requests[0].body)
        assert json.dumps(RESULT) in body
        assert "The last price" not in body


def _usage(adapter: Provider, server: ScriptedServer) -> Any:
    return events(adapter.chat(asking(), LIMITS))[1].usage


class TestBadCalls:
    @PIECEWISE
    @pytest.mark.parametrize("arguments", ['{"symbol": ', "AAPL", "[1]", "{'a': 1}", '{"a": NaN}'])
    def test_arguments_that_are_no_object_are_passed_on(
        self, adapter: Provider, server: ScriptedServer, arguments: str
    ) -> None:
        server.reply(text="", wants=(Wanted("quote", arguments, "id-1"),))
        calls = _calls(adapter)
        assert calls[0].arguments == arguments

        server.reply(text="Sorry.")
        assert events(adapter.chat(asking(*used(*calls)), LIMITS))[1].reason == "stop"
        body = json.dumps(server.requests[-1].body)  # a host may refuse what its model wrote
        assert ('"arguments": "{}"' in body) != ('"input": {}' in body)

    @PIECEWISE
    def test_no_arguments_are_an_empty_object(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(Wanted("holdings", "", "id-1"),))

        assert _calls(adapter)[0].arguments == "{}"

    def test_a_name_that_no_host_takes_back_is_written_as_one_that_it_does(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(text="", wants=(Wanted("get the quote!\x00" + "x" * 200, "{}", "id 1 ü"),))
        calls = _calls(adapter)
        assert calls[0].name == ("get the quote!\ufffd" + "x" * 200)[:100]
        server.reply()
        events(adapter.chat(asking(*used(*calls)), LIMITS))

        assert '"get_the_quote__' + "x" * 49 + '"' in json.dumps(server.requests[-1].body)

    def test_arguments_without_end_are_cut_above_the_limit(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=(Wanted("quote", json.dumps({"a": "x" * 5000})), APPLE), piece_chars=300)
        long, plain = _calls(adapter)

        assert len(long.arguments) == MAX_ARGUMENT_CHARS + 1
        assert written(plain) == {"symbol": "AAPL"}

    def test_more_than_a_megabyte_of_arguments_breaks_the_answer(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(text="", wants=(Wanted("quote", json.dumps({"a": "x" * 1_200_000})),), piece_chars=200_000)

        with pytest.raises(ProviderError):
            list(adapter.chat(asking(), LIMITS))
        server.reply()
        assert events(adapter.chat(asking(), LIMITS))[1].reason == "stop"

    def test_of_very_many_calls_the_first_are_heard(self, adapter: Provider, server: ScriptedServer) -> None:
        server.reply(text="", wants=tuple(Wanted("quote", f'{{"n": {n}}}', f"id-{n}") for n in range(40)))

        assert [written(call)["n"] for call in _calls(adapter)] == list(range(MAX_CALLS))


class TestCuts:
    def test_an_answer_that_is_cut_at_any_byte_asks_for_all_or_nothing(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        for byte in range(0, 3000, 53):
            server.reply(text="one", wants=(APPLE, MICROSOFT), cut_at_byte=byte)
            reader = Reader(adapter.chat(asking(), LIMITS))
            reader.join()

            if reader.error is None:
                assert isinstance(reader.events[-1], Finish)
                assert [written(call)["symbol"] for call in reader.events[-1].calls] == ["AAPL", "MSFT"]
            else:
                assert isinstance(reader.error, ProviderError)

    def test_an_abort_between_the_calls_ends_the_answer_without_any(
        self, adapter: Provider, server: ScriptedServer
    ) -> None:
        server.reply(text="Hi", wants=(APPLE, MICROSOFT), hangs="between_calls")
        stream = adapter.chat(asking(), LIMITS)
        reader = Reader(stream)
        assert reader.has_begun.wait(10)

        stream.abort()
        reader.join()

        assert isinstance(reader.error, ProviderBroke)
        assert not any(isinstance(event, Finish) for event in reader.events)
        assert server.wait_for(disconnects=1)

    @pytest.mark.parametrize(("status", "kind"), [(429, ProviderRateLimited), (400, ProviderRejectedRequest)])
    def test_a_refusal_is_called_what_it_is(
        self, adapter: Provider, server: ScriptedServer, status: int, kind: type[ProviderError]
    ) -> None:
        server.reply(status=status)

        with pytest.raises(kind):
            list(adapter.chat(asking(), LIMITS))
