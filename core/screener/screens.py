"""Saved screens: a person's own or shared in the organisation, every version of them kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from core.accounts.permissions import Action, require
from core.db import screens_dao as dao
from core.db.engine import Database, Transaction
from core.db.screens_dao import ScreenRow
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.notebook.words import author_of, checked_line
from core.principal import Principal, Role
from core.screener.criteria import Screen, checked, from_json, to_json
from core.screener.presets import Preset

MAX_SCREENS = 200
"""Of one person in one organisation."""
MAX_SEEN = 1_000
MAX_VERSIONS = 1_000
MAX_NAME_CHARS = 80
MAX_JSON_CHARS = 50_000
SHARED_WITH: Mapping[str | None, str] = {
    None: "Only me",
    Role.VIEWER.value: "Everybody in the organisation",
    Role.ANALYST.value: "Analysts, admins and owners",
    Role.ADMIN.value: "Admins and owners",
}
"""With whom a screen can be shared: the least role that sees it, and what that is called."""
_NO_SUCH = "There is no such screen; it may have been deleted, or is no longer shared with you."


@dataclass(frozen=True, slots=True)
class SavedScreen:
    """A saved screen as it holds."""

    id: UUID
    name: str
    shared_with: str | None
    """The least role that sees it; None: its maker alone."""
    made_by: str
    is_own: bool
    version: int
    """From 1 on: what the next change is made after."""
    criteria: Mapping[str, Any]
    """Its conditions as JSON."""
    author: str
    """Who wrote this version."""
    created_at: datetime
    updated_at: datetime

    @property
    def screen(self) -> Screen:
        """Its conditions, in form; `checked` says whether they make sense today."""
        return from_json(self.criteria)


@dataclass(frozen=True, slots=True)
class ScreenVersion:
    """What a screen was called and asked for."""

    number: int
    name: str
    criteria: Mapping[str, Any]
    author: str
    created_at: datetime

    @property
    def screen(self) -> Screen:
        """Its conditions, as in `SavedScreen`."""
        return from_json(self.criteria)


class Screens:
    """Screens that a principal sees: their own, and those that are shared with their role."""

    def __init__(self, database: Database, presets: Mapping[str, Preset] = MappingProxyType({})) -> None:
        self._database = database
        self.presets = presets
        """The screens that the program ships with, by id: everybody's."""

    def all(self, principal: Principal) -> Sequence[SavedScreen]:
        """Every screen that the principal sees, their own first, by name."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return [_saved(row) for row in dao.screens(connection, most=MAX_SEEN)]

    def get(self, principal: Principal, screen_id: UUID) -> SavedScreen:
        """One screen.

        Raises:
            NotFound: none of that id that this caller sees.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _one(connection, screen_id)

    def versions(self, principal: Principal, screen_id: UUID) -> Sequence[ScreenVersion]:
        """Every version of a screen, the newest first; raises as `get`."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            _one(connection, screen_id)
            found = dao.versions(connection, screen_id, most=MAX_VERSIONS)
        return [ScreenVersion(row.number, row.name, row.criteria, row.author, row.created_at) for row in found]

    def create(self, principal: Principal, name: str, screen: Screen, *, shared_with: str | None = None) -> SavedScreen:
        """Saves a screen.

        Raises:
            InvalidRequest: a name or screen that cannot be, or too many screens; the sentence says which condition.
            Conflict: the principal has a screen of this name.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_SCREENS)
        named, criteria = _checked_name(name), _checked_criteria(screen)
        _check_shared(shared_with)
        with self._database.app(principal) as connection:
            return _create(connection, principal, named, criteria, shared_with)

    def change(
        self,
        principal: Principal,
        screen_id: UUID,
        *,
        name: str,
        screen: Screen,
        shared_with: str | None,
        after: int,
    ) -> SavedScreen:
        """Makes a screen what is given here, whole, after its version `after` was read.

        Another name or other conditions are a new version. Whoever sees the screen and may write changes what it asks
        for; its name, and with whom it is shared, are its maker's.

        Raises:
            NotFound: none of that id that this caller sees.
            Conflict: somebody changed it meanwhile, and what they wrote stays; or its maker has another of this name.
            InvalidRequest: as `create`, or it has too many versions.
            Forbidden: as `create`, or another's name or sharing.
        """
        require(principal, Action.KEEP_SCREENS)
        named, criteria = _checked_name(name), _checked_criteria(screen)
        _check_shared(shared_with)
        with self._database.app(principal) as connection:
            dao.lock_screen(connection, screen_id)
            current = _one(connection, screen_id)
            if current.version != after:
                raise Conflict(
                    f"{current.author} changed this screen meanwhile. Nothing was lost: look at theirs first."
                )
            if not current.is_own and (named, shared_with) != (current.name, current.shared_with):
                raise Forbidden(
                    "Your role may change what a shared screen asks for; its name and sharing are its maker's."
                )
            is_new = named != current.name or criteria != current.criteria
            if not is_new and shared_with == current.shared_with:
                return current
            if is_new and current.version >= MAX_VERSIONS:
                raise InvalidRequest(
                    f"A screen has at most {MAX_VERSIONS:,} versions; copy it, and go on with the copy."
                )
            number = current.version + is_new
            if not dao.change_screen(connection, screen_id, name=named, shared_with=shared_with, version=number):
                raise Conflict(_same_name(named))
            if is_new:
                _add_version(connection, principal, screen_id, number, named, criteria)
            return _one(connection, screen_id)

    def copy(self, principal: Principal, screen_id: UUID, name: str | None = None) -> SavedScreen:
        """A screen of the principal's own that asks for the same; shared with nobody.

        Without a name it is called after the other, with a number where that is taken. Raises as `get` and `create`.
        """
        require(principal, Action.KEEP_SCREENS)
        with self._database.app(principal) as connection:
            source = _one(connection, screen_id)
            named = _checked_name(name) if name is not None else _free_name(connection, source.name)
            return _create(connection, principal, named, source.criteria, None)

    def delete(self, principal: Principal, screen_id: UUID) -> None:
        """Deletes one's own screen with all its versions, or as an owner or admin a shared one.

        Raises:
            NotFound: none of that id that this caller sees.
            Forbidden: another's, a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_SCREENS)
        with self._database.app(principal) as connection:
            _one(connection, screen_id)
            if not dao.delete_screen(connection, screen_id):
                raise Forbidden("Your role may not delete another's screen; its maker, an owner or an admin can.")


def _create(
    transaction: Transaction, principal: Principal, name: str, criteria: Mapping[str, Any], shared_with: str | None
) -> SavedScreen:
    if dao.count_own(transaction) >= MAX_SCREENS:
        raise InvalidRequest(f"A person has at most {MAX_SCREENS} saved screens; delete one first.")
    screen_id = new_id()
    if not dao.add_screen(transaction, screen_id, name, shared_with, author_of(principal)):
        raise Conflict(_same_name(name))
    _add_version(transaction, principal, screen_id, 1, name, criteria)
    return _one(transaction, screen_id)


def _add_version(
    transaction: Transaction,
    principal: Principal,
    screen_id: UUID,
    number: int,
    name: str,
    criteria: Mapping[str, Any],
) -> None:
    dao.add_version(transaction, screen_id, number, name=name, criteria=criteria, author=author_of(principal))


def _one(transaction: Transaction, screen_id: UUID) -> SavedScreen:
    found = dao.screens(transaction, screen_id, most=1)
    if not found:
        raise NotFound(_NO_SUCH)
    return _saved(found[0])


def _saved(row: ScreenRow) -> SavedScreen:
    return SavedScreen(**{name: getattr(row, name) for name in ScreenRow.__dataclass_fields__})


def _free_name(transaction: Transaction, name: str) -> str:
    taken = {row.name for row in dao.screens(transaction, most=MAX_SEEN) if row.is_own}
    numbers = range(2, MAX_SCREENS + 3)
    endings = ["", " (copy)", *(f" (copy {number})" for number in numbers)]
    names = (name[: MAX_NAME_CHARS - len(ending)].rstrip() + ending for ending in endings)
    return next(each for each in names if each not in taken)


def _checked_name(name: str) -> str:
    return checked_line(name, MAX_NAME_CHARS, "name")


def _checked_criteria(screen: Screen) -> Mapping[str, Any]:
    criteria = to_json(checked(screen))
    if len(json.dumps(criteria)) > MAX_JSON_CHARS:
        raise InvalidRequest("This screen is too large to be kept; name fewer values in its lists.")
    return criteria


def _check_shared(shared_with: str | None) -> None:
    if shared_with not in SHARED_WITH:
        raise InvalidRequest("A screen is shared with viewers, analysts or admins and those above, or nobody.")


def _same_name(name: str) -> str:
    return f"There is a screen named {name} already; choose another name."
