"""Admin: an operator sees how models fare, keeps flags and runs experiments; nobody else finds those parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.ai.flags import Flag
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of

ADMIN = str(ROOT / "pages" / "admin.py")
MODEL = "gpt-4o-mini"
FLAG = f"model:{MODEL}"
DENIED = "This page is for those who manage an organisation."


def sign_in(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(workbench, who)
    carry(cookie, monkeypatch)
    principal = workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


@pytest.fixture
def olga(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in operator."""
    workbench.directory.add_user(
        "olga@test.example", org_name="Acme", plan="team", role=Role.OWNER, password=None, is_operator=True
    )
    operator = sign_in(workbench, workbench.directory.member("olga@test.example", "Acme"), monkeypatch)
    assert operator.is_operator
    return operator


def admin_page(section: str) -> AppTest:
    return open_page("admin.py", section=section)


def field(fields: Any, label: str) -> Any:
    """The first of these fields with this label."""
    return next(each for each in fields if each.label == label)


def test_models_are_listed_with_what_they_came_to(
    olga: Principal, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert "No model was asked yet" in words_of(admin_page("models"))
    now = datetime.now(UTC)
    service.execute(
        "INSERT INTO model_states (provider, model, failures, calls, failed_calls, failed_at, failure, blocked_until)"
        " VALUES ('openai', %s, 1, 800, 2, %s, 'ProviderRateLimited', %s),"
        " ('openai', '', 0, 1204, 3, NULL, NULL, NULL)",
        (MODEL, now, now + timedelta(minutes=5)),
    )
    words = words_of(admin_page("models"))
    assert "OpenAI as a whole" in words
    assert "GPT-4o mini (OpenAI)" in words
    assert "1,204 calls, 3 failed" in words
    assert "it asked us to wait" in words
    assert "asked again in 5 min" in words


def groups(app: AppTest, label: str) -> list[Any]:
    """The groups of choices of this name."""
    found: Any = app.get("button_group")
    return [group for group in found if group.label == label]


class TestFlags:
    def test_one_is_made_changed_and_deleted(self, workbench: Workbench, olga: Principal) -> None:
        app = admin_page("flags")
        assert "No flags" in words_of(app)
        field(app.text_input, "Name").set_value(FLAG)
        field(app.text_input, "What it is for").set_value("Until its *price* is settled")
        field(app.multiselect, "Plans").set_value(["team"])
        app = press(app, "Save flag")
        assert "Flag saved" in words_of(app)
        kept = workbench.flags.all(olga)
        assert [(flag.name, flag.plans, flag.percentage, flag.is_on) for flag in kept] == [(FLAG, ("team",), 100, True)]
        assert "on for team · Until its *price* is settled" in words_of(app)

        app = field(app.selectbox, "Flag").set_value(FLAG).run()
        assert field(app.multiselect, "Plans").value == ["team"]
        field(app.toggle, "On").set_value(False)
        app = press(app, "Save flag")
        assert "off for everyone" in words_of(app)
        assert [(flag.plans, flag.is_on) for flag in workbench.flags.all(olga)] == [(("team",), False)]

        app = confirm(app, f"admin_flags_{FLAG}")
        assert "Flag deleted" in words_of(app)
        assert "No flags" in words_of(app)
        assert workbench.flags.all(olga) == []
        assert field(app.selectbox, "Flag").value == ""

    @pytest.mark.parametrize(
        ("label", "typed", "said"),
        [
            pytest.param("Name", "GPT 4o", "A flag's name is of lower case letters", id="name"),
            pytest.param("Ids of users, separated by commas", "olga", "'olga' is not an id", id="user"),
        ],
    )
    def test_what_cannot_be_is_refused_in_a_sentence(
        self, workbench: Workbench, olga: Principal, label: str, typed: str, said: str
    ) -> None:
        app = admin_page("flags")
        field(app.text_input, "Name").set_value(FLAG)
        field(app.text_input, label).set_value(typed)
        app = press(app, "Save flag")
        assert said in words_of(app)
        assert field(app.text_input, label).value == typed
        assert workbench.flags.all(olga) == []


class TestExperiments:
    def test_one_is_started_compared_and_ended(
        self, workbench: Workbench, olga: Principal, owner: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        app = admin_page("experiments")
        assert "No experiments" in words_of(app)
        app = field(app.radio, "What differs").set_value("prompt").run()
        assert field(app.selectbox, "Variant").options == sorted(workbench.experiments.variants["prompt"])
        field(app.text_input, "Name").set_value("Shorter prompt")
        field(app.selectbox, "Task").set_value("chat")
        field(app.selectbox, "Variant").set_value("chat")
        field(app.number_input, "Share of users, in %").set_value(12.5)
        app = press(app, "Start experiment")
        assert "Experiment started" in words_of(app)
        assert "chat: 12.5 % of users get another prompt, chat" in words_of(app)
        assert "No call took part yet." in words_of(app)
        (started,) = workbench.experiments.all(olga)
        assert (started.variant, started.percentage, started.ended_at) == ("chat", Decimal("12.50"), None)

        app = press(app, "Start experiment")
        assert "Another experiment of chat is running; end it first." in words_of(app)

        workbench.assistant.ask(olga, "What is a bond?", channel="page").session.result()
        app = admin_page("experiments")
        (arm,) = app.table[0].value.columns
        assert arm in {"Control", "Variant"}
        assert app.table[0].value[arm]["Calls (n)"] == "1 of 1 users"
        assert f"Fewer than 30 calls in {arm.lower()}" in words_of(app)

        assert "Calls are counted from" not in words_of(app)
        owner.execute("UPDATE experiments SET started_at = started_at - interval '40 days'")
        owner.execute("UPDATE usage_progress SET kept_from = date_trunc('month', rolled_until, 'UTC')")
        this_month = datetime.now(UTC).replace(day=1)
        assert f"Calls are counted from 1 {this_month:%B %Y} on" in words_of(admin_page("experiments"))

        app = confirm(app, f"admin_experiments_end_{started.id}")
        assert "Experiment ended" in words_of(app)
        assert not [button for button in app.button if button.label == "End"]
        (ended,) = workbench.experiments.all(olga)
        assert ended.ended_at is not None
        assert len(app.table) == 1


OPERATORS_PARTS = ("plans", "models", "sources", "flags", "experiments")


@pytest.mark.parametrize("section", OPERATORS_PARTS)
@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_those_who_manage_find_the_page_without_the_operators_parts(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role, olga: Principal, section: str
) -> None:
    workbench.flags.keep(olga, Flag(FLAG))
    sign_in(workbench, member("ann", org="Acme", plan="team", role=role), monkeypatch)
    app = admin_page(section)
    words = words_of(app)
    assert "What is shown is of Acme." in words
    assert MODEL not in words
    (parts,) = groups(app, "Part of the administration")
    assert {"Overview", "AI quality", "Jobs", "Data checks"} <= set(parts.options)
    assert not {"Plans", "Models", "Sources", "Flags", "Experiments"} & set(parts.options)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_nobody_else_finds_the_page(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role, olga: Principal
) -> None:
    workbench.flags.keep(olga, Flag(FLAG))
    sign_in(workbench, member("ann", org="Acme", plan="team", role=role), monkeypatch)
    for section in ("overview", "jobs", *OPERATORS_PARTS):
        app = AppTest.from_file(ADMIN, default_timeout=20)
        app.query_params["section"] = section
        app.run()
        assert not app.exception
        words = words_of(app)
        assert DENIED in words
        assert MODEL not in words
        assert not app.button
        assert not app.text_input
