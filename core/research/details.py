"""Details of what is on the timeline: a source's own text, free; what a model writes of it, one chat query each.

What a model is shown is public, looked up here and never taken from whoever asks, so that its answer is everybody's: a
piece of news for an hour, a filing for a day, a profile for a week. A long filing is cut to what fits, risk factors and
the management's discussion first, and it is said what was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.accounts.permissions import Action, require
from core.ai.answer import Answer, Question
from core.ai.outside import as_json, cleaned, fenced
from core.ai.providers.contract import Message
from core.errors import AssayError, InvalidRequest, NotConfigured, NotFound, PromptRejected
from core.market.as_of import AsOf
from core.market.filing_text import FilingText
from core.market.instruments import Instrument
from core.market.news import MOST_ITEMS
from core.market.sources.contract import Filing
from core.market.symbols import checked_symbol
from core.metering.meter import Feature
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.research.bundle_calls import FACTS, OUTSIDE, READ, TEMPERATURE
from core.research.bundle_facts import filing_item
from core.research.bundles import BundleParts

ANSWER = "Answer now, in plain Markdown, with nothing but that."
MAX_TOKENS: Mapping[str, int] = {"news_detail": 500, "filing_detail": 900, "company_profile": 700}
FILING_CHARS, LEAST_FILING_CHARS = 60_000, 4_000
"""Characters of a filing that a model is shown; fewer where its window or the plan's ceiling asks for it."""
BUSINESS_CHARS, RISK_CHARS = 12_000, 4_000
"""Of the items of an annual report that tell what a company does, and what could go wrong."""
FIRST_ITEMS = ("1A", "II-1A", "7", "I-2", "2", "1", "7A", "I-3")
"""Items in the order in which they are shown, before all others."""
MOST_LEFT_OUT = 30
AROUND = 10
"""Headlines before it that are shown beside a piece of news."""
REPORTS = ("10-K", "20-F", "40-F")


@dataclass(frozen=True, slots=True)
class Detail:
    """What a model wrote of one thing."""

    symbol: str
    title: str
    text: str
    """Markdown."""
    url: str
    is_free: bool
    """Whether it was there already."""
    model: str
    provider: str
    is_offline: bool
    request_id: UUID
    left_out: tuple[str, ...] = ()
    """What the model was not shown."""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class _About:
    """What a detail is about."""

    task: str
    symbol: str
    title: str
    url: str
    facts: Mapping[str, Any]
    outside: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Report:
    """What the latest annual report says of a company."""

    industry: str = ""
    name: str = ""
    url: str = ""
    business: str = ""
    risks: str = ""
    missing: str = ""


