"""What two independent tables say of a model, in the words of our own: the package genai-prices, and litellm's table.

Of litellm's only an extract is kept here, `litellm_prices.json`; `litellm_extract.py` remakes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Context, Decimal
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

Figures = dict[str, str]
"""Amounts by the names that our tables have for them, in USD per million tokens, as plain text."""

FIRST_DAY = date(2025, 1, 1)
"""Stands in our tables where a source names no first day."""
_GENAI_PROVIDERS = {"xai": "x-ai"}
_LITELLM_PREFIXES = {"openai": "", "anthropic": "", "google": "gemini/"}
"""Providers whose key or prefix is not their name and a slash."""
_SEARCHES_ALWAYS = frozenset({"perplexity"})
"""Providers that ask their price of a search for each request, not only where a search is asked for."""
_LITELLM_PARTS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}
_SOUND = "audio_transcription"
"""Litellm's word for models that write recordings down."""
_DIGITS = Context(prec=3)
"""Litellm gives the price of a second, cut to four digits or so; that of the hour has three."""
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def plain(amount: Decimal) -> str:
    """An amount without trailing zeros and exponents."""
    return format(amount.normalize(), "f")


def complete(parts: Mapping[str, Decimal | None], long: Mapping[str, Decimal | None] | None, above: int) -> Figures:
    """All parts of a price: what is not priced apart costs as input, and a longer prompt what a shorter one does."""
    figures = {"per_request": "0", **_tier(parts)}
    if long is not None:
        merged = {part: rate if long.get(part) is None else long[part] for part, rate in parts.items()}
        figures["long_context.above"] = str(round(above, -3))  # xAI counts from 199,999, others from 200,000
        figures |= {f"long_context.{part}": rate for part, rate in _tier(merged).items()}
    return figures


def _tier(parts: Mapping[str, Decimal | None]) -> Figures:
    rates = {part: rate for part, rate in parts.items() if rate is not None}
    rates.setdefault("cached_input", rates["input"])
    rates["cache_write"] = max(
        rates.get("cache_write", rates["input"]), rates["input"]
    )  # below it: storage by the hour
    return {part: plain(rate) for part, rate in rates.items()}


def genai_model(price_id: str) -> ModelInfo | None:
    """The row of genai-prices with exactly this id."""
    name, _, model_id = price_id.partition("/")
    rows = [provider.models for provider in providers if provider.id == _GENAI_PROVIDERS.get(name, name)]
    return next((model for models in rows for model in models if model.id == model_id), None)


def genai_periods(model: ModelInfo, *, is_of_sound: bool = False) -> dict[date, Figures]:
    """Its figures by their first day. Prices by the hour belong to the last period, and the dearest of them counts.

    Of a model that writes recordings down the input is sound.
    """
    if is_of_sound and isinstance(model.prices, ModelPrice):
        return {FIRST_DAY: _genai_sound(model.prices)}
    if isinstance(model.prices, ModelPrice):
        return {FIRST_DAY: _genai_figures([model.prices])}
    hourly = [
        row.prices for row in model.prices if row.constraint and not isinstance(row.constraint, StartDateConstraint)
    ]
    dated: dict[date, list[ModelPrice]] = {}
    for row in model.prices:
        if row.constraint is None or isinstance(row.constraint, StartDateConstraint):
            dated[row.constraint.start_date if row.constraint else FIRST_DAY] = [row.prices]
    dated[max(dated)] += hourly
    return {day: _genai_figures(prices) for day, prices in dated.items()}


def _genai_figures(prices: list[ModelPrice]) -> Figures:
    dearest = max(prices, key=lambda price: _genai_rate(price.input_mtok, is_long=False) or Decimal(0))
    tiers = dearest.input_mtok.tiers if isinstance(dearest.input_mtok, TieredPrices) else []
    figures = complete(
        _genai_parts(dearest, is_long=False),
        _genai_parts(dearest, is_long=True) if tiers else None,
        tiers[0].start if tiers else 0,
    )
    per_thousand = _genai_rate(dearest.requests_kcount, is_long=False)
    if per_thousand is not None:
        figures["per_request"] = plain(per_thousand / 1000)
    return figures


def _genai_sound(price: ModelPrice) -> Figures:
    hourly = _genai_rate(price.audio_hours, is_long=False)
    if hourly is not None:
        return {"per_request": "0", "per_audio_hour": plain(hourly)}
    return complete(
        {**_genai_parts(price, is_long=False), "input": _genai_rate(price.input_audio_mtok, is_long=False)}, None, 0
    )


def _genai_parts(price: ModelPrice, *, is_long: bool) -> dict[str, Decimal | None]:
    rates = {
        "input": price.input_mtok,
        "output": price.output_mtok,
        "cached_input": price.cache_read_mtok,
        "cache_write": price.cache_write_mtok,
    }
    return {part: _genai_rate(rate, is_long=is_long) for part, rate in rates.items()}


def _genai_rate(rate: Decimal | TieredPrices | None, *, is_long: bool) -> Decimal | None:
    if isinstance(rate, TieredPrices):
        return rate.tiers[0].price if is_long else rate.base
    return rate


def litellm_key(price_id: str) -> str:
    """The key of litellm's row."""
    name, _, model_id = price_id.partition("/")
    return _LITELLM_PREFIXES.get(name, f"{name}/") + model_id


def litellm_facts(price_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the extract keeps of a row of litellm's: its price and its limits, in our words."""
    above = [int(match[1]) for key in row if (match := _ABOVE.fullmatch(key))]
    if row.get("mode") == _SOUND and "output_cost_per_token" not in row:
        hourly = _DIGITS.create_decimal(Decimal(row["input_cost_per_second"]) * 3600)
        figures = {"per_request": "0", "per_audio_hour": plain(hourly)}
    else:
        figures = complete(
            _litellm_parts(row, ""),
            _litellm_parts(row, f"_above_{above[0]}k_tokens") if above else None,
            above[0] * 1000 if above else 0,
        )
    if price_id.partition("/")[0] in _SEARCHES_ALWAYS:
        figures["per_request"] = plain(max(row["search_context_cost_per_query"].values()))
    limits = {key: int(row[key]) for key in ("max_input_tokens", "max_output_tokens") if row.get(key)}
    return {"figures": figures, **limits, "deprecated_on": row.get("deprecation_date")}


def _litellm_parts(row: Mapping[str, Any], suffix: str) -> dict[str, Decimal | None]:
    """Per million tokens; a part that litellm gives as 0 is one it does not know, save that of output."""
    found = {part: row.get(f"{key}{suffix}") for part, key in _LITELLM_PARTS.items()}
    if row.get("mode") == _SOUND:
        found["input"] = row.get("input_cost_per_audio_token")
    if row.get("mode") == "image_generation" and found["output"] is None:
        found["output"] = row.get("output_cost_per_image_token")
    return {
        part: None if rate is None or (rate == 0 and part != "output") else Decimal(rate) * 1_000_000
        for part, rate in found.items()
    }
