"""News as it may be kept and shown: plain text, a safe address, a time, and each piece once.

Two articles are one piece where their addresses differ only in what follows a reader around, or where their titles are
nearly the same within a day and name the same numbers ("first quarter" is not "second quarter", 2 is not 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rapidfuzz import fuzz

from core.market.sources.articles import plain
from core.market.sources.contract import Article

MAX_TITLE = 300
MAX_SUMMARY = 1_000
MAX_URL = 2_000
MAX_PUBLISHER = 100
ALIKE = 90.0
"""Titles that share so much, in percent of `token_sort_ratio`, are one."""
ALIKE_WITHIN = timedelta(days=1)
MOST_COMPARED = 200
"""Titles that an article is compared with, the nearest in time."""
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""An earlier time is no time: a zero that was taken for one."""

_TRACKING = re.compile(
    r"utm_.*|mc_.*|fbclid|gclid|dclid|msclkid|yclid|twclid|igshid|cmpid|cmp|ito|soc_src|soc_trk|guccounter|guce_.*"
    r"|smid|partner|ref|ref_src|referrer|_ga|ncid|mod|source|spm|sh",
    re.IGNORECASE,
)
"""Parameters that say how a reader came, not what is read."""
_PUBLISHER_AT_END = re.compile(r"\s+[-|\u2013\u2014]\s+[^-|\u2013\u2014]{2,40}$")
_WORDS = re.compile(r"\w+")
_ORDINALS = ("first", "second", "third", "fourth", "q1", "q2", "q3", "q4", "h1", "h2", "half", "annual", "quarterly")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One piece of news."""

    title: str
    url: str
    publisher: str
    source: str
    """Which of our sources told it first."""
    published_at: datetime
    summary: str
    symbols: tuple[str, ...]
    """The instruments it was found for."""
    also: tuple[str, ...] = ()
    """Other publishers that have the same piece."""


def cleaned(article: Article) -> Article | None:
    """The article as text; None where it has no title, no time, or an address that is not of the web."""
    title = plain(article.title)[:MAX_TITLE].strip()
    url = safe_url(article.url)
    at = article.published_at
    if not title or url is None or at.tzinfo is None or at < EARLIEST:
        return None
    return replace(
        article,
        title=title,
        url=url,
        publisher=plain(article.publisher)[:MAX_PUBLISHER].strip() or (urlsplit(url).hostname or ""),
        published_at=at.astimezone(UTC),
        summary=plain(article.summary)[:MAX_SUMMARY].strip(),
    )


def safe_url(url: str) -> str | None:
    """An address of the web, without a name or password in it, as the database takes it; None for anything else."""
    text = url.strip()
    if any(sign.isspace() or not sign.isprintable() for sign in text):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or port == 0:
        return None
    safe = urlunsplit(parts._replace(netloc=parts.netloc.lower()))  # urlsplit has lowered the scheme
    return safe if len(safe) <= MAX_URL else None


def url_key(url: str) -> str:
    """What the addresses of one article have in common: no scheme, no tracking, no fragment."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("amp.")
    port = f":{parts.port}" if parts.port not in (None, _PORTS.get(parts.scheme)) else ""
    kept = sorted(pair for pair in parse_qsl(parts.query) if not _TRACKING.fullmatch(pair[0]))
    path = parts.path.rstrip("/").removesuffix("/amp")
    return urlunsplit(("", host + port, path, urlencode(kept), "")).removeprefix("//")


def merged(items: Iterable[NewsItem]) -> list[NewsItem]:
    """Each piece once, newest first; it stands with its first publisher, and names the others."""
    kept: list[_Piece] = []
    by_url: dict[str, _Piece] = {}
    for item in sorted(items, key=lambda one: (one.published_at, one.source, one.url)):
        piece = by_url.get(url_key(item.url)) or _alike(item, kept)
        if piece is None:
            piece = _Piece(item, _compared(item.title), _numbers(item.title))
            kept.append(piece)
        else:
            piece.item = _joined(piece.item, item)
        by_url.setdefault(url_key(item.url), piece)
    return [piece.item for piece in reversed(kept)]


@dataclass(slots=True)
class _Piece:
    item: NewsItem
    title: str
    """As it is compared."""
    numbers: frozenset[str]


def _alike(item: NewsItem, kept: Sequence[_Piece]) -> _Piece | None:
    title, numbers = _compared(item.title), _numbers(item.title)
    for piece in reversed(kept[-MOST_COMPARED:]):
        if item.published_at - piece.item.published_at > ALIKE_WITHIN:
            return None
        if numbers == piece.numbers and fuzz.token_sort_ratio(title, piece.title, score_cutoff=ALIKE):
            return piece
    return None


def _joined(first: NewsItem, other: NewsItem) -> NewsItem:
    publishers = () if other.publisher in (first.publisher, *first.also) else (other.publisher,)
    return replace(
        first,
        also=(*first.also, *publishers),
        symbols=tuple(dict.fromkeys((*first.symbols, *other.symbols))),
        summary=first.summary or other.summary,
    )


def _compared(title: str) -> str:
    """A title without the publisher at its end, case and punctuation."""
    return " ".join(_WORDS.findall(_PUBLISHER_AT_END.sub("", title).casefold()))


def _numbers(title: str) -> frozenset[str]:
    """What tells two reports of one kind apart."""
    words = _WORDS.findall(_PUBLISHER_AT_END.sub("", title).casefold())
    return frozenset(word for word in words if word in _ORDINALS or any(sign.isdigit() for sign in word))
