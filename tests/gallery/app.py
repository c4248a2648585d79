"""The page of all components: `make gallery`. It needs no database, and nobody signs in."""

from __future__ import annotations

import streamlit as st

from core.settings import ROOT
from tests.gallery.exhibits import EXHIBITS

ALL = "All"

st.set_page_config(
    page_title="Gallery · Assay", page_icon=str(ROOT / "pages" / "assets" / "favicon.png"), layout="wide"
)
with st.sidebar:
    chosen = st.selectbox("Component", [ALL, *EXHIBITS], key="component", bind="query-params")
for name, exhibits in EXHIBITS.items():
    if chosen in (ALL, name):
        st.header(name.replace("_", " ").capitalize(), anchor=False)
        for exhibit in exhibits:
            st.caption((exhibit.__doc__ or "").strip())
            with st.container(key=f"exhibit_{name}_{exhibit.__name__}"):
                exhibit()
