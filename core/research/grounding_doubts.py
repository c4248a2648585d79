"""What makes a number something else than the figure that it equals: bounds, rates, parts of it, what only might be.

"AAPL closed below 171.48" is false where it closed at 171.48; "3.2 % a year" is not the return of a month.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.ai.evidence import Figure
from core.ai.numbers import WrittenNumber
from core.research.grounding_layout import Place
from core.research.measures import Measure

REACH = 60
"""Characters before or after a number in which words of doubt are looked for."""

FAR = 300
"""Characters before and after it in which a sentence may say something of all of its numbers."""
_MONEY = r"(?:[A-Z]{3}\s)?[-−]?(?:US|CA|C|A|HK|S|NZ)?[$€£₹¥]?"
_BOUNDS: tuple[tuple[int, re.Pattern[str]], ...] = tuple(
    (way, re.compile(rf"\b(?:{words})\s{_MONEY}\Z", re.IGNORECASE))
    for way, words in (
        (
            1,
            r"above|over|more\sthan|greater\sthan|higher\sthan|larger\sthan|exceed(?:s|ed|ing)?|topped|surpassed|crossed|breached|beyond|upwards?\sof|über",
        ),
        (-1, r"below|under|less\sthan|fewer\sthan|lower\sthan|smaller\sthan|beneath|unter"),
    )
)
"""1: what is told of is larger than the number; -1: smaller."""
_MULTIPLE = re.compile(
    rf"\b(?<!first\s)(?<!second\s)(?:half|twice|thrice|double[ds]?|tripled?|quadrupled?|(?:third|quarter|tenth|fifth)s?\sof|times)\b"
    rf"[^.,;()\n|]{{0,30}}{_MONEY}\Z",
    re.IGNORECASE,
)
_PERHAPS = re.compile(
    r"\b(?:never|fail(?:s|ed)?\sto|could|might|unless|if|suppos(?:e|ing)|assum(?:e|ing)|hypothetical\w*|imagine|should|hardly|"
    r"rather\sthan|instead\sof|neither|almost\s[a-z]+ed|nearly\s[a-z]+ed|cannot|can['’]t|no\slonger|false|yet\sto|needs?\sto|must|may\s(?=[a-z])|likely|about\sto|aims?|ought|hopes?|plans?)\b[^.;:\n|]*\Z"
    r"|(?:\bnot(?!\sonly)|n['’]t)\b[^.,;:\n|]*\Z",
    re.IGNORECASE,
)
_WOULD = re.compile(r"\b(?:would|will)\b[^.;\n|]*\Z|['’]ll\b[^.;\n|]*\Z", re.IGNORECASE)
_SELF = re.compile(r"\b(?:I|we)\s(?:could|should|might|will|would)\b", re.IGNORECASE)
_RATE = re.compile(
    r"\)?\**\s?(?:(?:a|an|per|each|every)[\s-](?P<each>year|annum|month|week|day|quarter|session|trade|share)\b"
    r"|(?P<annual>annuali[sz]ed|annually|yearly|p\.\s?a\.|im\sJahr|pro\sJahr|par\san)"
    r"|(?P<other>monthly|weekly|daily|quarterly)\b)",
    re.IGNORECASE,
)
_GAP = re.compile(
    r"\)?\**\s(?:points?\s)?(?:below|above|higher|lower|ahead|behind|more|less|under|apart|away)\b", re.IGNORECASE
)
_OF = re.compile(r"\)?\**\sof\s(?=[^\s])", re.IGNORECASE)
_OF_ALL = re.compile(
    r"(?:the\s|your\s|its\s|this\s|my\s|our\s|that\s|all\s)?(?:total\s|whole\s|entire\s|overall\s|demo\s|current\s)?"
    r"(?:portfolio|depot|holdings|value|total|assets|account|wealth|investments|money|it\b|market\svalue|them\b)",
    re.IGNORECASE,
)
_BY = re.compile(rf"\b(?:lower|higher|up|down|more|less|improved|better|worse)\sby\s{_MONEY}\Z", re.IGNORECASE)
_AHEAD = re.compile(
    r"\)?\**\s(?:points?\s)?(?:(?:more|less|better|worse)\sthan|against|ahead\sof|behind)\b", re.IGNORECASE
)
_NOUN = re.compile(
    r"\b(?P<noun>earnings|sales|revenues?|volume|margins?|dividends?|income|profits?|rsi|volatility|weight|beta|cash|debt|costs?|"
    r"fees|yield|eps|assets|guidance|share|drawdown|returns?)\s(?:has\s|have\s|had\s|was\s|were\s|is\s|are\s)?(?:\w+ly\s)?"
    r"(?:fell|rose|up|down|grew|dropped|declined|increased|decreased|gained|lost|improved|risen|fallen|climbed|slid|jumped)"
    rf"(?:\sby)?\s{_MONEY}\Z",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"\b(?:overnight|in\sa\s(?:single\s)?(?:day|session|week)|on\s(?:Mon|Tues|Wednes|Thurs|Fri)day|"
    r"since\s(?:(?:the|its|your)\s(?:trough|peak|low|high|bottom|purchase|last)|Christmas|Easter|then|earnings)|"
    r"(?:during|in|through|throughout)\sthe\s(?:drawdown|crash|crisis|rally|correction)|after\s(?:its\s)?earnings)\b",
    re.IGNORECASE,
)
_SECTOR = re.compile(
    r"\b(?:cash|technology|tech|energy|financials?|health\s?care|industrials?|utilities|materials|real\sestate|staples|"
    r"consumer\s\w+|communications?|bonds|equities|stocks|sector)\s(?:sector\s|stocks\s|shares\s|holdings\s|services\s)?"
    r"(?:makes?\sup|accounts?\sfor|is|are|weighs?|represents?)\s[^.;|\n]*\Z|\b(?:benchmark|sector|index|industry)\s(?:weight|share)\b",
    re.IGNORECASE,
)
_NO_SHARES = re.compile(
    r"\s(?:[\w.]+\s){0,2}(?:options?|bonds?|calls|puts|contracts|warrants|more\sshares|fewer\sshares)\b|[^.;|\n]*\bshort\b",
    re.IGNORECASE,
)
_PERIODS_OF = re.compile(
    r"\b(?:RSI|ADX|ATR)\s?\((?P<one>[0-9]+)[^0-9.]|\b(?P<two>[0-9]+)[-\s](?:day|session|period|week)\s(?:RSI|ADX|ATR)\b"
)
_SHARES = frozenset(
    {"weight", "weight_after", "sector_share", "currency_share", "cash_share", "top_weights", "foreign_share"}
)
_RANGE = re.compile(
    rf"(?<!difference\s)(?<!gap\s)(?<!spread\s)\bbetween\s(?:[^.;\n|]{{1,40}}\sand\s)?{_MONEY}\Z"
    rf"|\brang(?:e|es|ed|ing)\b[^.;\n|]{{0,40}}\Z",
    re.IGNORECASE,
)
_ENDS = re.compile(r"high|low|upper|lower|peak|trough|range|distance", re.IGNORECASE)
_UP_FROM = re.compile(
    rf"\b(?:up|down|rose|fell|risen|fallen|gained|lost|recovered|rebounded|climbed|dropped|declined|increased|decreased)"
    rf"\s(?:[^.;,\n|]{{1,30}}\s)?from\s(?:a\sclose\sof\s)?{_MONEY}\Z",
    re.IGNORECASE,
)
_FROM = re.compile(rf"\b(?:from|von|de)\s(?:about\s|around\s|a\sclose\sof\s)?{_MONEY}\Z", re.IGNORECASE)
_TO = re.compile(rf"(?:\b(?:to|auf|à)\s(?:about\s|around\s|a\sclose\sof\s)?|→\s?){_MONEY}\Z", re.IGNORECASE)
_WAYS = (
    (
        1,
        re.compile(
            r"\b(?:rose|rises?|risen|climb|gain|advanc|increas|jump|rall|surg|grew|recover|up\b|stieg)", re.IGNORECASE
        ),
    ),
    (
        -1,
        re.compile(
            r"\b(?:fell|falls?|fallen|drop|declin|decreas|slid|slip|sank|tumbl|plung|lost|down\b|fiel)", re.IGNORECASE
        ),
    ),
)
_OTHERWISE = re.compile(
    r"\b(?:(?:before|after|gross\sof|net\sof)\s(?:all\s)?(?:fees|costs|tax(?:es)?|inflation|charges)|inflation[\s-]adjusted|"
    r"(?:adjusted|corrected)\sfor\s\w+|in\sreal\sterms|risk[\s-]adjusted|currency[\s-]hedged|hedged|"
    r"(?:without|excluding|ex)\s(?:the\s|your\s)?(?:cash|fees|dividends|costs|tax(?:es)?)|"
    r"in\s(?:local|constant)\scurrenc(?:y|ies))\b",
    re.IGNORECASE,
)
_HOURS = re.compile(
    r"\b(?:pre[\s-]?market|after[\s-]?hours|extended\s(?:hours|trading)|post[\s-]?market|overnight)\b", re.IGNORECASE
)
_IN_CURRENCY = re.compile(
    r"\bin\s(?:US\s)?(?P<named>euros?|EUR|dollars?|USD|pounds?|GBP|rupees?|INR|yen|JPY|CHF)\b", re.IGNORECASE
)
_SOLD = re.compile(
    r"\s(?:shares?|units)\s(?:[^.;,\n|]{1,30}\s)?(?:were|was|been|being)\s(?:sold|bought|purchased|traded|transferred)\b",
    re.IGNORECASE,
)
_LENGTHS = frozenset({"sessions", "n", "signal_days", "missing_days"})
_HELD = frozenset({"quantity", "holdings", "quantity_after"})
_SUPPOSED = ("_after", "_before", "trade_")
_ANNUAL = frozenset(
    {"money_weighted", "volatility", "alpha", "risk_free_rate", "income_yield", "interest", "dividends"}
)
_CODES = {"euro": "EUR", "dollar": "USD", "pound": "GBP", "rupee": "INR", "yen": "JPY"}


@dataclass(frozen=True, slots=True)
class Told:
    """A number where it stands."""

    text: str
    number: WrittenNumber
    place: Place

    @property
    def before(self) -> str:
        """What stands before it in its sentence or cell."""
        return self.text[max(self.place.start, self.number.start - REACH) : self.number.start]

    @property
    def sentence(self) -> str:
        """The sentence or cell, as far as it is near."""
        start = max(self.place.start, self.number.start - FAR)
        return self.text[start : min(self.place.end, self.number.end + FAR)]

    @property
    def after(self) -> str:
        """What stands after it in its sentence or cell."""
        return self.text[self.number.end : min(self.place.end, self.number.end + REACH)]


@dataclass(frozen=True, slots=True)
class Course:
    """From where to where two numbers tell that something went."""

    is_one: bool
    is_reversed: bool = False
    """Whether its end is written first."""
    way: int = 0
    """1: it rose; -1: it fell; 0: nothing is said."""


def course(before: str, between: str) -> Course:
    """What the words before and between two numbers tell of a course: fell from 3 to 2, rose to 3 from 2."""
    if len(between) > REACH or re.search(r"\brang(?:e|ing)", before):
        return Course(is_one=False)
    forward = _FROM.search(before) is not None and _TO.search(between) is not None
    backward = _TO.search(before) is not None and _FROM.search(between) is not None
    if not forward and not backward:
        return Course(is_one=False)
    ways = [(found.start(), way) for way, words in _WAYS for found in words.finditer(before[-REACH:])]
    return Course(is_one=True, is_reversed=backward, way=max(ways)[1] if ways else 0)


def doubt(
    told: Told, figure: Figure, measure: Measure | None, currencies: frozenset[str], *, is_newest: bool, is_fall: bool
) -> str:
    """Why a number does not say that it is this figure; empty where it may.

    Args:
        told: the number, whose size is the figure's.
        figure: what it may be.
        measure: of the figure.
        currencies: that anything of the figure's entity is in.
        is_fall: whether its window is that of a fall.
        is_newest: whether no figure of the entity and the measure is of a later day.
    """
    before, after = told.before, told.after
    if measure is None or figure.measure == "result":
        return ""
    for found in (
        _of_words(before, after, figure),
        _of_rate(after, figure, measure),
        _of_bound(before, told.number, figure),
        _of_range(before, figure, is_newest=is_newest),
        _of_noun(before, after, figure, measure),
        _of_sentence(told.sentence, figure, currencies, is_fall=is_fall),
    ):
        if found:
            return found
    if measure.sign == "level" and _GAP.match(after):
        return "The sentence tells a distance."
    return ""


def _of_words(before: str, after: str, figure: Figure) -> str:
    if _MULTIPLE.search(before):
        return "The sentence tells a part or a multiple of it."
    is_supposed = figure.measure.endswith(_SUPPOSED[:2]) or figure.measure.startswith(_SUPPOSED[2])
    is_supposed = is_supposed or figure.measure == "realised_by_trades"
    if not is_supposed and not _SELF.search(before) and (_PERHAPS.search(before) or _WOULD.search(before)):
        return "The sentence does not say that it is so."
    if figure.measure in _HELD and (_SOLD.match(after) or _NO_SHARES.match(after) or re.search(r"\bshort\b", before)):
        return "It is a number of shares that are held."
    of = _OF.match(after) if figure.measure in _SHARES else None
    if of is not None and not _OF_ALL.match(after, of.end()):
        return "It is a share of the portfolio, not of that."
    return ""


def _of_noun(before: str, after: str, figure: Figure, measure: Measure) -> str:
    """What it is that rose, or what it is a share of."""
    if measure.sign == "level" and _BY.search(before):
        return "The sentence tells a distance."
    if measure.sign == "change" and not measure.is_two_sided and _AHEAD.match(after):
        return "The sentence sets it against another."
    found = _NOUN.search(before)
    if found is not None and found["noun"].lower().rstrip("s") not in figure.measure:
        return f"The sentence tells a change of {found['noun']}."
    if found is not None and found["noun"].lower().startswith("return") and "growth" not in figure.measure:
        return "The sentence tells a change of the return."
    if figure.measure == "weight" and _SECTOR.search(before):
        return "It is the weight of a holding."
    return ""


def _of_rate(after: str, figure: Figure, measure: Measure) -> str:
    found = _RATE.match(after)
    if found is None:
        return ""
    each = (found["each"] or "").lower()
    if each == "share":
        return "" if figure.unit == "price" else "It is not by share."
    if found["annual"] or each in ("year", "annum"):
        is_annual = figure.measure in _ANNUAL or any(
            re.search(r"annual|\ba year|per year|cagr", words) for words in measure.words
        )
        return "" if is_annual and figure.measure != "year_return" else "It is not by year."
    return "" if figure.measure.startswith("mean_volume") else "It is not by such a period."


def _of_bound(before: str, number: WrittenNumber, figure: Figure) -> str:
    if figure.measure in _LENGTHS:
        return ""
    size = abs(figure.value)
    times = 100 if "percent" in number.kinds else 10_000 if "basis_points" in number.kinds else 1
    written = float(number.value) * float(number.scale or 1)
    for way, words in _BOUNDS:
        if words.search(before) and (size * times - written) * way <= 1e-9 * written:
            return "It is equal to it."
    return ""


def _of_range(before: str, figure: Figure, *, is_newest: bool) -> str:
    if _RANGE.search(before) and not _ENDS.search(figure.measure):
        return "It is no end of a range."
    if is_newest and figure.day is not None and figure.first is None and _UP_FROM.search(before):
        return "It is the newest, not what it came from."
    return ""


def _of_sentence(sentence: str, figure: Figure, currencies: frozenset[str], *, is_fall: bool) -> str:
    if _OTHERWISE.search(sentence) and not figure.measure.endswith("_costs"):
        return "The sentence tells it in another way than it was computed."
    if figure.unit == "price" and _HOURS.search(sentence):
        return "No step returned prices outside of the session."
    if figure.first is not None and not is_fall and _PERIOD.search(sentence):
        return "It is of another window."
    if figure.measure.endswith("_14") and any(
        (found["one"] or found["two"]) != "14" for found in _PERIODS_OF.finditer(sentence)
    ):
        return "It is of 14 sessions."
    found = _IN_CURRENCY.search(sentence) if figure.unit == "fraction" else None
    if found is not None:
        named = found["named"].lower().rstrip("s")
        code = _CODES.get(named, named.upper())
        if currencies and code not in currencies:
            return "It is in another currency."
    return ""
