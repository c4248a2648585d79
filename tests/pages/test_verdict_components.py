"""The components of verdicts: what they say of which figures, and that no text of a model becomes markup."""

from __future__ import annotations

import csv
import io
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ai.numbers import CheckedNumber
from core.errors import UnusableAnswer
from core.metering.meter import QuotaState
from core.ops.jobs import JobStatus
from core.principal import Principal, Role
from core.verdicts.answer import Decision, Mark
from core.verdicts.validations import Brief, Estimate, Filters, Page
from core.verdicts.verdict_settings import VerdictChoices
from pages.components import (
    verdict_ask,
    verdict_asking,
    verdict_board,
    verdict_card,
    verdict_column,
    verdict_curve,
    verdict_export,
    verdict_list,
    verdict_look,
    verdict_nightly,
    verdict_progress,
    verdict_text,
)
from tests.gallery import verdicts as made
from tests.gallery.texts import TEXTS

NOW = datetime(2010, 8, 20, 20, 42, tzinfo=UTC)
NO_DAILY_LIMIT = QuotaState("signal_validations_day", None, 3, NOW)


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no visitor whose theme could be asked for."""
    monkeypatch.setattr(verdict_text, "theme_color", lambda name: f"#{name}")


def test_numbers_are_marked_where_they_stand_and_the_words_around_them_stay() -> None:
    text = "Close 49.52, target 98.7."
    numbers = [CheckedNumber("98.7", 20, 24, None), CheckedNumber("49.52", 6, 11, "close")]
    marked = verdict_text.marked(text, numbers)
    assert marked.startswith("Close <mark")
    assert 'title="verified: close"' in marked
    assert ">49.52</mark>" in marked
    assert f'title="{verdict_text.UNVERIFIED}"' in marked
    assert marked.count("<mark") == 2
    assert "wavy" in marked.split("98.7")[0].rsplit("<mark", 1)[1]


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=4))
def test_no_text_becomes_markup_wherever_its_numbers_are(text: str, places: list[tuple[int, int]]) -> None:
    numbers = [CheckedNumber("1", start, end, '"><script>') for start, end in places if start < end]
    marked = verdict_text.marked(text, numbers)
    plain = "".join(marked.split("<mark")[0::1])
    assert "<script>" not in plain
    kept = marked
    for tag in ("</mark>", "</sup>"):
        kept = kept.replace(tag, "")
    opened = kept.count("<mark") + kept.count("<sup")
    assert kept.count("<") == opened, "a sign of the text was taken for markup"


@pytest.mark.parametrize("text", TEXTS.values())
def test_hard_texts_stay_text(text: str) -> None:
    assert "<" not in verdict_text.marked(text, [])


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (("0.0004", "0.0002", False), "at most 0.0004 USD, usually 0.0002 USD"),
        (("0.0004", None, False), "at most 0.0004 USD"),
        (("0", None, False), "free: the model costs nothing"),
        (("0.0004", None, True), "free: already validated"),
    ],
)
def test_a_price_says_the_worst_case_and_the_usual_one(estimate: tuple[str, str | None, bool], words: str) -> None:
    most, usual, is_free = estimate
    asked = Estimate("m", Decimal(most), None if usual is None else Decimal(usual), NO_DAILY_LIMIT, is_free)
    assert verdict_ask.price(asked) == words


@pytest.mark.parametrize(
    ("limit", "used", "words"),
    [
        (5, 1, "4 of 5 validations left today"),
        (5, 5, "none of 5 validations left; resets today at 20:42"),
        (None, 900, "no daily limit on validations"),
    ],
)
def test_what_is_left_is_said(limit: int | None, used: int, words: str) -> None:
    assert verdict_ask.left(QuotaState("signal_validations_day", limit, used, NOW), NOW, "UTC") == words


def test_a_card_counts_its_numbers_and_says_who_paid() -> None:
    verdict = made.verdict()
    held = verdict.numbers_verified
    assert 0 < held < verdict.numbers_total
    assert verdict_card.counted(verdict) == f"{held} of {verdict.numbers_total} numbers verified"
    assert verdict_card.counted(replace(verdict, numbers={})) == "No numbers to verify"
    assert verdict_card.cost(verdict) == "0.000212 USD"
    assert verdict_card.cost(replace(verdict, charged_usd=Decimal(0), is_cached=True)) == "from the cache: free"
    assert verdict_card.cost(replace(verdict, charged_usd=Decimal(0), is_cached=False)) == "free"


def test_every_way_of_reading_an_answer_has_its_words() -> None:
    assert set(verdict_card.READ) == set(Mark)


def test_every_verdict_is_told_by_a_word_and_a_sign_of_its_own() -> None:
    assert set(verdict_look.LOOKS) == set(get_args(Decision))
    assert len({look.sign for look in verdict_look.LOOKS.values()}) == len(verdict_look.LOOKS)
    assert len({look.icon for look in verdict_look.LOOKS.values()}) == len(verdict_look.LOOKS)
    assert verdict_look.told("SELL", 0.706) == "▼ SELL 71 %"


def test_the_grid_shows_the_verdicts_on_a_symbol_that_differ_and_the_age_of_the_newest() -> None:
    newest, older = made.briefs(2)
    verdicts = {
        ("ACME", "golden_cross"): replace(older, symbol="ACME"),
        ("ACME", "breakout_20"): replace(newest, symbol="ACME"),
        ("ACME", "gap_up"): replace(older, symbol="ACME", verdict=newest.verdict),
    }
    rows = verdict_column.added(pl.DataFrame({"symbol": ["ACME", "NONE"]}), verdicts, NOW)
    assert [len(each) for each in rows[verdict_column.COLUMN]] == [2, 0]
    assert rows[verdict_column.COLUMN][0][0] == verdict_look.told(newest.verdict, newest.confidence)
    assert rows[verdict_column.AGE].to_list() == [verdict_look.aged(newest.created_at, NOW), None]


def test_a_model_that_is_always_sure_is_shown_for_what_it_is_worth() -> None:
    row = made.board_row("always-sure", 20, is_sure=True)
    told = verdict_board._told(row)
    assert told["Beyond always BUY"] == "+0 points"
    assert told["Off by"] == "45 points"
    assert told["Scored"] == "20 on 2 days, too few"
    assert told["Brier (95 %)"].startswith("0.450")


def test_a_group_without_outcomes_has_dashes_and_no_zeros() -> None:
    told = verdict_board._told(made.board_row("nobody", 0))
    assert told["Right (95 %)"] == told["Brier (95 %)"] == told["Always BUY"] == told["Off by"] == "–"


def test_the_curve_is_told_in_words() -> None:
    words = verdict_curve.alt_text(made.board_row("all", 240).bins)
    assert "confidence 55%, right" in words
    assert verdict_curve.alt_text(()).endswith("no verdict is scored yet")


@pytest.mark.parametrize(
    ("status", "stopped", "words"),
    [
        (JobStatus.DONE, "The daily limit is reached.", "Stopped after 40 of 61: The daily limit is reached."),
        (JobStatus.DONE, None, "Validated 37 of 61"),
        (JobStatus.FAILED, None, "Failed after 40 of 61: The database was away for too long."),
    ],
)
def test_how_a_batch_ended_is_said(status: JobStatus, stopped: str | None, words: str) -> None:
    assert verdict_progress.outcome(made._batch(status, 37, stopped)) == words


def test_what_is_set_for_every_night_is_said_in_a_sentence() -> None:
    labels = {"auto": "Auto"}
    assert verdict_nightly.sentence(VerdictChoices(), None, labels) == "Nothing is validated by itself."
    gone = verdict_nightly.sentence(VerdictChoices(True, "gone", 50, "auto", True), None, labels)
    assert "a universe that is gone" in gone
    assert gone.endswith("Auto prefers models whose verdicts were right.")


def test_the_file_has_every_verdict_once_and_no_formula() -> None:
    briefs = [replace(each, signal_type='=HYPERLINK("x")') for each in made.briefs(5)]

    def read(_filters: Filters, cursor: object, _most: int) -> Page:
        begin = 0 if cursor is None else [each.id for each in briefs].index(cursor[1]) + 1  # type: ignore[index]  # (date, id)
        some = briefs[begin : begin + 2]
        return Page(some, (some[-1].created_at, some[-1].id) if begin + 2 < len(briefs) else None)

    rows = list(csv.DictReader(io.StringIO(verdict_export.csv_of(read, Filters()).decode("utf-8-sig"))))
    assert [row["verdict_id"] for row in rows] == [str(each.id) for each in briefs]
    assert all(row["signal_type"].startswith("'=") for row in rows)
    assert rows[0]["move_5"] == "", "what is not known is no zero"


def test_a_row_says_what_a_reader_must_know() -> None:
    brief = made.briefs(1)[0]
    marked = replace(brief, is_retrospective=True, is_offline=True, is_cached=True, purpose="replay")
    assert verdict_list.note(marked) == "retrospective, offline rule, cached, replay"
    assert verdict_list.note(_plain(brief)) == ""


def _plain(brief: Brief) -> Brief:
    return replace(
        brief, is_retrospective=False, is_generated=False, is_offline=False, is_cached=False, purpose="asked"
    )


@pytest.fixture
def ann() -> Principal:
    """Nobody else is called so."""
    return Principal(
        user_id=uuid4(), org_id=uuid4(), role=Role.ANALYST, plan="team", via="session", zone="UTC",
        email="ann@example.com", name="Ann", org_name="Acme",
    )  # fmt: skip


def test_one_signal_is_asked_about_once_at_a_time_and_what_failed_is_remembered(ann: Principal) -> None:
    signal, gate, calls = uuid4(), threading.Event(), list[int]()

    def validate() -> None:
        calls.append(1)
        gate.wait(10)
        raise UnusableAnswer("The answer cannot be used.", provider="made")

    first = verdict_asking.begin(ann, signal, validate)
    assert verdict_asking.begin(ann, signal, validate) is first
    assert verdict_asking.found(ann, signal) is first
    assert verdict_asking.found(replace(ann, user_id=uuid4()), signal) is None, "it is another person's"
    gate.set()
    first.ended.wait(10)
    assert calls == [1]
    assert isinstance(first.error, UnusableAnswer)
    assert verdict_asking.found(ann, signal) is first


def test_what_brought_a_verdict_is_not_remembered(ann: Principal) -> None:
    signal = uuid4()
    asking = verdict_asking.begin(ann, signal, lambda: "a verdict")
    assert asking.ended.wait(10)
    assert verdict_asking.found(ann, signal) is None
