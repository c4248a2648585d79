"""Which providers are live in this installation: those whose key is set, and `offline` always."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from core.ai.providers.contract import Provider
from core.ai.providers.hosts import HOSTS, Host, checked_base_url
from core.ai.providers.offline import OFFLINE, Offline
from core.settings import DATA, Settings

GLOSSARY = DATA / "glossary"


def build_providers(settings: Settings, *, glossary: Path = GLOSSARY) -> dict[str, Provider]:
    """Every provider that can be asked, by name.

    Raises:
        ConfigurationError: a base URL that is not an address, or a mistake in the glossary.
    """
    live = {host.name: provider for host in HOSTS.values() if (provider := _live(host, settings)) is not None}
    return {**live, OFFLINE: Offline(glossary, delay_s=settings.offline_delay_s)}


def _live(host: Host, settings: Settings) -> Provider | None:
    base_url = checked_base_url(host, settings.text(host.base_url_variable))
    key = settings.text(host.key_variable)
    if key is None:
        return None
    from core.ai.providers.openai_chat import OpenAIChat  # the SDK takes half a second to import

    return OpenAIChat(host, SecretStr(key), base_url)
