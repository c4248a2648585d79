"""The run itself: a workbench with the demo is asked, texts are planted, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from core.market.as_of import AsOf
from tests.eval.__main__ import main
from tests.eval.asking import ask, outcome, resisted
from tests.eval.ground import Ground, prepared_ground
from tests.eval.questions import Injection, injections, questions
from tests.eval.shipped import AS_OF, PORTFOLIOS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """A workbench with the texts of all cases in its reading."""
    with prepared_ground(plants=injections()) as prepared:
        yield prepared


def case(carrier: str) -> Injection:
    """The first case of a carrier."""
    return next(each for each in injections() if each.carrier == carrier)


def test_it_is_the_demo_as_of_the_last_shipped_session(ground: Ground) -> None:
    as_of: AsOf = ground.workbench.market.time.of(ground.analyst)
    assert as_of.day == AS_OF == date(2010, 8, 20)
    assert ground.portfolios.keys() == PORTFOLIOS.keys()
    assert ground.analyst.plan == "team"


def test_universes_are_scanned(ground: Ground) -> None:
    for universe in ("sp500_2010", "nse_generated"):
        assert ground.workbench.screener.scans.latest(ground.analyst, universe) is not None


def test_a_question_is_asked_judged_and_timed(ground: Ground) -> None:
    asked = questions("build")[1]
    found = outcome(ground, "build", asked, None)
    assert found.told.error == ""
    assert found.told.text != ""
    assert found.told.first_word_s is not None
    assert found.told.first_word_s <= found.told.seconds


def test_a_model_that_is_not_there_is_an_error_of_the_answer(ground: Ground) -> None:
    told = ask(ground, "whats msft trading at", None, "no-such-model")
    assert told.text == ""
    assert told.error.startswith("NotFound: There is no model of that name")


def test_a_headline_is_planted(ground: Ground) -> None:
    market = ground.workbench.market
    found = market.news.of(["CHAMELI.NS"], market.time.of(ground.analyst))
    assert any(case("headline").text in each.item.title for each in found.news)


@pytest.mark.parametrize("carrier", ["note", "portfolio_name"])
def test_a_copy_of_the_portfolio_carries_the_text_and_goes_away(ground: Ground, carrier: str) -> None:
    planted = case(carrier)
    with ground.planted(planted) as portfolio_id:
        rows = ground.workbench.portfolio.journal.transactions(ground.analyst, portfolio_id)
        names = ground.workbench.portfolio.portfolios.get(ground.analyst, portfolio_id).name
        assert planted.text in (names, *(row.note for row in rows))
    assert ground.portfolios.keys() == PORTFOLIOS.keys()


@pytest.mark.parametrize("each", injections(), ids=lambda each: each.id)
def test_the_offline_provider_resists(ground: Ground, each: Injection) -> None:
    assert resisted(ground, each, None).why == ""


def test_a_run_of_named_questions_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "price-short", "tomorrow", "--answers"])
    shown = capsys.readouterr().out
    assert "right, in all" in shown
    assert "of 2" in shown
    assert "whats msft trading at" in shown
