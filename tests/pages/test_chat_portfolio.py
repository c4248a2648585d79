"""Chat about a portfolio on the shipped market: chosen, changed, cleared, gone; quick actions; what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from uuid import UUID
from zlib import crc32

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbench_module
from core.portfolio.portfolios import PortfolioInfo, PortfolioSettings
from core.principal import Principal, Role
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from pages.components import session
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.core.research.bundles_made import opened as opened_bundle
from tests.core.research.bundles_made import used
from tests.pages.signed_in import carry, open_page, open_session, press, words_of

PAGE = "chat.py"
DEMO = DATA / "demo" / "us_stocks.csv"
QUESTION = "How much is my portfolio worth?"
ELSEWHERE = "4a1f6c1e-8a52-4f0b-9a77-2d1c5b0e7f33"


@pytest.fixture(scope="module")
def working(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench with the shipped market; what tests leave in it, others find."""
    settings = {"OFFLINE_TOKEN_DELAY_MS": "0"}
    with (
        copied(server_url, template) as url,
        closing(open_workbench(make_settings(url, tmp_path_factory.mktemp("chat"), **settings))) as opened,
    ):
        opened.market.load_shipped()
        yield opened


@pytest.fixture(scope="module")
def made(working: Workbench) -> MakeMember:
    return member_factory(working)


@pytest.fixture
def ann(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Principal:
    """A signed-in owner, alone in an organisation of her own."""
    monkeypatch.setattr(workbench_module, "_current", working)
    who = made(f"ann-{crc32(request.node.name.encode())}", plan="basic")
    carry(open_session(working, who), monkeypatch)
    return who


@pytest.fixture
def filled(working: Workbench, ann: Principal) -> PortfolioInfo:
    """Her portfolio with the demo's transactions."""
    area = working.portfolio
    info = area.portfolios.create(ann, PortfolioSettings(name="Shares"))
    assert area.imports.run(ann, info.id, DEMO.read_bytes(), DEMO.name).is_imported
    return info


def _ask(app: AppTest, text: str) -> AppTest:
    app.chat_input[0].set_value(text).run(timeout=60)
    assert not app.exception
    return app


def _markup(app: AppTest) -> str:
    return " ".join(each.proto.body for each in app.get("html"))


def _choice(app: AppTest) -> str | None:
    found = next(each for each in app.selectbox if each.label == "Portfolio that the question is about")
    return None if found.value is None else str(found.value)


def _choose(app: AppTest, info: PortfolioInfo | None) -> AppTest:
    found = next(each for each in app.selectbox if each.label == "Portfolio that the question is about")
    return found.set_value(None if info is None else str(info.id)).run(timeout=60)


def test_a_question_about_the_portfolio_of_the_address_shows_steps_and_marks_for_one_query(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    app = open_page(PAGE, portfolio=str(filled.id))
    assert _choice(app) == str(filled.id)
    _ask(app, QUESTION)
    shown = _markup(app)
    assert "1 step" in shown
    assert "Holdings of Shares" in shown
    assert "figures verified" in shown or "figure verified" in shown
    last = " ".join(part.value for part in app.chat_message[-1].markdown)
    assert '"Verified' in last
    assert "(#c" in last
    assert used(working, ann) == 1
    row = working.conversations.latest(ann)[0]
    assert row.portfolio_id == filled.id
    assert _choice(app) == str(filled.id)


def test_the_portfolio_is_changed_and_cleared_and_kept_with_the_conversation(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    other = working.portfolio.portfolios.create(ann, PortfolioSettings(name="Other"))
    app = open_page(PAGE)
    assert _choice(app) is None
    _choose(app, filled)
    assert app.query_params["portfolio"] == str(filled.id)
    _ask(app, QUESTION)
    _choose(app, other)
    assert working.conversations.latest(ann)[0].portfolio_id == other.id
    _choose(app, None)
    assert working.conversations.latest(ann)[0].portfolio_id is None
    assert "portfolio" not in app.query_params
    assert not app.exception


def test_a_portfolio_that_nobody_knows_is_said_and_gone_on_without(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    app = open_page(PAGE, portfolio=ELSEWHERE)
    assert "There is no such portfolio" in words_of(app)
    press(app, "Go on without it")
    assert "There is no such portfolio" not in words_of(app)
    assert "portfolio" not in app.query_params


def test_a_portfolio_that_is_no_longer_shared_is_said_and_the_conversation_goes_on_without_it(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch, ann: Principal, filled: PortfolioInfo
) -> None:
    area = working.portfolio.portfolios
    area.change(ann, filled.id, PortfolioSettings(name="Shares", shared_with=Role.VIEWER.value))
    ben = made(f"ben-{filled.id.hex[-6:]}", plan="basic", org=ann.org_name, role=Role.ANALYST)
    exchange = working.assistant.ask(ben, QUESTION, portfolio_id=filled.id)
    exchange.session.result()
    area.change(ann, filled.id, PortfolioSettings(name="Shares"))
    carry(open_session(working, ben), monkeypatch)
    app = open_page(PAGE, conversation=str(exchange.conversation_id))
    assert "The portfolio of this conversation is not there" in words_of(app)
    before = used(working, ben)
    app = _ask(app, "And its return?")
    assert working.conversations.latest(ben)[0].portfolio_id is None
    assert used(working, ben) == before + 1
    assert not app.exception


def test_quick_actions_ask_for_one_query_and_the_bundle_answers_for_none(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    app = open_page(PAGE, portfolio=str(filled.id))
    assert "1 chat query each" in words_of(app)
    press(app, "Compare with the benchmark")
    assert not app.exception
    assert used(working, ann) == 1
    assert app.chat_message[0].text[0].value == "How did this portfolio do compared with its benchmark?"
    opened_bundle(working.bundles, ann, filled.id)
    counted = used(working, ann)
    app.run(timeout=60)
    press(app, "Latest filing · free")
    assert not app.exception
    assert "From the research bundle" in words_of(app)
    assert used(working, ann) == counted


def test_without_a_portfolio_a_symbol_can_be_typed(working: Workbench, ann: Principal) -> None:
    app = open_page(PAGE)
    labels = {each.label: each for each in app.button}
    assert labels["Sentiment"].disabled
    assert "Explain this drawdown" not in labels


def test_a_viewer_reads_which_portfolio_it_was_and_has_no_actions(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch, ann: Principal, filled: PortfolioInfo
) -> None:
    area = working.portfolio.portfolios
    area.change(ann, filled.id, PortfolioSettings(name="Shares", shared_with=Role.VIEWER.value))
    vic = made(f"vic-{filled.id.hex[-6:]}", plan="basic", org=ann.org_name, role=Role.ANALYST)
    exchange = working.assistant.ask(vic, QUESTION, portfolio_id=filled.id)
    exchange.session.result()
    monkeypatch.setattr(session, "current_principal", lambda: replace(vic, role=Role.VIEWER))
    app = open_page(PAGE, conversation=str(exchange.conversation_id))
    assert UUID(str(app.query_params["portfolio"])) == filled.id
    assert "Holdings of Shares" in _markup(app)
    assert "About Shares" in words_of(app)
    assert "Latest filing" not in [each.label for each in app.button]
