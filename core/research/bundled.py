"""Questions of a conversation that the portfolio's bundle answers: free, since it was asked once for all holdings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from core.ai.answer import Answer
from core.ai.evidence import Entity, Evidence, Figure, Source, Step, Table
from core.ai.providers.contract import TokenUsage
from core.principal import Principal
from core.research.bundle import Kind, SymbolAnswer
from core.research.bundles import Bundles
from core.research.grounding import marks
from core.research.measures import Measures

MAX_CHARS = 120
"""A longer question asks for more than a bundle has."""
TOOL = "research_bundle"
_MAY = r"(?:(?:please|show|give|tell|me|what|which|is|are|was|were|s|the|any|there|current|how|a)\s+)*"
_OF = r"\s+(?:of|on|for|about|around|by|from|to|regarding)\s+(?P<after>.+)"
_KINDS: dict[Kind, str] = {
    "sentiment": r"(?:news\s+)?(?:sentiment|tone|mood)",
    "last_filings": r"(?:last|latest|newest|recent)\s+(?:ten|10|few)?\s*(?:sec\s+)?filings",
    "latest_filing": r"(?:last|latest|newest|most\s+recent)\s+(?:sec\s+)?filing",
    "news": r"(?:latest\s+|recent\s+|newest\s+)?(?:news|headlines)",
}
_ASKED = {
    kind: re.compile(rf"{_MAY}(?:(?P<before>.+?)\s+)?{words}(?:{_OF})?", re.IGNORECASE)
    for kind, words in _KINDS.items()
}
_LEGAL_FORM = re.compile(r"(?:\s(?:inc|corp|corporation|company|co|plc|ltd|limited|group|holdings|sa|ag|nv))+\Z")
_MEASURES: dict[Kind, str] = {
    "sentiment": "articles",
    "news": "articles",
    "last_filings": "filings",
    "latest_filing": "filings",
}


class Bundled:
    """Answers from bundles what they have."""

    def __init__(self, bundles: Bundles, measures: Measures) -> None:
        self._bundles = bundles
        self._measures = measures

    def answer(self, principal: Principal, portfolio_id: UUID, text: str, *, channel: str) -> Answer | None:
        """What a portfolio's bundle says, where the question asks for nothing else and the bundle is there.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        if len(text) > MAX_CHARS or not any(asked.fullmatch(_words(text)) for asked in _ASKED.values()):
            return None
        asked = asked_of(text, self._bundles.names(principal, portfolio_id))
        if asked is None:
            return None
        told = self._bundles.known(principal, portfolio_id, *asked, channel=channel)
        return None if told is None else self._answer(principal, told)

    def _answer(self, principal: Principal, told: SymbolAnswer) -> Answer:
        text = f"{told.text or 'Nothing is known of it.'} [1]"
        evidence = _evidence(told)
        checked = evidence.model_copy(update={"marks": marks(text, evidence, self._measures)})
        return Answer(
            text=text,
            state="complete",
            model=told.model,
            provider=told.provider,
            is_offline=told.is_offline,
            is_cached=True,
            finish_reason="stop",
            usage=TokenUsage(0, 0),
            is_estimated=False,
            cost_usd=Decimal(0),
            route_reason="from the portfolio's research, which was asked once for all holdings",
            considered=0,
            request_id=told.request_id,
            plan=principal.plan,
            latency_ms=0,
            evidence=checked,
        )


def asked_of(text: str, names: Mapping[str, str]) -> tuple[Kind, str] | None:
    """The kind and the symbol, where a question is about exactly one of the named symbols and asks for one kind.

    Args:
        text: the question.
        names: of companies, by symbol.
    """
    words = _words(text)
    for kind, asked in _ASKED.items():
        found = asked.fullmatch(words)
        if found is None:
            continue
        about = [each for each in (found["before"], found["after"]) if each]
        symbol = _symbol(about[0], names) if len(about) == 1 else None
        if symbol is not None:
            return kind, symbol
    return None


def _words(text: str) -> str:
    """A question without what is no word, and without the possessive's s."""
    return " ".join(re.sub(r"[^\w\s.&-]|\.(?=\s|\Z)", " ", re.sub(r"['\u2019]s\b", "", text)).split())


def _symbol(words: str, names: Mapping[str, str]) -> str | None:
    sought = _plain(words)
    found = [symbol for symbol, name in names.items() if sought in (_plain(symbol), _plain(name), _short(name))]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", name).casefold().split())


def _short(name: str) -> str:
    """A company's name without what says that it is one."""
    return re.sub(
        r"(?:\s(?:inc|corp|corporation|company|co|plc|ltd|limited|group|holdings|sa|ag|nv|the))+\Z", "", _plain(name)
    )


def _evidence(told: SymbolAnswer) -> Evidence:
    items = told.items
    rows = tuple((item.at.date(), item.publisher, item.title, item.tone, item.source, item.url) for item in items)
    source = Source(
        title=f"Research of the portfolio: {told.kind.replace('_', ' ')} of {told.symbol}",
        as_of=max((item.at for item in items), default=None),
        is_generated=any(item.is_generated for item in items),
    )
    step = Step(
        number=1,
        tool=TOOL,
        arguments={"kind": told.kind, "symbol": told.symbol},
        words=f"{source.title}, free",
        source=source,
        table=Table(columns=("Day", "Publisher or form", "Title", "Tone", "Source", "Address"), rows=rows),
    )
    days = [item.at.date() for item in items]
    dated = [
        Figure(entity=told.symbol, measure="day", value=day.toordinal(), unit="date", day=day, step=1) for day in days
    ]
    count = Figure(entity=told.symbol, measure=_MEASURES[told.kind], value=len(items), step=1)
    return Evidence(
        steps=(step,),
        entities=(Entity(key=told.symbol),),
        figures=(count, *dated),
        notes=told.notes,
    )
