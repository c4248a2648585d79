"""The parts of a scan as one: each symbol beside all others, its leading signal, and the market around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.db.instruments_dao import MemberRow
from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.partition import PartitionResult, Skip
from core.screener.records import Confidence
from core.screener.signals import SIGNALS, Family

if TYPE_CHECKING:
    import polars as pl

BEST_RATING = 99
LEADING = ("direction", "confidence", "confidence_n", "entry", "stop", "target", "reward_risk")
"""What a row of the results says of its leading signal."""
_RANKS = {type_id: rank for rank, type_id in enumerate((*SIGNALS, *CHART_PATTERNS))}


@dataclass(frozen=True, slots=True)
class Breadth:
    """How many symbols go which way; the shares are None where none has the average."""

    advancing: int
    declining: int
    unchanged: int
    above_sma_50: float | None
    """Share of those that have a 50-day average whose close is above it."""
    above_sma_200: float | None
    new_highs: int
    """Of 52 weeks, or of at least 200 bars."""
    new_lows: int


@dataclass(frozen=True, slots=True)
class Sector:
    """The symbols of a sector; the name is empty for those that have none."""

    name: str
    count: int
    advancing: int
    mean_change: float | None
    median_change: float | None


@dataclass(frozen=True)
class ScanResult:
    """What a scan found."""

    results: pl.DataFrame
    """The rows of the parts with `name`, `sector`, `exchange`, `currency`, `rs_rating` (1 to 99), `signals` (types on
    the row's day), `pattern` (chart patterns, those that form too) and LEADING."""
    signals: pl.DataFrame
    """Those of the parts, with `confidence`, `confidence_n` and `base_rate` of their type."""
    skipped: tuple[Skip, ...]
    breadth: Breadth
    """Of the rows whose last bar is of the day of the scan, as sectors are: others moved on another day."""
    sectors: tuple[Sector, ...]
    """By name."""

    @property
    def market(self) -> dict[str, Any]:
        """Breadth and sectors, as they are kept."""
        return {"breadth": asdict(self.breadth), "sectors": [asdict(sector) for sector in self.sectors]}


def merged(
    parts: Sequence[PartitionResult], members: Sequence[MemberRow], confidences: Mapping[str, Confidence]
) -> ScanResult:
    """The parts as one, in alphabetical order, however the universe was cut.

    Members that no part tells of count as skipped. The RS rating is the rank of the weighted performance among all rows
    that have one, from 1, the weakest, to 99; equal ones share their mean rank; one alone has none.
    """
    import polars as pl

    results = pl.concat([part.results for part in parts]).sort("symbol")
    signals = pl.concat([part.signals for part in parts]).sort("symbol", maintain_order=True)
    skips = {skip.symbol: skip for part in parts for skip in part.skipped}
    told = skips.keys() | set(results["symbol"])
    skips |= {member.symbol: Skip(member.symbol, "not scanned") for member in members if member.symbol not in told}
    about = pl.DataFrame(
        [(each.symbol, each.name, each.sector, each.exchange, each.currency) for each in members],
        schema=dict.fromkeys(("symbol", "name", "sector", "exchange", "currency"), pl.String),
        orient="row",
    ).unique("symbol", keep="first", maintain_order=True)
    results = results.join(about, on="symbol", how="left").with_columns(rs_rating=_rs_rating())
    lists = signals.group_by("symbol", maintain_order=True).agg(
        pl.col("type").filter(pl.col("state") == "signal").alias("signals"),
        pl.col("type").filter(pl.col("family") == str(Family.CHART_PATTERN)).alias("pattern"),
    )
    none = pl.lit([], dtype=pl.List(pl.String))
    results = results.join(lists, on="symbol", how="left", maintain_order="left").with_columns(
        pl.col("signals", "pattern").fill_null(none)
    )
    current = results.filter(pl.col("behind") == 0)
    return ScanResult(
        with_confidences(results, signals, confidences),
        _with_own(signals, confidences),
        tuple(skips[symbol] for symbol in sorted(skips)),
        _breadth(current),
        _sectors(current),
    )


def with_confidences(
    results: pl.DataFrame, signals: pl.DataFrame, confidences: Mapping[str, Confidence]
) -> pl.DataFrame:
    """The results with what their leading signals say, LEADING, by these confidences.

    Args:
        results: rows of a scan, with or without these columns.
        signals: of the same scan: `symbol`, `type`, `direction`, `state` and the four levels.
        confidences: of each type of signal that has a record.

    A signal with a confidence leads one without, a higher one leads a lower, and of equals the first in the table; what
    only forms leads nothing.
    """
    import polars as pl

    leading = (
        _with_own(signals.filter(pl.col("state") == "signal"), confidences)
        .with_columns(rank=pl.col("type").replace_strict(_RANKS, default=len(_RANKS), return_dtype=pl.Int32))
        .sort("confidence", "rank", descending=[True, False], nulls_last=True)
        .unique("symbol", keep="first", maintain_order=True)
        .select("symbol", *LEADING)
    )
    kept = [name for name in results.columns if name not in LEADING]
    return results.select(kept).join(leading, on="symbol", how="left", maintain_order="left")


def _with_own(signals: pl.DataFrame, confidences: Mapping[str, Confidence]) -> pl.DataFrame:
    import polars as pl

    known = pl.DataFrame(
        [(type_id, each.value, each.n, each.base_rate) for type_id, each in confidences.items()],
        schema={"type": pl.String, "confidence": pl.Float64, "confidence_n": pl.Int32, "base_rate": pl.Float64},
        orient="row",
    )
    plain = signals.select(pl.exclude("confidence", "confidence_n", "base_rate"))
    return plain.join(known, on="type", how="left", maintain_order="left").with_columns(
        pl.col("confidence_n").fill_null(0)
    )


def _rs_rating() -> pl.Expr:
    import polars as pl

    raw = pl.col("rs_raw")
    place = (raw.rank("average") - 1) / (raw.count() - 1)
    rating = (1 + (BEST_RATING - 1) * place).round().fill_nan(None).cast(pl.Int32)
    return pl.when(raw.is_not_null() & (raw.count() > 1)).then(rating)


def _breadth(results: pl.DataFrame) -> Breadth:
    import polars as pl

    change, close = pl.col("change"), pl.col("close")
    (row,) = results.select(
        advancing=(change > 0).sum(),
        declining=(change < 0).sum(),
        unchanged=(change == 0).sum(),
        above_sma_50=(close > pl.col("sma_50")).mean(),
        above_sma_200=(close > pl.col("sma_200")).mean(),
        new_highs=pl.col("is_new_high").sum(),
        new_lows=pl.col("is_new_low").sum(),
    ).iter_rows(named=True)
    return Breadth(**row)


def _sectors(results: pl.DataFrame) -> tuple[Sector, ...]:
    import polars as pl

    found = (
        results.group_by(name=pl.col("sector").fill_null(""))
        .agg(
            count=pl.len(),
            advancing=(pl.col("change") > 0).sum(),
            mean_change=pl.col("change").mean(),
            median_change=pl.col("change").median(),
        )
        .sort("name")
    )
    return tuple(Sector(**row) for row in found.iter_rows(named=True))
