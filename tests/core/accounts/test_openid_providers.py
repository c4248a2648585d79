"""What the table [auth] may say, and that what it may not is said before anything starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.accounts.openid_providers import OpenIdProvider, openid_providers
from core.errors import ConfigurationError
from core.settings import ROOT, Settings, load_settings

SECRET = "0123456789abcdef" * 4
SHARED = f'redirect_uri = "https://assay.example.com/oauth2callback"\ncookie_secret = "{SECRET}"\n'
KEYS = 'client_id = "id"\nclient_secret = "hidden"\nserver_metadata_url = "https://id.example.com/openid"\n'


def settings_of(folder: Path, auth: str, **environ: str) -> Settings:
    """Settings of a workbench at assay.example.com with that file of secrets."""
    path = folder / ".streamlit" / "secrets.toml"
    path.parent.mkdir()
    path.write_text(auth, "utf-8")
    return load_settings({"PUBLIC_URL": "https://assay.example.com", **environ}, root=folder)


def test_without_a_table_there_are_no_providers(tmp_path: Path) -> None:
    assert openid_providers(settings_of(tmp_path, 'OPENAI_API_KEY = "sk"')) == ()


def test_each_table_is_a_provider_under_the_name_that_people_know(tmp_path: Path) -> None:
    tables = "".join(f"[auth.{name}]\n{KEYS}" for name in ("google", "microsoft", "linkedin", "keycloak"))
    found = openid_providers(
        settings_of(tmp_path, f'[auth]\n{SHARED}{tables}label = "Acme’s own"\nsends_nonce = false\n')
    )
    assert found == (
        OpenIdProvider("google", "Google"),
        OpenIdProvider("microsoft", "Microsoft"),
        OpenIdProvider("linkedin", "LinkedIn"),
        OpenIdProvider("keycloak", "Acme’s own", sends_nonce=False),
    )


def test_keys_in_the_table_itself_are_the_unnamed_provider(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, f'[auth]\n{SHARED}{KEYS}client_kwargs = {{ prompt = "login" }}\n')
    assert openid_providers(settings) == (OpenIdProvider("default", "id.example.com"),)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (SHARED.replace(SECRET, "x" * 31) + "[auth.google]\n" + KEYS, "cookie_secret takes at least 32 random bytes"),
        (SHARED.replace("cookie_secret", "cookie") + "[auth.google]\n" + KEYS, "cookie_secret"),
        (SHARED.replace("https", "http") + "[auth.google]\n" + KEYS, '"https://assay.example.com/oauth2callback"'),
        (SHARED, "names no provider"),
        (SHARED + "[auth.my_own]\n" + KEYS, "[auth.my_own]: a provider's name"),
        (SHARED + "[auth.google]\n" + KEYS.replace('"id"', '" "'), "[auth.google] client_id is missing"),
        (SHARED + "[auth.google]\n" + KEYS.replace("client_secret", "secret"), "[auth.google] client_secret"),
        (SHARED + "[auth.google]\n" + KEYS.replace("https", "http"), "must begin with https://"),
        (SHARED + "[auth.linkedin]\nsends_nonce = 0\n" + KEYS, "sends_nonce is true or false"),
        (
            SHARED + "[auth.microsoft]\n" + KEYS.replace("id.example.com", "login.microsoftonline.com/common/v2.0"),
            "the id of your own tenant, never common",
        ),
    ],
)
def test_what_cannot_be_safe_is_refused_and_never_repeated(tmp_path: Path, auth: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        openid_providers(settings_of(tmp_path, f"[auth]\n{auth}"))
    assert raised.value.detail.startswith("secrets.toml: [auth")
    assert words in raised.value.detail
    assert "hidden" not in raised.value.detail and SECRET not in raised.value.detail


def test_the_shipped_example_is_right_once_it_is_filled_in(tmp_path: Path) -> None:
    example = (ROOT / ".streamlit" / "secrets.toml.example").read_text("utf-8")
    filled = re.sub(r"^#(?=[\w[])", "", example, flags=re.MULTILINE).replace(
        'cookie_secret = ""', f'cookie_secret = "{SECRET}"'
    )
    settings = settings_of(tmp_path, filled)
    found = {provider.label: provider.sends_nonce for provider in openid_providers(settings)}
    assert found == {"Google": True, "Microsoft": True, "LinkedIn": False, "Acme": True}
    assert str(settings.auth["microsoft"]["server_metadata_url"]).startswith(settings.openid_trusted_issuers[0])


def test_another_file_of_secrets_can_be_named(tmp_path: Path) -> None:
    elsewhere = tmp_path / "mounted.toml"
    elsewhere.write_text(f'DEFAULT_MODEL = "x"\n[auth]\n{SHARED}[auth.google]\n{KEYS}', "utf-8")
    settings = settings_of(tmp_path, "", SECRETS_FILE=str(elsewhere))
    assert (settings.default_model, settings.secrets_file) == ("x", elsewhere)
    assert [provider.name for provider in openid_providers(settings)] == ["google"]
    assert "hidden" not in repr(settings)
    with pytest.raises(ConfigurationError, match="SECRETS_FILE"):
        load_settings({"SECRETS_FILE": str(tmp_path / "missing.toml")}, root=tmp_path)
