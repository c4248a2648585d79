"""Members and the choice of the organisation, as each role meets them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from core.principal import Principal, Role
from core.workbench import Workbench
from tests.pages.signed_in import MAIN, carry, confirm, open_page, open_session, press, words_of

if TYPE_CHECKING:
    from tests.conftest import MakeMember, MoveTime

HOSTILE = "<b>Bob</b> [x](http://evil.example) $a$"


@pytest.fixture
def olga(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in owner of an organisation in which Ann is an analyst."""
    owner = member("olga", plan="team", org="Acme")
    member("ann", plan="team", org="Acme", role=Role.ANALYST)
    return sign_in(workbench, owner, monkeypatch)


def sign_in(workbench: Workbench, who: Principal, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """Opens a session for somebody, and gives who the pages then see."""
    cookie = open_session(workbench, who)
    carry(cookie, monkeypatch)
    principal = workbench.accounts.principal_of_session(cookie)
    assert principal is not None
    return principal


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def roles_of(workbench: Workbench, who: Principal) -> dict[str, str]:
    return {row.name: row.role for row in workbench.members.all(who)}


def address(app: AppTest) -> TextInput:
    """The field for whom to invite."""
    return next(each for each in app.text_input if str(each.key).startswith("members_invite_email"))


def invite(app: AppTest, email: str, role: Role = Role.ANALYST) -> AppTest:
    address(app).set_value(email)
    next(each for each in app.selectbox if each.label == "Role").set_value(role)
    return press(app, "Invite")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_others_than_managers_do_not_find_the_page(
    workbench: Workbench, olga: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    sign_in(workbench, member("vic", plan="team", org="Acme", role=role), monkeypatch)
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    with pytest.raises(ValueError, match=r"members\.py"):
        app.switch_page("members.py").run()


def test_an_owner_sees_everybody_and_the_seats(workbench: Workbench, olga: Principal) -> None:
    app = open_page("members.py")
    words = words_of(app)
    assert "2 of 50 seats" in words
    assert "ann@test.example" in words
    assert "You" in words
    assert (labels(app).count("Role"), labels(app).count("Remove")) == (2, 1)
    assert "Nobody is invited at the moment" in words


def test_an_admin_sees_owners_but_cannot_change_them_or_make_one(
    workbench: Workbench, olga: Principal, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(workbench, member("ada", plan="team", org="Acme", role=Role.ADMIN), monkeypatch)
    app = open_page("members.py")
    assert "olga@test.example" in words_of(app)
    assert not [each for each in app.button if str(olga.user_id) in str(each.key)]
    roles = next(each for each in app.selectbox if each.label == "Role").options
    assert [role.partition(":")[0] for role in roles] == ["Admin", "Analyst", "Viewer"]


def test_a_member_gets_another_role(workbench: Workbench, olga: Principal) -> None:
    ann = workbench.directory.member("ann@test.example")
    session = open_session(workbench, ann)
    app = open_page("members.py")
    app.button(key=f"members_list_role_{ann.user_id}").click().run()
    app.button(key=f"members_list_role_{ann.user_id}").click()
    app.selectbox(key=f"members_list_role_{ann.user_id}_new").set_value(Role.VIEWER)
    press(app, "Give role")
    assert roles_of(workbench, olga)["ann"] == "viewer"
    assert "The role is given" in words_of(app)
    assert workbench.accounts.principal_of_session(session) is None


def test_the_last_owner_is_told_why_they_cannot_become_less(workbench: Workbench, olga: Principal) -> None:
    app = open_page("members.py")
    app.button(key=f"members_list_role_{olga.user_id}").click().run()
    app.button(key=f"members_list_role_{olga.user_id}").click()
    app.selectbox(key=f"members_list_role_{olga.user_id}_new").set_value(Role.ANALYST)
    press(app, "Give role")
    assert "The last owner cannot leave" in words_of(app)
    assert roles_of(workbench, olga)["olga"] == "owner"


def test_a_member_is_removed_once_it_was_confirmed(workbench: Workbench, olga: Principal) -> None:
    ann = workbench.directory.member("ann@test.example")
    app = open_page("members.py")
    app.button(key=f"members_list_remove_{ann.user_id}").click().run()
    assert set(roles_of(workbench, olga)) == {"olga", "ann"}
    confirm(app, f"members_list_remove_{ann.user_id}")
    assert set(roles_of(workbench, olga)) == {"olga"}
    assert "ann@test.example" not in words_of(app)


def test_names_are_shown_as_they_are_and_deactivated_members_marked(workbench: Workbench, olga: Principal) -> None:
    workbench.directory.add_user(
        "bob@test.example", org_name="Acme", plan="team", role=Role.ANALYST, name=HOSTILE[:200]
    )
    workbench.directory.set_active("bob@test.example", is_active=False)
    app = open_page("members.py")
    assert "Deactivated" in words_of(app)
    assert not any(HOSTILE in part.value for part in (*app.markdown, *app.html))
    assert HOSTILE in words_of(app)


def test_a_long_list_is_searched_and_shown_in_parts(workbench: Workbench, olga: Principal, member: MakeMember) -> None:
    for number in range(28):
        member(f"m{number:02}", plan="team", org="Acme", role=Role.ANALYST)
    app = open_page("members.py")
    assert labels(app).count("Remove") == 24
    app.toggle(key="members_list_all").set_value(True).run()
    assert labels(app).count("Remove") == 29
    app.text_input(key="members_list_sought").set_value("M07@").run()
    assert labels(app).count("Remove") == 1
    app.text_input(key="members_list_sought").set_value("nobody").run()
    assert "Nobody here is called so" in words_of(app)


def test_an_invitation_is_sent_again_marked_when_late_and_taken_back(
    workbench: Workbench, olga: Principal, move_time: MoveTime
) -> None:
    app = invite(open_page("members.py"), "  New@Else.Example ", Role.VIEWER)
    first = app.code[0].value
    words = words_of(app)
    assert "/link?token=" in first
    assert "new@else.example" in words
    assert "3 of 50 seats" in words
    assert "1 open invitation" in words
    assert address(app).value == ""
    press(app, "I have copied it")
    assert not app.code
    press(app, "Send again")
    assert app.code[0].value != first
    row = workbench.members.invitations(olga)[0]
    confirm(app, f"members_invitations_take_back_{row.id}")
    assert workbench.members.invitations(olga) == []
    move_time(timedelta(days=-8))
    workbench.members.invite(olga, "late@else.example", Role.VIEWER)
    move_time(timedelta())
    words = words_of(app.run())
    assert "Too late" in words
    assert "2 of 50 seats" in words


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("ANN@test.example ", "ann@test.example is a member already"),
        ("nobody", "must look like name@example.org"),
        ("x" * 10_000 + "@test.example", "at most 254 characters"),
        ("<b>@test.example", "must look like name@example.org"),
        ("анна@test.example", "Latin letters"),
        ("", "must look like name@example.org"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused_in_a_sentence(
    workbench: Workbench, olga: Principal, email: str, words: str
) -> None:
    app = invite(open_page("members.py"), email)
    assert not app.exception
    assert words in words_of(app)
    assert workbench.members.invitations(olga) == []


def test_where_all_seats_are_taken_the_page_says_so_and_refuses(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    frida = sign_in(workbench, member("frida", plan="free"), monkeypatch)
    app = open_page("members.py")
    assert "1 of 1 seat**" in words_of(app)
    assert "All taken" in words_of(app)
    invite(app, "new@else.example")
    assert "The one seat of the plan free is taken" in words_of(app)
    assert workbench.members.invitations(frida) == []


def test_the_choice_is_there_for_those_with_several_organisations(
    workbench: Workbench, olga: Principal, member: MakeMember
) -> None:
    app = open_page("settings.py", section="organisation")
    assert "Organisation" not in [each.label for each in app.selectbox]
    other = member("olga", plan="free", org="Other", role=Role.VIEWER)
    app.run()
    choice = next(each for each in app.selectbox if each.label == "Organisation")
    assert (choice.options, choice.value) == (["Acme", "Other"], olga.org_id)
    choice.set_value(other.org_id).run()
    assert "You are now in Other." in words_of(app)
    app.run()
    assert [row.org_id for row in workbench.accounts.sessions(olga)] == [other.org_id]
    assert next(each for each in app.selectbox if each.label == "Organisation").value == other.org_id
    assert "section" not in app.query_params


def test_a_tab_of_another_organisation_forgets_and_says_so_before_it_acts(
    workbench: Workbench, olga: Principal, member: MakeMember
) -> None:
    other = member("olga", plan="team", org="Other")
    app = open_page("members.py")
    address(app).set_value("meant@acme.example")
    workbench.accounts.switch_organisation(olga, other.org_id)
    press(app, "Invite")
    assert "You are now in Other, as switched in another tab." in words_of(app)
    assert not app.title
    app.run()
    assert "You are now in Other, as switched in another tab." in words_of(app)
    assert app.title[0].value == "Members"
    assert workbench.members.invitations(other) == workbench.members.invitations(olga) == []
    assert address(app).value == ""
    app.run()
    assert "as switched" not in words_of(app)


def test_a_question_put_to_another_organisation_is_not_asked_but_kept(
    workbench: Workbench, olga: Principal, member: MakeMember
) -> None:
    other = member("olga", plan="free", org="Other")
    app = open_page("chat.py")
    workbench.accounts.switch_organisation(olga, other.org_id)
    app.chat_input[0].set_value("What is beta?").run()
    assert "as switched in another tab" in words_of(app)
    app.run()
    assert "What is beta?" in words_of(app)
    assert workbench.conversations.desk(other, None, "").latest == []
    assert workbench.conversations.desk(olga, None, "").latest == []


def test_a_tab_that_comes_back_as_somebody_else_holds_nothing_of_the_first(
    workbench: Workbench, olga: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("settings.py", section="tokens")
    next(each for each in app.text_input if each.label == "Name").set_value("mine")
    press(app, "Make token")
    token = app.code[0].value
    carry(open_session(workbench, workbench.directory.member("ann@test.example")), monkeypatch)
    app.run()
    assert "You are now signed in as ann@test.example" in words_of(app)
    app.run()
    assert token not in str(app)


def test_organisations_of_one_name_are_told_apart(workbench: Workbench, olga: Principal) -> None:
    from core.db.people_dao import BelongingRow
    from core.ids import new_id
    from pages.components.switcher import distinct

    rows = [BelongingRow(new_id(), "Acme", "free", "owner") for _ in range(3)]
    assert [*distinct(rows).values()] == ["Acme", "Acme (2)", "Acme (3)"]
