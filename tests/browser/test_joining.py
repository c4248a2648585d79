"""Joining in a real browser, with the mails of a real mail server: sign-up, invitations, forgotten passwords."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect

from core.accounts.addresses import normal_address
from core.principal import Role
from core.workbench import Workbench, open_workbench
from tests.conftest import LiveApp, StartApp, make_settings
from tests.fakes.browser import VIEWS, screenshot
from tests.fakes.mail_server import MailServer, link_of, text_of

PASSWORD = "four words kept together"
IRIS, ACME = "iris@acme.example", "Acme & Sons *Research*"
GONE = "This link is no longer good"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

NewPage = Callable[[], Page]


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Browsers of different people: each page has cookies of its own."""
    contexts = []

    def make() -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@dataclass
class Site:
    """A workbench whose mails arrive."""

    app: LiveApp
    mails: MailServer
    complaints: list[str] = field(default_factory=list)

    def open(self, page: Page, path: str = "") -> None:
        """Opens an address of the workbench, or a whole one."""
        page.on("console", lambda message: self.complaints.append(message.text) if "Security" in message.text else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(path if path.startswith("http") else self.app.base_url + path)

    def sign_in(self, page: Page, email: str, password: str | None = None) -> None:
        """Fills in the sign-in form of the page at hand."""
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password", exact=True).fill(password or self.app.password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        is_in(page)

    def link_to(self, email: str, subject: str) -> str:
        """The link in the next mail to somebody."""
        return link_of(self.mails.wait_for(email, subject))

    def ask_for_account(self, email: str, name: str) -> str:
        """The link that somebody gets who asks for an account."""
        with self._bench() as bench:
            bench.joining.request_account(email, name, address="192.0.2.1")
        return self.link_to(email, "Confirm your address")

    def ask_for_reset(self, email: str) -> str:
        """The link that somebody gets who forgot their password."""
        with self._bench() as bench:
            bench.joining.request_reset(email, address="192.0.2.1")
        return self.link_to(email, "Choose a new password")

    def invite(self, email: str, role: Role = Role.ANALYST) -> str:
        """Lets Iris invite somebody into Acme, and gives the link that is mailed to them."""
        with self._bench() as bench:
            bench.directory.add_user(IRIS, org_name=ACME, plan="team", role=Role.OWNER, name="Iris Inviter")
            bench.members.invite(bench.directory.member(IRIS, ACME), email, role)
        return self.link_to(normal_address(email), "Invitation to")

    @contextmanager
    def _bench(self) -> Iterator[Workbench]:
        """A second process's workbench on the same database; its mails are sent when it closes."""
        environ = {"SMTP_URL": self.mails.url, "PUBLIC_URL": self.app.base_url}
        settings = make_settings(self.app.environment["DATABASE_URL"], self.app.home, **environ)
        with closing(open_workbench(settings)) as bench:
            yield bench


@pytest.fixture
def site(cold_app: StartApp, mail_server: MailServer) -> Iterator[Site]:
    opened = Site(cold_app(SMTP_URL=mail_server.url), mail_server)
    yield opened
    assert opened.complaints == []


def is_in(page: Page) -> None:
    """Waits until somebody is signed in."""
    expect(page.get_by_role("button", name="Sign out").first).to_be_attached()


def choose(page: Page, button: str, password: str = PASSWORD, again: str | None = None) -> None:
    """Types a new password twice, and sends the form."""
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("New password, again").fill(password if again is None else again)
    page.get_by_role("button", name=button).dblclick()  # as some people press all buttons


def test_a_stranger_signs_up_by_mail_and_has_an_organisation_on_the_free_plan(site: Site, new_page: NewPage) -> None:
    page = new_page()
    site.open(page, "/usage")
    page.get_by_role("link", name="Create an account").click()
    page.wait_for_url("**/sign_up")
    expect(page.get_by_label("Name")).to_be_visible()
    page.get_by_label("Email").fill(" Nia@New.Example")
    page.get_by_label("Name").fill("Nia *New*")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_text("a mail with a link is on its way")).to_be_visible()
    screenshot(page, "sign-up-asked-light")

    link = site.link_to("nia@new.example", "Confirm your address")
    assert link.startswith(f"{site.app.base_url}/link?token=")
    for _ in range(2):  # opening it changes nothing
        site.open(page, link)
        expect(page.get_by_label("Name")).to_have_value("Nia *New*")
    expect(page.get_by_label("Email")).to_have_value("nia@new.example")
    choose(page, "Create the account", again="another one")
    expect(page.get_by_text("The two passwords differ")).to_be_visible()
    choose(page, "Create the account", "password123")
    expect(page.get_by_text("This password is one of those")).to_be_visible()
    screenshot(page, "link-join-refused-light")
    choose(page, "Create the account")
    is_in(page)
    page.wait_for_url("**/chat")
    expect(page.get_by_text("Nia *New*’s organisation")).to_be_attached()
    expect(page.get_by_text("Free", exact=True).first).to_be_attached()

    page.go_back()
    is_in(page)
    site.open(page, link)
    expect(page.get_by_role("heading", name=GONE)).to_be_visible()
    page.get_by_role("link", name="Go to the workbench").click()
    page.wait_for_url("**/chat")

    other = new_page()
    site.open(other, link)
    expect(other.get_by_role("heading", name=GONE)).to_be_visible()
    screenshot(other, "link-gone-light")
    other.get_by_role("link", name="Sign in").click()
    site.sign_in(other, "nia@new.example", PASSWORD)
    assert site.app.command("doctor", "--accounting").returncode == 0


