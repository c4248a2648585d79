"""Universes: the sets that are screened, shipped ones and those that an organisation brings."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.db import instruments_dao as dao
from core.db.engine import Database
from core.db.instruments_dao import MemberRow, UniverseRow
from core.errors import Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.market.symbols import EXCHANGES, checked_symbol, visible
from core.principal import Principal, Role, Scope

MAX_OWN_UNIVERSES = 20
MAX_MEMBERS = 20_000
MAX_TITLE_CHARS = 80
MAX_SOURCE_CHARS = 500
_NO_SUCH = "There is no such universe."


class Universes:
    """Universes that a principal may screen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, principal: Principal) -> Sequence[UniverseRow]:
        """Shipped universes, the default first, then the organisation's own."""
        with self._database.app(principal) as connection:
            return dao.universes(connection)

    def get(self, principal: Principal, universe_id: str) -> UniverseRow:
        """A universe.

        Raises:
            NotFound: none of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            return _one(dao.universes(connection, universe_id))

    def members(self, principal: Principal, universe_id: str) -> Sequence[MemberRow]:
        """The members of a universe, in order; raises as `get`."""
        with self._database.app(principal) as connection:
            return dao.members(connection, _one(dao.universes(connection, universe_id)))

    def of_job(self, universe_id: str, org_id: UUID | None) -> tuple[UniverseRow, Sequence[MemberRow]]:
        """A universe that an organisation may screen, or everybody, and its members; for jobs.

        Raises:
            NotFound: there is none of that id (any more).
        """
        with self._database.service() as connection:
            dao.bind(connection, org_id)
            universe = _one(dao.universes(connection, universe_id))
            return universe, dao.members(connection, universe)

    def exchange_of_job(self, universe_id: str, org_id: UUID | None) -> str | None:
        """Where most members of a universe are listed, whenever; None where nothing says, or it is gone; for jobs."""
        with self._database.service() as connection:
            return dao.usual_exchange(connection, universe_id, org_id)

    def check(self, principal: Principal, title: str, members: Sequence[MemberRow], *, source: str) -> None:
        """Raises what `replace` would of these, and changes nothing."""
        require_analyst(principal)
        _line(source, MAX_SOURCE_CHARS, "source")
        named = checked_title(title)
        _checked(members)
        with self._database.app(principal) as connection:
            _require_room(dao.universes(connection), named)

    def replace(
        self,
        principal: Principal,
        title: str,
        members: Sequence[MemberRow],
        *,
        source: str,
        licence: str = "",
        is_generated: bool = False,
    ) -> UniverseRow:
        """Makes or replaces the organisation's universe of this title, whole or not at all.

        Raises:
            InvalidRequest: no title, no members, too many, one given twice, or a symbol or exchange that cannot be.
            Forbidden: a viewer, or a token that may only read.
        """
        require_analyst(principal)
        named = checked_title(title)
        rows = _checked(members)
        first = [row.first_day for row in rows if row.first_day is not None]
        last = [row.last_day for row in rows if row.last_day is not None]
        with self._database.app(principal) as connection:
            _require_room(dao.universes(connection), named)
            universe_id = dao.put_own_universe(
                connection,
                new_id(),
                title=named,
                source=_line(source, MAX_SOURCE_CHARS, "source"),
                licence=_line(licence, MAX_SOURCE_CHARS, "licence"),
                is_generated=is_generated,
                first_day=min(first, default=None),
                last_day=max(last, default=None),
                updated_by=principal.name or principal.email.partition("@")[0],
            )
            dao.put_own_members(connection, universe_id, rows)
            return _one(dao.universes(connection, str(universe_id)))

    def delete(self, principal: Principal, universe_id: str) -> None:
        """Deletes one of the organisation's universes; bars stay.

        Raises:
            NotFound: it has none of that id.
            Forbidden: as `replace`.
        """
        require_analyst(principal)
        with self._database.app(principal) as connection:
            if not dao.delete_own_universe(connection, universe_id):
                raise NotFound(_NO_SUCH)


def require_analyst(principal: Principal) -> None:
    """Does nothing for those who may bring market data of their own.

    Raises:
        Forbidden: a viewer, or a token that may only read.
    """
    if principal.role is Role.VIEWER:
        raise Forbidden("As a viewer you may not bring data; an admin of your organisation can change your role.")
    if Scope.ASK not in principal.scopes:
        raise Forbidden(f"This token lacks the scope {Scope.ASK}, which bringing data takes.")


def checked_title(title: str) -> str:
    """A universe's title as it is kept: in one line, with single spaces.

    Raises:
        InvalidRequest: nothing is left of it, or it is too long.
    """
    named = _line(title, MAX_TITLE_CHARS, "title")
    if not named:
        raise InvalidRequest("A universe needs a title.")
    return named


def _require_room(found: Sequence[UniverseRow], title: str) -> None:
    own = {each.title for each in found if each.is_own}
    if len(own) >= MAX_OWN_UNIVERSES and title not in own:
        raise InvalidRequest(f"An organisation has at most {MAX_OWN_UNIVERSES} universes; delete one first.")


def _one(found: Sequence[UniverseRow]) -> UniverseRow:
    if not found:
        raise NotFound(_NO_SUCH)
    return found[0]


def _checked(members: Sequence[MemberRow]) -> list[MemberRow]:
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise InvalidRequest(f"A universe has 1 to {MAX_MEMBERS:,} members.")
    rows: dict[str, MemberRow] = {}
    for each in members:
        symbol = checked_symbol(each.symbol)
        if symbol in rows:
            raise InvalidRequest(f"{symbol} is given twice.")
        exchange = EXCHANGES.get(each.exchange)
        if exchange is None:
            raise InvalidRequest(f"{symbol}: there is no exchange {each.exchange[:20]!r}; XNYS or XNSE are such.")
        rows[symbol] = MemberRow(
            symbol=symbol,
            name=_line(each.name, 200, "name") or symbol,
            sector=_line(each.sector, 200, "sector"),
            exchange=exchange.code,
            currency=each.currency or exchange.currency,
            first_day=each.first_day,
            last_day=each.last_day,
        )
    return list(rows.values())


def _line(text: str, most: int, what: str) -> str:
    line = " ".join(visible(text[: 10 * most]).split())
    if len(line) > most:
        raise InvalidRequest(f"A {what} takes at most {most} characters.")
    return line
