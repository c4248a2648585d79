"""The models that can be asked, by id, each with its provider, class, limits and price."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core.ai.prices import PriceBook
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE
from core.errors import NotFound
from core.yaml_lines import Document, load_yaml, validate

ModelClass = Literal["economy", "standard", "frontier"]
Capability = Literal[
    "chat",  # answers a conversation
    "embedding",  # turns texts into vectors, and does nothing else
    "reasoning",  # reasons before it answers without being asked to, out of the same `max_tokens`
    "json",  # can be told to follow a JSON Schema
    "tools",  # can call functions
    "web_search",  # searches the web for each answer
    "vision",  # reads pictures
    "audio",  # hears sound
    "image",  # makes pictures, and does nothing else
    "transcription",  # writes recordings down, and does nothing else
    "long_context",  # takes `LONG_CONTEXT` tokens or more
]
Task = Literal["chat", "embedding", "image", "transcription"]
"""What a model can be asked for; every model does exactly one of them."""
TASKS: tuple[Task, ...] = ("chat", "embedding", "image", "transcription")
LONG_CONTEXT = 400_000
"""Tokens of a context window from which it is called long."""
PROVIDERS = frozenset({OFFLINE, *HOSTS})
LOCAL_PROVIDERS = frozenset({OFFLINE, *(host.name for host in HOSTS.values() if not host.needs_key)})
"""Those that run on the operator's own machines; only theirs may cost nothing."""


class Model(BaseModel):
    """One AI model, as a row of the models file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._/:-]{0,99}$")
    """The name by which users ask for it."""
    provider: str
    """Key of the provider."""
    provider_model: str = Field("", max_length=120)
    """The provider's own id; the same as `id` where the file gives none."""
    label: str = Field(min_length=1, max_length=60)
    """What users read."""
    model_class: ModelClass = Field(alias="class")
    """Which plans include it."""
    capabilities: tuple[Capability, ...] = Field(min_length=1, strict=False)
    """What it can do."""
    context_window: int = Field(ge=1, le=20_000_000)
    """Tokens of input and output together; for an embedding those of one text. A model that is priced by the time of
    its recordings has none: it reads them in pieces."""
    max_output: int = Field(ge=0, le=20_000_000)
    """Most tokens of one answer, also of a picture; an embedding has none."""
    price: str
    """Id of its price."""
    dimensions: int | None = Field(None, ge=1, le=100_000)
    """Length of the vectors that an embedding model gives unless it is asked for shorter ones."""
    deprecated_on: date | None = None
    """The first day on which its provider no longer serves it; None where none is announced."""
    successor: str | None = None
    """Id of the model that its provider names in its place."""
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    """The wire name of its output limit; None is its host's usual name."""
    accepts_temperature: bool = True
    """Whether it takes a temperature; some reasoning models refuse one."""

    @property
    def task(self) -> Task:
        """What it can be asked for."""
        return next((task for task in TASKS if task in self.capabilities), "chat")

    def is_served(self, on: date) -> bool:
        """Whether its provider still serves it on this day, as far as was announced."""
        return self.deprecated_on is None or on < self.deprecated_on


class Catalogue:
    """All models of the models file, in its order."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.id: model for model in models}

    @classmethod
    def load(cls, path: Path, prices: PriceBook) -> Self:
        """Reads and checks the models file.

        Raises:
            ConfigurationError: a mistake in it; the sentence names the file and the line.
        """
        document = load_yaml(path)
        rows = validate(document, _File).models
        _check(document, rows, prices)
        return cls(row.model_copy(update={"provider_model": row.provider_model or row.id}) for row in rows)

    def get(self, model_id: str) -> Model:
        """The model of exactly this id.

        Raises:
            NotFound: there is none.
        """
        model = self._models.get(model_id)
        if model is None:
            raise NotFound("There is no model of that name. The list of models shows those that can be asked.")
        return model

    def all(self) -> tuple[Model, ...]:
        """Every model."""
        return tuple(self._models.values())

    def chat_models(self) -> tuple[Model, ...]:
        """The models that answer questions."""
        return self.models_for("chat")

    def embedding_models(self) -> tuple[Model, ...]:
        """The models that turn texts into vectors."""
        return self.models_for("embedding")

    def models_for(self, task: Task) -> tuple[Model, ...]:
        """The models that can be asked for `task`."""
        return tuple(model for model in self._models.values() if model.task == task)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[Model, ...] = Field(min_length=1)


def _check(document: Document, rows: tuple[Model, ...], prices: PriceBook) -> None:
    ids = [row.id for row in rows]
    for index, row in enumerate(rows):
        flaws = {
            "id": "this id is given twice." if row.id in ids[:index] else None,
            "provider": None if row.provider in PROVIDERS else f"{row.provider} is not a provider ({_known()}).",
            "capabilities": _capabilities_flaw(row),
            "price": _price_flaw(row, prices),
            "max_output": _output_flaw(row),
            "dimensions": None
            if (row.dimensions is not None) == (row.task == "embedding")
            else "an embedding model has them, and no other.",
            "successor": None
            if row.successor is None or row.successor in ids
            else f"there is no model with the id {row.successor}.",
        }
        for field, flaw in flaws.items():
            if flaw:
                trail = ("models", index, field)
                raise document.error(trail, f"{document.name_of(trail)}: {flaw}")


def _capabilities_flaw(row: Model) -> str | None:
    tasks = [task for task in TASKS if task in row.capabilities]
    if len(tasks) != 1 or (tasks != ["chat"] and len(row.capabilities) > 1):
        return "chat with more, or one of embedding, image and transcription alone."
    if ("long_context" in row.capabilities) != (row.task == "chat" and row.context_window >= LONG_CONTEXT):
        return f"long_context is for a context_window of {LONG_CONTEXT:,} tokens or more, and always for it."
    return None


def _output_flaw(row: Model) -> str | None:
    if row.task == "embedding":
        return "must be 0 for an embedding model." if row.max_output else None
    return None if 0 < row.max_output <= row.context_window else "must be above 0 and not above context_window."


def _price_flaw(row: Model, prices: PriceBook) -> str | None:
    history = prices.history(row.price)
    if not history:
        return f"there is no price with the id {row.price} in data/prices."
    if history[0].is_embedding and row.task != "embedding":
        return f"{row.price} is the price of an embedding model, whose output is free."
    if row.task == "embedding" and not history[0].is_embedding and not history[0].is_local:
        return f"{row.price} is not the price of an embedding model."
    if bool(history[0].per_audio_hour) and row.task != "transcription":
        return f"{row.price} is a price by the hour of sound, of a model that writes recordings down."
    if history[0].is_local != (row.provider in LOCAL_PROVIDERS):
        return f"{row.price} must be local if and only if its provider is ({', '.join(sorted(LOCAL_PROVIDERS))})."
    return None


def _known() -> str:
    return ", ".join(sorted(PROVIDERS))
