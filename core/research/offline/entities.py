"""Which companies and indices a question is about: symbols, names, and names that are nearly spelt like one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.research.offline import words
from core.research.tools.market_material import names_of

MAX_NAMED = 10
"""Companies that are taken from one question."""
MAX_NAME_WORDS = 5
LEAST_NAME_CHARS = 4
LEAST_LIKE = 5
"""Letters of a word that may be a name spelt wrong."""
FAR_LIKE = 8
MAX_LIKE = 8
"""Words of one question that are looked for among names spelt alike."""
MAX_CHOICES = 4

_LEGAL = frozenset(
    """
    inc incorporated corp corporation co company companies cos ltd limited plc llc lp sa nv ag se group holding
    holdings trust the new de md mn tx ca ny oh generated class a b c com and cl common stock services intl
    international
    """.split()
)
"""Words at the end of a name that nobody writes."""
_COMMON = frozenset(
    """
    american general united first national international public southern western northern eastern central public
    best target gap key state consolidated molson block waste news progressive time people standard sun lowest
    family total limited brown ball sealed simon whole host fortune ace allstate capital dominion franklin
    interpublic constellation republic comcast_ southwest rock texas analog advanced automatic affiliated computer
    applied digital discover discovery eastman entergy equity equifax express fidelity frontier genuine goodrich
    health home human intuitive iron juniper legg life loews leading major marsh monster motor mattel_ norfolk
    northrop_ nucor_ office omni patterson perkin philip pioneer plum pitney principal quest range red regions
    robert rockwell ross scripps sears_ snap stanley state stryker_ teradata_ union unum urban valero_ varian_
    ventas_ vulcan_ wells wisconsin zions_ zimmer_ electronic energy financial industrial medical micro oil gas
    power water air cable auto dean harris hess host hudson jacobs martin mead molex_ moody murphy nasdaq noble
    peabody pepco pall price progress ralph sherwin sigma smith staples supervalu_ sysco_ thermo tiffany_ titanium
    travelers williams windstream bank trust realty reality service services systems technologies partners brands
    foods market markets data universal core estate growth value income index apartment boston carnival chicago
    cincinnati clorox_ coach community crown cummins_ darden_ duke eagle expeditors_ fastenal_ flow forest freeport
    garmin_ harley leucadia_ lincoln linear lorillard_ massey meredith metro new newell newmont nordstrom owens
    paccar parker people pinnacle post precision prologis_ prudential public pulte quanta ryder safeway_ sandisk_
    sara sempra_ signet sprint starwood starbucks_ strategic sunoco_ suntrust_ synopsys_ team tenet tesoro_
    torchmark_ total tyson_ vornado_ weyerhaeuser_ wal whirlpool_ xcel_ xerox_ xilinx_ yahoo_ yum cash stock stocks
    drive open portfolio holdings return volatility high low close fast old young small large big right west east
    north south front back interest loss gain gains cost fee rate rates level show look say give news all any now
    can for be so are it has or on of do dhara_ see
    """.split()
)
"""First words of names that are words of the language too; alone they name no company."""
_NO_SYMBOL = frozenset(
    """
    A I AN AM AS AT BE BY DO GO IF IN IS IT ME MY NO OF OK ON OR SO TO UP US WE ALL AND ANY ARE BUT CAN DID FOR GET
    HAD HAS HOW LOW NEW NOT NOW OUR OUT OWN SEE THE TOP USE WAS WHO WHY YES YOU RSI SMA EMA ATR ADX MACD OBV TWR
    XIRR IRR MWR CAGR VAR CVAR NAV ETF ETFS IPO CEO CFO P/E PE EPS ROE ROI EBIT EBITDA USD EUR GBP INR JPY CHF CAD
    AUD SEC YTD QTD MTD API JSON CSV PDF FIFO TTM NYSE NSE US USA UK EU AI ID FX SUM MAX MIN BUY SELL HIGH THAT THIS
    WHAT WHEN WITH FROM HELP PLEASE MUCH MANY OVER SIDE LIMIT FORM ITEM NOTE ISIN SYSTEM IGNORE PRINT PROMPT RULES
    TOOL USER YOUR MINE OTHER ADMIN NAN NULL NONE NA
    """.split()
)
_INDICES = (
    (r"\bs\s?&\s?p(?:\s?500)?\b|\bsp\s?500\b|\bsnp\s?500\b|\bs and p\b", "SP500", "S&P 500"),
    (r"\bnasdaq(?:\scomposite)?\b", "NASDAQ", "NASDAQ Composite"),
)
_NICKNAMES = (
    (r"\bcoke\b", "KO"),
    (r"\bjp\s?morgan(?:\schase)?\b", "JPM"),
    (r"\bwal[\s-]?mart\b", "WMT"),
    (r"\bp\s?&\s?g\b", "PG"),
    (r"\bj\s?&\s?j\b", "JNJ"),
    (r"\bbig blue\b|\binternational business machines\b", "IBM"),
    (r"\bexxon\b", "XOM"),
    (r"\bgeneral electric\b", "GE"),
    (r"\b3m\b(?=\s(?:co|stock|share|price|close))", "MMM"),
    (r"\bgoogle\b|\balphabet\b", "GOOG"),
)
"""What some companies are called beside their names."""
_MARKED = re.compile(r"\$([A-Za-z][A-Za-z0-9.\-]{0,11})\b")
_UPPER = re.compile(r"(?<![\w.$&-])([A-Z][A-Z0-9]{0,11}(?:[.\-][A-Z]{1,3})?)(?![\w&]|-[A-Za-z])")
_SMALL = re.compile(r"(?<![\w.$&'-])([a-z][a-z0-9]{1,11}(?:[.\-][a-z]{1,3})?)(?![\w&]|-[a-z])")
_POSSESSIVE = re.compile(r"['’]s\b")


@dataclass(frozen=True, slots=True)
class Named:
    """A company or an index that a text names."""

    symbol: str
    name: str
    """What an answer calls it, beside its symbol."""
    start: int = 0
    is_index: bool = False
    is_known: bool = True
    """Whether it stands in the list of instruments; an unknown one is for the tool to say so."""
    end: int = 0


@dataclass(frozen=True, slots=True)
class Unclear:
    """A name that fits several companies."""

    words: str
    choices: tuple[Named, ...]


class Names:
    """The names of all instruments, made once; safe to share between threads."""

    def __init__(self, instruments: Iterable[tuple[str, str]]) -> None:
        """From pairs of symbol and name, the more important first."""
        self._names: dict[str, str] = {}
        self._by_words: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
        for symbol, name in instruments:
            self._names.setdefault(symbol, called(symbol, name))
            for key in _keys(name):
                self._by_words[key][symbol] = None
        for symbol in self._names:
            stem = symbol.partition(".")[0]
            if stem != symbol:
                self._by_words[(stem.lower(),)][symbol] = None
        self._alike = sorted({key[0] for key in self._by_words if len(key) == 1 and len(key[0]) >= LEAST_LIKE})

    def of(self, symbol: str) -> str:
        """The short name of a symbol; the symbol itself where none is known."""
        return self._names.get(symbol, symbol)

    def find(self, text: str, held: Collection[str] = ()) -> tuple[tuple[Named, ...], tuple[Unclear, ...]]:
        """What a text names, in its order, and the names in it that fit several companies.

        `held` are symbols that come first where a name fits several.
        """
        taken = [False] * len(text)
        found: list[Named] = []
        unclear: list[Unclear] = []
        for pattern, symbol, name in _INDICES:
            for match in re.finditer(pattern, text, re.IGNORECASE):
                if not _is_universe(text, match.end()):
                    found.append(Named(symbol, name, match.start(), is_index=True, end=match.end()))
                _take(taken, match.start(), match.end())
        for pattern, symbol in _NICKNAMES:
            for match in re.finditer(pattern, text, re.IGNORECASE):
                if symbol in self._names and not any(taken[match.start() : match.end()]):
                    found.append(self._named(symbol, match.start(), match.end()))
                    _take(taken, match.start(), match.end())
        self._full_names(text, taken, held, found, unclear)
        self._symbols(text, taken, held, found)
        self._spelt_alike(text, taken, held, found)
        distinct: dict[str, Named] = {}
        for each in sorted(found, key=lambda one: one.start):
            distinct.setdefault(each.symbol, each)
        return tuple(distinct.values())[:MAX_NAMED], tuple(unclear[:1])

    def _named(self, symbol: str, start: int, end: int) -> Named:
        known = symbol in self._names
        return Named(symbol, self.of(symbol), start, symbol in ("SP500", "NASDAQ"), known, end)

    def _full_names(
        self, text: str, taken: list[bool], held: Collection[str], found: list[Named], unclear: list[Unclear]
    ) -> None:
        places = [
            (match.start(), match.end(), match[0])
            for match in re.finditer(r"[^\W_]+(?:-[^\W_]+)*", _POSSESSIVE.sub(lambda m: " " * len(m[0]), text))
        ][: words.MAX_READ_CHARS]
        folded = [word.casefold() for _, _, word in places]
        for length in range(MAX_NAME_WORDS, 0, -1):
            for at in range(len(places) - length + 1):
                start, end = places[at][0], places[at + length - 1][1]
                key = tuple(part for word in folded[at : at + length] for part in word.split("-"))
                symbols = self._by_words.get(key)
                if (
                    not symbols
                    or any(taken[start:end])
                    or not _may_name(key, text[start:end], is_shared=len(symbols) > 1 and start > 0)
                ):
                    continue
                _take(taken, start, end)
                chosen = self._chosen(symbols, held)
                if chosen is not None:
                    found.append(self._named(chosen, start, end))
                else:
                    choices = tuple(self._named(each, start, end) for each in list(symbols)[:MAX_CHOICES])
                    unclear.append(Unclear(text[start:end], choices))

    def _chosen(self, symbols: Collection[str], held: Collection[str]) -> str | None:
        """The one that is meant: the only one, the only one that is held, the first share of one company."""
        if len(symbols) == 1:
            return next(iter(symbols))
        owned = [symbol for symbol in symbols if symbol in held]
        if len(owned) == 1:
            return owned[0]
        names = {self._names[symbol].casefold().split()[0] + self._names[symbol].casefold()[-6:] for symbol in symbols}
        return next(iter(symbols)) if len(names) == 1 else None

    def _symbols(self, text: str, taken: list[bool], held: Collection[str], found: list[Named]) -> None:
        shouts = _is_shouted(text)
        for pattern, is_sure in ((_MARKED, True), (_UPPER, False), (_SMALL, False)):
            for match in pattern.finditer(text):
                start, end = match.span(1)
                if any(taken[start:end]):
                    continue
                symbol = self._symbol(match[1], held, is_sure=is_sure, is_upper=pattern is _UPPER, shouts=shouts)
                if symbol is not None:
                    _take(taken, start, end)
                    found.append(self._named(symbol, start, end))

    def _symbol(self, word: str, held: Collection[str], *, is_sure: bool, is_upper: bool, shouts: bool) -> str | None:
        symbol = word.upper()
        is_known = symbol in self._names or symbol in held
        if is_sure:
            return symbol
        if is_upper and not shouts:
            if symbol in held and len(symbol) > 1:
                return symbol
            if symbol in _NO_SYMBOL or re.fullmatch(r"[QH][1-4]", symbol):
                return None
            if is_known and len(symbol) > 1:
                return symbol
            is_ticker = re.fullmatch(r"[A-Z]{3,5}(?:[.-][A-Z]{1,3})?", symbol) and not words.is_known(word.casefold())
            return symbol if is_ticker else None
        if symbol in _NO_SYMBOL or not is_known or _is_word(word.casefold()):
            return None
        return symbol if symbol in held or len(symbol) > 2 else None

    def _spelt_alike(self, text: str, taken: list[bool], held: Collection[str], found: list[Named]) -> None:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        tried = 0
        for match in re.finditer(r"[^\W\d_]+", _POSSESSIVE.sub(lambda m: " " * len(m[0]), text)):
            word = match[0].casefold()
            if any(taken[match.start() : match.end()]) or len(word) < LEAST_LIKE or words.is_known(word):
                continue
            if words.mended(word) != word or tried >= MAX_LIKE:
                continue
            tried += 1
            far = 2 if len(word) >= FAR_LIKE else 1
            near = process.extract(word, self._alike, scorer=OSA.distance, score_cutoff=far, limit=3)
            names = [name for name, _, _ in near if name not in _COMMON]
            symbols = {symbol: None for name in names[:1] for symbol in self._by_words[(name,)]}
            chosen = self._chosen(symbols, held) if symbols else None
            if chosen is not None:
                found.append(self._named(chosen, match.start(), match.end()))


def called(symbol: str, name: str) -> str:
    """What an answer calls a company: its name as tools tell it, without the legal form."""
    return next(reversed(names_of(name)), symbol)


def shortened(name: str) -> str:
    """A company's name without its legal form: 'Apple', 'Dhara Power', 'Johnson & Johnson'."""
    kept = name.replace("(generated)", "").split("/")[0].strip()
    parts = kept.split()
    while len(parts) > 1 and re.sub(r"[^\w]", "", parts[-1]).casefold() in _LEGAL | {""}:
        parts.pop()
    if len(parts) > 1 and parts[0].casefold() == "the":
        parts = parts[1:]
    return " ".join(parts).rstrip(" ,.&")


