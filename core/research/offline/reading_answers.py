"""Answers about what companies file and report, and what is written about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.dates import Window
from core.research.offline.market_answers import MOST_SHARES, after_the_day, label
from core.research.offline.steps import Result, Steps

MOST_FILINGS = 10
MOST_HEADLINES = 5
NEWS_DAYS = 90
LEAST_SHARED = 2
"""Words that a headline has in common with the question it answers."""
FORMS = (
    (r"\b10[\s-]?k\b|\bannual (?:report|filing)s?\b", "10-K"),
    (r"\b10[\s-]?q\b|\bquarterly (?:report|filing)s?\b", "10-Q"),
    (r"\b8[\s-]?k\b|\bcurrent reports?\b", "8-K"),
    (r"\bdef\s?14a\b|\bproxy\b", "DEF 14A"),
    (r"\b20[\s-]?f\b", "20-F"),
)
LINES: tuple[tuple[str, str, str, str], ...] = (
    (r"\bcost of (?:revenue|sales|goods)", "income", "cost_of_revenue", "cost of revenue"),
    (r"\bgross profit\b", "income", "gross_profit", "gross profit"),
    (r"\boperating (?:income|profit|result)\b|\bebit\b", "income", "operating_income", "operating income"),
    (r"\binterest expenses?\b", "income", "interest_expense", "interest expense"),
    (r"\b(?:income )?tax(?:es)?\b(?! rate)", "income", "income_tax", "income tax"),
    (r"\bpre-?tax\b", "income", "pretax_income", "pretax income"),
    (r"\bearnings per share\b|\beps\b", "income", "eps_diluted", "diluted earnings per share"),
    (r"\bselling\b|\bsg&a\b|\badministrative\b", "income", "selling", "selling, general and administrative"),
    (r"\bresearch and development\b|\br&d\b", "income", "research", "research and development"),
    (
        r"\boperating cash flow\b|\bcash flow from operati|\bcash from operati",
        "cash_flow",
        "operating_cash_flow",
        "operating cash flow",
    ),
    (r"\binvesting cash flow\b|\bcash flow from investing", "cash_flow", "investing_cash_flow", "investing cash flow"),
    (r"\bfinancing cash flow\b|\bcash flow from financing", "cash_flow", "financing_cash_flow", "financing cash flow"),
    (r"\bfree cash flow\b", "cash_flow", "free_cash_flow", "free cash flow"),
    (r"\bcapital expenditures?\b|\bcapex\b", "cash_flow", "capital_expenditure", "capital expenditure"),
    (r"\bcurrent assets\b", "balance", "current_assets", "current assets"),
    (r"\bcurrent liabilities\b", "balance", "current_liabilities", "current liabilities"),
    (r"\b(?:total )?assets\b", "balance", "total_assets", "total assets"),
    (r"\b(?:total )?liabilities\b", "balance", "total_liabilities", "total liabilities"),
    (r"\b(?:long[\s-]term |long )debt\b", "balance", "long_debt", "long-term debt"),
    (r"\binventor(?:y|ies)\b", "balance", "inventory", "inventory"),
    (r"\breceivables?\b", "balance", "receivables", "receivables"),
    (r"\bequity\b", "balance", "equity", "equity"),
    (r"\bcash\b", "balance", "cash", "cash"),
    (
        r"\b(?:net (?:income|profit|earnings|result)|earnings|earn(?:ed)?|profits?|bottom " r"line)\b",
        "income",
        "net_income",
        "net income",
    ),
    (r"\b(?:revenues?|sales|turnover|top line)\b", "income", "revenue", "revenue"),
)
"""Words of a question, the statement and line that they ask for, and how it is called."""
STATISTICS = (
    r"\b(?:p/?e|price[\s-]to[\s-]earnings|price earnings|margins?|return on (?:equity|"
    r"assets)|roe|roa|debt[\s-]to[\s-]equity|"
    r"market cap(?:itali[sz]ation)?|price[\s-]to[\s-](?:book|sales)|key (?:statistics|"
    r"figures)|dividend yield|current ratio|growth)\b"
)
_LIFE = {"quarterly": 8, "annual": 8}
_FILLER = frozenset(
    """
    according to the a an in of and or what which where when does do did say says said is are was were has have it
    its their they for on at by with from that this about mention mentions mentioned mentioning tell me latest last
    newest most recent annual quarterly report reports filing filings 10-k 10-q 8-k 10k 10q form document text
    search find look up passage passages item section factors factor there any anything how many times be will would
    can could company statement please show give us contain contains containing state states stated describe
    described happen happens cause causes word words phrase next nothing something who whom as if so not no risk
    risks business discuss talk talks
    """.split()
)


def filed(asked: Asked, steps: Steps) -> str:
    """Which filings there are, how many, and when they were filed."""
    forms = [form for pattern, form in FORMS if asked.has(pattern)]
    window = asked.window
    year = window.last.year if window is not None and window.kind in ("year", "month", "day", "quarter") else None
    if window is not None and window.first is not None and window.first > asked.context.as_of:
        return after_the_day(asked)
    is_ended = asked.has(r"\b(?:ended|ending|fiscal|period|quarter to)\b")
    most = _number(asked.text)
    shares = asked.shares[:MOST_SHARES]
    uses = [
        (
            "filings",
            {
                "symbol": each.symbol,
                "forms": forms,
                "year": None if is_ended else year,
                "most": 20 if is_ended else most,
            },
        )
        for each in shares
    ]
    results = steps.use_all(uses)
    told = [_filed(asked, result, label(each), forms) for each, result in zip(shares, results, strict=True)]
    return "\n\n".join(told)


def _number(text: str) -> int:
    found = re.search(r"\b(?:last|latest|newest|recent|past)\s([0-9]{1,2}|two|three|four|five|ten)\b", text)
    words = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
    if found is None:
        return MOST_FILINGS
    return max(1, min(20, int(found[1]) if found[1].isdigit() else words[found[1]]))


def _filed(asked: Asked, result: Result, who: str, forms: Sequence[str]) -> str:
    if result.error:
        return result.failure
    rows = result.rows("filings")
    if asked.has(r"\b(?:ended|ending|fiscal|period|quarter to)\b") and asked.window is not None:
        rows = [row for row in rows if _is_in(saying.as_day(row.get("period")), asked.window)] or rows
    kind = f"{saying.listed(list(forms))} filings" if forms else "filings"
    year = f" filed in {result.get('year')}" if result.get("year") else ""
    if not rows:
        return f"{who}: there are no {kind}{year} up to {saying.day(asked.context.as_of)} {result.cite}."
    if asked.has(r"\bhow many\b|\bnumber of\b|\bcount\b"):
        return (
            f"{who}: {saying.number(result.get('total'))} {kind}{year} up to "
            f"{saying.day(asked.context.as_of)} {result.cite}."
        )
    if asked.has(
        r"\bwhen\b|\bwhat (?:day|date)\b|\bwhich (?:day|date)\b|\b(?:latest|last|newest|most "
        r"recent)\b(?!\s(?:[0-9]|ten|five|three|two|"
        r"four))(?!.*filings\b)"
    ):
        row = rows[-1] if asked.has(r"\b(?:first|earliest|oldest)\b") else rows[0]
        period = f" Its period ended on {saying.day(row.get('period'))}." if row.get("period") else ""
        word = "first" if asked.has(r"\b(?:first|earliest|oldest)\b") else "latest"
        return f"{who}: the {word} {row.get('form')} was filed on {saying.day(row.get('filed'))} {result.cite}.{period}"
    cells = [[str(row.get("form")), str(row.get("filed")), str(row.get("period") or "")] for row in rows]
    table = saying.table(["Form", "Filed", "Period"], cells)
    return f"{who}: {saying.number(result.get('total'))} {kind}{year} in all; the newest {result.cite}:\n\n{table}"


def _is_in(day: Any, window: Window) -> bool:
    return day is not None and (window.first is None or window.first <= day) and day <= window.last


def searched(asked: Asked, steps: Steps) -> str:
    """What a filing says of some words."""
    form = next((form for pattern, form in FORMS if asked.has(pattern)), None)
    words = query_of(asked)
    who = asked.shares[0]
    if not words:
        return f"Which words should be looked for in the filings of {label(who)}? Put them between quotation marks."
    result = Result("filing_search")
    for query in dict.fromkeys((words, max(words.split(), key=len))):
        result = steps.use("filing_search", symbol=who.symbol, query=query, form=form)
        if result.error:
            return result.failure
        if result.rows("passages"):
            break
    rows = result.rows("passages")
    where = f"the {result.get('form')} of {label(who)} filed on {saying.day(result.get('filed'))}"
    if not rows:
        return f"The words {saying.quoted(words)} do not occur in {where} {result.cite}."
    lines = "\n".join(f"- {_item(row)}{saying.quoted(_outside(row, 'text'))}" for row in rows[:MOST_HEADLINES])
    return f"In {where}, on {saying.quoted(words)} {result.cite}:\n\n{lines}"


def query_of(asked: Asked) -> str:
    """The words that are looked for: those in quotation marks, or those that are not the question's own."""
    quoted = re.search(r'"([^"]{2,120})"', asked.text)
    if quoted:
        return quoted[1]
    kept = [word for word in re.findall(r"[^\W_]+(?:-[^\W_]+)*", asked.text) if word not in _FILLER]
    return " ".join(kept[:8])


