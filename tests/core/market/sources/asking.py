"""Every question that every source can be asked, for suites that hold them all to one contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from core.clock import Clock, SystemClock
from core.market.sources.contract import (
    ActionKind,
    ActionSource,
    BarSource,
    FilingSource,
    NewsSource,
    OlderFilings,
    QuoteSource,
)
from core.market.sources.registry import Sources, build_sources
from core.settings import load_settings
from tests.fakes.market_answers import DAYS
from tests.fakes.market_server import MarketServer

FIRST, LAST = DAYS[0], DAYS[-1]
PAGE = OlderFilings("CIK0000000001-submissions-001.json", date(2009, 1, 1), date(2019, 12, 31), 1)
IMPATIENT_S = 0.2


@dataclass(frozen=True)
class Question:
    """One question to one source."""

    source: str
    about: str
    ask: Callable[[Sources], object]
    variable: str
    """Named when its key is refused."""

    def __str__(self) -> str:
        return f"{self.source}-{self.about}"


def quotes(sources: Sources, name: str) -> QuoteSource:
    """The source of prices of that name."""
    return next(source for source in sources.quotes if source.name == name)


def bars(sources: Sources, name: str) -> BarSource:
    """The source of bars of that name."""
    return next(source for source in sources.bars if source.name == name)


def news(sources: Sources, name: str) -> NewsSource:
    """The source of news of that name."""
    return next(source for source in sources.news if source.name == name)


def filings(sources: Sources) -> FilingSource:
    """The source of filings."""
    assert sources.filings is not None
    return sources.filings


def actions(sources: Sources, name: str, kind: ActionKind, symbol: str = "ACME") -> object:
    """Splits or dividends of a source that tells them on their own."""
    source = quotes(sources, name)
    assert isinstance(source, ActionSource)
    return source.actions(symbol, kind)


def document_address(sources: Sources) -> str:
    """Where the first filing's document is."""
    source = filings(sources)
    return source.filer(1).filings[0].url


_PRICED = {"alphavantage": "ALPHAVANTAGE_API_KEY", "fmp": "FMP_API_KEY", "yahoo": "YAHOO_ENABLED"}
_TOLD = {"finnhub": "FINNHUB_API_KEY", "brave": "BRAVE_API_KEY"}
IDENTITY = "SEC_EDGAR_USER_AGENT"


def _priced(name: str, variable: str) -> Iterator[Question]:
    yield Question(name, "quote", lambda sources: quotes(sources, name).quote("ACME"), variable)
    yield Question(name, "bars", lambda sources: bars(sources, name).bars("ACME", FIRST, LAST), variable)
    if name != "yahoo":
        split, dividend = ActionKind.SPLIT, ActionKind.DIVIDEND
        yield Question(name, "splits", lambda sources: actions(sources, name, split), variable)
        yield Question(name, "dividends", lambda sources: actions(sources, name, dividend), variable)


def _news(name: str, variable: str) -> Question:
    return Question(name, "news", lambda sources: news(sources, name).news("ACME", "Acme", FIRST, LAST), variable)


JSON_QUESTIONS = [
    *(question for name, variable in _PRICED.items() for question in _priced(name, variable)),
    *(_news(name, variable) for name, variable in _TOLD.items()),
    Question("sec_edgar", "filer", lambda sources: filings(sources).filer(1), IDENTITY),
    Question("sec_edgar", "older", lambda sources: filings(sources).older_filings(1, PAGE), IDENTITY),
    Question("sec_edgar", "facts", lambda sources: filings(sources).company_facts(1), IDENTITY),
    Question("sec_edgar", "tickers", lambda sources: filings(sources).tickers(), IDENTITY),
]
"""Those that are answered in JSON or CSV."""
_DOCUMENT = Question(
    "sec_edgar",
    "document",
    lambda sources: filings(sources).document(f"{_www(sources)}/Archives/edgar/data/1/acme.htm"),
    IDENTITY,
)
ONE_OF_EACH_SOURCE = [*{question.source: question for question in reversed(JSON_QUESTIONS)}.values(), _DOCUMENT]
"""All questions to a source take the same way to it; a document is text, and comes from another host."""


def _www(sources: Sources) -> str:
    from core.market.sources.edgar import Edgar

    assert isinstance(sources.filings, Edgar)
    return sources.filings._www.url("")


@contextmanager
def opened(
    server: MarketServer | Mapping[str, str],
    root: Path,
    *,
    limit_s: float = 5.0,
    clock: Clock | None = None,
    **environ: str,
) -> Iterator[Sources]:
    """The sources of an installation that is pointed at a server, or of those variables."""
    given = server.environ if isinstance(server, MarketServer) else server
    settings = load_settings({**given, **environ}, root=root)
    sources = build_sources(settings, clock or SystemClock(), limit_s=limit_s)
    try:
        yield sources
    finally:
        sources.close()
