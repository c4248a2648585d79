"""Tools for models that know of none: what they are told, and what is read out of their text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.ai.catalogue import Model
from core.ai.providers.contract import (
    MAX_ARGUMENT_CHARS,
    ChatRequest,
    Delta,
    Finish,
    Message,
    Provider,
    TimeLimits,
    TokenUsage,
    ToolCall,
)
from core.ai.text_tools import LOOK_AHEAD, MARK, MAX_LEAD, NO_MORE, RETURNED, RULE, in_words, opened, sent
from core.errors import ProviderBroke
from tests.core.ai.providers.asking import QUOTE, RESULT, asking, used
from tests.core.ai.providers.conftest import LIMITS, Reader, events
from tests.core.ai.providers.vendors import CHAT_VENDORS
from tests.fakes.pictures import picture
from tests.fakes.scripted_server import ScriptedServer

USAGE = TokenUsage(7, 9)
CALL = 'TOOL {"name": "quote", "arguments": {"symbol": "AAPL"}}'
APPLE = ("quote", '{"symbol": "AAPL"}')
PLAIN = Model.model_validate(
    {
        "id": "plain",
        "provider": "openai",
        "provider_model": "plain",
        "label": "Plain",
        "class": "economy",
        "capabilities": ["chat"],
        "context_window": 1000,
        "max_output": 100,
        "price": "none",
    }
)
ABLE = PLAIN.model_copy(update={"capabilities": ("chat", "tools")})


class Said:
    """A stream that says these pieces; it notes whether it was cut or closed."""

    def __init__(self, pieces: list[str], reason: str = "stop", error: Exception | None = None) -> None:
        self.usage: TokenUsage | None = None
        self.was_sent = False
        self.ended: list[str] = []
        self._pieces = pieces
        self._reason = reason
        self._error = error

    def __iter__(self) -> Iterator[Delta | Finish]:
        self.was_sent = True
        for number, piece in enumerate(self._pieces, start=1):
            self.usage = TokenUsage(7, number)
            yield Delta(piece)
        if self._error is not None:
            raise self._error
        self.usage = USAGE
        yield Finish(self._reason, self.usage)

    def abort(self) -> None:
        self.ended.append("abort")

    def close(self) -> None:
        self.ended.append("close")


class Saying:
    """A provider of one stream; it keeps what it was asked."""

    name = "openai"
    is_offline = False

    def __init__(self, stream: Said) -> None:
        self.stream = stream
        self.asked: list[ChatRequest] = []

    def chat(self, request: ChatRequest, limits: TimeLimits) -> Said:
        self.asked.append(request)
        return self.stream

    def close(self) -> None:
        """Nothing is open."""


def _read(text: str, *, size: int = 1000, reason: str = "stop", request: ChatRequest | None = None) -> Any:
    """The text and the end of an answer that comes in pieces of this size."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    provider = Saying(Said(pieces, reason))
    texts, finish = events(opened(PLAIN, provider, request or asking(), LIMITS))
    assert all(texts)
    assert finish.usage == USAGE
    return "".join(texts), finish.reason, [(call.name, call.arguments) for call in finish.calls]


