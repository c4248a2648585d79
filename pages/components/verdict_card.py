"""A verdict as a card: what was said of a signal, which of its numbers hold, who said it, what it cost, what it saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import streamlit as st

from core.ai.numbers import CheckedNumber
from core.market.market_time import spoken
from core.verdicts.answer import Mark
from core.verdicts.snapshot import Snapshot
from core.verdicts.validations import Verdict
from pages.components import verdict_look, verdict_snapshot, verdict_text
from pages.components.badges import Badge, show_badge
from pages.components.quote_line import told
from pages.components.verdict_look import ADVICE, GENERATED, MAY_KNOW, share
from pages.components.words import plain, usd

READ: Mapping[Mark, str] = {
    Mark.FENCED: "the answer stood in a code block",
    Mark.PROSE_AROUND: "there was text around the answer, which is left out",
    Mark.PERCENTAGE: "confidence was given as a percentage",
    Mark.CASE: "the verdict was written in other letters",
}
"""How an answer was read that was not quite what was asked for."""
PURPOSES = {"asked": "asked for on its own", "batch": "part of a batch", "replay": "a replay, which is not scored"}


def show(
    key: str,
    verdict: Verdict,
    *,
    labels: Mapping[str, str],
    zone: str,
    now: datetime,
    snapshot: Callable[[], Snapshot] | None = None,
) -> None:
    """The card; `labels` names models, `snapshot` reads what the model was shown once somebody looks."""
    with st.container(border=True, gap="small", key=key):
        _show_head(verdict)
        _show_answer(verdict)
        _show_checked(verdict)
        st.caption(_origin(verdict, labels, now))
        if verdict.is_retrospective:
            st.caption(f":material/history: {plain(MAY_KNOW)}")
        if verdict.is_generated:
            st.caption(f":material/science: {plain(GENERATED)}")
        if snapshot is not None:
            verdict_snapshot.show(f"{key}_snapshot", snapshot)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(plain(ADVICE), width="stretch")
            _show_details(key, verdict, labels, zone)


def counted(verdict: Verdict) -> str:
    """How many of its numbers hold: 7 of 8 numbers verified."""
    total = verdict.numbers_total
    if not total:
        return "No numbers to verify"
    return f"{verdict.numbers_verified} of {total} number{'' if total == 1 else 's'} verified"


def _show_head(verdict: Verdict) -> None:
    answer = verdict.validation
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_badge(verdict_look.badge(answer.verdict))
        st.markdown(f"**{plain(share(answer.confidence))}** confidence", width="content")
        if verdict.is_offline:
            show_badge(Badge("offline rule, no model was asked", "blue", ":material/rule:"))
        if verdict.is_retrospective:
            show_badge(Badge("retrospective", "violet", ":material/history:"))
        if verdict.is_generated:
            show_badge(Badge("generated", "orange", ":material/science:"))
    st.progress(min(1.0, max(0.0, answer.confidence)))
    meaning = verdict_look.LOOKS[answer.verdict].meaning
    st.caption(plain(f"{answer.verdict}: {meaning}."))


def _show_answer(verdict: Verdict) -> None:
    answer = verdict.validation
    verdict_text.show(answer.reasoning, _numbers(verdict, "reasoning"))
    if answer.entry_suggestion:
        with st.container(gap="xxsmall"):
            st.markdown("**Entry**")
            verdict_text.show(answer.entry_suggestion, _numbers(verdict, "entry_suggestion"))
    if answer.risk_factors:
        found = [_numbers(verdict, f"risk_factors.{place}") for place in range(len(answer.risk_factors))]
        with st.container(gap="xxsmall"):
            st.markdown("**Risks**")
            verdict_text.show_list(answer.risk_factors, found)


def _numbers(verdict: Verdict, field: str) -> Sequence[CheckedNumber]:
    return verdict.numbers.get(field, ())


def _show_checked(verdict: Verdict) -> None:
    """How many numbers hold, and how the answer was read where it was not as it should be."""
    missing = [each.text for found in verdict.numbers.values() for each in found if each.known is None]
    words = plain(counted(verdict))
    if missing:
        unheld = ", ".join(plain(text) for text in dict.fromkeys(missing))
        st.markdown(f":orange[:material/warning: {words}; not in what the model was shown: **{unheld}**]")
    elif verdict.numbers_total:
        st.markdown(f":green[:material/check_circle: {words}] against what the model was shown")
    else:
        st.caption(words)
    if verdict.validation.marks:
        read = "; ".join(READ[mark] for mark in verdict.validation.marks)
        st.caption(f":material/edit_note: As it was read: {plain(read)}.")


def _origin(verdict: Verdict, labels: Mapping[str, str], now: datetime) -> str:
    parts = [
        labels.get(verdict.model, verdict.model),
        f"{verdict_look.aged(verdict.created_at, now)} ago",
        "of a snapshot of your own" if verdict.as_of is None else f"as of {spoken(verdict.as_of)}",
        cost(verdict),
    ]
    return plain(" · ".join(parts))


def cost(verdict: Verdict) -> str:
    """What its asker was charged."""
    if verdict.charged_usd:
        return usd(verdict.charged_usd)
    return "from the cache: free" if verdict.is_cached else "free"


def _show_details(key: str, verdict: Verdict, labels: Mapping[str, str], zone: str) -> None:
    with st.popover("Details", icon=":material/info:", type="tertiary", key=f"{key}_details"):
        lines = {
            "Model": f"{labels.get(verdict.model, verdict.model)} ({verdict.model}) of {verdict.provider}",
            "Prompt": verdict.prompt_version,
            "Given": told(verdict.created_at, zone),
            "Charged": cost(verdict),
            "The call cost": usd(verdict.call_usd),
            "Tokens": f"{verdict.prompt_tokens:,} in, {verdict.completion_tokens:,} out",
            "Prices": verdict.price_version,
            "It is": PURPOSES.get(verdict.purpose, verdict.purpose),
        }
        for label, value in lines.items():
            st.markdown(f":gray[{label}]  \n{plain(value)}")
        for label, value in {"Request": str(verdict.request_id), "Snapshot": verdict.snapshot_hash.hex()}.items():
            st.markdown(f":gray[{label}]")
            st.code(value, language=None, wrap_lines=True)
