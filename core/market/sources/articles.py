"""News as vendors send it, made into articles of plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import date
from urllib.parse import urlsplit

from core.market.sources.contract import Article

MOST = 500
"""Articles of one answer."""
LONGEST = 2_000
"""Characters of a title or a summary."""
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,500}>")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def plain(told: object) -> str:
    """Text from outside without markup, control characters, halves of characters and marks that turn reading around."""
    if not isinstance(told, str):
        return ""
    words = _TAG.sub("", html.unescape(_TAG.sub("", told[: 4 * LONGEST])))  # markup may come escaped
    return " ".join(_CONTROL.sub(" ", words).split())[:LONGEST]


def newest_first(found: Iterable[Article | None], first: date, last: date) -> tuple[Article, ...]:
    """The articles of those days in UTC that have a title and an address on the web."""
    kept = [
        article
        for article in found
        if article is not None
        and article.title
        and _is_on_the_web(article.url)
        and first <= article.published_at.date() <= last
    ]
    return tuple(sorted(kept, key=lambda article: article.published_at, reverse=True)[:MOST])


def _is_on_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
