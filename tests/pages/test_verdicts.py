"""Verdicts on their pages: asked for beneath a signal, in the grid, as a batch, on the board, and who may do what."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from core import workbench as workbench_module
from core.db.scans_dao import SignalRow, SignalsWanted
from core.ops.jobs import JobStatus
from core.principal import Principal, Role
from core.verdicts.validations import Filters, Verdict
from core.verdicts.verdict_settings import VerdictChoices
from core.workbench import Workbench, open_workbench
from pages.components import screener_detail, session, verdict_asking, verdict_export, verdict_look
from tests.conftest import MakeMember, copied, make_settings, member_factory
from tests.fakes.chat_server import ChatServer
from tests.fakes.jobs import finished
from tests.pages.signed_in import open_page, press, words_of

UNIVERSE = "sp500_2010"
HIGHS = "new_52_week_highs"
PAST = date(2010, 6, 30)
"""As of this day there is a scan whose outcomes are known."""
MODEL = "gpt-4o-mini"
WAIT_S = 30.0
INVENTED = "98765.43"


@pytest.fixture(scope="module")
def provider() -> Iterator[ChatServer]:
    """The provider that all tests of this module ask."""
    with ChatServer() as server:
        yield server


@pytest.fixture(scope="module")
def working(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory, provider: ChatServer
) -> Iterator[Workbench]:
    """A workbench with the shipped market, a provider and a worker; what tests leave in it, others find."""
    with copied(server_url, template) as url:
        settings = make_settings(
            url,
            tmp_path_factory.mktemp("verdicts"),
            SCAN_PROCESSES="1",
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=provider.base_url,
        )
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
    """The default universe is scanned, as of its last session and as of a day in the past."""
    for as_of in (None, PAST):
        scanner = replace(made(f"scanner-{as_of}"), as_of=as_of)
        job = finished(working.queue, working.screener.scans.request(scanner, UNIVERSE))
        assert job.status is JobStatus.DONE, job.error


@pytest.fixture
def ann(
    working: Workbench,
    made: MakeMember,
    scanned: None,
    provider: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Principal:
    """A signed-in owner, alone in an organisation of her own; the provider answers as it should."""
    monkeypatch.setattr(workbench_module, "_current", working)
    provider.reply(text=answer())
    return _sign_in(made(f"ann-{request.node.name}"[:48], plan="team"), monkeypatch)


@pytest.fixture
def akam(ann: Principal, working: Workbench) -> SignalRow:
    """The signal that the chart of a symbol at its 52-week high begins with."""
    return _first(working, ann, "AKAM")


def answer(verdict: str = "BUY", confidence: float = 0.68, reasoning: str = "The trend is up.") -> str:
    """What a model says that does as it is told."""
    return json.dumps(
        {
            "verdict": verdict,
            "confidence": confidence,
            "reasoning": reasoning,
            "risk_factors": ["The market may turn."],
            "entry_suggestion": "At the next open.",
        }
    )


def test_a_signal_is_validated_for_the_price_that_was_shown_and_its_card_says_which_numbers_hold(
    ann: Principal, akam: SignalRow, provider: ChatServer
) -> None:
    provider.reply(text=answer(reasoning=f"The close of {akam.close:.2f} is new; a target of {INVENTED} is in reach."))
    app = _open_match("AKAM")
    before = words_of(app)
    assert "at most 0.000" in before
    assert "5,000 of 5,000 validations left today" in before
    words = words_of(_validated(app, ann, akam))
    assert "**68 %** confidence" in words
    assert "1 of 2 numbers verified" in words
    assert f"not in what the model was shown: **{INVENTED}**" in words
    assert "not advice" in words
    assert "4,999 of 5,000 validations left today" in words
    markup = _markup(app)
    assert 'title="unverified: nothing that the model was shown has this value"' in markup
    assert 'title="verified: ' in markup


def test_a_verdict_is_in_the_grid_and_is_given_again_for_free(
    ann: Principal, akam: SignalRow, provider: ChatServer, working: Workbench
) -> None:
    said = working.verdicts.validations.validate(ann, akam.id).validation
    calls = provider.calls
    app = _open_match("AKAM")
    rows = app.dataframe[0].value
    row = rows[rows["symbol"] == "AKAM"].iloc[0]
    assert list(row["verdict"]) == [verdict_look.told(said.verdict, said.confidence)]
    assert row["verdict_age"]
    others = rows[rows["symbol"] != "AKAM"]
    assert all(len(each) == 0 for each in others["verdict"])
    assert f"**{verdict_look.share(said.confidence)}** confidence" in words_of(app)
    assert any(button.label == "Validate again" for button in app.button)
    assert provider.calls == calls


def test_asking_again_is_priced_and_charged(
    ann: Principal, akam: SignalRow, provider: ChatServer, working: Workbench
) -> None:
    first = working.verdicts.validations.validate(ann, akam.id)
    provider.reply(text=answer("AVOID", 0.55))
    app = _open_match("AKAM")
    assert "again: at most 0.000" in words_of(app)
    words = words_of(_validated(app, ann, akam, "Validate again"))
    assert "**55 %** confidence" in words
    newest = working.verdicts.validations.of_signal(ann, akam.id)
    assert newest is not None
    assert newest.id != first.id
    assert newest.charged_usd > 0


def test_an_answer_under_way_is_found_again_after_a_reload(
    ann: Principal, working: Workbench, provider: ChatServer
) -> None:
    signal, gate = _first(working, ann, "MKC"), threading.Event()
    provider.reply(text=answer("SELL", 0.61), gate=gate)
    app = _open_match("MKC")
    press(app, "AI validate")
    assert not app.exception
    try:
        loaded_anew = _open_match("MKC")
        assert "The model is being asked" in words_of(loaded_anew)
        assert not _has(loaded_anew, "AI validate")
    finally:
        gate.set()
    _wait_for(ann, signal)
    assert "**61 %** confidence" in words_of(loaded_anew.run())


def test_an_answer_that_cannot_be_used_is_no_verdict_and_costs_nothing(
    ann: Principal, working: Workbench, provider: ChatServer
) -> None:
    signal = _first(working, ann, "CRM")
    provider.reply(text="I would rather not say.")
    words = words_of(_validated(_open_match("CRM"), ann, signal))
    assert "It cost you nothing, and no verdict is kept." in words
    assert working.verdicts.validations.of_signal(ann, signal.id) is None
    assert "5,000 of 5,000 validations left today" in words


def test_viewers_see_verdicts_and_do_not_ask(
    ann: Principal, akam: SignalRow, working: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sign_in(replace(ann, role=Role.VIEWER), monkeypatch)
    app = _open_match("AKAM")
    assert "As a viewer you see verdicts, and do not ask for them." in words_of(app)
    assert not _has(app, "AI validate", "Validate these…")
    said = working.verdicts.validations.validate(ann, akam.id).validation
    app = _open_match("AKAM")
    assert f"**{verdict_look.share(said.confidence)}** confidence" in words_of(app)
    assert not _has(app, "Validate again", "AI validate")


def test_what_a_model_wrote_is_never_markup(ann: Principal, working: Workbench, provider: ChatServer) -> None:
    signal = _first(working, ann, "INTU")
    provider.reply(text=answer(reasoning='<script>alert("x")</script><img src=x onerror=alert(1)> **bold**'))
    markup = _markup(_validated(_open_match("INTU"), ann, signal))
    assert "&lt;script&gt;" in markup
    assert "<script>" not in markup
    assert "<img src=x" not in markup


def test_a_batch_is_estimated_first_then_runs_and_says_how_it_ended(
    ann: Principal, working: Workbench, provider: ChatServer
) -> None:
    app = open_page("screener.py", preset=HIGHS)
    _button(app, "Validate these…").click().run()
    words = words_of(app)
    assert "to ask about" in words
    assert "At most 0.0" in words
    assert "5,000 of 5,000 validations left today" in words
    _button(app, "Validate these…").click()  # here the dialog is open in one run alone
    app.button(key="screener_matches_validate_yes").click().run()
    assert not app.exception
    batch = working.verdicts.batches.latest(ann)
    assert batch is not None
    finished(working.queue, batch.job)
    batch = working.verdicts.batches.latest(ann)
    assert batch is not None
    assert batch.done == batch.total > 3
    words = words_of(open_page("screener.py", preset=HIGHS))
    assert f"Validated {batch.done} of {batch.total}" in words
    assert f"{batch.done} validated" in words
    app = open_page("screener.py", preset=HIGHS)
    assert all(len(each) for each in app.dataframe[0].value["verdict"])


def test_a_batch_that_runs_is_seen_by_whoever_opens_the_page_and_can_be_stopped(
    ann: Principal, working: Workbench, provider: ChatServer
) -> None:
    gate = threading.Event()
    provider.reply(text=answer("HOLD", 0.5), gate=gate)
    ids = [row.id for row in _signals(working, ann)[:40]]
    try:
        job = working.verdicts.batches.start(ann, ids, model=MODEL)
        until = time.monotonic() + WAIT_S
        while working.queue.find(job.id).status is not JobStatus.RUNNING:
            assert time.monotonic() < until
            time.sleep(0.02)
        app = open_page("verdicts.py")
        assert _has(app, "Stop")
        press(app, "Stop")
        assert not app.exception
    finally:
        gate.set()
    finished(working.queue, job)
    words = words_of(open_page("verdicts.py"))
    assert "Stopped after" in words
    assert f"of {len(ids)}: " in words


def test_without_a_verdict_the_page_says_how_one_comes_to_be_and_is_scored(ann: Principal) -> None:
    app = open_page("verdicts.py")
    words = words_of(app)
    assert "No verdict yet" in words
    assert "To fill the board at once, go to a past day" in words
    assert not app.dataframe


def test_the_board_says_what_verdicts_were_worth_beside_their_base(
    ann: Principal, working: Workbench, provider: ChatServer
) -> None:
    _validated_in_the_past(working, ann, 12)
    app = open_page("verdicts.py")
    words = words_of(app)
    assert "No prospective verdict is scored yet" in words
    press(app, "Show 12 retrospective ones")
    assert not app.exception
    words = words_of(app)
    assert "12 scored verdicts are too few to claim anything." in words
    assert "where always saying BUY was right" in words
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Scored"] == "12"
    assert figures["Right"] == figures["Always BUY"], "it always said BUY"
    table = app.dataframe[0].value
    assert list(table["Beyond always BUY"]) == ["+0 points"]
    assert "Hindsight" in words


def test_the_list_opens_the_card_that_its_address_names(ann: Principal, working: Workbench) -> None:
    verdict = _validated_in_the_past(working, ann, 1)[0]
    app = open_page("verdicts.py", verdict=str(verdict.id))
    assert "**68 %** confidence" in words_of(app)
    assert "Retrospective: given of a day" in words_of(app)
    app.selectbox(key="verdicts_list_filters_verdict").select("SELL").run()
    assert not app.exception
    assert "No verdict matches the filters." in words_of(app)


def test_all_verdicts_are_exported_and_no_text_is_a_formula(ann: Principal, working: Workbench) -> None:
    _validated_in_the_past(working, ann, 3)

    def read(filters: Filters, cursor: Any, most: int) -> Any:
        return working.verdicts.validations.page(ann, filters, cursor=cursor, most=min(most, 2))

    written = verdict_export.csv_of(read, Filters()).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert len(rows) == 3
    assert {row["verdict"] for row in rows} == {"BUY"}
    assert all(float(row["move_5"]) for row in rows)


def test_managers_set_what_is_validated_every_night_and_others_read_it(
    ann: Principal, working: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("verdicts.py")
    assert "Nothing is validated by itself." in words_of(app)
    app.toggle(key="verdicts_nightly_on").set_value(True)
    app.selectbox(key="verdicts_nightly_universe").select(UNIVERSE)
    app.number_input(key="verdicts_nightly_most").set_value(7)
    app.button(key="verdicts_nightly_save").click().run()
    assert not app.exception
    assert working.verdicts.settings.get(ann).choices == VerdictChoices(True, UNIVERSE, 7, "auto", False)
    _sign_in(replace(ann, role=Role.ANALYST), monkeypatch)
    app = open_page("verdicts.py")
    words = words_of(app)
    assert "The 7 most confident signals of" in words
    assert "An admin of your organisation can change this." in words
    assert not any(each.key == "verdicts_nightly_save" for each in app.button)


def test_a_symbol_has_its_signals_and_verdicts(ann: Principal, akam: SignalRow, working: Workbench) -> None:
    app = open_page("symbol.py", symbol="AKAM")
    app.segmented_control(key="symbol_section").set_value("Signals and verdicts").run()
    assert not app.exception
    words = words_of(app)
    assert "not validated" in words
    assert "No model was asked yet" in words
    said = working.verdicts.validations.validate(ann, akam.id).validation
    app.run()
    words = words_of(app)
    assert f" {said.verdict}]" in words
    assert "No model was asked yet" not in words
    assert any("Verdict" in frame.value.columns for frame in app.dataframe)


def test_a_symbol_without_signals_says_so(ann: Principal, working: Workbench) -> None:
    app = open_page("symbol.py", symbol="SP500")
    app.segmented_control(key="symbol_section").set_value("Signals and verdicts").run()
    assert not app.exception
    assert "No signals yet" in words_of(app)


def _sign_in(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    monkeypatch.setattr(session, "current_principal", lambda: principal)
    return principal


def _open_match(symbol: str) -> AppTest:
    return open_page("screener.py", preset=HIGHS, symbol=symbol)


def _first(working: Workbench, principal: Principal, symbol: str) -> SignalRow:
    """The signal that a symbol's chart begins with."""
    scan = working.screener.scans.latest(principal, UNIVERSE)
    study = working.screener.studies.of(principal, symbol, scan)
    screen = working.screener.screens.presets[HIGHS].screen
    event = screener_detail.events_of(study, screener_detail.named_in(screen))[0]
    return next(row for row in study.signals if row.id == event.signal_id)


