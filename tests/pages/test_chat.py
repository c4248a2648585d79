"""Chat, as each role meets it: ask, repeat, be told of a limit, come back, and never lose a question."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Radio

from core import workbench as workbench_module
from core.ai.providers.offline import Offline
from core.ai.router import Route
from core.db.conversations_dao import CostRow
from core.errors import DatabaseUnavailable, ProviderUnavailable
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from pages.components import chat_cost, session
from pages.components.chat_turn import Turn
from tests.conftest import MakeMember, make_settings, member_factory

MAIN = str(ROOT / "pages" / "main.py")
QUESTION = "What is portfolio diversification?"
ANOTHER_CALL = """
    WITH held AS (INSERT INTO holds SELECT (jsonb_populate_record(h, jsonb_build_object('id', gen_random_uuid()))).*
        FROM holds h LIMIT 1 RETURNING id)
    INSERT INTO usage_log SELECT (jsonb_populate_record(u, jsonb_build_object('id', held.id, 'hold_id', held.id,
        'charged_usd', 0.00012, 'cost_usd', 0.00012))).* FROM usage_log u, held LIMIT 1
"""
"""One more call of the same conversation, which was charged."""


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A free analyst who is signed in; the glossary answers at once."""
    principal = member("ann", plan="free", role=Role.ANALYST)
    _sign_in(principal, workbench, monkeypatch)
    return principal


def _sign_in(principal: Principal, workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "current_principal", lambda: principal)
    for provider in workbench.providers.values():
        assert isinstance(provider, Offline)
        monkeypatch.setattr(provider, "_delay_s", 0.0)


def _open(conversation: str | None = None) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    app.switch_page("chat.py")
    if conversation:
        app.query_params["conversation"] = conversation
    app.run()
    assert not app.exception
    return app


def _ask(app: AppTest, text: str) -> AppTest:
    app.chat_input[0].set_value(text).run()
    assert not app.exception
    return app


def _last(app: AppTest) -> str:
    return " ".join(part.value for part in app.chat_message[-1].markdown)


def _asked(app: AppTest) -> list[str]:
    return [message.text[0].value for message in app.chat_message if message.name == "user"]


def _boxes(app: AppTest) -> str:
    return " ".join(box.value for box in (*app.warning, *app.error, *app.info))


