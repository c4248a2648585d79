"""Questions about one symbol: answered from a bundle, free; or by one public AI request, which everybody may share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.accounts.permissions import Action, require
from core.ai.answer import Answer
from core.ai.gateway import Gateway
from core.ai.prompts import Prompt
from core.ai.providers.contract import TokenUsage
from core.errors import NotEnoughData, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.market import Market
from core.metering.meter import Feature
from core.metering.plans import Plans
from core.metering.repeats import Idempotency
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal
from core.research.bundle import (
    PART_OF,
    TASKS,
    Kind,
    Part,
    PartName,
    SymbolAnswer,
    SymbolSummary,
    TimelineItem,
)
from core.research.bundle_calls import PartCall, entries
from core.research.bundle_facts import MOST_FILINGS, Facts, FactsReader
from core.research.bundle_making import LEFT_OUT, tone_item

ALONE_S = 20.0
"""Longest that facts of one symbol are collected."""
OF_BUNDLE = "shared"
"""Where the log says that a free answer came from."""
COUNTS: dict[Kind, int] = {"sentiment": 1, "latest_filing": 1, "last_filings": MOST_FILINGS, "news": MOST_FILINGS}
"""Items that an answer shows."""


@dataclass(frozen=True, slots=True)
class AskParts:
    """What questions about one symbol are answered with."""

    gateway: Gateway
    usage_log: UsageLog
    plans: Plans
    market: Market
    prompts: Mapping[str, Prompt]
    """By name: those of the tasks of `bundle.TASKS`."""


@dataclass(frozen=True, slots=True)
class SymbolAsk:
    """A question about one symbol."""

    kind: Kind
    symbol: str
    """As we spell it."""
    channel: str = "page"
    idempotency: Idempotency | None = None


class Asks:
    """Answers questions about one symbol."""

    def __init__(self, parts: AskParts) -> None:
        self._parts = parts
        self._facts = FactsReader(parts.market)

    def of_bundle(self, principal: Principal, ask: SymbolAsk, part: Part) -> SymbolAnswer | None:
        """The answer of a part that has the symbol: free, and logged as what was there already; None where it has not.

        A symbol of which the sources told nothing is one that it has: it says so.
        """
        content, summary = part.content, part.summary(ask.symbol)
        reason = content.lacking.get(ask.symbol, "")
        if content.made_at is None or ask.symbol not in part.symbols:
            return None
        if summary is None and ask.kind == "sentiment" and reason == LEFT_OUT:
            return None
        request_id, items = new_id(), part.of(ask.symbol)[: COUNTS[ask.kind]]
        self._parts.usage_log.add(
            FreeRow(
                principal,
                ask.channel,
                "cached",
                Feature.CHAT_QUERY,
                content.provider,
                content.model,
                request_id,
                None,
                TokenUsage(0, 0),
                cache_level=OF_BUNDLE,
            )
        )
        return SymbolAnswer(
            kind=ask.kind,
            symbol=ask.symbol,
            text=_told(ask.kind, summary, items) or reason,
            items=items,
            is_free=True,
            request_id=request_id,
            model=content.model,
            provider=content.provider,
            is_offline=content.is_offline,
            notes=content.notes,
            is_of_bundle=True,
        )

    def asked(self, principal: Principal, ask: SymbolAsk) -> SymbolAnswer:
        """The answer of a model, or of the cache, built from public data of that symbol alone.

        Raises:
            Forbidden: the role or the token may not ask.
            NotFound: nobody knows the symbol; NotEnoughData: nothing is known of it. Nothing was counted.
            MeteringDenied, ProviderError: as `Gateway.session`.
        """
        require(principal, Action.ASK)
        as_of, part = self._parts.market.time.of(principal), PART_OF[ask.kind]
        known = self._parts.market.instruments.many([ask.symbol], as_of)
        if ask.symbol not in known:
            raise NotFound(f"No list of instruments knows the symbol {ask.symbol}.")
        facts = self._collected(principal, part, ask.symbol, as_of)
        if not facts.known:
            raise NotEnoughData(" ".join(dict.fromkeys((*facts.lacking.values(), *facts.notes))))
        call = PartCall(
            part=part,
            prompt=self._parts.prompts[TASKS[part]],
            as_of=as_of.day,
            facts=facts,
            names={ask.symbol: known[ask.symbol].name},
            channel=ask.channel,
            is_public=True,
            idempotency=ask.idempotency,
        )
        replay = None if ask.idempotency is None else self._parts.gateway.replayed(principal, ask.idempotency)
        answer = replay.answer if replay is not None else self._answer(principal, call)
        summary = next(iter(entries(part, answer.text, frozenset(facts.known))), None)
        items = facts.items[ask.symbol][: COUNTS[ask.kind]]
        if part == "sentiment" and summary is not None:
            items = (tone_item(items[0], summary, answer.model, is_offline=answer.is_offline),)
        return SymbolAnswer(
            kind=ask.kind,
            symbol=ask.symbol,
            text=_told(ask.kind, summary, items),
            items=items,
            is_free=answer.is_cached or replay is not None,
            request_id=answer.request_id,
            model=answer.model,
            provider=answer.provider,
            is_offline=answer.is_offline,
            notes=facts.notes,
            answer=answer,
            is_replayed=replay is not None,
        )

    def _answer(self, principal: Principal, call: PartCall) -> Answer:
        question = call.question([call.facts.known])
        with self._parts.gateway.session(principal, question, runs_here=True) as session:
            return session.result()

    def _collected(self, principal: Principal, part: PartName, symbol: str, as_of: AsOf) -> Facts:
        if part == "filings":
            return self._facts.filings([symbol], as_of, within_s=ALONE_S)
        minutes = self._parts.plans.get(principal.plan).limits.news_refresh_minutes
        return self._facts.headlines([symbol], as_of, refresh_minutes=minutes, within_s=ALONE_S)


def _told(kind: Kind, summary: SymbolSummary | None, items: tuple[TimelineItem, ...]) -> str:
    """What is said in words: of the latest filing what it is, of all else what the part says of the symbol."""
    if kind == "latest_filing" and items:
        newest = items[0]
        return f"The latest filing of {newest.symbol} is a {newest.publisher} of {newest.at.date()}: {newest.summary}."
    return summary.text if summary is not None else ""
