"""Oversight over a real database: an operator, and histories of requests."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from core.principal import Principal
from tests.conftest import MakeMember
from tests.core.admin.history import History


@pytest.fixture
def history(service: psycopg.Connection[tuple[object, ...]]) -> History:
    """Writes requests of the past."""
    return History(service)


@pytest.fixture
def olga(member: MakeMember) -> Principal:
    """An operator."""
    return replace(member("olga", org="Operations", plan="enterprise"), is_operator=True)
