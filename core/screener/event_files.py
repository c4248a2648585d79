"""Files of the signals that are known: one of each year, detector and universe, in a folder beside the bars.

They save time and nothing else: a file that is lost, damaged or of other bars is computed again. Each is Parquet with
its own digest behind it, written whole under another name first. Their names do not end like those of bars, which are
removed where the catalogue does not know them.
"""

from __future__ import annotations

import io
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

import numpy as np

from core.ids import new_id
from core.screener.history import Blocks, Detector, Digests, Found, Part, signals_in
from core.screener.records import Events
from core.screener.series import Numbers, Series
from core.screener.version import FORMULA_VERSION

if TYPE_CHECKING:
    import polars as pl

COMPRESSION: Final = "lz4"
DIGEST_BYTES = sha256().digest_size
UNFINISHED_FOR_S = 3600.0
"""After so long nobody is writing a file any more."""
_ENDING = ".events"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HistoryEvents:
    """The signals of a history."""

    events: Mapping[str, Events]
    computed: int
    """Blocks that were not known."""
    digest: bytes
    """Of all that they were computed from."""


def in_this_process(parts: Iterable[Part], detector: Detector) -> Iterator[Found]:
    """Computes the signals of parts one after another."""
    return (signals_in(part, detector) for part in parts)


Compute: TypeAlias = Callable[[Iterable[Part], Detector], Iterable[Found]]
"""Gives the signals of each part, in their order; parts are made when they are asked for, and not all kept."""


@dataclass(frozen=True, slots=True)
class EventFiles:
    """The files of one universe and detector."""

    folder: Path

    @classmethod
    def of(cls, records: Path, universe_id: str, org_id: UUID | None, detector: str) -> EventFiles:
        """Those below the folder of records; formulas of another version have others."""
        if not _NAME.fullmatch(universe_id):
            raise ValueError("Not an id of a universe.")
        owner = "everyone" if org_id is None else str(org_id)
        return cls(records / owner / universe_id / detector / f"v{FORMULA_VERSION}")

    def events(
        self,
        series: Series,
        detector: Detector,
        compute: Compute = in_this_process,
        progress: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> HistoryEvents:
        """The signals of a series: those that are known, and all others computed, and kept.

        `progress` is told how many blocks of how many were computed.
        """
        blocks = Blocks.of(series, detector)
        digests = blocks.digests(detector)
        known, others = self.known(blocks, digests)
        groups, done, computed = blocks.groups(others), 0, []
        parts = (blocks.part(group) for group in groups)
        for group, found in zip(groups, compute(parts, detector), strict=True):
            done += len(group)
            computed.append(found)
            progress(done, len(others))
        fresh = Found.joined(computed)
        self.keep(blocks, digests, others, fresh)
        events = detector.events(Found.joined([known, fresh]), blocks.begins)
        return HistoryEvents(events, len(others), sha256(digests.tobytes()).digest())

    def known(self, blocks: Blocks, digests: Digests) -> tuple[Found, Numbers]:
        """The signals of those blocks that are known by their digest, and the numbers of all others."""
        import polars as pl

        asked = _about(blocks, digests)
        years = [self._read(year) for year in np.unique(blocks.years).tolist()]
        known = asked.join(pl.concat([_empty(), *years]), on=["symbol", "year", "digest"], maintain_order="left")
        events = known.select("block", "codes", "bars").explode("codes", "bars", empty_as_null=False)
        found = Found(*(events[name].to_numpy() for name in ("block", "codes", "bars")))
        return found, np.setdiff1d(np.arange(len(blocks)), known["block"].to_numpy())

    def keep(self, blocks: Blocks, digests: Digests, computed: Numbers, found: Found) -> None:
        """Writes what was computed of some blocks; years that are known up to a later day stay as they are.

        Where the folder cannot be written, the log says so and the next one computes again.
        """
        import polars as pl

        if not len(computed):
            return
        events = pl.DataFrame({"block": found.blocks, "codes": found.codes, "bars": found.bars})
        rows = _about(blocks, digests)[computed].join(events.group_by("block").agg("codes", "bars"), "block", "left")
        rows = rows.with_columns(pl.col("codes", "bars").fill_null([]))
        try:
            self._forget_useless()
            for (year,), part in rows.select(_empty().columns).group_by("year"):
                self._write(int(str(year)), part)
        except OSError as error:
            _log.warning("The signals of a universe cannot be kept: %s.", error.strerror)

    def _write(self, year: int, rows: pl.DataFrame) -> None:
        import polars as pl

        both = pl.concat([self._read(year), rows])
        latest = both.group_by("symbol", maintain_order=True).agg(
            pl.all().sort_by("last_day", maintain_order=True).last()
        )
        content = io.BytesIO()
        latest.select(rows.columns).sort("symbol").write_parquet(content, compression=COMPRESSION)
        written = content.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = self.folder / f"{year}-{new_id().hex}.part"
        try:
            unfinished.write_bytes(written + sha256(written).digest())
            unfinished.replace(self._path(year))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _read(self, year: int) -> pl.DataFrame:
        import polars as pl

        try:
            content = self._path(year).read_bytes()
        except OSError:
            return _empty()
        written, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if sha256(written).digest() != digest:
            _log.warning("The kept signals of %s are damaged; they are computed again.", year)
            return _empty()
        return pl.read_parquet(io.BytesIO(written))

    def _path(self, year: int) -> Path:
        return self.folder / f"{year}{_ENDING}"

    def _forget_useless(self) -> None:
        """Files of other versions of the formulas, and those that a process which was ended left unfinished."""
        for other in self.folder.parent.glob("v*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        for unfinished in self.folder.glob("*.part"):
            if time.time() - unfinished.stat().st_mtime > UNFINISHED_FOR_S:
                unfinished.unlink(missing_ok=True)


def _about(blocks: Blocks, digests: Digests) -> pl.DataFrame:
    """What a row says of each block besides its signals, and its number."""
    import polars as pl

    symbols = np.array(blocks.series.symbols, dtype=object)
    return pl.DataFrame(
        {
            "block": np.arange(len(blocks)),
            "symbol": pl.Series(symbols[blocks.numbers], dtype=pl.String),
            "year": blocks.years,
            "digest": digests,
            "last_day": blocks.series.dates[blocks.ends - 1],
        }
    )


def _empty() -> pl.DataFrame:
    import polars as pl

    numbers = pl.List(pl.UInt16)
    return pl.DataFrame(
        schema={
            "symbol": pl.String,
            "year": pl.Int64,
            "digest": pl.UInt64,
            "last_day": pl.Date,
            "codes": numbers,
            "bars": numbers,
        }
    )
