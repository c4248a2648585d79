"""The components of the notebook and of the as-of date, on a page of their own, with a real session."""

from __future__ import annotations

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import SystemClock
from core.market.market_time import spoken
from core.notebook.checklists import Item
from core.principal import Principal, Role
from core.workbench import Workbench
from pages.components.checklist import matched
from tests.conftest import MakeMember
from tests.pages.signed_in import carry, open_session, press, words_of

PAGE = """
import streamlit as st
from pages.components import checklist, thesis, time_machine, watchlist
from pages.components.forms import show_acknowledged
from pages.components.session import require
principal = require()
show_acknowledged()
as_of = time_machine.show("time", principal)
st.caption(f"read as of {as_of.day}")
watchlist.show("watch", principal, "AAPL")
watchlist.show_lists("lists", principal, lambda symbol: st.query_params.update(symbol=symbol))
thesis.show("thesis", principal, "AAPL", as_of)
checklist.show("check", principal, "AAPL", as_of)
"""


def _opened(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    carry(open_session(workbench, who), monkeypatch)
    app = AppTest.from_string(PAGE, default_timeout=20).run()
    assert not app.exception
    return app


def test_a_chosen_date_is_shown_on_top_and_everything_is_read_as_of_it(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _opened(workbench, member("ann"), monkeypatch)
    time = workbench.market.time
    assert "As of **Fri 20 Aug 2010**, last session of the shipped history" in words_of(app)
    assert "read as of 2010-08-20" in words_of(app)
    day = time.last_session - timedelta(days=30)
    app.date_input(key="time_day").set_value(day)
    press(app, "Go there")
    assert f"As of **{spoken(day)}**, the date that you chose" in words_of(app)
    assert f"read as of {day}" in words_of(app)
    press(app, "Back to Fri 20 Aug 2010")
    assert "last session of the shipped history" in words_of(app)


def test_a_date_that_cannot_be_is_said_beside_the_field(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _opened(workbench, member("ann"), monkeypatch)
    field = app.date_input(key="time_day")
    assert field.min == workbench.market.time.first_day
    assert field.max == SystemClock().now().date() - timedelta(days=1)


def test_a_symbol_is_put_on_a_new_list_and_taken_off(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann")
    app = _opened(workbench, ann, monkeypatch)
    assert "There is no watchlist yet." in words_of(app)
    app.text_input(key="watch_new_0_name").set_value("*My* list")
    app.button(key="watch_new_0_make").click().run()
    row = workbench.watchlists.all(ann)[0]
    assert (row.name, row.symbols) == ("*My* list", ["AAPL"])
    assert app.checkbox(key=f"watch_{row.id}_AAPL_True").label == "\\*My\\* list"
    assert app.selectbox(key="lists_list").options == ["*My* list"]
    app.button(key=f"lists_{row.id}_AAPL").click().run()
    assert app.query_params["symbol"] in ("AAPL", ["AAPL"])
    app.checkbox(key=f"watch_{row.id}_AAPL_True").uncheck().run()
    assert workbench.watchlists.get(ann, row.id).symbols == []
    assert not app.checkbox(key=f"watch_{row.id}_AAPL_False").value
    assert not app.exception


def test_a_thesis_is_written_shown_as_it_was_typed_and_its_history_stays(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann")
    app = _opened(workbench, ann, monkeypatch)
    for text in ("**Phones** <b>sell</b>", "Phones and tablets"):
        app.button(key="thesis_AAPL_2010-08-20_own_edit").click().run()
        app.text_area(key="thesis_AAPL_2010-08-20_own_text").set_value(text)
        app.button(key="thesis_AAPL_2010-08-20_own_keep").click().run()
    shown = [each.value for each in app.text]
    assert shown[:2] == ["Phones and tablets", "**Phones** <b>sell</b>"]
    assert "Version 2 by ann" in words_of(app)
    assert [each.label for each in app.expander] == ["Earlier versions (1)"]
    assert not app.exception


def test_who_wrote_meanwhile_is_named_and_what_was_typed_stays(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", org="Acme", plan="team")
    ben = member("ben", org="Acme", plan="team", role=Role.ANALYST)
    app = _opened(workbench, ann, monkeypatch)
    app.segmented_control(key="thesis_whose").set_value("The organisation’s").run()
    app.button(key="thesis_AAPL_2010-08-20_shared_edit").click().run()
    workbench.theses.write(ben, "AAPL", "Ben's.", workbench.market.time.default(), after=0, is_shared=True)
    app.text_area(key="thesis_AAPL_2010-08-20_shared_text").set_value("Ann's.")
    app.button(key="thesis_AAPL_2010-08-20_shared_keep").click().run()
    assert "ben wrote a newer version meanwhile" in words_of(app)
    assert app.text_area(key="thesis_AAPL_2010-08-20_shared_text").value == "Ann's."


def test_items_are_ticked_with_who_and_when(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann")
    app = _opened(workbench, ann, monkeypatch)
    app.checkbox(key="check_AAPL_first_look_business_False_2010-08-20").check().run()
    progress = workbench.checklists.progress(ann, "AAPL", workbench.market.time.default())[0]
    assert progress.done == 1
    assert "ann, " in words_of(app)
    assert "as of Fri 20 Aug 2010" in words_of(app)
    app.text_input(key="check_new_4_title").set_value("Our way")
    app.text_area(key="check_new_4_items").set_value("Read it\n\nCount it")
    app.button(key="check_new_4_save").click().run()
    assert app.selectbox(key="check_chosen").options[-1] == "Our way"
    assert app.selectbox(key="check_chosen").value == "first_look"
    assert not app.exception


def test_a_viewer_sees_all_of_it_and_changes_nothing(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", org="Acme", plan="team")
    workbench.watchlists.create(ann, "Ours", symbols=["AAPL"], shared_with="viewer")
    app = _opened(workbench, member("vic", org="Acme", plan="team", role=Role.VIEWER), monkeypatch)
    assert all(box.disabled for box in app.checkbox)
    labels = {button.label for button in app.button}
    assert labels.isdisjoint({"Make it", "Write it down", "Write anew", "Delete", "Save"})
    assert "AAPL" in labels
    assert not app.exception


def test_a_line_that_stays_or_changes_in_its_place_is_the_same_item() -> None:
    old = [Item("a", "Read"), Item("b", "Count"), Item("c", "Sleep")]
    assert [item.id for item in matched(old, ["Count", "Read"])] == ["b", "a"]
    assert [item.id for item in matched(old, ["Read", "Count twice", "Sleep", "Ask"])] == ["a", "b", "c", ""]
    assert [item.id for item in matched(old, ["Ask", "Read", "Count", "Sleep"])] == ["", "a", "b", "c"]
    assert [item.id for item in matched(old, ["Read", "Read"])] == ["a", "b"]
