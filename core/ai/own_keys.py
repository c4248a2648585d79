"""Own keys of providers: those with which a caller, or their organisation, pays a provider themselves."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from uuid import UUID

from pydantic import SecretStr

from core.accounts.provider_keys import ProviderKeys, UsableKey
from core.ai.providers.contract import ChatRequest, ChatStream, Delta, Finish, Provider, TimeLimits, TokenUsage
from core.ai.providers.hosts import HOSTS, checked_base_url
from core.ai.providers.registry import ADAPTERS
from core.errors import ProviderRefusedKey
from core.principal import Principal
from core.settings import Settings

FRESH_S = 5.0
"""A key that another process revoked is still offered for so long; `reserve` refuses it in any case."""
MAX_CALLERS = 4_096
MAX_ADAPTERS = 128
"""Adapters that are kept open, the least used go first."""
CLOSE_GRACE_S = 30.0
"""An adapter that was dropped is closed so long after the last of its calls must have ended."""
OF_NOBODY: Mapping[str, OwnKey] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key that a caller may use, and the provider as it is asked with it."""

    id: UUID
    name: str
    last_four: str
    is_shared: bool
    """Whether it is the organisation's."""
    provider: Provider = field(repr=False)
    provider_name: str
    flaw: str | None = None
    """Why it cannot be used, in a sentence for its owner: it has expired, or cannot be read. The provider is not asked
    with the platform's key instead. None where it can."""


class OwnKeys:
    """The keys of callers, read from the database every few seconds, with one adapter for each key in use."""

    def __init__(
        self, keys: ProviderKeys, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[UUID, UUID], tuple[float, int, tuple[OwnKey, ...]]] = OrderedDict()
        self._adapters: OrderedDict[tuple[UUID, bytes], Provider] = OrderedDict()
        self._leaving: deque[tuple[float, Provider]] = deque()

    def of(self, principal: Principal, *, only_shared: bool = False) -> Mapping[str, OwnKey]:
        """The key for each provider for which the caller has one, by the provider's name; their own goes first.

        What the organisation does for itself (`only_shared`) is never paid by a member's own key.

        Raises:
            DatabaseUnavailable: it cannot be said whose key it would be, so nobody may be asked.
        """
        found = self._fresh(principal)
        if not found:
            return OF_NOBODY
        ranked = sorted(found, key=lambda key: not key.is_shared)  # a member's own is written over the shared one
        return {key.provider_name: key for key in ranked if key.is_shared or not only_shared}

    def refused(self, principal: Principal, key: OwnKey) -> ProviderRefusedKey:
        """Notes that its provider does not accept a key, tells whose it is, and gives the error for the caller."""
        self._keys.note_refused(principal, key.id)
        label = HOSTS[key.provider_name].label
        return ProviderRefusedKey(refused_words(key, label), provider=key.provider_name)

    def close(self) -> None:
        """Closes every adapter; no call follows."""
        with self._lock:
            adapters = [*self._adapters.values(), *(provider for _, provider in self._leaving)]
            self._adapters.clear()
            self._leaving.clear()
            self._known.clear()
        for adapter in adapters:
            adapter.close()

    def _fresh(self, principal: Principal) -> tuple[OwnKey, ...]:
        owner = (principal.org_id, principal.user_id)
        version = self._keys.version
        with self._lock:
            known = self._known.get(owner)
            if known is not None and self._monotonic() < known[0] and known[1] == version:
                return known[2]
        found = tuple(self._own_key(row) for row in self._keys.usable(principal))
        with self._lock:
            self._known[owner] = (self._monotonic() + FRESH_S, version, found)
            self._known.move_to_end(owner)
            while len(self._known) > MAX_CALLERS:
                self._known.popitem(last=False)
        return found

    def _own_key(self, row: UsableKey) -> OwnKey:
        flaw = row.flaw
        provider: Provider = Unusable(row.provider, flaw or "")
        if row.secret is not None:
            provider = self._adapter(row, row.secret)
        return OwnKey(row.id, row.name, row.last_four, row.is_shared, provider, row.provider, flaw)

    def _adapter(self, row: UsableKey, secret: SecretStr) -> Provider:
        """The adapter of a key as it now is; another secret in its place has another."""
        name = (row.id, sha256(secret.get_secret_value().encode()).digest())
        with self._lock:
            adapter = self._adapters.get(name)
            if adapter is not None:
                self._adapters.move_to_end(name)
                return adapter
        host = HOSTS[row.provider]
        base_url = checked_base_url(host, self._settings.text(host.base_url_variable))
        made = ADAPTERS[host.wire]()(host, secret, base_url)
        with self._lock:
            kept = self._adapters.setdefault(name, made)
            if kept is not made:
                self._drop(made)
            while len(self._adapters) > MAX_ADAPTERS:
                self._drop(self._adapters.popitem(last=False)[1])
            due = self._due()
        for adapter in due:
            adapter.close()
        return kept

    def _drop(self, adapter: Provider) -> None:
        """Closes an adapter later: a call may be under way on it."""
        self._leaving.append((self._monotonic() + self._settings.total_timeout_s + CLOSE_GRACE_S, adapter))

    def _due(self) -> list[Provider]:
        now, due = self._monotonic(), []
        while self._leaving and self._leaving[0][0] <= now:
            due.append(self._leaving.popleft()[1])
        return due


def refused_words(key: OwnKey, label: str) -> str:
    """What a caller reads where a provider, as users know it, did not accept their key."""
    if key.is_shared:
        return (
            f"Your organisation's key {key.name} (…{key.last_four}) was not accepted by {label}; "
            "its owners and admins can replace it in Settings."
        )
    return f"Your key {key.name} (…{key.last_four}) was not accepted by {label}; replace it in Settings."


class Unusable:
    """Stands for a provider whose own key cannot be used: whatever is asked is refused in the key's words."""

    is_offline = False

    def __init__(self, name: str, flaw: str) -> None:
        self.name = name
        self._flaw = flaw

    def chat(self, request: ChatRequest, limits: TimeLimits) -> ChatStream:
        """A stream that ends in the refusal."""
        return _Refusal(ProviderRefusedKey(self._flaw, provider=self.name))

    def close(self) -> None:
        """Nothing is open."""


class _Refusal:
    """A stream that was never sent."""

    usage: TokenUsage | None = None
    was_sent = False

    def __init__(self, error: ProviderRefusedKey) -> None:
        self._error = error

    def __iter__(self) -> Iterator[Delta | Finish]:
        raise self._error

    def abort(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""
