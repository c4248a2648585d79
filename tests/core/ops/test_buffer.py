"""Rows that are written behind: in batches, kept while the database is away, given up where too many wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from core.errors import DatabaseUnavailable
from core.ids import new_id
from core.ops import buffer
from core.ops.buffer import Buffer


@dataclass(frozen=True)
class Row:
    """A row."""

    number: int
    id: UUID = field(default_factory=new_id)


class Table:
    """Takes batches; may be away."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_away = False

    def __call__(self, rows: Sequence[Row]) -> None:
        if self.is_away:
            raise DatabaseUnavailable
        self.batches.append([row.number for row in rows])


def test_rows_are_written_once_and_in_their_order() -> None:
    table = Table()
    rows = Buffer[Row](table, name="rows")
    for number in range(3):
        rows.add(Row(number))
    rows.close()
    assert [number for batch in table.batches for number in batch] == [0, 1, 2]


def test_rows_wait_while_the_database_is_away() -> None:
    table = Table()
    table.is_away = True
    rows = Buffer[Row](table, name="rows")
    rows.add(Row(1))
    rows.flush()
    assert table.batches == []
    table.is_away = False
    rows.add(Row(2))
    rows.close()
    assert [number for batch in table.batches for number in batch] == [1, 2]


def test_the_oldest_are_given_up_where_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "MAX_WAITING", 2)
    table = Table()
    table.is_away = True
    rows = Buffer[Row](table, name="rows")
    for number in range(3):
        rows.add(Row(number))
    table.is_away = False
    rows.close()
    assert rows.dropped == 1
    assert [number for batch in table.batches for number in batch] == [1, 2]
