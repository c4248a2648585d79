"""Answers of sources that are kept for all processes: companies, their figures, the text of their filings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.db import reading_dao as dao
from core.db.engine import Database
from core.errors import NoData, SourceError

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept(Generic[_T]):
    """A kept answer."""

    value: _T
    source: str
    age_s: float
    is_stale: bool = False
    """Whether it is older than it should be, since its source failed."""


class Shelf(Generic[_T]):
    """Keeps one kind of answer; what cannot be read any more is as if it were not there."""

    def __init__(self, database: Database, kind: str, adapter: TypeAdapter[_T], *, life_s: float, most: int) -> None:
        self._database = database
        self._kind = kind
        self._adapter = adapter
        self._life_s = life_s
        self._most = most

    def find(self, subject: str) -> Kept[_T] | None:
        """What is kept, of any age."""
        with self._database.service() as connection:
            row = dao.kept(connection, self._kind, subject)
        if row is None:
            return None
        try:
            return Kept(self._adapter.validate_python(row.value, strict=False), row.source, row.age_s)
        except ValidationError:
            _log.warning("A kept %s is of another form and is fetched anew.", self._kind)
            return None

    def fresh(self, subject: str) -> Kept[_T] | None:
        """What is kept and not too old."""
        found = self.find(subject)
        return found if found is not None and found.age_s <= self._life_s else None

    def put(self, subject: str, source: str, value: _T) -> Kept[_T]:
        """Keeps an answer."""
        document = self._adapter.dump_python(value, mode="json")
        with self._database.service() as connection:
            dao.keep(connection, self._kind, subject, source, document, most=self._most)
        return Kept(value, source, 0.0)

    def get(self, subject: str, source: str, fetch: Callable[[], _T]) -> Kept[_T]:
        """What is kept and fresh, or else what the source says; if it fails, what is kept, as stale.

        Raises:
            SourceError: the source failed, and nothing is kept.
        """
        found = self.find(subject)
        if found is not None and found.age_s <= self._life_s:
            return found
        try:
            return self.put(subject, source, fetch())
        except NoData:
            raise
        except SourceError:
            if found is None:
                raise
            return Kept(found.value, found.source, found.age_s, is_stale=True)
