"""The books: a button that looks at them, what differs with what to do, and calls whose cost is not certain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import streamlit as st

from core.admin.books import BookLook, owner_words
from core.principal import Principal
from pages.components.errors import show_errors
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_done, show_empty, show_failed, show_loading
from pages.components.words import plain, usd, usd_figure

KINDS = {"unresolved": "Unresolved calls", "quarantined": "Quarantined usage"}


class Looker(Protocol):
    """What looks at the books."""

    def look(self, principal: Principal) -> BookLook:
        """Compares everything that is kept twice."""
        ...


def show(key: str, looker: Looker, principal: Principal) -> None:
    """The button, and what the last look of this session found."""
    kept = f"{key}_found"
    if st.button(
        "Look at the books",
        icon=":material/balance:",
        type="primary",
        key=f"{key}_look",
        help="Compares each counter and balance with the holds, usage rows and ledger entries that it sums.",
    ):
        with show_errors(principal), show_loading("Everything that is kept twice is compared…"):
            st.session_state[kept] = looker.look(principal)
    found = st.session_state.get(kept)
    if found is None:
        show_empty(
            "Not looked at yet",
            "It takes a second for each some hundred thousand calls, and keeps nobody waiting.",
            icon=":material/balance:",
        )
        return
    show_look(key, found, principal.zone)


def show_look(key: str, found: BookLook, zone: str) -> None:
    """What a look found."""
    totals = found.audit.totals
    at = f"{found.audit.at.astimezone(ZoneInfo(zone)):%d %B %Y, %H:%M:%S}"
    looked = f"{totals.calls:,} calls, {totals.free:,} cached answers and denials, {totals.open:,} open holds, {at}."
    if found.audit.balances:
        show_done("The books balance", looked)
    else:
        count = found.audit.count
        show_failed(f"{count:,} difference{'' if count == 1 else 's'}", looked)
    if totals.overdue:
        holds = "1 hold is" if totals.overdue == 1 else f"{totals.overdue:,} holds are"
        st.caption(f"{holds} overdue; the next request of the member ends what is.")
    for difference in found.differences:
        with st.expander(f"{difference.kind.replace('_', ' ').capitalize()}: {difference.count:,}", expanded=True):
            st.markdown(plain(difference.advice))
            _show_table(
                f"{key}_{difference.kind}",
                {
                    "Figure": [row.figure for row in difference.rows],
                    "Says": [row.says for row in difference.rows],
                    "Should say": [row.should for row in difference.rows],
                    "Where": [row.place for row in difference.rows],
                    "Whose": [owner_words(row) for row in difference.rows],
                },
                alt=f"Differences of the kind {difference.kind}",
            )
    _show_odd(key, found, zone)


def _show_odd(key: str, found: BookLook, zone: str) -> None:
    if not found.odd:
        with show_list(f"{key}_none"):
            show_row(Row("No call of uncertain cost", "Nothing is unresolved or quarantined.", icon=":material/check:"))
        return
    for odd in found.odd:
        title = f"{KINDS.get(odd.kind, odd.kind)}: {odd.count:,}, {usd(odd.total_usd)} in all"
        with st.expander(title, expanded=True, icon=":material/help:"):
            st.markdown(plain(odd.advice))
            _show_table(
                f"{key}_{odd.kind}",
                {
                    "Time": _local([call.at for call in odd.calls], zone),
                    "Model": [call.model for call in odd.calls],
                    "Provider": [call.provider for call in odd.calls],
                    "Cost at most, USD": [usd_figure(call.cost_usd) for call in odd.calls],
                    "Reported, USD": [
                        "" if call.reported_usd is None else usd_figure(call.reported_usd) for call in odd.calls
                    ],
                    "Reason": [call.reason or "" for call in odd.calls],
                    "Hold": [str(call.hold_id) for call in odd.calls],
                },
                alt=f"{KINDS.get(odd.kind, odd.kind)}, the newest first",
            )


def _local(moments: Sequence[datetime], zone: str) -> list[datetime]:
    return [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in moments]


def _show_table(key: str, columns: dict[str, list[Any]], *, alt: str) -> None:
    import pyarrow as pa

    st.dataframe(pa.table(columns), key=key, hide_index=True, alt=alt)
