"""`python -m core serve`: the pages and the HTTP API on one port."""

from __future__ import annotations

import gc
import os
import threading
import time
from importlib import import_module

from core import workbench
from core.http.server import serve
from core.settings import Settings, load_settings

LIBRARIES = ("empyrical",)
"""What the first risk figures need: with what it imports itself, seconds on a small machine."""
LIBRARIES_AFTER_S = 5.0
"""So long the start and the first page have the interpreter for themselves."""


def run(settings: Settings, *, host: str | None, port: int | None) -> int:
    """Serves until stopped; prints the address and the demo's sign-ins once the page can be opened."""
    if host is not None:
        os.environ["HOST"] = host
    if port is not None:
        os.environ["PORT"] = str(port)
    settings = load_settings() if host is not None or port is not None else settings
    workbench.current()  # a mistake in a file is told here, in one line, before anything listens
    serve(settings, on_ready=lambda: _announce(settings))
    return 0


def _announce(settings: Settings) -> None:
    sign_ins = workbench.current().load_demo()
    print("\n".join([f"Assay is open at {settings.address}", *([sign_ins] if sign_ins else [])]), flush=True)
    threading.Thread(target=load_libraries, name="libraries", daemon=True).start()


def load_libraries(after_s: float = LIBRARIES_AFTER_S) -> None:
    """Imports `LIBRARIES` after a while, so that nobody who asks for figures waits for that."""
    time.sleep(after_s)
    for name in LIBRARIES:
        import_module(name)
    gc.collect()
    gc.freeze()  # as at the start: what is loaded by now stays
