"""What headers and statuses mean, whoever sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from core.clock import SystemClock
from core.errors import NoData, RateLimited, SourceDown
from core.market.sources.connection import Answer
from core.market.sources.remote import LONGEST_WAIT_S, SENTENCES, Remote, Vendor

VENDOR = Vendor("acme", "Acme Data", "ACME_API_KEY")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "retry_after_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 12:01:00", 60.0),
        ("99999999999999999999", LONGEST_WAIT_S),
        ("Fri, 20 Nov 2099 12:00:00 GMT", LONGEST_WAIT_S),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("nan", None),
        ("٣", None),
        ("", None),
    ],
)
def test_a_wait_is_told_in_seconds_or_by_a_date(told: str, retry_after_s: float | None) -> None:
    with pytest.raises(RateLimited) as caught:
        _remote(Answer(429, {"retry-after": told}, b"")).json("/")
    assert caught.value.retry_after_s == retry_after_s


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 400, 410, 418, 500, 502, 504, 520])
def test_a_status_that_says_nothing_of_data_is_a_source_that_is_down(status: int) -> None:
    with pytest.raises(SourceDown):
        _remote(Answer(status, {}, b"[]")).json("/")


def test_a_base_url_may_end_with_a_slash_or_have_a_path() -> None:
    for base_url in ("http://localhost/market", "http://localhost/market/"):
        assert Remote(VENDOR, base_url, _Fixed(Answer(200, {}, b"[]")), SystemClock()).url("/a") == (
            "http://localhost/market/a"
        )


def test_numbers_keep_every_digit_and_nan_is_missing() -> None:
    body = b"\xef\xbb\xbf[0.10000000000000000555, 12345678901234567890, NaN, -Infinity]"
    value = _remote(Answer(200, {}, body)).json("/")
    assert [str(one) for one in value] == ["0.10000000000000000555", "12345678901234567890", "None", "None"]


def test_a_number_that_cannot_be_held_is_an_answer_that_cannot_be_read() -> None:
    with pytest.raises(SourceDown, match="cannot be read"):
        _remote(Answer(200, {}, b'{"c": 1e99999999999999999999}')).json("/")


def test_no_sentence_asks_for_a_word_of_the_vendors() -> None:
    values = {"title": "Acme Data", "variable": "ACME_API_KEY", "status": 500, "mebibytes": 4.0}
    for sentence in SENTENCES.values():
        told = sentence.format(**values)
        assert told.endswith(".") and "{" not in told


def test_what_a_vendor_lacks_is_told_by_its_title() -> None:
    with pytest.raises(NoData, match="Acme Data has nothing of that name"):
        _remote(Answer(404, {}, b"ACME_SECRET")).json("/")


def _remote(answer: Answer) -> Remote:
    return Remote(VENDOR, "http://localhost", _Fixed(answer), _Stopped())


@dataclass(frozen=True)
class _Fixed:
    answer: Answer

    def __call__(self, url: str, headers: Mapping[str, str], max_bytes: int) -> Answer:
        return self.answer


@dataclass(frozen=True)
class _Stopped:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0
