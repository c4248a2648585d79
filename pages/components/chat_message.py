"""One message of a conversation, and the quiet line under an answer: model, tokens, cost, what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.ai.evidence import Evidence
from core.db.conversations_dao import MessageRow
from core.research.attachments.attachments import Attachment
from pages.components import chat_evidence, chat_files, chat_marks, chat_steps
from pages.components.billing_words import credits_of
from pages.components.errors import show_message
from pages.components.words import plain, usd

USER_ICON, MODEL_ICON = ":material/person:", ":material/neurology:"


def show_question(text: str, files: Sequence[Attachment] = (), picture_of: chat_files.PictureOf | None = None) -> None:
    """What somebody typed, as they typed it, below the files that came with it."""
    with st.chat_message("user", avatar=USER_ICON):
        if files and picture_of is not None:
            chat_files.show(files, picture_of)
        st.text(text)


def show_model() -> DeltaGenerator:
    """The place of what a model says, to be filled."""
    return st.chat_message("assistant", avatar=MODEL_ICON)


def show_answer(
    row: MessageRow, labels: Mapping[str, str], remaining: str = "", evidence: Evidence | None = None
) -> None:
    """What came of a question, on its steps, with its numbers marked.

    `labels` names the models, `remaining` says what is left of today, `evidence` is what the answer rests on.
    """
    found, places = evidence or Evidence(), chat_marks.places_of(row.id)
    with st.container(gap="small"):  # one element of the bubble, whose place the next answer takes
        chat_steps.show(st, found.steps, places)
        if row.state == "failed":
            note = row.note or "It cost you nothing."
            show_message("No answer came.", note, icon=":material/cloud_off:", box=st.warning)
            return
        answer = chat_marks.marked(row.text, found, places)
        st.markdown(answer.text)
        chat_evidence.show_charts(f"chat_evidence_{row.id}", found)
        chat_evidence.show_notes(found)
        chat_evidence.show(row.text, found, answer.apart, places)
        st.markdown(line(row, labels, remaining))


def line(row: MessageRow, labels: Mapping[str, str], remaining: str = "") -> str:
    """How an answer came about, in one quiet line of markdown; beneath it why its model was taken, where there is more
    to say than its name."""
    model = "" if row.is_offline else plain(labels.get(row.model or "", row.model or "unknown model"))
    note = "" if _was_stopped(row) else plain((row.note or "").rstrip("."))
    facts = " · ".join(fact for fact in (note, model, _tokens(row), _cost(row), remaining) if fact)
    told = " ".join([*_marks(row), f":small[:gray[{facts}]]"])
    return f"{told}  \n:small[:gray[:material/route: {plain(row.route)}]]" if row.route else told


def _marks(row: MessageRow) -> list[str]:
    marks = {
        ":blue-badge[:material/menu_book: Offline glossary]": row.is_offline,
        ":green-badge[:material/bolt: Cached]": row.is_cached,
        ":orange-badge[:material/stop_circle: Stopped]": row.state == "partial" and _was_stopped(row),
        ":red-badge[:material/link_off: Incomplete]": row.state == "partial" and not _was_stopped(row),
    }
    return [mark for mark, is_set in marks.items() if is_set]


def _was_stopped(row: MessageRow) -> bool:
    return row.note is None or row.note == "Stopped."


def _tokens(row: MessageRow) -> str:
    if row.prompt_tokens is None or row.completion_tokens is None:
        return ""
    counted = f"{row.prompt_tokens:,} tokens in, {row.completion_tokens:,} out"
    return f"{counted} (estimated)" if row.is_estimated else counted


def _cost(row: MessageRow) -> str:
    if row.is_cached:
        return "no charge"
    if row.is_offline:
        return "free, local"
    if row.cost_usd is None:
        return ""
    if not row.cost_usd:
        return "not charged" if row.state == "partial" else "free"
    return f"{usd(row.cost_usd)}, {credits_of(row.credits)} credits" if row.credits else usd(row.cost_usd)
