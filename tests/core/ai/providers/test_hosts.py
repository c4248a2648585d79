"""Which hosts are live, and which addresses are taken."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from core.ai.providers.hosts import HOSTS, Host, Wire, checked_base_url
from core.ai.providers.registry import ADAPTERS, build_providers
from core.errors import ConfigurationError
from core.settings import ROOT, load_settings
from tests.core.ai.providers.conftest import KEY, LIMITS, ask, events
from tests.core.ai.providers.vendors import CHAT_VENDORS


def test_without_keys_only_the_offline_glossary_is_live() -> None:
    providers = build_providers(load_settings({}, root=ROOT / "data"))

    assert list(providers) == ["offline"]
    assert providers["offline"].is_offline


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_live_when_its_key_is_set_or_its_address_where_it_needs_none(name: str) -> None:
    host = HOSTS[name]
    given = {host.live_variable: "sk-x" if host.needs_key else host.default_base_url}
    providers = build_providers(load_settings(given, root=ROOT / "data"))

    assert list(providers) == [name, "offline"]
    assert providers[name].name == name
    assert not providers[name].is_offline


def test_an_address_makes_no_host_live_that_needs_a_key_and_a_key_none_that_needs_an_address() -> None:
    given = {"GOOGLE_BASE_URL": "http://localhost:1", "OLLAMA_API_KEY": "sk-x"}

    assert list(build_providers(load_settings(given, root=ROOT / "data"))) == ["offline"]


@pytest.mark.parametrize(
    ("name", "variable"), [("openai", "OPENAI_API_KEY"), ("google", "GOOGLE_API_KEY"), ("ollama", "OLLAMA_BASE_URL")]
)
def test_each_host_names_the_variable_that_makes_it_live(name: str, variable: str) -> None:
    assert HOSTS[name].live_variable == variable


@pytest.mark.parametrize("name", CHAT_VENDORS)
def test_a_live_host_is_called_at_the_address_that_was_given(name: str) -> None:
    vendor = CHAT_VENDORS[name]
    with vendor.server(None) as server:
        given = {vendor.host.key_variable: KEY, vendor.host.base_url_variable: server.base_url}
        with contextlib.closing(build_providers(load_settings(given, root=ROOT / "data"))[name]) as provider:
            events(provider.chat(ask(), LIMITS))

        assert server.calls == 1


@pytest.mark.parametrize("host", HOSTS.values(), ids=lambda host: host.name)
def test_the_example_of_settings_names_what_makes_each_host_live(host: Host) -> None:
    assert f"# {host.live_variable}=" in (ROOT / ".env.example").read_text("utf-8")


@pytest.mark.parametrize("wire", sorted({host.wire for host in HOSTS.values()}))
def test_every_wire_format_of_a_host_has_its_adapter(wire: Wire) -> None:
    assert wire in ADAPTERS


def test_a_blank_key_is_no_key() -> None:
    assert list(build_providers(load_settings({"OPENAI_API_KEY": "  "}, root=ROOT / "data"))) == ["offline"]


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http://",
        "http:///v1",
        "//localhost/v1",
        "http://host:port/v1",
        "http://host:0/v1",
        "http://host:99999/v1",
        "http://user:secret@host/v1",
        "http://host/v1?key=secret",
        "http://host/v1#x",
        "http://ho st/v1",
        "http://[::1/v1",
        "javascript:alert(1)",
    ],
)
def test_a_base_url_that_is_no_address_is_refused_by_the_name_of_its_variable(address: str) -> None:
    settings = load_settings({"MISTRAL_API_KEY": "sk-x", "MISTRAL_BASE_URL": address}, root=ROOT / "data")

    with pytest.raises(ConfigurationError, match=r"^MISTRAL_BASE_URL must be") as caught:
        build_providers(settings)
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (None, "https://api.openai.com/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("HTTPS://Proxy.example/openai/v1", "HTTPS://Proxy.example/openai/v1"),
    ],
)
def test_the_base_url_is_the_hosts_unless_another_is_given(given: str | None, used: str) -> None:
    assert checked_base_url(HOSTS["openai"], given) == used


def test_the_sdk_is_imported_only_when_a_host_is_live() -> None:
    program = (
        "import sys\n"
        "from core.ai.providers.registry import build_providers\n"
        "from core.settings import load_settings\n"
        "build_providers(load_settings({}))\n"
        "sys.exit('openai' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
