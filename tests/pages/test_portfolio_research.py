"""The research part of the Portfolio page: agreed to once, opened for three chat queries, then read for none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID
from zlib import crc32

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbench_module
from core.principal import Principal, Role
from core.research.bundle import PARTS
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.core.research.bundles_made import GENERATED, assert_balanced, bought, opened, portfolio, settled, used
from tests.pages.signed_in import carry, open_page, open_session, press, words_of

PAGE = "portfolio.py"
AGREE = "Agree and open · 3 chat queries"


@pytest.fixture(scope="module")
def working(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench with the shipped market; what tests leave in it, others find."""
    with (
        copied(server_url, template) as url,
        closing(open_workbench(make_settings(url, tmp_path_factory.mktemp("research")))) as opened_bench,
    ):
        opened_bench.market.load_shipped()
        yield opened_bench


@pytest.fixture(scope="module")
def made(working: Workbench) -> MakeMember:
    return member_factory(working)


@pytest.fixture
def ann(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Principal:
    """A signed-in owner on the free plan, alone in an organisation of her own."""
    monkeypatch.setattr(workbench_module, "_current", working)
    who = made(f"ann-{crc32(request.node.name.encode())}")
    carry(open_session(working, who), monkeypatch)
    return who


def test_before_the_first_opening_it_says_what_it_uses_and_uses_nothing(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED)
    app = _open(held)
    words = words_of(app)
    assert "uses 3 chat queries, whatever the size of the portfolio" in words
    assert "10 of 10 chat queries left today" in words
    assert [button.label for button in app.button if "Agree" in button.label] == [AGREE]
    assert used(working, ann) == 0
    assert not working.bundles.state(ann, held).is_making


def test_opening_uses_three_chat_queries_once_and_no_rerun_uses_more(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED)
    app = _agreed(working, ann, held)
    assert used(working, ann) == 3
    words = words_of(app)
    assert "by rule, no model was asked" in words
    assert "Sentiment by holding" in [each.value for each in app.header]
    assert _titles(app)
    for _ in range(3):
        app.run()
    assert not app.exception
    again = _open(held)
    assert _titles(again)
    assert used(working, ann) == 3
    assert_balanced(working)


def test_what_was_agreed_to_is_not_asked_again_and_another_portfolio_opens_by_itself(
    working: Workbench, ann: Principal
) -> None:
    working.bundles.agree(ann)
    held = portfolio(working, ann, GENERATED[:1])
    app = _open(held)
    assert not app.exception
    assert AGREE not in [button.label for button in app.button]
    settled(working.bundles, ann, held)
    assert used(working, ann) == 3


def test_what_is_no_longer_there_is_made_by_a_button_and_not_by_a_rerun(working: Workbench, ann: Principal) -> None:
    working.bundles.agree(ann)
    held = portfolio(working, ann, GENERATED[:1])
    app = _open(held)
    settled(working.bundles, ann, held)
    _forgotten(working, held, "news")
    app.run()
    assert not working.bundles.state(ann, held).is_making
    assert "It is not there, or no longer fresh." in words_of(app)
    assert used(working, ann) == 3
    press(app, "Make news · 1 chat query")
    assert settled(working.bundles, ann, held).part("news").is_ready
    _forgotten(working, held, "news")
    _open(held)
    bundle = settled(working.bundles, ann, held)
    assert bundle.part("news").is_ready, "opening it anew makes what is not there"
    assert used(working, ann) == 3, "the same question within its time is free"


def test_too_few_chat_queries_are_said_before_anything_is_used(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED[:1])
    opened(working.bundles, ann, held)
    for symbol in GENERATED[1:]:
        working.portfolio.journal.add(ann, held, [bought(symbol)])
        working.bundles.begin(ann, held, PARTS)
        settled(working.bundles, ann, held)
    assert used(working, ann) == 9
    working.portfolio.journal.add(ann, held, [bought("AAPL")])
    _forgotten(working, held, *PARTS)
    app = _open(held)
    button = next(each for each in app.button if each.label == AGREE)
    assert button.disabled
    assert "1 of 10 chat queries left today" in words_of(app)
    working.bundles.agree(ann)
    denied = words_of(_open(held))
    assert "This uses 3 chat queries, and 1 is left" in denied
    assert used(working, ann) == 9


def test_filters_search_and_one_holding(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED)
    app = _agreed(working, ann, held)
    every = _titles(app)
    kinds = next(each for each in app.button_group if each.label == "Types")
    kinds.set_value(["filing"]).run()
    assert _titles(app)
    assert len(_titles(app)) <= len(every)
    assert all(":material/description:" in title for title in _titles(app))
    kinds = next(each for each in app.button_group if each.label == "Types")
    kinds.set_value([]).run()
    app.multiselect[0].set_value([GENERATED[0]]).run()
    assert all(f"**{GENERATED[0]}**" in title.replace("\\", "") for title in _titles(app))
    assert "headline" in words_of(app)
    next(each for each in app.text_input if each.label == "Search in titles").set_value("no such title").run()
    assert "Nothing matches" in words_of(app)
    assert used(working, ann) == 3


def test_a_headline_opens_its_own_text_for_free_and_a_summary_for_one_chat_query(
    working: Workbench, ann: Principal
) -> None:
    held = portfolio(working, ann, GENERATED)
    app = _agreed(working, ann, held)
    _open_first(app, ":material/newspaper:")
    assert "Free where it was asked less than 1 hour ago" in words_of(app)
    assert used(working, ann) == 3
    press(app, "Summarise · 1 chat query")
    assert not app.exception
    assert used(working, ann) == 4
    assert "1 chat query used" in words_of(app)


def test_a_filing_is_read_here_for_free(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED)
    app = _agreed(working, ann, held)
    _open_first(app, ":material/description:")
    press(app, "Read it here · free")
    assert not app.exception
    assert "Section" in [each.label for each in app.selectbox]
    assert used(working, ann) == 3
    assert used(working, ann, "sec_filings_month") == 0


def test_unknown_symbols_are_named_and_the_rest_is_there(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, [GENERATED[0], "ZZZZ"])
    app = _agreed(working, ann, held)
    words = words_of(app)
    assert "In no list of instruments: ZZZZ" in words
    assert "Without a tone: ZZZZ" in words
    assert _titles(app)


def test_what_was_bought_since_is_named_and_made_anew_by_a_button(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, GENERATED[:1])
    _agreed(working, ann, held)
    working.portfolio.journal.add(ann, held, [bought(GENERATED[1])])
    app = _open(held)
    assert f"bought after it was made: {GENERATED[1]}" in words_of(app)
    assert used(working, ann) == 3
    press(app, "Make them anew · 3 chat queries")
    bundle = settled(working.bundles, ann, held)
    assert bundle.uncovered == ()
    assert used(working, ann) == 6


def test_a_portfolio_that_holds_nothing_now_says_so(working: Workbench, ann: Principal) -> None:
    held = portfolio(working, ann, [GENERATED[0]])
    rows = working.portfolio.journal.transactions(ann, held)
    working.portfolio.journal.reverse(ann, held, rows[0].id)
    app = _open(held)
    assert not app.exception
    assert "Nothing is held" in words_of(app)
    assert used(working, ann) == 0


def test_a_viewer_reads_what_is_there_and_opens_nothing(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench_module, "_current", working)
    owner = made("olga-research", plan="team")
    viewer = made("vic-research", plan="team", role=Role.VIEWER, org=owner.org_name)
    held = portfolio(working, owner, GENERATED, shared_with=Role.VIEWER.value)
    carry(open_session(working, viewer), monkeypatch)
    app = _open(held)
    assert "Nobody has opened this yet" in words_of(app)
    assert not [each for each in app.button if "chat quer" in each.label]
    opened(working.bundles, owner, held)
    app = _open(held)
    assert _titles(app)
    _open_first(app, ":material/description:")
    assert "As a viewer you read what is listed" in words_of(app)
    assert not [each for each in app.button if "chat quer" in each.label]
    assert used(working, viewer) == 0


def test_five_hundred_holdings_are_drawn(working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_module, "_current", working)
    many = made("many-research", plan="team")
    carry(open_session(working, many), monkeypatch)
    held = portfolio(working, many, [*(f"Q{number:03d}" for number in range(497)), *GENERATED])
    working.bundles.agree(many)
    opened(working.bundles, many, held)
    app = _open(held)
    words = words_of(app)
    assert "Without a tone: Q000" in words
    assert "and 485 more" in words
    assert _titles(app)
    assert used(working, many) == 3


def _open(held: UUID) -> AppTest:
    return open_page(PAGE, tab="Research", portfolio=str(held))


def _agreed(working: Workbench, who: Principal, held: UUID) -> AppTest:
    """The page once it was agreed to, and everything was made."""
    app = press(_open(held), AGREE)
    assert not app.exception
    settled(working.bundles, who, held)
    app.run()
    assert not app.exception
    return app


def _titles(app: AppTest) -> list[str]:
    """The titles on the timeline."""
    return [each.label for each in app.button if each.label.startswith(":material/") and "**" in each.label]


def _open_first(app: AppTest, icon: str) -> None:
    next(each for each in app.button if each.label.startswith(icon) and "**" in each.label).click().run()
    assert not app.exception


def _forgotten(working: Workbench, held: UUID, *parts: str) -> None:
    """As if their time had passed."""
    with working.database.service() as connection:
        for part in parts:
            connection.exec_driver_sql("DELETE FROM research_parts WHERE portfolio_id = %s AND part = %s", (held, part))
