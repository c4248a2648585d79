"""Calls that are cut, by a time limit or from another thread, over a real socket."""

from __future__ import annotations

import time

import pytest

from core.ai.providers.contract import TimeLimits
from core.ai.providers.openai_chat import OpenAIChat
from core.errors import ProviderBroke, ProviderTimeout
from tests.core.ai.providers.conftest import LIMITS, OpenChat, Reader, ask, events
from tests.fakes.chat_server import ChatServer, Stage, closed_address

WAKES_WITHIN_S = 0.05
HURRIED = TimeLimits(connect_s=5, first_token_s=0.3, between_tokens_s=1, total_s=5)


@pytest.mark.parametrize("stage", ["headers", "first_token"])
def test_silence_before_the_first_token_is_a_timeout(chat: OpenAIChat, chat_server: ChatServer, stage: Stage) -> None:
    chat_server.reply(hangs=stage)

    with pytest.raises(ProviderTimeout):
        list(chat.chat(ask(), HURRIED))
    assert chat_server.wait_for(disconnects=1)


@pytest.mark.parametrize("stage", ["headers", "first_token", "between_tokens"])
def test_abort_wakes_a_blocked_read_at_once_and_closes_the_connection(
    chat: OpenAIChat, chat_server: ChatServer, stage: Stage
) -> None:
    _check_abort_wakes(chat, chat_server, stage)


@pytest.mark.parametrize("stage", ["headers", "first_token", "between_tokens"])
def test_abort_wakes_a_blocked_read_over_tls_too(tls_chat: tuple[OpenAIChat, ChatServer], stage: Stage) -> None:
    _check_abort_wakes(*tls_chat, stage)


def _check_abort_wakes(chat: OpenAIChat, server: ChatServer, stage: Stage) -> None:
    server.reply()
    events(chat.chat(ask(), LIMITS))  # the call under test uses a pooled connection
    server.reply(hangs=stage)
    stream = chat.chat(ask(), LIMITS)
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
    assert events(chat.chat(ask(), LIMITS))[1].reason == "stop"


def test_closing_half_way_lets_the_host_stop(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(hangs="between_tokens")
    stream = chat.chat(ask(), LIMITS)
    next(iter(stream))
    stream.close()

    assert chat_server.wait_for(disconnects=1)


def test_a_late_abort_does_not_meet_the_next_call_on_the_connection(chat: OpenAIChat, chat_server: ChatServer) -> None:
    first = chat.chat(ask(), LIMITS)
    events(first)
    chat_server.reply(text="word " * 20, delay_s=0.002)
    second = Reader(chat.chat(ask(), LIMITS))
    assert second.has_begun.wait(10)
    first.abort()
    first.close()
    second.join()

    assert second.error is None
    assert chat_server.connections == 1


def test_many_threads_share_one_adapter(chat: OpenAIChat, chat_server: ChatServer) -> None:
    readers = [Reader(chat.chat(ask(f"Question {number}"), LIMITS)) for number in range(20)]
    for reader in readers:
        reader.join()

    assert all(reader.error is None and len(reader.events) == 10 for reader in readers)
    asked = {received.body["messages"][1]["content"] for received in chat_server.requests}
    assert len(asked) == 20


def test_a_stream_knows_whether_its_request_was_sent(
    chat: OpenAIChat, open_chat: OpenChat, chat_server: ChatServer
) -> None:
    chat_server.reply(hangs="headers")
    unheard = open_chat(closed_address()).chat(ask(), LIMITS)
    waiting = chat.chat(ask(), LIMITS)
    assert bool(waiting.was_sent) is False

    reader = Reader(waiting)
    assert chat_server.wait_for(calls=1)
    assert bool(waiting.was_sent) is True
    waiting.abort()
    reader.join()
    Reader(unheard).join()
    assert not unheard.was_sent
