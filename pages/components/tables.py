"""Tables of requests: on the page with friendly words, and as CSV with every digit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
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
CHANNELS = {"page": "Chat page", "api": "API", "v1": "OpenAI client", "command": "Command line"}
"""What each channel is called on a page."""
_FREE = {"flight": "joined a call", "replay": "sent again"}
"""Why an answer was free, where it was not an ordinary hit."""
CSV_COLUMNS: dict[str, Callable[[LogRow], object]] = {
    "request_id": lambda row: row.request_id,
    "conversation_id": lambda row: row.conversation_id,
    "user_id": lambda row: row.user_id,
    "channel": lambda row: row.channel,
    "status": lambda row: row.status,
    "feature": lambda row: row.feature,
    "provider": lambda row: row.provider,
    "model": lambda row: row.model,
    "prompt_tokens": lambda row: row.prompt_tokens,
    "completion_tokens": lambda row: row.completion_tokens,
    "estimated": lambda row: row.estimated,
    "quarantine": lambda row: row.quarantine,
    "cache_level": lambda row: row.cache_level,
    "saved_usd": lambda row: row.saved_usd,
    "charged_usd": lambda row: row.charged_usd,
    "cost_usd": lambda row: row.cost_usd,
    "latency_ms": lambda row: row.latency_ms,
    "first_token_ms": lambda row: row.first_token_ms,
    "error_code": lambda row: row.error_code,
}
"""The columns of the file, after the time."""


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


def as_csv(rows: Iterable[LogRow], zone: str) -> bytes:
    """The requests as a file: one header, times in the zone with their offset, amounts with every digit.

    A text that a spreadsheet would take for a formula is marked as text.
    """
    local = ZoneInfo(zone)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["time", *CSV_COLUMNS])
    for row in rows:
        writer.writerow([_cell(row.at.astimezone(local)), *(_cell(column(row)) for column in CSV_COLUMNS.values())])
    return out.getvalue().encode("utf-8-sig")


def _note(row: LogRow) -> str:
    if row.error_code:
        return row.error_code.replace("_", " ")
    if row.quarantine:
        return "usage refused"
    return _FREE.get(row.cache_level or "", "tokens estimated" if row.estimated else "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in _FORMULA_STARTS else text


_FORMULA_STARTS = frozenset("=+-@\t\r")
