"""What a vendor's answers mean before anything in them is read: statuses, formats, and the failure each becomes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from core.clock import Clock
from core.errors import AssayError, NoData, NotConfigured, RateLimited, SourceDown
from core.market.sources.connection import Answer, WireError
from core.market.sources.wire import MAX_BYTES, MEBIBYTE, Fetch

LONGEST_WAIT_S = timedelta(days=1).total_seconds()
"""What a `Retry-After` may ask for at most."""
MAX_ROWS = 200_000
"""Of a CSV answer."""
SENTENCES = {
    "too_slow": "{title} did not answer in time. Try again soon.",
    "too_large": "{title} sent more than {mebibytes:g} MiB, which is not read.",
    "unreachable": "{title} cannot be reached. Try again soon.",
    "redirect": "{title} sent us on to another address, which is not followed.",
    "failed": "{title} failed with status {status}. Try again soon.",
    "unreadable": "{title} sent an answer that cannot be read.",
    "page": "{title} sent a web page in place of data.",
    "limited": "{title} asks us to wait.",
    "notice": "{title} sent a notice in place of data: its allowance is used up, or its plan does not include this.",
    "refused": "{title} refuses us: check {variable}.",
    "unsendable": "{variable} holds a character that cannot be sent. Set it to plain letters, digits and signs.",
    "blocked": "{title} turns us away: we asked too often, or it does not accept the identity in {variable}.",
    "plan": "{title}'s plan behind {variable} does not include this.",
    "nothing": "{title} has nothing of that name.",
    "plan_lacks_it": "{title}'s plan behind {variable} does not include this symbol.",
    "no_bars": "{title} has no bars of that name for those days.",
    "no_price": "{title} has no price of that name.",
    "unit": "{title} does not say in which unit it quotes this market, so that its figure is no price.",
    "other": "{title} answered about something that it was not asked for.",
}
"""The sentence of each failure; none repeats a word of the vendor's."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whom an answer is from."""

    name: str
    """As in contract.md: alphavantage."""
    title: str
    """As people write it: Alpha Vantage."""
    variable: str
    """The setting that holds its key, or our identity."""
    statuses: Mapping[int, str] | None = None
    """Sentences of statuses that mean something else here than they do elsewhere."""
    is_refused: Callable[[Answer], bool] | None = None
    """Whether an answer refuses the key, where its status alone does not tell."""

    def down(self, sentence: str, **values: object) -> SourceDown:
        """The failure of that sentence."""
        return SourceDown(self._told(sentence, **values), source=self.name)

    def nothing(self, sentence: str = "nothing") -> NoData:
        """It answered, and has nothing of that name."""
        return NoData(self._told(sentence), source=self.name)

    def limited(self, retry_after_s: float | None = None, sentence: str = "limited") -> RateLimited:
        """It asks us to wait."""
        return RateLimited(self._told(sentence), source=self.name, retry_after_s=retry_after_s)

    def refused(self, sentence: str = "refused") -> NotConfigured:
        """It does not accept our key, or its plan does not."""
        return NotConfigured(self._told(sentence))

    def rows(self, value: object) -> list[Mapping[str, Any]]:
        """A JSON array of objects, which stands where one has to.

        Raises:
            SourceDown: it is something else.
        """
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self.down("unreadable")
        return value

    def _told(self, sentence: str, **values: object) -> str:
        return SENTENCES[sentence].format(title=self.title, variable=self.variable, **values)


_STATUSES = {401: "refused", 403: "refused", 404: "nothing", 429: "limited"}
_REFUSALS = frozenset({"refused", "plan"})
_LIMITS = frozenset({"limited", "blocked"})
BLOCK_S = 600.0
"""How long to leave a vendor alone that has turned us away."""


