"""Whatever a host does to a request, each source answers with a typed failure, in time, that repeats nothing."""

from __future__ import annotations

import gzip
import json
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.errors import AssayError, NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.registry import Sources
from tests.core.market.sources.asking import IMPATIENT_S, JSON_QUESTIONS, ONE_OF_EACH_SOURCE, Question, opened
from tests.fakes.market_server import IDENTITY, KEY, MarketServer, closed_port

ONE_EACH = pytest.mark.parametrize("question", ONE_OF_EACH_SOURCE, ids=str)
IN_JSON = pytest.mark.parametrize("question", JSON_QUESTIONS, ids=str)
SLACK_S = 2.0
"""What a busy machine may add to a time limit."""
BOMB = gzip.compress(b" " * 50_000_000)


@dataclass(frozen=True)
class Case:
    """Something that a host does, and the failure it has to become."""

    name: str
    reply: dict[str, Any]
    error: type[AssayError] = SourceDown
    words: str = ""
    but: dict[str, type[AssayError]] = field(default_factory=dict)
    """Sources to which it means something else."""


ECHO = {"Error Message": f"the key {KEY} of {IDENTITY} is used up"}
CASES = [
    Case("hangs", {"hangs": "headers"}, words="did not answer in time"),
    Case("hangs in the body", {"hangs": "body"}, words="did not answer in time"),
    Case("drips headers", {"drips": "headers"}, words="did not answer in time"),
    Case("drips the body", {"drips": "body"}, words="did not answer in time"),
    Case("hangs up", {"hangs_up": True}, words="cannot be"),
    Case("breaks off", {"is_cut": True}, words="sent an answer that cannot be read"),
    Case("50 MB", {"megabytes": 50}, words="MiB"),
    Case("50 MB when unpacked", {"body": BOMB, "encoding": "gzip"}, words="MiB"),
    Case("no gzip", {"body": b"plain", "encoding": "gzip"}),
    Case("unknown packing", {"body": b"plain", "encoding": "snappy"}),
    Case("redirect", {"status": 302, "headers": {"Location": "http://127.0.0.2:9/"}}, words="another address"),
    Case("server error", {"status": 500, "body": ECHO}, words="status 500"),
    Case("teapot", {"status": 418, "body": ECHO}, words="status 418"),
    Case("away", {"status": 503, "body": ECHO}, words="status 503"),
    Case("away for a while", {"status": 503, "body": ECHO, "headers": {"Retry-After": "7"}}, RateLimited),
    Case("too many", {"status": 429, "body": ECHO, "headers": {"Retry-After": "7"}}, RateLimited),
    Case("refused", {"status": 401, "body": ECHO}, NotConfigured, but={"yahoo": RateLimited}),
    Case("not found", {"status": 404, "body": ECHO}, NoData),
]


def failure_of(question: Question, sources: Sources) -> AssayError:
    """The typed failure that a question ends with; another error, or none, fails the test."""
    with pytest.raises(AssayError) as caught:
        question.ask(sources)
    error = caught.value
    assert isinstance(error, NoData | RateLimited | SourceDown | NotConfigured)
    assert getattr(error, "source", question.source) == question.source
    told = "".join(traceback.format_exception(error)) + repr(error) + error.detail
    assert KEY not in told and IDENTITY not in told and "127.0.0.1" not in told
    return error


@ONE_EACH
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_failure_is_typed_in_time_and_keeps_secrets(
    case: Case, question: Question, market_server: MarketServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    market_server.reply(**case.reply)
    is_slow = "in time" in case.words
    with opened(market_server, tmp_path, limit_s=IMPATIENT_S if is_slow else 5.0) as sources:
        start = time.monotonic()
        error = failure_of(question, sources)
        assert time.monotonic() - start < (IMPATIENT_S if is_slow else 5.0) + SLACK_S
    assert type(error) is case.but.get(question.source, case.error)
    assert case.words in error.detail or question.source == "yahoo"
    if isinstance(error, RateLimited) and "Retry-After" in case.reply.get("headers", {}):
        assert error.retry_after_s == 7.0
    if isinstance(error, NotConfigured):
        assert question.variable in error.detail
    assert len(market_server.requests) == 1 or is_slow
    assert KEY not in caplog.text and IDENTITY not in caplog.text


@ONE_EACH
def test_a_host_that_is_not_there_is_a_source_that_is_down(question: Question, tmp_path: Path) -> None:
    with MarketServer() as server, closed_port() as nowhere:
        environ = {name: nowhere if name.endswith("_BASE_URL") else value for name, value in server.environ.items()}
    with opened(environ, tmp_path) as sources:
        assert type(failure_of(question, sources)) is SourceDown


@IN_JSON
@pytest.mark.parametrize(
    "body", ["<html>Sorry</html>", b"\xff\xfe\x00", "{", "[[[", "[" * 100_000, "", "null", "7", "[7]"]
)
def test_an_answer_that_is_no_data_is_a_source_that_is_down(
    question: Question, body: Any, market_server: MarketServer, sources: Sources
) -> None:
    market_server.reply(body=body, content_type="application/json")
    assert type(failure_of(question, sources)) is SourceDown


@IN_JSON
@pytest.mark.parametrize("cut", [0.3, 0.9], ids=["early", "late"])
def test_an_answer_that_is_cut_short_is_a_source_that_is_down(
    question: Question, cut: float, market_server: MarketServer, sources: Sources
) -> None:
    market_server.reply(change=_first_part(cut), content_type="application/json")
    assert type(failure_of(question, sources)) is SourceDown


def _first_part(share: float) -> Callable[[Any], bytes]:
    def cut(answer: Any) -> bytes:
        data = (answer if isinstance(answer, str) else json.dumps(answer, default=float)).encode()
        return data[: int(len(data) * share)]

    return cut
