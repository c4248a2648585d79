"""Bars that an organisation brings: a CSV or Parquet file, read whole or not at all, with every row's fate told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING
from uuid import UUID

from core.errors import InvalidRequest
from core.market.bar_store import COLUMNS, PRICES, BarStore, Batch, DatasetKey, SeriesFacts, Written
from core.market.bar_tables import Table, read_table
from core.market.sources.contract import Adjustment
from core.market.sources.figures import HUNDREDTHS, THOUSANDTHS, Unit, unit
from core.market.symbols import checked_symbol

if TYPE_CHECKING:
    import polars as pl

MOST_EXAMPLES = 20
"""Rows of each fate that a report shows by number."""
MOST_SYMBOLS = 20_000
MOST_NAME_CHARS = 80
EARLIEST = date(1900, 1, 1)
MOST_PRICE = 1e9
EXCHANGE = r"^[A-Z0-9]{4}$"
UNITS = [*HUNDREDTHS, *THOUSANDTHS]
FORMS = {"currency": rf"^([A-Z]{{3}}|{'|'.join(UNITS)})$", "exchange": EXCHANGE}
"""What the columns of a symbol's facts hold."""


class Fate(StrEnum):
    """What became of a row."""

    LOADED = "loaded"
    SKIPPED = "skipped"
    """Left out without harm: a repetition of another row, or a day without a close."""
    REFUSED = "refused"
    """It cannot be right; no row of its file is loaded then."""


@dataclass(frozen=True, slots=True)
class RowFate:
    """Why rows of one kind were not loaded, and which."""

    fate: Fate
    reason: str
    count: int
    lines: tuple[int, ...]
    """The first of them: lines of a CSV, the heading being line 1; rows of a Parquet file, from 1."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Whose bars a file brings, for which universe, and what its columns do not say."""

    file_name: str
    universe: str
    org_id: UUID
    org_name: str
    currency: str | None = None
    """ISO 4217, or a part of one in which prices are quoted: GBX or GBp are pence, and kept as pounds."""
    exchange: str | None = None
    """MIC."""
    adjustment: Adjustment = Adjustment.RAW
    decimal: str | None = None
    """`.` or `,`, where the file does not show which."""
    date_order: str | None = None
    """`dmy` or `mdy`, where the file does not show which."""
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a file held and what became of it."""

    is_loaded: bool
    rows: int
    bars: int
    """Rows that were loaded, or would be."""
    fates: tuple[RowFate, ...]
    """Of rows that were not, refused ones first."""
    how: tuple[str, ...]
    """How the file was read, a sentence each: encoding, separator, columns, form of dates and numbers."""
    frame: pl.DataFrame = field(repr=False)
    """The bars that are loaded, or would be."""
    symbols: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    facts: Mapping[str, SeriesFacts] = field(default_factory=dict)
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name and sector of symbols, where the file has them."""
    written: Written | None = None

    @property
    def refused(self) -> int:
        """How many rows cannot be right."""
        return sum(row.count for row in self.fates if row.fate is Fate.REFUSED)

    def spans(self) -> list[tuple[str, date, date]]:
        """Each symbol with its first and last day, in order."""
        import polars as pl

        days = pl.col("date")
        grouped = self.frame.group_by("symbol").agg(days.min().alias("first"), days.max().alias("last"))
        return list(grouped.sort("symbol").iter_rows())


class BarImports:
    """Reads files of bars and gives them to the store."""

    def __init__(self, store: BarStore, *, today: date) -> None:
        self._store = store
        self._today = today

    def run(self, content: bytes, request: ImportRequest) -> ImportReport:
        """Reads a file and, when no row of it is refused and this is no dry run, loads all of it.

        A symbol that was there before keeps the days that the file does not have.

        Raises:
            InvalidRequest: it is no table of bars, too large, or can be read in two ways; the sentence says which.
            Conflict: the bars there are raw and these adjusted, or the reverse.
        """
        report = read_bars(content, request, today=self._today)
        return report if request.is_dry_run else self.load(report, request)

    def load(self, report: ImportReport, request: ImportRequest) -> ImportReport:
        """Loads what was read of a file, unless a row of it is refused; raises as `run`."""
        if report.refused or not report.bars:
            return report
        source = f"{request.org_name}: {PurePath(request.file_name).name}"
        key = DatasetKey("own", request.universe, source, org_id=request.org_id)
        is_adjusted = request.adjustment is Adjustment.SPLIT
        replaced = frozenset(report.facts) if is_adjusted else frozenset[str]()
        written = self._store.write(key, Batch(report.frame, report.facts, replaced=replaced))
        return replace(report, is_loaded=True, written=written)


def read_bars(content: bytes, request: ImportRequest, *, today: date) -> ImportReport:
    """What a file holds, and which of its rows could be loaded; raises as `BarImports.run`."""
    _check_request(request)
    table = read_table(content, decimal=request.decimal, date_order=request.date_order)
    return _judged(table, request, today)


