"""Admin: the overview of an organisation for those who manage it, of everything for operators, and their decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.principal import Principal, Role
from core.workbench import Workbench
from pages.components.admin_reach import ALL
from tests.conftest import MakeMember
from tests.core.admin.history import History
from tests.pages.signed_in import confirm, open_page, press, words_of
from tests.pages.test_admin_models import ADMIN, field, groups, olga, sign_in

__all__ = ["olga"]

Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def told(service: Service, member: MakeMember) -> Principal:
    """Bob of Borealis, with a day's requests: his organisation has two, and no other has any."""
    bob = member("bob", org="Borealis", plan="basic")
    now = datetime.now(UTC)
    History(service).ask(bob, now - timedelta(minutes=3), times=2, prompt_tokens=750, cost_usd=Decimal("0.25"))
    return bob


def figures(app: AppTest) -> dict[str, str]:
    """The figures at one look, by their names."""
    return {metric.label: metric.value for metric in app.metric}


def choose(app: AppTest, label: str, value: Any) -> AppTest:
    """Presses one of a group of choices."""
    (group,) = groups(app, label)
    after: AppTest = group.set_value(value).run()
    return after


def test_a_manager_sees_their_organisation_and_is_not_asked(
    workbench: Workbench, told: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(workbench, told, monkeypatch)
    app = open_page("admin.py")
    assert figures(app)["Requests"] == "2"
    assert figures(app)["Providers' cost, USD"] == "0.50"
    words = words_of(app)
    assert "What is shown is of Borealis." in words
    assert "days of UTC, today up to" in words
    assert not groups(app, "What is shown")

    sign_in(workbench, member("eve", org="Else"), monkeypatch)
    app = open_page("admin.py")
    assert figures(app)["Requests"] == "0"
    assert figures(app)["From the cache"] == figures(app)["Errors"] == figures(app)["Time to answer, p95"] == "n/a"
    assert "Nobody asked anything in this period." in words_of(app)


def test_an_operator_switches_to_everything(workbench: Workbench, told: Principal, olga: Principal) -> None:
    app = open_page("admin.py")
    assert figures(app)["Requests"] == "0"
    app = choose(app, "What is shown", ALL)
    assert not app.exception
    assert figures(app)["Requests"] == "2"
    app = choose(app, "Told apart by", "org_id")
    assert not app.exception
    (table,) = [each.value for each in app.dataframe if "Organisation" in each.value.columns]
    assert list(table["Organisation"]) == ["Borealis"]
    app.query_params["section"] = "plans"
    app.run()
    assert not app.exception
    assert "Estimated," in words_of(app)


@pytest.mark.parametrize("section", ["overview", "plans", "models", "sources", "quality", "jobs", "data"])
@pytest.mark.parametrize("everything", [False, True])
def test_every_part_draws_for_an_operator_of_an_installation_in_which_nothing_happened(
    olga: Principal, section: str, everything: bool
) -> None:
    app = open_page("admin.py", section=section)
    if everything:
        app = choose(app, "What is shown", ALL)
    assert not app.exception
    assert not app.error


def test_an_operator_switches_a_model_off_and_on_again(workbench: Workbench, olga: Principal) -> None:
    app = open_page("admin.py", section="models")
    assert "All are on, with weight 1" in words_of(app)
    field(app.selectbox, "Provider or model").set_value(("openai", "gpt-4o-mini"))
    app.run()
    field(app.toggle, "On: it may be asked in this installation").set_value(False)
    app = press(app, "Save decision")
    assert "Decision saved" in words_of(app)
    assert [(each.model, each.is_on) for each in workbench.ai.switches.all(olga)] == [("gpt-4o-mini", False)]
    field(app.toggle, "On: it may be asked in this installation").set_value(True)
    app = press(app, "Save decision")
    assert "All are on, with weight 1" in words_of(app)


def test_a_test_call_says_whose_cost_it_is(workbench: Workbench, olga: Principal) -> None:
    app = open_page("admin.py", section="models")
    assert "at the cost of Acme" in words_of(app)
    app = press(app, "Make a test call")
    assert not app.exception
    assert app.error or app.success


def test_a_failed_night_is_done_again_once_that_is_confirmed(
    workbench: Workbench, olga: Principal, service: Service
) -> None:
    failed = workbench.queue.submit("night", {"universe_id": "x", "day": "2026-11-20"}, key="x", org_id=olga.org_id)
    service.execute(
        "UPDATE jobs SET status = 'failed', error = 'The source failed.', finished_at = assay_now() WHERE id = %s",
        (failed.id,),
    )
    app = open_page("admin.py", section="jobs")
    assert "The source failed." in words_of(app)
    app = confirm(app, f"admin_jobs_retry_{failed.id}")
    assert "The job waits for a worker" in words_of(app)
    assert workbench.queue.figures().waiting == 1


def test_bars_are_checked_on_demand(workbench: Workbench, olga: Principal) -> None:
    workbench.market.load_shipped()
    app = open_page("admin.py", section="data")
    app = press(app, "Check the data")
    assert not app.exception
    assert "symbols up to" in words_of(app)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_others_are_told_that_the_page_is_not_theirs(
    workbench: Workbench, told: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    sign_in(workbench, member("ben", org="Borealis", plan="basic", role=role), monkeypatch)
    app = AppTest.from_file(ADMIN, default_timeout=20).run()
    assert not app.exception
    assert "This page is for those who manage an organisation." in words_of(app)
    assert not app.metric


def test_terms_are_explained_where_they_stand(
    workbench: Workbench, told: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(workbench, told, monkeypatch)
    app = open_page("admin.py")
    explained = {metric.label: metric.help for metric in app.metric}
    assert {label for label, words in explained.items() if not words} <= {"Tokens", "Tokens a call"}
    assert explained["Active users"] == "Members with at least one request in the period."
