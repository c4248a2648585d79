"""Which providers are live in this installation: those whose key (or base URL) is set, and `offline` always."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from core.ai.providers.contract import Provider
from core.ai.providers.hosts import HOSTS, Host, Wire, checked_base_url
from core.ai.providers.offline import OFFLINE, Answerer, Offline
from core.settings import DATA, Settings

GLOSSARY = DATA / "glossary"


Adapter = Callable[[Host, SecretStr | None, str], Provider]


def _openai_chat() -> Adapter:
    from core.ai.providers.openai_chat import OpenAIChat

    return OpenAIChat


def _groq_chat() -> Adapter:
    from core.ai.providers.groq_chat import GroqChat

    return GroqChat


def _anthropic_chat() -> Adapter:
    from core.ai.providers.anthropic_chat import AnthropicChat

    return AnthropicChat


def _google_chat() -> Adapter:
    from core.ai.providers.google_chat import GoogleChat

    return GoogleChat


def _ollama_chat() -> Adapter:
    from core.ai.providers.ollama_chat import OllamaChat

    return OllamaChat


ADAPTERS: dict[Wire, Callable[[], Adapter]] = {
    "openai": _openai_chat,
    "groq": _groq_chat,
    "anthropic": _anthropic_chat,
    "google": _google_chat,
    "ollama": _ollama_chat,
}
"""By wire format, what gives the adapter; each imports its SDK when first asked, which takes half a second."""


def build_providers(
    settings: Settings, *, glossary: Path = GLOSSARY, answerers: Sequence[Answerer] = ()
) -> dict[str, Provider]:
    """Every provider that can be asked, by name; `answerers` are what `offline` answers by a rule.

    Raises:
        ConfigurationError: a base URL that is not an address, or a mistake in the glossary.
    """
    live = {host.name: provider for host in HOSTS.values() if (provider := _live(host, settings)) is not None}
    return {**live, OFFLINE: Offline(glossary, delay_s=settings.offline_delay_s, answerers=answerers)}


def _live(host: Host, settings: Settings) -> Provider | None:
    given_url, key = settings.text(host.base_url_variable), settings.text(host.key_variable)
    base_url = checked_base_url(host, given_url)
    if (key if host.needs_key else given_url) is None:
        return None
    return ADAPTERS[host.wire]()(host, SecretStr(key) if key else None, base_url)
