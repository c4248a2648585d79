"""What a provider was told, without the mark that the gateway adds to a system message of ours."""

from __future__ import annotations

import re
from typing import Any

from core.ai.guards.guards import CANARY_SENTENCE

_ADDED = re.compile(r"(?:\n\n)?" + re.escape(CANARY_SENTENCE).replace(r"\{canary\}", "§[0-9a-f]+"))


def without_canary(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of a call as they were asked; each call has to have the mark, once."""
    assert sum(len(_ADDED.findall(str(message["content"]))) for message in messages) == 1
    asked = [{**message, "content": _ADDED.sub("", str(message["content"]))} for message in messages]
    return [message for message in asked if message["content"]]
