"""Values a portfolio by day: what was computed is kept, and only the days that a change concerns are computed again."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

import numpy as np

from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.bars import Bars
from core.market.closes import Closes, Origin, Origins
from core.portfolio.benchmark import MOST_CARRIED_DAYS, carried
from core.portfolio.book import Book, Split
from core.portfolio.book_arrays import BookArrays, BookReader
from core.portfolio.day_values import NO_CLOSES, NO_DAYS, History, Rates, Task, joined, nothing, valued
from core.portfolio.kept_days import Basis, Kept, KeptDays
from core.portfolio.series import Days, Floats, Series
from core.principal import Principal

MOST_PORTFOLIOS = 16
"""Portfolios, each as of a day, whose days and closes one process keeps."""
MOST_BENCHMARKS = 32
WORTH_KEEPING = 20
"""Days that have to differ from those that are kept before they are written again."""
KEEPS_EVERY_S = 600.0
"""So often at most a portfolio's days are written again: a row is a head start, and need not be the newest."""
NO_CLOSE = Closes(NO_DAYS, NO_CLOSES)


@dataclass(frozen=True, slots=True)
class _Known:
    """Closes that were read."""

    origin: Origin
    as_of: date
    first: date
    """Closes since that day are there."""
    closes: Closes


@dataclass
class _Place:
    """What a process keeps of a portfolio as of a day."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    reader: BookReader = field(default_factory=BookReader)
    known: dict[str, _Known] = field(default_factory=dict)
    is_looked_up: bool = False
    """Whether the database was asked for what it keeps."""
    kept: Kept | None = None
    differs_since: date | None = None
    """From that day on what the database keeps is another; None: it is the same."""
    written_at: float = -math.inf
    """Seconds of the process's clock."""


class Valuer:
    """Values portfolios; threads may share one."""

    def __init__(self, database: Database, bars: Bars, fx: Rates, *, keeps_every_s: float = KEEPS_EVERY_S) -> None:
        self._bars = bars
        self._fx = fx
        self._days = KeptDays(database)
        self._keeps_every_s = keeps_every_s
        self._lock = threading.Lock()
        self._places: OrderedDict[tuple[object, ...], _Place] = OrderedDict()
        self._benchmarks: OrderedDict[tuple[object, ...], Closes] = OrderedDict()

    def series(
        self, principal: Principal, portfolio_id: UUID, book: Book, as_of: AsOf, benchmark: str | None = None
    ) -> Series:
        """The values of a portfolio by day, up to the as-of day; the same object where nothing changed.

        Args:
            principal: who sees the portfolio; their organisation's own bars are read first.
            portfolio_id: under it is kept what was computed.
            book: what its transactions come to, up to the same day.
            as_of: nothing later is read.
            benchmark: its symbol: days on which it has a bar, and a holding of the same dataset and exchange has none,
                are days on which a price is missing.

        Raises:
            SourceDown: a file of bars is missing or broken.
        """
        chosen_day = as_of.day if as_of.reason is Reason.CHOSEN else None
        place = self._place((principal.org_id, portfolio_id, benchmark, chosen_day))
        with place.lock:
            arrays = place.reader.arrays(book)
            asked = [*arrays.symbols, *([benchmark] if benchmark else [])]
            origins = self._bars.origins(asked, as_of, principal.org_id)
            basis = self._basis(arrays, origins, benchmark)
            if not place.is_looked_up:
                place.kept, place.is_looked_up = self._days.find(principal, portfolio_id), True
            since = date.min if place.kept is None else basis.changed_since(place.kept.basis)
            if since is not None:
                before = None if place.kept is None or since == date.min else place.kept.series
                series = self._extended(place, arrays, origins, benchmark, before, since)
                place.kept = Kept(basis, series)
                place.differs_since = min(since, place.differs_since or since)
                if chosen_day is None:
                    self._keep(principal, portfolio_id, place)
            assert place.kept is not None
            return place.kept.series

    def benchmark(self, principal: Principal, symbol: str, currency: str, as_of: AsOf, days: Days) -> Floats:
        """Closes of a benchmark in a currency on some days; on days without one the last, at most two weeks old.

        Args:
            principal: their organisation's own bars are read first.
            symbol: the benchmark's.
            currency: the portfolio's.
            as_of: nothing later is read.
            days: datetime64[D], in order.

        Returns:
            float64 of the same length; NaN where there is no close or no rate.
        """
        origins = self._bars.origins([symbol], as_of, principal.org_id)
        origin = origins.of.get(symbol)
        if origin is None:
            return np.full(len(days), np.nan)
        key = (symbol, origin.form, origin.files, as_of.day)
        with self._lock:
            found = self._benchmarks.get(key)
        if found is None:
            found = self._bars.closes(origins, [symbol]).get(symbol, NO_CLOSE)
            with self._lock:
                self._benchmarks[key] = found
                while len(self._benchmarks) > MOST_BENCHMARKS:
                    self._benchmarks.popitem(last=False)
        closes = carried(found.days, found.close, days)
        if origin.currency in (None, currency):
            return closes
        return closes * self._fx.series(origin.currency or currency, currency, days)

    def _place(self, key: tuple[object, ...]) -> _Place:
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > MOST_PORTFOLIOS:
                self._places.popitem(last=False)
            return place

    def _basis(self, arrays: BookArrays, origins: Origins, benchmark: str | None) -> Basis:
        currencies = _currencies(arrays, origins)
        needs_rates = bool({*currencies.values(), *arrays.cash} - {arrays.currency})
        symbols, files = {}, {}
        for symbol, origin in origins.of.items():
            dataset = origin.dataset_id.hex
            symbols[symbol] = (f"{origin.form} {currencies.get(symbol, '')}", dataset)
            files[dataset] = dict(origin.files)
        for symbol in (*arrays.symbols, *([benchmark] if benchmark else [])):
            symbols.setdefault(symbol, ("", ""))
        event_days, events = arrays.digests()
        return Basis(
            form=f"{arrays.form()} {benchmark or ''}",
            as_of=origins.as_of.day,
            rates=self._fx.version if needs_rates else "",
            event_days=event_days,
            events=events,
            symbols=symbols,
            files=files,
        )

    def _extended(
        self,
        place: _Place,
        arrays: BookArrays,
        origins: Origins,
        benchmark: str | None,
        before: Series | None,
        since: date,
    ) -> Series:
        """The series, whose days before `since` are as they were."""
        if arrays.first_day is None:
            return nothing()
        kept = 0 if before is None else int(np.searchsorted(before.days, np.datetime64(since, "D")))
        if before is None or kept == 0:
            since, after = arrays.first_day, None
            self._read(place, origins, date.min)
        else:
            after = before.days[kept - 1]
            self._read(place, origins, since - timedelta(days=2 * MOST_CARRIED_DAYS))
        task = Task(
            book=arrays,
            histories=_histories(arrays, place.known, _currencies(arrays, origins)),
            benchmark=_history(place.known.get(benchmark)) if benchmark else None,
            rates=self._fx,
            since=since,
            after=after,
        )
        part = valued(task)
        return part if before is None or after is None else joined(before, since, part)

    def _read(self, place: _Place, origins: Origins, needed: date) -> None:
        """Sees to it that closes since a day are known of every symbol: of each only those that are not there yet."""
        day = origins.as_of.day
        missing: dict[date, list[str]] = {}
        for symbol, origin in origins.of.items():
            known = place.known.get(symbol)
            begin = needed if known is None else _unknown_since(known, origin, day, needed)
            if begin is not None:
                missing.setdefault(begin, []).append(symbol)
        place.known = {symbol: known for symbol, known in place.known.items() if symbol in origins.of}
        for begin, symbols in missing.items():
            found = self._bars.closes(origins, symbols, first=None if begin == date.min else begin)
            for symbol in symbols:
                closes = found.get(symbol, NO_CLOSE)
                first, known = begin, place.known.get(symbol)
                if known is not None and known.first <= needed and begin > needed:
                    first, closes = known.first, _appended(known.closes, begin, closes)
                place.known[symbol] = _Known(origins.of[symbol], day, first, closes)

    def _keep(self, principal: Principal, portfolio_id: UUID, place: _Place) -> None:
        """Writes what differs, where that is worth it; whether or not the database takes it."""
        assert place.kept is not None
        since = place.differs_since
        days = place.kept.series.days
        now = time.monotonic()
        if since is None or not len(days) or now < place.written_at + self._keeps_every_s:
            return
        number = len(days) if since == date.min else len(days) - int(np.searchsorted(days, np.datetime64(since, "D")))
        if number > WORTH_KEEPING:
            self._days.keep(principal, portfolio_id, place.kept)
            place.differs_since, place.written_at = None, now