def _check_request(request: ImportRequest) -> None:
    import re

    name = request.universe
    if not 1 <= len(name.strip()) <= MOST_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"The universe needs a name of 1 to {MOST_NAME_CHARS} characters.")
    if request.currency is not None and unit(request.currency) is None:
        raise InvalidRequest("A currency has three capital letters, as USD or INR; pence are GBX.")
    if request.exchange is not None and not re.match(EXCHANGE, request.exchange):
        raise InvalidRequest("An exchange is named by its MIC of four letters, as XNYS or XNSE.")


def _judged(table: Table, request: ImportRequest, today: date) -> ImportReport:
    import polars as pl

    frame = table.frame
    if "symbol" not in frame.columns:
        frame = frame.with_columns(symbol=pl.lit(_symbol_of(request.file_name)))
    frame = _with_our_symbols(frame)
    judged = frame.with_columns(reason=_reason(today)).with_columns(
        fate=pl.when(pl.col("reason").is_null())
        .then(pl.lit(Fate.LOADED))
        .when(pl.col("reason").is_in([EMPTY, NO_CLOSE]))
        .then(pl.lit(Fate.SKIPPED))
        .otherwise(pl.lit(Fate.REFUSED))
    )
    judged = _without_repetitions(judged)
    good = judged.filter(pl.col("fate") == Fate.LOADED)
    fates = (*table.refused_rows(Fate.REFUSED, RowFate), *_fates(judged))
    symbols = tuple(good["symbol"].unique().sort())
    last = good["date"].max()
    facts, units, clashes = _facts(good, request, last if isinstance(last, date) else None)
    good, words = _in_currencies(good, units)
    first = good["date"].min()
    return ImportReport(
        is_loaded=False,
        rows=table.frame.height + table.refused_count,
        bars=good.height,
        fates=(*clashes, *fates),
        how=(*table.how, *words),
        symbols=symbols,
        first_day=first if isinstance(first, date) else None,
        last_day=last if isinstance(last, date) else None,
        facts=facts,
        names=_names(good),
        frame=good.select(COLUMNS),
    )


def _with_our_symbols(frame: pl.DataFrame) -> pl.DataFrame:
    """The symbols as we spell them, so that BRK-B and BRK.B are one; `is_symbol` says which can be one."""
    import polars as pl

    told = frame["symbol"].unique().drop_nulls()
    if len(told) > 2 * MOST_SYMBOLS:
        raise InvalidRequest(f"The file has {len(told):,} symbols; {MOST_SYMBOLS:,} are the most.")
    ours = {}
    for text in told:
        with suppress(InvalidRequest):
            ours[text] = checked_symbol(text)
    if len(set(ours.values())) > MOST_SYMBOLS:
        raise InvalidRequest(f"The file has {len(set(ours.values())):,} symbols; {MOST_SYMBOLS:,} are the most.")
    known = pl.col("symbol").replace_strict(ours, default=None, return_dtype=pl.String)
    return frame.with_columns(
        symbol=pl.coalesce(known, pl.col("symbol").str.strip_chars()), is_symbol=known.is_not_null()
    )


EMPTY = "it is empty"
NO_CLOSE = "it has no close"


def _reason(today: date) -> pl.Expr:
    """Why a row cannot be loaded; null where it can."""
    import polars as pl

    prices = [pl.col(name) for name in PRICES]
    is_blank = pl.all_horizontal(pl.col("date_text", *PRICES, "volume").is_null()) & ~pl.col("is_unreadable")
    wrong = (
        (is_blank, EMPTY),
        (pl.col("symbol").is_null() | (pl.col("symbol") == ""), "it has no symbol"),
        (~pl.col("is_symbol"), "its symbol has characters that no symbol has, or more than 20"),
        (pl.col("date").is_null() & pl.col("date_text").is_null(), "it has no date"),
        (pl.col("date").is_null(), "its date cannot be read, or is of another form than the others"),
        (pl.col("date") > today, "its date is in the future"),
        (pl.col("date") < EARLIEST, "its date is before 1900"),
        (pl.col("is_unreadable"), "a price or volume is not a number"),
        (pl.any_horizontal(price <= 0 for price in prices), "a price is not above 0"),
        (pl.any_horizontal(price > MOST_PRICE for price in prices), "a price is above a thousand million"),
        (pl.col("volume") < 0, "its volume is below 0"),
        (pl.col("high") < pl.col("low"), "its high is below its low"),
        (pl.col("close").is_null(), NO_CLOSE),
    )
    return pl.coalesce(pl.when(condition).then(pl.lit(words)) for condition, words in wrong)


