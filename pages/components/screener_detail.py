"""One symbol of a scan: its chart with the signal that is looked at, and what such signals were worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
import streamlit as st

from core import workbench
from core.db.scans_dao import SignalRow
from core.errors import NotEnoughData
from core.principal import Principal
from core.screener.chart_patterns.patterns import CHART_PATTERNS, ChartPattern
from core.screener.criteria import Screen, conditions_of
from core.screener.direction import Direction
from core.screener.scans import Scan
from core.screener.signals import SIGNALS
from core.screener.studies import Study
from pages.components import screener_chart, screener_record, verdict_ask, watchlist
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_errors
from pages.components.headings import section
from pages.components.screener_chart import Drawing, Levels, Line, Mark
from pages.components.screener_record import Place
from pages.components.states import show_loading
from pages.components.words import plain

_COLUMNS = ("open", "high", "low", "close", "volume")
_ARROWS = {Direction.BULLISH: "▲", Direction.BEARISH: "▼"}
_COLORS = {Direction.BULLISH: "green", Direction.BEARISH: "red"}


@dataclass(frozen=True, slots=True)
class Event:
    """A signal of the last bar, or a pattern that forms on it."""

    type: str
    label: str
    direction: Direction
    levels: Levels
    about: str
    """What the type means."""
    confidence: str = ""
    pattern: ChartPattern | None = None
    signal_id: UUID | None = None
    """None: a pattern that the scan has not kept as a signal."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks at what."""

    principal: Principal
    scan: Scan
    universe: str
    """Its title."""
    symbol: str
    asked_for: Collection[str]
    """Types of signals that the screen names: what is looked at first."""


def show(key: str, look: Look) -> None:
    """The chart, beneath it the record; what is chosen here does not run the rest of the page."""

    @st.fragment
    def part() -> None:
        with show_errors(look.principal):
            _show(key, look)

    part()


def named_in(screen: Screen) -> Collection[str]:
    """The types of signals that a screen asks for by name."""
    values = (condition.value for condition in conditions_of(screen.root) if condition.field in ("signals", "pattern"))
    return {each for value in values if isinstance(value, tuple) for each in value if isinstance(each, str)}


def _show(key: str, look: Look) -> None:
    study = workbench.current().screener.studies.of(look.principal, look.symbol, look.scan)
    _show_head(key, look, study)
    event = _show_choice(f"{key}_{look.symbol}", events_of(study, look.asked_for))
    if event is not None:
        _show_event(event)
        _show_verdict(key, look, event)
    screener_chart.show(f"{key}_{look.symbol}", drawing_of(study, event))
    st.caption(_source(study))
    if event is not None:
        _show_record(key, look, event)


def _show_head(key: str, look: Look, study: Study) -> None:
    import polars as pl

    names = look.scan.results.filter(pl.col("symbol") == study.symbol)["name"].drop_nulls().to_list()
    with section(names[0] if names else study.symbol):
        show_badge(Badge(study.symbol, "blue"))
        if study.about.is_generated:
            show_badge(Badge("generated", "orange", ":material/science:"))
        st.page_link(
            "symbol.py",
            label="Symbol page",
            icon=":material/candlestick_chart:",
            query_params={"symbol": study.symbol},
        )
        watchlist.show(f"{key}_watch", look.principal, study.symbol)


def _show_choice(key: str, events: Sequence[Event]) -> Event | None:
    if not events:
        st.caption("No signal on the last bar, and no chart pattern that forms.")
        return None
    if len(events) == 1:
        return events[0]
    numbers = list(range(len(events)))
    chosen = st.pills(
        "Signal",
        numbers,
        format_func=lambda number: f"{_ARROWS[events[number].direction]} {events[number].label}",
        default=0,
        required=True,
        key=f"{key}_signal",
        label_visibility="collapsed",
    )
    return events[chosen or 0]


def _show_event(event: Event) -> None:
    color = _COLORS[event.direction]
    st.markdown(
        f":{color}[**{_ARROWS[event.direction]} {plain(event.label)}**] {plain(event.about)}"
        + (f"  \n{plain(event.confidence)}" if event.confidence else "")
    )


def _show_verdict(key: str, look: Look, event: Event) -> None:
    if event.signal_id is None:
        st.caption("A model can be asked about it once a scan has found it as a signal.")
        return
    verdict_ask.show(f"{key}_verdict", look.principal, event.signal_id)


