"""What is wrong with daily bars, and how bad it is. Nothing is mended: a finding marks what a reader may not trust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from core.db.bars_dao import ActionRow, SeriesRow
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_store import PRICES, BarStore
from core.market.calendars import Calendars
from core.market.sources.contract import ActionKind, Adjustment, BarHistory, CorporateAction

if TYPE_CHECKING:
    import polars as pl

JUMP = 0.35
"""A close that moves by more than this share from the one before it needs an explanation."""
LIKE_A_SPLIT = 0.03
"""How near a jump is to a usual ratio, to look like a split that nobody told."""
USUAL_SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
ENDED_AFTER = 20
"""Sessions without a bar after which a history has ended, rather than being stale."""
DIFFERS = 0.2
"""Share by which closes of two histories differ where one is adjusted and the other is not."""
MOST_DAYS_TOLD = 5


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    """Figures made of it are wrong."""
    WARNING = "warning"
    """Figures made of it may be wrong."""
    NOTE = "note"
    """Worth knowing."""


class Check(StrEnum):
    """What is looked for."""

    DUPLICATE = "duplicate"
    NOT_POSITIVE = "not_positive"
    IMPOSSIBLE = "impossible"
    NOT_A_NUMBER = "not_a_number"
    NO_LAST_CLOSE = "no_last_close"
    JUMP = "jump"
    SPLIT = "split"
    GAP = "gap"
    NO_SESSION = "no_session"
    STALE = "stale"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, of one symbol or, where `symbol` is None, of all that were looked at."""

    check: Check
    severity: Severity
    symbol: str | None
    day: date | None
    """The first day it concerns."""
    words: str
    """A sentence for the reader."""
    count: int = 1
    """How many bars or sessions it concerns."""


