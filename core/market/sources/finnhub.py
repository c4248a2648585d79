"""Finnhub: news of a company, with times in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from core.market.sources import figures
from core.market.sources.articles import newest_first, plain
from core.market.sources.contract import Allowance, Article
from core.market.sources.remote import Remote, Vendor

# 403 is said of a company that the plan lacks, 401 of a key that it does not know.
VENDOR = Vendor("finnhub", "Finnhub", "FINNHUB_API_KEY", statuses={403: "plan_lacks_it"})
BASE_URL = "https://finnhub.io"
FREE = Allowance(per_minute=60)


class Finnhub:
    """News of a company by its symbol."""

    name = VENDOR.name

    def __init__(self, remote: Remote, allowance: Allowance) -> None:
        self.allowance = allowance
        self._remote = remote

    def news(self, symbol: str, company: str, first: date, last: date) -> Sequence[Article]:
        """What was written about a company, newest first, both days included; none is an answer too."""
        query = {"symbol": symbol, "from": first.isoformat(), "to": last.isoformat()}
        rows = VENDOR.rows(self._remote.json("/api/v1/company-news", query))
        return newest_first((_article(row, symbol) for row in rows), first, last)


def _article(row: Mapping[str, Any], symbol: str) -> Article | None:
    moment = figures.moment(row.get("datetime"))
    if moment is None:
        return None
    return Article(
        title=plain(row.get("headline")),
        url=figures.text(row.get("url")),
        publisher=plain(row.get("source")) or VENDOR.title,
        published_at=moment,
        summary=plain(row.get("summary")),
        symbols=(symbol,),
    )