def _item(row: Mapping[str, Any]) -> str:
    return f"{row.get('item')}: " if row.get("item") else ""


def _outside(row: Mapping[str, Any], name: str) -> str:
    outside = row.get("outside")
    return str(outside.get(name) or "") if isinstance(outside, dict) else ""


def news(asked: Asked, steps: Steps) -> str:
    """Headlines, or the one that answers a question."""
    symbols = [each.symbol for each in asked.shares] or list(asked.context.holdings[:20])
    result = steps.use("news", symbols=symbols[:20], days=NEWS_DAYS, most=30)
    if result.error:
        return result.failure
    rows = result.rows("articles")
    who = saying.listed([label(each) for each in asked.shares]) if asked.shares else "the holdings"
    if not rows:
        return (
            f"There is no news of {who} from {saying.day(result.get('first'))} to "
            f"{saying.day(result.get('last'))} {result.cite}."
        )
    if asked.has(r"\bhow many\b|\bnumber of\b"):
        return (
            f"{who}: {saying.number(result.get('total'))} articles from "
            f"{saying.day(result.get('first'))} to "
            f"{saying.day(result.get('last'))} "
            f"{result.cite}."
        )
    shared = [(len(_shared(asked, row)), row) for row in rows]
    near = [row for count, row in sorted(shared, key=lambda pair: -pair[0]) if count >= LEAST_SHARED]
    if near and not asked.has(r"\b(?:latest|newest|last|recent|headlines|news)\b"):
        return (
            f"{_published(who, 'a headline about this', near[0], result)} More than its sources say is not known here."
        )
    if asked.has(r"\b(?:latest|newest|last|most recent) (?:headline|article|news item|piece of news|story)\b"):
        return _published(who, "the latest headline", rows[0], result)
    lines = "\n".join(f"- {_headline(row)}" for row in rows[:MOST_HEADLINES])
    return f"News of {who} {result.cite}:\n\n{lines}"


