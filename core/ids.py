"""Identifiers: UUIDs of version 7, which sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A fresh identifier."""
    made: UUID = uuid_utils.compat.uuid7()
    return made
