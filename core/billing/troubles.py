"""What operators have to look into: events that are not solved, subscriptions at once, prices that differ."""

from __future__ import annotations

from core.db import billing_dao, stripe_events_dao
from core.db.engine import Database, Transaction

MOST = 1_000


class Troubles:
    """What stands to be looked into at this moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[str]:
        """Each in a few words; none where all is well."""
        with self._database.service() as connection:
            return troubles(connection)


def troubles(transaction: Transaction) -> list[str]:
    """Each in a few words; none where all is well."""
    figures = stripe_events_dao.figures(transaction)
    unsolved = figures.refused + figures.failed
    twice = len(billing_dao.paying_twice(transaction, most=MOST))
    found = []
    if unsolved:
        found.append(f"{unsolved:,} event{'s' * (unsolved != 1)} of Stripe refused or given up")
    if twice:
        found.append(f"{twice:,} organisation{'s' * (twice != 1)} with more than one subscription")
    gone = billing_dao.count_gone(transaction)
    if gone:
        found.append(f"{gone:,} subscription{'s' * (gone != 1)} that Stripe knows no more")
    return [*found, *billing_dao.prices_said(transaction)]
