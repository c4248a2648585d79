"""Tables of requests, with friendly words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from core.db.usage_dao import LogRow

STATUSES = {
    "success": "Answered",
    "cached": "Cached",
    "cut": "Stopped",
    "denied": "Denied",
    "failed": "Failed",
    "broken": "Broken off",
    "unresolved": "Unresolved",
}
"""What each status of the log is called on a page."""
CHANNELS = {"page": "Chat page", "api": "API", "v1": "OpenAI client", "command": "Command line", "demo": "Demo"}
"""What each channel is called on a page."""
_FREE = {"flight": "joined a call", "replay": "sent again"}
"""Why an answer was free, where it was not an ordinary hit."""


def show_log(
    key: str, rows: Sequence[LogRow], zone: str, labels: Mapping[str, str], *, me: UUID | None, alt: str
) -> None:
    """The requests as a table, newest first; with `me`, also who asked."""
    import pyarrow as pa

    local = ZoneInfo(zone)
    columns: dict[str, list[Any]] = {
        "Time": [row.at.astimezone(local).replace(tzinfo=None) for row in rows],
        "Who": ["you" if row.user_id == me else row.user_name or f"member {row.user_id.hex[-6:]}" for row in rows],
        "Result": [STATUSES.get(row.status, row.status) for row in rows],
        "Model": [labels.get(row.model, row.model) for row in rows],
        "Tokens in": [row.prompt_tokens for row in rows],
        "Tokens out": [row.completion_tokens for row in rows],
        "Charged, USD": [float(row.charged_usd) for row in rows],
        "Seconds": [row.latency_ms / 1000 for row in rows],
        "Via": [CHANNELS.get(row.channel, row.channel) for row in rows],
        "Note": [_note(row) for row in rows],
    }
    if me is None:
        del columns["Who"]
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        column_config={
            "Time": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss", pinned=True),
            "Tokens in": st.column_config.NumberColumn(format="localized"),
            "Tokens out": st.column_config.NumberColumn(format="localized"),
            "Charged, USD": st.column_config.NumberColumn(format="plain"),
            "Seconds": st.column_config.NumberColumn(format="%.2f"),
        },
        alt=alt,
    )


def _note(row: LogRow) -> str:
    if row.error_code:
        return row.error_code.replace("_", " ")
    if row.quarantine:
        return "usage refused"
    return _FREE.get(row.cache_level or "", "tokens estimated" if row.estimated else "")
