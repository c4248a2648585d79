"""Builds the snapshot of a signal from what was known on a day, stores it, and gives it again for a day.

What a shared scan of a shipped universe found is built from everybody's bars alone, and shared by all organisations;
all else is one organisation's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from core.db import verdicts_dao as dao
from core.db.engine import Database
from core.db.scans_dao import SignalRow
from core.db.verdicts_dao import SnapshotRow, SnapshotWanted
from core.errors import AssayError, InvalidRequest, NotConfigured, NotEnoughData, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.bars import MOST_BARS
from core.market.market import Market
from core.market.market_time import spoken
from core.market.panel import Panel, SeriesAbout
from core.principal import Principal
from core.screener.partition import LEAST_BARS
from core.screener.record_store import FiguresByHorizon
from core.screener.records import confidence
from core.screener.scans import Scan
from core.screener.screener import Screener
from core.screener.signals import Family
from core.verdicts.snapshot import (
    HORIZONS,
    MOST_HEADLINES,
    Headline,
    Indicators,
    Levels,
    News,
    Pattern,
    Pivot,
    Record,
    RecordFigures,
    Signal,
    Snapshot,
    meaning_of,
)

LIFE = timedelta(hours=24)
"""So long a snapshot is used again."""
UNUSED = timedelta(days=30)
"""So long one is kept of which no verdict was given."""
MOST_SESSIONS_OLD = 5
"""Sessions that may have closed since a signal's day."""
INDICATORS = (
    *("rsi_14", "adx_14", "atr_pct", "relative_volume", "from_sma_50", "from_sma_200", "week52_position", "rs_rating"),
    *("volatility_20", "return_5", "return_20", "return_60", "gap", "bb_position"),
)
"""Figures of the scan's row that a model is shown."""
NO_MODEL = "No model was asked."


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as it is stored."""

    id: UUID
    org_id: UUID | None
    """Whose it is; None: shared by all organisations."""
    signal_id: UUID | None
    """None: a caller brought it."""
    snapshot: Snapshot
    hash: bytes

    @property
    def is_public(self) -> bool:
        """Whether the server built it from what everybody has."""
        return self.org_id is None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A signal with its scan, as of a day."""

    signal: SignalRow
    scan: Scan
    as_of: AsOf
    sessions_ago: int

    @property
    def org_id(self) -> UUID | None:
        """Whose bars it is of."""
        return self.scan.about.org_id