def _button(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def test_a_new_user_finds_suggestions_and_one_of_them_answers(ann: Principal) -> None:
    app = _open()
    _button(app, QUESTION)
    assert _asked(app) == [QUESTION]
    assert "Offline glossary" in _last(app)
    assert "free, local" in _last(app)
    assert "9 of 10 questions left today" in _last(app)
    assert UUID(str(app.query_params["conversation"])).version == 7


def test_the_same_question_in_other_case_and_spacing_is_cached_and_moves_no_quota(ann: Principal) -> None:
    app = _ask(_ask(_open(), QUESTION), "  what IS portfolio   diversification? ")
    assert "Cached" in _last(app)
    assert "no charge" in _last(app)
    assert "9 of 10 questions left today" in _last(app)


def test_at_the_limit_a_sentence_says_which_and_when_and_a_cached_question_is_still_answered(
    workbench: Workbench, ann: Principal
) -> None:
    app = _ask(_open(), QUESTION)
    for number in range(9):
        workbench.assistant.ask(ann, f"What is a bond, take {number}?").session.result()
    _ask(app, "What is inflation?")
    said = _boxes(app)
    assert "Daily chat query limit reached" in said
    assert "resets tomorrow at 00" in said.replace("\\", "")
    assert "larger plan" in said
    assert _asked(app) == [QUESTION, "What is inflation?"]
    assert [button.label for button in app.button].count("Try again") == 1
    _ask(app, QUESTION.upper())
    assert "Cached" in _last(app)
    assert not app.warning


def test_a_denied_question_is_asked_again_by_one_button_once_there_is_room(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        workbench.assistant.ask(ann, f"What is a bond, take {number}?").session.result()
    app = _ask(_open(), "What is inflation?")
    assert _asked(app) == ["What is inflation?"]
    workbench.directory.set_plan(ann.org_name, "premium")
    monkeypatch.setattr(session, "current_principal", lambda: replace(ann, plan="premium"))
    _button(app, "Try again")
    assert _asked(app) == ["What is inflation?"]
    assert "Offline glossary" in _last(app)
    assert "no daily limit" in _last(app)


def test_history_survives_a_reload_and_a_second_tab(ann: Principal) -> None:
    first = _ask(_open(), QUESTION)
    second = _open(str(first.query_params["conversation"]))
    assert _asked(second) == [QUESTION]
    assert _last(second) == _last(first)


@pytest.mark.parametrize("named", ["nonsense", "4a1f6c1e-8a52-4f0b-9a77-2d1c5b0e7f33"])
def test_a_conversation_that_is_not_there_is_not_found(ann: Principal, named: str) -> None:
    app = _open(named)
    assert "no such conversation" in _boxes(app)
    assert not app.chat_message
    _button(app, "Start a new one")
    assert "conversation" not in app.query_params
    assert app.chat_input


def test_a_conversation_of_someone_else_reads_as_one_that_is_not_there(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    ben = member("ben")
    exchange = workbench.assistant.ask(ben, QUESTION)
    exchange.session.result()
    app = _open(str(exchange.conversation_id))
    assert "no such conversation" in _boxes(app)
    assert not app.chat_message


def test_regenerate_passes_the_cache_by_and_is_counted(ann: Principal) -> None:
    app = _ask(_open(), QUESTION)
    _button(app, "Regenerate")
    assert _asked(app) == [QUESTION]
    assert "Cached" not in _last(app)
    assert "8 of 10 questions left today" in _last(app)


def test_a_failure_costs_nothing_and_one_button_tries_again(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> Route:
        raise ProviderUnavailable("The provider is away for a moment.", provider="offline")

    with monkeypatch.context() as patched:
        patched.setattr(workbench.providers["offline"], "chat", fail)
        app = _ask(_open(), QUESTION)
        assert "The provider is away" in _boxes(app)
        assert _asked(app) == [QUESTION]
    _button(app, "Try again")
    assert _asked(app) == [QUESTION]
    assert "9 of 10 questions left today" in _last(app)


def test_a_question_survives_a_database_that_goes_down(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_arguments: object, **_keywords: object) -> None:
        raise DatabaseUnavailable

    app = _open()
    with monkeypatch.context() as patched:
        patched.setattr(type(workbench.assistant), "ask", down)
        _ask(app, QUESTION)
        assert "database cannot be reached" in _boxes(app)
        assert _asked(app) == [QUESTION]
    _button(app, "Try again")
    assert "9 of 10 questions left today" in _last(app)


def test_a_prompt_that_is_too_long_is_refused_in_a_sentence_and_not_counted(
    workbench: Workbench, ann: Principal
) -> None:
    app = _open()
    most = workbench.settings.max_prompt_chars
    assert app.chat_input[0].proto.max_chars == most
    app.session_state["chat_turn_next"] = Turn("x" * (most + 1))  # as a browser that ignores the input's limit
    app.run()
    assert "too long" in _boxes(app)
    assert workbench.usage.quota(ann).used == 0


@pytest.mark.parametrize(
    ("here", "plan", "most"),
    [
        pytest.param(50_000, "free", 20_000, id="plan"),
        pytest.param(300, "free", 300, id="installation"),
        pytest.param(50_000, "enterprise", 50_000, id="unlimited plan"),
    ],
)
def test_the_input_takes_what_the_installation_and_the_plan_take(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: int, plan: str, most: int
) -> None:
    with closing(open_workbench(make_settings(database_url, tmp_path, MAX_PROMPT_CHARS=str(here)))) as opened:
        monkeypatch.setattr(workbench_module, "_current", opened)
        _sign_in(member_factory(opened)("ann", plan=plan), opened, monkeypatch)
        assert _open().chat_input[0].proto.max_chars == most


def test_a_question_without_an_answer_is_waited_for_and_then_offered_again(
    workbench: Workbench, ann: Principal, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    exchange = workbench.assistant.ask(ann, QUESTION)
    exchange.session.result()
    service.execute("DELETE FROM messages WHERE role = 'assistant'")
    waiting = _open(str(exchange.conversation_id))
    assert "is being written" in " ".join(caption.value for caption in waiting.caption)
    service.execute("UPDATE messages SET created_at = created_at - interval '1 year'")
    late = _open(str(exchange.conversation_id))
    assert "not answered" in _boxes(late)
    assert "Try again" in [button.label for button in late.button]


def test_conversations_are_listed_opened_and_deleted_after_a_question(workbench: Workbench, ann: Principal) -> None:
    app = _ask(_open(), QUESTION)
    _button(app, "New conversation")
    assert "conversation" not in app.query_params
    _ask(app, "What is *inflation*?")
    titles = [button.label for button in app.sidebar.button]
    assert "**What is \\*inflation\\*?**" in titles
    _button(app, QUESTION)
    assert _asked(app) == [QUESTION]
    _button(app, "Delete")
    assert len(workbench.conversations.latest(ann)) == 2
    app.button(key="chat_delete").click()
    app.button(key="chat_delete_yes").click().run()
    assert not app.exception
    assert [row.title for row in workbench.conversations.latest(ann)] == ["What is *inflation*?"]


def test_a_viewer_reads_and_is_told_why_they_cannot_ask(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = member("vic", role=Role.ANALYST)
    exchange = workbench.assistant.ask(analyst, QUESTION)
    exchange.session.result()
    _sign_in(replace(analyst, role=Role.VIEWER), workbench, monkeypatch)
    app = _open(str(exchange.conversation_id))
    assert _asked(app) == [QUESTION]
    assert not app.chat_input
    assert not app.selectbox
    assert "but not ask" in _boxes(app)
    assert "Regenerate" not in [button.label for button in app.button]


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.ANALYST])
def test_who_may_ask_finds_the_input_and_the_models_of_the_plan(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    _sign_in(member("eva", plan="team", role=role), workbench, monkeypatch)
    app = _open()
    assert app.chat_input
    assert app.button(key="chat_model").label == "Auto"
    assert _models(app) == ["Auto", "Offline glossary"]
    assert "no provider is configured" in _radio(app).proto.captions[0]


def _models(app: AppTest) -> list[str]:
    """The models that can be chosen, from the dialog, which stays open."""
    app.button(key="chat_model").click().run()
    assert not app.exception
    return [label.partition(" :")[0] for label in _radio(app).options]  # without what is marked beside it


def _radio(app: AppTest) -> Radio[str]:
    return app.radio(key="chat_model_picked")


def _opened(workbench: Workbench, who: Principal, text: str = QUESTION) -> str:
    exchange = workbench.assistant.ask(who, text)
    exchange.session.result()
    return str(exchange.conversation_id)


def _captions(app: AppTest) -> str:
    return " | ".join(caption.value for caption in app.caption).replace("\\", "")


def test_the_search_finds_titles_and_messages_of_ones_own_and_says_when_there_is_nothing(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    _opened(workbench, member("ben"), "What does a secret of Ben cost?")
    _opened(workbench, ann)
    _opened(workbench, ann, "What is inflation?")
    app = _open()
    app.text_input(key="chat_conversations_sought").set_value("SPREADING money").run()
    titles = [button.label for button in app.sidebar.button]
    assert QUESTION in titles
    assert "What is inflation?" not in titles
    assert ":primary-background[spreading money] over holdings" in _captions(app)
    for nothing in ("%", "_", "secret of Ben"):
        app.text_input(key="chat_conversations_sought").set_value(nothing).run()
        assert "No conversation holds this." in _captions(app)
    _button(app, "Clear")
    assert "What is inflation?" in [button.label for button in app.sidebar.button]


def test_a_conversation_is_renamed_in_a_dialog_and_its_title_is_never_markup(
    workbench: Workbench, ann: Principal
) -> None:
    app = _open(_opened(workbench, ann))
    app.button(key="chat_rename").click().run()
    assert app.text_input(key="chat_rename_title").value == QUESTION
    app.button(key="chat_rename").click()
    app.text_input(key="chat_rename_title").set_value("Sharpe\u202eoitar")
    app.button(key="chat_rename_save").click().run()
    assert "cannot hold characters that are not shown" in _boxes(app)
    app.button(key="chat_rename").click()
    app.text_input(key="chat_rename_title").set_value("  <b>Risk</b> *and*   :red[return] ")
    app.button(key="chat_rename_save").click().run()
    assert not app.exception
    assert [row.title for row in workbench.conversations.latest(ann)] == ["<b>Risk</b> *and* :red[return]"]
    label = next(button.label for button in app.sidebar.button if "Risk" in button.label)
    assert "\\<b\\>" in label
    assert "\\*and\\*" in label


def test_what_another_tab_renames_or_deletes_reads_right_and_a_question_to_it_waits(
    workbench: Workbench, ann: Principal
) -> None:
    conversation = _opened(workbench, ann)
    app = _open(conversation)
    workbench.conversations.rename(ann, UUID(conversation), "Named elsewhere")
    app.run()
    assert "**Named elsewhere**" in [button.label for button in app.sidebar.button]
    app.button(key="chat_rename").click().run()
    workbench.conversations.delete(ann, UUID(conversation))
    app.button(key="chat_rename").click()
    app.text_input(key="chat_rename_title").set_value("Too late")
    app.button(key="chat_rename_save").click().run()
    assert "no such conversation" in _boxes(app)
    late = _open(_opened(workbench, ann))
    workbench.conversations.delete(ann, workbench.conversations.latest(ann)[0].id)
    _ask(late, "What is inflation?")
    assert "may have been deleted" in _boxes(late)
    assert "was not sent" in _boxes(late)
    _button(late, "Start a new one")
    assert _asked(late) == ["What is inflation?"]
    _button(late, "Try again")
    assert "Offline glossary" in _last(late)


def test_the_cost_of_the_conversation_and_of_the_month_stands_beside_the_input(
    workbench: Workbench, ann: Principal, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    app = _open()
    assert "Your month 0.00 USD" in _captions(app)
    _ask(app, QUESTION)
    assert "This conversation free · your month 0.00 USD" in _captions(app)
    service.execute(ANOTHER_CALL)
    service.execute("UPDATE member_meters SET charge_usd_used = 0.45")
    app.run()
    assert "This conversation 0.00012 USD · your month 0.45 USD" in _captions(app)
    _button(app, "New conversation")
    assert "Your month 0.45 USD" in _captions(app)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (CostRow(Decimal(0), Decimal(0), False), "free"),
        (CostRow(Decimal("0.000120000"), Decimal(0), False), "0.00012 USD"),
        (CostRow(Decimal("1.5"), Decimal(0), True), "1.50 USD, partly estimated"),
        (
            CostRow(Decimal(0), Decimal("0.002"), False),
            "free, and not charged to you at most 0.002 USD for an answer that was lost",
        ),
        (
            CostRow(Decimal("1.5"), Decimal(0), False, datetime(2031, 3, 1, tzinfo=UTC)),
            "1.50 USD since 1 March 2031",
        ),
    ],
)
def test_what_is_estimated_or_an_upper_bound_is_said_to_be(row: CostRow, words: str) -> None:
    assert chat_cost.line(row, Decimal("0.45"), "UTC") == f"This conversation {words} · your month 0.45 USD"


def test_the_page_reads_all_it_shows_in_one_transaction(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _open(_opened(workbench, ann))
    opened, kept = [], workbench.database.app

    def counted(principal: Principal) -> AbstractContextManager[Connection]:
        opened.append(principal)
        return kept(principal)

    monkeypatch.setattr(workbench.database, "app", counted)
    app.run()
    assert _asked(app) == [QUESTION]
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("principal", "options", "chosen"),
    [
        ({}, ["Auto", "Offline glossary"], "auto"),
        ({"default_model": "offline-glossary"}, ["Auto", "Offline glossary"], "offline-glossary"),
        ({"default_model": "offline-glossary", "uses_router": False}, ["Offline glossary"], "offline-glossary"),
        ({"default_model": "gpt-4o", "uses_router": False}, ["Auto", "Offline glossary"], "auto"),
        ({"uses_router": False}, ["Auto", "Offline glossary"], "auto"),
    ],
)
def test_the_choice_of_a_model_begins_with_the_profiles_own(
    workbench: Workbench,
    ann: Principal,
    monkeypatch: pytest.MonkeyPatch,
    principal: dict[str, Any],
    options: list[str],
    chosen: str,
) -> None:
    monkeypatch.setattr(session, "current_principal", lambda: replace(ann, **principal))
    app = _open()
    assert _models(app) == options
    assert _radio(app).value == chosen


def test_models_that_the_organisation_does_not_allow_are_not_offered(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = make_settings(database_url, tmp_path, OPENAI_API_KEY="sk-test")
    with closing(open_workbench(live)) as opened:
        monkeypatch.setattr(workbench_module, "_current", opened)
        principal = member_factory(opened)("eva", plan="team")
        allowed = replace(principal, allowed_models=("gpt-4o-mini",))
        monkeypatch.setattr(session, "current_principal", lambda: allowed)
        labels = {model.id: model.label for model in opened.catalogue.chat_models()}
        app = _open()
        offered = _models(app)
        assert labels["gpt-4o-mini"] in offered
        assert labels["gpt-4o"] not in offered
        barred = f"**{labels['gpt-4o']}**: Your organisation does not allow {labels['gpt-4o']}"
        assert barred in _captions(app)
