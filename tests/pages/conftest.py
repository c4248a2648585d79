"""What tests of pages have in common."""

from __future__ import annotations

import pytest

from pages.components import session


@pytest.fixture(autouse=True)
def _nobodys_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a connection is nobody's, at this machine; tests that sign somebody in say whose it is."""
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address="127.0.0.1"))
