"""Daily bars as the workbench reads them: one symbol's history, or the last bars of a whole universe for a scan.

Bars are kept as they came, raw or adjusted for splits by their source, and a symbol is served by one history alone.
Adjusted bars are told in the shares of the as-of day: splits up to it are applied to raw bars, and later ones, which a
source applied since, are undone. Nothing later than the as-of day is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db.bars_dao import ActionRow, ChosenRow, SeriesRow
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_store import COLUMNS, PRICES, BarStore, Batch, Catalogue, DatasetKey, SeriesFacts, Written
from core.market.closes import Closes, Origin, Origins, form_of
from core.market.panel import Panel, SeriesAbout, about_of
from core.market.sources.contract import ActionKind, Adjustment, BarHistory, CorporateAction
from core.market.sources.sample import ShippedDataset, read_datasets

if TYPE_CHECKING:
    import polars as pl

MOST_BARS = 10_000
"""Longest window of a panel, in bars of each symbol."""
DAYS_A_BAR = 365.25 / 245
"""Calendar days in which a bar is looked for first; symbols with fewer bars are looked for again, further back."""
MORE_DAYS = 10

SYMBOLS_AT_ONCE = 2_500
"""Symbols whose bars are read together: more would take more memory, fewer more time."""


class Bars:
    """Reads bars as of a day, and loads what is shipped."""

    def __init__(self, store: BarStore) -> None:
        self._store = store

    def about(self, symbol: str, as_of: AsOf, org_id: UUID | None = None) -> SeriesAbout | None:
        """Where the bars of a symbol come from; None when there are none as of the day."""
        chosen = self._store.chosen([symbol], as_of, org_id)
        return about_of(chosen[0]) if chosen else None

    def history(
        self,
        symbol: str,
        as_of: AsOf,
        *,
        first: date | None = None,
        adjusted: bool = True,
        org_id: UUID | None = None,
    ) -> BarHistory:
        """The bars of a symbol up to the day, adjusted for splits, or as they are kept (`adjustment` says how).

        Raises:
            NotFound: there are none.
        """
        catalogue = self._store.catalogue([symbol], as_of, org_id)
        if not catalogue.chosen:
            raise NotFound(f"There are no bars of {symbol} up to {as_of.day}.")
        series, known = catalogue.chosen[0].series, catalogue.actions
        frame = self._store.read([series], as_of, first, catalogue).drop("symbol").sort("date")
        actions = tuple(_action(row) for row in known if row.ex_date <= as_of.day)
        adjustment = Adjustment(series.adjustment)
        if adjusted:
            frame, adjustment = _adjusted(frame, _factors(series, known, as_of.day)), Adjustment.SPLIT
        return BarHistory(symbol, series.currency, adjustment, frame, actions)

    def actions(self, symbol: str, as_of: AsOf, org_id: UUID | None = None) -> tuple[CorporateAction, ...]:
        """Splits and dividends of a symbol up to the day, oldest first."""
        chosen = self._store.chosen([symbol], as_of, org_id)
        return tuple(_action(row) for row in self._store.actions([found.series for found in chosen], as_of))

    def splits(
        self, symbols: Iterable[str], as_of: AsOf, org_id: UUID | None = None
    ) -> Mapping[str, tuple[tuple[date, Decimal], ...]]:
        """Of many symbols, the ex-dates of splits up to the day and new shares for one old; those without any are left
        out."""
        chosen = self._store.chosen(sorted(set(symbols)), as_of, org_id)
        found: dict[str, list[tuple[date, Decimal]]] = {}
        for row in self._store.actions([each.series for each in chosen], as_of, ActionKind.SPLIT):
            found.setdefault(row.symbol, []).append((row.ex_date, row.value))
        return {symbol: tuple(sorted(splits)) for symbol, splits in found.items()}

    def writes(self) -> int:
        """How often bars were written: what was computed at another count may have read other bars."""
        return self._store.writes()

    def panel(self, symbols: Iterable[str], as_of: AsOf, n: int = 250, org_id: UUID | None = None) -> Panel:
        """The last `n` bars of each symbol up to the day, adjusted for splits."""
        asked = sorted(set(symbols))
        n = min(n, MOST_BARS)
        catalogue = self._store.catalogue(asked, as_of, org_id, ActionKind.SPLIT)
        chosen = sorted(catalogue.chosen, key=lambda found: found.series.symbol)
        filling = _Filling.of(sum(min(found.series.rows, n) for found in chosen))
        for begin in range(0, len(chosen), SYMBOLS_AT_ONCE):
            self._fill(filling, catalogue, chosen[begin : begin + SYMBOLS_AT_ONCE], as_of, n)
        panel = filling.panel(asked, {found.series.symbol: found for found in chosen})
        _adjust(panel, catalogue.actions, as_of.day)
        return panel

    def origins(self, symbols: Iterable[str], as_of: AsOf, org_id: UUID | None = None) -> Origins:
        """Where the closes of symbols are as of the day; no bar is read."""
        catalogue = self._store.catalogue(sorted(set(symbols)), as_of, org_id, ActionKind.SPLIT)
        splits: dict[str, list[ActionRow]] = {}
        for row in catalogue.actions:
            splits.setdefault(row.symbol, []).append(row)
        files: dict[UUID, list[tuple[int, str]]] = {}
        for file in catalogue.files:
            if file.year <= as_of.day.year:
                files.setdefault(file.dataset_id, []).append((file.year, file.path))
        found = (_origin(each.series, splits, files, as_of.day) for each in catalogue.chosen)
        return Origins(as_of, {origin.symbol: origin for origin in found}, catalogue)

    def closes(self, origins: Origins, symbols: Iterable[str], *, first: date | None = None) -> dict[str, Closes]:
        """The closes of symbols from a day on, adjusted for splits; a symbol without a bar since then is left out."""
        import polars as pl

        wanted = set(symbols)
        chosen = {found.series.symbol: found for found in origins.catalogue.chosen if found.series.symbol in wanted}
        if not chosen:
            return {}
        series = [found.series for found in chosen.values()]
        frame = self._store.read(series, origins.as_of, first, origins.catalogue)
        runs = _runs(frame)
        index = _ranges(runs["begin"].to_numpy(), runs["len"].to_numpy())
        days, closes = frame["date"].to_numpy()[index], frame["close"].to_numpy()[index]
        found, begin = {}, 0
        for symbol, number in runs.group_by("value", maintain_order=True).agg(pl.col("len").sum()).iter_rows():
            found[symbol] = Closes(days[begin : begin + number], closes[begin : begin + number])
            begin += number
        for row in series:
            if row.symbol in found:
                actions = [each for each in origins.catalogue.actions if each.symbol == row.symbol]
                for before, ratio in _factors(row, actions, origins.as_of.day):
                    until = int(np.searchsorted(found[row.symbol].days, np.datetime64(before, "D")))
                    found[row.symbol].close[:until] /= ratio
        return found

    def _fill(self, filling: _Filling, catalogue: Catalogue, chosen: Sequence[ChosenRow], as_of: AsOf, n: int) -> None:
        """Reads the last bars of some symbols, those that are later in the alphabet than what is there."""
        first = as_of.day - timedelta(days=int(n * DAYS_A_BAR) + MORE_DAYS)
        frame = self._store.read([found.series for found in chosen], as_of, first, catalogue)
        if len(chosen) == 1 and (frame.height >= n or chosen[0].series.first_day >= first):
            filling.add_one(frame.tail(n), chosen[0].series.symbol)
            return
        runs = _runs(frame)
        short = _short_of_bars(runs, chosen, first, n)
        if short:
            frame = _with_all_bars(frame, self._store.read(short, as_of, within=catalogue), short)
            runs = _runs(frame)
        filling.add(frame, runs, n)

    def load_shipped(self, datasets: Sequence[ShippedDataset] | None = None) -> Mapping[str, Written]:
        """Loads the shipped files that are not there yet, or that have changed; gives what was written."""
        import polars as pl

        written = {}
        for dataset in read_datasets() if datasets is None else datasets:
            key = DatasetKey("shipped", dataset.name, dataset.source, is_generated=dataset.is_generated)
            found = self._store.find(key)
            if found is not None and found.fingerprint == dataset.sha256:
                continue
            frame = pl.read_parquet(dataset.path).select(COLUMNS)
            facts = {
                symbol: SeriesFacts(
                    currency=dataset.currency,
                    exchange=dataset.exchange,
                    adjustment=dataset.adjustment,
                    actions=dataset.actions.get(symbol, ()),
                )
                for symbol in frame["symbol"].unique()
            }
            batch = Batch(frame, facts, is_whole=True, fingerprint=dataset.sha256)
            written[dataset.name] = self._store.write(key, batch)
        return written


@dataclass
class _Filling:
    """A panel in the making: columns that are filled part by part, since to join parts would double the memory."""

    columns: dict[str, NDArray[np.generic]]
    symbols: list[str]
    counts: list[int]
    filled: int = 0

    @classmethod
    def of(cls, most: int) -> _Filling:
        """Columns for so many bars, or fewer."""
        types = {"date": "datetime64[D]", **dict.fromkeys((*PRICES, "volume"), "float64")}
        return cls({name: np.empty(most, dtype) for name, dtype in types.items()}, [], [])

    def add(self, frame: pl.DataFrame, runs: pl.DataFrame, n: int) -> None:
        """Appends the last `n` bars of each symbol."""
        import polars as pl

        counts = runs.group_by("value", maintain_order=True).agg(pl.col("len").sum())
        later = pl.col("len").cum_sum(reverse=True).over("value") - pl.col("len")
        last = runs.with_columns(kept=pl.min_horizontal("len", pl.max_horizontal(n - later, 0)))
        begins = last["begin"] + last["len"] - last["kept"]
        index = _ranges(begins.to_numpy(), last["kept"].to_numpy())
        part = slice(self.filled, self.filled + len(index))
        for name, column in self.columns.items():
            column[part] = frame[name].to_numpy()[index]
        self.filled += len(index)
        self.symbols += counts["value"].to_list()
        self.counts += np.minimum(counts["len"].to_numpy(), n).tolist()

    def add_one(self, frame: pl.DataFrame, symbol: str) -> None:
        """Appends the bars of one symbol."""
        part = slice(self.filled, self.filled + frame.height)
        for name, column in self.columns.items():
            column[part] = frame[name].to_numpy()
        self.filled += frame.height
        if frame.height:
            self.symbols.append(symbol)
            self.counts.append(frame.height)

    def panel(self, asked: Sequence[str], served_by: Mapping[str, ChosenRow]) -> Panel:
        """The panel, as long as what was filled."""
        missing = tuple(sorted(set(asked).difference(self.symbols)))
        starts = np.concatenate(([0], np.cumsum(self.counts))).astype(np.int64)
        columns: Any = {name: column[: self.filled] for name, column in self.columns.items()}
        return Panel(
            symbols=tuple(self.symbols),
            missing=missing,
            starts=starts,
            dates=columns.pop("date"),
            served_by=served_by,
            **columns,
        )


def _adjust(panel: Panel, actions: Sequence[ActionRow], day: date) -> None:
    """Adjusts a panel that nobody has seen yet, in place."""
    splits: dict[str, list[ActionRow]] = {}
    for row in actions:
        splits.setdefault(row.symbol, []).append(row)
    for symbol in splits.keys() & set(panel.symbols):
        bars = panel.of(symbol)
        for before, ratio in _factors(panel.served_by[symbol].series, splits[symbol], day):
            until = int(np.searchsorted(bars.dates, np.datetime64(before, "D")))
            for column in (bars.open, bars.high, bars.low, bars.close):
                column[:until] /= ratio
            bars.volume[:until] *= ratio


def _origin(
    series: SeriesRow, splits: Mapping[str, Sequence[ActionRow]], files: Mapping[UUID, list[tuple[int, str]]], day: date
) -> Origin:
    known = splits.get(series.symbol, ())
    seen = tuple((row.ex_date, float(row.value)) for row in known if row.ex_date <= day)
    parts = (series.dataset_id, series.exchange, series.currency, series.adjustment, _factors(series, known, day), seen)
    return Origin(
        symbol=series.symbol,
        dataset_id=series.dataset_id,
        exchange=series.exchange,
        currency=series.currency,
        splits=seen,
        form=form_of(*parts),
        files=tuple(files.get(series.dataset_id, ())),
    )


def _runs(frame: pl.DataFrame) -> pl.DataFrame:
    """Where rows of one symbol stand together: value, begin, len; of each symbol in order of days."""
    import polars as pl

    lengths = frame["symbol"].rle().struct.unnest().with_columns(pl.col("len").cast(pl.Int64))
    return lengths.with_columns(begin=pl.col("len").cum_sum() - pl.col("len")).sort("value", maintain_order=True)


def _short_of_bars(runs: pl.DataFrame, chosen: Sequence[ChosenRow], first: date, n: int) -> list[SeriesRow]:
    """Histories that have fewer recent bars than are wanted, and older ones too."""
    import polars as pl

    counts = runs.group_by("value").agg(pl.col("len").sum()).filter(pl.col("len") >= n)
    enough = set(counts["value"])
    return [found.series for found in chosen if found.series.first_day < first and found.series.symbol not in enough]


def _with_all_bars(recent: pl.DataFrame, complete: pl.DataFrame, short: Sequence[SeriesRow]) -> pl.DataFrame:
    """The recent bars, but of some symbols all that there are."""
    import polars as pl

    again = [series.symbol for series in short]
    return pl.concat([recent.filter(~pl.col("symbol").is_in(again)), complete])


def _ranges(begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers begin, begin + 1, … of each range, one range after another."""
    targets = np.cumsum(lengths) - lengths
    numbers: NDArray[np.int64] = np.repeat(begins - targets, lengths)
    numbers += np.arange(len(numbers), dtype=np.int64)
    return numbers


def _factors(series: SeriesRow, actions: Iterable[ActionRow], day: date) -> list[tuple[date, float]]:
    """Days before which prices are divided by a ratio, so that all are in the shares of a day.

    Raw bars are divided by the splits up to the day. Adjusted ones are in the shares of the day they came: the splits
    that were applied to them since are undone, which is to divide everything by their inverse.
    """
    splits = [row for row in actions if row.kind == ActionKind.SPLIT]
    if series.adjusted_through is None:
        return [(row.ex_date, float(row.value)) for row in splits if row.ex_date <= day]
    return [(date.max, 1 / float(row.value)) for row in splits if day < row.ex_date <= series.adjusted_through]


def _adjusted(frame: pl.DataFrame, factors: Sequence[tuple[date, float]]) -> pl.DataFrame:
    import polars as pl

    for before, ratio in factors:
        share = pl.when(pl.col("date") < before).then(ratio).otherwise(1.0)
        frame = frame.with_columns(*(pl.col(name) / share for name in PRICES), pl.col("volume") * share)
    return frame


def _action(row: ActionRow) -> CorporateAction:
    return CorporateAction(row.ex_date, ActionKind(row.kind), row.value)
