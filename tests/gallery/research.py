"""The components of the research part of a portfolio, with news and filings that somebody made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

import streamlit as st

from core.market.filing_text import read_filing
from core.metering.meter import QuotaState
from core.research.bundle import Bundle, Part, PartContent, SymbolSummary, TimelineItem, Tone
from core.research.details import Detail
from pages.components import (
    research_consent,
    research_detail,
    research_holding,
    research_parts,
    research_timeline,
    research_tones,
)
from pages.components.research_detail import Reading
from pages.components.research_parts import Look
from tests.gallery.reading import SAMPLE, filing_list
from tests.gallery.samples import principal
from tests.gallery.texts import TEXTS

NOW = datetime(2010, 8, 20, 18, tzinfo=UTC)
ZONE = "Europe/Berlin"
LABELS = {"gpt-made-up": "GPT made up"}
PORTFOLIO = UUID(int=7)
SYMBOLS = ("ACME", "AROHICEM.NS", "ZZZZ")
TONES: tuple[Tone, ...] = ("positive", "negative", "neutral")
RESETS = NOW + timedelta(hours=6)
LOOK = Look(LABELS, NOW, ZONE, may_ask=True, left="7 of 10 chat queries left today")
FAILED = "The provider does not answer. It cost you nothing."


def questions() -> None:
    """Before the first opening: all to be made; some there already; too few chat queries left"""
    for number, (bundle, limit, remaining) in enumerate(((missing(), 100, 87), (half(), None, 0), (missing(), 10, 2))):
        quota = QuotaState("chat_queries_day", limit, 0 if limit is None else limit - remaining, RESETS)
        research_consent.show(f"gallery_research_consent_{number}", bundle, quota, NOW, ZONE)


def parts() -> None:
    """All there, one holding unknown and one bought since; being made, with one from before; failed; for a viewer"""
    research_parts.show("gallery_research_ready", full(), LOOK)
    research_parts.show("gallery_research_making", half(), LOOK)
    research_parts.show("gallery_research_failed", broken(), LOOK)
    research_parts.show("gallery_research_viewer", broken(), Look(LABELS, NOW, ZONE, may_ask=False))


def tones() -> None:
    """Few holdings by a model; 500 by the lexicon, and one without a tone"""
    research_tones.show(full().part("sentiment"), SYMBOLS, LABELS)
    many = tuple(SymbolSummary(symbol=f"S{number:03d}", text="", tone=TONES[number % 3]) for number in range(500))
    held = [each.symbol for each in many] + ["T<b>1"]
    content = PartContent(summaries=many, is_offline=True, made_at=NOW)
    research_tones.show(Part("sentiment", "ready", tuple(held), content), held, LABELS)


def timelines() -> None:
    """Items of three days with strange titles; nothing that matches; nothing yet"""
    sought = research_timeline.show_filters("gallery_research", full())
    research_timeline.show("gallery_research_items", full(), sought, LABELS, ZONE, lambda item: None)
    none = research_timeline.Sought(words="no such title")
    research_timeline.show("gallery_research_none", full(), none, LABELS, ZONE, lambda item: None)
    research_timeline.show("gallery_research_making_items", making(), none, LABELS, ZONE, lambda item: None)


def holding() -> None:
    """What is said of a holding; and one that nobody knows"""
    for symbol in ("ACME", "ZZZZ"):
        research_holding.show(symbol, full(), partial(research_detail.show_ask, symbol, PORTFOLIO))


def details() -> None:
    """A headline, a filing and a tone opened; and the filing for a viewer"""
    found = {item.kind: item for item in items()}
    for kind in ("news", "filing", "sentiment"):
        with st.container(border=True):
            research_detail.show_inside(f"gallery_research_{kind}", found[kind], reading())
    with st.container(border=True):
        research_detail.show_inside("gallery_research_viewer_detail", found["filing"], reading(is_viewer=True))


def reading(*, is_viewer: bool = False) -> Reading:
    """Services that answer at once."""
    return Reading(
        principal=principal("two words"),
        portfolio_id=PORTFOLIO,
        labels=LABELS,
        text=lambda _: read_filing(SAMPLE.document(filing_list().filings[0].url)),
        write={"news": written, "filing": written, "profile": written},
        left=lambda: "7 of 10 chat queries left today",
        may_ask=not is_viewer,
        may_read_filings=not is_viewer,
    )


def written(item: TimelineItem) -> Detail:
    """What a made-up model writes."""
    return Detail(
        symbol=item.symbol, title=item.title, text=f"**{item.symbol}**: {TEXTS['markup']}", url=item.url,
        is_free=item.kind == "news", model="gpt-made-up", provider="made-up", is_offline=False,
        request_id=UUID(int=1), left_out=("Item 7 (cut)",) if item.kind == "filing" else (),
    )  # fmt: skip


def items() -> Sequence[TimelineItem]:
    """Headlines with strange titles, filings, and tones."""
    titles = ("Acme beats estimates", *TEXTS.values())
    news = [
        TimelineItem(
            kind="news", symbol=SYMBOLS[number % 2], at=NOW - timedelta(hours=7 * number), title=title,
            url="https://example.com/news?a=(1)", publisher="A made-up wire", summary=f"{title} and so on.",
            tone=TONES[number % 3], source="finnhub", is_generated=number % 2 == 1,
        )
        for number, title in enumerate(titles)
    ]  # fmt: skip
    filing = TimelineItem(
        kind="filing", symbol="AROHICEM.NS", at=datetime(2010, 8, 19, tzinfo=UTC), title="AROHICEM.NS filed a 10-K",
        url="sample:made-up", publisher="10-K", summary="Annual report; items 1, 1A, 7", source="sample",
        is_generated=True, reference="0000000001-10-000001",
    )  # fmt: skip
    tone = TimelineItem(
        kind="sentiment", symbol="ACME", at=NOW, title="ACME: positive", summary="Two headlines are positive.",
        tone="positive", source="gpt-made-up",
    )  # fmt: skip
    return (*news, filing, tone)


def full() -> Bundle:
    """All is there; one holding that nobody knows, one that was bought later."""
    made = [
        _part("news", [item for item in items() if item.kind == "news"], "Ann Miller"),
        _part("filings", [item for item in items() if item.kind == "filing"], TEXTS["markup"], is_offline=True),
        _part("sentiment", [item for item in items() if item.kind == "sentiment"], "Ann Miller"),
    ]
    return _bundle(made, held=(*SYMBOLS, "NEWLY"), unknown=("ZZZZ",))


def half() -> Bundle:
    """One is there, one is being made anew, one is not there."""
    news, filings, _ = full().parts
    anew = Part("filings", "making", filings.symbols, filings.content, "Ann Miller", NOW - timedelta(seconds=12), None)
    return _bundle([news, anew, Part("sentiment")])


def making() -> Bundle:
    """All is being made."""
    return _bundle([Part("news", "making", begun_at=NOW), Part("filings", "making"), Part("sentiment", "making")])


def broken() -> Bundle:
    """One failed, and two are not there."""
    failed = Part("news", "failed", SYMBOLS, PartContent(reason=FAILED), "Ann Miller", NOW)
    return _bundle([failed, Part("filings"), Part("sentiment")])


def missing() -> Bundle:
    """Nothing is there."""
    return _bundle([Part("news"), Part("filings"), Part("sentiment")])


def _bundle(found: Sequence[Part], *, held: Sequence[str] = SYMBOLS, unknown: Sequence[str] = ()) -> Bundle:
    return Bundle(PORTFOLIO, date(2010, 8, 20), tuple(held), tuple(unknown), tuple(found))


def _part(name: str, found: Sequence[TimelineItem], author: str, *, is_offline: bool = False) -> Part:
    says = {item.symbol: item.tone if name == "sentiment" else "" for item in found}
    content = PartContent(
        items=tuple(found),
        summaries=tuple(
            SymbolSummary(symbol=symbol, text=f"{TEXTS['markup']} of {symbol}.", tone=tone)
            for symbol, tone in sorted(says.items())
        ),
        lacking={"ZZZZ": "No headline of the last 90 days is known.", "NEWLY<b>": "The model left it out."},
        notes=("finnhub failed; what it told before is shown.",) if name == "news" else (),
        model="offline-rule" if is_offline else "gpt-made-up",
        provider="offline" if is_offline else "made-up",
        is_offline=is_offline,
        made_at=NOW - timedelta(minutes=4),
    )
    return Part(name, "ready", SYMBOLS, content, author, NOW - timedelta(minutes=5), NOW + timedelta(minutes=26))  # type: ignore[arg-type]
