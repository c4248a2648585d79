"""OpenAI's moderation model, on the official SDK: the categories that it sees in a text."""

from __future__ import annotations

import logging

import httpx2
from openai import OpenAI
from pydantic import SecretStr

from core.ai.providers.openai_errors import FOREIGN
from core.ai.providers.sdk import key_text

MODEL = "omni-moderation-latest"
FAILURES: tuple[type[Exception], ...] = (*FOREIGN, ValueError, AttributeError, TypeError)
"""No answer, or none that can be read."""

_log = logging.getLogger(__name__)


class OpenAIModeration:
    """Asks about texts; safe to share between threads."""

    def __init__(self, key: SecretStr, base_url: str, *, timeout_s: float) -> None:
        self._http = httpx2.Client()
        self._sdk = OpenAI(
            api_key=key_text(key),
            base_url=base_url,
            max_retries=0,
            timeout=httpx2.Timeout(timeout_s),
            http_client=self._http,
        )

    def categories(self, text: str) -> frozenset[str] | None:
        """The categories that it sees, in its own names; None where it fails or takes too long."""
        try:
            reply = self._sdk.moderations.create(model=MODEL, input=text)
            found = [result.categories.model_dump(by_alias=True) for result in reply.results]
        except FAILURES as error:
            _log.warning("The provider's moderation failed (%s); the rules stand.", type(error).__name__)
            return None
        return frozenset(name for flags in found for name, is_seen in flags.items() if is_seen)

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()