def _without_repetitions(judged: pl.DataFrame) -> pl.DataFrame:
    """Of rows that say the same of one day the first stays; where they say different things all are refused."""
    import polars as pl

    key = ["symbol", "date"]
    good = judged.filter(pl.col("fate") == Fate.LOADED)
    again = good.filter(pl.struct(key).is_duplicated())
    if again.is_empty():
        return judged
    values = [*PRICES, "volume"]
    told = again.with_columns(kinds=pl.struct(values).n_unique().over(key), place=pl.int_range(pl.len()).over(key))
    clash = told.filter(pl.col("kinds") > 1)["line"].implode()
    repeated = told.filter((pl.col("kinds") == 1) & (pl.col("place") > 0))["line"].implode()
    is_clash, is_repeated = pl.col("line").is_in(clash), pl.col("line").is_in(repeated)
    return judged.with_columns(
        fate=pl.when(is_clash)
        .then(pl.lit(Fate.REFUSED))
        .when(is_repeated)
        .then(pl.lit(Fate.SKIPPED))
        .otherwise("fate"),
        reason=pl.when(is_clash)
        .then(pl.lit("another row says something else of its symbol and day"))
        .when(is_repeated)
        .then(pl.lit("it repeats another row"))
        .otherwise("reason"),
    )


def _fates(judged: pl.DataFrame) -> list[RowFate]:
    import polars as pl

    rest = judged.filter(pl.col("reason").is_not_null())
    grouped = (
        rest.group_by("fate", "reason").agg(pl.len(), pl.col("line").head(MOST_EXAMPLES)).sort("fate", "len", "reason")
    )
    return [RowFate(Fate(fate), reason, count, tuple(lines)) for fate, reason, count, lines in grouped.iter_rows()]


def _facts(
    good: pl.DataFrame, request: ImportRequest, last: date | None
) -> tuple[dict[str, SeriesFacts], dict[str, Unit], tuple[RowFate, ...]]:
    """Currency and exchange of each symbol, and the unit of its prices; rows that contradict others of their symbol,
    or cannot be, are refused."""
    import polars as pl

    through = last if request.adjustment is Adjustment.SPLIT else None
    told: dict[str, dict[str, str | None]] = {}
    clashes = []
    for column in ("currency", "exchange"):
        if column not in good.columns:
            continue
        text = pl.col(column).str.strip_chars()
        # GBp is a hundredth of GBP: of such names the capitals matter, and of no others.
        value = pl.when(text.is_in(UNITS)).then(text).otherwise(text.str.to_uppercase())
        values = good.select("symbol", "line", value.alias("value"))
        values = values.filter(pl.col("value").fill_null("") != "")
        is_wrong = ~pl.col("value").str.contains(FORMS[column])
        wrong = values.filter(is_wrong | (pl.col("value").n_unique().over("symbol") > 1))
        if not wrong.is_empty():
            reason = f"its {column} is of a wrong form, or contradicts another row of its symbol"
            clashes.append(RowFate(Fate.REFUSED, reason, wrong.height, tuple(wrong["line"].head(MOST_EXAMPLES))))
        for symbol, value in values.group_by("symbol").agg(pl.col("value").first()).iter_rows():
            told.setdefault(symbol, {})[column] = value
    units = {
        symbol: unit(told.get(symbol, {}).get("currency", request.currency)) or Unit(None)
        for symbol in good["symbol"].unique()
    }
    facts = {
        symbol: SeriesFacts(
            currency=units[symbol].currency,
            exchange=told.get(symbol, {}).get("exchange", request.exchange),
            adjustment=request.adjustment,
            adjusted_through=through,
        )
        for symbol in units
    }
    return facts, units, tuple(clashes)


def _in_currencies(good: pl.DataFrame, units: Mapping[str, Unit]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The prices in currencies rather than in parts of them, as pence, and a sentence where there were such."""
    import polars as pl

    parts = {symbol: float(each.per_currency) for symbol, each in units.items() if each.per_currency != 1}
    if not parts:
        return good, ()
    share = pl.col("symbol").replace_strict(parts, default=1.0, return_dtype=pl.Float64)
    count = f"{len(parts)} {'symbol' if len(parts) == 1 else 'symbols'}"
    kept = ", ".join(sorted({units[symbol].currency or "" for symbol in parts}))
    words = f"Prices of {count} are told in parts of a currency, as pence, and kept in {kept}."
    return good.with_columns(pl.col(name) / share for name in PRICES), (words,)


def _names(good: pl.DataFrame) -> dict[str, tuple[str, str]]:
    import polars as pl

    columns = [name for name in ("name", "sector") if name in good.columns]
    if not columns:
        return {}
    found = good.group_by("symbol").agg(pl.col(name).drop_nulls().first() for name in columns)
    return {row["symbol"]: (row.get("name") or "", row.get("sector") or "") for row in found.iter_rows(named=True)}


def _symbol_of(file_name: str) -> str:
    """The symbol of a file without a column for it: its name."""
    try:
        return checked_symbol(PurePath(file_name).stem)
    except InvalidRequest:
        sentence = "The file has no column for the symbol, and its name is no symbol, as in AAPL.csv."
        raise InvalidRequest(sentence) from None
