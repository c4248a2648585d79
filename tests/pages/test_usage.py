"""Usage, as each role meets it: bars, totals, days, the log, and the file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from pandas import DataFrame
from streamlit.testing.v1 import AppTest

from core.ai.providers.offline import Offline
from core.db.usage_dao import LogRow
from core.metering import usage_exports
from core.principal import Principal, Role
from core.research.templates import TemplateDraft
from core.settings import ROOT
from core.workbench import Workbench
from pages.components import session, words
from tests.conftest import MakeMember
from tests.core.metering.usage_made import Driver, Logged, put

MAIN = str(ROOT / "pages" / "main.py")


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in analyst of a free organisation whose owner is Olga."""
    for provider in workbench.providers.values():
        assert isinstance(provider, Offline)
        monkeypatch.setattr(provider, "_delay_s", 0.0)
    member("olga", plan="free", org="Acme", role=Role.OWNER)
    principal = member("ann", plan="free", org="Acme", role=Role.ANALYST)
    _sign_in(principal, monkeypatch)
    return principal


def _sign_in(principal: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "current_principal", lambda: principal)


def _open() -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    app.switch_page("usage.py").run()
    assert not app.exception
    return app


def _words(app: AppTest) -> str:
    return " ".join(part.value for part in (*app.markdown, *app.caption, *app.info))


def _ask(workbench: Workbench, principal: Principal, *questions: str) -> None:
    for question in questions:
        workbench.assistant.ask(principal, question, channel="page").session.result()


def _metric(app: AppTest, label: str) -> tuple[str, str]:
    metric = next(metric for metric in app.metric if metric.label == label)
    return metric.value, metric.delta


def _logs(app: AppTest) -> list[DataFrame]:
    return [each.value for each in app.dataframe if "Result" in each.value]


def _log(app: AppTest) -> DataFrame:
    (found,) = _logs(app)
    return found


def test_a_new_user_sees_the_limits_and_where_to_begin(ann: Principal) -> None:
    app = _open()
    assert "0 of 10 used, 10 left" in _words(app)
    assert "resets tomorrow at 00:00" in _words(app)
    assert "Nothing was used in this period" in _words(app)
    assert not app.metric
    assert not app.dataframe


def test_requests_tokens_cache_and_cost_are_counted_with_what_they_count(workbench: Workbench, ann: Principal) -> None:
    _ask(workbench, ann, "What is beta?", "what is BETA?", "What is inflation?")
    app = _open()
    assert "2 of 10 used, 8 left" in _words(app)
    assert _metric(app, "Requests") == ("3", "0 more denied")
    assert _metric(app, "From the cache") == ("33%", "1 of 3 requests")
    assert _metric(app, "Charged, USD") == ("0.00", "for 2 calls")
    assert _log(app)["Result"].tolist() == ["Answered", "Cached", "Answered"]
    assert "Showing all 3" in _words(app)


def test_from_eighty_percent_on_a_quota_is_marked_and_then_used_up(workbench: Workbench, ann: Principal) -> None:
    _ask(workbench, ann, *(f"What is a bond, take {number}?" for number in range(8)))
    assert "80 % used" in _words(_open())
    _ask(workbench, ann, *(f"What is a stock, take {number}?" for number in range(2)))
    app = _open()
    assert "Used up" in _words(app)
    assert 'role="meter"' in app.html[0].value
    assert 'aria-valuenow="100.0"' in app.html[0].value


def test_where_nothing_was_charged_the_days_show_requests_first_and_cost_says_why(
    workbench: Workbench, ann: Principal
) -> None:
    _ask(workbench, ann, "What is beta?")
    app = _open()
    assert app.button_group(key="usage_days_measure").value == "Requests"
    app.button_group(key="usage_days_measure").set_value("Cost").run()
    assert not app.exception
    assert "Nothing was charged in this period" in _words(app)


