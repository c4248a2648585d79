"""Fixtures that hand a fresh fake to each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.chat_server import ChatServer


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    """A local server that speaks Chat Completions."""
    with ChatServer() as server:
        yield server