def _shared(asked: Asked, row: Mapping[str, Any]) -> set[str]:
    return {_stem(word) for word in query_of(asked).split()} & {
        _stem(word) for word in re.findall(r"[a-z]+", _outside(row, "title").casefold())
    }


def _stem(word: str) -> str:
    return re.sub(r"(?:ing|ed|es|s)$", "", word) if len(word) > 3 else word


def _published(who: str, what: str, row: Mapping[str, Any], result: Result) -> str:
    """A headline in a sentence of its own, after the day that it is of."""
    return (
        f"{who}: {what} was published on {saying.day(row.get('published'))} {result.cite}. "
        f"It is {saying.quoted(_outside(row, 'title'))}, {_outside(row, 'publisher')}{_tone(row)}."
    )


def _tone(row: Mapping[str, Any]) -> str:
    return f", tone {row.get('tone')} by the word list" if row.get("tone") else ""


def _headline(row: Mapping[str, Any]) -> str:
    tone = _tone(row)
    return (
        f"{saying.quoted(_outside(row, 'title'))}, {_outside(row, 'publisher')}, "
        f"{saying.day(row.get('published'))}{tone}"
    )


def sentiment(asked: Asked, steps: Steps) -> str:
    """The tone of headlines, by the labelled word list."""
    symbols = [each.symbol for each in asked.shares] or list(asked.context.holdings[:20])
    result = steps.use("news", symbols=symbols[:20], days=30, most=30)
    if result.error:
        return result.failure
    over = f"from {saying.day(result.get('first'))} to {saying.day(result.get('last'))}"
    told = [
        f"{row.get('symbol')}: sentiment {saying.ratio(row.get('mean_score'))} of "
        f"{saying.number(row.get('articles'))} articles {over} "
        f"{result.cite}."
        if row.get("mean_score") is not None
        else f"{row.get('symbol')}: no articles {over}, so no sentiment {result.cite}."
        for row in result.rows("by_symbol")
    ]
    lines = told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)
    return f"{lines}\n\nThe tone is read by a word list, on a scale from minus one to one; no model judged it."