class BarChecks:
    """Looks for what is wrong with the bars that serve a universe."""

    def __init__(self, store: BarStore, calendars: Calendars) -> None:
        self._store = store
        self._calendars = calendars

    def run(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> list[Finding]:
        """Every finding up to the day, worst first."""
        chosen = self._store.chosen(symbols, as_of, org_id)
        series = [found.series for found in chosen]
        frame = self._store.read(series, as_of)
        actions = self._store.actions(series, as_of)
        found = [*check_values(frame), *_jumps(frame, series, actions)]
        by_exchange: dict[str | None, list[str]] = {}
        for row in series:
            by_exchange.setdefault(row.exchange, []).append(row.symbol)
        for exchange, members in by_exchange.items():
            found += self._by_calendar(frame, members, exchange, as_of)
        missing = sorted(set(symbols) - {row.symbol for row in series})
        found += [Finding(Check.STALE, Severity.ERROR, symbol, None, "There are no bars.") for symbol in missing]
        worst = list(Severity)
        return sorted(
            found, key=lambda one: (worst.index(one.severity), one.check, one.symbol or "", one.day or date.min)
        )

    def _by_calendar(
        self, frame: pl.DataFrame, members: Sequence[str], exchange: str | None, as_of: AsOf
    ) -> list[Finding]:
        import polars as pl

        mine = frame.filter(pl.col("symbol").is_in(members)) if len(members) < frame["symbol"].n_unique() else frame
        if mine.is_empty():
            return []
        words = "whose exchange is not known: gaps and staleness cannot be told."
        if exchange is None:
            return [_of_all(Check.CALENDAR, Severity.NOTE, f"There are symbols {words}", len(members))]
        try:
            sessions = self._calendars.of(exchange)
        except NotFound:
            return [
                _of_all(Check.CALENDAR, Severity.WARNING, f"There are symbols of {exchange}, {words}", len(members))
            ]
        found = check_days(mine, sessions.days, as_of.day)
        if as_of.day > sessions.last_known:
            words = f"The sessions of {exchange} are known up to {sessions.last_known}: what came since is not checked."
            found.append(_of_all(Check.CALENDAR, Severity.WARNING, words, len(members)))
        return found


def check_values(frame: pl.DataFrame) -> list[Finding]:
    """Findings in the bars themselves: duplicates, values that cannot be, and values that are missing.

    The frame has the columns of the store, in any order; a missing value is null or NaN.
    """
    import polars as pl

    ordered = frame.sort("symbol", "date").with_columns(pl.col(*PRICES, "volume").fill_nan(None))
    last = pl.col("date") == pl.col("date").max().over("symbol")
    prices = [pl.col(name) for name in PRICES]
    missing = pl.any_horizontal(price.is_null() for price in prices)
    below, above = (
        pl.col("low") > pl.min_horizontal("open", "close"),
        pl.col("high") < pl.max_horizontal("open", "close"),
    )
    looked_for = (
        (
            Check.DUPLICATE,
            Severity.ERROR,
            pl.struct("symbol", "date").is_duplicated(),
            "There is more than one bar a day",
        ),
        (
            Check.NOT_POSITIVE,
            Severity.ERROR,
            pl.any_horizontal(price <= 0 for price in prices),
            "A price is not above 0",
        ),
        (Check.NOT_POSITIVE, Severity.ERROR, pl.col("volume") < 0, "The volume is below 0"),
        (Check.IMPOSSIBLE, Severity.ERROR, pl.col("high") < pl.col("low"), "The high is below the low"),
        (
            Check.IMPOSSIBLE,
            Severity.WARNING,
            (below | above) & (pl.col("high") >= pl.col("low")),
            "The open or close is outside the range of the day",
        ),
        (Check.NO_LAST_CLOSE, Severity.WARNING, pl.col("close").is_null() & last, "The last bar has no close"),
        (
            Check.NOT_A_NUMBER,
            Severity.ERROR,
            pl.col("close").is_null() & ~last,
            "A close is missing inside the history",
        ),
        (Check.NOT_A_NUMBER, Severity.WARNING, missing & pl.col("close").is_not_null(), "A price is missing"),
    )
    return [
        _finding(check, severity, symbol, days, words)
        for check, severity, condition, words in looked_for
        for symbol, days in _days_by_symbol(ordered.filter(condition))
    ]


def check_jumps(
    frame: pl.DataFrame, actions: Mapping[str, Sequence[CorporateAction]], adjustment: Mapping[str, Adjustment]
) -> list[Finding]:
    """Closes that jump, with the split or dividend that explains it or with the split that it looks like; and splits
    that are told while the raw bars do not show them."""
    import polars as pl

    closes = frame.filter(pl.col("close") > 0).sort("symbol", "date").select("symbol", "date", "close")
    before = closes.with_columns(
        previous=pl.col("close").shift(1).over("symbol"), since=pl.col("date").shift(1).over("symbol")
    ).drop_nulls()
    jumped = before.filter((pl.col("close") / pl.col("previous") - 1).abs() > JUMP)
    found = [
        _explained(
            symbol, day, close / previous, previous, [a for a in actions.get(symbol, ()) if since < a.ex_date <= day]
        )
        for symbol, day, close, previous, since in jumped.iter_rows()
    ]
    split = [symbol for symbol in actions if adjustment.get(symbol) is Adjustment.RAW]
    for symbol, day, close, previous, since in before.filter(pl.col("symbol").is_in(split)).iter_rows():
        for action in actions[symbol]:
            ratio = float(action.value)
            is_told = action.kind is ActionKind.SPLIT and since < action.ex_date <= day and abs(1 / ratio - 1) > JUMP
            if is_told and abs(close / previous - 1) < abs(close / previous * ratio - 1):
                words = (
                    f"A split {_ratio(ratio)} is told on {action.ex_date}, and the bars, kept as raw, do not show it."
                )
                found.append(Finding(Check.SPLIT, Severity.ERROR, symbol, action.ex_date, words))
    return found


def check_days(
    frame: pl.DataFrame, sessions: np.ndarray[tuple[int], np.dtype[np.datetime64]], day: date
) -> list[Finding]:
    """Sessions without a bar, bars without a session, and histories that end before the last session up to the day."""
    import polars as pl

    calendar = pl.DataFrame({"date": sessions}).with_columns(pl.col("date").cast(pl.Date)).filter(pl.col("date") <= day)
    bars = frame.select("symbol", "date").unique()
    first, last = bars["date"].min(), bars["date"].max()
    in_time = calendar.filter(pl.col("date").is_between(first, last))
    nowhere = in_time.join(bars, on="date", how="anti")["date"].to_list()
    found = []
    if nowhere and bars["symbol"].n_unique() > 1:
        words = f"Sessions are missing for all symbols: {_some(nowhere)}."
        found.append(Finding(Check.GAP, Severity.WARNING, None, nowhere[0], words, len(nowhere)))
        in_time = in_time.filter(~pl.col("date").is_in(nowhere))
    spans = bars.group_by("symbol").agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))
    expected = spans.join(in_time, how="cross").filter(pl.col("date").is_between(pl.col("first"), pl.col("last")))
    gaps = expected.join(bars, on=["symbol", "date"], how="anti").sort("symbol", "date")
    for symbol, days in _days_by_symbol(gaps):
        found.append(_finding(Check.GAP, Severity.WARNING, symbol, days, "Sessions without a bar"))
    for symbol, days in _days_by_symbol(bars.join(calendar, on="date", how="anti").sort("symbol", "date")):
        found.append(_finding(Check.NO_SESSION, Severity.WARNING, symbol, days, "Bars of days without a session"))
    days_known = calendar["date"].to_numpy()
    for symbol, last_bar in spans.select("symbol", "last").sort("symbol").iter_rows():
        behind = len(days_known) - int(np.searchsorted(days_known, np.datetime64(last_bar, "D"), side="right"))
        if behind:
            has_ended = behind > ENDED_AFTER
            words = f"The last bar is of {last_bar}, {behind} {'session' if behind == 1 else 'sessions'} ago."
            severity = Severity.NOTE if has_ended else Severity.WARNING
            found.append(Finding(Check.STALE, severity, symbol, last_bar, words, behind))
    return found


