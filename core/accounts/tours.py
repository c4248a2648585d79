"""Tours: whether somebody has been shown around."""

from __future__ import annotations

from core.accounts.permissions import Action, require
from core.db import tours_dao as dao
from core.db.engine import Database
from core.principal import Principal


class Tours:
    """Offers a tour of the pages once to each user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_ended(self, principal: Principal) -> bool:
        """Whether the principal was shown around, or did not want to be."""
        require(principal, Action.READ)
        with self._database.single() as connection:
            return dao.has_ended(connection, principal.user_id)

    def end(self, principal: Principal) -> None:
        """Does not offer it again."""
        require(principal, Action.KEEP_PROFILE)
        with self._database.service() as transaction:
            dao.end(transaction, principal.user_id)
