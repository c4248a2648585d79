"""Settings, as each role meets them: profile, password, sessions, tokens, organisation, leaving."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import Conflict, InvalidRequest
from core.principal import Principal, Role
from core.workbench import Workbench
from pages.components.settings_organisation import fraction, leave, percent
from tests.pages.signed_in import carry, confirm, open_page, open_session, press, words_of

if TYPE_CHECKING:
    from tests.conftest import MakeMember

PASSWORD = "violet kettle on the moon"
ANOTHER = "seven maps of the old harbour"
HOSTILE = "<b>Bob</b> [x](http://evil.example) $a$"
MANAGERS, OTHERS = (Role.OWNER, Role.ADMIN), (Role.ANALYST, Role.VIEWER)


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in analyst of an organisation whose owner is Olga."""
    member("olga", plan="team", org="Acme")
    return sign_in(workbench, member("ann", plan="team", org="Acme", role=Role.ANALYST, password=PASSWORD), monkeypatch)


def sign_in(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(workbench, who)
    carry(cookie, monkeypatch)
    principal = workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


def settings(section: str) -> AppTest:
    return open_page("settings.py", section=section)


def fill(app: AppTest, **fields: str) -> AppTest:
    """Fills text fields by their labels."""
    for label, value in fields.items():
        next(each for each in app.text_input if each.label == label.replace("_", " ")).set_value(value)
    return app


def select(app: AppTest, label: str, value: object) -> None:
    next(each for each in app.selectbox if each.label == label).set_value(value)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("section", ["profile", "password", "sessions", "tokens", "organisation", "nonsense"])
def test_every_role_finds_every_part(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role, section: str
) -> None:
    sign_in(workbench, member("eve", org="Acme", plan="team", role=role), monkeypatch)
    app = settings(section)
    assert app.title[0].value == "Settings"
    assert not [*app.error, *app.warning]


def test_the_profile_is_kept_and_counts_at_once(workbench: Workbench, ann: Principal) -> None:
    app = settings("profile")
    fill(app, Name="Ann  of Acme")
    select(app, "Time zone", "Asia/Kolkata")
    press(app, "Save profile")
    assert "Your profile is saved" in words_of(app)
    kept = workbench.profiles.profile(ann)
    assert (kept.name, kept.zone, kept.default_model, kept.uses_router) == ("Ann of Acme", "Asia/Kolkata", None, True)
    assert "Ann of Acme" in [text.value for text in app.text]


@pytest.mark.parametrize("name", ["x" * 10_000, "\u202eevil\x00", ""])
def test_a_name_that_cannot_be_is_refused_in_a_sentence_and_what_was_typed_stays(
    workbench: Workbench, ann: Principal, name: str
) -> None:
    app = fill(settings("profile"), Name=name)
    press(app, "Save profile")
    assert "The name has 1 to 200 characters that can be shown" in words_of(app)
    assert workbench.profiles.profile(ann).name == "ann"
    assert app.text_input[0].value == name


def test_a_name_with_markup_is_shown_as_it_is(workbench: Workbench, ann: Principal) -> None:
    app = fill(settings("profile"), Name=HOSTILE)
    press(app, "Save profile")
    assert HOSTILE in [text.value for text in app.text]
    assert not any(HOSTILE in part.value for part in (*app.markdown, *app.html))


def test_credits_take_over_once_they_are_switched_on(workbench: Workbench, ann: Principal) -> None:
    app = settings("profile")
    switch = next(each for each in app.toggle if each.label.startswith("Let credits take over"))
    assert not switch.value
    switch.set_value(True)
    press(app, "Save profile")
    assert workbench.profiles.profile(ann).uses_credits


def test_the_router_is_switched_off_only_with_a_default_model(workbench: Workbench, ann: Principal) -> None:
    app = settings("profile")
    app.toggle[0].set_value(False)
    press(app, "Save profile")
    assert "Without the router a default model has to be chosen" in words_of(app)
    offered = next(each for each in app.selectbox if each.label == "Default model").options
    live = [model for model in workbench.catalogue.chat_models() if model.label in offered]
    select(app, "Default model", live[0].id)
    press(app, "Save profile")
    kept = workbench.profiles.profile(ann)
    assert (kept.uses_router, kept.default_model) == (False, live[0].id)


def test_a_new_password_gives_this_browser_a_ticket_and_ends_every_session(
    workbench: Workbench, ann: Principal
) -> None:
    app = settings("password")
    fill(app, Current_password=PASSWORD, New_password=ANOTHER, **{"New password, again": ANOTHER})
    press(app, "Change password")
    assert 'data-ticket="' in "".join(part.value for part in app.html)
    assert workbench.accounts.sessions(ann) == []
    assert workbench.accounts.sign_in(ann.email, ANOTHER, address="192.0.2.9")


@pytest.mark.parametrize(
    ("current", "new", "again", "words"),
    [
        ("wrong", ANOTHER, ANOTHER, "The current password is wrong"),
        (PASSWORD, ANOTHER, "another", "The two passwords differ"),
        (PASSWORD, "short", "short", "10 characters"),
        (PASSWORD, "password12", "password12", "pass"),
        (PASSWORD, PASSWORD, PASSWORD, "The new password is the current one"),
        (PASSWORD, "x" * 10_000, "x" * 10_000, "72"),
        ("x" * 10_000, ANOTHER, ANOTHER, "The current password is wrong"),
    ],
)
def test_a_password_that_is_refused_says_why_beside_the_form(
    workbench: Workbench, ann: Principal, current: str, new: str, again: str, words: str
) -> None:
    app = fill(settings("password"), Current_password=current, New_password=new, **{"New password, again": again})
    press(app, "Change password")
    assert words in words_of(app)
    assert app.warning or app.error
    assert len(workbench.accounts.sessions(ann)) == 1


def test_that_the_password_was_changed_is_said_in_the_next_session_only(workbench: Workbench, ann: Principal) -> None:
    assert "Your password is changed" in words_of(open_page("settings.py", section="password", changed="1"))
    assert "Your password is changed" not in words_of(settings("password"))


def test_sessions_are_named_by_device_and_ended_one_by_one(
    workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0"
    )
    cookies = [open_session(workbench, ann, agent=agent) for agent in (phone, "", HOSTILE)]
    app = settings("sessions")
    words = words_of(app)
    assert "Firefox on Linux" in words
    assert "iPhone" in words
    assert "Unknown device" in words
    assert "This one" in words
    assert words.count("192.0.2.7") == 4
    assert [each.label for each in app.button].count("End") == 3
    confirm(app, next(str(each.key) for each in app.button if each.label == "End"))
    assert "The session has ended" in words_of(app)
    assert len(workbench.accounts.sessions(ann)) == 3
    confirm(app, "settings_end_others")
    assert [row.id for row in workbench.accounts.sessions(ann)] == [ann.credential_id]
    assert all(workbench.accounts.principal_of_session(cookie) is None for cookie in cookies)
    assert [each.disabled for each in app.button if each.label == "End all others"] == [True]


def test_a_token_is_shown_once_listed_and_revoked(workbench: Workbench, ann: Principal) -> None:
    app = settings("tokens")
    assert "No tokens yet" in words_of(app)
    assert [box.label.partition(":")[0] for box in app.checkbox] == ["Read", "Ask", "Admin"]
    fill(app, Name=HOSTILE)
    app.number_input[0].set_value(3)
    press(app, "Make token")
    token = app.code[0].value
    assert workbench.accounts.principal_of_token(token).scopes == {"read"}
    assert "Ends soon" in words_of(app)
    assert app.text_input[0].value == ""
    assert "last used today at" in words_of(press(app, "I have copied it"))
    assert token not in str(app)
    confirm(app, next(str(each.key) for each in app.button if each.label == "Revoke"))
    assert workbench.tokens.all(ann) == []
    assert "No tokens yet" in words_of(app)


def test_a_name_that_no_token_can_have_is_refused_in_a_sentence(workbench: Workbench, ann: Principal) -> None:
    app = fill(settings("tokens"), Name="x" * 10_000)
    press(app, "Make token")
    assert "The name has 1 to 200 characters that can be shown" in words_of(app)
    assert workbench.tokens.all(ann) == []


def test_a_token_without_a_scope_is_refused_and_a_viewer_cannot_choose_to_ask(
    workbench: Workbench, ann: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill(settings("tokens"), Name="x")
    app.checkbox[0].set_value(False)
    press(app, "Make token")
    assert "at least one scope" in words_of(app)
    sign_in(workbench, member("vic", org="Acme", plan="team", role=Role.VIEWER), monkeypatch)
    assert not [box for box in settings("tokens").checkbox if "Ask" in box.label]


@pytest.mark.parametrize("role", MANAGERS)
def test_managers_set_the_organisation(
    workbench: Workbench, ann: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    eve = sign_in(workbench, member("eve", org="Acme", plan="team", role=role), monkeypatch)
    app = settings("organisation")
    fill(app, Name_of_the_organisation="Acme & Sons", **{"Risk-free rate, % a year": "4,25 %", "Benchmark": "spy "})
    select(app, "Time zone of the organisation", "Europe/Berlin")
    model = workbench.catalogue.chat_models()[0].id
    app.radio[0].set_value("Only these")
    app.multiselect[0].set_value([model])
    press(app, "Save organisation")
    kept = workbench.profiles.organisation(eve)
    assert (kept.name, kept.zone, kept.benchmark, kept.allowed_models) == (
        "Acme & Sons",
        "Europe/Berlin",
        "SPY",
        (model,),
    )
    assert kept.risk_free_rate == Decimal("0.0425")
    assert "4.25" in [each.value for each in app.text_input]
    app.radio[0].set_value("All that the plan includes")
    press(app, "Save organisation")
    assert workbench.profiles.organisation(eve).allowed_models is None


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Name of the organisation", "x" * 10_000, "1 to 200 characters"),
        ("Risk-free rate, % a year", "four", "a number in percent"),
        ("Risk-free rate, % a year", "NaN", "risk-free rate"),
        ("Risk-free rate, % a year", "sNaN", "risk-free rate"),
        ("Risk-free rate, % a year", "9" * 10_000, "a number in percent"),
        ("Risk-free rate, % a year", "101", "risk-free rate"),
        ("Benchmark", "", "The benchmark is a symbol"),
    ],
)
def test_what_an_organisation_cannot_have_is_refused_in_a_sentence(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, label: str, value: str, words: str
) -> None:
    eve = sign_in(workbench, member("eve", org="Acme", plan="team"), monkeypatch)
    before = workbench.profiles.organisation(eve)
    app = fill(settings("organisation"), **{label: value})
    press(app, "Save organisation")
    assert not app.exception
    assert words in words_of(app)
    assert workbench.profiles.organisation(eve) == before


def test_only_these_models_means_at_least_one(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(workbench, member("eve", org="Acme", plan="team"), monkeypatch)
    app = settings("organisation")
    app.radio[0].set_value("Only these")
    press(app, "Save organisation")
    assert "Allow at least one model, or all of them" in words_of(app)


@pytest.mark.parametrize("role", OTHERS)
def test_others_read_the_organisation(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    sign_in(workbench, member("eve", org="Acme", plan="team", role=role), monkeypatch)
    app = settings("organisation")
    assert "Save organisation" not in [each.label for each in app.button]
    assert "Risk-free rate" in words_of(app)
    assert "An admin of your organisation can change this" in words_of(app)


@pytest.mark.parametrize("typed", ["4", "4.0", " 4 % ", "4,0"])
def test_a_rate_in_percent_is_kept_as_an_exact_fraction(typed: str) -> None:
    assert fraction(typed) == Decimal("0.04")
    assert percent(fraction(typed)) == "4"


@pytest.mark.parametrize("typed", ["", "four", "1.2.3", "4%4", "1e9999999999999999999"])
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest):
        fraction(typed)


def test_the_last_owner_is_told_why_not_and_stays_in_the_organisation(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    member("eve", org="Other", plan="team")
    eve = sign_in(workbench, member("eve", org="Acme", plan="team"), monkeypatch)
    app = settings("organisation")
    confirm(app, "settings_leave")
    assert "The last owner cannot leave" in words_of(app)
    with pytest.raises(Conflict):
        leave(eve, workbench.directory.member(eve.email, "Other").org_id)
    assert workbench.accounts.sessions(eve)[0].org_id == eve.org_id


def test_whoever_leaves_goes_on_in_their_next_organisation(
    workbench: Workbench, member: MakeMember, ann: Principal
) -> None:
    other = member("ann", org="Other", plan="free", role=Role.VIEWER)
    app = settings("organisation")
    confirm(app, "settings_leave")
    assert "You have left Acme" in words_of(app)
    app.run()
    assert "Other" in words_of(app)
    assert [row.org_id for row in workbench.accounts.sessions(other)] == [other.org_id]
    assert [row.name for row in workbench.accounts.organisations(other)] == ["Other"]


def test_whoever_leaves_their_only_organisation_is_signed_out(workbench: Workbench, ann: Principal) -> None:
    app = settings("organisation")
    assert "It is your only one" in words_of(press(app, "Leave this organisation"))
    confirm(app, "settings_leave")
    assert [each.label for each in app.text_input][:1] == ["Email"]
    assert workbench.accounts.sessions(ann) == []