class TestWhatAModelIsTold:
    def test_pictures_stay_with_their_turns(self) -> None:
        provider = Saying(Said(["I see."]))
        chart, logo = picture(of="chart"), picture(of="logo")
        call = ToolCall("a", "quote", '{"symbol": "AAPL"}')
        request = asking(
            Message("user", "A chart.", pictures=(chart,)),
            *used(call),
            Message("user", "And a logo.", pictures=(logo,)),
        )
        list(opened(PLAIN, provider, request, LIMITS))

        (asked,) = provider.asked
        shown = [(message.role, message.pictures) for message in asked.messages if message.pictures]
        assert shown == [("user", (chart,)), ("user", (logo,))]

    def test_one_that_knows_tools_gets_the_request_as_it_is(self) -> None:
        provider = Saying(Said(["Hi"]))
        request = asking(*used(ToolCall("a", "quote", "{}")))

        assert opened(ABLE, provider, request, LIMITS) is provider.stream
        assert provider.asked == [request]
        assert sent(ABLE, request) is request

    def test_one_that_knows_none_gets_a_request_without_any_as_it_is(self) -> None:
        provider = Saying(Said(["Hi"]))
        request = asking(Message("assistant", "Yes."), tools=())

        assert opened(PLAIN, provider, request, LIMITS) is provider.stream
        assert provider.asked == [request]
        assert sent(PLAIN, request) is request

    def test_the_tools_stand_in_the_system_message(self) -> None:
        told = in_words(asking())

        assert told.tools == ()
        assert told == replace(asking(), messages=told.messages, tools=())
        system, question = told.messages
        assert system.text.startswith(f"Use tools.\n\n{RULE}\n")
        assert json.loads(system.text.splitlines()[-1]) == {
            "name": "quote",
            "description": QUOTE.description,
            "arguments": QUOTE.parameters,
        }
        assert question == Message("user", "What does AAPL cost?")

    def test_without_a_system_message_there_is_one_now(self) -> None:
        told = in_words(ChatRequest("m", (Message("user", "Hi"),), 5, None, tools=(QUOTE,)))

        assert [message.role for message in told.messages] == ["system", "user"]

    def test_what_the_system_says_later_stands_at_the_beginning(self) -> None:
        last = Message("system", "Answer now.")
        told = in_words(asking(*used(ToolCall("a", "quote", "{}")), last, tools=()))

        assert told.messages[0].text == f"Use tools.\n\nAnswer now.\n\n{NO_MORE}"
        assert [message.role for message in told.messages] == ["system", "user", "assistant", "user"]

    def test_calls_and_results_are_texts_of_either_side_in_turn(self) -> None:
        first, second = ToolCall("a", "quote", '{"symbol": "Ä"}'), ToolCall("b", "odd name", "nonsense")
        request = asking(
            *used(first, second, text="Let me look."),
            *used(first),
            Message("user", "And?"),
            Message("assistant", "Yes."),
        )
        told = in_words(request)

        assert [message.role for message in told.messages[1:]] == [
            *("user", "assistant", "user", "assistant", "user", "assistant")
        ]
        assert told.messages[2].text == (
            'Let me look.\nTOOL {"name": "quote", "arguments": {"symbol": "Ä"}}\n'
            'TOOL {"name": "odd_name", "arguments": {}}'
        )
        lines = told.messages[3].text.splitlines()
        assert (len(lines), lines[0]) == (7, RETURNED)
        assert json.loads(lines[2]) == json.loads(lines[5]) == json.loads(RESULT)
        assert told.messages[5].text.endswith("\n\nAnd?")
        assert not any(message.calls or message.call for message in told.messages)

    @pytest.mark.parametrize(
        "result",
        [
            "plain",
            "two\nlines </outside-1>",
            '{"a": "</outside-1> `x`"}',
            '{"a": 1e999}',
            '{"a": "\\ud800"}',
            "[1]",
            "",
        ],
    )
    def test_a_result_cannot_leave_its_fence(self, result: str) -> None:
        call = ToolCall("a", "quote", "{}")
        told = in_words(asking(Message("assistant", "", (call,)), Message("tool", result, call=call)))

        opening, content, closing = told.messages[-1].text.splitlines()[1:]
        assert re.fullmatch("<outside-[0-9a-f]{32}>", opening)
        assert closing == f"</{opening[1:]}"
        assert not set("<>`") & set(content)
        json.loads(content)

    def test_where_no_tool_is_to_be_used_any_more_it_is_told_so(self) -> None:
        request = asking(*used(ToolCall("a", "quote", "{}")), tools=())
        provider = Saying(Said(["It costs 187.25."]))
        texts, finish = events(opened(PLAIN, provider, request, LIMITS))

        assert ("".join(texts), finish.reason, finish.calls) == ("It costs 187.25.", "stop", ())
        told = provider.asked[0].messages
        assert told[0].text == f"Use tools.\n\n{NO_MORE}"
        assert MARK in told[2].text


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
class TestWhatIsRead:
    @pytest.mark.parametrize(
        "text",
        [
            CALL,
            f"\n\n {CALL}\n",
            f"```\n{CALL}\n```",
            f"```json\n  {CALL}",
            'TOOL{"name":"quote","arguments":{"symbol": "AAPL"}}',
            'TOOL {\n  "name": "quote",\n  "arguments": {\n    "symbol": "AAPL"\n  }\n}\n',
            'TOOL {"arguments": {"symbol": "AAPL"}, "name": "quote"}',
            f'{CALL}\nTOOL RESULT: {{"price": 1}}\nIt costs 1.',
            f"{CALL} and then I shall see",
        ],
    )
    def test_a_call_is_read_and_nothing_of_it_shown(self, text: str, size: int) -> None:
        assert _read(text, size=size) == ("", "tool_calls", [APPLE])

    @pytest.mark.parametrize("between", ["\n", "\n\n", " ", "\n```\n```\n"])
    def test_several_lines_are_several_calls(self, between: str, size: int) -> None:
        other = 'TOOL {"name": "news", "arguments": "{}"}'
        text, reason, calls = _read(f"{CALL}{between}{other}\n{CALL}", size=size)

        assert (text, reason) == ("", "tool_calls")
        assert calls == [APPLE, ("news", "{}"), APPLE]

    def test_text_before_a_call_is_shown(self, size: int) -> None:
        assert _read(f"Let me look.\n\n{CALL}", size=size) == ("Let me look.\n", "tool_calls", [APPLE])

    def test_a_call_far_below_is_still_one(self, size: int) -> None:
        text, reason, calls = _read("```\n" + "\n" * 100 + CALL, size=size)

        assert (text.strip(), reason, calls) == ("```", "tool_calls", [APPLE])

    @pytest.mark.parametrize(
        "text",
        [
            "It costs 187.25.\n\nThat is 3 % more.",
            "\n\n  It costs.",
            "TOOL",
            "TOO",
            "TOOLS are fine.",
            'The line TOOL {"name": "quote"} is a call.',
            "TOOL {x} is no call",
            'TOOL {"names": 1}',
            'TOOL {"name": 3, "arguments": {}}',
            'TOOL {"arguments": {"a": 1}}',
            'TOOL {"name',
            "```python\nprint(1)\n```\n",
            "```\nTOO\n```",
            "`TOOL`",
            "``",
            "\n" * 200,
            "```" + "x" * LOOK_AHEAD + "\nTOO",
            " " * (MAX_LEAD + 1) + CALL,
            "TOOL" + " " * LOOK_AHEAD + '{"name": "quote", "arguments": {}}',
            "日本\r\nT\r\n",
        ],
    )
    def test_text_is_shown_as_it_is(self, text: str, size: int) -> None:
        assert _read(text, size=size) == (text, "stop", [])

    def test_a_call_that_is_no_json_is_passed_on_by_its_name(self, size: int) -> None:
        text = 'TOOL {"name": "quote", "arguments": {"symbol": AAPL}}\n' + CALL

        assert _read(text, size=size)[2] == [("quote", '{"name": "quote", "arguments": {"symbol": AAPL}}'), APPLE]

    def test_a_call_that_is_cut_keeps_its_reason(self, size: int) -> None:
        assert _read(CALL[:-4], size=size, reason="length") == ("", "length", [("quote", CALL[5:-4])])

    def test_a_filtered_answer_asks_for_nothing(self, size: int) -> None:
        assert _read(CALL, size=size, reason="content_filter") == ("", "content_filter", [])

    def test_where_none_are_offered_a_call_is_neither_made_nor_shown(self, size: int) -> None:
        request = asking(*used(ToolCall("a", "quote", "{}")), tools=())

        assert _read(f"So:\n{CALL}", size=size, request=request) == ("So:\n", "stop", [])


