"""Every error class of each SDK and of its HTTP client has a name of ours."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import anthropic
import anthropic._error_classes  # loads the classes that the SDK knows only by a status and a code
import groq
import httpx
import httpx2
import openai
import pytest

from core.ai.providers import anthropic_errors, groq_errors, openai_errors
from core.ai.providers.hosts import HOSTS
from core.ai.providers.sdk import Kinds
from core.errors import ProviderBroke, ProviderError, ProviderRateLimited

SECRET = "sk-secret and the prompt"
SDKS = {"openai": openai, "groq": groq, "anthropic": anthropic}
CLIENTS = {"openai": httpx2, "groq": httpx, "anthropic": httpx2}
ERRORS = {"openai": openai_errors, "groq": groq_errors, "anthropic": anthropic_errors}
ROOTS = {"openai": openai.OpenAIError, "groq": groq.GroqError, "anthropic": anthropic.AnthropicError}


def _exported(module: ModuleType) -> list[type[Exception]]:
    public = (getattr(module, name) for name in module.__all__)
    found = {value for value in public if inspect.isclass(value) and issubclass(value, Exception)}
    return sorted(found, key=lambda kind: kind.__name__)


def _below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _all_of(vendor: str) -> list[type[Exception]]:
    """The vendor's public classes, those that it keeps to itself, and its HTTP client's."""
    return list({*_exported(SDKS[vendor]), *_below(ROOTS[vendor]), *_exported(CLIENTS[vendor])})


def _kinds(vendor: str) -> Kinds:
    kinds: Kinds = ERRORS[vendor].KINDS
    return kinds


def _translated(error: Exception, vendor: str, *, has_begun: bool = False) -> ProviderError:
    ours: ProviderError = ERRORS[vendor].translated(error, HOSTS[vendor], has_begun=has_begun)
    return ours


def _made(kind: type[Exception], vendor: str) -> Exception:
    http = CLIENTS[vendor]
    request = http.Request("POST", "http://localhost/v1/chat/completions")
    known = {
        "message": SECRET,
        "request": request,
        "response": http.Response(418, request=request, headers={"retry-after": "3"}),
        "body": {"message": SECRET, "code": SECRET, "error": {"message": SECRET, "type": SECRET}},
    }
    wanted = inspect.signature(kind.__init__).parameters
    error = kind.__new__(kind)
    try:
        error.__init__(**{name: value for name, value in known.items() if name in wanted})  # type: ignore[misc]
    except (TypeError, AttributeError):
        Exception.__init__(error, SECRET)
    return error


PUBLIC = [(vendor, kind) for vendor, sdk in SDKS.items() for kind in _exported(sdk)]
ALL = [(vendor, kind) for vendor in SDKS for kind in sorted(_all_of(vendor), key=lambda kind: kind.__name__)]


@pytest.mark.parametrize(("vendor", "kind"), PUBLIC)
def test_each_public_error_class_of_an_sdk_is_mapped_by_name(vendor: str, kind: type[Exception]) -> None:
    assert kind in _kinds(vendor)


@pytest.mark.parametrize(("vendor", "kind"), ALL)
def test_each_error_class_is_mapped_by_itself_or_a_parent(vendor: str, kind: type[Exception]) -> None:
    assert any(parent in _kinds(vendor) for parent in kind.__mro__)
    assert issubclass(kind, ERRORS[vendor].FOREIGN)


@pytest.mark.parametrize(("vendor", "least"), [("openai", 35), ("groq", 35), ("anthropic", 130)])
def test_the_walk_finds_the_classes(vendor: str, least: int) -> None:
    assert len(_all_of(vendor)) >= least


@pytest.mark.parametrize(("vendor", "kind"), ALL)
def test_no_foreign_text_gets_into_ours(vendor: str, kind: type[Exception]) -> None:
    ours = _translated(_made(kind, vendor), vendor)

    assert isinstance(ours, ProviderError)
    assert SECRET not in repr(ours)
    assert HOSTS[vendor].label in ours.detail


@pytest.mark.parametrize("vendor", SDKS)
def test_after_the_first_token_every_failure_is_a_break(vendor: str) -> None:
    for kind in _all_of(vendor):
        assert type(_translated(_made(kind, vendor), vendor, has_begun=True)) is ProviderBroke


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("contract_spend_limit_reached", anthropic.ContractSpendLimitReachedError),
        ("enforced_spend_limit_reached", anthropic.EnforcedSpendLimitReachedError),
    ],
)
def test_a_spend_limit_of_anthropic_is_an_account_without_credit(
    code: str, kind: type[anthropic.APIStatusError]
) -> None:
    response = httpx2.Response(429, request=httpx2.Request("POST", "http://localhost"))
    body = {"type": "error", "error": {"type": "rate_limit_error", "details": {"error_code": code}}}
    ours = _translated(kind("", response=response, body=body), "anthropic")

    assert isinstance(ours, ProviderRateLimited)
    assert "no credit left" in ours.detail
