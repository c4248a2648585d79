"""Answers about what a portfolio holds: values, weights, costs, gains, cash, parts, and trades that are tried out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.entities import Named
from core.research.offline.market_answers import label
from core.research.offline.steps import Result, Steps

MOST_LINES = 30
Line = Mapping[str, Any]
_CASH = "cash"
_ORDERS: tuple[tuple[str, str, str], ...] = (
    (r"\bcosts?\b|\binvested\b|\bexpensive\b", "cost", "cost"),
    (r"\bday\b|\btoday\b", "day_change", "day's change"),
    (r"\bpercent|\b%|\brelative\b|\bperformer|\bperform", "unrealised_share", "unrealised gain"),
    (r"\b(?:gain|gained|profit|loss|lost|winner|loser|unreali[sz]ed|worst|best)s?\b", "unrealised", "unrealised gain"),
    (r"\brealised\b|\brealized\b", "realised", "realised gain"),
    (r"\bincome\b|\bdividends?\b", "income", "income"),
)
"""By what the largest is meant, where it is not the value."""
_SMALLEST = r"\b(?:smallest|lowest|least|worst|minor|tiniest|loser|biggest loss|largest loss|lost (?:the )?most)\b"
_COUNTS = {
    **{word: number for number, word in enumerate("one two three four five six seven eight nine ten".split(), start=1)}
}


def value(asked: Asked, steps: Steps) -> str:
    """What the whole portfolio, or some holdings, are worth."""
    if asked.symbols:
        return line_figures(asked, steps)
    result = steps.use("holdings")
    return result.failure or _total(result, "value", "total value")


def _total(result: Result, key: str, title: str) -> str:
    amount = saying.money(result.get("totals", key), result.get("currency"))
    checks = result.get("checks")
    more = " Some figures are incomplete: see the step's checks." if checks else ""
    return f"The portfolio's {title} is {amount} on {saying.day(result.get('day'))} {result.cite}.{more}"


def count(asked: Asked, steps: Steps) -> str:
    """How many holdings there are."""
    result = steps.use("holdings")
    if result.error:
        return result.failure
    return (
        f"The portfolio has {saying.number(result.get('totals', 'holdings'))} holdings on "
        f"{saying.day(result.get('day'))} {result.cite}."
    )


def cash(asked: Asked, steps: Steps) -> str:
    """Cash, and its share of the whole."""
    result = steps.use("holdings")
    if result.error:
        return result.failure
    currency, day = result.get("currency"), saying.day(result.get("day"))
    amount, share = result.get("totals", "cash"), result.get("totals", "cash_share")
    if amount is None:
        return (
            f"The portfolio's cash is {saying.NOT_DEFINED}: it is kept without cash, or a rate is "
            f"missing {result.cite}."
        )
    told = f"The portfolio's cash is {saying.money(amount, currency)} on {day}"
    told += f", cash share {saying.percent(share)} of the portfolio" if share is not None else ""
    others = [
        saying.money(row.get("amount"), row.get("currency"))
        for row in result.rows("cash")
        if row.get("currency") != currency
    ]
    return f"{told} {result.cite}.{f' In other currencies: {saying.listed(others)}.' if others else ''}"


def sectors(asked: Asked, steps: Steps) -> str:
    """Shares of sectors: of the one that is named, the largest, or all."""
    return _parts(asked, steps, "sectors", "sector")


def currencies(asked: Asked, steps: Steps) -> str:
    """Shares of currencies: of the one that is named, or all."""
    return _parts(asked, steps, "currencies", "currency")


def _parts(asked: Asked, steps: Steps, key: str, name: str) -> str:
    result = steps.use("holdings")
    if result.error:
        return result.failure
    rows = [row for row in result.rows(key) if str(row.get(name)).casefold() != _CASH or name == "currency"]
    day, currency = saying.day(result.get("day")), result.get("currency")
    chosen = [row for row in rows if str(row.get(name)).casefold() in asked.text] or _near(asked, rows, name)
    if not chosen and asked.has(r"\b(?:largest|biggest|most|heaviest|highest|main|dominant)\b"):
        chosen = sorted(rows, key=lambda row: -(row.get("share") or 0))[:1]
    if len(chosen) == 1:
        row = chosen[0]
        share, amount = saying.percent(row.get("share")), saying.money(row.get("value"), currency)
        title = f"{row.get(name)} sector" if name == "sector" else f"In {row.get(name)}"
        return f"{title}: {share} of the portfolio, {amount}, on {day} {result.cite}."
    asked_for = _sector_words(asked.text)
    if name == "sector" and asked_for and not chosen:
        return f"The portfolio holds nothing in the sector {asked_for} on {day} {result.cite}."
    table = saying.table(
        [name.capitalize(), "Of the portfolio", f"{name.capitalize()} value"],
        [
            [str(row.get(name)), saying.percent(row.get("share")), saying.money(row.get("value"), currency)]
            for row in rows
        ],
    )
    return f"By {name}, on {day} {result.cite}:\n\n{table}"


_SECTORS = (
    ("Information Technology", r"\b(?:information technology|tech|technology|it sector|it stocks)\b"),
    ("Health Care", r"\b(?:health ?care|health|pharma)\b"),
    ("Consumer Staples", r"\b(?:consumer staples|staples)\b"),
    ("Consumer Discretionary", r"\b(?:consumer discretionary|discretionary)\b"),
    ("Financials", r"\b(?:financials?|banks?)\b(?! services)"),
    ("Energy", r"\b(?:energy|oil)\b"),
    ("Industrials", r"\bindustrials?\b"),
    ("Materials", r"\bmaterials?\b"),
    ("Utilities", r"\butilit(?:y|ies)\b"),
    ("Telecommunications Services", r"\b(?:telecommunications?|telecoms?)\b"),
)


def _sector_words(text: str) -> str:
    return next((name for name, pattern in _SECTORS if re.search(pattern, text)), "")


def sector_of(text: str) -> str:
    """The sector that a text names, as the universes spell it; empty where it names none."""
    return _sector_words(text)


def _near(asked: Asked, rows: Sequence[Line], name: str) -> list[Line]:
    if name == "currency":
        wanted = next((code for pattern, code in _CURRENCIES if asked.has(pattern)), "")
    else:
        wanted = _sector_words(asked.text)
    return [row for row in rows if wanted and str(row.get(name)).casefold() == wanted.casefold()]


_CURRENCIES = (
    (r"\beuros?\b", "EUR"),
    (r"\b(?:us )?dollars?\b", "USD"),
    (r"\brupees?\b|\bindian\b", "INR"),
    (r"\bpounds?\b|\bsterling\b", "GBP"),
    (r"\bfrancs?\b", "CHF"),
    (r"\byen\b", "JPY"),
)


def ranked(asked: Asked, steps: Steps) -> str:
    """The largest or smallest holdings by what the question means."""
    sort, title = next(((key, name) for pattern, key, name in _ORDERS if asked.has(pattern)), ("value", "value"))
    is_least = asked.has(_SMALLEST)
    most = _number_of(asked.text)
    result = steps.use("holdings", sort=sort, ascending=is_least or None, most=max(most, 1))
    if result.error:
        return result.failure
    lines = result.rows("holdings")[:most]
    if not lines:
        return f"The portfolio holds nothing on {saying.day(result.get('day'))} {result.cite}."
    if most > 1:
        return _listing(result, lines)
    held = (
        result.get("totals", "holdings") if asked.has(r"\bhow many (?:different )?(?:holdings|positions)\b") else None
    )
    counted = f"The portfolio has {saying.number(held)} holdings {result.cite}. " if held is not None else ""
    line, currency = lines[0], result.get("currency")
    word = ("Smallest" if is_least else "Largest") + (" holding" if sort == "value" else f" {title}")
    told = f"{word}: {line.get('symbol')} ({line.get('name')}), {_said_line(line, sort, title, currency)}"
    if sort == "value":
        told += f", weight {saying.percent(line.get('weight'))} of the portfolio"
    return f"{counted}{told}, on {saying.day(result.get('day'))} {result.cite}."


def _said_line(line: Line, sort: str, title: str, currency: Any) -> str:
    if sort == "unrealised_share":
        return f"{title} {saying.signed_percent(line.get(sort))} of cost"
    if sort in ("unrealised", "realised", "day_change"):
        return f"{title} {saying.signed_money(line.get(sort), currency)}"
    return f"{title} {saying.money(line.get(sort), currency)}"


def _number_of(text: str) -> int:
    found = re.search(r"\b(?:top|largest|biggest|smallest|best|worst)\s([0-9]{1,2}|[a-z]+)\b", text) or re.search(
        r"\b([0-9]{1,2}|two|three|four|five|ten)\s(?:largest|biggest|smallest|best|worst|top)\b", text
    )
    word = found[1] if found else "1"
    return min(int(word) if word.isdigit() else _COUNTS.get(word, 1), MOST_LINES)


def losers(asked: Asked, steps: Steps) -> str:
    """The holdings at a loss, or those with a gain."""
    is_loss = not asked.has(r"\b(?:gain|profit|winning|plus|green|in the money)\b")
    result = steps.use("holdings", sort="unrealised", ascending=is_loss or None, most=50)
    if result.error:
        return result.failure
    lines = [line for line in result.rows("holdings") if _is_side(line, is_loss)]
    word = "an unrealised loss" if is_loss else "an unrealised gain"
    day, currency = saying.day(result.get("day")), result.get("currency")
    if not lines:
        return f"None of the holdings has {word} on {day} {result.cite}."
    told = [
        f"{line.get('symbol')} ({line.get('name')}): unrealised {'loss' if is_loss else 'gain'} "
        f"{saying.signed_money(line.get('unrealised'), currency)}, "
        f"{saying.signed_percent(line.get('unrealised_share'))} of its cost"
        for line in lines
    ]
    if len(told) == 1:
        return f"On {day} one holding has {word}: {told[0]} {result.cite}."
    rows = "\n".join(f"- {each}" for each in told)
    return f"On {day} these holdings have {word} {result.cite}:\n\n{rows}"


def _is_side(line: Line, is_loss: bool) -> bool:
    found = line.get("unrealised")
    return isinstance(found, int | float) and (found < 0 if is_loss else found > 0)


def listing(asked: Asked, steps: Steps) -> str:
    """All holdings as a table."""
    result = steps.use("holdings", most=MOST_LINES)
    return result.failure if result.error else _listing(result, result.rows("holdings"))


def _listing(result: Result, lines: Sequence[Line]) -> str:
    currency = result.get("currency")
    rows = [
        [
            str(line.get("symbol")),
            saying.number(line.get("quantity"), 4),
            saying.money(line.get("value"), currency),
            saying.percent(line.get("weight")),
            saying.signed_money(line.get("unrealised"), currency),
        ]
        for line in lines
    ]
    table = saying.table(["Symbol", "Shares", "Value", "Weight", "Unrealised gain"], rows)
    return f"Holdings on {saying.day(result.get('day'))} {result.cite}:\n\n{table}"


_FIGURES: tuple[tuple[str, str, Callable[[Line, Any], str]], ...] = (
    (
        r"\bhow many\b|\bnumber of\b|\bquantity\b|\bshare count\b",
        "quantity",
        lambda line, _: f"{saying.number(line.get('quantity'), 4)} shares",
    ),
    (
        r"\b(?:weight|weigh|weighs|proportion|allocation)\b|"
        r"\b(?:percent\w*|share|part|fraction|% )\s?(?:of )?(?:the|my|our|this|is|does|"
        r"do)\b.*\b(?:portfolio|@|total|book)(?![\w])",
        "weight",
        lambda line, _: f"weight {saying.percent(line.get('weight'))} of the portfolio",
    ),
    (
        r"\baverage (?:cost|price|purchase)|\bcost per share\b|\bper share\b|\bentry price\b",
        "cost_per_share",
        lambda line, currency: f"average cost {saying.money(line.get('cost_per_share'), currency)} a share",
    ),
    (
        r"(?<!average )(?<!purchase )\bcosts?\b(?! per share)|\bcost basis\b|\bbook value\b|"
        r"\binvested in\b|\bpa(?:y|id) for\b",
        "cost",
        lambda line, currency: f"cost {saying.money(line.get('cost'), currency)}",
    ),
    (
        r"(?<!un)\breali[sz]ed\b",
        "realised",
        lambda line, currency: f"realised gain {saying.signed_money(line.get('realised'), currency)}",
    ),
    (
        r"\bunreali[sz]ed\b|\bgain(?:ed|s)?\b|\bprofit\b|\bloss\b|\blost\b|\bup\b|\bdown\b|"
        r"\bmade\b|\bearned\b|\breturn\b|\bsitting on\b",
        "unrealised",
        lambda line, currency: (
            f"unrealised gain {saying.signed_money(line.get('unrealised'), currency)}, "
            f"{saying.signed_percent(line.get('unrealised_share'))} of its cost"
        ),
    ),
    (r"\bincome\b", "income", lambda line, currency: f"income {saying.money(line.get('income'), currency)}"),
    (
        r"\bday'?s?\b.*\bchange\b|\bchange\b.*\b(?:today|day)\b",
        "day_change",
        lambda line, currency: f"day's change {saying.signed_money(line.get('day_change'), currency)}",
    ),
    (
        r"\b(?:worth|value|valued|position|market value)\b",
        "value",
        lambda line, currency: f"value {saying.money(line.get('value'), currency)}",
    ),
)
"""Words of a question, the number of a line that they ask for, and how it is said."""


def line_figures(asked: Asked, steps: Steps) -> str:
    """What is asked of the holdings that are named: quantity, weight, cost, gain, value."""
    held = [each for each in asked.shares if each.symbol in asked.context.holdings] or list(asked.shares)
    result = steps.use("holdings", symbols=[each.symbol for each in held])
    if result.error:
        return result.failure
    lines = {str(line.get("symbol")): line for line in result.rows("holdings")}
    wanted = [told for pattern, _, told in _FIGURES if asked.has(pattern)] or [_FIGURES[-1][2], _FIGURES[1][2]]
    if asked.has(r"\bhow much\b.*\b(?:own|hold|have)\b") and len(wanted) == 1:
        wanted = [_FIGURES[0][2], _FIGURES[-1][2]]
    currency, day = result.get("currency"), saying.day(result.get("day"))
    told = [
        f"{label(each)}: "
        f"{saying.listed([said(lines[each.symbol], currency) for said in wanted])}, on {day} "
        f"{result.cite}."
        for each in held
        if each.symbol in lines
    ]
    missing = [each.symbol for each in asked.shares if each.symbol not in lines]
    if missing:
        told.append(f"{saying.listed(missing)} is not held in this portfolio.")
    return told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)


def totals(asked: Asked, steps: Steps) -> str:
    """Sums over all holdings: cost, gains, income, the day's change."""
    result = steps.use("holdings")
    if result.error:
        return result.failure
    currency, day = result.get("currency"), saying.day(result.get("day"))
    parts = []
    for pattern, key, share, title in _TOTALS:
        if not asked.has(pattern):
            continue
        write = saying.money if key in ("cost", "income_last_365_days") else saying.signed_money
        part = f"{title} {write(result.get('totals', key), currency)}"
        if share:
            part += f", {saying.signed_percent(result.get('totals', share))}"
        parts.append(part)
    return f"The portfolio's {(parts or ['figure n/a'])[0]}, on {day} {result.cite}."