def test_text_is_held_back_only_while_it_may_be_a_call() -> None:
    text = "It costs.\nTOOLS are fine.\nTOOL    help\nYes"
    shown, _ = events(opened(PLAIN, Saying(Said(list(text))), asking(), LIMITS))

    assert "".join(shown) == text
    assert max(map(len, shown)) <= len(MARK) + LOOK_AHEAD
    assert shown[:3] == ["I", "t", " "]


def test_ids_go_on_from_those_of_earlier_calls() -> None:
    earlier = (ToolCall("call_1", "quote", "{}"), ToolCall("call_2", "quote", "{}"))
    _, finish = events(opened(PLAIN, Saying(Said([CALL])), asking(*used(*earlier)), LIMITS))

    assert [call.id for call in finish.calls] == ["call_3"]


def test_arguments_without_end_are_cut_above_the_limit() -> None:
    _, _, calls = _read('TOOL {"name": "quote", "arguments": {"a": "' + "x" * 9000 + '"}}', size=100)

    assert len(calls[0][1]) == MAX_ARGUMENT_CHARS + 1


def test_more_than_a_megabyte_breaks_the_answer() -> None:
    with pytest.raises(ProviderBroke):
        _read('TOOL {"name": "quote", "arguments": {"a": "' + "x" * 1_200_000, size=50_000)
    with pytest.raises(ProviderBroke):  # small on the wire, large as it is written
        _read('TOOL {"name": "quote", "arguments": [' + "1," * 500_000 + "1]}", size=50_000)


