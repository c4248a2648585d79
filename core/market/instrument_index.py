"""All instruments in memory, as they were at one version: looked up as of a day, and searched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.db.instruments_dao import FormerName, InstrumentRow, SymbolChange
from core.market.symbols import EXCHANGES

MAX_CHAIN = 8
"""Changes of one symbol that are followed."""
FAR = 1000
MIN_WITHIN_CHARS = 3
"""A shorter text is not looked for within words."""
MAX_WORDS = 5
NEAR_NAME = 0.72
"""Likeness, of 1, from which a name that begins so is suggested."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A security, as of a day."""

    symbol: str
    """As we spell it; the key of its bars, quotes and news."""
    name: str
    """The symbol itself where no name is known."""
    exchange: str
    """Code of its calendar."""
    currency: str
    kind: str
    sector: str
    """Empty where it is not known."""
    market: str
    """What people call its exchange."""
    cik: int | None
    """Of the company at the SEC."""
    known_to: date | None
    """The last day of which this is known to hold; None: until today."""
    delisted_on: date | None
    is_generated: bool
    is_own: bool = False
    """Whether the organisation itself brought it."""

    @property
    def zone(self) -> str:
        """IANA zone of its exchange."""
        return EXCHANGES[self.exchange].zone


@dataclass(frozen=True, slots=True)
class Resolved:
    """The instrument that a symbol means as of a day."""

    instrument: Instrument
    note: str
    """How its symbol changed, where it did; otherwise empty."""


class InstrumentIndex:
    """Instruments by symbol, CIK and name."""

    def __init__(
        self, rows: Iterable[InstrumentRow], former: Iterable[FormerName], changes: Iterable[SymbolChange]
    ) -> None:
        self._rows: dict[str, dict[str, InstrumentRow]] = defaultdict(dict)
        self._by_cik: dict[int, list[str]] = defaultdict(list)
        names: dict[tuple[str, str], None] = {}
        for row in rows:
            self._rows[row.symbol][row.origin] = row
            names[row.symbol, row.name.upper()] = None
            if row.cik is not None and row.symbol not in self._by_cik[row.cik]:
                self._by_cik[row.cik].append(row.symbol)
        names.update({(each.symbol, each.name.upper()): None for each in former if each.symbol in self._rows})
        self._names = list(names)
        self._first_words: dict[int, list[str]] = {}
        self._symbols = list(self._rows)
        self._later: dict[str, list[SymbolChange]] = defaultdict(list)
        self._earlier: dict[str, list[SymbolChange]] = defaultdict(list)
        for change in changes:
            self._later[change.former].append(change)
            self._earlier[change.symbol].append(change)

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, symbol: str, day: date) -> Instrument | None:
        """What the symbol itself means as of a day."""
        rows = self._rows.get(symbol)
        if not rows:
            return None
        shipped, listed = rows.get("universe"), rows.get("listing")
        row = shipped or listed
        assert row is not None
        if shipped is not None and listed is not None and shipped.valid_to is not None and day > shipped.valid_to:
            # The one company is called as the list calls it today; otherwise the symbol has gone to another.
            is_same = shipped.cik is not None and shipped.cik == listed.cik
            row = replace(listed, sector=shipped.sector) if is_same else listed
        return _seen(row, day)

    def resolve(self, symbol: str, day: date) -> Resolved | None:
        """What the symbol means as of a day, under whichever symbol it is known, with a note where they differ."""
        in_use, notes = self._in_use(symbol, day)
        for each in dict.fromkeys((in_use, symbol)):
            if found := self.at(each, day):
                return Resolved(found, " ".join(notes) if each != symbol else "")
        for change in (*self._later[symbol], *self._earlier[symbol]):
            other = change.symbol if change.former == symbol else change.former
            if found := self.at(other, day):
                return Resolved(found, _note(change, day))
        return None

    def of_cik(self, cik: int, day: date) -> list[Instrument]:
        """The instruments of a company."""
        found = [self.at(symbol, day) for symbol in self._by_cik.get(cik, ())]
        return [each for each in found if each is not None and each.cik == cik]

    def ranked(self, sought: str, day: date, *, most: int) -> list[Instrument]:
        """The instruments whose symbol or name holds `sought` (in capitals): best first, the shorter first."""
        best: dict[str, tuple[int, int]] = {}
        compact = sought.replace(".", "").replace("-", "")
        for symbol in self._symbols:
            if symbol.startswith(sought):
                best[symbol] = (0 if symbol == sought else 1, 0)
            elif symbol[:1] == compact[:1] and symbol.replace(".", "").replace("-", "") == compact:
                best[symbol] = (1, 0)
        spaced = f" {sought}"
        is_within = len(sought) >= MIN_WITHIN_CHARS
        for symbol, name in self._names:
            if sought in name:
                rank = 2 if name.startswith(sought) else 3 if spaced in name else 4 if is_within else FAR
                best[symbol] = min(best.get(symbol, (FAR, 0)), (rank, len(name)))
        in_order = sorted(
            (symbol for symbol, (rank, _) in best.items() if rank < FAR),
            key=lambda symbol: (best[symbol], len(symbol), symbol),
        )
        return [found for symbol in in_order[: most + 1] if (found := self.at(symbol, day)) is not None][:most]

    def near(self, sought: str, day: date, *, most: int) -> list[Instrument]:
        """Instruments whose symbol or name is spelt nearly like `sought` (in capitals), the nearest first."""
        names = self._beginnings(_words(sought))
        places = _near(sought, self._symbols, names, most=most)
        symbols = [self._symbols[place] if is_symbol else self._names[place][0] for place, is_symbol in places]
        found = [self.at(symbol, day) for symbol in dict.fromkeys(symbols)]
        return [each for each in found if each is not None][:most]

    def _beginnings(self, words: int) -> list[str]:
        """The first words of every name."""
        if words not in self._first_words:
            self._first_words[words] = [_first(name, words) for _, name in self._names]
        return self._first_words[words]

    def _in_use(self, symbol: str, day: date) -> tuple[str, list[str]]:
        """The symbol that the holder of `symbol` had on a day, and how it changed on the way there."""
        notes: list[str] = []
        for _ in range(MAX_CHAIN):
            later = [each for each in self._later[symbol] if each.changed_on <= day and self._moved(each)]
            earlier = [each for each in self._earlier[symbol] if each.changed_on > day]
            change = next(iter(later or earlier), None)
            if change is None:
                break
            symbol = change.symbol if later else change.former
            notes.append(_note(change, day))
        return symbol, notes

    def _moved(self, change: SymbolChange) -> bool:
        """Whether the former symbol is not another company's since."""
        listed = self._rows.get(change.former, {}).get("listing")
        return listed is None or listed.valid_to is not None or listed.delisted_on is not None


