"""An answer as it comes; whoever stops it leaves the session, which settles what came so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import UUID

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.ai.evidence import Step
from core.ai.session import Session
from core.errors import AssayError
from core.research.assistant import Exchange
from pages.components import chat_steps, chat_turn
from pages.components.chat_text import Reader
from pages.components.chat_turn import Turn, Unanswered

PIECE_S = 0.09
"""Deltas are joined for this long: each piece sends the whole text to the browser again."""
PATIENCE_S = 3
"""After so many seconds without a word the page says how long it has waited."""
STOP_CHECK_S = 1.0
"""After a stop the page shows within this time what was saved."""

ELEMENTS_BEFORE = 3
"""Elements of the bubble that stood here, at most: as many take their places, or they would stay until the end."""
ASKING = ":shimmer[Asking…]"

_Item = str | Step | AssayError | None


def show(turn: Turn, conversation_id: UUID | None, ask: Callable[[], Exchange]) -> None:
    """Draws the answer as it comes; then the page runs anew and shows what was saved."""
    taken, waiting, *_ = [st.empty() for _ in range(ELEMENTS_BEFORE)]
    body = st.container()
    waiting.caption(ASKING)
    try:
        exchange = ask()
    except AssayError as error:
        chat_turn.note(Unanswered(turn, conversation_id, error))
        st.rerun()
    chat_turn.begin(exchange)
    st.query_params["conversation"] = str(exchange.conversation_id)
    _show_again_when_stopped()
    if not turn.is_typed:
        with st.bottom:  # it stays in sight while the answer grows
            st.button("Stop", icon=":material/stop_circle:", key="chat_stop", width="stretch")
    try:
        with exchange.session as session, body:
            draw = partial(chat_steps.show, taken)
            st.write_stream(pieces(session, lambda waited_s: _show_patience(waiting, waited_s), draw))
    except AssayError as error:
        chat_turn.rest(exchange.conversation_id, error)
        if turn.is_again:
            chat_turn.note(Unanswered(turn, exchange.conversation_id, error))
    chat_turn.end()
    st.rerun()


def pieces(
    session: Session,
    wait: Callable[[float | None], None],
    draw: Callable[[Sequence[Step]], None] = lambda _: None,
) -> Iterator[str]:
    """The answer in readable pieces; `wait` draws the seconds until the first, and (None) nothing after it.

    `draw` draws the steps taken so far, whenever one begins or ends.

    Streamlit stops a script only where it draws: so a thread reads the answer, and this one draws meanwhile.

    Raises:
        AssayError: the answer failed; what came before it was yielded.
    """
    inbox: SimpleQueue[_Item] = SimpleQueue()
    steps: dict[int, Step] = {}
    Thread(target=_read, args=(session, inbox), name="assay-chat-reader", daemon=True).start()
    reader, started, has_begun = Reader(), time.monotonic(), False
    while True:
        raw, new, end = _gather(inbox)
        if new:
            steps |= {step.number: step for step in new}
            draw(list(steps.values()))
        piece = reader.feed(raw) + (reader.close() if end else "")
        has_begun = has_begun or bool(piece)
        wait(None if has_begun else time.monotonic() - started)
        if piece:
            yield piece
        if isinstance(end, AssayError):
            raise end
        if end:
            return


def _gather(inbox: SimpleQueue[_Item]) -> tuple[str, list[Step], bool | AssayError]:
    """Text and steps that came within one piece's time, and whether (or by which error) it is over."""
    parts: list[str] = []
    steps: list[Step] = []
    until = time.monotonic() + PIECE_S
    while (left := until - time.monotonic()) > 0:
        try:
            item = inbox.get(timeout=left)
        except Empty:
            break
        if isinstance(item, str):
            parts.append(item)
        elif isinstance(item, Step):
            steps.append(item)
        else:
            return "".join(parts), steps, item or True
    return "".join(parts), steps, False


def _read(session: Session, inbox: SimpleQueue[_Item]) -> None:
    end: AssayError | None = None
    try:
        for piece in session.pieces():
            inbox.put(piece)
    except AssayError as error:
        end = error
    finally:
        inbox.put(end)


def _show_patience(slot: DeltaGenerator, waited_s: float | None) -> None:
    if waited_s is None:
        slot.empty()
    elif waited_s < PATIENCE_S:
        slot.caption(ASKING)
    else:
        slot.caption(f":shimmer[Waiting for the first word, {waited_s:.0f} s…]")


def _show_again_when_stopped() -> None:
    """Runs the page anew once its script was stopped: only then does the browser's timer reach this."""
    runs = 0

    @st.fragment(run_every=STOP_CHECK_S)
    def watch() -> None:
        nonlocal runs
        runs += 1
        if runs > 1:
            st.rerun()

    watch()
