"""Sign-in at a provider of OpenID Connect, in a real browser, with a real provider on a socket of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from core.settings import SESSION_COOKIE
from tests.conftest import LiveApp, StartApp
from tests.fakes.browser import screenshot
from tests.fakes.live_app import free_port
from tests.fakes.openid_provider import Answer, OpenIdProvider

CLAIMS_COOKIE = "_streamlit_user"

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    """A workbench, and the provider that its people sign in at."""

    app: LiveApp
    provider: OpenIdProvider

    def come_back(self, page: Page, label: str = "Acme") -> Response:
        """Opens the start page, signs in at the provider, and gives the answer at the address of return."""
        page.goto(self.app.base_url)
        with page.expect_response(re.compile("/oauth2callback")) as returned:
            page.get_by_role("button", name=f"Sign in with {label}").click()
        return returned.value


class StartSite:
    """Starts a workbench with a provider: `start_site(ALLOW_SIGN_UP="0")`."""

    def __init__(self, cold_app: StartApp, provider: OpenIdProvider, folder: Path) -> None:
        self._cold_app, self._provider, self._folder = cold_app, provider, folder

    def __call__(self, **environ: str) -> Site:
        port, secrets = free_port(), self._folder / "secrets.toml"
        self._provider.write_secrets(secrets, f"http://127.0.0.1:{port}/oauth2callback")
        app = self._cold_app(PORT=str(port), SECRETS_FILE=str(secrets), **environ)
        return Site(app, self._provider)


@pytest.fixture
def start_site(cold_app: StartApp, tmp_path: Path) -> Iterator[StartSite]:
    with OpenIdProvider() as provider:
        yield StartSite(cold_app, provider, tmp_path)


def cookies_of(page: Page) -> dict[str, str]:
    return {str(cookie["name"]): str(cookie["value"]) for cookie in page.context.cookies()}


def set_cookies(response: Response) -> list[str]:
    return [header["value"] for header in response.headers_array() if header["name"].lower() == "set-cookie"]


def test_somebody_new_signs_in_and_out_and_the_answer_opens_nothing_again(
    start_site: StartSite, browser_page: Page, browser: Browser
) -> None:
    site, page, complaints = start_site(), browser_page, list[str]()
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    site.provider.answer = Answer(email="nia@new.example", name="Nia New", asks=True)
    page.goto(f"{site.app.base_url}/usage")
    page.get_by_role("button", name="Sign in with Acme").click()
    with page.expect_response(re.compile("/oauth2callback")) as returned:
        page.get_by_role("link", name="Go on as Ann").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()
    expect(page).to_have_url(f"{site.app.base_url}/usage")
    expect(page.get_by_text("Nia New").first).to_be_attached()

    answer = next(value for value in set_cookies(returned.value) if value.startswith(f"{CLAIMS_COOKIE}="))
    assert "Max-Age=600" in answer
    assert "httponly" in answer.lower()
    assert not any("_tokens" in value and "Max-Age=0" not in value for value in set_cookies(returned.value))
    assert SESSION_COOKIE in cookies_of(page)
    assert CLAIMS_COOKIE not in cookies_of(page)
    assert all(request["code_challenge_method"] == "S256" for request in site.provider.requests)
    assert not any(token in line for token in site.provider.tokens for line in site.app.output)
    assert complaints == []

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Email")).to_be_visible()

    thief = browser.new_context()
    stolen = answer.partition("=")[2].partition(";")[0].strip('"')
    thief.add_cookies([{"name": CLAIMS_COOKIE, "value": stolen, "url": site.app.base_url}])
    other = thief.new_page()
    with other.expect_response(lambda answered: "/auth/" in answered.url and answered.request.method != "GET"):
        other.goto(site.app.base_url)
    expect(other.get_by_text("was used before")).to_be_visible()
    expect(other.get_by_label("Email")).to_be_visible()
    assert SESSION_COOKIE not in cookies_of(other)
    with other.expect_event("load"):
        other.reload()
    expect(other.get_by_role("button", name="Sign in with Acme")).to_be_visible()
    expect(other.get_by_text("was used before")).to_have_count(0)
    assert CLAIMS_COOKIE not in cookies_of(other)
    thief.close()


FAULTS = {
    "a signature of somebody else": (Answer(is_signed_by_another=True), "could not be trusted"),
    "another nonce": (Answer(nonce="another"), "could not be trusted"),
    "no nonce": (Answer(nonce=None), "could not be trusted"),
    "another audience": (Answer(audience="another"), "could not be trusted"),
    "another issuer": (Answer(issuer="https://another.example"), "could not be trusted"),
    "nobody agreed": (Answer(denies=True), "did not agree"),
    "an old answer": (Answer(issued_ago_s=700), "too old"),
    "an address that is not verified": (
        Answer(email="analyst@demo.example", email_verified=False),
        "does not vouch for",
    ),
    "no address": (Answer(email=None), "told us no e-mail address"),
}


def test_what_cannot_be_trusted_is_refused_in_a_sentence_and_a_user_is_linked(
    start_site: StartSite, browser_page: Page
) -> None:
    site, page = start_site(), browser_page
    for what, (answer, words) in FAULTS.items():
        site.provider.answer = answer
        site.come_back(page)
        expect(page.get_by_text(words), what).to_be_visible()
        expect(page.get_by_label("Email"), what).to_be_visible()
        assert SESSION_COOKIE not in cookies_of(page), what
    screenshot(page, "sign-in-openid-refused-light")
    page.reload()
    expect(page.get_by_role("button", name="Sign in with Acme")).to_be_visible()
    expect(page.get_by_text("told us no e-mail address")).to_have_count(0)
    assert CLAIMS_COOKIE not in cookies_of(page)

    site.provider.answer = Answer(is_down=True)
    page.get_by_role("button", name="Sign in with Acme").click()
    expect(page.get_by_text("cannot be reached")).to_be_visible()

    site.provider.answer = Answer(email="Analyst@Demo.Example", name="Another Name")
    page.get_by_role("button", name="Sign in with Acme").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()
    expect(page.get_by_text("Another Name")).to_have_count(0)


def test_a_provider_that_sends_no_nonce_is_taken_at_its_word_and_another_nonce_is_not(
    start_site: StartSite, browser_page: Page
) -> None:
    site, page = start_site(), browser_page
    site.provider.answer = Answer(email="lin@new.example", email_verified="true", nonce="another")
    site.come_back(page, "LinkedIn")
    expect(page.get_by_text("could not be trusted")).to_be_visible()
    site.provider.answer = Answer(email="lin@new.example", email_verified="true", nonce=None)
    site.come_back(page, "LinkedIn")
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()


def test_where_sign_up_is_closed_a_stranger_is_told_so(start_site: StartSite, browser_page: Page) -> None:
    site, page = start_site(ALLOW_SIGN_UP="0"), browser_page
    site.provider.answer = Answer(email="stranger@new.example")
    site.come_back(page)
    expect(page.get_by_text(re.compile("There is no account for stranger@.?new.example here"))).to_be_visible()
    assert SESSION_COOKIE not in cookies_of(page)
