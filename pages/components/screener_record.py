"""The record of a type of signal: how often it was right beside all entries, and how far prices went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.screener.records import CAVEATS, CONFIDENCE_HORIZON, MINIMUM_N, Figures, confidence
from pages.components.words import plain

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose signals are counted: this symbol's, or all of the universe."""

    title: str
    figures: Mapping[int, Figures]
    """By sessions held."""


def show(key: str, label: str, places: Sequence[Place]) -> None:
    """The figures of each place by horizon, and what a reader must know of them."""
    known = [place for place in places if any(figures.n for figures in place.figures.values())]
    if not known:
        st.caption(f"No earlier {plain(label.lower())} with a known outcome, here or in the universe.")
        return
    for place in places:
        st.markdown(f"**{plain(place.title)}** {_verdict(place.figures)}")
        if any(figures.n for figures in place.figures.values()):
            _show_table(f"{key}_{place.title}", place, label)
    with st.expander("What these figures leave out", icon=":material/gavel:"):
        for caveat in CAVEATS:
            name, _, rest = caveat.partition(":")
            st.markdown(f"**{plain(name)}.**{plain(rest)}")


def _verdict(figures: Mapping[int, Figures]) -> str:
    """One line on the horizon that confidence is taken from."""
    at = figures.get(CONFIDENCE_HORIZON)
    if at is None or at.n == 0:
        return ":gray[no signal with a known outcome yet]"
    told = confidence(at)
    if told.value is None:
        return f":orange[{at.n:,} with a known outcome; below {MINIMUM_N} nothing is said of the next one]"
    words = plain(
        f"right {_share(at.hit_rate)} of {at.n:,} times over {CONFIDENCE_HORIZON} sessions, "
        f"where {_share(at.base_rate)} of all entries were"
    )
    if at.base_rate is None or at.hit_rate_low is None or at.hit_rate_high is None:
        return words
    if at.hit_rate_low > at.base_rate:
        return f":green[{words}: more than chance]"
    return f":red[{words}: less than chance]" if at.hit_rate_high < at.base_rate else f"{words}: within chance"


def _show_table(key: str, place: Place, label: str) -> None:
    import pyarrow as pa

    rows = {_sessions(horizon): _told(figures) for horizon, figures in sorted(place.figures.items()) if figures.n}
    columns: dict[str, list[object]] = {"Held": list(rows)}
    for name in next(iter(rows.values())):
        columns[name] = [row[name] for row in rows.values()]
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content",
        column_config={"Held": st.column_config.TextColumn(pinned=True)},
        alt=f"Record of {label}, {place.title}, by sessions held",
    )


def _told(figures: Figures) -> dict[str, object]:
    low, high = figures.hit_rate_low, figures.hit_rate_high
    interval = "" if low is None or high is None else f" ({low * 100:.0f}–{high * 100:.0f})"
    return {
        "n": f"{figures.n:,} on {figures.days:,} {'day' if figures.days == 1 else 'days'}",
        "Right (95 %)": f"{_share(figures.hit_rate)}{interval}",
        "All entries": _share(figures.base_rate),
        "Median move": _move(figures.median_move),
        "After costs": _move(figures.median_after_costs),
        "Beyond index": _move(figures.median_excess),
        "Median best, worst": f"{_move(figures.median_best)}, {_move(figures.median_worst)}",
        "Extremes": f"{_move(figures.best)}, {_move(figures.worst)}",
    }


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.0f} %"


def _move(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:+.1f} %".replace("-", "−")