def compare(one: BarHistory, other: BarHistory, *, differs: float = DIFFERS) -> list[Finding]:
    """Whether two histories of a symbol tell the same, where they overlap; a split that only one applied is found.

    Closes that are apart by a share of more than `differs` are not the same. Raw bars are compared with raw ones alone,
    and adjusted ones with adjusted ones.
    """
    import polars as pl

    if one.adjustment is not other.adjustment:
        words = "One history is raw and the other adjusted: they are not compared."
        return [Finding(Check.SPLIT, Severity.NOTE, one.symbol, None, words)]
    left, right = (part.frame.select("date", "close").drop_nulls() for part in (one, other))
    both = left.join(right, on="date", suffix="_other").sort("date").filter(pl.col("close_other") > 0)
    ratio = both.with_columns(ratio=pl.col("close") / pl.col("close_other"))
    apart = ratio.filter((pl.col("ratio") - 1).abs() > differs)
    if apart.is_empty():
        return []
    share = float(np.median(apart["ratio"].to_numpy()))
    days = apart["date"].to_list()
    split = min(USUAL_SPLITS, key=lambda usual: abs(max(share, 1 / share) / usual - 1))
    looks = abs(max(share, 1 / share) / split - 1) < LIKE_A_SPLIT
    told = (
        f"one applied a split {_ratio(split)} after {days[-1]} and the other did not"
        if looks
        else "one of them is wrong"
    )
    words = f"The closes of two sources differ by a factor of {share:.4g} on {len(days)} days up to {days[-1]}: {told}."
    return [Finding(Check.SPLIT, Severity.ERROR, one.symbol, days[0], words, len(days))]


def _jumps(frame: pl.DataFrame, series: Iterable[SeriesRow], actions: Iterable[ActionRow]) -> list[Finding]:
    told: dict[str, list[CorporateAction]] = {}
    for row in actions:
        told.setdefault(row.symbol, []).append(CorporateAction(row.ex_date, ActionKind(row.kind), row.value))
    return check_jumps(frame, told, {row.symbol: Adjustment(row.adjustment) for row in series})


def _explained(symbol: str, day: date, move: float, previous: float, actions: Sequence[CorporateAction]) -> Finding:
    for action in actions:
        value = float(action.value)
        left = move * value if action.kind is ActionKind.SPLIT else move / max(1 - value / previous, 0.01)
        if abs(left - 1) <= JUMP:
            kind = f"split {_ratio(value)}" if action.kind is ActionKind.SPLIT else f"dividend of {action.value}"
            words = f"The close moved to {move:.1%} of the one before it: a {kind} explains it."
            return Finding(Check.JUMP, Severity.NOTE, symbol, day, words)
    size = max(move, 1 / move)
    usual = min(USUAL_SPLITS, key=lambda ratio: abs(size / ratio - 1))
    if abs(size / usual - 1) < LIKE_A_SPLIT:
        split = _ratio(usual if move < 1 else 1 / usual)
        words = f"The close moved to {move:.1%} of the one before it, as by a split {split} that is not known."
        return Finding(Check.JUMP, Severity.ERROR, symbol, day, words)
    words = f"The close moved to {move:.1%} of the one before it, and no known split or dividend explains it."
    return Finding(Check.JUMP, Severity.WARNING, symbol, day, words)


def _ratio(value: float) -> str:
    return f"{value:g}:1" if value >= 1 else f"1:{1 / value:g}"


def _days_by_symbol(frame: pl.DataFrame) -> list[tuple[str, list[date]]]:
    import polars as pl

    grouped = frame.group_by("symbol", maintain_order=True).agg(pl.col("date").unique(maintain_order=True))
    return list(grouped.iter_rows())


def _finding(check: Check, severity: Severity, symbol: str, days: Sequence[date], words: str) -> Finding:
    return Finding(check, severity, symbol, days[0], f"{words}: {_some(days)}.", len(days))


def _of_all(check: Check, severity: Severity, words: str, count: int) -> Finding:
    return Finding(check, severity, None, None, words, count)


def _some(days: Sequence[date]) -> str:
    told = ", ".join(day.isoformat() for day in days[:MOST_DAYS_TOLD])
    return told if len(days) <= MOST_DAYS_TOLD else f"{told} and {len(days) - MOST_DAYS_TOLD} more"
