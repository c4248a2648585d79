"""Sign-up, forgotten passwords and mailed links, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from core import workbench as workbench_module
from core.accounts.joining import JOIN_LIFE
from core.accounts.people import MAX_NAME_CHARS
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from pages.components import session
from tests.conftest import MoveTime, make_settings, member_factory
from tests.fakes.mail_server import MailServer, link_of

MAIN = str(ROOT / "pages" / "main.py")
PASSWORD = "four words kept together"
ASKED = "If this address can be used, a mail with a link is on its way to"
GONE = "This link is no longer good"
MARKUP = "**Eve** [x](http://evil.example) <script>alert(1)</script>"


class Visit:
    """What one browser may do: nobody is signed in to it, unless `principal` is set."""

    def __init__(self, bench: Workbench, mails: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.mails = bench, mails
        self.member = member_factory(bench)
        self._monkeypatch = monkeypatch

    def sign_in(self, principal: Principal) -> str:
        """From now on this is somebody's browser; gives their session."""
        ticket = self.bench.accounts.ticket(principal.user_id, principal.org_id, method="link")
        opened = self.bench.accounts.redeem_ticket(ticket, address="127.0.0.1", agent="test")
        self._monkeypatch.setattr(session, "caller", lambda: session.Caller(session=opened, address="127.0.0.1"))
        return opened

    def page(self, file: str) -> AppTest:
        """A page as its address shows it."""
        return AppTest.from_file(MAIN, default_timeout=20).run().switch_page(file).run()

    def link(self, token: str) -> AppTest:
        """The page that a mailed link leads to."""
        app = AppTest.from_file(MAIN, default_timeout=20).run()
        app.query_params["token"] = token
        return app.switch_page("link.py").run()

    def token(self, to: str, subject: str) -> str:
        """The token in the next mail."""
        address = urlsplit(link_of(self.mails.wait_for(to, subject)))
        assert address.path == "/link"
        return parse_qs(address.query)["token"][0]

    def join_token(self, email: str = "nia@new.example", name: str = "Nia New") -> str:
        """The token of somebody who asked for an account."""
        self.bench.joining.request_account(email, name, address="127.0.0.1")
        return self.token(email, "Confirm")

    def reset_token(self, email: str) -> str:
        """The token of somebody who forgot their password."""
        self.bench.joining.request_reset(email, address="127.0.0.1")
        return self.token(email, "Choose a new password")

    def invitation(self, email: str, *, org: str = "Acme", plan: str = "team", role: Role = Role.VIEWER) -> str:
        """The token of an invitation by an owner."""
        owner = self.member("olga", org=org, plan=plan)
        self.bench.members.invite(owner, email, role)
        return self.token(email, "Invitation to")


@pytest.fixture
def visit(
    database_url: str, tmp_path: Path, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visit]:
    settings = make_settings(database_url, tmp_path, SMTP_URL=mail_server.url)
    with closing(open_workbench(settings)) as bench:
        monkeypatch.setattr(workbench_module, "_current", bench)
        monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address="127.0.0.1"))
        yield Visit(bench, mail_server, monkeypatch)


def sent(app: AppTest, **fields: str) -> AppTest:
    """Fills in fields by their labels (`_` for a space) and presses the form's button."""
    by_label = {field.label: field for field in app.text_input}
    for label, value in fields.items():
        by_label[label.replace("_", " ")].set_value(value)
    return app.button[0].click().run()


def chosen(app: AppTest, password: str = PASSWORD, again: str | None = None, **fields: str) -> AppTest:
    """Sends a form with a new password."""
    repeated = {"New password, again": password if again is None else again}
    return sent(app, New_password=password, **repeated, **fields)


def said(app: AppTest) -> str:
    """All that the page says in words."""
    assert not app.exception
    parts = (app.title, app.header, app.markdown, app.text, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for part in parts for element in part)


def tickets(app: AppTest) -> list[str]:
    """Scripts that open a session."""
    return [block.value for block in app.html if "data-ticket=" in block.value]


def is_gone(app: AppTest) -> bool:
    """Whether the page says that the link is good for nothing, and offers no form."""
    return GONE in said(app) and not app.text_input


@pytest.mark.parametrize("email", ["ann@test.example", " ANN@Test.Example ", "nobody@test.example"])
@pytest.mark.parametrize("file", ["sign_up.py", "forgot.py"])
def test_whoever_has_the_address_the_page_reads_the_same(visit: Visit, file: str, email: str) -> None:
    visit.member("ann", password=PASSWORD)
    fields = {"Email": email, "Name": "Ann"} if file == "sign_up.py" else {"Email": email}
    app = sent(visit.page(file), **fields)
    assert said(app).replace(email.strip(), "ADDRESS") == said(
        sent(visit.page(file), **{**fields, "Email": "other@test.example"})
    ).replace("other@test.example", "ADDRESS")
    assert ASKED in said(app)
    assert not app.text_input


