"""Our prices and limits agree with two independent tables, or `price_disagreements.yaml` says why not.

The tables are the package genai-prices, for every period, and an extract of litellm's, for the day of our newest table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from price_sources import FIRST_DAY, Figures, complete, genai_model, genai_periods, plain
from pydantic import BaseModel, ConfigDict, Field
from tree import run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.ai.catalogue import Catalogue, Model
from core.ai.prices import Price, PriceBook, UnknownPrice

CHECKS = ".ci/checks"
KNOWN = f"{CHECKS}/price_disagreements.yaml"
GENAI, LITELLM = "genai-prices", "litellm"
ROUNDING = Decimal("0.05")
"""A window of 1,048,576 tokens is often written as 1,000,000."""
NONE = "none"


@dataclass(frozen=True, slots=True)
class _Difference:
    model: str
    source: str
    part: str
    ours: str
    theirs: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.model, self.source, self.part, self.theirs


class _Disagreement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    source: str
    theirs: dict[str, str] = Field(min_length=1)
    reason: str = Field(min_length=10)


class _Unlisted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    reason: str = Field(min_length=10)


class _Known(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    disagreements: tuple[_Disagreement, ...]
    unlisted: tuple[_Unlisted, ...]


def offences(root: Path) -> Iterator[str]:
    """One sentence for each difference without a reason, each reason without a difference, and each unknown model."""
    book = PriceBook.load(root / "data/prices")
    models = {model.price: model for model in Catalogue.load(root / "data/models.yaml", book).all()}
    extract: dict[str, Any] = json.loads((root / CHECKS / "litellm_prices.json").read_text("utf-8"))["models"]
    known = _Known.model_validate(yaml.safe_load((root / KNOWN).read_text("utf-8")))
    table_day = date.fromisoformat(max(path.stem for path in (root / "data/prices").glob("*.yaml")))

    if models.keys() != extract.keys():
        odd = ", ".join(sorted(models.keys() ^ extract.keys()))
        yield f"{CHECKS}/litellm_prices.json: remake it by litellm_extract.py, since the models changed: {odd}"
    differences = [
        difference
        for price_id, model in models.items()
        for difference in (
            *_from_genai(model, book),
            *_from_litellm(model, book.price_of(price_id, table_day), extract.get(price_id)),
        )
    ]
    unknown = {price_id for price_id in models if genai_model(price_id) is None and not extract.get(price_id)}
    yield from _unexplained(differences, known)
    yield from _unsourced(unknown, known)


def _unexplained(differences: list[_Difference], known: _Known) -> Iterator[str]:
    explained = {
        (entry.model, entry.source, part, theirs)
        for entry in known.disagreements
        for part, theirs in entry.theirs.items()
    }
    for difference in differences:
        if difference.key not in explained:
            told = f"{difference.part} is {difference.ours} with us and {difference.theirs} in {difference.source}"
            yield f"{difference.model}: {told}; correct it, or give the reason in {KNOWN}"
    for model, source, part, theirs in sorted(explained - {difference.key for difference in differences}):
        yield f"{KNOWN}: {model} no longer differs from {source} by {part} {theirs}; take the entry out"


def _unsourced(unknown: set[str], known: _Known) -> Iterator[str]:
    listed = {entry.model for entry in known.unlisted}
    for price_id in sorted(unknown - listed):
        yield f"{price_id}: neither {GENAI} nor {LITELLM} has it; say in {KNOWN} under `unlisted` where it is from"
    for price_id in sorted(listed - unknown):
        yield f"{KNOWN}: {price_id} is unlisted no more; take the entry out"


def _from_genai(model: Model, book: PriceBook) -> Iterator[_Difference]:
    row = genai_model(model.price)
    if row is None:
        return
    periods = genai_periods(row, is_of_sound=model.task == "transcription")
    for day in sorted({FIRST_DAY, *periods, *(price.valid_from for price in book.history(model.price))}):
        theirs = periods[max(start for start in periods if start <= day)]
        when = "" if day == FIRST_DAY else f" from {day}"
        yield from _differences(model.price, GENAI, _ours(book, model.price, day), theirs, when)
    if row.context_window is not None and not _is_about(model.context_window, row.context_window):
        yield _Difference(model.price, GENAI, "context_window", str(model.context_window), str(row.context_window))


def _from_litellm(model: Model, price: Price, facts: dict[str, Any] | None) -> Iterator[_Difference]:
    if facts is None:
        return
    yield from _differences(model.price, LITELLM, _figures(price), facts["figures"], "")
    most_input, most_output = facts.get("max_input_tokens"), facts.get("max_output_tokens")
    windows = (model.context_window, model.context_window - model.max_output)  # some of its rows leave the output out
    if most_input is not None and not any(_is_about(window, most_input) for window in windows):
        yield _Difference(model.price, LITELLM, "context_window", str(model.context_window), str(most_input))
    # An output limit that is the whole window stands for one that litellm does not know.
    if most_output is not None and most_output < (most_input or 0) and most_output != model.max_output:
        yield _Difference(model.price, LITELLM, "max_output", str(model.max_output), str(most_output))
    ends, theirs = str(model.deprecated_on), facts["deprecated_on"]
    if theirs is not None and theirs != ends:
        yield _Difference(model.price, LITELLM, "deprecated_on", ends, theirs)


def _differences(model: str, source: str, ours: Figures, theirs: Figures, when: str) -> Iterator[_Difference]:
    """A part that a table does not have is none, save the output of an embedding, which no table needs to name."""
    for part in sorted(ours.keys() | theirs.keys()):
        if part == "output" and part not in theirs and ours.get(part) == "0":
            continue
        if ours.get(part) != theirs.get(part):
            yield _Difference(model, source, part + when, ours.get(part, NONE), theirs.get(part, NONE))


def _ours(book: PriceBook, price_id: str, day: date) -> Figures:
    try:
        return _figures(book.price_of(price_id, day))
    except UnknownPrice:
        return {}


def _figures(price: Price) -> Figures:
    if price.per_audio_hour:  # of it nothing else is priced
        return {"per_request": plain(price.per_request), "per_audio_hour": plain(price.per_audio_hour)}
    long = asdict(price.long) if price.long else None
    figures = complete(asdict(price.base), long, price.long_context_above or 0)
    return {**figures, "per_request": plain(price.per_request)}


def _is_about(ours: int, theirs: int) -> bool:
    return abs(ours - theirs) <= ROUNDING * max(ours, theirs)


if __name__ == "__main__":
    sys.exit(run(offences))