@lru_cache(maxsize=4096)
def _keys(name: str) -> tuple[tuple[str, ...], ...]:
    """The words by which a company may be called: its whole name, the short one, and its first word."""
    keys: list[tuple[str, ...]] = []
    for each in (name, shortened(name)):
        key = tuple(re.findall(r"[^\W_]+", re.sub(r"['’.]", "", each.casefold())))
        if key and key[0] == "the":
            key = key[1:]
        keys += [key[:MAX_NAME_WORDS], tuple(word for word in key if word != "and")[:MAX_NAME_WORDS]]
        keys.append(tuple(re.findall(r"[^\W_]+", each.casefold()))[:MAX_NAME_WORDS])
    first = keys[0][:1]
    if first and len(first[0]) >= LEAST_NAME_CHARS:
        keys.append(first)
    return tuple(dict.fromkeys(key for key in keys if key))


def _may_name(key: Sequence[str], written: str, *, is_shared: bool) -> bool:
    """Whether words of a text may be a name: a single one has to be no common word, or be written large."""
    if len(key) > 1:
        return not all(words.is_known(word) for word in key) or written[:1].isupper()
    word = key[0]
    if len(word) < LEAST_NAME_CHARS or words.is_known(word) or words.is_foreign(word):
        return False
    return word not in _COMMON or (is_shared and written[:1].isupper())


def _is_word(word: str) -> bool:
    return words.is_known(word) or words.is_foreign(word) or word in _COMMON


def _is_shouted(text: str) -> bool:
    """Whether most of a text is in capital letters, which then tell nothing."""
    letters = [each for each in text[: words.MAX_READ_CHARS] if each.isalpha()]
    return len(letters) > 20 and sum(each.isupper() for each in letters) > 0.7 * len(letters)


def _is_universe(text: str, end: int) -> bool:
    return (
        re.match(r"\s(?:universe|members|stocks|shares|companies|names|constituents)\b", text[end : end + 20].lower())
        is not None
    )


def _take(taken: list[bool], start: int, end: int) -> None:
    taken[start:end] = [True] * (end - start)