class Remote:
    """A vendor's host, asked for one thing at a time."""

    def __init__(
        self,
        vendor: Vendor,
        base_url: str,
        fetch: Fetch,
        clock: Clock,
        *,
        key: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.vendor = vendor
        self._base_url = base_url.rstrip("/")
        self._fetch = fetch
        self._clock = clock
        self._key = dict(key or {})
        self._headers = {"Accept": "*/*", **(headers or {})}
        self._is_sendable = all(value.isascii() and value.isprintable() for value in self._headers.values())

    def json(self, path: str, params: Mapping[str, str] | None = None, *, max_bytes: int = MAX_BYTES) -> Any:
        """A JSON value, numbers as `Decimal` or `int`, NaN and infinities as None."""
        answer = self._answer(path, params, max_bytes)
        self._not_a_page(answer)
        return self._value(answer.body)

    def csv_or_json(
        self, path: str, params: Mapping[str, str], *, columns: Sequence[str]
    ) -> list[dict[str, str]] | dict[str, Any]:
        """Rows that have those columns, or the JSON object with which the vendor answers in place of rows."""
        answer = self._answer(path, params, MAX_BYTES)
        self._not_a_page(answer)
        if answer.body.lstrip()[:1] in (b"{", b"["):
            value = self._value(answer.body)
            if not isinstance(value, dict):
                raise self.vendor.down("unreadable")
            return value
        return self._rows(answer.body, columns)

    def text(self, path: str, *, max_bytes: int) -> str:
        """A document as text, a web page too."""
        body = self._answer(path, None, max_bytes).body
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            return body.decode("cp1252", errors="replace")

    def content(self, path: str, *, max_bytes: int) -> bytes:
        """A file as it is; no web page."""
        answer = self._answer(path, None, max_bytes)
        self._not_a_page(answer)
        return answer.body

    def url(self, path: str) -> str:
        """The address of something that needs no key."""
        return self._base_url + path

    def _value(self, body: bytes) -> Any:
        try:
            return json.loads(body, parse_float=Decimal, parse_constant=lambda _: None)
        except (ValueError, ArithmeticError, RecursionError):  # an exponent that no Decimal holds is the second
            raise self.vendor.down("unreadable") from None

    def _rows(self, body: bytes, columns: Sequence[str]) -> list[dict[str, str]]:
        try:
            reader = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
            rows = [row for row, _ in zip(reader, range(MAX_ROWS), strict=False)]
        except (csv.Error, UnicodeDecodeError):
            raise self.vendor.down("unreadable") from None
        if not set(columns) <= set(reader.fieldnames or ()):
            raise self.vendor.down("unreadable")
        if any(None in row or None in row.values() for row in rows):  # more or fewer fields than the header has
            raise self.vendor.down("unreadable")
        return rows

    def _not_a_page(self, answer: Answer) -> None:
        if "html" in answer.headers.get("content-type", "").lower() or answer.body.lstrip()[:1] == b"<":
            raise self.vendor.down("page")

    def _answer(self, path: str, params: Mapping[str, str] | None, max_bytes: int) -> Answer:
        if not self._is_sendable:
            raise self.vendor.refused("unsendable")
        query = urlencode({**(params or {}), **self._key})
        url = self.url(path) + (f"?{query}" if query else "")
        try:
            answer = self._fetch(url, self._headers, max_bytes)
        except WireError as error:
            raise self.vendor.down(error.sentence, mebibytes=max_bytes / MEBIBYTE) from None
        if answer.status == 200:
            return answer
        raise self._failure(answer)

    def _failure(self, answer: Answer) -> AssayError:
        status, vendor = answer.status, self.vendor
        sentence = {**_STATUSES, **(vendor.statuses or {})}.get(status)
        wait_s = self._retry_after_s(answer)
        if vendor.is_refused is not None and vendor.is_refused(answer):
            return vendor.refused()
        if sentence in _LIMITS or (status == 503 and wait_s is not None):
            return vendor.limited(BLOCK_S if sentence == "blocked" else wait_s, sentence or "limited")
        if sentence in _REFUSALS:
            return vendor.refused(sentence)
        if sentence is not None:
            return vendor.nothing(sentence)
        return vendor.down("redirect" if 300 <= status < 400 else "failed", status=status)

    def _retry_after_s(self, answer: Answer) -> float | None:
        """Seconds, from seconds or a date; None where the header is missing or makes no sense."""
        told = answer.headers.get("retry-after", "").strip()
        if told.isascii() and told.isdecimal():
            return min(float(told[:9]), LONGEST_WAIT_S)
        try:
            moment = parsedate_to_datetime(told)
        except (ValueError, ArithmeticError):  # a zone too large is the second
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max((aware - self._clock.now()).total_seconds(), 0.0), LONGEST_WAIT_S)


def segment(symbol: str) -> str:
    """A symbol as one segment of a path."""
    return quote(symbol, safe="")
