"""The parts of a research bundle: what is there and until when, what is being made, what is missing or failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from core.research.bundle import LABELS, Bundle, Part, PartName, PartState
from core.research.bundle_making import BY_RULE
from pages.components.badges import Badge, show_badge
from pages.components.research_words import GENERATED, made, named, queries, reasons, sentence
from pages.components.words import counted, plain

STATES: Mapping[PartState, Badge] = {
    "ready": Badge("fresh", "green", ":material/check_circle:"),
    "making": Badge("being made", "blue", ":material/progress_activity:"),
    "missing": Badge("not made", "gray", ":material/pending:"),
    "failed": Badge("failed", "red", ":material/error:"),
}
OFFLINE = ":gray-badge[offline]"
ASKS: Mapping[PartState, str] = {"missing": "Make {}", "failed": "Try {} again"}
MOST_LACKING = 20
"""Reasons that are listed."""


@dataclass(frozen=True, slots=True)
class Look:
    """How it is looked at."""

    labels: Mapping[str, str]
    """Names of models by their ids."""
    now: datetime
    zone: str
    may_ask: bool
    left: str = ""
    """What is left of the chat queries of today, in words."""


def show(key: str, bundle: Bundle, look: Look) -> tuple[PartName, ...]:
    """A card for each part; the parts that the user wants made in this run."""
    wanted: list[PartName] = []
    with st.grid(3, min_column_width=230):
        for part in bundle.parts:
            wanted += _show_part(f"{key}_{part.name}", part, look)
    if look.may_ask:
        wanted += _show_all(f"{key}_all", bundle, look)
    _show_outside(bundle)
    wanted += _show_uncovered(f"{key}_uncovered", bundle, look)
    return tuple(dict.fromkeys(wanted))


def _show_part(key: str, part: Part, look: Look) -> list[PartName]:
    is_wanted = False
    with st.container(border=True, gap="xsmall", height="stretch", key=key):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{LABELS[part.name]}**", width="stretch")
            show_badge(STATES[part.state])
        _show_labels(part)
        st.caption(plain(_told(part, look)))
        for note in part.content.notes:
            if note != BY_RULE:
                st.caption(f":material/info: {plain(note)}")
        if part.content.lacking:
            _show_lacking(f"{key}_lacking", part)
        label = ASKS.get(part.state)
        if label is not None and look.may_ask:
            words = f"{label.format(LABELS[part.name].lower())} · {queries(1)}"
            is_wanted = st.button(words, icon=":material/refresh:", key=f"{key}_make")
    return [part.name] if is_wanted else []


def _show_labels(part: Part) -> None:
    """That no model was asked, and that there are issuers in it that do not exist."""
    labels = [OFFLINE] if part.content.is_offline else []
    labels += [GENERATED] if any(item.is_generated for item in part.content.items) else []
    if labels:
        st.markdown(" ".join(labels))


def _told(part: Part, look: Look) -> str:
    if part.state == "making":
        since = "" if part.begun_at is None else f", {max(0, int((look.now - part.begun_at).total_seconds()))} s"
        by = f" for {part.author}" if part.author else ""
        before = " What is shown is from before." if part.content.made_at is not None else ""
        return f"It is being made{by}{since}. You may leave the page.{before}"
    if part.state == "failed":
        return part.reason or "It failed, and cost you nothing."
    if part.state == "missing":
        return "It is not there, or no longer fresh."
    return f"{counted(len(part.content.items), 'item')}. {made(part, look.labels, look.now, look.zone)}"


def _show_lacking(key: str, part: Part) -> None:
    lacking = part.content.lacking
    lines = reasons(lacking)
    with st.popover(
        f"{counted(len(lacking), 'holding')} without all of it", type="tertiary", icon=":material/rule:", key=key
    ):
        for line in lines[:MOST_LACKING]:
            st.markdown(line)
        if len(lines) > MOST_LACKING:
            st.caption(f"and {len(lines) - MOST_LACKING:,} more reasons")


def _show_all(key: str, bundle: Bundle, look: Look) -> list[PartName]:
    """What is left, and where several parts are not there one button for them all."""
    lacking = [part.name for part in bundle.parts if part.state in ASKS]
    is_wanted = False
    if not lacking or not bundle.held:
        return []
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if len(lacking) > 1:
            label = f"Make what is missing · {queries(len(lacking))}"
            is_wanted = st.button(label, type="primary", icon=":material/library_add:", key=key)
        st.caption(sentence(look.left), width="content")
    return lacking if is_wanted else []


def _show_outside(bundle: Bundle) -> None:
    if bundle.unknown:
        st.caption(
            f":material/help: In no list of instruments: {plain(named(bundle.unknown))}. The sources may know nothing "
            "of such symbols."
        )


def _show_uncovered(key: str, bundle: Bundle, look: Look) -> list[PartName]:
    """What was bought after parts were made, with the button that makes those parts anew."""
    if not bundle.uncovered:
        return []
    held = {*bundle.held}
    anew = [part.name for part in bundle.parts if part.is_ready and held - {*part.symbols}]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f":material/playlist_add: Not in every part, bought after it was made: {plain(named(bundle.uncovered))}.",
            width="content",
        )
        if look.may_ask and st.button(
            f"Make {'it' if len(anew) == 1 else 'them'} anew · {queries(len(anew))}", type="tertiary", key=key
        ):
            return anew
    return []