def _show_record(key: str, look: Look, event: Event) -> None:
    st.markdown("### What such signals were worth", help="Entered at the next session's open, as of the day above.")
    try:
        with show_loading("Reading what such signals were worth"):
            record = workbench.current().screener.studies.record(look.principal, look.symbol, event.type, look.scan)
    except NotEnoughData as missing:
        st.caption(plain(missing.detail))
        return
    if record.universe is None:
        st.caption("The record of the universe is still being computed; it is there in a while.")
    places = [Place(f"On {look.symbol}", record.here), Place(f"On {look.universe}", record.universe or {})]
    screener_record.show(f"{key}_record", event.label, places)


def events_of(study: Study, asked_for: Collection[str] = ()) -> list[Event]:
    """What a chart can be looked at for: what is asked for, then signals, the most trusted first, then what forms."""
    rows = [row for row in study.signals if row.type in SIGNALS or row.type in CHART_PATTERNS]
    rows.sort(key=lambda row: (row.state != "signal", -(row.confidence or 0.0)))
    patterns = {pattern.type: pattern for pattern in study.patterns}
    events = [_of_row(row, patterns.get(row.type)) for row in rows]
    told = {event.type for event in events}
    events += [_of_pattern(pattern) for name, pattern in patterns.items() if name not in told]
    return sorted(events, key=lambda event: event.type not in asked_for)


def _of_row(row: SignalRow, pattern: ChartPattern | None) -> Event:
    about = SIGNALS.get(row.type) or CHART_PATTERNS[row.type]
    return Event(
        row.type,
        about.label if row.state == "signal" else f"{about.label}, forming",
        Direction(row.direction),
        Levels(row.entry, row.stop, row.target),
        about.help,
        _confidence(row),
        pattern,
        row.id,
    )


def _of_pattern(pattern: ChartPattern) -> Event:
    return Event(
        pattern.type,
        f"{pattern.label}, forming" if pattern.is_forming else pattern.label,
        pattern.direction,
        Levels(pattern.entry, pattern.stop, pattern.target),
        CHART_PATTERNS[pattern.type].help,
        pattern=pattern,
    )


def _confidence(row: SignalRow) -> str:
    if row.confidence is None:
        return f"No confidence: {row.confidence_n:,} earlier signals in the universe are too few."
    base = "" if row.base_rate is None else f", where {row.base_rate * 100:.0f} % of all entries were right"
    return f"Confidence {row.confidence * 100:.0f} % by {row.confidence_n:,} earlier signals{base}."


def drawing_of(study: Study, event: Event | None) -> Drawing:
    """What the chart draws of a study and the signal that is looked at."""
    days = study.bars.dates.astype("datetime64[D]").tolist()
    pattern = event.pattern if event is not None else None
    return Drawing(
        symbol=study.symbol,
        currency=study.about.currency,
        days=days,
        **{name: _values(getattr(study.bars, name)) for name in _COLUMNS},
        indicators={name: _values(study.indicators[name]) for name in screener_chart.DRAWN if name in study.indicators},
        levels=event.levels if event is not None else Levels(),
        pattern=pattern.label if pattern is not None else "",
        marks=[
            Mark(pivot.day, pivot.price, is_high=pivot.kind == "high", label=pivot.label.capitalize())
            for pivot in (pattern.pivots if pattern is not None else ())
        ],
        lines=_lines(days, pattern) if pattern is not None else (),
    )


def _lines(days: Sequence[date], pattern: ChartPattern) -> list[Line]:
    """The pattern's lines, straight on to the last bar."""
    places: Mapping[date, int] = {day: place for place, day in enumerate(days)}
    lines = []
    for line in pattern.lines:
        first, last = places.get(line.first_day), places.get(line.last_day)
        if first is None or last is None or first >= last:
            continue
        slope = (line.last_price - line.first_price) / (last - first)
        end = line.first_price + slope * (len(days) - 1 - first)
        lines.append(Line(line.name, (line.first_day, line.first_price), (days[-1], end)))
    return lines


def _values(column: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]


def _source(study: Study) -> str:
    made = "generated data" if study.about.is_generated else f"from {study.about.source}"
    first, last = (study.bars.dates[at].astype("datetime64[D]").tolist() for at in (0, -1))
    mended = int(study.bars.is_mended.sum())
    words = f"{len(study.bars):,} daily bars, {made}, {first:%d %b %Y} to {last:%d %b %Y}, adjusted for splits."
    return plain(words + (f" {mended:,} of them were mended." if mended else ""))
