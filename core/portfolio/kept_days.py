"""Values by day as they are kept between processes: one row a portfolio, with what they were computed from.

A row is a head start and no more: one that is damaged, of another version or of other facts is computed anew, and a
database that takes no row fails no one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import portfolio_days_dao as dao
from core.db.engine import Database
from core.errors import DatabaseUnavailable
from core.portfolio.book_arrays import DIGEST_BYTES, first_change
from core.portfolio.series import Days, Floats, Flows, Series
from core.principal import Principal

VERSION = 2
"""Of how rows are written and values are computed; a row of another is not read."""
COMPRESSION = 1
"""Numbers hardly compress; zeros do, quickly."""
MOST_BYTES = 256 << 20
"""A row that would unpack to more is not read."""
_LINES = ("value", "cash", "inflow", "outflow")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a series was computed from, as digests."""

    form: str
    """Of what changes every day where it differs."""
    as_of: date
    rates: str
    """Version of the exchange rates; empty where none was needed."""
    event_days: Days
    """On which something happens in the book."""
    events: NDArray[np.void]
    """A digest of each such day."""
    symbols: Mapping[str, tuple[str, str]]
    """By symbol, the form of its closes and the dataset they are of."""
    files: Mapping[str, Mapping[int, str]]
    """By dataset and year, the file with the bars."""

    @property
    def key(self) -> str:
        """One digest of it all."""
        digest = hashlib.sha256(json.dumps(_header(self), sort_keys=True).encode())
        digest.update(self.event_days.tobytes())
        digest.update(self.events.tobytes())
        return f"{VERSION} {digest.hexdigest()}"

    def changed_since(self, before: Basis) -> date | None:
        """The first day that may have another value than one computed from `before`; None where none has."""
        has_other_rates = bool(self.rates and before.rates) and self.rates != before.rates
        if self.form != before.form or has_other_rates or self.as_of < before.as_of:
            return date.min
        days = [first_change((before.event_days, before.events), (self.event_days, self.events))]
        if self.as_of > before.as_of:
            days.append(before.as_of + timedelta(days=1))
        for symbol in self.symbols.keys() & before.symbols.keys():
            if self.symbols[symbol] != before.symbols[symbol]:
                return date.min
        shared = self.files.keys() & before.files.keys()
        days += [_first_year(before.files[dataset], self.files[dataset]) for dataset in shared]
        return min((day for day in days if day is not None), default=None)


@dataclass(frozen=True, slots=True)
class Kept:
    """A series, and what it was computed from."""

    basis: Basis
    series: Series