class Details:
    """Opens what is on the timeline."""

    def __init__(self, parts: BundleParts) -> None:
        self._parts = parts

    def text(self, principal: Principal, symbol: str, accession_number: str) -> FilingText:
        """A filing's own text with its items; it counts nothing.

        Raises:
            NotFound: no such filing on the day that is seen.
            NotConfigured, SourceError: nobody to ask, or it cannot be had.
        """
        require(principal, Action.FETCH_FILINGS)
        as_of, wanted = self._parts.market.time.of(principal), checked_symbol(symbol)
        return self._opened(wanted, accession_number, as_of)[1]

    def news(
        self,
        principal: Principal,
        symbol: str,
        url: str,
        *,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> Detail:
        """What a piece of news is about, by a model; one chat query, unless it was asked within the hour.

        Raises:
            NotFound: no such piece of news on the day that is seen.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        require(principal, Action.ASK)
        as_of, wanted = self._parts.market.time.of(principal), checked_symbol(symbol)
        known = self._known(wanted, as_of)
        page = self._parts.market.news.kept(wanted, as_of, most=MOST_ITEMS).news
        told = next((one.item for one in page if one.item.url == url), None)
        if told is None:
            raise NotFound("There is no such piece of news on the day that is seen.")
        others = [one.item for one in page if one.item.url != url and one.item.published_at <= told.published_at]
        about = _About(
            task="news_detail",
            symbol=wanted,
            title=cleaned(told.title),
            url=told.url,
            facts=self._told(known, published=told.published_at.isoformat(), source=told.source),
            outside={
                "headline": cleaned(told.title),
                "publisher": cleaned(told.publisher, 80),
                "summary": cleaned(told.summary, 2_000),
                "others": [
                    {"day": f"{one.published_at:%Y-%m-%d}", "title": cleaned(one.title)} for one in others[:AROUND]
                ],
            },
        )
        return self._asked(principal, about, channel, idempotency)

    def filing(
        self,
        principal: Principal,
        symbol: str,
        accession_number: str,
        *,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> Detail:
        """What a filing says, by a model; one chat query, unless it was asked within the day.

        Raises:
            NotFound: no such filing on the day that is seen.
            NotConfigured, SourceError: nobody to ask, or it cannot be had; nothing was counted.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        require(principal, Action.ASK)
        as_of, wanted = self._parts.market.time.of(principal), checked_symbol(symbol)
        known = self._known(wanted, as_of)
        filing, text = self._opened(wanted, accession_number, as_of)
        item = filing_item(wanted, filing, "", is_generated=known.is_generated)
        told = self._told(known, form=item.publisher, filed=filing.filing_date.isoformat())

        def about(room: int) -> _About:
            passages, left_out = excerpts(text, room)
            facts = {**told, "left_out": list(left_out)}
            outside = {"description": item.summary, "passages": passages}
            return _About("filing_detail", wanted, item.title, item.url, facts, outside, left_out)

        return self._asked(principal, self._fitting(principal, about), channel, idempotency)

    def profile(
        self, principal: Principal, symbol: str, *, channel: str = "page", idempotency: Idempotency | None = None
    ) -> Detail:
        """Who a company is, by a model; one chat query, unless it was asked within the week.

        Raises:
            NotFound: nobody knows the symbol.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        require(principal, Action.ASK)
        as_of, wanted = self._parts.market.time.of(principal), checked_symbol(symbol)
        known, report = self._known(wanted, as_of), self._report(wanted, as_of)
        about = _About(
            task="company_profile",
            symbol=wanted,
            title=f"{known.name} ({wanted})",
            url=report.url,
            facts=self._told(
                known,
                sector=known.sector,
                exchange=known.market,
                kind=known.kind,
                report=report.name,
                missing=report.missing,
            ),
            outside={"industry": report.industry, "business": report.business, "risks": report.risks},
            left_out=(report.missing,) if report.missing else (),
        )
        return self._asked(principal, about, channel, idempotency)

    def _known(self, symbol: str, as_of: AsOf) -> Instrument:
        """The instrument, of the public lists alone: what is asked here is shared by all."""
        known = self._parts.market.instruments.get(symbol, as_of)
        if known is None:
            raise NotFound(f"No list of instruments knows the symbol {symbol}.")
        return known

    def _told(self, known: Instrument, **more: Any) -> dict[str, Any]:
        """Facts that stay the same while the answer is kept: nothing in them is of today."""
        told = {"symbol": known.symbol, "name": cleaned(known.name, 120), **more}
        return {name: value for name, value in told.items() if value}

    def _opened(self, symbol: str, accession_number: str, as_of: AsOf) -> tuple[Filing, FilingText]:
        company, archive = self._parts.market.companies.filer(as_of, symbol=symbol), self._parts.market.filings
        listed = archive.kept(company, as_of) or archive.fetch(company, as_of)
        filing = next((one for one in listed.filings if one.accession_number == accession_number), None)
        if filing is None:
            raise NotFound("There is no such filing on the day that is seen.")
        return filing, archive.document(company, filing, as_of)

    def _report(self, symbol: str, as_of: AsOf) -> _Report:
        """What the latest annual report says of the company; why it says nothing, where there is none to be had."""
        try:
            company, archive = self._parts.market.companies.filer(as_of, symbol=symbol), self._parts.market.filings
            listed = archive.kept(company, as_of) or archive.fetch(company, as_of)
            industry = cleaned(listed.industry, 120)
            report = next((one for one in listed.filings if one.form in REPORTS), None)
            if report is None:
                return _Report(industry, missing="No annual report is known.")
            text = archive.document(company, report, as_of)
        except AssayError as error:
            return _Report(missing=error.detail)
        business = text.section("1") or (text.sections[0] if text.sections else None)
        risks = text.section("1A")
        return _Report(
            industry=industry,
            name=f"{report.form} of {report.filing_date}",
            url=report.url,
            business="" if business is None else cleaned(text.of(business), BUSINESS_CHARS),
            risks="" if risks is None else cleaned(text.of(risks), RISK_CHARS),
        )

    def _fitting(self, principal: Principal, about: Callable[[int], _About]) -> _About:
        """With as much of a long text as the model's window and the plan's ceiling take."""
        ceiling_usd, room = self._parts.plans.get(principal.plan).limits.request_ceiling_usd, FILING_CHARS
        while True:
            found = about(room)
            try:
                most_usd = self._parts.gateway.estimate(principal, self._question(found)).most_usd
            except (PromptRejected, InvalidRequest, NotConfigured):
                if room <= LEAST_FILING_CHARS:
                    raise
            else:
                if room <= LEAST_FILING_CHARS or ceiling_usd is None or most_usd <= ceiling_usd:
                    return found
            room = max(LEAST_FILING_CHARS, room // 2)

    def _question(self, about: _About, channel: str = "page", idempotency: Idempotency | None = None) -> Question:
        prompt = self._parts.prompts[about.task]
        lines = [FACTS, as_json({"detail": about.task, **about.facts}), OUTSIDE, *fenced(as_json(about.outside))]
        return Question(
            messages=(
                Message("system", prompt.text),
                Message("user", "\n".join(lines)),
                Message("assistant", READ),
                Message("user", ANSWER),
            ),
            model="",
            feature=Feature.CHAT_QUERY,
            task=about.task,
            max_tokens=MAX_TOKENS[about.task],
            temperature=TEMPERATURE,
            prompt_version=prompt.version,
            channel=channel,
            is_public=True,
            idempotency=idempotency,
        )

    def _asked(self, principal: Principal, about: _About, channel: str, idempotency: Idempotency | None) -> Detail:
        question = self._question(about, channel, idempotency)
        with self._parts.gateway.session(principal, question, runs_here=True) as session:
            answer = session.result()
        return Detail(
            symbol=about.symbol,
            title=about.title,
            text=answer.text,
            url=about.url,
            is_free=answer.is_cached,
            model=answer.model,
            provider=answer.provider,
            is_offline=answer.is_offline,
            request_id=answer.request_id,
            left_out=about.left_out,
            answer=answer,
        )


def excerpts(filing: FilingText, room: int) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """What fits of a filing, in its own order, and what does not: the items that matter most are given room first."""
    places = {item: place for place, item in enumerate(FIRST_ITEMS)}
    order = sorted(filing.sections, key=lambda one: (places.get(one.item, len(places) if one.item else 99), one.start))
    shown: list[tuple[int, dict[str, str]]] = []
    left_out: list[str] = []
    for section in order:
        text = filing.of(section).strip()
        name = f"Item {section.item}" if section.item else "the beginning"
        if room < min(len(text), 200):
            left_out.append(name)
            continue
        most = len(text) if len(text) <= room else max(room * 2 // 3, 200)
        if most < len(text):
            left_out.append(f"{name} (cut)")
        passage = {"item": section.item, "title": cleaned(section.title, 120), "text": cleaned(text[:most], most)}
        shown.append((section.start, passage))
        room -= most
    if filing.is_cut:
        left_out.append("the end of a very long document")
    return [passage for _, passage in sorted(shown, key=_start)], tuple(left_out[:MOST_LEFT_OUT])


def _start(shown: tuple[int, Mapping[str, str]]) -> int:
    return shown[0]
