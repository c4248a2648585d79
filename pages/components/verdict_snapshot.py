"""What a model was shown of a signal: its figures, the record, the texts from outside, and all of it as it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import streamlit as st

from core.market.market_time import spoken
from core.screener.fields import FIELDS, Field, Unit
from core.verdicts.snapshot import Indicators, Record, Snapshot
from pages.components.errors import show_errors
from pages.components.verdict_look import move, share
from pages.components.words import plain

NOT_KNOWN = "not known"
Line = tuple[str, str]


def show(key: str, read: Callable[[], Snapshot]) -> None:
    """Folded up; read from where it is stored once it is opened."""
    part = st.expander("What the model saw", icon=":material/visibility:", on_change="rerun", key=key)
    if part.open:
        with part, show_errors(has_action=False):
            _show(f"{key}_parts", read())


def _show(key: str, snapshot: Snapshot) -> None:
    day = "of the day that its sender had in mind" if snapshot.day is None else f"as of {spoken(snapshot.day)}"
    st.caption(plain(f"{snapshot.symbol}, {day}. Nothing later was sent, and nothing else."))
    _show_lines(f"{key}_signal", "Signal and levels", [*_signal(snapshot), *_levels(snapshot)])
    _show_lines(f"{key}_figures", f"Figures{_of(snapshot.indicators)}", [*_indicators(snapshot.indicators)])
    for place, record in (
        (snapshot.universe or "the universe", snapshot.record),
        (snapshot.symbol, snapshot.record_here),
    ):
        _show_lines(f"{key}_record_{place}", f"Record of this signal on {place}", [*_record(record)])
    if snapshot.pattern is not None:
        pivots = [(f"{each.label}, {spoken(each.day)}", _number(each.price)) for each in snapshot.pattern.pivots]
        _show_lines(f"{key}_pattern", snapshot.pattern.label, pivots)
    _show_news(snapshot)
    if st.toggle("As it was sent", key=f"{key}_raw"):
        st.code(json.dumps(snapshot.to_json(), indent=1, ensure_ascii=False), language="json", height=360)


def _show_lines(key: str, title: str, lines: list[Line]) -> None:
    import pyarrow as pa

    st.markdown(f"**{plain(title)}**")
    if not lines:
        st.caption("None: it was sent without.")
        return
    st.dataframe(
        pa.table({"Figure": [name for name, _ in lines], "Value": [value for _, value in lines]}),
        key=key,
        hide_index=True,
        height="content",
        alt=f"{title}: what the model was shown",
    )


def _signal(snapshot: Snapshot) -> Iterator[Line]:
    signal = snapshot.signal
    yield "Signal", f"{signal.label}, {signal.direction}"
    yield "Its day", NOT_KNOWN if signal.day is None else spoken(signal.day)
    if signal.confidence is not None:
        yield "Confidence by its own record", f"{share(signal.confidence)} of {signal.confidence_n:,}"
        yield "All entries", share(signal.base_rate)


def _levels(snapshot: Snapshot) -> Iterator[Line]:
    levels = snapshot.levels
    yield "Close", _number(levels.close)
    yield "Entry", _number(levels.entry)
    for name, value, distance in (
        ("Stop", levels.stop, levels.stop_distance),
        ("Target", levels.target, levels.target_distance),
    ):
        yield name, NOT_KNOWN if value is None else f"{_number(value)} ({move(distance)})"
    yield "Reward to risk", _number(levels.reward_risk)


def _indicators(indicators: Indicators) -> Iterator[Line]:
    for name, value in indicators.figures.items():
        field = FIELDS.get(name)
        yield (name if field is None else field.label), _figure(field, value)


def _figure(field: Field | None, value: float | None) -> str:
    return move(value) if field is not None and field.unit is Unit.FRACTION else _number(value)


def _record(record: Record | None) -> Iterator[Line]:
    for each in record.figures if record is not None else ():
        held = f"{each.sessions} sessions"
        yield f"Right over {held}", f"{share(each.hit_rate)} of {each.n:,} on {each.days:,} days"
        yield f"95 % interval, {held}", f"{share(each.low)} to {share(each.high)}"
        yield f"All entries, {held}", share(each.base_rate)
        yield f"Median move, {held}", move(each.median_move)


def _show_news(snapshot: Snapshot) -> None:
    st.markdown("**Headlines**")
    for headline in snapshot.news.headlines:
        st.text(f"{headline.title}\n{headline.source}, {headline.published_at:%d %b %Y}")
    if snapshot.news.note or not snapshot.news.headlines:
        st.caption(plain(snapshot.news.note or "None: it was sent without."))


def _of(indicators: Indicators) -> str:
    return "" if indicators.as_of is None else f" of {spoken(indicators.as_of)}"


def _number(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,.6g}"
