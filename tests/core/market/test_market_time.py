"""The as-of date: where it comes from, and how a user chooses another one for their session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core.clock import SystemClock
from core.errors import Forbidden, InvalidRequest, Unauthenticated
from core.market.as_of import Reason
from core.market.market_time import MarketTime
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.accounts.sign_ins import new_session, new_token

FIRST, LAST, THEN = date(2000, 3, 1), date(2010, 8, 20), date(2010, 3, 5)


def _time(workbench: Workbench, *, is_live: bool = False) -> MarketTime:
    return MarketTime(workbench.database, SystemClock(), is_live=is_live, first_day=FIRST, last_session=LAST)


def _read(workbench: Workbench, cookie: str) -> Principal:
    found = workbench.accounts.principal_of_session(cookie)
    assert found is not None
    return found


def test_without_a_live_source_it_is_the_last_shipped_session(workbench: Workbench, member: MakeMember) -> None:
    seen = _time(workbench).of(member("ann"))
    assert (seen.day, seen.reason, seen.is_live) == (LAST, Reason.SHIPPED, False)
    assert seen.moment == datetime(2010, 8, 20, 23, 59, 59, 999999, tzinfo=UTC)


def test_with_a_live_source_it_is_today(workbench: Workbench, member: MakeMember) -> None:
    seen = _time(workbench, is_live=True).of(member("ann"))
    assert (seen.day, seen.reason) == (seen.now.date(), Reason.LIVE)


def test_a_chosen_date_is_that_of_the_session_and_of_no_other(workbench: Workbench, member: MakeMember) -> None:
    who = member("ann")
    here, there, token = (make(workbench, who) for make in (new_session, new_session, new_token))
    for market_time in (_time(workbench), _time(workbench, is_live=True)):
        market_time.choose(_read(workbench, here), THEN)
        seen = market_time.of(_read(workbench, here))
        assert (seen.day, seen.reason) == (THEN, Reason.CHOSEN)
        assert market_time.of(_read(workbench, there)).reason is not Reason.CHOSEN
        assert market_time.of(workbench.accounts.principal_of_token(token)).reason is market_time.default().reason
        assert workbench.accounts.principal_of_token(token).as_of is None
        assert market_time.choose(_read(workbench, here), None).reason is not Reason.CHOSEN
        assert _read(workbench, here).as_of is None


def test_dates_that_have_not_passed_or_that_nothing_is_shipped_of_are_refused(
    workbench: Workbench, member: MakeMember
) -> None:
    cookie = new_session(workbench, member("ann"))
    today = SystemClock().now().date()
    for day in (today, today + timedelta(days=1), date.max):
        with pytest.raises(InvalidRequest, match="has not passed"):
            _time(workbench).choose(_read(workbench, cookie), day)
    for day in (FIRST - timedelta(days=1), date.min):
        with pytest.raises(InvalidRequest, match="begins on Wed 1 Mar 2000"):
            _time(workbench).choose(_read(workbench, cookie), day)
    assert _read(workbench, cookie).as_of is None
    assert _time(workbench).choose(_read(workbench, cookie), FIRST).day == FIRST


def test_only_an_open_session_can_be_put_elsewhere(workbench: Workbench, member: MakeMember) -> None:
    who = member("ann")
    token = workbench.accounts.principal_of_token(new_token(workbench, who))
    for nobody in (token, who):
        with pytest.raises(Forbidden, match="token"):
            _time(workbench).choose(nobody, THEN)
    cookie = new_session(workbench, who)
    principal = _read(workbench, cookie)
    with pytest.raises(Unauthenticated):
        _time(workbench).choose(replace(principal, user_id=member("bob").user_id), THEN)
    workbench.accounts.sign_out(cookie)
    with pytest.raises(Unauthenticated):
        _time(workbench).choose(principal, THEN)
