"""Brave Search: news found by a company's name, with times that name no zone and marks of emphasis in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from core.market.sources import figures
from core.market.sources.articles import newest_first, plain
from core.market.sources.connection import Answer
from core.market.sources.contract import Allowance, Article
from core.market.sources.remote import Remote, Vendor


def _is_refused(answer: Answer) -> bool:
    """It says 422 of a key it does not know, and of a query it cannot serve; its code tells them apart."""
    return answer.status == 422 and b'"SUBSCRIPTION_TOKEN_INVALID"' in answer.body


VENDOR = Vendor("brave", "Brave Search", "BRAVE_API_KEY", is_refused=_is_refused)
BASE_URL = "https://api.search.brave.com"
FREE = Allowance(per_second=1)
MOST = 50
"""Results of one request."""
LONGEST_QUERY = 400
"""Characters that it takes."""


class Brave:
    """News of a company by its name."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance) -> None:
        self.allowance = allowance
        self._remote = remote

    def news(self, symbol: str, company: str, first: date, last: date) -> Sequence[Article]:
        """What was written about a company, newest first, both days included; none is an answer too.

        An article without a time is left out: nobody could tell that it is not from after the day that is asked for.
        """
        query = {
            "q": f"{company or symbol} stock"[:LONGEST_QUERY],
            "count": str(MOST),
            "freshness": f"{first.isoformat()}to{last.isoformat()}",
            "spellcheck": "0",
        }
        answer = figures.mapping(self._remote.json("/res/v1/news/search", query))
        rows = VENDOR.rows(answer.get("results"))
        return newest_first((_article(row) for row in rows), first, last)


def _article(row: Mapping[str, Any]) -> Article | None:
    moment = _moment(row.get("page_age"))
    if moment is None:
        return None
    return Article(
        title=plain(row.get("title")),
        url=figures.text(row.get("url")),
        publisher=plain(figures.mapping(row.get("meta_url")).get("hostname")) or VENDOR.title,
        published_at=moment,
        summary=plain(row.get("description")),
    )


def _moment(told: object) -> datetime | None:
    """A time that names no zone is in UTC."""
    try:
        read = datetime.fromisoformat(figures.text(told))
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
