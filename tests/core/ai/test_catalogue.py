"""The models that can be asked, and which model files are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.ai.catalogue import Catalogue
from core.ai.prices import PriceBook
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE_MODEL
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


def _load(folder: Path, prices: PriceBook, *models: dict[str, str]) -> Catalogue:
    text = "models:\n" + "".join(
        "  -\n" + "".join(f"    {key}: {value}\n" for key, value in model.items()) for model in models
    )
    (folder / "models.yaml").write_text(text)
    return Catalogue.load(folder / "models.yaml", prices)


def test_every_shipped_model_has_a_provider_and_a_price_today(shipped_prices: PriceBook) -> None:
    catalogue = Catalogue.load(DATA / "models.yaml", shipped_prices)

    assert {model.provider for model in catalogue.all()} == {"offline", *HOSTS}
    assert catalogue.get(OFFLINE_MODEL).provider_model == OFFLINE_MODEL
    assert catalogue.all() == catalogue.chat_models()
    for model in catalogue.all():
        price = shipped_prices.price_of(model.price, datetime.now(UTC).date())
        assert price.is_local == (model.provider == "offline")
        assert price.worst_case(1000, 1024) > 0 or price.is_local


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
        ({"id": "m"}, 12, "twice"),
        ({"provider": "acme"}, 13, "acme is not a provider"),
        ({"price": "openai/gpt-none"}, 19, "no price"),
        ({"context_window": "many"}, 17, "integer"),
        ({"context_window": '"1000"'}, 17, "integer"),
        ({"context_window": "-5"}, 17, "greater"),
        ({"max_output": "2000"}, 18, "context_window"),
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
    folder: Path, shipped_prices: PriceBook, change: dict[str, str], line: int, word: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^models\.yaml, line {line}: .*{word}"):
        _load(folder, shipped_prices, MODEL, {**MODEL, "id": "n", **change})


def test_a_missing_field_is_named_with_the_line_of_its_row(folder: Path, shipped_prices: PriceBook) -> None:
    model = {key: value for key, value in MODEL.items() if key != "price"}

    with pytest.raises(ConfigurationError, match=r"^models\.yaml, line 3: models\.0\.price: Field required\.$"):
        _load(folder, shipped_prices, model)


def test_an_empty_file_is_refused(folder: Path, shipped_prices: PriceBook) -> None:
    (folder / "models.yaml").write_text("")

    with pytest.raises(ConfigurationError, match=r"^models\.yaml, line 1: "):
        Catalogue.load(folder / "models.yaml", shipped_prices)
