"""The shipped history as a source: real bars of 2000 to 2013, and generated Indian ones that are labelled so.

It knows nothing of later days than the one it is opened for, so that its last close is a price of that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import yaml

from core.errors import NoData
from core.market.sources.contract import ActionKind, Adjustment, Allowance, BarHistory, CorporateAction, SourceQuote
from core.settings import DATA

if TYPE_CHECKING:
    import polars as pl

SHIPPED = DATA / "sample"
LAST_SESSION = date(2010, 8, 20)
"""Last session of the shipped universe: what the market is seen as of where no live source is configured."""
_CLOSES = {"XNYS": (time(16), "America/New_York"), "XNSE": (time(15, 30), "Asia/Kolkata")}
"""When a session ends; on a half day of New York, three hours earlier than said here."""


@dataclass(frozen=True, slots=True)
class ShippedDataset:
    """One file of bars, and what is known of it."""

    name: str
    path: Path
    source: str
    """Package and version it was taken from, or the program that generated it."""
    adjustment: Adjustment
    currency: str
    exchange: str
    is_generated: bool
    sha256: str
    actions: Mapping[str, tuple[CorporateAction, ...]]
    """By symbol, oldest first."""


@dataclass(frozen=True)
class SampleSource:
    """Prices and bars from the files that are shipped, up to a day."""

    day: date = LAST_SESSION
    """Nothing later is known."""
    folder: Path = SHIPPED

    name = "sample"
    allowance = Allowance()

    def quote(self, symbol: str) -> SourceQuote:
        """The last close that is known, as of the end of its session."""
        dataset, frame = self._read(symbol, date.min, self.day)
        last = frame.row(-1, named=True)
        is_split = any(
            a.kind is ActionKind.SPLIT and a.ex_date == last["date"] for a in dataset.actions.get(symbol, ())
        )
        price = Decimal(str(last["close"]))
        # The close before a split is in other shares than the one after it.
        previous = Decimal(str(frame["close"][-2])) if frame.height > 1 and not is_split else None
        closes_at, zone = _CLOSES[dataset.exchange]
        return SourceQuote(
            symbol=symbol,
            price=price,
            currency=dataset.currency,
            as_of=datetime.combine(last["date"], closes_at, ZoneInfo(zone)).astimezone(UTC),
            previous_close=previous,
            change_pct=None if previous is None else price / previous - 1,
            volume=Decimal(str(last["volume"])),
        )

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """The bars of one symbol as they were traded, both days included, with the actions known by then."""
        until = min(last, self.day)
        dataset, frame = self._read(symbol, first, until)
        actions = tuple(action for action in dataset.actions.get(symbol, ()) if first <= action.ex_date <= until)
        return BarHistory(symbol, dataset.currency, dataset.adjustment, frame, actions)

    def is_generated(self, symbol: str) -> bool:
        """Whether the bars of a symbol are nobody's: made by a program, and shown as such."""
        return self._holder(symbol).is_generated

    @cached_property
    def datasets(self) -> tuple[ShippedDataset, ...]:
        """What is shipped, the longest history of a symbol first."""
        return read_datasets(self.folder)

    def _read(self, symbol: str, first: date, last: date) -> tuple[ShippedDataset, pl.DataFrame]:
        import polars as pl

        dataset = self._holder(symbol)
        rows = pl.scan_parquet(dataset.path).filter(pl.col("symbol") == symbol, pl.col("date").is_between(first, last))
        frame = rows.drop("symbol").collect()
        if frame.is_empty():
            raise NoData(f"The shipped history has no bars of {symbol} in that time.", source=self.name)
        return dataset, frame

    def _holder(self, symbol: str) -> ShippedDataset:
        for dataset in self.datasets:
            if symbol in self._symbols[dataset.name]:
                return dataset
        raise NoData(f"The shipped history does not know {symbol}.", source=self.name)

    @cached_property
    def _symbols(self) -> Mapping[str, frozenset[str]]:
        import polars as pl

        return {
            dataset.name: frozenset(pl.scan_parquet(dataset.path).select("symbol").unique().collect()["symbol"])
            for dataset in self.datasets
        }


def read_datasets(folder: Path = SHIPPED) -> tuple[ShippedDataset, ...]:
    """What a folder of shipped bars holds, the earliest beginning first."""
    import polars as pl

    listed = cast("dict[str, dict[str, Any]]", yaml.safe_load((folder / "datasets.yaml").read_text("utf-8")))
    actions = pl.read_csv(folder / "actions.csv", infer_schema=False)
    return tuple(
        ShippedDataset(
            name=name,
            path=folder / f"{name}.parquet",
            source=f"{about['source']} {about['version']}",
            adjustment=Adjustment(about["adjustment"]),
            currency=about["currency"],
            exchange=about["exchange"],
            is_generated=about["is_generated"],
            sha256=about["sha256"],
            actions=_actions(actions.filter(pl.col("dataset") == name)),
        )
        for name, about in sorted(listed.items(), key=lambda item: str(item[1]["first_day"]))
    )


def _actions(rows: pl.DataFrame) -> dict[str, tuple[CorporateAction, ...]]:
    found: dict[str, list[CorporateAction]] = {}
    for row in rows.sort("ex_date").iter_rows(named=True):
        action = CorporateAction(date.fromisoformat(row["ex_date"]), ActionKind(row["kind"]), Decimal(row["value"]))
        found.setdefault(row["symbol"], []).append(action)
    return {symbol: tuple(actions) for symbol, actions in found.items()}
