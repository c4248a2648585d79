"""Theses: what a person, or their organisation together, thinks of a security, every text of it kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.accounts.permissions import Action, require
from core.db import notebook_dao as dao
from core.db.engine import Database, Transaction
from core.db.notebook_dao import VersionRow
from core.errors import Conflict, InvalidRequest
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.symbols import checked_symbol
from core.notebook.words import author_of, checked_text
from core.principal import Principal

MAX_TEXT_CHARS = 20_000
MAX_VERSIONS = 1_000


@dataclass(frozen=True, slots=True)
class Thesis:
    """A thesis as of a date."""

    symbol: str
    is_shared: bool
    """Whether it is the organisation's; otherwise the principal's own."""
    versions: Sequence[VersionRow]
    """Those written as of this date or an earlier one, the newest first; the first of them is what holds."""
    newest: int
    """Number of the newest version of all, 0 where there is none: what the next one is written after."""

    @property
    def text(self) -> str:
        """What holds; empty where nothing was written, or it was withdrawn."""
        return self.versions[0].text if self.versions else ""

    @property
    def unseen(self) -> int:
        """How many versions were written as of later dates, and are not shown."""
        return self.newest - len(self.versions)


class Theses:
    """Theses of one symbol at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, principal: Principal, symbol: str, as_of: AsOf, *, is_shared: bool = False) -> Thesis:
        """The principal's own thesis of a symbol, or their organisation's; nothing written as of a later date.

        Raises:
            InvalidRequest: what cannot be a symbol.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _read(connection, checked_symbol(symbol), as_of, is_shared=is_shared)

    def write(
        self, principal: Principal, symbol: str, text: str, as_of: AsOf, *, after: int, is_shared: bool = False
    ) -> Thesis:
        """Keeps another text of a thesis, written after its version `after` was read; an empty one withdraws it.

        A text that says what the newest version says already is not kept again.

        Raises:
            Conflict: somebody wrote meanwhile; what they wrote stays.
            InvalidRequest: too long, or what cannot be a symbol or be seen.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        wanted, written = checked_symbol(symbol), checked_text(text, MAX_TEXT_CHARS, "thesis")
        with self._database.app(principal) as connection:
            newest = dao.thesis_versions(connection, wanted, is_shared=is_shared, most=1)
            number = newest[0].number if newest else 0
            if number != after:
                raise Conflict(_changed(newest[0] if newest else None))
            if number >= MAX_VERSIONS:
                raise InvalidRequest(f"A thesis has at most {MAX_VERSIONS:,} versions.")
            says = newest[0].text if newest else ""
            if written != says or (newest and newest[0].as_of > as_of.day):
                kept = dao.add_thesis_version(
                    connection,
                    new_id(),
                    symbol=wanted,
                    is_shared=is_shared,
                    number=number + 1,
                    text=written,
                    author=author_of(principal),
                    as_of=as_of.day,
                )
                if not kept:
                    raise Conflict(_changed(None))
            return _read(connection, wanted, as_of, is_shared=is_shared)


def _read(transaction: Transaction, symbol: str, as_of: AsOf, *, is_shared: bool) -> Thesis:
    every = dao.thesis_versions(transaction, symbol, is_shared=is_shared, most=MAX_VERSIONS)
    seen = [version for version in every if version.as_of <= as_of.day]
    return Thesis(symbol, is_shared, seen, every[0].number if every else 0)


def _changed(newest: VersionRow | None) -> str:
    who = newest.author if newest else "Somebody"
    return f"{who} wrote a newer version meanwhile. Nothing was lost: copy your text, read theirs, then write yours."
