"""What the ledger asks the market: which splits there were, and whether closes jump where a user says that one was."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import numpy as np

from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bars import Bars

MarketSplits = tuple[tuple[date, Decimal], ...]
"""Ex-dates in order, and new shares for one old."""


class MarketFacts(Protocol):
    """The market as of a day, as far as it changes what a transaction means."""

    @property
    def version(self) -> str:
        """Changes with whatever the other answers come from."""

    def expect(self, symbols: Collection[str]) -> None:
        """Tells which symbols are asked next, so that they can be looked up together."""

    def splits(self, symbol: str) -> Sequence[tuple[date, Decimal]]:
        """Ex-dates up to the as-of day in order, and new shares for one old."""

    def jump(self, symbol: str, day: date) -> float | None:
        """The last close before a day ÷ the first close on or after it, adjusted as the workbench shows bars.

        None where there is no close on one of the two sides.
        """

    def later(self) -> MarketFacts:
        """The market as it is known now: asked only in which shares bars are told, where a split is to come."""


class NoFacts:
    """A market that nothing is known of."""

    version = ""

    def expect(self, symbols: Collection[str]) -> None:
        """Nothing is looked up."""

    def splits(self, symbol: str) -> Sequence[tuple[date, Decimal]]:
        """None."""
        return ()

    def jump(self, symbol: str, day: date) -> float | None:
        """Not known."""
        return None

    def later(self) -> MarketFacts:
        """Nothing is known later either."""
        return self


class BarFacts:
    """The market as the workbench's bars tell it, as of a day and for an organisation; threads may share one."""

    def __init__(self, bars: Bars, as_of: AsOf, org_id: UUID | None = None) -> None:
        self._bars = bars
        self._as_of = as_of
        self._org_id = org_id
        self._writes = bars.writes()
        self._splits: dict[str, MarketSplits] = {}
        self._closes: dict[str, tuple[list[date], list[float]]] = {}
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """Of all bars, the as-of day and whose own bars may be among them."""
        return f"{self._writes} {self._as_of.day} {self._org_id}"

    def expect(self, symbols: Collection[str]) -> None:
        """Looks up the splits of those that are not known yet, in one go."""
        with self._lock:
            unknown = sorted(set(symbols).difference(self._splits))
            if unknown:
                found = self._bars.splits(unknown, self._as_of, self._org_id)
                self._splits |= {symbol: found.get(symbol, ()) for symbol in unknown}

    def splits(self, symbol: str) -> Sequence[tuple[date, Decimal]]:
        """Ex-dates up to the as-of day in order, and new shares for one old."""
        if symbol not in self._splits:
            self.expect([symbol])
        return self._splits[symbol]

    def jump(self, symbol: str, day: date) -> float | None:
        """The last close before a day ÷ the first on or after it; None where there are none on one side."""
        days, closes = self._history(symbol)
        place = bisect_left(days, day)
        if place in (0, len(days)):
            return None
        return closes[place - 1] / closes[place]

    def later(self) -> MarketFacts:
        """The same bars as of now."""
        now = max(self._as_of.now.date(), self._as_of.day)
        return BarFacts(self._bars, replace(self._as_of, day=now), self._org_id)

    def _history(self, symbol: str) -> tuple[list[date], list[float]]:
        """Days and positive closes."""
        with self._lock:
            known = self._closes.get(symbol)
        if known is not None:
            return known
        try:
            frame = self._bars.history(symbol, self._as_of, org_id=self._org_id).frame
        except NotFound:
            found: tuple[list[date], list[float]] = ([], [])
        else:
            closes = frame["close"].to_numpy()
            is_usable = np.isfinite(closes) & (closes > 0)
            found = (frame["date"].filter(is_usable).to_list(), closes[is_usable].tolist())
        with self._lock:
            self._closes[symbol] = found
        return found
