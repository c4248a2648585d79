"""Which answer a sentence asks for: a table of intents, the first that fits counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.research.offline import (
    entered_answers,
    holding_answers,
    market_answers,
    performance_answers,
    reading_answers,
    screen_answers,
)
from core.research.offline.asked import Asked
from core.research.offline.steps import Steps

Needs = Literal["nothing", "share", "portfolio", "either"]


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that is asked for."""

    name: str
    needs: Needs
    """What a question of its kind is about: `either` is a share or the portfolio."""
    fits: Callable[[Asked], bool]
    tell: Callable[[Asked, Steps], str]
    is_whole: bool = False
    """Whether its sentence is never taken apart."""


def intent_of(asked: Asked) -> Intent | None:
    """The first intent of the table that fits; None where none does."""
    return next((each for each in INTENTS if each.fits(asked)), None)


def _any(*patterns: str) -> Callable[[Asked], bool]:
    whole = re.compile("|".join(patterns))
    return lambda asked: whole.search(asked.text) is not None


_supposes = _any(r"\b(?:if|suppose|supposing|assuming|assume|imagine|what happens when|were to|had i)\b")
_trades = _any(
    r"\b(?:buy|bought|buying|sell|sold|selling|add|added|adding|trim|trimmed|reduce|reduced|purchase|purchased)\b"
)
_judges = _any(
    r"\bhit rates?\b|\bbase rate\b|\brecord\b|\bhow often\b|\b(?:was|were|is|are) right\b|"
    r"\bsuccess\b|\breliable\b|\btrack\b|"
    r"\bmedian move\b|\bwork(?:ed|s)?\b|\bearlier signals?\b|\bworth\b|\bright\b|\bconfidence\b"
)
_of_many = _any(
    r"\b(?:stocks|shares|companies|members|symbols|names|constituents|holdings|positions|securities)\b",
    r"\b(?:which|any|how many|what) of (?:my|the|our|these)\b",
    r"\bwhat do i (?:own|hold)\b",
)
_files = _any(
    r"\bfil(?:e|ed|es|ing|ings)\b",
    r"\b(?:annual|quarterly) reports?\b",
    r"\b10[\s-]?[kq]\b",
    r"\b8[\s-]?k\b",
    r"\bproxy\b",
    r"\b20[\s-]?f\b",
    r"\brisk factors?\b",
    r"\bdef\s?14a\b",
)
_quotes_text = _any(
    r"\b(?:says?|said|mention\w*|according to|search|look for|contains?|state[sd]?|"
    r"describe[sd]?|risk factors?|talks?|passages?|"
    r"discuss\w*|warns?|explain\w*)\b",
    r"\bwhat (?:does|do|is)\b.*\b(?:about|in (?:the|its))\b",
    r'"[^"]{3,}"',
)
_line = re.compile("|".join(pattern for pattern, *_ in reading_answers.LINES))
_statistic = re.compile(reading_answers.STATISTICS)
_writes = _any(r"\bnews\b|\bheadlines?\b|\barticles?\b|\bstories\b|\bstory\b|\bpress\b|\bwritten about\b|\bmedia\b")
_asks_why = _any(r"^(?:and )?why\b|\bwhat happened (?:to|at|with)\b|\breason (?:for|why)\b")
_feels = _any(r"\bsentiment\b|\btone\b|\bmood\b")
_enters = _any(
    r"\btransactions?\b",
    r"\b(?:my|the|many|last|first|all|of) trades?\b",
    r"\btrades? (?:are|were|did|have)\b",
    r"\bfees?\b",
    r"\bcommissions?\b",
    r"\bbrokerage\b",
    r"\btrading costs?\b",
    r"\bdividends?\b(?! yield)",
    r"\bdeposit(?:s|ed)?\b",
    r"\bwithdraw\w*\b",
    r"\btax(?:es)?\b",
    r"\bwithh\w+\b",
    r"\binterest\b",
    r"\bsplits?\b",
    r"\bpaid in\b",
    r"\bpurchases?\b",
    r"\b(?:did|have|had) (?:i|we) (?:first |last |ever )?(?:b(?:uy|ought)|s(?:ell|old)|purchased?)\b",
    r"\b(?:i|we) (?:@ |first |last |the |some )*(?:bought|sold|purchased)\b",
    r"\b(?:was|were) .*\b(?:bought|sold|purchased)\b",
    r"\bsales\b",
    r"\bcharged\b",
)
_drives = _any(
    r"\b(?:dr[oi]ve[sn]?|drivers?|driving|caused?|causes|explain\w*|why|behind|responsible|"
    r"blame|culprits?|reasons?|due to|hurt)\b.*"
    r"\b(?:drawdowns?|falls?|fell|loss(?:es)?|declined?|drop(?:ped)?|down|slump|dip)\b",
    r"\b(?:drawdowns?|fall|loss|decline|drop|slump)\b.*\b(?:driven|caused|due|come from|came from|behind|because)\b",
    r"\bwhat (?:dr[oi]ve\w*|caused)\b",
)
_contributes = _any(
    r"\bcontribut\w*\b",
    r"\bdetract\w*\b",
    r"\bbrought\b.*\b(?:most|least)\b",
    r"\b(?:which|what) (?:holding|position|stock|share|company)s?\b.*\b(?:gained|lost|earned|"
    r""
    r""
    r"made|cost|hurt|helped|dragged|added)\b.*\b(?:most|"
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r""
    r"least|result|return|performance)\b",
    r"\b(?:drag|dragged|dragging)\b",
    r"\bhelped\b.*\bmost\b",
)
_best = _any(
    r"\b(?:best|worst|strongest|weakest|highest|lowest|poorest|top)\b(?:\s\w+){0,2}\s(?:month|year)s?\b",
    r"\bwhich (?:month|year)\b.*\b(?:best|worst|strongest|weakest|highest|lowest)\b",
)
_by_period = _any(
    r"\b(?:by|each|every) (?:calendar )?(?:month|year)\b",
    r"\b(?:monthly|yearly|annual|calendar[\s-]year) (?:returns?|performance|results)\b",
)
_falls = _any(
    r"\bdrawdowns?\b|\bunder ?water\b|\bbelow (?:its|the|my|our) (?:all[\s-]time )?(?:peak|"
    r"high)\b|\bpeak[\s-]to[\s-]trough\b"
)
_risk = re.compile("|".join(pattern for pattern, *_ in performance_answers.RISKS))
_risky = _any(r"\brisk\b|\brisky\b")
_returns = _any(
    r"\breturn(?:s|ed)?\b",
    r"\bperform(?:s|ed|ance|ing)?\b",
    r"\btwr\b",
    r"\bxirr\b",
    r"\birr\b",
    r"\b(?:time|money)[\s-]weighted\b",
    r"\bbenchmark\b",
    r"\b(?:out|under)perform\w*\b",
    r"\bbeat\b",
    r"\bhow (?:did|has|is|was|have) (?:my|the|this|our|it|i|"
    r"we)\b.*\b(?:do|done|doing|go|going|gone|"
    r"fare|fared|develop\w*)\b",
    r"\bcagr\b",
)
_weighted = _any(r"\b(?:time|money)[\s-]weighted\b|\bxirr\b|\btwr\b|\birr\b")
_of_change = _any(r"\b(?:gain(?:ed)?|lost|los[se]|profit|made|earned|up|down)\b")
_worth = _any(
    r"\bworth\b|\bvalued?\b|\bhow much (?:is|was|do i have|have i|money)\b|\bhow (?:big|"
    r"large)\b|\btotal\b|\bnet asset value\b|\bnav\b|\bbalance\b"
)
_compares = _any(
    r"\btimes\b",
    r"\bratio\b",
    r"\bdifference\b",
    r"\b(?:larger|bigger|smaller|heavier|more|greater)\b.*\bthan\b",
    r"\bcompared? (?:to|with)\b",
    r"\brelative to\b",
)
_about = _any(
    r"\bsector\b|\bindustry\b|\bexchange\b|\bwhat (?:company|does @ stand)\b|\bwho is\b|"
    r"\bwhat is @$|\bwhat is @ ?\?|\blisted\b"
)
_counts = _any(
    r"\bhow many (?:different |distinct |separate )?(?:holdings|positions|stocks|shares|"
    r"companies|securities|symbols|names|lines)\b",
    r"\bnumber of (?:different )?(?:holdings|positions|stocks)\b",
)
_cash = _any(r"\bcash\b|\buninvested\b|\bliquidity\b")
_sector = _any(r"\bsectors?\b|\bindustr(?:y|ies)\b|\ballocation\b")
_portion = _any(
    r"\bshare\b|\bpercent\w*\b|%|\bweight\w*\b|\bexposure\b|\bexposed\b|\bhow much\b|"
    r"\bfraction\b|\bpart\b|\bproportion\b|\bsits?\b"
)
_currency = _any(
    r"\bcurrenc(?:y|ies)\b|\b(?:exposure|exposed)\b.*\b(?:euros?|dollars?|rupees?|usd|eur|"
    r"inr)\b|\bin (?:usd|eur|inr|euros?|dollars?|rupees?)\b.*\b(?:share|percent|%|much)\b|"
    r"\b(?:share|percent\w*|%|much)\b.*\bin "
    r"(?:usd|eur|inr|euros?|dollars?|"
    r"rupees?)\b"
)
_loses = _any(
    r"\bat a (?:loss|gain|profit)\b|\blosing\b|\bunder ?water\b|\bin the (?:red|black|money|"
    r"green|plus|minus)\b|\bin profit\b|\b(?:negative|"
    r"unreali[sz]ed) loss(?:es)?\b|\bwith a "
    r"(?:loss|gain|profit)\b"
)
_ranks = _any(
    r"\b(?:biggest|largest|smallest|top|best|worst|heaviest|highest|lowest|tiniest|main|most "
    r"\w+|least \w+)\b.*\b(?:holdings?|positions?|stocks?|shares?|investments?|weights?|"
    r"winners?|losers?|gain|loss|performers?|lines?)\b",
    r"\b(?:holdings?|positions?|stocks?)\b.*\b(?:biggest|largest|smallest|best|worst|"
    r"heaviest|highest|lowest|most|least)\b",
)
_holds = _any(
    r"\b(?:weight|weigh|weighs|cost basis|average cost|unreali[sz]ed|reali[sz]ed|held)\b",
    r"\bof (?:the|my|our|this) portfolio\b|\bin (?:the|my|our|this) portfolio\b",
    r"\b(?:share|part|percent\w*|proportion|fraction) of\b.*\bportfolio\b|\bposition\b|\bholding\b",
)
_gains = _any(
    r"\bunreali[sz]ed\b|\bgain(?:ed|s)?\b|\bprofit\b|\bcosts?\b|\bincome\b|\byield\b|"
    r"\bday'?s? change\b|\binvested\b|\bpaper\b|\bup or down\b|"
    r"\bmade so far\b|\blost\b|"
    r"\bloss\b"
)
_lists = _any(
    r"\bholdings\b|\bpositions\b|\bwhat do (?:i|we) (?:own|hold|have)\b|\bmy (?:portfolio|"
    r"stocks|shares)\b|\bwhich (?:stocks|shares|companies) "
    r"do (?:i|we)\b|\bwhat is in\b|"
    r"\bportfolio\b"
)
_extreme = _any(
    r"\b(?:highest|lowest|max(?:imum)?|min(?:imum)?|peak|average|mean|cheapest|deepest|"
    r"largest|biggest|worst|how many (?:sessions|trading "
    r"days))\b"
)
_moves = _any(
    r"\breturn(?:ed|s)?\b|\bperform\w*\b|\b(?:rose|rise|risen|fell|fall|fallen|gain(?:ed)?|"
    r"lost|lose|move[ds]?|chang\w+|do|done|up|down|drop(?:ped)?)\b|\bhistory\b|\bchart\b|"
    r"\bcloses\b"
)
_prices = _any(
    r"\b(?:price[ds]?|trad(?:e|es|ing)|quote[ds]?|worth|stands?|close[ds]?|last|now|"
    r"currently|today|cost|value|how much|latest|level)\b"
)
_index = _any(r"\bthe (?:stock )?(?:index|market)\b")


