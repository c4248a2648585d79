"""Answers about many shares at once: which meet conditions, how many a universe has, what signals were worth."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.holding_answers import sector_of
from core.research.offline.steps import Result, Steps
from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.fields import FIELDS
from core.screener.signals import SIGNALS

MOST_MATCHES = 30
HORIZONS = (1, 5, 20, 60)
Condition = dict[str, Any]
_ABOVE = r"(?:above|over|more than|greater than|higher than|exceed(?:s|ing)?|bigger than|>)"
_BELOW = r"(?:below|under|less than|lower than|smaller than|beneath|<)"
_NUMBER = r"(?P<number>-?[0-9][0-9,]*(?:\.[0-9]+)?)"
_FIELDS: tuple[tuple[str, str, bool], ...] = (
    (r"\brsi\b(?:\s?\(?14\)?)?|relative strength index", "rsi_14", False),
    (r"\brelative volume\b|\bvolume ratio\b", "relative_volume", False),
    (r"\bvolatility\b", "volatility_20", True),
    (r"\badx\b", "adx_14", False),
    (r"\brs rating\b|\brelative strength rating\b", "rs_rating", False),
    (r"\b(?P<span>5|20|60|120|250)[\s-](?:day|session) return\b", "return_", True),
    (r"\b(?:day'?s? )?change\b|\bup\b|\bgained\b|\brose\b", "change", True),
    (r"\bvolume\b", "volume", False),
    (r"\b(?:price|close[sd]?|closing price|trading|costs?|quoted)\b", "close", False),
)
_UNIVERSES = (
    (r"\b(?:indian|india|nse|generated|mumbai|nifty)\b", "nse_generated"),
    (r"\b(?:indices|indexes)\b", "indices"),
    (r"\bs\s?&\s?p(?:\s?500)?\b|\bsp500\b|\b(?:us|american|united states)\b|\bwall street\b", "sp500_2010"),
)


def universe_of(asked: Asked) -> str:
    """The universe that is meant: the holdings, one that is named, or the default one."""
    if asked.has(r"\bmy\b|\bour\b|\bholdings?\b|\bportfolio\b|\bpositions?\b|\bi (?:own|hold)\b"):
        return "holdings"
    said = asked.said.casefold()
    return next(
        (name for pattern, name in _UNIVERSES if re.search(pattern, asked.text) or re.search(pattern, said)), ""
    )


def conditions_of(asked: Asked) -> list[Condition]:
    """The conditions that a text names."""
    text = asked.text
    found = [*_averages(text), *_numbers(text), *_highs(text), *_named(text)]
    sector = sector_of(text)
    if sector and universe_of(asked) != "holdings":
        found.append({"field": "sector", "operator": "is", "value": sector})
    signal = signal_of(text)
    if signal and not any(each["field"] in ("rsi_14", "close") for each in found):
        found.append({"field": "signals", "operator": "contains_any", "value": [signal]})
    return found


def _averages(text: str) -> list[Condition]:
    found = []
    pattern = (
        rf"(?P<way>{_ABOVE}|{_BELOW})\s(?:(?:their|its|the|a)\s)?(?:own\s)?(?P<days>20|50|"
        r"200)[\s-]?(?:day|session|d)?s?\b"
    )
    for match in re.finditer(pattern, text):
        if not re.search(r"\b(?:average|sma|mean|moving|ma|dma)\b", text[match.start() :]):
            continue
        way = "above_field" if re.fullmatch(_ABOVE, match["way"]) else "below_field"
        found.append({"field": "close", "operator": way, "value": f"sma_{match['days']}"})
    return found


def _numbers(text: str) -> list[Condition]:
    found: list[Condition] = []
    taken: set[int] = set()
    for pattern, field, is_share in _FIELDS:
        whole = (
            rf"(?:{pattern})(?:\s?\([0-9]+\))?(?:\s(?:is|are|of|was|that|at|a|an|"
            rf"by))*\s(?P<way>{_ABOVE}|{_BELOW}|at least|at most)\s(?:usd\s|"
            rf"\$\s?)?{_NUMBER}(?P<share>\s?(?:%|"
            r"percent))?"
        )
        for match in re.finditer(whole, text):
            if match.start("number") in taken or re.match(r"[\s-]?(?:day|session)", text[match.end("number") :]):
                continue
            taken.add(match.start("number"))
            value = float(match["number"].replace(",", ""))
            name = f"return_{match['span']}" if field == "return_" else field
            found.append(
                {
                    "field": name,
                    "operator": _way(match["way"]),
                    "value": value / 100 if is_share and (match["share"] or value > 3) else value,
                }
            )
    return found


def _way(word: str) -> str:
    if word in ("at least", "at most"):
        return word.replace(" ", "_")
    return "above" if re.fullmatch(_ABOVE, word) else "below"


def _highs(text: str) -> list[Condition]:
    near = re.search(r"\bwithin\s([0-9.]+)\s?(?:%|percent)\s(?:of|from)\b.*52[\s-]?weeks?[\s-]high", text)
    if near:
        return [{"field": "from_week52_high", "operator": "at_least", "value": -float(near[1]) / 100}]
    far = re.search(r"\bmore than\s([0-9.]+)\s?(?:%|percent)\sbelow\b.*52[\s-]?weeks?[\s-]high", text)
    if far:
        return [{"field": "from_week52_high", "operator": "below", "value": -float(far[1]) / 100}]
    if re.search(r"\bnear\b.*52[\s-]?weeks?[\s-]high", text):
        return [{"field": "from_week52_high", "operator": "at_least", "value": -0.03}]
    return []


def _named(text: str) -> list[Condition]:
    if re.search(r"\boverbought\b", text):
        return [{"field": "rsi_14", "operator": "above", "value": 70.0}]
    if re.search(r"\boversold\b", text):
        return [{"field": "rsi_14", "operator": "below", "value": 30.0}]
    if re.search(r"\b(?:closed|finished|ended) (?:up|higher)\b|\brose (?:today|on the day)\b", text):
        return [{"field": "change", "operator": "above", "value": 0.0}]
    if re.search(r"\b(?:closed|finished|ended) (?:down|lower)\b|\bfell (?:today|on the day)\b", text):
        return [{"field": "change", "operator": "below", "value": 0.0}]
    return []


@lru_cache(maxsize=1)
def _signals() -> tuple[tuple[re.Pattern[str], str], ...]:
    labels = {
        **{name: each.label for name, each in SIGNALS.items()},
        **{name: each.label for name, each in CHART_PATTERNS.items()},
    }
    names = sorted(((label.casefold(), name) for name, label in labels.items()), key=lambda pair: -len(pair[0]))
    made = [
        (re.compile(rf"\b{re.escape(label).replace('-', '[- ]').replace(chr(92) + '[- ]', '[- ]')}(?:e?s)?\b"), name)
        for label, name in names
    ]
    return (
        *made,
        (re.compile(r"\bnew 52[\s-]week highs?\b"), "breakout_52w"),
        (re.compile(r"\bhammers?\b"), "cdl_hammer"),
    )


def signal_of(text: str) -> str:
    """The type of signal that a text names; empty where it names none."""
    return next((name for pattern, name in _signals() if pattern.search(text)), "")


def screened(asked: Asked, steps: Steps) -> str:
    """Which members meet the conditions, and how many they are."""
    conditions = conditions_of(asked)
    universe = universe_of(asked)
    if not conditions and not asked.has(r"\bmembers?\b|\bhow many\b"):
        return (
            "By which condition should the shares be chosen? For instance “above their 200-day "
            "average”, “RSI below 30” or “within 5 % of the "
            "52-week high”."
        )
    sort = _sort(asked)
    result = steps.use(
        "screen",
        universe=universe,
        conditions=conditions,
        match="any" if len(conditions) > 1 and asked.has(r"\bor\b") else None,
        sort=sort,
        limit=MOST_MATCHES,
    )
    if result.error:
        return result.failure
    if not conditions:
        return (
            f"{saying.number(result.get('members'))} members on {saying.day(result.get('day'))} "
            f"{result.cite}. Universe: {result.get('universe')}."
        )
    return _matched(asked, result, conditions)


def _sort(asked: Asked) -> str | None:
    found = re.search(
        r"\b(highest|lowest|largest|smallest)\s(rsi|volatility|volume|relative volume|change)\b", asked.text
    )
    fields = {
        "rsi": "rsi_14",
        "volatility": "volatility_20",
        "volume": "volume",
        "relative volume": "relative_volume",
        "change": "change",
    }
    return None if found is None else ("-" if found[1] in ("highest", "largest") else "") + fields[found[2]]


def _matched(asked: Asked, result: Result, conditions: list[Condition]) -> str:
    total, screened = saying.number(result.get("matches")), saying.number(result.get("screened"))
    where, day = result.get("universe"), saying.day(result.get("day"))
    lead = f"{total} shares match, of {screened} screened, on {day} {result.cite}"
    conditions_said = str(result.get("conditions") or "").rstrip(".")
    where = f"Asked was: {conditions_said}; universe: {where}."
    rows = result.rows("rows")
    notes = [note for note in result.notes if "left out" in note]
    if not rows or (asked.has(r"^how many\b") and not asked.has(r"\bwhich\b|\bname\b|\blist\b")):
        return f"{lead}. {where} {' '.join(notes)}".strip()
    fields = list(
        dict.fromkeys(
            each["field"] for each in conditions if each["field"] in FIELDS and FIELDS[each["field"]].is_number
        )
    )
    others = [str(each["value"]) for each in conditions if str(each["operator"]).endswith("_field")]
    shown = list(dict.fromkeys((*fields, *others))) or ["close"]
    cells = [
        [str(row.get("symbol")), str(row.get("name") or ""), *(_cell(row, name) for name in shown)] for row in rows
    ]
    table = saying.table(["Symbol", "Name", *(FIELDS[name].label for name in shown)], cells)
    more = "\n\nMore matches are not shown." if result.get("not_shown") else ""
    return f"{lead}:\n\n{table}{more}\n\n{' '.join((where, *notes))}"


def _cell(row: Any, name: str) -> str:
    value, field = row.get(name), FIELDS[name]
    if field.unit.value == "fraction":
        return saying.signed_percent(value) if field.low < 0 else saying.percent(value)
    return saying.ratio(value, field.decimals) if field.decimals else saying.number(value)


def record(asked: Asked, steps: Steps) -> str:
    """What earlier signals of a type were worth."""
    signal = signal_of(asked.text)
    if not signal:
        return "Which signal do you mean? For instance golden cross, death cross, 52-week breakout or hammer."
    found = re.search(r"\b(1|5|20|60)[\s-](?:sessions?|days?|trading days)\b|\bone session\b", asked.text)
    sessions = int(found[1]) if found and found[1] else None
    symbol = asked.symbols[0] if asked.symbols else None
    result = steps.use(
        "signal_record",
        signal=signal,
        symbol=symbol,
        universe="" if symbol else universe_of(asked).replace("holdings", ""),
        sessions=sessions,
    )
    if result.error:
        return result.failure
    over = f"over {result.get('sessions')} sessions"
    name, where = result.get("label"), result.get("where")
    if result.get("hit_rate") is None:
        return (
            f"{name} on {where}: hit rate {saying.NOT_DEFINED} {over}, since there are only "
            f"{saying.number(result.get('n'))} earlier signals "
            f"{result.cite}."
        )
    interval = (
        f"interval {saying.percent(result.get('hit_rate_low'), 1)} to {saying.percent(result.get('hit_rate_high'), 1)}"
    )
    return (
        f"{name}: hit rate {saying.percent(result.get('hit_rate'), 1)} {over} (95 % {interval}), base rate "
        f"{saying.percent(result.get('base_rate'), 1)}, median move "
        f"{saying.signed_percent(result.get('median_move'))}, n = "
        f"{saying.number(result.get('n'))} signals {result.cite}. On {where}, as it was known on "
        ""
        ""
        ""
        f"{saying.day(result.get('as_of'))}."
    )
