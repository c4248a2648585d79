"""What stands around the gateway, composed: how models fare, guards, own keys, flags and experiments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from core.accounts.encryption import Encryption
from core.accounts.provider_keys import ProviderKeys
from core.ai.cache import LIFETIMES_S, AnswerCache
from core.ai.catalogue import Catalogue
from core.ai.experiments import Experiments
from core.ai.flags import Flags
from core.ai.gateway import Gateway, GatewayParts
from core.ai.guards.events import GuardEvents
from core.ai.guards.guards import Guards, GuardsParts
from core.ai.guards.provider_moderation import ProviderModeration
from core.ai.health import Health, HealthPolicy
from core.ai.model_switches import ModelSwitches
from core.ai.own_keys import OwnKeys
from core.ai.providers.contract import TimeLimits
from core.ai.providers.hosts import HOSTS
from core.ai.quality import Quality
from core.ai.router import Router
from core.clock import SystemClock
from core.db.engine import Database
from core.metering.meter import Meter
from core.metering.plans import Plans
from core.metering.usage_log import UsageLog
from core.ops.jobs import TIDY_MINUTES, Queue
from core.ops.notifications import Notifications
from core.settings import DATA, Settings

WARN_MINUTES = 60.0
"""How often it is looked for keys that expire soon."""
NOT_TRIED = frozenset({"embedding", "image"})
"""Tasks whose models cannot be compared by their answers."""


@dataclass(frozen=True, slots=True)
class AiParts:
    """What the area is composed of."""

    settings: Settings
    database: Database
    plans: Plans
    catalogue: Catalogue
    router: Router
    meter: Meter
    usage_log: UsageLog
    cache: AnswerCache
    queue: Queue
    notifications: Notifications
    quality: Quality


@dataclass(frozen=True, slots=True)
class AiArea:
    """The one door to every model, and what those who run it look after."""

    gateway: Gateway
    health: Health
    provider_keys: ProviderKeys
    own_keys: OwnKeys
    guards: Guards
    guard_events: GuardEvents
    flags: Flags
    experiments: Experiments
    switches: ModelSwitches
    encryption: Encryption
    moderation: ProviderModeration | None

    def close(self) -> None:
        """Ends calls under way, and writes what waits."""
        self.gateway.close()
        self.own_keys.close()
        self.guard_events.close()
        if self.moderation is not None:
            self.moderation.close()


def open_ai(parts: AiParts) -> AiArea:
    """Composes the area.

    Raises:
        ConfigurationError: an encryption key that is none.
    """
    settings, database = parts.settings, parts.database
    encryption = Encryption.of(settings)
    labels = {host.name: host.label for host in HOSTS.values() if host.needs_key}
    provider_keys = ProviderKeys(database, encryption, parts.notifications, providers=labels)
    parts.queue.every("warn_of_keys", WARN_MINUTES, lambda: _warn(provider_keys))
    own_keys, guard_events = OwnKeys(provider_keys, settings), GuardEvents(database)
    parts.queue.every("forget_guard_events", TIDY_MINUTES, guard_events.forget)
    moderation = ProviderModeration.of(settings)
    guards = Guards(
        GuardsParts(
            settings.max_prompt_chars, canary_key=_canary_key(settings), events=guard_events, moderation=moderation
        )
    )
    health = Health(database, HealthPolicy(probe_s=settings.connect_timeout_s + settings.first_token_timeout_s + 5.0))
    flags, experiments = Flags(database, parts.plans), _experiments(parts)
    switches = ModelSwitches(database, parts.catalogue)
    parts.router.heed(switches)
    gateway = Gateway(
        GatewayParts(
            meter=parts.meter,
            plans=parts.plans,
            router=parts.router,
            cache=parts.cache,
            usage_log=parts.usage_log,
            clock=SystemClock(),
            limits=time_limits(settings),
            guards=guards,
            default_model=settings.default_model,
            quality=parts.quality,
            health=health,
            moderates=moderation is not None,
            own_keys=own_keys,
            flags=flags,
            experiments=experiments,
        )
    )
    return AiArea(
        *(gateway, health, provider_keys, own_keys, guards, guard_events, flags, experiments, switches),
        encryption=encryption,
        moderation=moderation,
    )


def time_limits(settings: Settings) -> TimeLimits:
    """How long each stage of a call may take."""
    return TimeLimits(
        connect_s=settings.connect_timeout_s,
        first_token_s=settings.first_token_timeout_s,
        between_tokens_s=settings.token_gap_timeout_s,
        total_s=settings.total_timeout_s,
    )


def _warn(keys: ProviderKeys) -> None:
    keys.warn()


def _experiments(parts: AiParts) -> Experiments:
    prompts = sorted(path.stem for path in (DATA / "prompts").glob("*.md"))
    models = [model.id for model in parts.catalogue.chat_models()]
    return Experiments(
        parts.database, parts.plans, models=models, prompts=prompts, tasks=sorted(LIFETIMES_S.keys() - NOT_TRIED)
    )


def _canary_key(settings: Settings) -> bytes:
    """A secret of the installation: of its newest encryption key, or else of where its data is."""
    given = settings.encryption_keys or settings.database_url
    seed = given.get_secret_value() if given is not None else str(settings.assay_home.resolve())
    return hashlib.sha256(b"canary\0" + seed.split(",")[0].encode()).digest()