@pytest.mark.parametrize(
    ("email", "name", "words"),
    [
        ("", "Nia", "e-mail address"),
        ("nobody", "Nia", "must look like"),
        ("a" * 200 + "@new.example", "Nia", "must look like"),
        ("ниа@new.example", "Nia", "Latin letters"),
        ("nia@new.example", "", "1 to 200 characters"),
        ("nia@new.example", "Nia\x00", "1 to 200 characters"),
    ],
)
def test_what_no_account_can_have_is_said_in_the_form_and_stays_typed(
    visit: Visit, email: str, name: str, words: str
) -> None:
    app = sent(visit.page("sign_up.py"), Email=email, Name=name)
    assert words in said(app)
    assert ASKED not in said(app)
    assert [field.value for field in app.text_input] == [email, name]


def test_another_address_can_be_tried_after_the_first(visit: Visit) -> None:
    app = sent(visit.page("forgot.py"), Email="nia@new.example")
    app.button[0].click().run()
    assert [field.label for field in app.text_input] == ["Email"]


def test_too_many_requests_are_answered_with_the_wait_in_words(visit: Visit) -> None:
    for _ in range(visit.bench.settings.sign_in_attempts):
        visit.bench.joining.request_reset("nia@new.example", address="127.0.0.1")
    words = said(sent(visit.page("forgot.py"), Email="nia@new.example"))
    assert "Too many requests; try again in 1 minute" in words
    assert "seconds" not in words


def test_where_no_mail_is_sent_in_development_the_page_says_where_the_link_is(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address="127.0.0.1"))
    app = AppTest.from_file(MAIN, default_timeout=20).run().switch_page("forgot.py").run()
    assert "in the log where the workbench was started" in said(sent(app, Email="nia@new.example"))


def test_where_no_mail_can_be_sent_the_page_says_what_the_operator_has_to_set(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(database_url, tmp_path, PUBLIC_URL="https://assay.example", ALLOW_SIGN_UP="1")
    monkeypatch.setattr(session, "caller", lambda: session.Caller(session=None, address="192.0.2.1"))
    with closing(open_workbench(settings)) as bench:
        monkeypatch.setattr(workbench_module, "_current", bench)
        app = AppTest.from_file(MAIN, default_timeout=20).run().switch_page("sign_up.py").run()
        assert "SMTP_URL" in said(sent(app, Email="nia@new.example", Name="Nia")).replace("\\", "")


def test_a_sign_ups_link_asks_for_name_and_password_and_opens_a_session(visit: Visit) -> None:
    token = visit.join_token()
    app = visit.link(token)
    assert [(field.label, field.value) for field in app.text_input] == [
        ("Email", "nia@new.example"),
        ("Name", "Nia New"),
        ("New password", ""),
        ("New password, again", ""),
    ]
    assert "At least 10 characters" in said(app)
    assert not tickets(app)
    app = chosen(app, Name="Nia Newer")
    assert len(tickets(app)) == 1
    assert 'data-then="start"' in tickets(app)[0]
    assert is_gone(visit.link(token))


def test_a_second_click_opens_the_session_that_the_first_one_led_to(visit: Visit) -> None:
    app = chosen(visit.link(visit.join_token()))
    first = tickets(app)
    assert tickets(app.run()) == first


@pytest.mark.parametrize(
    ("password", "again", "words"),
    [
        (PASSWORD, PASSWORD + "x", "The two passwords differ"),
        ("short", None, "at least 10 characters"),
        ("password123", None, "tried first"),
        ("nia@new.example", None, "must not be your name"),
        ("ä" * 37, None, "at most 72 bytes"),
        ("p" * 10_000 + "aß!?", None, "at most 72 bytes"),
        ("line\nbreaks in it", None, "letters, digits, signs"),
    ],
)
def test_what_the_policy_refuses_is_said_in_the_form_and_the_link_stays_good(
    visit: Visit, password: str, again: str | None, words: str
) -> None:
    token = visit.join_token()
    app = chosen(visit.link(token), password, again)
    assert words in said(app)
    assert not tickets(app)
    assert tickets(chosen(app))


def test_a_name_that_no_account_can_have_keeps_the_link_good(visit: Visit) -> None:
    app = chosen(visit.link(visit.join_token()), Name=" \t ")
    assert "1 to 200 characters" in said(app)
    assert tickets(chosen(app, Name=MARKUP))
    assert visit.bench.directory.member("nia@new.example").name == MARKUP


def test_a_name_of_ten_thousand_characters_is_cut_where_the_field_ends(visit: Visit) -> None:
    assert tickets(chosen(visit.link(visit.join_token()), Name="n" * 10_000))
    assert visit.bench.directory.member("nia@new.example").name == "n" * MAX_NAME_CHARS


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 100_000, "'; DROP TABLE users; --", "../../etc/passwd", "\u202e\U0001f600"]
)
def test_an_unknown_link_says_calmly_what_to_do_next(visit: Visit, token: str) -> None:
    app = visit.link(token)
    assert is_gone(app)
    assert "Whoever invited you can send it again" in said(app)


