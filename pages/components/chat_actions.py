"""Quick actions above the input: good questions about a holding or the portfolio, each saying what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import streamlit as st

from core.market.articles import safe_url
from core.research.bundle import PART_OF, Bundle, Kind, SymbolAnswer, TimelineItem
from pages.components import chat_turn
from pages.components.words import plain

_OF_ADDRESSES = ":/?#@!$&'*+,;=%-._~"
_TONES = {
    "positive": ":green-badge[▲ positive]",
    "negative": ":red-badge[▼ negative]",
    "neutral": ":gray-badge[neutral]",
}
_STYLE = """<style>
@media (max-width: 640px) {
    .st-key-KEY { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: thin; padding-bottom: 2px; }
    .st-key-KEY > * { flex: none; }
}
.st-key-KEY button { padding: 0 0.5rem; min-height: 2.25rem; }
.st-key-KEY button p { font-size: 0.8125rem; }
</style>"""
"""Small, and in one line that scrolls where the window is narrow; Streamlit gives a container the name of its key."""


@dataclass(frozen=True, slots=True)
class Quick:
    """One quick action."""

    label: str
    question: str
    """What it asks; `{symbol}` stands for the holding that is chosen."""
    kind: Kind | None = None
    """What it is in the research bundle, which answers it for free."""


OF_SYMBOL = (
    Quick("Sentiment", "What is the sentiment on {symbol}?", "sentiment"),
    Quick("Latest filing", "What is the latest filing of {symbol}?", "latest_filing"),
    Quick("Profile", "What does {symbol} do? Give its profile."),
    Quick("Last ten filings", "List the last ten filings of {symbol}.", "last_filings"),
)
OF_PORTFOLIO = (
    Quick("Explain this drawdown", "What drove the largest drawdown of this portfolio?"),
    Quick("Compare with the benchmark", "How did this portfolio do compared with its benchmark?"),
)
Ask = Callable[[Kind, str], SymbolAnswer]
"""Asks the bundle about one symbol."""


def show(key: str, bundle: Bundle | None, ask: Ask, *, is_busy: bool = False) -> None:
    """The symbol and the actions, each with what it costs."""
    held = list(bundle.held) if bundle is not None else []
    st.html(_STYLE.replace("KEY", key))
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=key):
        st.caption("1 chat query each", width="content", help="Those that are marked free use none.")
        symbol = st.selectbox(
            "Symbol that quick actions are about",
            held,
            index=0 if held else None,
            placeholder="Symbol",
            accept_new_options=True,
            key=f"{key}_symbol_{'' if bundle is None else bundle.portfolio_id}",
            disabled=is_busy,
            label_visibility="collapsed",
            width=110,
        )
        told = (symbol or "").strip().upper()[:20]
        for quick in OF_SYMBOL:
            _show_quick(key, quick, bundle, told, ask, is_busy=is_busy or not told)
        for quick in OF_PORTFOLIO if held else ():
            _show_quick(key, quick, None, "", ask, is_busy=is_busy)


def is_free(quick: Quick, bundle: Bundle | None, symbol: str) -> bool:
    """Whether the bundle has the answer."""
    if quick.kind is None or bundle is None:
        return False
    part = bundle.part(PART_OF[quick.kind])
    has_it = part.content.made_at is not None and symbol in part.symbols
    return has_it and (quick.kind != "sentiment" or part.summary(symbol) is not None)


def _show_quick(key: str, quick: Quick, bundle: Bundle | None, symbol: str, ask: Ask, *, is_busy: bool) -> None:
    free, question = is_free(quick, bundle, symbol), quick.question.format(symbol=symbol)
    cost = "Free: the research bundle has it." if free else "Asks in this conversation: 1 chat query, free if cached."
    pressed = st.button(
        f"{quick.label} · free" if free else quick.label,
        key=f"{key}_{quick.label}",
        help=f"{plain(question)} {cost}",
        disabled=is_busy,
        wrap=False,
        on_click=None if free else chat_turn.wish,
        args=None if free else (question,),
    )
    if free and pressed and quick.kind is not None:
        answer = ask(quick.kind, symbol)
        st.dialog(f"{symbol}: {quick.label.lower()}", icon=":material/library_books:")(_show_answer)(answer)


def _show_answer(answer: SymbolAnswer) -> None:
    st.text(answer.text)
    for item in answer.items:
        _show_item(item)
    for note in answer.notes:
        st.caption(f":material/info: {plain(note)}")
    whose = "offline, by a list of words" if answer.is_offline else answer.model
    st.caption(plain(f"From the research bundle, {whose} · {'free' if answer.is_free else '1 chat query'}"))


def _show_item(item: TimelineItem) -> None:
    url = safe_url(item.url) if item.url else None
    title = plain(item.title)
    linked = title if url is None else f"[{title}]({quote(url, safe=_OF_ADDRESSES)})"
    marks = " ".join([_TONES.get(item.tone, ""), ":orange-badge[generated]" if item.is_generated else ""]).strip()
    with st.container(gap=None):
        st.markdown(f"{linked} {marks}".strip())
        st.caption(plain(" · ".join(part for part in (f"{item.at:%d %b %Y}", item.publisher, item.source) if part)))
