"""Every error class of the SDK and of its HTTP client has a name of ours."""

from __future__ import annotations

import inspect
from types import ModuleType

import httpx2
import openai
import pytest

from core.ai.providers.hosts import HOSTS
from core.ai.providers.openai_errors import KINDS, translated
from core.errors import ProviderBroke, ProviderError

SECRET = "sk-secret and the prompt"


def _exported(module: ModuleType) -> list[type[Exception]]:
    public = (getattr(module, name) for name in module.__all__)
    found = {value for value in public if inspect.isclass(value) and issubclass(value, Exception)}
    return sorted(found, key=lambda kind: kind.__name__)


def _made(kind: type[Exception]) -> Exception:
    request = httpx2.Request("POST", "http://localhost/v1/chat/completions")
    known = {
        "message": SECRET,
        "request": request,
        "response": httpx2.Response(418, request=request, headers={"retry-after": "3"}),
        "body": {"message": SECRET, "code": SECRET},
    }
    wanted = inspect.signature(kind.__init__).parameters
    error = kind.__new__(kind)
    try:
        error.__init__(**{name: value for name, value in known.items() if name in wanted})  # type: ignore[misc]
    except (TypeError, AttributeError):
        Exception.__init__(error, SECRET)
    return error


@pytest.mark.parametrize("kind", _exported(openai), ids=lambda kind: kind.__name__)
def test_each_error_class_of_the_sdk_is_mapped_by_name(kind: type[Exception]) -> None:
    assert kind in KINDS


@pytest.mark.parametrize("kind", _exported(httpx2), ids=lambda kind: kind.__name__)
def test_each_error_class_of_the_http_client_is_mapped_by_itself_or_a_parent(kind: type[Exception]) -> None:
    assert any(parent in KINDS for parent in kind.__mro__)


def test_the_walk_finds_the_classes() -> None:
    assert len(_exported(openai)) >= 15
    assert len(_exported(httpx2)) >= 15


@pytest.mark.parametrize("kind", [*_exported(openai), *_exported(httpx2)], ids=lambda kind: kind.__name__)
def test_no_foreign_text_gets_into_ours(kind: type[Exception]) -> None:
    ours = translated(_made(kind), HOSTS["openai"], has_begun=False)

    assert isinstance(ours, ProviderError)
    assert SECRET not in repr(ours)
    assert ours.detail.startswith("OpenAI ")


def test_after_the_first_token_every_failure_is_a_break() -> None:
    for kind in (*_exported(openai), *_exported(httpx2)):
        assert type(translated(_made(kind), HOSTS["openai"], has_begun=True)) is ProviderBroke
