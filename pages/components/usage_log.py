"""Every request of a period: filters, the newest rows, and all of them as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import BinaryIO, Protocol

import streamlit as st

from core.db.usage_dao import LogRow
from core.metering.usage_exports import MEDIA_TYPES, FileFormat
from core.principal import Principal
from pages.components import tables

SHOWN_ROWS = 200
MAX_FILE_ROWS = 100_000
"""Requests of one file from the page; the API gives more."""
_FILES: dict[FileFormat, str] = {"csv": "CSV", "parquet": "Parquet"}


class Fetch(Protocol):
    """The requests of the period, newest first."""

    def __call__(self, *, models: Sequence[str], statuses: Sequence[str], most: int) -> list[LogRow]:
        """At most `most` of them, of these models and results (none named: all)."""
        ...


class Save(Protocol):
    """The requests of the period as a file."""

    def __call__(self, *, models: Sequence[str], statuses: Sequence[str], file_format: FileFormat) -> BinaryIO:
        """Opened at its beginning."""
        ...


def show(
    key: str,
    fetch: Fetch,
    save: Save,
    principal: Principal,
    *,
    period: tuple[date, date],
    labels: Mapping[str, str],
    names_people: bool,
) -> None:
    """The log of one period; `labels` names its models."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        models = st.multiselect(
            "Models",
            labels,
            format_func=lambda model: labels.get(model, model),
            placeholder="All models",
            key=f"{key}_models",
            width=300,
        )
        statuses = st.multiselect(
            "Results",
            tables.STATUSES,
            format_func=lambda status: tables.STATUSES[status],
            placeholder="All results",
            key=f"{key}_statuses",
            width=300,
        )
    chosen = partial(fetch, models=models, statuses=statuses)
    rows = chosen(most=SHOWN_ROWS + 1)
    if not rows:
        st.caption("No request of this period matches the filters.")
        return
    shown = rows[:SHOWN_ROWS]
    tables.show_log(
        f"{key}_table",
        shown,
        principal.zone,
        labels,
        me=principal.user_id if names_people else None,
        alt="Requests of the chosen period, newest first",
    )
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(_extent(len(shown), has_more=len(rows) > len(shown)), width="stretch")
        for file_format, name in _FILES.items():
            st.download_button(
                f"Download all as {name}",
                partial(save, models=models, statuses=statuses, file_format=file_format),
                file_name=f"assay-usage-{period[0]}-to-{period[1]}.{file_format}",
                mime=MEDIA_TYPES[file_format],
                icon=":material/download:",
                on_click="ignore",
                key=f"{key}_{file_format}",
            )


def _extent(count: int, *, has_more: bool) -> str:
    if has_more:
        return f"Showing the newest {count:,}; a file has up to {MAX_FILE_ROWS:,}."
    return f"Showing all {count:,} that match." if count > 1 else "Showing the only one that matches."
