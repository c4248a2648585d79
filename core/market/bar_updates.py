"""Fetches new daily bars from the sources: incrementally, once for each day, and never two histories mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from core.db.bars_dao import SeriesRow
from core.errors import NoData, NotConfigured, NotFound, SourceError
from core.market.bar_checks import DIFFERS, Severity, compare
from core.market.bar_store import COLUMNS, BarStore, Batch, DatasetKey, SeriesFacts
from core.market.calendars import Calendars
from core.market.gate import Source
from core.market.sources.contract import (
    ActionKind,
    ActionSource,
    Adjustment,
    BarHistory,
    BarSource,
    CorporateAction,
)

if TYPE_CHECKING:
    import polars as pl

FIRST_FETCH = timedelta(days=2 * 366)
"""How far back a symbol is fetched that was never fetched before."""
OVERLAP = timedelta(days=10)
"""Days that are fetched again, so that what a source changed since is seen."""
WORTH_ASKING = 0.15
"""Move of a close after which a source that tells splits on their own is asked for them again."""
DIFFERS_ADJUSTED = 0.02
"""Share by which a source's adjusted close may differ from the one it told before: no split is as small as that."""
SYMBOLS_A_WRITE = 200
"""Symbols whose bars are written together; those of earlier writes stay when a later one fails."""

_T = TypeVar("_T")


class Asking(Protocol):
    """As much of the gate as is needed here."""

    def call(self, source: Source, ask: Callable[[], _T]) -> _T:
        """What a source answers to one request."""
        ...


class GatedBarSource(BarSource, Source, Protocol):
    """A source of bars that the gate can count."""


class Outcome(StrEnum):
    """What became of one symbol."""

    UPDATED = "updated"
    REPLACED = "replaced"
    """Its whole history was fetched again: the source has adjusted it since, or told it otherwise."""
    UP_TO_DATE = "up_to_date"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SymbolUpdate:
    """What became of one symbol, and why."""

    symbol: str
    outcome: Outcome
    source: str | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A symbol to update."""

    symbol: str
    exchange: str
    """MIC."""
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """The days that are asked for."""

    first: date | None
    """None for what is new."""
    until: date
    asked_on: date
    """The date at the exchange when it is asked."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    history: BarHistory
    through: date
    """In whose day's shares its bars are, if they are adjusted."""
    is_whole: bool


