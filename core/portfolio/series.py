"""A portfolio's values by day, as arrays: what performance and risk are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Flows:
    """Money and shares from outside, on the days on which they moved."""

    days: Days
    """In order; a day may stand there more than once."""
    amounts: Floats
    """Above 0: from outside; below: there. NaN where it is not known."""


@dataclass(frozen=True, slots=True)
class Series:
    """Of each day on which one of the portfolio's markets had a session; money is in the portfolio's currency.

    A float has 15 digits and is enough for a curve; money that is booked or shown as a balance is a Decimal elsewhere.
    """

    days: Days
    """datetime64[D], in order, from the first transaction on."""
    value: Floats
    """At the day's end, cash included; NaN where a price or rate that was needed is missing."""
    cash: Floats
    """Of it, money."""
    inflow: Floats
    """From outside since the day before; a flow between two days counts on the second."""
    outflow: Floats
    """To outside, likewise; 0 or above."""
    missing: Mapping[date, tuple[str, ...]]
    """Of days without a value, the symbols and rates that were not there."""
    symbols: tuple[str, ...]
    """Every symbol that was ever held, in order."""
    holdings: Floats
    """Shape (symbols, days): the value of each at the day's end; 0 where none was held, NaN where it is missing."""
    holding_flows: Floats
    """Shape (symbols, days): money that went into it (purchases, above 0) or came out (sales, payments, below)."""
    pending_inflow: float = 0.0
    """From outside after the last day, not in any value yet."""
    pending_outflow: float = 0.0
    flows: Flows | None = None
    """All up to the last day, by their own days; None: each is of the day on which it counts."""

    @property
    def contributions(self) -> Floats:
        """All that came from outside, less what went there, up to each day."""
        total: Floats = np.cumsum(self.inflow - self.outflow)
        return total

    @property
    def factors(self) -> Floats:
        """Of each day (value + outflow) ÷ (value of the day before + inflow); NaN where either value is missing or
        nothing was there. The first day's value before is 0."""
        before = np.concatenate(([0.0], self.value[:-1])) + self.inflow
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = np.where(before > 0, (self.value + self.outflow) / before, np.nan)
        return found