def _seen(row: InstrumentRow, day: date) -> Instrument:
    return Instrument(
        symbol=row.symbol,
        name=row.name,
        exchange=row.exchange,
        currency=row.currency,
        kind=row.kind,
        sector=row.sector,
        market=row.market,
        cik=row.cik,
        known_to=row.valid_to,
        delisted_on=row.delisted_on if row.delisted_on is not None and row.delisted_on <= day else None,
        is_generated=row.is_generated,
    )


def _note(change: SymbolChange, day: date) -> str:
    on = f"{change.changed_on.day} {change.changed_on:%B %Y}"
    if change.changed_on <= day:
        return f"{change.former} has been {change.symbol} since {on}."
    return f"{change.symbol} was {change.former} until {on}."


def near_among(sought: str, instruments: Sequence[Instrument], *, most: int) -> list[Instrument]:
    """As `InstrumentIndex.near`, of these few alone."""
    words = _words(sought)
    symbols, names = [each.symbol for each in instruments], [_first(each.name.upper(), words) for each in instruments]
    found = {instruments[place].symbol: instruments[place] for place, _ in _near(sought, symbols, names, most=most)}
    return list(found.values())[:most]


def _near(sought: str, symbols: Sequence[str], names: Sequence[str], *, most: int) -> list[tuple[int, bool]]:
    """Places of the symbols (true) and names (false) that are spelt nearly like `sought`, the nearest first."""
    far = 1 if len(sought) <= MIN_WITHIN_CHARS else 2
    by_symbol = process.extract(sought, symbols, scorer=OSA.distance, score_cutoff=far, limit=most)
    near = [(float(distance), len(symbol), place, True) for symbol, distance, place in by_symbol]
    if len(sought) > MIN_WITHIN_CHARS:
        by_name = process.extract(sought, names, scorer=OSA.normalized_similarity, score_cutoff=NEAR_NAME, limit=most)
        near += [((1 - likeness) * len(sought), len(name), place, False) for name, likeness, place in by_name]
    return [(place, is_symbol) for _, _, place, is_symbol in sorted(near)]


def _words(sought: str) -> int:
    return min(sought.count(" ") + 1, MAX_WORDS)


def _first(name: str, words: int) -> str:
    return " ".join(name.split(maxsplit=words)[:words])