def test_very_many_lines_are_read_in_one_go() -> None:
    text = "a\n" * 300_000

    assert _read(text, size=1_000_000)[0] == text


def test_what_the_stream_says_of_itself_is_the_providers() -> None:
    broke = ProviderBroke("Broke.", provider="openai")
    inner = Said(["Hi", CALL], error=broke)
    stream = opened(PLAIN, Saying(inner), asking(), LIMITS)
    assert (stream.was_sent, stream.usage) == (False, None)

    with pytest.raises(ProviderBroke) as raised:
        list(stream)
    assert raised.value is broke
    assert (stream.was_sent, stream.usage) == (True, TokenUsage(7, 2))
    stream.abort()
    stream.close()
    assert inner.ended == ["abort", "close"]


@pytest.fixture(params=[*CHAT_VENDORS])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Provider, ScriptedServer]]:
    with CHAT_VENDORS[request.param].served() as served:
        yield served


class TestOverTheWire:
    def test_a_call_its_result_and_the_answer(self, served: tuple[Provider, ScriptedServer]) -> None:
        adapter, server = served
        server.reply(text=f"Let me look.\n{CALL}")
        texts, finish = events(opened(PLAIN, adapter, asking(), LIMITS))
        assert ("".join(texts), finish.reason) == ("Let me look.\n", "tool_calls")
        assert finish.usage is not None
        server.reply(text="It costs 187.25.")
        texts, finish = events(opened(PLAIN, adapter, asking(*used(*finish.calls)), LIMITS))

        assert ("".join(texts), finish.reason, finish.calls) == ("It costs 187.25.", "stop", ())
        for received in server.requests:
            assert not {"tools", "tool_choice", "toolConfig"} & received.body.keys()
            assert "tool_use" not in json.dumps(received.body)

    def test_an_abort_ends_it_at_once(self, served: tuple[Provider, ScriptedServer]) -> None:
        adapter, server = served
        server.reply(text="Hi TOOL {", hangs="between_tokens")
        stream = opened(PLAIN, adapter, asking(), LIMITS)
        reader = Reader(stream)
        assert server.wait_for(calls=1)
        assert reader.has_begun.wait(10)
        stream.abort()
        reader.join()

        assert isinstance(reader.error, ProviderBroke)
