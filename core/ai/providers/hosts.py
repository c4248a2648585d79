"""The providers that can be live: one row each, and for one that speaks Chat Completions nothing else to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from core.errors import ConfigurationError

Wire = Literal["openai", "groq", "anthropic", "google", "ollama"]
"""A wire format; each has its adapter in `registry.ADAPTERS`."""
PICTURES = ("image/png", "image/jpeg", "image/webp")
"""Media types of pictures that most hosts read."""
OLDER_PICTURES = ("image/png", "image/jpeg")


@dataclass(frozen=True, slots=True)
class Host:
    """How one host is reached, and where it differs from the others on the wire."""

    name: str
    """Key of the provider in the models file."""
    label: str
    """What users read."""
    key_variable: str
    """The setting that holds its key."""
    base_url_variable: str
    """The setting that points it elsewhere."""
    default_base_url: str
    """As the official client expects it, with `/v1` where the host has one."""
    wire: Wire = "openai"
    """The wire format it speaks."""
    needs_key: bool = True
    """Whether a key makes it live; otherwise its base URL does."""
    max_tokens_parameter: str = "max_tokens"
    """What the host calls the output limit, unless a model's row says otherwise."""
    asks_for_usage: bool = True
    """Whether usage must be asked for by `stream_options`; other hosts send it unasked."""
    call_id_length: int | None = None
    """Letters and digits of the id of a tool's call, where the host takes no other number of them."""
    answers_results: bool = False
    """Whether nothing but the assistant's turn may follow what tools returned."""
    thinking_field: str = ""
    """Where in a message its thinking stands that it wants back with the calls of tools; empty: it wants none."""
    picture_types: tuple[str, ...] = PICTURES
    """Media types of pictures that it reads; none where its models see nothing."""
    takes_detail: bool = False
    """Whether it is told to look at pictures closely, and no closer: of its own accord it may count more tokens."""

    @property
    def live_variable(self) -> str:
        """The setting that makes it live."""
        return self.key_variable if self.needs_key else self.base_url_variable


def _host(
    name: str,
    label: str,
    default_base_url: str,
    *,
    wire: Wire = "openai",
    needs_key: bool = True,
    asks_for_usage: bool = True,
    thinking_field: str = "",
) -> Host:
    prefix = name.upper()
    return Host(
        name=name,
        label=label,
        key_variable=f"{prefix}_API_KEY",
        base_url_variable=f"{prefix}_BASE_URL",
        default_base_url=default_base_url,
        wire=wire,
        needs_key=needs_key,
        asks_for_usage=asks_for_usage,
        thinking_field=thinking_field,
    )


HOSTS: dict[str, Host] = {
    host.name: host
    for host in (
        replace(_host("openai", "OpenAI", "https://api.openai.com/v1"), takes_detail=True),
        replace(
            _host("mistral", "Mistral", "https://api.mistral.ai/v1", asks_for_usage=False),
            call_id_length=9,
            answers_results=True,
        ),
        replace(
            _host("deepseek", "DeepSeek", "https://api.deepseek.com/v1", thinking_field="reasoning_content"),
            picture_types=OLDER_PICTURES,
        ),
        replace(_host("perplexity", "Perplexity", "https://api.perplexity.ai", asks_for_usage=False), picture_types=()),
        replace(_host("xai", "xAI", "https://api.x.ai/v1"), picture_types=OLDER_PICTURES, takes_detail=True),
        replace(
            _host("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", thinking_field="reasoning_details"),
            takes_detail=True,
        ),
        _host("groq", "Groq", "https://api.groq.com", wire="groq", asks_for_usage=False),
        _host("anthropic", "Anthropic", "https://api.anthropic.com", wire="anthropic"),
        _host("google", "Google", "https://generativelanguage.googleapis.com", wire="google"),
        replace(
            _host("ollama", "Ollama", "http://localhost:11434", wire="ollama", needs_key=False),
            picture_types=OLDER_PICTURES,
        ),
    )
}


def checked_base_url(host: Host, given: str | None) -> str:
    """The base URL to use: the given one, or the host's own.

    Raises:
        ConfigurationError: it is not an http(s) address with a host; the sentence names the variable.
    """
    url = (given or host.default_base_url).rstrip("/")
    try:
        parts = urlsplit(url)
        is_address = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or parts.username is not None or any(map(str.isspace, url)):
        raise ConfigurationError(
            f"{host.base_url_variable} must be an address such as {host.default_base_url}: http or https, "
            "a host, and neither a user name nor a query."
        )
    return url