def _unknown_since(known: _Known, origin: Origin, day: date, needed: date) -> date | None:
    """From which day on closes have to be read; None: they are all there."""
    if known.first > needed or known.as_of > day:
        return needed
    changed = origin.changed_since(known.origin.form, dict(known.origin.files))
    further = known.as_of + timedelta(days=1) if known.as_of < day else None
    begin = min((each for each in (changed, further) if each is not None), default=None)
    return None if begin is None else max(begin, needed)


def _appended(before: Closes, since: date, after: Closes) -> Closes:
    end = int(np.searchsorted(before.days, np.datetime64(since, "D")))
    return Closes(np.concatenate((before.days[:end], after.days)), np.concatenate((before.close[:end], after.close)))


def _currencies(arrays: BookArrays, origins: Origins) -> dict[str, str]:
    """In which currency the closes of each symbol are: as they tell it, or that of its last purchase."""
    found = {}
    for symbol, own in zip(arrays.symbols, arrays.price_currencies, strict=True):
        origin = origins.of.get(symbol)
        found[symbol] = own if origin is None or origin.currency is None else origin.currency
    return found


def _histories(arrays: BookArrays, known: Mapping[str, _Known], currencies: Mapping[str, str]) -> list[History]:
    return [
        _history(known.get(symbol), currencies[symbol], own, raw)
        for symbol, own, raw in zip(arrays.symbols, arrays.own_splits, arrays.raw_splits, strict=True)
    ]


def _history(known: _Known | None, currency: str = "", own: Sequence[Split] = (), raw: Sequence[Split] = ()) -> History:
    if known is None:
        return History()
    splits = sorted([*known.origin.splits, *((split.day, float(split.ratio)) for split in own)])
    raw_splits = tuple(sorted((split.day, float(split.ratio)) for split in raw))
    market = (known.origin.dataset_id, known.origin.exchange)
    return History(known.closes.days, known.closes.close, market, currency, tuple(splits), raw_splits)
