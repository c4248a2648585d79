"""Moderation by OpenAI's moderation model, which is free of charge there.

Off unless MODERATION=provider is set and OpenAI has a key: it sends every question twice, and to a company that may not
be the one that answers. It sees a text only once everything private in it is hidden. Where it fails or takes too long
the rules have already said that a text may be asked, and that stands.
"""

from __future__ import annotations

from typing import Self

from pydantic import SecretStr

from core.ai.guards.moderation import CHILDREN, HELP, REFUSED
from core.ai.guards.verdict import FINE, Verdict
from core.ai.providers.hosts import HOSTS
from core.settings import Settings

SWITCH = "MODERATION"
TIMEOUT_S = 3.0
REFUSED_CATEGORIES = {
    "self-harm/intent": ("self_harm", HELP),
    "self-harm/instructions": ("self_harm", HELP),
    "sexual/minors": ("minors", CHILDREN),
    "illicit/violent": ("weapons", REFUSED),
    "harassment/threatening": ("violence", REFUSED),
    "hate/threatening": ("violence", REFUSED),
}
"""What is refused, and what its asker is told; the other categories, such as war in the news, are not."""


class ProviderModeration:
    """Asks OpenAI about a text; safe to share between threads."""

    def __init__(self, key: SecretStr, base_url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        from core.ai.providers.openai_moderation import OpenAIModeration

        self._asked = OpenAIModeration(key, base_url, timeout_s=timeout_s)

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
        seen = self._asked.categories(text) or frozenset()
        for category, (rule, sentence) in REFUSED_CATEGORIES.items():
            if category in seen:
                return Verdict(True, rule, sentence)
        return FINE

    def close(self) -> None:
        """Closes the idle connections."""
        self._asked.close()