def _signals(working: Workbench, principal: Principal) -> list[SignalRow]:
    """Those of the newest scan, the most confident first."""
    scan = working.screener.scans.latest(principal, UNIVERSE)
    assert scan is not None
    rows = working.screener.scans.signals(principal, scan.about.id, SignalsWanted())
    return sorted((row for row in rows if row.state == "signal"), key=lambda row: -(row.confidence or 0.0))


def _validated(app: AppTest, principal: Principal, signal: SignalRow, label: str = "AI validate") -> AppTest:
    """The page once the answer is there, or has failed."""
    press(app, label)
    assert not app.exception
    _wait_for(principal, signal)
    app.run()
    assert not app.exception
    return app


def _wait_for(principal: Principal, signal: SignalRow) -> None:
    until = time.monotonic() + WAIT_S
    while (asking := verdict_asking.found(principal, signal.id)) is not None and not asking.is_over:
        assert time.monotonic() < until, "no answer came"
        time.sleep(0.02)


def _validated_in_the_past(working: Workbench, principal: Principal, count: int) -> list[Verdict]:
    """Verdicts of a day whose outcome is known, scored."""
    past = replace(principal, as_of=PAST)
    signals = _signals(working, past)[:count]
    found = [working.verdicts.validations.validate(past, row.id) for row in signals]
    working.verdicts.scoring.score()
    return found


def _markup(app: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in app.get("html"))


def _button(app: AppTest, label: str) -> Button:
    return next(each for each in app.button if each.label == label)


def _has(app: AppTest, *labels: str) -> bool:
    return any(button.label in labels for button in app.button)
