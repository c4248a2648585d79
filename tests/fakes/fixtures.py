"""Fixtures that hand a fresh fake to each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.chat_server import ChatServer
from tests.fakes.mail_server import MailServer


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    """A local server that speaks Chat Completions."""
    with ChatServer() as server:
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A local mail server that takes everything; `start_app(SMTP_URL=mail_server.url)`."""
    with MailServer() as server:
        yield server