def test_a_late_link_is_good_for_nothing(visit: Visit, move_time: MoveTime) -> None:
    token = visit.join_token()
    app = visit.link(token)
    move_time(JOIN_LIFE + timedelta(seconds=1))
    assert not tickets(chosen(app))
    assert is_gone(visit.link(token))


def test_a_resets_link_takes_a_new_password_once(visit: Visit) -> None:
    ann = visit.member("ann", password=PASSWORD)
    token = visit.reset_token(ann.email)
    app = visit.link(token)
    assert [field.label for field in app.text_input] == ["Email", "New password", "New password, again"]
    assert tickets(chosen(app, "another four words here"))
    assert is_gone(visit.link(token))


def test_a_deactivated_users_link_opens_nothing(visit: Visit) -> None:
    ann = visit.member("ann", password=PASSWORD)
    token = visit.reset_token(ann.email)
    visit.bench.directory.set_active(ann.email, is_active=False)
    app = chosen(visit.link(token), "another four words here")
    assert "cannot sign in any more" in said(app)
    assert not tickets(app)


def test_an_invitation_says_who_invites_whereto_as_what_and_nothing_in_it_is_markup(visit: Visit) -> None:
    owner = visit.member("olga", org=MARKUP, plan="team")
    visit.bench.members.invite(owner, "guest@test.example", Role.VIEWER)
    words = said(visit.link(visit.token("guest@test.example", "Invitation")))
    assert "olga invites you to" in words
    assert "\\*\\*Eve\\*\\*" in words
    assert "[x](" not in words
    assert "<script>" not in words
    assert "viewer" in words


def test_somebody_new_joins_by_name_and_password(visit: Visit) -> None:
    app = chosen(visit.link(visit.invitation("guest@test.example")), Name="A Guest")
    assert tickets(app)
    assert visit.bench.directory.member("guest@test.example", "Acme").role is Role.VIEWER


def test_a_user_who_is_signed_out_signs_in_on_the_same_page(visit: Visit) -> None:
    ann = visit.member("ann", password=PASSWORD)
    app = visit.link(visit.invitation(ann.email))
    assert "Sign in to accept" in said(app)
    assert [field.label for field in app.text_input] == ["Email", "Password"]
    app = sent(app, Password=PASSWORD)
    assert len(tickets(app)) == 1
    assert "data-then" not in tickets(app)[0]


def test_a_user_who_is_signed_in_accepts_and_is_in_the_organisation(visit: Visit) -> None:
    ann = visit.member("ann", password=PASSWORD)
    token = visit.invitation(ann.email)
    opened = visit.sign_in(ann)
    app = visit.link(token)
    next(button for button in app.button if button.label == "Join Acme").click().run()
    principal = visit.bench.accounts.principal_of_session(opened)
    assert principal is not None
    assert (principal.org_name, principal.role) == ("Acme", Role.VIEWER)


def test_another_user_is_told_whose_it_is_and_can_only_sign_out(visit: Visit) -> None:
    visit.sign_in(visit.member("ann"))
    for token in (visit.invitation("guest@test.example"), visit.join_token()):
        app = visit.link(token)
        assert "is for" in said(app)
        assert [button.label for button in app.main.button] == ["Sign out"]
        assert not app.text_input


def test_an_invitation_to_a_member_says_so(visit: Visit) -> None:
    ann = visit.member("ann")
    token = visit.invitation(ann.email)
    visit.member("ann", org="Acme", plan="team", role=Role.ANALYST)
    visit.sign_in(ann)
    app = visit.link(token)
    next(button for button in app.button if button.label == "Join Acme").click().run()
    assert "You are a member of Acme already" in said(app)


def test_where_all_seats_are_taken_the_invitation_stays_good(visit: Visit) -> None:
    token = visit.invitation("guest@test.example", plan="team")
    visit.bench.directory.set_plan("Acme", "free")
    app = chosen(visit.link(token), Name="A Guest")
    assert "taken; a larger plan has more" in said(app)
    visit.bench.directory.set_plan("Acme", "team")
    assert tickets(chosen(app))


def test_somebody_signed_in_is_led_on_from_pages_for_the_signed_out(visit: Visit) -> None:
    visit.sign_in(visit.member("ann"))
    assert is_gone(visit.link("unknown"))
    assert not visit.link("").text_input
