"""Moderation by OpenAI's moderation model, which is free of charge there.

Off unless MODERATION=provider is set and OpenAI has a key: it sends every question twice, and to a company that may not
be the one that answers. It sees a text only once everything private in it is hidden. Where it fails or takes too long
the rules have already said that a text may be asked, and that stands.
"""

from __future__ import annotations

import logging
from typing import Self

import httpx2
from openai import OpenAI
from pydantic import SecretStr

from core.ai.guards.moderation import CHILDREN, HELP, REFUSED
from core.ai.guards.verdict import FINE, Verdict
from core.ai.providers.hosts import HOSTS
from core.ai.providers.openai_errors import FOREIGN
from core.settings import Settings

MODEL = "omni-moderation-latest"
TIMEOUT_S = 3.0
SWITCH = "MODERATION"
REFUSED_CATEGORIES = {
    "self-harm/intent": ("self_harm", HELP),
    "self-harm/instructions": ("self_harm", HELP),
    "sexual/minors": ("minors", CHILDREN),
    "illicit/violent": ("weapons", REFUSED),
    "harassment/threatening": ("violence", REFUSED),
    "hate/threatening": ("violence", REFUSED),
}
"""What is refused, and what its asker is told; the other categories, such as war in the news, are not."""

FAILURES: tuple[type[Exception], ...] = (*FOREIGN, ValueError, AttributeError, TypeError)
"""No answer, or none that can be read."""

_log = logging.getLogger(__name__)


class ProviderModeration:
    """Asks OpenAI about a text; safe to share between threads."""

    def __init__(self, key: SecretStr, base_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._http = httpx2.Client()
        self._sdk = OpenAI(
            api_key=key.get_secret_value(),
            base_url=base_url,
            max_retries=0,
            timeout=httpx2.Timeout(timeout_s),
            http_client=self._http,
        )

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The moderation that the settings switch on; None where they do not, or OpenAI has no key."""
        host = HOSTS["openai"]
        key = settings.text(host.key_variable)
        if settings.text(SWITCH) != "provider" or key is None:
            return None
        return cls(SecretStr(key), settings.text(host.base_url_variable) or host.default_base_url)

    def __call__(self, text: str) -> Verdict:
        """What OpenAI says of a text in which everything private is hidden; fine where it says nothing in time."""
        try:
            reply = self._sdk.moderations.create(model=MODEL, input=text)
            found = [result.categories.model_dump(by_alias=True) for result in reply.results]
        except FAILURES as error:
            _log.warning("The provider's moderation failed (%s); the rules stand.", type(error).__name__)
            return FINE
        for category, (rule, sentence) in REFUSED_CATEGORIES.items():
            if any(flags.get(category) for flags in found):
                return Verdict(True, rule, sentence)
        return FINE

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()