_TOTALS: tuple[tuple[str, str, str, str], ...] = (
    (r"\bunreali[sz]ed\b|\bpaper\b", "unrealised", "unrealised_share", "unrealised gain"),
    (r"\bday'?s?\b|\btoday\b", "day_change", "day_change_share", "day's change"),
    (r"\bcost(?: basis)?\b|\binvested\b", "cost", "", "cost"),
    (r"\byield\b|\bincome\b", "income_last_365_days", "income_yield", "income of the last 365 days"),
    (r"\b(?:gain|gained|profit|loss|made|earned|lost|result|up|down)\b", "total_gain", "", "total gain"),
)


def compared(asked: Asked, steps: Steps) -> str:
    """Two holdings beside one another: ratio or difference of their values or of what else is asked."""
    pair = asked.shares[:2]
    result = steps.use("holdings", symbols=[each.symbol for each in pair])
    if result.error:
        return result.failure
    lines = {str(line.get("symbol")): line for line in result.rows("holdings")}
    key = next((name for pattern, name, _ in _FIGURES[1:] if asked.has(pattern) and name != "value"), "value")
    one, two = (lines.get(each.symbol, {}).get(key) for each in pair)
    if not isinstance(one, int | float) or not isinstance(two, int | float):
        return f"The two cannot be compared: a figure of one of them is {saying.NOT_DEFINED} {result.cite}."
    is_difference = asked.has(r"\b(?:difference|how much (?:more|less|larger|bigger)|minus|gap)\b") and not asked.has(
        r"\btimes\b|\bratio\b"
    )
    return _arithmetic(pair, (one, two), key, result, steps, is_difference)


