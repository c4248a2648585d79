"""`python -m core serve`: the pages and the HTTP API on one port."""

from __future__ import annotations

import os

from core import workbench
from core.http.server import serve
from core.settings import Settings, load_settings


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
