"""The demo's verdicts: generated and said to be, of the generated market, on the books, scored by the usual code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from core.accounts.demo import ORGANISATION, USERS
from core.admin.demo_usage import MADE
from core.metering.books import audit
from core.principal import Principal
from core.screener.records import MINIMUM_N
from core.verdicts.demo import DAYS, PER_DAY, UNIVERSE
from core.verdicts.scoreboard import HORIZONS
from core.workbench import Workbench

pytestmark = pytest.mark.slow
VERDICTS = DAYS * PER_DAY
Service = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def analyst(workbench: Workbench) -> Principal:
    """Of a demo in a workbench that has its market."""
    workbench.market.load_shipped()
    workbench.make_demo()
    return workbench.directory.member(USERS[1].email, ORGANISATION)


def test_the_board_is_of_scores_that_were_computed_and_says_that_its_bars_are_generated(
    workbench: Workbench, analyst: Principal
) -> None:
    for horizon in HORIZONS:
        total = workbench.verdicts.scoreboard.of(analyst, horizon=horizon, include="retrospective").total
        assert total.n >= MINIMUM_N
        assert total.n + total.held + total.unscored == VERDICTS
        assert total.unscored == 0
        assert total.days == DAYS
        assert total.generated == total.n
        assert 0 < total.hits < total.n
    assert workbench.verdicts.scoreboard.of(analyst, include="prospective").total.n == 0
    assert workbench.verdicts.scoreboard.quality(analyst.org_id) == {}  # no model is preferred for it
    told = workbench.admin.quality.figures(workbench.directory.member(USERS[0].email, ORGANISATION)).verdicts
    assert sum(row.n for row in told) >= MINIMUM_N
    assert all(row.n_generated == row.n for row in told)


def test_each_says_that_it_is_generated_and_is_of_a_signal_that_the_screener_finds(
    workbench: Workbench, analyst: Principal, service: Service
) -> None:
    shown = workbench.verdicts.validations.page(analyst, most=VERDICTS + 1).verdicts
    assert len(shown) == VERDICTS
    for brief in shown[:PER_DAY]:
        verdict = workbench.verdicts.validations.get(analyst, brief.id)
        snapshot = workbench.verdicts.validations.snapshot(analyst, brief.id)
        assert verdict.validation.reasoning.startswith(MADE)
        assert verdict.is_generated
        assert verdict.is_retrospective
        assert (snapshot.universe_id, snapshot.is_generated) == (UNIVERSE, True)
        assert snapshot.levels.stop is not None
        assert verdict.numbers_total == 0
    row = service.execute(
        """
        SELECT count(*), bool_and(v.charged_usd = l.charged_usd AND v.model = l.model AND v.created_at = l.at),
            assay_now() - max(v.created_at), count(DISTINCT v.model) > 1
        FROM verdicts v JOIN usage_log l USING (org_id, request_id) WHERE l.channel = 'demo' AND l.hold_id IS NOT NULL
        """
    ).fetchone()
    assert row is not None
    assert (row[0], row[1], row[3]) == (VERDICTS, True, True)
    assert row[2] > timedelta(days=14)
    assert audit(workbench.database).balances


def test_they_are_left_once_and_anew_in_a_new_demo(workbench: Workbench, analyst: Principal, service: Service) -> None:
    count = "SELECT (SELECT count(*) FROM verdicts), (SELECT count(*) FROM verdict_scores)"
    assert service.execute(count).fetchall() == [(VERDICTS, VERDICTS)]
    workbench.make_demo()
    assert service.execute(count).fetchall() == [(VERDICTS, VERDICTS)]
    workbench.make_demo(as_new=True)
    assert service.execute(count).fetchall() == [(2 * VERDICTS, 2 * VERDICTS)]


def test_without_its_market_the_demo_has_none_until_it_is_there(workbench: Workbench, service: Service) -> None:
    workbench.make_demo()
    assert service.execute("SELECT count(*) FROM verdicts").fetchall() == [(0,)]
    workbench.market.load_shipped()
    workbench.make_demo()
    assert service.execute("SELECT count(*) FROM verdicts").fetchall() == [(VERDICTS,)]