def _arithmetic(
    pair: Sequence[Named], numbers: tuple[float, float], key: str, result: Result, steps: Steps, is_difference: bool
) -> str:
    sign, word = ("-", "difference") if is_difference else ("/", "ratio")
    unit = ("fraction" if key == "weight" else "money") if is_difference else "number"
    title = f"{pair[0].symbol} {key.replace('_', ' ')} {'less' if is_difference else 'over'} that of {pair[1].symbol}"
    given = steps.use("calculate", expression=f"{numbers[0]!r} {sign} ({numbers[1]!r})", label=title, unit=unit)
    currency = result.get("currency")
    each = [
        f"{one.symbol} {key.replace('_', ' ')} "
        f"{saying.percent(number) if key == 'weight' else saying.money(number, currency)}"
        for one, number in zip(pair, numbers, strict=True)
    ]
    if given.error:
        return f"{saying.listed(each)} {result.cite}. The {word} could not be computed: {given.failure}"
    found = calculated(given)
    said = (
        (saying.percent(found) if key == "weight" else saying.money(found, currency))
        if is_difference
        else saying.ratio(found)
    )
    return (
        f"The {word} is {said} {given.cite}: {saying.listed(each)}, on {saying.day(result.get('day'))} {result.cite}."
    )


def calculated(result: Result) -> Any:
    """The number that `calculate` found."""
    return next((result.get(name) for name in ("result", "value") if result.get(name) is not None), None)