def test_whoever_has_an_account_reads_the_same_and_hears_of_it_by_mail_alone(site: Site, new_page: NewPage) -> None:
    page = new_page()
    site.open(page, "/sign_up")
    page.get_by_label("Email").fill(site.app.email.upper())
    page.get_by_label("Name").fill("Somebody")
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_text("a mail with a link is on its way")).to_be_visible()
    mail = site.mails.wait_for(site.app.email, "You have an account already")
    assert f"{site.app.base_url}/forgot" in text_of(mail)


def test_a_forgotten_password_is_chosen_anew_and_ends_the_other_browsers_session(site: Site, new_page: NewPage) -> None:
    other, page = new_page(), new_page()
    site.open(other, "/usage")
    site.sign_in(other, site.app.email)

    site.open(page)
    page.get_by_role("link", name="Forgot your password?").click()
    expect(page.get_by_role("heading", name="Forgot your password?")).to_be_visible()
    page.get_by_label("Email").fill(site.app.email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_text("a mail with a link is on its way")).to_be_visible()
    link = site.link_to(site.app.email, "Choose a new password")
    site.open(page, link)
    choose(page, "Change the password")
    is_in(page)
    page.wait_for_url("**/chat")
    site.mails.wait_for(site.app.email, "Your password was changed")

    other.get_by_role("link", name="Chat").first.click()
    expect(other.get_by_label("Password", exact=True)).to_be_visible()
    site.sign_in(other, site.app.email, PASSWORD)
    stranger = new_page()
    site.open(stranger, link)
    expect(stranger.get_by_role("heading", name=GONE)).to_be_visible()


def test_somebody_new_follows_an_invitation_into_the_organisation(site: Site, new_page: NewPage) -> None:
    page = new_page()
    link = site.invite("Guest@München.example")
    site.open(page, link)
    expect(page.get_by_text("invites you to")).to_be_visible()
    expect(page.get_by_role("heading", name=ACME)).to_be_visible()
    page.get_by_label("Name").fill("A Guest")
    screenshot(page, "link-invitation-light")
    choose(page, "Join")
    is_in(page)
    page.wait_for_url("**/chat")
    expect(page.get_by_text(ACME)).to_be_attached()


def test_a_user_accepts_an_invitation_once_signed_in_as_whom_it_is_for(site: Site, new_page: NewPage) -> None:
    page = new_page()
    link = site.invite(site.app.email)
    site.open(page)
    site.sign_in(page, site.app.free_email)
    site.open(page, link)
    expect(page.get_by_text(re.compile("This link is for analyst@.?demo.example"))).to_be_visible()
    screenshot(page, "link-another-light")
    page.get_by_test_id("stMain").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Sign in to accept")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(site.app.email)
    screenshot(page, "link-sign-in-light")
    site.sign_in(page, site.app.email)
    expect(page.get_by_role("button", name=f"Join {ACME}")).to_be_visible()
    screenshot(page, "link-accept-light")
    page.get_by_role("button", name=f"Join {ACME}").click()
    page.wait_for_url("**/chat")
    expect(page.get_by_text(f"You joined {ACME}")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text(ACME).first).to_be_attached()
    site.open(page, link)
    expect(page.get_by_role("heading", name=GONE)).to_be_visible()


def test_where_sign_up_is_closed_a_stranger_is_told_whom_to_ask(cold_app: StartApp, new_page: NewPage) -> None:
    page, app = new_page(), cold_app(ALLOW_SIGN_UP="0")
    page.goto(app.base_url)
    expect(page.get_by_role("link", name="Forgot your password?")).to_be_visible()
    expect(page.get_by_role("link", name="Create an account")).to_have_count(0)
    page.goto(f"{app.base_url}/sign_up")
    expect(page.get_by_text("Accounts are made by invitation here")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_count(0)


LONG = "Ω" + "Grand Reinsurance " * 5 + "x" * 100
"""A name with a word that is longer than a narrow window."""


def test_screenshots_of_every_page_for_the_signed_out(site: Site, browser: Browser) -> None:
    joining = {"join": site.ask_for_account("long@new.example", LONG), "reset": site.ask_for_reset(site.app.email)}
    links = {**joining, "invitation": site.invite("guest@new.example"), "gone": f"{site.app.base_url}/link?token=x"}
    places = {"sign-up": "/sign_up", "forgot": "/forgot", **links}
    for scheme, width in VIEWS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        page = context.new_page()
        for name, place in places.items():
            site.open(page, place)
            expect(page.get_by_role("heading").first).to_be_visible()
            expect(page.get_by_role("img", name="Assay")).to_be_visible()
            expect(page.get_by_test_id("stPageLink").or_(page.get_by_text("Every session of yours"))).not_to_have_count(
                0
            )
            expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
            screenshot(page, f"page-{name}-{scheme}-{width}")
            assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), name
        context.close()


def test_the_pages_for_the_signed_out_are_used_by_keyboard_alone(site: Site, new_page: NewPage) -> None:
    page = new_page()
    site.open(page)
    page.get_by_label("Email").focus()
    for name in ("Password", "Show password", "Sign in", "Forgot your password?"):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_accessible_name(name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/forgot")
    page.get_by_label("Email").focus()
    page.keyboard.type("nobody@test.example")
    page.keyboard.press("Enter")
    expect(page.get_by_text("a mail with a link is on its way")).to_be_visible()
