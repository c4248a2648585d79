"""The Portfolio page on the shipped market: created, filled by form and file, read, corrected, analysed, rebalanced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from zlib import crc32

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbench_module
from core.portfolio.portfolios import PortfolioInfo, PortfolioSettings
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal, Role
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from pages.components import portfolio_sections
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of

PAGE = "portfolio.py"
DEMO = DATA / "demo" / "us_stocks.csv"
LATEST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def working(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench with the shipped market; what tests leave in it, others find."""
    with (
        copied(server_url, template) as url,
        closing(open_workbench(make_settings(url, tmp_path_factory.mktemp("portfolio")))) as opened,
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
    who = made(f"ann-{crc32(request.node.name.encode())}", plan="team")
    carry(open_session(working, who), monkeypatch)
    return who


@pytest.fixture
def filled(working: Workbench, ann: Principal) -> PortfolioInfo:
    """Her portfolio with the demo's transactions, which everybody in her organisation sees."""
    area = working.portfolio
    info = area.portfolios.create(ann, PortfolioSettings(name="Shares", shared_with=Role.VIEWER.value))
    assert area.imports.run(ann, info.id, DEMO.read_bytes(), DEMO.name).is_imported
    return info


def test_without_a_portfolio_the_page_says_what_to_do(ann: Principal) -> None:
    app = open_page(PAGE)
    assert "No portfolio yet" in words_of(app)
    assert [each.label for each in app.button if each.key == "portfolio_first"] == ["New portfolio"]


def test_a_viewer_is_told_that_they_make_none(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench_module, "_current", working)
    owner = made("olga-viewers", plan="team")
    viewer = made("vic-viewers", plan="team", role=Role.VIEWER, org=owner.org_name)
    carry(open_session(working, viewer), monkeypatch)
    app = open_page(PAGE)
    assert "As a viewer you see portfolios" in words_of(app)
    assert not [each for each in app.button if each.label == "New portfolio"]


def test_an_empty_portfolio_offers_an_import_and_takes_a_purchase_by_hand(working: Workbench, ann: Principal) -> None:
    info = working.portfolio.portfolios.create(ann, PortfolioSettings(name="New", has_cash=False))
    app = open_page(PAGE)
    assert "Nothing is entered yet" in words_of(app)
    _enter_by_hand(app, info)
    _field(app, "Symbol").set_value("AAPL")
    _field(app, "Quantity").set_value("10.5")
    _field(app, "Price of a share").set_value("208.99")
    _field(app, "Fees").set_value("4.95")
    app.date_input[0].set_value(date(2010, 3, 1))
    press(app, "Enter")
    assert not app.exception
    rows = working.portfolio.journal.transactions(ann, info.id)
    assert [(row.kind, row.symbol, row.quantity, row.fees) for row in rows] == [
        (Kind.BUY, "AAPL", Decimal("10.5"), Decimal("4.95"))
    ]
    assert {metric.label for metric in app.metric} >= {"Value", "Total gain", "Time-weighted return"}


def test_what_cannot_be_entered_is_said_in_the_form_and_what_was_typed_stays(
    working: Workbench, ann: Principal
) -> None:
    info = working.portfolio.portfolios.create(ann, PortfolioSettings(name="New"))
    app = open_page(PAGE)
    _enter_by_hand(app, info)
    _field(app, "Symbol").set_value("AAPL")
    _field(app, "Quantity").set_value("1,5")
    _field(app, "Price of a share").set_value("208.99")
    press(app, "Enter")
    assert "Quantity: write the number with a point" in words_of(app)
    assert _field(app, "Quantity").value == "1,5"
    assert not working.portfolio.journal.transactions(ann, info.id)


@pytest.mark.parametrize("tab", list(portfolio_sections.SECTIONS))
def test_every_part_is_drawn_and_only_the_open_one(filled: PortfolioInfo, tab: str) -> None:
    app = open_page(PAGE, tab=tab, portfolio=str(filled.id))
    assert not app.exception
    assert not app.error
    labels = [metric.label for metric in app.metric]
    assert labels[:6] == [
        "Value", "Day's change", "Total gain", "Time-weighted return", "Money-weighted return", "Cash",
    ]  # fmt: skip
    assert (
        "is of the last session" in (words := words_of(app)) or "stale" in words or "are of the last session" in words
    )
    assert app.query_params["tab"] in (tab, [tab])
    only = {"Income": "Yield on value", "Performance": "SP500, time-weighted"}
    assert [name for name, label in only.items() if label in labels] == [name for name in only if name == tab]


def test_the_ribbon_is_the_reports(working: Workbench, ann: Principal, filled: PortfolioInfo) -> None:
    app = open_page(PAGE)
    report = working.portfolio.reports.of(ann, filled.id)
    assert report.ribbon.value is not None
    assert app.metric[0].value.replace(",", "").lstrip("$").startswith(f"{report.ribbon.value:.2f}"[:6])


def test_a_transaction_is_reversed_after_a_question_and_stays_in_the_history(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    journal = working.portfolio.journal
    fee = journal.add(ann, filled.id, [Draft(Kind.FEE, LATEST, "USD", amount=Decimal(3))])[0]
    app = _opened(filled, str(fee.id))
    key = f"portfolio_{filled.id.hex}_transactions_{fee.id.hex}_reverse"
    confirm(app, key)
    rows = {row.id: row for row in journal.transactions(ann, filled.id)}
    assert not rows[fee.id].is_in_force
    assert rows[fee.id].reversed_by in rows


def test_a_transaction_is_corrected_in_one_step(working: Workbench, ann: Principal, filled: PortfolioInfo) -> None:
    journal = working.portfolio.journal
    fee = journal.add(ann, filled.id, [Draft(Kind.FEE, LATEST, "USD", amount=Decimal(3))])[0]
    app = _opened(filled, str(fee.id))
    next(each for each in app.toggle if each.label == "Correct").set_value(True).run()
    _field(app, "Amount").set_value("4.25")
    press(app, "Reverse and enter this")
    assert not app.exception
    last = journal.transactions(ann, filled.id)[-1]
    assert (last.kind, last.amount, last.is_in_force) == (Kind.FEE, Decimal("4.25"), True)
    assert not next(row for row in journal.transactions(ann, filled.id) if row.id == fee.id).is_in_force


def test_its_maker_names_shares_and_deletes_it(working: Workbench, ann: Principal, filled: PortfolioInfo) -> None:
    key = "portfolio_choice_settings"
    app = open_page(PAGE)
    app.button(key=key).click().run()
    form = f"{key}_form_{filled.id}"
    app.button(key=key).click()
    app.text_input(key=f"{form}_name").set_value("Renamed")
    app.selectbox(key=f"{form}_seen").set_value(Role.ADMIN.value)
    app.button(key=f"{form}_save").click().run()
    assert not app.exception
    now = working.portfolio.portfolios.get(ann, filled.id)
    assert (now.name, now.shared_with) == ("Renamed", Role.ADMIN.value)
    confirm(app, "portfolio_choice_delete")
    assert not working.portfolio.portfolios.all(ann)


def test_one_portfolio_more_than_the_plan_has_is_refused_in_the_dialog(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench_module, "_current", working)
    who = made("fay-with-one", plan="free")
    working.portfolio.portfolios.create(who, PortfolioSettings(name="The one"))
    carry(open_session(working, who), monkeypatch)
    key = "portfolio_choice_new"
    app = open_page(PAGE)
    app.button(key=key).click().run()
    app.button(key=key).click()
    app.text_input(key=f"{key}_form_name").set_value("Another")
    app.button(key=f"{key}_form_save").click().run()
    assert "has room for one portfolio" in words_of(app)
    assert len(working.portfolio.portfolios.all(who)) == 1


def test_a_viewer_sees_a_shared_portfolio_and_no_button_that_they_may_not_press(
    working: Workbench, made: MakeMember, filled: PortfolioInfo, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = made("vic-shared", plan="team", role=Role.VIEWER, org=ann.org_name)
    carry(open_session(working, viewer), monkeypatch)
    for tab in ("Transactions", "Risk", "Rebalance"):
        app = open_page(PAGE, tab=tab)
        assert not app.exception
        pressed = {each.label for each in app.button}
        assert pressed.isdisjoint({"New portfolio", "Settings and sharing", "Delete", "Analyse", "Save targets"})
        assert not [each for each in app.segmented_control if portfolio_sections.ENTER in each.options]


def test_an_analysis_says_what_it_uses_counts_once_and_is_free_when_it_is_seen_again(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    app = open_page(PAGE, tab="Risk")
    assert "It uses 1 portfolio analysis" in words_of(app)
    used = working.usage.quota(ann, portfolio_sections.QUOTA).used
    press(app, "Analyse")
    assert not app.exception
    labels = [metric.label for metric in app.metric]
    assert {"Sharpe ratio", "Sortino ratio", "Beta", "R²", "Maximum drawdown", "VaR 95 %", "CVaR 95 %"} <= set(labels)
    app.run()
    assert working.usage.quota(ann, portfolio_sections.QUOTA).used == used + 1
    helps = {metric.label: metric.proto.help for metric in app.metric}
    assert "n " in helps["Sharpe ratio"]


def test_another_window_or_bound_is_an_analysis_of_its_own(ann: Principal, filled: PortfolioInfo) -> None:
    app = open_page(PAGE, tab="Risk")
    key = f"portfolio_{filled.id.hex}_risk_request"
    app.number_input(key=f"{key}_most").set_value(60.0).run()
    assert not app.exception
    assert "It uses 1 portfolio analysis" in words_of(app)


def test_returns_stand_beside_another_benchmark(ann: Principal, filled: PortfolioInfo) -> None:
    app = open_page(PAGE, tab="Performance")
    app.text_input(key=f"portfolio_{filled.id.hex}_performance_benchmark").set_value("msft").run()
    assert not app.exception
    beside = {metric.label: metric.value for metric in app.metric}
    assert beside["MSFT, time-weighted"] != "n/a"
    app.text_input(key=f"portfolio_{filled.id.hex}_performance_benchmark").set_value("NONE").run()
    assert {metric.label: metric.value for metric in app.metric}["NONE, time-weighted"] == "n/a"


def test_targets_lead_to_proposed_trades_and_nothing_is_sent(
    working: Workbench, ann: Principal, filled: PortfolioInfo
) -> None:
    held = [line.symbol for line in working.portfolio.reports.of(ann, filled.id).holdings]
    app = open_page(PAGE, tab="Rebalance")
    press(app, "Equal weights")
    press(app, "Save targets")
    assert not app.exception
    assert set(working.portfolio.rebalancing.targets.get(ann, filled.id)) == set(held)
    app = open_page(PAGE, tab="Rebalance")
    assert "nothing is sent to any broker" in words_of(app)
    assert {"Trades", "Costs", "Turnover", "Cash after"} <= {metric.label for metric in app.metric}


def _field(app: AppTest, label: str):  # type: ignore[no-untyped-def]  # the kinds of inputs differ
    return next(each for each in app.text_input if each.label == label)


def _enter_by_hand(app: AppTest, info: PortfolioInfo) -> None:
    key = f"portfolio_{info.id.hex}_transactions_begin"
    app.segmented_control(key=key).set_value(portfolio_sections.ENTER).run()


def _opened(info: PortfolioInfo, transaction_id: str) -> AppTest:
    app = open_page(PAGE, tab="Transactions")
    return app.selectbox(key=f"portfolio_{info.id.hex}_transactions_open").set_value(transaction_id).run()
