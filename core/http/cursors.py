"""The place of a row in a list that is ordered by time and id, in a form that callers need not read."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.errors import InvalidRequest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_of(at: datetime, row_id: UUID) -> str:
    """The cursor of a row."""
    micros = (at - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(struct.pack(">q", micros) + row_id.bytes).decode()


def place_of_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Time and id of the row that a cursor stands for.

    Raises:
        InvalidRequest: it is none that a call gave.
    """
    try:
        packed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        (micros,) = struct.unpack(">q", packed[:8])
        return EPOCH + timedelta(microseconds=micros), UUID(bytes=packed[8:])
    except (ValueError, OverflowError, struct.error):
        raise InvalidRequest("The field cursor is not one that this call gave.") from None
