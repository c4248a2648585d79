"""The matches as a file: every row and every figure, in the order of the page; made when it is asked for."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.db.instruments_dao import UniverseRow
from core.db.scans_dao import ScanRow
from core.screener.export import MEDIA_TYPE, Origin, csv_of

if TYPE_CHECKING:
    import polars as pl

_NO_FILE_NAME = re.compile(r"[^a-z0-9]+")


def show(key: str, rows: pl.DataFrame, universe: UniverseRow, about: ScanRow, called: str) -> None:
    """The button; its file says of which screen, universe and session it is."""
    origin = Origin(about.as_of, universe.title, universe.source, about.formula_version)
    st.download_button(
        "Export CSV",
        partial(csv_of, rows, origin),
        file_name=file_name(called, about),
        mime=MEDIA_TYPE,
        icon=":material/download:",
        key=key,
        on_click="ignore",
        help=f"All {rows.height:,} matches with every figure.",
    )


def file_name(called: str, about: ScanRow) -> str:
    """As in golden-cross-sp500_2010-2010-08-20.csv."""
    named = _NO_FILE_NAME.sub("-", called.lower()).strip("-")[:60] or "screen"
    return f"{named}-{about.universe_id}-{about.as_of}.csv"