def test_filters_narrow_the_log_and_say_so_when_nothing_is_left(workbench: Workbench, ann: Principal) -> None:
    _ask(workbench, ann, "What is beta?", "what is BETA?")
    app = _open()
    app.multiselect(key="usage_log_statuses").set_value(["cached"]).run()
    assert _log(app)["Result"].tolist() == ["Cached"]
    app.multiselect(key="usage_log_statuses").set_value(["denied"]).run()
    assert not _logs(app)
    assert "No request of this period matches" in _words(app)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_members_see_their_own_usage_alone(
    workbench: Workbench, ann: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    _ask(workbench, ann, "What is beta?")
    _ask(workbench, member("ben", org="Acme", role=Role.ANALYST), "What is inflation?")
    _sign_in(replace(ann, role=role), monkeypatch)
    app = _open()
    assert _metric(app, "Requests")[0] == "1"
    assert "Whose" not in [control.label for control in app.button_group]


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_owner_and_admin_may_see_the_whole_organisation(
    workbench: Workbench, ann: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    _ask(workbench, ann, "What is beta?")
    _ask(workbench, member("ben", org="Acme", role=Role.ANALYST), "What is inflation?")
    _sign_in(member("eve", org="Acme", role=role), monkeypatch)
    app = _open()
    assert not app.metric
    app.button_group(key="usage_whose").set_value("Organisation").run()
    assert _metric(app, "Requests")[0] == "2"
    assert _metric(app, "Providers' cost, USD") == ("0.00", "failed tries included")
    assert len(set(_log(app)["Who"])) == 2


def test_another_organisation_is_never_counted(workbench: Workbench, ann: Principal, member: MakeMember) -> None:
    _ask(workbench, member("zoe", org="Other"), "What is beta?")
    assert "Nothing was used in this period" in _words(_open())


def test_times_are_those_of_the_users_zone_and_the_zone_is_named(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ask(workbench, ann, "What is beta?")
    _sign_in(replace(ann, zone="Asia/Kolkata"), monkeypatch)
    app = _open()
    assert "in Asia/Kolkata" in _words(app)
    assert ":30" in next(caption.value for caption in app.caption if "resets" in caption.value)


def test_spend_is_told_by_feature_and_model_with_the_mean_time_of_an_answer_and_its_n(
    workbench: Workbench, ann: Principal
) -> None:
    _ask(workbench, ann, "What is beta?", "what is BETA?", "What is inflation?")
    app = _open()
    (spend,) = [each.value for each in app.dataframe if "Feature" in each.value]
    assert spend[["Feature", "Requests", "Answers timed"]].to_numpy().tolist() == [["Chat", 3, 2]]
    assert _metric(app, "Mean answer, s")[1] == "n = 2 answers"
    assert "Providers' cost, USD" not in spend


def test_what_was_asked_most_is_told_by_kind_and_template_and_never_by_text(
    workbench: Workbench, ann: Principal, service: Driver
) -> None:
    template = workbench.templates.create(ann, TemplateDraft("Ours", "What is beta?"))
    filled = workbench.templates.filled(ann, template.id, {})
    workbench.assistant.ask(ann, filled.text, channel="page", template=filled).session.result()
    for intent in ("analysis", "analysis", "summary"):
        put(service, ann, Logged(intent=intent))
    told = _words(_open())
    assert "| Analysis | 2 |" in told
    assert "| Summaries | 1 |" in told
    assert "| Ours | 1 |" in told
    assert "What is beta?" not in told
    assert "Of the newest" not in told


def test_a_month_is_forecast_from_seven_full_days_on(workbench: Workbench, ann: Principal, service: Driver) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    put(service, ann, Logged(at=today - timedelta(days=6), charged_usd=Decimal(1)))
    assert "takes 7 full days of usage before today" in _words(_open())
    put(service, ann, Logged(at=today - timedelta(days=7), charged_usd=Decimal(1)))
    app = _open()
    assert "n = 7 full days" in _words(app)
    assert float(_metric(app, f"{today:%B} by its end, USD")[0]) > 0


def test_more_of_a_limit_is_asked_for_and_then_told_to_wait(workbench: Workbench, ann: Principal) -> None:
    app = _open()
    app.number_input(key="usage_boost_amount").set_value(25)
    app.text_input(key="usage_boost_reason_0").set_value("Earnings week")
    next(button for button in app.button if button.label == "Ask").click().run()
    assert not app.exception
    (boost,) = workbench.boosts.mine(ann)
    assert (boost.amount, boost.state, boost.reason) == (25, "requested", "Earnings week")
    assert "25 more chat questions a day" in _words(app)


@pytest.mark.parametrize(
    ("plan", "offered"),
    [
        ("basic", ["Chat questions a day", "Portfolio analyses a day", "AI requests a month"]),
        ("premium", ["AI requests a month"]),
    ],
)
def test_only_what_is_limited_can_be_asked_for(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch, plan: str, offered: list[str]
) -> None:
    _sign_in(member("pat", plan=plan, org="Paying"), monkeypatch)
    assert _open().selectbox(key="usage_boost_metric").options == [*offered, "Signal validations a day"]


def test_where_nothing_is_limited_there_is_nothing_to_ask_for(
    member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sign_in(member("eva", plan="enterprise", org="Large"), monkeypatch)
    app = _open()
    assert "your plan limits none of what can be raised" in _words(app)
    assert not [box for box in app.selectbox if box.label == "Limit"]


def test_a_viewer_is_not_offered_to_ask_for_more(ann: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    _sign_in(replace(ann, role=Role.VIEWER), monkeypatch)
    assert not [box for box in _open().selectbox if box.label == "Limit"]


def _row(**changes: object) -> LogRow:
    row = LogRow(
        id=uuid4(),
        at=datetime(2026, 11, 21, 23, 30, tzinfo=UTC),
        user_id=uuid4(),
        request_id=uuid4(),
        conversation_id=None,
        channel="page",
        status="success",
        feature="chat_query",
        provider="openai",
        model="gpt",
        prompt_tokens=12,
        completion_tokens=34,
        estimated=False,
        cost_usd=Decimal("0.000000123"),
        charged_usd=Decimal("1E-9"),
        latency_ms=1500,
        first_token_ms=None,
        error_code=None,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_the_file_has_a_header_every_digit_and_the_zones_offset() -> None:
    content = usage_exports.csv_of([_row()], "Asia/Kolkata").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(content))
    assert row["time"] == "2026-11-22T05:00:00.000+05:30"
    assert (row["charged_usd"], row["cost_usd"]) == ("0.000000001", "0.000000123")
    assert (row["first_token_ms"], row["estimated"]) == ("", "false")


@pytest.mark.parametrize("model", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text(model: str) -> None:
    content = usage_exports.csv_of([_row(model=model)], "UTC").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(content, newline=""))
    assert row["model"] == f"'{model}"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), "tomorrow at 00:00"),
        (datetime(2026, 11, 21, 22, 15, tzinfo=UTC), "today at 23:15"),
        (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), "on 1 December at 00:00"),
    ],
)
def test_a_reset_is_told_in_the_users_zone(at: datetime, said: str) -> None:
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert words.when(at, now, "Europe/Berlin") == said
    assert words.bound(at, now, "Europe/Berlin") == said.removeprefix("on ")


def test_a_period_that_begins_before_requests_are_kept_says_from_when_on_they_are(
    workbench: Workbench, owner: Driver, ann: Principal
) -> None:
    _ask(workbench, ann, "What is beta?")
    assert "Requests are kept from" not in _words(_open())
    this_month = datetime.now(UTC).replace(day=1)
    owner.execute("UPDATE usage_progress SET kept_from = date_trunc('month', rolled_until, 'UTC')")
    app = _open()
    app.segmented_control(key="usage_period").set_value("90 days").run()
    assert f"Requests are kept from 1 {this_month:%B %Y} on." in _words(app)


def test_days_name_only_the_models_that_have_something_of_what_is_shown(ann: Principal, service: Driver) -> None:
    put(service, ann, Logged(model="dear", charged_usd=Decimal("0.02")))
    put(service, ann, Logged(model="free", charged_usd=Decimal(0)))
    app = _open()
    assert _bars(app) == ["dear"]
    app.button_group(key="usage_days_measure").set_value("Requests").run()
    assert sorted(_bars(app)) == ["dear", "free"]


def _bars(app: AppTest) -> list[str]:
    (chart,) = app.get("plotly_chart")
    return [each["name"] for each in json.loads(chart.proto.spec)["data"]]
