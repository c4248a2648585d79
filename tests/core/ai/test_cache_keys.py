"""The key of the cache: the same bytes for the same question in every release, so that what is kept is found again."""

from __future__ import annotations

from core.ai.cache import KeyParts, cache_key
from core.ai.providers.contract import Message, ToolCall


def test_a_key_is_of_the_same_bytes_as_before() -> None:
    call = ToolCall("1", "prices", '{"of": "XYZ"}')
    parts = KeyParts(
        task="chat",
        model="gpt-4o-mini",
        messages=(
            Message("system", "You are brief."),
            Message("user", "What is risk? "),
            Message("assistant", "", calls=(call,)),
            Message("tool", "12", call=call),
        ),
        max_tokens=64,
        temperature=0.7,
        prompt_version="3",
        stop=("END",),
        json_schema={"type": "object", "properties": {"b": {"type": "number"}, "a": {"enum": [1, None]}}},
        tools=("prices:00",),
        language="de",
    )
    assert cache_key(parts).hex() == "d9db1193a20b0aca817e44d0b020e5273b478b765edc8f8f5bc0556850dafb45"
