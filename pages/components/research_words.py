"""How research reads: what opening uses, how long a part is fresh, who made it with what, and where an item is from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time
from urllib.parse import quote
from zoneinfo import ZoneInfo

from core.ai.cache import LIFETIMES_S
from core.market.articles import safe_url
from core.market.sentiment import METHOD
from core.metering.meter import QuotaState
from core.research.bundle import LABELS, PARTS, TASKS, Part, TimelineItem, Tone
from pages.components.money import age
from pages.components.words import bound, plain, when

SOURCES = {
    "finnhub": "Finnhub",
    "brave": "Brave Search",
    "sec_edgar": "SEC EDGAR",
    "sample": "shipped sample",
    METHOD: "lexicon",
}
KINDS = {"news": "News", "filing": "Filings", "sentiment": "Sentiment"}
"""Types of what is on the timeline, by the name that an item has."""
ICONS = {"news": ":material/newspaper:", "filing": ":material/description:", "sentiment": ":material/mood:"}
TONES: Mapping[Tone, str] = {
    "positive": ":green-badge[▲ positive]",
    "negative": ":red-badge[▼ negative]",
    "neutral": ":gray-badge[● neutral]",
    "": "",
}
GENERATED = ":orange-badge[generated]"
MOST_NAMED = 12
"""Symbols that are named in a sentence."""
JUST_NOW_S = 60
MAX_TOLD_CHARS = 80
"""Of what a filing is, in the line beneath its title."""
_OF_ADDRESSES = ":/?#@!$&'*+,;=%-._~"


def queries(count: int) -> str:
    """Chat queries, counted: 1 chat query, 3 chat queries."""
    return f"{count:,} chat quer{'y' if count == 1 else 'ies'}"


def left(quota: QuotaState, now: datetime, zone: str) -> str:
    """What is left of the chat queries of today."""
    if quota.limit is None:
        return "your plan has no daily limit on chat queries"
    if quota.remaining:
        return f"{quota.remaining:,} of {queries(quota.limit)} left today"
    return f"none of {queries(quota.limit)} left; resets {when(quota.resets_at, now, zone)}"


def sentence(words: str) -> str:
    """Words of ours as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def lives() -> str:
    """How long each part is fresh: news 30 minutes, filings 6 hours, sentiment 1 hour."""
    return ", ".join(f"{LABELS[name].lower()} {age(LIFETIMES_S[TASKS[name]])}" for name in PARTS)


def made(part: Part, labels: Mapping[str, str], now: datetime, zone: str) -> str:
    """When a part was made, by whom, with which model, and until when it is fresh."""
    content = part.content
    if content.made_at is None:
        return ""
    by = f" by {part.author}" if part.author else ""
    how = "by rule, no model was asked" if content.is_offline else f"with {labels.get(content.model, content.model)}"
    fresh = "" if part.expires_at is None else f"; fresh until {bound(part.expires_at, now, zone)}"
    seconds = (now - content.made_at).total_seconds()
    ago = "just now" if seconds < JUST_NOW_S else f"{age(seconds)} ago"
    return f"Made {ago}{by}, {how}{fresh}."


def named(symbols: Collection[str]) -> str:
    """Symbols in a sentence, the first of many: AAPL, MSFT and 12 more."""
    shown = sorted(symbols)[:MOST_NAMED]
    more = len(symbols) - len(shown)
    return f"{', '.join(shown)}{f' and {more:,} more' if more else ''}"


def day_and_time(item: TimelineItem, zone: str) -> tuple[date, str]:
    """The day in the user's zone and the time; of a filing of which the day alone is known, that day and no time."""
    if item.kind == "filing" and item.at.time() == time():
        return item.at.date(), ""
    at = item.at.astimezone(ZoneInfo(zone))
    return at.date(), f"{at:%H:%M %Z}"


def day_name(day: date) -> str:
    """A day as a heading: Friday 20 August 2010."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def about(item: TimelineItem, labels: Mapping[str, str], zone: str) -> str:
    """Who published an item, at what time, and which source told it."""
    _, clock = day_and_time(item, zone)
    source = SOURCES.get(item.source, labels.get(item.source, item.source))
    if item.kind == "sentiment":
        method = "by the lexicon, no model was asked" if item.source == METHOD else f"by {source}"
        return f"{method}; dated as its newest headline"
    publisher = item.publisher if item.kind == "news" else _cut(item.summary)
    return " · ".join(part for part in (publisher, clock, f"by {source}" if source else "") if part)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TOLD_CHARS else f"{text[:MAX_TOLD_CHARS].rstrip()}…"


def badges(item: TimelineItem) -> str:
    """Its tone, and that its issuer does not exist, as coloured words."""
    return " ".join(part for part in (TONES[item.tone], GENERATED if item.is_generated else "") if part)


def untitled(item: TimelineItem) -> str:
    """The title without the symbol that some begin with."""
    if item.kind == "sentiment":
        return "Sentiment of its headlines"
    return item.title if item.kind == "news" else item.title.removeprefix(item.symbol).strip()


def address(item: TimelineItem) -> str | None:
    """Where it can be read, in which nothing ends the link around it; None where that is nowhere on the web."""
    url = safe_url(item.url) if item.url and not item.is_generated else None
    return None if url is None else quote(url, safe=_OF_ADDRESSES)


def reasons(lacking: Mapping[str, str]) -> Sequence[str]:
    """What is missing, a line of markdown for each reason with the symbols that it is of."""
    symbols: dict[str, list[str]] = {}
    for symbol, reason in lacking.items():
        symbols.setdefault(reason, []).append(symbol)
    return [f"**{plain(named(each))}**: {plain(reason)}" for reason, each in symbols.items()]