class Snapshots:
    """Stored snapshots of signals."""

    def __init__(self, database: Database, market: Market, screener: Screener) -> None:
        self._database = database
        self._market = market
        self._screener = screener

    def of_signal(self, principal: Principal, signal_id: UUID) -> StoredSnapshot:
        """What a model is shown of a signal: the snapshot of the last 24 hours, or a new one, which is stored.

        Raises:
            NotFound: there is no such signal that this caller may see.
            InvalidRequest: too many sessions have closed since its day.
            NotEnoughData: there is not enough to judge by.
        """
        return self._of(principal, self._seen(principal, signal_id))

    def prepare(self, principal: Principal, signal_ids: Iterable[UUID]) -> None:
        """Builds and stores the snapshots of signals, whose bars are read together.

        Of what `of_signal` would raise for one of them nothing is said: it is met again there.
        """
        by_owner: dict[UUID | None, list[_Seen]] = defaultdict(list)
        for signal_id in signal_ids:
            with suppress(AssayError):
                seen = self._seen(principal, signal_id)
                by_owner[seen.org_id].append(seen)
        for owner, all_seen in by_owner.items():
            symbols = {seen.signal.symbol for seen in all_seen}
            panel = self._market.bars.panel(symbols, all_seen[0].as_of, MOST_BARS, owner)
            for seen in all_seen:
                with suppress(AssayError):
                    self._of(principal, seen, panel.only(seen.signal.symbol))

    def _of(self, principal: Principal, seen: _Seen, panel: Panel | None = None) -> StoredSnapshot:
        """What is stored of a signal that is as old as it may be; built of the bars of its symbol where nothing is."""
        signal_id, org_id, database = seen.signal.id, seen.org_id, self._database
        wanted = SnapshotWanted(signal_id, org_id, seen.as_of.day, seen.as_of.reason.value, LIFE)
        # What is everybody's is the service's; an organisation's own is read and written as row-level security lets it.
        with database.single() if org_id is None else database.app(principal) as connection:
            row = dao.snapshot_of_signal(connection, wanted)
        if row is None:
            panel = panel or self._market.bars.panel([seen.signal.symbol], seen.as_of, MOST_BARS, org_id)
            snapshot = self._built(principal, seen, panel)
            new = StoredSnapshot(new_id(), org_id, signal_id, snapshot, snapshot.hash)
            with database.service() if org_id is None else database.app(principal) as connection:
                row = dao.snapshot_of_signal_once(connection, wanted, _row(new))
            if row.id == new.id:
                return new
        return _of_row(row)

    def of_caller(self, principal: Principal, snapshot: Snapshot) -> StoredSnapshot:
        """The snapshot that a caller brings, stored once for their organisation."""
        new = StoredSnapshot(new_id(), principal.org_id, None, snapshot, snapshot.hash)
        with self._database.app(principal) as connection:
            return replace(new, id=dao.snapshot_of_caller_once(connection, principal.org_id, _row(new)).id)

    def get(self, principal: Principal, snapshot_id: UUID) -> StoredSnapshot:
        """A stored snapshot, however old.

        Raises:
            NotFound: there is none of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            row = dao.snapshot(connection, snapshot_id)
        if row is None:
            raise NotFound("There is no such snapshot.")
        return _of_row(row)

    def forget(self) -> None:
        """Forgets old snapshots of which no verdict was given."""
        with self._database.service() as connection:
            dao.forget_snapshots(connection, UNUSED)

    def _seen(self, principal: Principal, signal_id: UUID) -> _Seen:
        signal, scan = self._screener.scans.of_signal(principal, signal_id)
        if scan is None:
            raise NotEnoughData(
                f"The scan that found this signal was made again; choose the signal of the newer one. {NO_MODEL}"
            )
        as_of = self._market.time.of(principal)
        ago = self._sessions_since(scan.about.exchange, signal.day, as_of)
        if ago > MOST_SESSIONS_OLD:
            raise InvalidRequest(
                f"This signal is of {spoken(signal.day)}, {ago:,} sessions before {spoken(as_of.day)}; "
                f"signals of at most {MOST_SESSIONS_OLD} sessions before are validated."
            )
        return _Seen(signal, scan, as_of, ago)

    def _sessions_since(self, exchange: str | None, day: date, as_of: AsOf) -> int:
        """How many sessions closed after a day; weekdays where no calendar says."""
        if self._screener.planner.sessions(exchange, day) is None:
            return int(np.busday_count(day + timedelta(days=1), as_of.day + timedelta(days=1)))
        return self._screener.planner.sessions_behind(exchange, day, as_of)

    def _built(self, principal: Principal, seen: _Seen, panel: Panel) -> Snapshot:
        signal, scan, as_of = seen.signal, seen.scan, seen.as_of
        row = _row_of(scan, signal.symbol)
        levels = _levels(signal)
        about = panel.about.get(signal.symbol)
        if about is None:
            raise NotEnoughData(f"There are no bars of {signal.symbol} up to {spoken(as_of.day)}. {NO_MODEL}")
        if row is None or row["bars"] < LEAST_BARS:
            raise NotEnoughData(f"There are fewer than {LEAST_BARS} bars of {signal.symbol}. {NO_MODEL}")
        record, record_here = self._records(seen, panel)
        return Snapshot(
            symbol=signal.symbol,
            name=row.get("name"),
            currency=about.currency,
            exchange=row.get("exchange") or scan.about.exchange,
            universe_id=scan.about.universe_id,
            universe=self._title(principal, scan.about.universe_id),
            day=as_of.day,
            reason=as_of.reason.value,
            source=_source(about),
            is_generated=about.is_generated,
            signal=_signal(seen, record),
            levels=levels,
            indicators=Indicators(figures={name: row.get(name) for name in INDICATORS}, as_of=row["day"]),
            pattern=_pattern(signal),
            record=record and _record(*record),
            record_here=_record(as_of.day, record_here),
            news=self._news(signal.symbol, as_of),
        )

    def _records(
        self, seen: _Seen, panel: Panel
    ) -> tuple[tuple[date, FiguresByHorizon] | None, FiguresByHorizon | None]:
        """What signals of the type were worth on the universe, and on the symbol."""
        about, signal = seen.scan.about, seen.signal
        day = min(about.as_of, seen.as_of.day)
        record = self._screener.records.of_type(about.universe_id, day, signal.type, seen.org_id)
        try:
            here = self._screener.records.of_panel(signal.type, panel, seen.as_of, seen.org_id)
        except NotFound:  # of a type that is no longer looked for
            return record, None
        return record, here

    def _title(self, principal: Principal, universe_id: str) -> str | None:
        shipped = next((each.title for each in self._market.lists.universes if each.id == universe_id), None)
        if shipped is not None:
            return shipped
        try:
            return self._market.universes.get(principal, universe_id).title
        except NotFound:
            return None

    def _news(self, symbol: str, as_of: AsOf) -> News:
        try:
            page = self._market.news.kept(symbol, as_of, most=MOST_HEADLINES)
        except NotConfigured as error:
            return News(headlines=(), note=error.detail, as_of=None)
        except AssayError as error:
            return News(headlines=(), note=f"News could not be read: {error.title}.", as_of=None)
        headlines = tuple(
            Headline(title=told.item.title, source=told.item.source, published_at=told.item.published_at)
            for told in page.news
            if told.item.published_at <= as_of.moment
        )
        note = f"These sources failed: {', '.join(page.failed)}." if page.failed else None
        if note is None and not headlines:
            note = "No headlines are known."
        return News(headlines=headlines, note=note, as_of=page.as_of)


def _row_of(scan: Scan, symbol: str) -> dict[str, Any] | None:
    place = scan.results["symbol"].index_of(symbol)
    return None if place is None else scan.results.row(place, named=True)


def _source(about: SeriesAbout) -> str:
    return f"{about.source} ({about.dataset})"


def _signal(seen: _Seen, record: tuple[date, FiguresByHorizon] | None) -> Signal:
    """With the confidence that the scan gave it, or that it would give it now that records are there."""
    given = seen.signal
    own, n, base = given.confidence, given.confidence_n, given.base_rate
    if own is None and record is not None:
        now = confidence(record[1][max(HORIZONS)])
        own, n, base = now.value, now.n, now.base_rate
    label, meaning = meaning_of(given.type) or (given.type, None)
    return Signal(
        type=given.type,
        label=label,
        direction="bullish" if given.direction == "bullish" else "bearish",
        state=given.state,
        day=given.day,
        confirmed_at=given.confirmed_at,
        meaning=meaning,
        confidence=own,
        confidence_n=n,
        base_rate=base,
        sessions_ago=seen.sessions_ago,
        as_of=seen.scan.about.as_of,
    )


def _levels(signal: SignalRow) -> Levels:
    if signal.entry is None or signal.stop is None:
        missing = "entry" if signal.entry is None else "stop"
        raise NotEnoughData(f"This signal of {signal.symbol} has no {missing}: there is no risk to judge. {NO_MODEL}")
    if not (signal.close > 0 and signal.entry > 0):
        raise NotEnoughData(f"There is no price of {signal.symbol}. {NO_MODEL}")
    return Levels(
        close=signal.close,
        entry=signal.entry,
        stop=signal.stop,
        target=signal.target,
        reward_risk=signal.reward_risk,
        as_of=signal.day,
    )


def _pattern(signal: SignalRow) -> Pattern | None:
    if signal.family != Family.CHART_PATTERN or not signal.shape:
        return None
    label, _meaning = meaning_of(signal.type) or (signal.type, "")
    pivots = tuple(
        Pivot(day=each["day"], price=each["price"], kind=each["kind"], label=each["label"])
        for each in signal.shape["pivots"]
    )
    return Pattern(type=signal.type, label=label, pivots=pivots, as_of=signal.confirmed_at)


def _record(day: date, figures: FiguresByHorizon | None) -> Record | None:
    if figures is None:
        return None
    return Record(
        figures=tuple(
            RecordFigures(
                sessions=sessions,
                n=each.n,
                days=each.days,
                hit_rate=each.hit_rate,
                low=each.hit_rate_low,
                high=each.hit_rate_high,
                base_rate=each.base_rate,
                median_move=each.median_move,
                median_excess=each.median_excess,
                median_best=each.median_best,
                median_worst=each.median_worst,
            )
            for sessions in HORIZONS
            for each in [figures[sessions]]
        ),
        as_of=day,
    )


def _row(stored: StoredSnapshot) -> SnapshotRow:
    return SnapshotRow(stored.id, stored.org_id, stored.signal_id, stored.hash, stored.snapshot.to_json())


def _of_row(row: SnapshotRow) -> StoredSnapshot:
    return StoredSnapshot(row.id, row.org_id, row.signal_id, Snapshot.from_json(row.content), row.hash)