class BarUpdates:
    """Asks the sources of bars in their order, the first that answers for each symbol, and writes what is new."""

    def __init__(
        self,
        store: BarStore,
        gate: Asking,
        sources: Sequence[GatedBarSource],
        calendars: Calendars,
        spell: Callable[[str, str], str],
    ) -> None:
        self._store = store
        self._gate = gate
        self._sources = sources
        self._calendars = calendars
        self._spell = spell

    def run(
        self, wanted: Sequence[Wanted], now: datetime, *, first: date | None = None, last: date | None = None
    ) -> list[SymbolUpdate]:
        """Updates symbols up to their last session that has closed; each fails alone.

        Raises:
            NotConfigured: no source of bars is.
            Conflict, ConfigurationError: the bars cannot be written.
        """
        if not self._sources:
            raise NotConfigured(
                "No source of bars is configured: set ALPHAVANTAGE_API_KEY, FMP_API_KEY or YAHOO_ENABLED."
            )
        done = []
        for begin in range(0, len(wanted), SYMBOLS_A_WRITE):
            done += self._run_some(wanted[begin : begin + SYMBOLS_A_WRITE], now, first, last)
        self._store.collect()
        return done

    def _run_some(
        self, wanted: Sequence[Wanted], now: datetime, first: date | None, last: date | None
    ) -> list[SymbolUpdate]:
        kept = {source.name: self._kept(source, [each.symbol for each in wanted]) for source in self._sources}
        fetched: dict[str, dict[str, tuple[Wanted, _Fetched]]] = {}
        done = []
        for each in wanted:
            try:
                closed = self._calendars.last_session(each.exchange, now)
            except NotFound as error:
                done.append(SymbolUpdate(each.symbol, Outcome.FAILED, words=error.detail))
                continue
            span = _Span(first, min(last or closed, closed), self._calendars.day_at(each.exchange, now))
            update, found = self._fetch(each, span, kept)
            done.append(update)
            if found is not None and update.source is not None:
                fetched.setdefault(update.source, {})[each.symbol] = (each, found)
        for name, histories in fetched.items():
            self._write(name, histories)
        return done

    def _fetch(
        self, each: Wanted, span: _Span, kept: Mapping[str, Mapping[str, SeriesRow]]
    ) -> tuple[SymbolUpdate, _Fetched | None]:
        failures = []
        for source in self._sources:
            series = kept[source.name].get(each.symbol)
            if span.first is None and series is not None and series.last_day >= span.until:
                return SymbolUpdate(each.symbol, Outcome.UP_TO_DATE, source.name), None
            try:
                found = self._ask(source, each, series, span)
            except (SourceError, NotConfigured) as error:
                failures.append(f"{source.name}: {error.detail}")
                continue
            outcome = Outcome.REPLACED if found.is_whole and series is not None else Outcome.UPDATED
            return SymbolUpdate(each.symbol, outcome, source.name), found
        return SymbolUpdate(each.symbol, Outcome.FAILED, words=" ".join(failures)), None

    def _ask(self, source: GatedBarSource, each: Wanted, series: SeriesRow | None, span: _Span) -> _Fetched:
        spelled, first, until = self._spell(each.symbol, source.name), span.first, span.until

        def fetched(since: date, until: date, *, is_whole: bool) -> _Fetched:
            answer = self._gate.call(source, lambda: source.bars(spelled, since, until))
            history = replace(answer, symbol=each.symbol, frame=_finished(answer, until, source.name))
            # A split after the last bar is in its prices already, and has to be known to be undone.
            through = span.asked_on if answer.is_as_of_asking else until
            if isinstance(source, ActionSource) and (is_whole or _moves(history.frame)):
                told = self._actions(source, source, spelled)
                inside = tuple(action for action in told if since <= action.ex_date <= through)
                history = replace(history, actions=inside)
            return _Fetched(history, through, is_whole)

        if series is None:
            return fetched(first or until - FIRST_FETCH, until, is_whole=True)
        since = min(first, series.last_day - OVERLAP) if first else series.last_day - OVERLAP
        found = fetched(max(since, series.first_day) if first is None else since, until, is_whole=False)
        if self._continues(series, found):
            return found
        begin = min(series.first_day, first or series.first_day)
        return fetched(begin, max(until, series.last_day), is_whole=True)

    def _actions(self, source: GatedBarSource, teller: ActionSource, spelled: str) -> list[CorporateAction]:
        """Splits, without which raw bars must not be kept, and dividends, without which they may."""
        try:
            found = [*self._gate.call(source, lambda: teller.actions(spelled, ActionKind.SPLIT))]
        except NoData:
            found = []
        with suppress(SourceError):
            found += self._gate.call(source, lambda: teller.actions(spelled, ActionKind.DIVIDEND))
        return found

    def _continues(self, series: SeriesRow, found: _Fetched) -> bool:
        """Whether an answer can be put to what is kept: adjusted alike, and telling the same of days that both tell."""
        answer = found.history
        if answer.adjustment != series.adjustment:
            return False
        through = series.adjusted_through
        if through is not None and (
            found.through < through
            or any(action.kind is ActionKind.SPLIT and action.ex_date > through for action in answer.actions)
        ):
            return False
        known = BarHistory(series.symbol, None, answer.adjustment, self._store.overlap(series, answer.frame["date"]))
        differs = DIFFERS if answer.adjustment is Adjustment.RAW else DIFFERS_ADJUSTED
        told = compare(known, answer, differs=differs)
        return not (known.frame.is_empty() or any(finding.severity is Severity.ERROR for finding in told))

    def _kept(self, source: GatedBarSource, symbols: Sequence[str]) -> Mapping[str, SeriesRow]:
        dataset = self._store.find(_key(source.name))
        return {} if dataset is None else self._store.series(dataset.id, symbols)

    def _write(self, name: str, histories: Mapping[str, tuple[Wanted, _Fetched]]) -> None:
        import polars as pl

        frames, facts = [], {}
        for symbol, (each, found) in histories.items():
            frames.append(found.history.frame.with_columns(symbol=pl.lit(symbol)).select(COLUMNS))
            is_raw = found.history.adjustment is Adjustment.RAW
            facts[symbol] = SeriesFacts(
                currency=found.history.currency or each.currency,
                exchange=each.exchange,
                adjustment=found.history.adjustment,
                adjusted_through=None if is_raw else found.through,
                actions=found.history.actions,
            )
        replaced = frozenset(symbol for symbol, (_, found) in histories.items() if found.is_whole)
        self._store.write(_key(name), Batch(pl.concat(frames), facts, replaced=replaced))


def _moves(frame: pl.DataFrame) -> bool:
    """Whether a close moves so much that a split may be the reason: then it is worth a request to ask."""
    import polars as pl

    moved = frame.select(((pl.col("close") / pl.col("close").shift(1) - 1).abs() > WORTH_ASKING).any()).item()
    return bool(moved)


def _key(source: str) -> DatasetKey:
    return DatasetKey("fetched", source, source)


def _finished(answer: BarHistory, until: date, source: str) -> pl.DataFrame:
    """The bars up to the last closed session, one a day, without a last bar that has no close yet."""
    import polars as pl

    frame = answer.frame.filter(pl.col("date") <= until).unique("date", keep="last").sort("date")
    while not frame.is_empty() and frame["close"][-1] is None:
        frame = frame.head(-1)
    if frame.is_empty():
        raise NoData(f"{source} has no bars of {answer.symbol} up to {until}.", source=source)
    return frame.with_columns(pl.col("open", "high", "low", "close", "volume").fill_nan(None))