def _is_own_share(asked: Asked) -> bool:
    return bool(asked.symbols) and (asked.is_own or _holds(asked))


def _is_screen(asked: Asked) -> bool:
    if asked.has(r"\bhow many members\b|\bmembers (?:does|are|has)\b|\bsize of the .*\buniverse\b"):
        return True
    return not asked.symbols and _of_many(asked) and bool(screen_answers.conditions_of(asked))


def _is_reported(asked: Asked) -> bool:
    if not asked.symbols or (asked.is_own and not asked.has(r"\breport")):
        return False
    is_when = asked.has(r"\bwhen\b|\bhow many (?:filings|reports)\b")
    return not is_when and (_line.search(asked.text) is not None or _statistic.search(asked.text) is not None)


def _is_past_value(asked: Asked) -> bool:
    window = asked.window
    return (
        _worth(asked)
        and not asked.symbols
        and window is not None
        and not window.is_whole
        and window.last < asked.context.as_of
    )


def _is_volatility_of_window(asked: Asked) -> bool:
    window = asked.window
    return asked.has(r"\bvolatility\b") and window is not None and window.sessions != 20 and window.kind != "day"


INTENTS: tuple[Intent, ...] = (
    Intent("what_if", "portfolio", lambda a: _supposes(a) and _trades(a), holding_answers.tried, is_whole=True),
    Intent(
        "limits",
        "nothing",
        lambda a: len(a.pasted_named) > 1 and a.has(r"\b(?:above|below|over|under|higher|lower)\b"),
        market_answers.limits,
        is_whole=True,
    ),
    Intent(
        "record",
        "nothing",
        lambda a: bool(screen_answers.signal_of(a.text)) and _judges(a),
        screen_answers.record,
        is_whole=True,
    ),
    Intent("screen", "nothing", _is_screen, screen_answers.screened, is_whole=True),
    Intent(
        "filing_text",
        "share",
        lambda a: bool(a.symbols) and _files(a) and _quotes_text(a) and not a.has(r"\bwhen\b|\bhow many\b"),
        reading_answers.searched,
        is_whole=True,
    ),
    Intent("statements", "share", _is_reported, reading_answers.reported),
    Intent("filings", "share", lambda a: _files(a) and (bool(a.symbols) or not a.is_own), reading_answers.filed),
    Intent("sentiment", "either", _feels, reading_answers.sentiment),
    Intent(
        "news",
        "either",
        lambda a: _writes(a) or (_asks_why(a) and bool(a.symbols) and not a.is_own),
        reading_answers.news,
    ),
    Intent("drivers", "portfolio", lambda a: not a.symbols and _drives(a), performance_answers.drivers, is_whole=True),
    Intent("contributors", "portfolio", _contributes, performance_answers.contributors),
    Intent("transactions", "portfolio", _enters, entered_answers.entered),
    Intent("extremes", "portfolio", lambda a: not a.symbols and _best(a), performance_answers.extremes),
    Intent(
        "by_period",
        "portfolio",
        lambda a: not a.shares and _by_period(a) and (a.is_own or _returns(a)),
        performance_answers.by_period,
    ),
    Intent("drawdown", "portfolio", lambda a: not a.shares and _falls(a), performance_answers.drawdown),
    Intent(
        "risk",
        "portfolio",
        lambda a: (
            not a.symbols
            and (_risk.search(a.text) is not None or _risky(a))
            and (a.is_own or not a.named or a.has(r"\bbeta\b"))
        ),
        performance_answers.risks,
    ),
    Intent(
        "returns",
        "portfolio",
        lambda a: (
            _weighted(a)
            or (
                not a.symbols
                and _returns(a)
                and (a.is_own or not a.named or a.has(r"\bbenchmark\b"))
                and not (_index(a) and not a.is_own)
            )
        ),
        performance_answers.returns,
    ),
    Intent(
        "compared",
        "portfolio",
        lambda a: len(a.symbols) > 1 and _compares(a) and (a.is_own or _holds(a)),
        holding_answers.compared,
        is_whole=True,
    ),
    Intent(
        "about",
        "share",
        lambda a: bool(a.symbols) and _about(a) and not a.has(r"\bweight|\bmy\b"),
        market_answers.about,
    ),
    Intent("past_value", "portfolio", _is_past_value, performance_answers.valued),
    Intent(
        "line",
        "portfolio",
        lambda a: (_is_own_share(a) and not a.windows) or (bool(a.symbols) and a.is_own),
        holding_answers.line_figures,
    ),
    Intent("cash", "portfolio", lambda a: not a.symbols and _cash(a), holding_answers.cash),
    Intent("currencies", "portfolio", lambda a: not a.symbols and _currency(a), holding_answers.currencies),
    Intent("losers", "portfolio", lambda a: not a.symbols and _loses(a), holding_answers.losers),
    Intent(
        "ranked",
        "portfolio",
        lambda a: not a.shares and _ranks(a) and not a.has(r"\bsectors?\b"),
        holding_answers.ranked,
    ),
    Intent(
        "sectors",
        "portfolio",
        lambda a: not a.symbols and (_sector(a) or (bool(holding_answers.sector_of(a.text)) and _portion(a))),
        holding_answers.sectors,
    ),
    Intent("count", "portfolio", lambda a: not a.symbols and _counts(a), holding_answers.count),
    Intent(
        "price_ratio",
        "share",
        lambda a: (
            len(a.shares) > 1
            and _compares(a)
            and not a.windows
            and a.has(r"\bratio\b|\btimes\b|\bprices?\b|\bdifference\b")
        ),
        market_answers.ratio,
        is_whole=True,
    ),
    Intent(
        "window_volatility", "share", lambda a: bool(a.shares) and _is_volatility_of_window(a), market_answers.history
    ),
    Intent(
        "indicators",
        "share",
        lambda a: bool(a.shares) and bool(market_answers.indicator_names(a.text)),
        market_answers.indicators,
    ),
    Intent(
        "history",
        "share",
        lambda a: bool(a.shares) and (bool(a.windows) or _extreme(a) or _falls(a)),
        market_answers.history,
    ),
    Intent(
        "period_missing",
        "share",
        lambda a: bool(a.shares) and a.has(r"\breturn(?:ed|s)?\b|\bperform\w*\b|\bhow (?:did|has|have)\b"),
        lambda a, _: period_of(a),
    ),
    Intent(
        "quote",
        "share",
        lambda a: bool(a.shares) and (_prices(a) or _moves(a) or len(a.text.split()) <= 3),
        market_answers.lasts,
    ),
    Intent(
        "window_gain",
        "portfolio",
        lambda a: not a.named and bool(a.windows) and a.is_own and _of_change(a),
        performance_answers.returns,
    ),
    Intent(
        "totals",
        "portfolio",
        lambda a: not a.named and _gains(a) and (a.is_own or a.context.portfolio is not None),
        holding_answers.totals,
    ),
    Intent(
        "value",
        "portfolio",
        lambda a: not a.named and _worth(a) and (a.is_own or a.context.portfolio is not None),
        holding_answers.value,
    ),
    Intent("listing", "portfolio", lambda a: not a.named and _lists(a), holding_answers.listing),
    Intent("which_index", "nothing", _index, lambda a, _: index_of(a)),
)
"""In the order in which they are tried."""


def period_of(asked: Asked) -> str:
    """Asks back for a period."""
    who = " and ".join(market_answers.label(each) for each in asked.shares)
    return (
        f"Over what time do you want to know how {who} did: which period? For instance in 2009, "
        "in March 2010, since the start of 2010, or over "
        "the last year."
    )


def index_of(asked: Asked) -> str:
    """Asks back for an index."""
    return "Which index do you mean: the S&P 500 (SP500) or the NASDAQ Composite (NASDAQ)?"
