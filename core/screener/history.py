"""Signals over whole histories, computed year by year, so that a year that is known need not be computed again.

What an average or an oscillator says of a bar depends, by ever less, on where its history began. The signals of a
calendar year are therefore computed from the bars of that year and some before it, and from nothing else: whoever
computes them, whenever, and with however many years around them, finds the same ones to the bit. The digest of these
bars says whether what is known of a year still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from core.errors import NotFound
from core.screener.chart_patterns.patterns import CHART_PATTERNS, chart_patterns_of
from core.screener.direction import Direction
from core.screener.indicators import indicators_of
from core.screener.records import Events
from core.screener.series import Numbers, Series
from core.screener.signals import SIGNALS, Family, SignalType
from core.screener.version import FORMULA_VERSION

WARM_UP = 300
"""Bars before a year that its signals are computed with: 52 weeks, and some in which averages settle."""
CANDLES_WARM_UP = 32
"""The same of candlestick patterns, which look back a few bars."""
BARS_AT_ONCE = 60_000
"""Bars that are computed together: their columns stay in the processor's cache."""
BLOCKS_AT_ONCE = 1_000
"""Blocks whose bars are laid side by side together, to take their digests."""

Codes = NDArray[np.uint16]
Digests = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Found:
    """Signals of some blocks: for each the number of its block, the number of its type, and its bar."""

    blocks: Numbers
    codes: Codes
    """Places in the detector's types."""
    bars: Codes
    """Counted from the block's first bar."""

    @classmethod
    def joined(cls, parts: Iterable[Found]) -> Found:
        """All of them."""
        given = [*parts]
        nothing = np.empty(0, np.uint16)
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.blocks for part in given)]),
            np.concatenate([nothing, *(part.codes for part in given)]),
            np.concatenate([nothing, *(part.bars for part in given)]),
        )


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds the signals of some types."""

    name: str
    types: Mapping[str, Direction]
    find: Callable[[Series, Sequence[str]], Iterator[Numbers]]
    """Of a series and some types the places where each fired, in the order of the types."""
    warm_up: int = WARM_UP
    """Bars before a year that its signals are computed with."""

    def only(self, type_id: str) -> Detector:
        """The same for one type alone."""
        return replace(self, types={type_id: self.types[type_id]})

    def events(self, found: Found, begins: Numbers) -> dict[str, Events]:
        """The signals of each type in the order of the series; `begins` are the places of the blocks."""
        places = begins[found.blocks] + found.bars
        places = places[np.argsort(found.codes, kind="stable")]
        ends = np.concatenate(([0], np.cumsum(np.bincount(found.codes, minlength=len(self.types)))))
        return {
            type_id: Events(direction, np.sort(places[ends[code] : ends[code + 1]]))
            for code, (type_id, direction) in enumerate(self.types.items())
        }


@dataclass(frozen=True)
class Blocks:
    """The calendar years of the symbols of a series, in its order."""

    series: Series
    numbers: Numbers
    """Of their symbols."""
    years: Numbers
    windows: Numbers
    """Where the bars that they are computed from begin."""
    begins: Numbers
    ends: Numbers

    @classmethod
    def of(cls, series: Series, detector: Detector) -> Blocks:
        """The blocks of a series, for a detector to work on."""
        years = series.dates.astype("datetime64[Y]").astype(np.int64) + 1970
        numbers = np.repeat(np.arange(len(series.symbols)), series.lengths)
        is_first = np.ones(len(series), dtype=bool)
        is_first[1:] = (np.diff(years) != 0) | (np.diff(numbers) != 0)
        begins = np.flatnonzero(is_first)
        ends = np.append(begins[1:], len(series))[: len(begins)]
        windows = np.maximum(begins - detector.warm_up, series.starts[numbers[begins]])
        return cls(series, numbers[begins], years[begins], windows, begins, ends)

    def __len__(self) -> int:
        return len(self.begins)

    def digests(self, detector: Detector) -> Digests:
        """What the signals of each block are computed from, in 64 bits: bars, types and formulas."""
        series, found = self.series, []
        begun = sha256(f"{FORMULA_VERSION} {detector.warm_up} {[*detector.types]}".encode())
        columns = (series.dates, series.open, series.high, series.low, series.close, series.volume)
        for first in range(0, len(self), BLOCKS_AT_ONCE):
            windows, ends = (each[first : first + BLOCKS_AT_ONCE].tolist() for each in (self.windows, self.ends))
            rows = np.stack([column[windows[0] : ends[-1]].view(np.int64) for column in columns], axis=1).data
            for window, end in zip(windows, ends, strict=True):
                digest = begun.copy()
                digest.update(rows[window - windows[0] : end - windows[0]])
                found.append(digest.digest()[:8])
        return np.frombuffer(b"".join(found), np.uint64)

    def groups(self, chosen: Numbers) -> Sequence[Numbers]:
        """Some blocks in groups of about `BARS_AT_ONCE` bars."""
        if not len(chosen):
            return ()
        sizes = np.cumsum((self.ends - self.windows)[chosen])
        return np.split(chosen, np.flatnonzero(np.diff(sizes // BARS_AT_ONCE)) + 1)

    def part(self, chosen: Numbers) -> Part:
        """What it takes to compute some blocks."""
        series, lengths = self.series, (self.ends - self.windows)[chosen]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        places = np.repeat(self.windows[chosen] - starts[:-1], lengths) + np.arange(starts[-1])
        windows = Series(
            symbols=tuple(str(number) for number in range(len(chosen))),
            starts=starts,
            dates=series.dates[places],
            open=series.open[places],
            high=series.high[places],
            low=series.low[places],
            close=series.close[places],
            volume=series.volume[places],
            is_mended=series.is_mended[places],
        )
        return Part(chosen, windows, (self.begins - self.windows)[chosen])


@dataclass(frozen=True, slots=True)
class Part:
    """Some blocks with all that their signals depend on."""

    blocks: Numbers
    windows: Series
    """The bars of each block with those before it, as a symbol of its own."""
    leads: Numbers
    """How many of them come before the block."""


def signals_in(part: Part, detector: Detector) -> Found:
    """The signals of some blocks; a pure function, for any process to compute."""
    starts, found = part.windows.starts, []
    for code, places in enumerate(detector.find(part.windows, [*detector.types])):
        at = np.searchsorted(starts, places, side="right") - 1
        bars = places - starts[at] - part.leads[at]
        is_inside = bars >= 0
        codes = np.full(int(np.count_nonzero(is_inside)), code, np.uint16)
        found.append(Found(part.blocks[at[is_inside]], codes, bars[is_inside].astype(np.uint16)))
    return Found.joined(found)


def _by_rules(series: Series, wanted: Sequence[str]) -> Iterator[Numbers]:
    indicators = indicators_of(series)
    for type_id in wanted:
        yield np.flatnonzero(SIGNALS[type_id].rule(indicators))


def _by_patterns(series: Series, wanted: Sequence[str]) -> Iterator[Numbers]:
    """A pattern is a signal on the day of the close beyond its line."""
    firsts = dict(zip(series.symbols, series.firsts.tolist(), strict=True))
    fired: dict[str, set[int]] = {type_id: set() for type_id in wanted}
    for pattern in chart_patterns_of(series):
        if pattern.triggered_on is not None and pattern.type in fired:
            day = np.datetime64(pattern.triggered_on, "D")
            place = firsts[pattern.symbol] + int(np.searchsorted(series.of(pattern.symbol).dates, day))
            fired[pattern.type].add(place)
    for places in fired.values():
        yield np.array(sorted(places), np.int64)


def _types(signals: Mapping[str, SignalType], *, are_candlesticks: bool) -> Mapping[str, Direction]:
    return {one.id: one.direction for one in signals.values() if (one.family is Family.CANDLESTICK) is are_candlesticks}


RULES = Detector("signals", _types(SIGNALS, are_candlesticks=False), _by_rules)
"""The signals that are rules of prices, volumes and indicators."""
CANDLESTICKS = Detector("candlesticks", _types(SIGNALS, are_candlesticks=True), _by_rules, CANDLES_WARM_UP)
"""The signals that are candlestick patterns."""
PATTERNS = Detector("chart_patterns", {name: one.direction for name, one in CHART_PATTERNS.items()}, _by_patterns)
"""The signals that are chart patterns, which take far longer."""
DETECTORS = (RULES, CANDLESTICKS, PATTERNS)


def detector_of(type_id: str) -> Detector:
    """What finds a type of signal.

    Raises:
        NotFound: there is no such type.
    """
    for detector in DETECTORS:
        if type_id in detector.types:
            return detector
    raise NotFound("There is no such type of signal.")


def all_events(series: Series, detector: Detector) -> dict[str, Events]:
    """The signals of a whole history, from nothing."""
    blocks = Blocks.of(series, detector)
    groups = blocks.groups(np.arange(len(blocks)))
    return detector.events(Found.joined(signals_in(blocks.part(one), detector) for one in groups), blocks.begins)
