"""The models that can be asked, by id, each with its provider, class, limits and price."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core.ai.prices import PriceBook
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE
from core.errors import NotFound
from core.yaml_lines import Document, load_yaml, validate

ModelClass = Literal["economy", "standard", "frontier"]
Capability = Literal["chat"]
PROVIDERS = frozenset({OFFLINE, *HOSTS})


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
    """Tokens of input and output together."""
    max_output: int = Field(ge=1, le=20_000_000)
    """Most tokens of one answer."""
    price: str
    """Id of its price."""
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    """The wire name of its output limit; None is its host's usual name."""
    accepts_temperature: bool = True
    """Whether it takes a temperature; some reasoning models refuse one."""


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
        return tuple(model for model in self._models.values() if "chat" in model.capabilities)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[Model, ...] = Field(min_length=1)


def _check(document: Document, rows: tuple[Model, ...], prices: PriceBook) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        flaws = {
            "id": "this id is given twice." if row.id in seen else None,
            "provider": None if row.provider in PROVIDERS else f"{row.provider} is not a provider ({_known()}).",
            "price": None if row.price in prices else f"there is no price with the id {row.price} in data/prices.",
            "max_output": None if row.max_output <= row.context_window else "must not be above context_window.",
        }
        seen.add(row.id)
        for field, flaw in flaws.items():
            if flaw:
                raise document.error(("models", index, field), f"models.{index}.{field}: {flaw}")


def _known() -> str:
    return ", ".join(sorted(PROVIDERS))
