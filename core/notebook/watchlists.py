"""Watchlists: named lists of symbols in an order, a person's own or shared in the organisation."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.accounts.permissions import Action, require
from core.db import notebook_dao as dao
from core.db.engine import Database, Transaction
from core.db.notebook_dao import WatchlistRow
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.market.symbols import checked_symbol
from core.notebook.words import author_of, checked_line
from core.principal import Principal, Role

MAX_LISTS = 50
"""Of one person in one organisation."""
MAX_SEEN = 500
MAX_SYMBOLS = 500
MAX_NAME_CHARS = 80
SHARED_WITH: dict[str | None, str] = {
    None: "Only me",
    Role.VIEWER.value: "Everybody in the organisation",
    Role.ANALYST.value: "Analysts, admins and owners",
    Role.ADMIN.value: "Admins and owners",
}
"""With whom a list can be shared: the least role that sees it, and what that is called."""
_NO_SUCH = "There is no such watchlist; it may have been deleted."


class Watchlists:
    """Watchlists that a principal sees: their own, and those that are shared with their role."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, principal: Principal) -> Sequence[WatchlistRow]:
        """Every list that the principal sees, their own first, the oldest first."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return dao.watchlists(connection, most=MAX_SEEN)

    def get(self, principal: Principal, watchlist_id: UUID) -> WatchlistRow:
        """One list.

        Raises:
            NotFound: none of that id that this caller sees.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _one(connection, watchlist_id)

    def create(
        self, principal: Principal, name: str, *, symbols: Sequence[str] = (), shared_with: str | None = None
    ) -> WatchlistRow:
        """Makes a list.

        Raises:
            InvalidRequest: a name or symbol that cannot be, too many symbols or lists.
            Conflict: the principal has a list of this name.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        named, wanted = _checked_name(name), _checked_symbols(symbols)
        _check_shared(shared_with)
        with self._database.app(principal) as connection:
            own = [each for each in dao.watchlists(connection, most=MAX_SEEN) if each.is_own]
            if len(own) >= MAX_LISTS:
                raise InvalidRequest(f"A person has at most {MAX_LISTS} watchlists; delete one first.")
            watchlist_id = new_id()
            if not dao.add_watchlist(connection, watchlist_id, named, shared_with, author_of(principal)):
                raise Conflict(_same_name(named))
            dao.add_symbols(connection, watchlist_id, wanted)
            return _one(connection, watchlist_id)

    def change(
        self, principal: Principal, watchlist_id: UUID, *, name: str, shared_with: str | None = None
    ) -> WatchlistRow:
        """Renames one's own list, and shares it with a least role, or with nobody; raises as `create` and `get`."""
        require(principal, Action.KEEP_NOTES)
        named = _checked_name(name)
        _check_shared(shared_with)
        with self._database.app(principal) as connection:
            if not _one(connection, watchlist_id).is_own:
                raise Forbidden("Your role may change what is on a shared list; its name is its maker's.")
            if not dao.change_watchlist(connection, watchlist_id, named, shared_with):
                raise Conflict(_same_name(named))
            return _one(connection, watchlist_id)

    def delete(self, principal: Principal, watchlist_id: UUID) -> None:
        """Deletes one's own list, or as an owner or admin a shared one.

        Raises:
            NotFound: none of that id that this caller sees.
            Forbidden: another's, a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        with self._database.app(principal) as connection:
            _one(connection, watchlist_id)
            if not dao.delete_watchlist(connection, watchlist_id):
                raise Forbidden("Your role may not delete another's list; its maker, an owner or an admin can.")

    def add(self, principal: Principal, watchlist_id: UUID, *symbols: str) -> WatchlistRow:
        """Puts symbols at the end of a list, all or none; those that are on it stay where they are.

        Raises:
            NotFound: none of that id that this caller sees.
            InvalidRequest: what cannot be a symbol, or the list is full.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        wanted = _checked_symbols(symbols)
        with self._database.app(principal) as connection:
            found = _locked(connection, watchlist_id)
            new = [symbol for symbol in wanted if symbol not in found.symbols]
            if len(found.symbols) + len(new) > MAX_SYMBOLS:
                raise InvalidRequest(f"A watchlist takes at most {MAX_SYMBOLS} symbols; take one off first.")
            dao.add_symbols(connection, watchlist_id, new)
            return _one(connection, watchlist_id)

    def remove(self, principal: Principal, watchlist_id: UUID, symbol: str) -> WatchlistRow:
        """Takes a symbol off a list; one that is not on it is passed over. Raises as `add`."""
        require(principal, Action.KEEP_NOTES)
        wanted = checked_symbol(symbol)
        with self._database.app(principal) as connection:
            _locked(connection, watchlist_id)
            dao.remove_symbol(connection, watchlist_id, wanted)
            return _one(connection, watchlist_id)

    def reorder(self, principal: Principal, watchlist_id: UUID, symbols: Sequence[str]) -> WatchlistRow:
        """Puts these symbols first, in this order; what somebody added meanwhile follows. Raises as `add`."""
        require(principal, Action.KEEP_NOTES)
        wanted = _checked_symbols(symbols)
        with self._database.app(principal) as connection:
            _locked(connection, watchlist_id)
            dao.reorder_symbols(connection, watchlist_id, wanted)
            return _one(connection, watchlist_id)


def _one(transaction: Transaction, watchlist_id: UUID) -> WatchlistRow:
    found = dao.watchlists(transaction, watchlist_id, most=1)
    if not found:
        raise NotFound(_NO_SUCH)
    return found[0]


def _locked(transaction: Transaction, watchlist_id: UUID) -> WatchlistRow:
    """The list, which nobody else changes meanwhile, as it is once it was locked."""
    dao.lock_watchlist(transaction, watchlist_id)
    return _one(transaction, watchlist_id)


def _checked_name(name: str) -> str:
    return checked_line(name, MAX_NAME_CHARS, "name")


def _checked_symbols(symbols: Sequence[str]) -> list[str]:
    if len(symbols) > MAX_SYMBOLS:
        raise InvalidRequest(f"A watchlist takes at most {MAX_SYMBOLS} symbols.")
    return list(dict.fromkeys(map(checked_symbol, symbols)))


def _check_shared(shared_with: str | None) -> None:
    if shared_with not in SHARED_WITH:
        raise InvalidRequest("A watchlist is shared with viewers, analysts or admins and those above, or nobody.")


def _same_name(name: str) -> str:
    return f"You have a watchlist named {name} already."
