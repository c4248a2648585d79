"""What a host refuses, and what we say of it, over a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.ai.providers.openai_chat import OpenAIChat
from core.errors import (
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.core.ai.providers.conftest import KEY, LIMITS, OpenChat, ask
from tests.fakes.chat_server import ChatServer, closed_address


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"status": 400}, ProviderRejectedRequest),
        ({"status": 401}, ProviderRefusedKey),
        ({"status": 403}, ProviderRefusedKey),
        ({"status": 404}, ProviderLacksModel),
        ({"status": 408}, ProviderTimeout),
        ({"status": 409}, ProviderRejectedRequest),
        ({"status": 413}, ProviderRejectedRequest),
        ({"status": 418}, ProviderUnavailable),
        ({"status": 422}, ProviderRejectedRequest),
        ({"status": 429}, ProviderRateLimited),
        ({"status": 500}, ProviderUnavailable),
        ({"status": 503}, ProviderUnavailable),
        ({"hangs_up": True}, ProviderUnavailable),
        ({"error": {"code": 429}}, ProviderRateLimited),
        ({"error": {"code": "401"}}, ProviderRefusedKey),
        ({"error": {"code": "server_error"}}, ProviderUnavailable),
        ({"error": "just text"}, ProviderUnavailable),
    ],
)
def test_each_refusal_has_its_kind_and_is_not_retried(
    chat: OpenAIChat, chat_server: ChatServer, changes: dict[str, Any], kind: type[ProviderError]
) -> None:
    chat_server.reply(**changes)

    with pytest.raises(ProviderError) as caught:
        list(chat.chat(ask(), LIMITS))
    assert type(caught.value) is kind
    assert caught.value.provider == "openai"
    assert chat_server.calls == 1


def test_a_host_that_does_not_listen_is_unavailable(open_chat: OpenChat) -> None:
    with pytest.raises(ProviderUnavailable):
        list(open_chat(closed_address()).chat(ask(), LIMITS))


def test_a_host_with_an_untrusted_certificate_is_unavailable(
    open_chat: OpenChat, tls_chat: tuple[OpenAIChat, ChatServer]
) -> None:
    with pytest.raises(ProviderUnavailable):
        list(open_chat(tls_chat[1].base_url).chat(ask(), LIMITS))
    assert tls_chat[1].calls == 0


def test_a_refused_key_names_the_variable_to_set(open_chat: OpenChat, chat_server: ChatServer) -> None:
    chat_server.reply(status=401)

    with pytest.raises(ProviderRefusedKey, match="MISTRAL_API_KEY"):
        list(open_chat(chat_server.base_url, "mistral").chat(ask(), LIMITS))


def test_the_wait_that_a_host_asks_for_is_passed_on(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(status=429, headers={"Retry-After": "7"})

    with pytest.raises(ProviderRateLimited, match="7 s") as caught:
        list(chat.chat(ask(), LIMITS))
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize(
    "changes",
    [{"status": 429, "error": {"code": "insufficient_quota"}}, {"status": 402}, {"error": {"code": 402}}],
)
def test_an_account_without_credit_is_not_asked_again_soon(
    chat: OpenAIChat, chat_server: ChatServer, changes: dict[str, Any]
) -> None:
    chat_server.reply(**changes)

    with pytest.raises(ProviderRateLimited, match="no credit left") as caught:
        list(chat.chat(ask(), LIMITS))
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 600


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_nothing_that_the_host_says_is_repeated(chat: OpenAIChat, chat_server: ChatServer, status: int) -> None:
    chat_server.reply(status=status, error={"message": f"bad key {KEY} for PROMPT", "code": KEY, "type": KEY})

    with pytest.raises(ProviderError) as caught:
        list(chat.chat(ask("PROMPT"), LIMITS))
    told = repr(caught.value) + str(caught.value.__cause__) + json.dumps(caught.value.detail)
    assert KEY not in told
    assert "PROMPT" not in told
    assert caught.value.__suppress_context__
