"""Closes of symbols over years as of a day, and where they came from: what has not changed is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.market.as_of import AsOf

if TYPE_CHECKING:
    from core.market.bar_store import Catalogue

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Closes:
    """The closes of one symbol, oldest first, in the shares of the as-of day; NaN where a bar has none."""

    days: Days
    """datetime64[D]."""
    close: Floats


@dataclass(frozen=True, slots=True)
class Origin:
    """What the closes of a symbol are made of. Two that are equal as of one day give equal closes."""

    symbol: str
    dataset_id: UUID
    exchange: str | None
    """MIC."""
    currency: str | None
    splits: tuple[tuple[date, float], ...]
    """Day and new shares for one old, of each that prices are told after: up to the as-of day, oldest first."""
    form: str
    """Digest of the history and of how it is adjusted: where it differs, every close may."""
    files: tuple[tuple[int, str], ...]
    """Year and name of each file up to the as-of day's; a file is never changed."""

    def changed_since(self, form: str, files: Mapping[int, str]) -> date | None:
        """The first day whose close may differ from when form and files were these; None where none does."""
        if form != self.form:
            return date.min
        own = dict(self.files)
        years = [year for year in own.keys() | files.keys() if own.get(year) != files.get(year)]
        return date(min(years), 1, 1) if years else None


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the closes of some symbols are, at one moment of the catalogue."""

    as_of: AsOf
    of: Mapping[str, Origin]
    """Symbols without a bar up to the day are not in it."""
    catalogue: Catalogue


def form_of(*parts: object) -> str:
    """A short digest of what a history is and how it is adjusted."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).hexdigest()