class KeptDays:
    """Reads and writes the rows under the app role: of portfolios that the principal sees."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, principal: Principal, portfolio_id: UUID) -> Kept | None:
        """What is kept of a portfolio; None where nothing is, or nothing that can be read."""
        try:
            with self._database.app(principal) as connection:
                row = dao.find(connection, portfolio_id)
        except DatabaseUnavailable:
            return None
        return None if row is None else unpacked(row.key, row.content)

    def keep(self, principal: Principal, portfolio_id: UUID, kept: Kept) -> bool:
        """Keeps a series in place of what is there; False where the database does not take it."""
        content = packed(kept)
        try:
            with self._database.app(principal) as connection:
                return dao.keep(connection, portfolio_id, kept.basis.key, content)
        except DatabaseUnavailable:
            return False


def packed(kept: Kept) -> bytes:
    """A series and its basis as bytes, with a digest of them."""
    series, basis = kept.series, kept.basis
    names = sorted({name for found in series.missing.values() for name in found})
    places = {name: place for place, name in enumerate(names)}
    header = {
        **_header(basis),
        "held": series.symbols,
        "names": names,
        "missing": {day.isoformat(): [places[name] for name in found] for day, found in series.missing.items()},
        "pending": [series.pending_inflow.hex(), series.pending_outflow.hex()],
        "days": len(series.days),
        "events": len(basis.event_days),
        "flows": None if series.flows is None else len(series.flows.days),
    }
    flows = () if series.flows is None else (series.flows.days.astype(np.int64), series.flows.amounts)
    head = json.dumps(header).encode()
    parts = [
        struct.pack("<I", len(head)),
        head,
        *(days.astype(np.int64).tobytes() for days in (basis.event_days, series.days)),
        basis.events.tobytes(),
        *(getattr(series, name).tobytes() for name in _LINES),
        series.holdings.tobytes(),
        series.holding_flows.tobytes(),
        *(each.tobytes() for each in flows),
    ]
    body = zlib.compress(b"".join(parts), COMPRESSION)
    return hashlib.sha256(body).digest() + body


def unpacked(key: str, content: bytes) -> Kept | None:
    """The same from bytes; None where they are damaged, of another version, or not of that key."""
    if not key.startswith(f"{VERSION} ") or hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    try:
        unpacker = zlib.decompressobj()
        kept = _read(unpacker.decompress(content[32:], MOST_BYTES))
    except (zlib.error, struct.error, ValueError, KeyError, TypeError) as error:
        _log.warning("Kept values of a portfolio cannot be read and are computed anew: %s.", type(error).__name__)
        return None
    return kept if kept.basis.key == key else None


def _read(content: bytes) -> Kept:
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    reader = _Reader(memoryview(content), 4 + length)
    days, events, held = header["days"], header["events"], tuple(header["held"])
    event_days, own_days = reader.days(events), reader.days(days)
    basis = Basis(
        form=header["form"],
        as_of=date.fromisoformat(header["as_of"]),
        rates=header["rates"],
        event_days=event_days,
        events=np.frombuffer(reader.take(events * DIGEST_BYTES), f"V{DIGEST_BYTES}"),
        symbols={symbol: (form, dataset) for symbol, (form, dataset) in header["symbols"].items()},
        files={
            dataset: {int(year): path for year, path in found.items()} for dataset, found in header["files"].items()
        },
    )
    lines = {name: reader.floats(days) for name in _LINES}
    shape = (len(held), days)
    names = header["names"]
    series = Series(
        days=own_days,
        **lines,
        missing={
            date.fromisoformat(day): tuple(names[place] for place in places)
            for day, places in header["missing"].items()
        },
        symbols=held,
        holdings=reader.floats(len(held) * days).reshape(shape),
        holding_flows=reader.floats(len(held) * days).reshape(shape),
        pending_inflow=float.fromhex(header["pending"][0]),
        pending_outflow=float.fromhex(header["pending"][1]),
        flows=None if header["flows"] is None else Flows(reader.days(header["flows"]), reader.floats(header["flows"])),
    )
    return Kept(basis, series)


class _Reader:
    """Arrays one after another."""

    def __init__(self, content: memoryview, begin: int) -> None:
        self._content = content
        self._at = begin

    def take(self, number: int) -> memoryview:
        """The next bytes."""
        if number < 0 or self._at + number > len(self._content):
            raise ValueError("The content ends too early.")
        self._at += number
        return self._content[self._at - number : self._at]

    def days(self, number: int) -> Days:
        """The next days."""
        found: Days = np.frombuffer(self.take(8 * number), np.int64).view("datetime64[D]")
        return found

    def floats(self, number: int) -> Floats:
        """The next numbers."""
        return np.frombuffer(self.take(8 * number), np.float64)


def _header(basis: Basis) -> dict[str, Any]:
    return {
        "form": basis.form,
        "as_of": basis.as_of.isoformat(),
        "rates": basis.rates,
        "symbols": {symbol: list(found) for symbol, found in basis.symbols.items()},
        "files": {dataset: {str(year): path for year, path in found.items()} for dataset, found in basis.files.items()},
    }


def _first_year(before: Mapping[int, str], after: Mapping[int, str]) -> date | None:
    years = [year for year in before.keys() | after.keys() if before.get(year) != after.get(year)]
    return date(min(years), 1, 1) if years else None
