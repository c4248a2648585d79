"""The table of measurements: to add one, write a function and give it a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import (
    accounts,
    bars,
    books,
    cache,
    chart_patterns,
    day,
    filters,
    guards,
    hot_row,
    ledger,
    metered_call,
    metering,
    pages,
    portfolio,
    portfolio_import,
    quotes,
    records,
    research,
    risk,
    routing,
    scan,
    start,
    survival,
    usage_scale,
    verdict_scores,
    verdicts,
)
from tests.bench.figures import Figure
from tests.bench.ground import Ground


@dataclass(frozen=True, slots=True)
class Measurement:
    """One entry: what is measured, in a sentence, and by what."""

    summary: str
    run: Callable[[Ground], Sequence[Figure]]


MEASUREMENTS = {
    "metering": Measurement("reserve, in_flight and settle by one client, beside a bare update", metering.alone),
    "hot-row": Measurement("reserve, and whole calls, as a share of bare updates of one row", hot_row.shares),
    "metering-threads": Measurement("the same by 8 and 32 threads of one organisation", metering.at_once),
    "ledger": Measurement("debits of one account by 32 threads; the wallet and its sums are exact", ledger.debits),
    "cache": Measurement("a cached question through the gateway, in process", cache.hits),
    "calls": Measurement("POST /v1/chat/completions: what is added to the provider's own time", metered_call.calls),
    "pages": Measurement("reruns of the Usage page with 50 and 100 people at work", pages.reruns),
    "symbol": Measurement("reruns of the Symbol page with 50 people at work", pages.symbol_reruns),
    "screener": Measurement("reruns of the Screener on 5,000 symbols with 10 people at work", pages.screener_reruns),
    "portfolio-page": Measurement(
        "reruns of the Portfolio page with 10,000 transactions and 200 holdings", pages.portfolio_reruns
    ),
    "accounts": Measurement("sign-in, and whose a session or token is, with 10 and with 10,000 users", accounts.looks),
    "quotes": Measurement("a hundred quotes from the network and from the fresh cache", quotes.hundreds),
    "bars": Measurement("the last 250 bars of 5,000 and 10,000 symbols into memory, with what that takes", bars.reads),
    "bar-import": Measurement("a CSV of a million bars: read, checked and stored", bars.imports),
    "scan": Measurement("scans of 5,000 and 10,000 symbols in two processes, beside the engine alone", scan.universes),
    "filters": Measurement("every preset on a scan of 5,000 symbols in memory", filters.presets),
    "chart-patterns": Measurement(
        "chart patterns of 5,000 symbols in two processes, from nothing", chart_patterns.universe
    ),
    "books": Measurement("doctor --accounting over ten million calls, in a database of its own", books.audits),
    "records": Measurement(
        "the records of 500 symbols over ten years, from nothing and with one more day", records.histories
    ),
    "portfolio": Measurement(
        "ten years of a portfolio of 200 holdings: from nothing, and with one more transaction", portfolio.histories
    ),
    "verdicts": Measurement("validations of signals: what is added to the provider's own time", verdicts.shares),
    "verdict-batch": Measurement("a batch of 500 validations against a provider that takes 300 ms", verdicts.batches),
    "verdict-scores": Measurement("a hundred thousand verdicts scored, and their board read", verdict_scores.scores),
    "portfolio-import": Measurement(
        "a file of 10,000 transactions, read, judged and entered", portfolio_import.imported
    ),
    "research": Measurement(
        "research: tool steps, a bundle's calls, the first word of offline answers, marks", research.all_figures
    ),
    "day": Measurement("a replayed day of analysts' questions: what cache and router save", day.saved),
    "routing": Measurement(
        "routing among all models: time, accuracy on labelled prompts, expected cost", routing.all_figures
    ),
    "guards": Measurement("the guards on 8,000 characters, and what they catch of the attack sets", guards.all_figures),
    "risk": Measurement("all risk figures of 5,000 daily returns against a benchmark", risk.all_figures),
    "survival": Measurement(
        "ten thousand requests while one of three providers is down, one is slow, one fails", survival.survived
    ),
    "usage-scale": Measurement(
        "the overview's queries over ten million requests, and their rolling up", usage_scale.overview
    ),
    "warm-start": Measurement("a second start, until the page and the API answer", start.warm),
    "cold-start": Measurement("from `git clone` to a page that answers, on nothing but Python", start.cold),
}