def tried(asked: Asked, steps: Steps) -> str:
    """How the portfolio would stand after trades that the question supposes."""
    trades = trades_of(asked)
    if not trades:
        return "Which trade do you mean? Say the share and how many, for instance “if I bought 10 AAPL”."
    trades = [_sized(trade, steps) for trade in trades]
    result = steps.use("what_if", trades=trades)
    if result.error:
        return result.failure
    return tried_words(asked, result)


def _sized(trade: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """A trade of all or half of what is held, with its number of shares."""
    part = trade.get("part")
    if part is None:
        return trade
    held = next(iter(steps.use("holdings", symbols=[trade["symbol"]]).rows("holdings")), {}).get("quantity")
    quantity = held * part if isinstance(held, int | float) and held > 0 else 1
    return {"side": trade["side"], "symbol": trade["symbol"], "quantity": f"{quantity:.10g}"}


def trades_of(asked: Asked) -> list[dict[str, Any]]:
    """The trades that a text supposes, in its order."""
    trades: list[dict[str, Any]] = []
    size: dict[str, Any] = {}
    side = ""
    pattern = re.compile(
        r"\b(?P<side>buy|bought|buying|add|added|adding|purchase[d]?|sell|sold|selling|trim|trimmed|reduce[d]?)\b"
        r"|(?P<count>(?<![\w.,$€£])[0-9][0-9,]*(?:\.[0-9]+)?)(?P<unit>\s?(?:%|percent|usd|eur|dollars?|euros?|k\b))?"
        r"|(?P<half>\b(?:all|half)\b)|[$€£]\s?(?P<amount>[0-9][0-9,]*(?:\.[0-9]+)?)|(?P<name>@)"
    )
    named = iter(asked.named)
    for match in pattern.finditer(asked.text):
        if match["side"]:
            side = "sell" if match["side"].startswith(("sell", "sold", "trim", "reduce")) else "buy"
        elif match["count"] and side and not (match["unit"] or "").strip().startswith(("%", "per")):
            key = "amount" if (match["unit"] or "").strip() else "quantity"
            size = {key: match["count"].replace(",", "")}
        elif match["half"] and side == "sell":
            size = {"part": 0.5 if match["half"] == "half" else 1}
        elif match["amount"] and side:
            size = {"amount": match["amount"].replace(",", "")}
        elif match["name"]:
            each = next(named, None)
            if each is not None and side and size:
                trades.append({"side": side, "symbol": each.symbol, **size})
                size = {}
    return trades


def tried_words(asked: Asked, result: Result) -> str:
    """What the tool says of the portfolio after the trades."""
    currency = result.get("currency")
    after = result.get("after") or {}
    rows = {str(row.get("symbol")): row for row in result.rows("holdings")}
    parts = []
    for each in asked.shares:
        row = rows.get(each.symbol)
        if row:
            parts.append(f"{label(each)}: the new weight would be {saying.percent(row.get('weight_after'))}")
    weights = " ".join(f"{each} {result.cite}." for each in parts)
    lead = f"This supposes trades at the last price, without costs. {weights}"
    if after.get("cash") is None:
        return f"{lead} The portfolio keeps no cash. Nothing was entered."
    cash = f"The portfolio's cash would be {saying.money(after.get('cash'), currency)} {result.cite}."
    short = next((note for note in result.notes if "below zero" in note), "")
    return f"{lead} {cash} {short} Nothing was entered.".replace("  ", " ")
