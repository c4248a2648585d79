"""The models that can be asked, and which model files are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core.ai.catalogue import Catalogue
from core.ai.pictures import QUALITIES, SIZES, painted_tokens
from core.ai.prices import PriceBook
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE, OFFLINE_MODEL
from core.errors import ConfigurationError, NotFound
from core.settings import DATA

MODEL = {
    "id": "m",
    "provider": "openai",
    "label": "M",
    "class": "economy",
    "capabilities": "[chat]",
    "context_window": "1000",
    "max_output": "100",
    "price": "openai/gpt-4o",
}
VECTORS = {
    "capabilities": "[embedding]",
    "max_output": "0",
    "dimensions": "8",
    "price": "openai/text-embedding-3-small",
}


def _load(folder: Path, prices: PriceBook, *models: Mapping[str, str | None]) -> Catalogue:
    text = "models:\n" + "".join(
        "  -\n" + "".join(f"    {key}: {value}\n" for key, value in model.items() if value is not None)
        for model in models
    )
    (folder / "models.yaml").write_text(text)
    return Catalogue.load(folder / "models.yaml", prices)


def test_every_shipped_model_has_a_provider_and_a_price_today(shipped_prices: PriceBook) -> None:
    catalogue = Catalogue.load(DATA / "models.yaml", shipped_prices)

    assert {model.provider for model in catalogue.all()} == {"offline", *HOSTS}
    assert catalogue.get(OFFLINE_MODEL).provider_model == OFFLINE_MODEL
    for model in catalogue.all():
        price = shipped_prices.price_of(model.price, datetime.now(UTC).date())
        assert price.is_local == (model.provider in {"offline", "ollama"})
        assert price.is_embedding == (model.task == "embedding" and not price.is_local)
        assert price.worst_case(1000, 0, 60) > 0 or price.is_local
        assert price.worst_case(0, 1024, 60) > 0 or price.is_local or price.is_embedding
        assert bool(price.per_audio_hour) <= (model.task == "transcription")


def test_a_model_does_exactly_one_thing(shipped_prices: PriceBook) -> None:
    catalogue = Catalogue.load(DATA / "models.yaml", shipped_prices)
    vectors, chats = catalogue.embedding_models(), catalogue.chat_models()
    painters, writers = catalogue.models_for("image"), catalogue.models_for("transcription")

    assert {model.id for model in vectors} >= {"text-embedding-3-small", "text-embedding-3-large", "mistral-embed"}
    assert {model.id for model in painters} >= {"gpt-image-2.5-flare", "gpt-image-2.5-sunburst"}
    assert {model.id for model in writers} >= {"gpt-transcribe", "gpt-4o-transcribe", "whisper-1"}
    assert {model.provider for model in writers} == {"openai", "groq", "mistral"}
    assert len(vectors) + len(chats) + len(painters) + len(writers) == len(catalogue.all())
    assert {*vectors, *chats, *painters, *writers} == {*catalogue.all()}
    assert all(len(model.capabilities) == 1 for model in (*vectors, *painters, *writers))
    assert all(model.dimensions and model.max_output == 0 for model in vectors)
    assert catalogue.get("text-embedding-3-small").dimensions == 1536


def test_the_issues_breadth_is_there(shipped_prices: PriceBook) -> None:
    served = [m for m in Catalogue.load(DATA / "models.yaml", shipped_prices).all() if m.is_served(date(2026, 11, 22))]

    assert len(served) >= 30
    assert len({model.provider for model in served} - {OFFLINE}) >= 9
    assert {"economy", "standard", "frontier"} == {model.model_class for model in served}
    assert any("qwen" in model.id for model in served)
    wanted = {"chat", "tools", "vision", "json", "embedding", "image", "audio", "transcription", "long_context"}
    assert {*wanted, "web_search"} <= {capability for model in served for capability in model.capabilities}


def test_every_picture_fits_every_model_that_makes_one(shipped_prices: PriceBook) -> None:
    for model in Catalogue.load(DATA / "models.yaml", shipped_prices).models_for("image"):
        assert max(painted_tokens(size, quality) for size in SIZES for quality in QUALITIES) <= model.max_output


def test_a_model_is_served_until_the_day_before_its_last(shipped_prices: PriceBook) -> None:
    nano = Catalogue.load(DATA / "models.yaml", shipped_prices).get("gpt-5-nano")

    assert nano.is_served(date(2026, 12, 10))
    assert not nano.is_served(date(2026, 12, 11))
    assert nano.successor == "gpt-5.6-luna"


def test_reasoning_models_are_called_as_they_want_it(shipped_prices: PriceBook) -> None:
    catalogue = Catalogue.load(DATA / "models.yaml", shipped_prices)

    assert catalogue.get("gpt-5-mini").max_tokens_parameter == "max_completion_tokens"
    assert not catalogue.get("gpt-5-mini").accepts_temperature
    assert catalogue.get("gpt-4o-mini").max_tokens_parameter is None
    assert catalogue.get("gpt-4o-mini").accepts_temperature


def test_a_model_is_found_by_its_exact_id(folder: Path, shipped_prices: PriceBook) -> None:
    catalogue = _load(folder, shipped_prices, MODEL, {**MODEL, "id": "n", "provider_model": "their-n"})

    assert catalogue.get("m").provider_model == "m"
    assert catalogue.get("n").provider_model == "their-n"
    assert catalogue.get("m").model_class == "economy"
    for name in ("M", "m ", "", "gpt-4o"):
        with pytest.raises(NotFound, match="no model of that name"):
            catalogue.get(name)


@pytest.mark.parametrize(
    ("change", "line", "word"),
    [
        ({"class": "cheap"}, 15, "'economy', 'standard' or 'frontier'"),
        ({"id": "m"}, 12, "models.m.id: .*twice"),
        ({"provider": "acme"}, 13, "acme is not a provider"),
        ({"price": "openai/gpt-none"}, 19, "no price"),
        ({"context_window": "many"}, 17, "integer"),
        ({"context_window": '"1000"'}, 17, "integer"),
        ({"context_window": "-5"}, 17, "greater"),
        ({"price": "openai/text-embedding-3-small"}, 19, "embedding model, whose output is free"),
        ({"price": "offline/offline-glossary"}, 19, "must be local if and only if"),
        ({"provider": "offline"}, 19, "must be local if and only if"),
        ({"max_output": "2000"}, 18, "context_window"),
        ({"max_output": "0"}, 18, "above 0"),
        ({"dimensions": "512"}, 20, "an embedding model has them"),
        ({"context_window": "400000"}, 16, "long_context is for"),
        ({"capabilities": "[chat, long_context]"}, 16, "long_context is for"),
        ({"capabilities": "[vision]"}, 16, "chat with more"),
        ({"capabilities": "[chat, embedding]"}, 16, "chat with more"),
        ({"capabilities": "[image, vision]"}, 16, "chat with more"),
        ({"capabilities": "[image, transcription]"}, 16, "chat with more"),
        ({"price": "openai/gpt-transcribe"}, 19, "price by the hour of sound"),
        ({"capabilities": "[embedding]"}, 19, "not the price of an embedding model"),
        ({**VECTORS, "capabilities": "[embedding, vision]"}, 16, "chat with more"),
        ({**VECTORS, "dimensions": None}, 12, "an embedding model has them"),
        ({**VECTORS, "max_output": "9"}, 18, "must be 0"),
        ({"deprecated_on": "soon"}, 20, "date"),
        ({"successor": "o"}, 20, "no model with the id o"),
        ({"capabilities": "[fly]"}, 16, "chat"),
        ({"capabilities": "[]"}, 16, ""),
        ({"label": '""'}, 14, ""),
        ({"colour": "red"}, 20, "colour"),
        ({"accepts_temperature": "maybe"}, 20, "boolean"),
        ({"max_tokens_parameter": "limit"}, 20, "max_tokens"),
        ({"label": "[unclosed"}, 15, ""),
    ],
)
def test_a_mistake_is_named_with_its_line(
    folder: Path, shipped_prices: PriceBook, change: dict[str, str | None], line: int, word: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^models\.yaml, line {line}: .*{word}"):
        _load(folder, shipped_prices, MODEL, {**MODEL, "id": "n", **change})


def test_an_embedding_model_has_no_output_and_the_price_of_vectors(folder: Path, shipped_prices: PriceBook) -> None:
    (model,) = _load(folder, shipped_prices, {**MODEL, **VECTORS}).embedding_models()

    assert (model.task, model.max_output, model.dimensions) == ("embedding", 0, 8)


def test_a_missing_field_is_named_with_the_line_of_its_row(folder: Path, shipped_prices: PriceBook) -> None:
    model = {key: value for key, value in MODEL.items() if key != "price"}

    with pytest.raises(ConfigurationError, match=r"^models\.yaml, line 3: models\.m\.price: Field required\.$"):
        _load(folder, shipped_prices, model)


def test_an_empty_file_is_refused(folder: Path, shipped_prices: PriceBook) -> None:
    (folder / "models.yaml").write_text("")

    with pytest.raises(ConfigurationError, match=r"^models\.yaml, line 1: "):
        Catalogue.load(folder / "models.yaml", shipped_prices)
