"""The page of all components: `make gallery`. It needs no database, and nobody signs in."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.settings import ROOT
from pages.components.headings import page_head
from pages.components.theme import show_style
from tests.gallery.exhibits import EXHIBITS

ALL = "All"
HERE = Path(__file__).resolve().parent
ICON = ROOT / "pages" / "assets" / "favicon.png"


def gallery() -> None:
    """Everything, or one component."""
    page_head("Gallery")
    with st.sidebar:
        chosen = st.selectbox("Component", [ALL, *EXHIBITS], key="component", bind="query-params")
    for name, exhibits in EXHIBITS.items():
        if chosen in (ALL, name):
            st.header(name.replace("_", " ").capitalize(), anchor=False)
            for exhibit in exhibits:
                st.caption((exhibit.__doc__ or "").strip())
                with st.container(key=f"exhibit_{name}_{exhibit.__name__}"):
                    exhibit()


st.set_page_config(page_title="Gallery · Assay", page_icon=str(ICON), layout="wide")
show_style()
linked = [st.Page(HERE / file, visibility="hidden") for file in ("chat.py", "usage.py", "symbol.py")]
st.navigation([st.Page(gallery, default=True), *linked], position="hidden").run()
