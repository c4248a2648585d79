"""Which date a principal sees the market as of, and the choice of another one for their session."""

from __future__ import annotations

from datetime import date, timedelta

from core.clock import Clock
from core.db import sign_in_dao
from core.db.engine import Database
from core.errors import Forbidden, InvalidRequest, Unauthenticated
from core.market.as_of import AsOf, Reason
from core.principal import Principal


class MarketTime:
    """The as-of date: today on live sources, otherwise the last shipped session, or the one that a user chose."""

    def __init__(self, database: Database, clock: Clock, *, is_live: bool, first_day: date, last_session: date) -> None:
        """`is_live` says whether a live quote source is configured; the days are of the shipped history."""
        self._database = database
        self._clock = clock
        self._is_live = is_live
        self.first_day = first_day
        """Of the first shipped bar: no earlier date can be chosen."""
        self.last_session = last_session
        """Of the default universe."""

    @property
    def latest_choice(self) -> date:
        """The last date that can be chosen: yesterday."""
        return self._clock.now().date() - timedelta(days=1)

    def of(self, principal: Principal) -> AsOf:
        """The date that this principal's session is at."""
        return self._as_of(principal.as_of)

    def default(self) -> AsOf:
        """The date where nobody chose one: of jobs, commands and tokens."""
        return self._as_of(None)

    def choose(self, principal: Principal, day: date | None) -> AsOf:
        """Puts the principal's session at a past date, or with None back; every page of the session follows.

        Raises:
            InvalidRequest: a date that is not past, or before the first shipped bar.
            Forbidden: a token, which has no session.
            Unauthenticated: the session has ended.
        """
        if principal.via != "session" or principal.credential_id is None:
            raise Forbidden("A token may not choose the date of the market; sign in to do that.")
        if day is not None:
            self._check(day)
        with self._database.service() as connection:
            if not sign_in_dao.set_as_of(connection, principal.credential_id, principal.user_id, day):
                raise Unauthenticated("Your session has ended; sign in again.")
        return self._as_of(day)

    def _check(self, day: date) -> None:
        if day > self.latest_choice:
            raise InvalidRequest(f"The market can be seen as of a past date, and {spoken(day)} has not passed.")
        if day < self.first_day:
            raise InvalidRequest(f"The shipped history begins on {spoken(self.first_day)}; choose that day or later.")

    def _as_of(self, chosen: date | None) -> AsOf:
        now = self._clock.now()
        if chosen is not None:
            return AsOf(chosen, Reason.CHOSEN, now)
        if self._is_live:
            return AsOf(now.date(), Reason.LIVE, now)
        return AsOf(self.last_session, Reason.SHIPPED, now)


def spoken(day: date) -> str:
    """A date as pages say it: Fri 20 Aug 2010."""
    return f"{day:%a} {day.day} {day:%b %Y}"
