"""The making of bundles: a thread for each part collects its facts, asks once, and writes down what came of it.

A part is claimed before it is made, and the claim outlives any hold that is taken under it: whoever lost a claim, by a
process that died or slept, can no longer settle a call under it, so that a part is never charged twice. What a part
holds is written before its hold is settled.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from core.ai.answer import Answer, Draft
from core.ai.cache import LIFETIMES_S
from core.ai.gateway import FOLLOW_WAIT_S, Gateway
from core.ai.prompts import Prompt
from core.db import research_dao as dao
from core.db.engine import Database
from core.db.research_dao import Claim
from core.errors import AssayError, MeteringDenied, ProviderUnavailable, place_of
from core.market.as_of import AsOf
from core.market.market import Market
from core.market.sentiment import METHOD
from core.metering.meter import HOLD_GRACE_S
from core.metering.plans import Plans
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.research.bundle import TASKS, PartContent, PartName, SymbolSummary, TimelineItem
from core.research.bundle_calls import PartCall, entries, split
from core.research.bundle_facts import FACTS_S, Facts, FactsReader

SPARE_S = 30
"""A claim outlives the hold that is taken under it by so much."""
FAILED_S = 600.0
"""So long is told why a part failed."""
AT_ONCE = 3
"""Parts that are asked for at once, where the plan lets so many requests run and leaves one for its user."""
BUSY_WAIT_S, BUSY_STEP_S = 60.0, 1.0
"""So long is waited for another request of the same user to end."""
LANE_STEP_S = 20.0
"""So often a part that waits for its turn renews its claim."""
MOST_RUNS = 20
"""Bundles that one process makes at once."""
CLOSE_WAIT_S = 5.0
MAX_CONTENT_CHARS = 3_500_000
LEFT_OUT = "The model left it out."
BY_RULE = "Made by rule from what the sources say; no model was asked."
FLAW = "Something went wrong; it cost you nothing. Try again."
RESTARTED = "The workbench was restarted; try again. It cost you nothing."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MakingParts:
    """What bundles are made with."""

    database: Database
    gateway: Gateway
    plans: Plans
    market: Market
    prompts: Mapping[str, Prompt]
    """By name: those of the tasks of `bundle.TASKS`."""
    total_s: float
    """Longest that an answer may take."""


@dataclass(frozen=True)
class Run:
    """Parts of one bundle that were claimed together."""

    principal: Principal
    claim: Claim
    parts: tuple[PartName, ...]
    symbols: tuple[str, ...]
    names: Mapping[str, str]
    as_of: AsOf
    channel: str = "page"
    idempotency: Idempotency | None = None
    """The key that its first part is asked with."""
    lanes: threading.Semaphore = field(default_factory=threading.Semaphore)
    reading: threading.Lock = field(default_factory=threading.Lock)
    headlines: list[Facts] = field(default_factory=list)
    """Once they were collected, for the two parts that are made of them."""


class Making:
    """Makes claimed parts in threads of its own."""

    def __init__(self, parts: MakingParts) -> None:
        self._parts = parts
        self._facts = FactsReader(parts.market)
        self._threads: set[threading.Thread] = set()
        self._changed = threading.Condition()
        self._is_closing = threading.Event()

    @property
    def claim_s(self) -> int:
        """How long a claim lasts: longer than whatever is done under it between two renewals."""
        call_s = ceil(self._parts.total_s) + HOLD_GRACE_S + ceil(FOLLOW_WAIT_S)
        return max(call_s, ceil(FACTS_S)) + SPARE_S

    def check_room(self) -> None:
        """Refuses where the process makes as many bundles as it may.

        Raises:
            ProviderUnavailable: ask again in a moment.
        """
        with self._changed:
            if self._is_closing.is_set() or len(self._threads) >= AT_ONCE * MOST_RUNS:
                raise ProviderUnavailable("The workbench is too busy; try again in a moment.", provider="")

    def start(self, run: Run) -> None:
        """Makes the parts of a run; whoever asked for them need not stay."""
        limit = self._parts.plans.get(run.principal.plan).limits.concurrent_requests
        lanes = AT_ONCE if limit is None or limit > AT_ONCE else 1
        begun = replace(run, lanes=threading.Semaphore(lanes))
        for part in run.parts:
            thread = threading.Thread(target=self._made, args=(begun, part), name=f"assay-bundle-{part}", daemon=True)
            with self._changed:
                self._threads.add(thread)
            thread.start()

    def close(self) -> None:
        """Begins nothing new, and waits a little for what is under way, whose calls the gateway has ended."""
        self._is_closing.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._threads, timeout=CLOSE_WAIT_S)

    def _made(self, run: Run, part: PartName) -> None:
        try:
            self._make(run, part)
        except AssayError as error:
            self._failed(run, part, error.detail)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a part's thread)
            _log.error("A part of a bundle ended by an unexpected error: %s.", place_of(error))
            self._failed(run, part, FLAW)
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())
                self._changed.notify_all()

    def _make(self, run: Run, part: PartName) -> None:
        facts = self._collected(run, part)
        while not run.lanes.acquire(timeout=LANE_STEP_S):
            self._renewed(run, part)
        try:
            self._ask(run, part, facts)
        finally:
            run.lanes.release()

    def _collected(self, run: Run, part: PartName) -> Facts:
        if part == "filings":
            return self._facts.filings(run.symbols, run.as_of)
        with run.reading:
            if not run.headlines:
                minutes = self._parts.plans.get(run.principal.plan).limits.news_refresh_minutes
                run.headlines.append(self._facts.headlines(run.symbols, run.as_of, refresh_minutes=minutes))
        return run.headlines[0]

    def _ask(self, run: Run, part: PartName, facts: Facts) -> None:
        """Asks for a part; what it holds is written before its hold is settled."""
        gateway, principal = self._parts.gateway, run.principal
        call = PartCall(
            part=part,
            prompt=self._parts.prompts[TASKS[part]],
            as_of=run.as_of.day,
            facts=facts,
            names=run.names,
            channel=run.channel,
            idempotency=run.idempotency if part == run.parts[0] else None,
        )
        ceiling_usd = self._parts.plans.get(principal.plan).limits.request_ceiling_usd
        question = split(gateway, principal, facts.known, call.question, ceiling_usd=ceiling_usd)
        is_kept = threading.Event()

        def save(told: Draft | Answer) -> None:
            if told.state == "complete" and self._ended(run, part, "ready", self._content(part, facts, told)):
                is_kept.set()

        until = time.monotonic() + BUSY_WAIT_S
        while self._renewed(run, part):
            if self._is_closing.is_set():
                raise ProviderUnavailable(RESTARTED, provider="")
            try:
                with gateway.session(principal, question, save, runs_here=True) as session:
                    answer = session.result()
            except MeteringDenied as denied:
                if denied.problem_code != "too_many_concurrent" or time.monotonic() >= until:
                    raise
                self._is_closing.wait(BUSY_STEP_S)
                continue
            if not is_kept.is_set():
                save(answer)
            return

    def _content(self, part: PartName, facts: Facts, told: Draft | Answer) -> PartContent:
        summaries = entries(part, told.text, frozenset(facts.known))
        said = {summary.symbol: summary for summary in summaries}
        left_out = {symbol: LEFT_OUT for symbol in facts.known if symbol not in said}
        if part == "sentiment":
            newest = {symbol: facts.items[symbol][0] for symbol in facts.known}
            items = [tone_item(newest[each.symbol], each, told.model, is_offline=told.is_offline) for each in summaries]
        else:
            items = [item for symbol in facts.known for item in facts.items[symbol]]
        notes = (
            *facts.notes,
            *(told.evidence.notes if told.evidence else ()),
            *((BY_RULE,) if told.is_offline else ()),
        )
        content = PartContent(
            items=tuple(sorted(items, key=lambda item: item.at, reverse=True)),
            summaries=tuple(sorted(summaries, key=lambda each: each.symbol)),
            lacking={**facts.lacking, **left_out},
            notes=notes,
            model=told.model,
            provider=told.provider,
            is_offline=told.is_offline,
            made_at=self._parts.market.clock.now(),
        )
        return _bounded(content)

    def _renewed(self, run: Run, part: PartName) -> bool:
        """Whether the claim still holds; then it does so for as long as a call may take, and longer."""
        with self._parts.database.app(run.principal) as connection:
            return dao.renew(connection, run.claim, part, seconds=self.claim_s)

    def _ended(self, run: Run, part: PartName, state: str, content: PartContent) -> bool:
        seconds = LIFETIMES_S[TASKS[part]] if state == "ready" else FAILED_S
        told = content.model_dump(mode="json", exclude_defaults=True)
        with self._parts.database.app(run.principal) as connection:
            return dao.finish(connection, run.claim, part, state=state, content=told, seconds=seconds)

    def _failed(self, run: Run, part: PartName, reason: str) -> None:
        """Says why there is no part; where not even that can be written, its claim ends by itself."""
        try:
            self._ended(run, part, "failed", PartContent(reason=reason))
        except AssayError as error:
            _log.warning("A part of a bundle failed, and that could not be written: %s.", type(error).__name__)


def tone_item(newest: TimelineItem, summary: SymbolSummary, model: str, *, is_offline: bool) -> TimelineItem:
    """The tone of a holding, at the time of its newest headline, with the method that it is by."""
    return TimelineItem(
        kind="sentiment",
        symbol=summary.symbol,
        at=newest.at,
        title=f"{summary.symbol}: {summary.tone}",
        summary=summary.text,
        tone=summary.tone,
        source=METHOD if is_offline else model,
        is_generated=newest.is_generated,
    )


def _bounded(content: PartContent) -> PartContent:
    """With as many items of each holding as there is room for."""
    for most in (None, 5, 2, 1):
        told = content if most is None else content.model_copy(update={"items": _newest(content.items, most)})
        if len(told.model_dump_json()) <= MAX_CONTENT_CHARS:
            return told
    return content.model_copy(update={"items": ()})


def _newest(items: Sequence[TimelineItem], most: int) -> tuple[TimelineItem, ...]:
    seen: Counter[str] = Counter()
    kept = []
    for item in items:
        seen[item.symbol] += 1
        if seen[item.symbol] <= most:
            kept.append(item)
    return tuple(kept)
