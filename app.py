"""The only entry: `streamlit run app.py`, `uvicorn app:app`, `python -m core serve`."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import streamlit as st
from streamlit import config

from core.http.server import Shell
from core.settings import ROOT, Settings, load_settings
from pages.components.errors import show_unexpected

# Streamlit looks for `.streamlit` beside the script that was started; another server starts none.
config._main_script_path = config._main_script_path or __file__

# What pages import first: loaded at start-up, before the first visitor waits for it.
PRELOAD = ("pandas", "plotly.graph_objects", "pyarrow", "streamlit.elements.plotly_chart")

# Streamlit logs the words of a script's error, which may repeat a secret; `show_unexpected` logs the place.
logging.getLogger("streamlit.error_util").addFilter(lambda record: record.msg != "Uncaught app execution")


def _settings() -> Settings:
    """The settings; where HOST and PORT are unset they become what Streamlit was told to listen on.

    They go into the environment, where the workbench reads them too: whether the demo is loaded, and who is
    refused, depends on who can reach us.
    """
    given = load_settings().values
    for name, listens in (
        ("HOST", config.get_option("server.address")),
        ("PORT", config.get_option("server.port")),
    ):
        if listens and not given.get(name):
            os.environ[name] = str(listens)
    return load_settings()


settings = _settings()
# The file that the settings were read from, and no other.
config.set_option("secrets.files", [str(settings.secrets_file)])
shell = Shell(
    settings,
    index_html=Path(st.__file__).parent / "static" / "index.html",
    icon=ROOT / "pages" / "assets" / "favicon.png",
    preload=PRELOAD,
)
app = st.App(
    ROOT / "pages" / "main.py",
    lifespan=shell.lifespan,
    routes=shell.routes,
    middleware=shell.middleware,
    on_script_error=show_unexpected,
)