def reported(asked: Asked, steps: Steps) -> str:
    """Lines of statements in the period that is named, the newest where none is."""
    if asked.has(STATISTICS) and not asked.has(r"\bprofit margin of\b"):
        return _statistics(asked, steps)
    window = asked.window
    if window is not None and window.first is not None and window.first > asked.context.as_of:
        return after_the_day(asked)
    wanted = _wanted(asked)
    is_quarterly = asked.has(r"\bquarter(?:ly|s)?\b|\bq[1-4]\b") and not asked.has(
        r"\b(?:fiscal|annual|full|whole) year\b"
    )
    frequency = "quarterly" if is_quarterly else "annual"
    shares = asked.shares[:MOST_SHARES]
    statements = list(dict.fromkeys(which for which, _, _ in wanted))
    uses = [
        ("statements", {"symbol": each.symbol, "which": which, "frequency": frequency, "periods": _LIFE[frequency]})
        for each in shares
        for which in statements
    ]
    results = iter(steps.use_all(uses))
    told: list[str] = []
    for each in shares:
        by_which = {which: next(results) for which in statements}
        told += [_line(asked, label(each), by_which[which], key, title) for which, key, title in wanted]
    return told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)


def _wanted(asked: Asked) -> list[tuple[str, str, str]]:
    """The lines that are asked for; a word counts once, for the longest name that it is part of."""
    text, found = asked.text, []
    for pattern, which, key, title in LINES:
        match = re.search(pattern, text)
        if match:
            found.append((match.start(), which, key, title))
            text = f"{text[: match.start()]}{'~' * (match.end() - match.start())}{text[match.end() :]}"
    return [(which, key, title) for _, which, key, title in sorted(found)] or [
        ("income", "revenue", "revenue"),
        ("income", "net_income", "net income"),
    ]


def _line(asked: Asked, who: str, result: Result, key: str, title: str) -> str:
    if result.error:
        return result.failure
    row = next((each for each in result.rows("lines") if each.get("key") == key), None)
    periods = result.rows("periods")
    at = _period(asked, periods)
    if row is None or not periods:
        return f"{who}: {title} was not reported, so it is {saying.NOT_DEFINED} {result.cite}."
    if at is None:
        ends = saying.listed([saying.day(each.get("end")) for each in periods])
        return (
            f"{who}: no {result.get('frequency')} period that ends in that time is known; there are "
            f"those to {ends} {result.cite}."
        )
    values = row.get("values")
    value = values[at] if isinstance(values, list) and at < len(values) else None
    amount = (
        saying.price(value, result.get("currency"))
        if "per_share" in key or key.startswith("eps")
        else saying.money(value, result.get("currency"))
    )
    span = f"for the period from {saying.day(periods[at]['start'])} to " if periods[at].get("start") else "on "
    form = (
        f" The {periods[at].get('form')} was filed on {saying.day(periods[at].get('filed'))}."
        if periods[at].get("form")
        else ""
    )
    return f"{who}: {title} {amount} {span}{saying.day(periods[at].get('end'))} {result.cite}.{form}"


def _period(asked: Asked, periods: Sequence[Mapping[str, Any]]) -> int | None:
    """Place of the period that ends in the window that is named; the newest where none is."""
    window = asked.window
    if window is None or window.is_whole or asked.has(r"\b(?:latest|newest|most recent)\b"):
        return 0 if periods else None
    ends = [saying.as_day(each.get("end")) for each in periods]
    return next((at for at, end in enumerate(ends) if _is_in(end, window)), None)


def _statistics(asked: Asked, steps: Steps) -> str:
    result = steps.use("statements", symbol=asked.shares[0].symbol, statistics=True, periods=1)
    if result.error:
        return result.failure
    rows = result.rows("statistics")
    chosen = [row for row in rows if _is_meant(asked, row)] or rows
    lines = [f"- {row.get('label')}: {_statistic(row)}" for row in chosen[:MOST_FILINGS]]
    return f"{label(asked.shares[0])}, key statistics {result.cite}:\n\n" + "\n".join(
        lines or [f"- {saying.NOT_DEFINED}"]
    )


def _is_meant(asked: Asked, row: Mapping[str, Any]) -> bool:
    name = str(row.get("label")).casefold()
    key = str(row.get("key")).replace("_", " ")
    is_pe = asked.has(r"\bp/?e\b") and ("p/e" in name or "earnings" in name)
    return is_pe or name in asked.text or key in asked.text


def _statistic(row: Mapping[str, Any]) -> str:
    value, name = row.get("value"), str(row.get("key"))
    note = f" ({row['note']})" if row.get("note") else ""
    if any(part in name for part in ("margin", "growth", "return", "yield", "payout")):
        return f"{saying.percent(value)}{note}"
    return f"{saying.number(value)}{note}"
