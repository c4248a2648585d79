"""Words of a question: in small letters, misspellings mended, the commonest German and French ones in English."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

Language = Literal["english", "german", "french", "other"]

MAX_READ_CHARS = 2_000
"""Characters of a question that are read once what was pasted is left out; more at its end are read too."""
MAX_TAIL_CHARS = 600
MAX_LOOKED_AT_CHARS = 40_000
LEAST_MENDED_CHARS = 5
"""A shorter word is left as it is."""
FAR_MENDED_CHARS = 8
"""A word of so many letters may be misspelt in two places."""
MAX_MENDED = 60
LEAST_FOREIGN = 2
"""Words of another language that tell it."""
LEAST_OTHER_SHARE = 0.3
"""Letters of another script that tell that a question is in one."""

_GERMAN = frozenset(
    """
    wie was ist sind der die das den dem des ein eine einen meine mein meiner meinem meinen ich hat haben war waren
    viel viele hoch wann welche welcher welches im seit und oder nicht auf mit bei von zum zur wurde wird bitte mir
    kurs wert rendite depot gewicht insgesamt aktie aktien gebühren zeige über letzten
    """.split()
)
_FRENCH = frozenset(
    """
    quel quelle quels quelles est sont le la les un une des du de mon ma mes je j'ai ai combien quand avec dans
    depuis et ou pas sur pour au aux a été était cours valeur rendement portefeuille poids action actions moi montre
    plus
    """.split()
)
_OTHER = frozenset(
    """
    cuál cual es el los las mi mis cuánto cuanto cuándo qual é o os meu minha quanto il lo gli che quando sono mio
    mia hoeveel het een mijn wat waard hvad vad är min mitt quanto di del della por para cartera acciones
    """.split()
)
# Phrases first. What stands for nothing in English is left out.
_TRANSLATED = {
    "german": (
        (r"\bwie viel(?:e)?\b.{0,40}\bwert\b", "what is the value of my portfolio"),
        (r"\bwie viele\b", "how many"),
        (r"\bwie viel\b", "how much"),
        (r"\bwie (?:hoch|groß|gross) (?:ist|sind|war|waren)\b", "what is"),
        (r"\bwie hat sich\b", "how did"),
        (r"\bseit (?:jahres)?(?:anfang|beginn) (?:des jahres )?(\d{4})\b", r"since the start of \1"),
        (r"\bseit (?:auflegung|beginn|anfang)\b", "since inception"),
        (r"\bam stärksten\b", "largest"),
        (r"\bin diesem jahr\b", "this year"),
        (r"\bletztes jahr\b|\bim letzten jahr\b", "last year"),
        (r"\b(\d{1,2})\.\s(?=[a-zä])", r"\1 "),
        (r"\b(\d{2,3})[- ]tage[- ]?(?:linie|durchschnitt|schnitt)\b", r"\1-day average"),
    ),
    "french": (
        (r"\bcombien (?:de |d')?(?:vaut|valent)\b", "what is the value of"),
        (r"\bcombien d[e']\s?", "how many "),
        (r"\bcombien\b", "how much"),
        (r"\bquel(?:le)?s? (?:est|sont|était|a été)\b", "what is"),
        (r"\bdepuis le début(?: de (?:l'année )?(\d{4}))?\b", r"since the start of \1"),
        (r"\bcette année\b", "this year"),
        (r"\bl'année dernière\b", "last year"),
        (r"\bcours de clôture\b", "closing price"),
        (r"\bplus (?:grande?|grosse?|gros) position\b", "largest holding"),
        (r"\bplus haut\b", "highest"),
        (r"\bplus bas\b", "lowest"),
    ),
}
_WORDS = {
    "german": {
        **dict.fromkeys(("mein", "meine", "meiner", "meinem", "meinen", "meines"), "my"),
        **dict.fromkeys(("kurs", "aktienkurs", "preis"), "price"),
        **dict.fromkeys(("schlusskurs", "schlusskurse", "schloss"), "close"),
        **dict.fromkeys(("höchster", "höchste", "höchsten"), "highest"),
        **dict.fromkeys(("niedrigster", "niedrigste", "tiefster", "niedrigsten"), "lowest"),
        **dict.fromkeys(("größte", "grösste", "größten", "größter"), "largest"),
        **dict.fromkeys(("kleinste", "kleinster", "kleinsten"), "smallest"),
        **dict.fromkeys(("depot", "portfolio", "portfolios", "depots"), "portfolio"),
        **dict.fromkeys(("position", "positionen", "bestand", "bestände"), "holding"),
        **dict.fromkeys(("rendite", "wertentwicklung", "entwicklung"), "return"),
        **dict.fromkeys(("gewicht", "anteil", "gewichtung"), "weight"),
        **dict.fromkeys(("gebühren", "kosten", "spesen"), "fees"),
        **dict.fromkeys(("dividende", "dividenden"), "dividends"),
        **dict.fromkeys(("aktie", "aktien", "stück"), "shares"),
        **dict.fromkeys(("volatilität", "schwankung"), "volatility"),
        **dict.fromkeys(("bargeld", "barbestand", "guthaben"), "cash"),
        **dict.fromkeys(("kaufte", "gekauft"), "bought"),
        **dict.fromkeys(("verkauft", "verkaufte"), "sold"),
        **dict.fromkeys(("hoch", "groß"), "high"),
        **dict.fromkeys(("nachrichten", "meldungen", "schlagzeilen"), "news"),
        **dict.fromkeys(("welche", "welcher", "welches", "welchen"), "which"),
        **dict.fromkeys(("halte", "besitze"), "hold"),
        **dict.fromkeys(("kaufen",), "buy"),
        **dict.fromkeys(("verkaufen",), "sell"),
        **dict.fromkeys(("umsatz", "umsätze", "erlöse"), "revenue"),
        "wie": "how",
        "was": "what",
        "wann": "when",
        "ist": "is",
        "war": "was",
        "seit": "since",
        "und": "and",
        "von": "of",
        "der": "the",
        "die": "the",
        "das": "the",
        "des": "of",
        "im": "in",
        "am": "on",
        "über": "over",
        "januar": "january",
        "februar": "february",
        "märz": "march",
        "mai": "may",
        "juni": "june",
        "juli": "july",
        "oktober": "october",
        "dezember": "december",
        "jahr": "year",
        "monat": "month",
        "bester": "best",
        "wert": "value",
        "gewinn": "gain",
        "verlust": "loss",
        "sektor": "sector",
        "branche": "sector",
        "transaktionen": "transactions",
        "beste": "best",
        "schlechteste": "worst",
        "schlechtester": "worst",
        "soll": "should",
        "sollte": "should",
        "ich": "i",
        "morgen": "tomorrow",
        "insgesamt": "in total",
        "gegenüber": "against",
        "maximaler": "max",
        "rückgang": "drawdown",
        "zuerst": "first",
        "bis": "to",
        "letzter": "last",
        "letzte": "last",
        "letzten": "last",
        "heute": "today",
        "habe": "have",
        "hat": "has",
        "wird": "will",
        "zeige": "show",
    },
    "french": {
        **dict.fromkeys(("mon", "ma", "mes"), "my"),
        **dict.fromkeys(("cours", "prix"), "price"),
        **dict.fromkeys(("clôture", "cloture", "clôturé"), "close"),
        **dict.fromkeys(("portefeuille", "compte"), "portfolio"),
        **dict.fromkeys(("rendement", "performance"), "return"),
        **dict.fromkeys(("poids", "part"), "weight"),
        **dict.fromkeys(("frais", "commissions"), "fees"),
        **dict.fromkeys(("dividendes", "dividende"), "dividends"),
        **dict.fromkeys(("action", "actions", "titres"), "shares"),
        **dict.fromkeys(("liquidités", "espèces"), "cash"),
        **dict.fromkeys(("position", "positions"), "holdings"),
        **dict.fromkeys(("quel", "quelle", "quels", "quelles"), "which"),
        "combien": "how much",
        "quand": "when",
        "est": "is",
        "depuis": "since",
        "et": "and",
        "de": "of",
        "du": "of",
        "valeur": "value",
        "gain": "gain",
        "perte": "loss",
        "secteur": "sector",
        "volatilité": "volatility",
        "janvier": "january",
        "février": "february",
        "mars": "march",
        "avril": "april",
        "mai": "may",
        "juin": "june",
        "juillet": "july",
        "août": "august",
        "septembre": "september",
        "octobre": "october",
        "novembre": "november",
        "décembre": "december",
        "année": "year",
        "mois": "month",
        "meilleur": "best",
        "pire": "worst",
        "dernier": "last",
        "dernière": "last",
        "acheté": "bought",
        "vendu": "sold",
        "acheter": "buy",
        "vendre": "sell",
        "dois-je": "should i",
        "demain": "tomorrow",
        "en": "in",
        "dans": "in",
        "nouvelles": "news",
        "actualités": "news",
        "chiffre": "revenue",
        "je": "i",
        "détiens": "hold",
        "le": "the",
        "sur": "over",
        "au": "on",
        "ai-je": "do i",
        "aujourd'hui": "today",
        "la": "the",
        "les": "the",
    },
}
_KNOWN = frozenset(
    """
    about above account accounts adjusted after against all alpha also altogether always among amount annual
    annualised annualized answer another any are around article articles asset assets average averages back balance
    bars base because been before began beginning being below benchmark best beta better between biggest block
    bollinger book both bottom bought brought build buying calculate calmar came cash cause caused change changed
    changes charge cheap chart cheaper close closed closes closing combined commission commissions company compare
    compared comparison compute confidence contributed contribution contributions contributor contributors
    correlation cost costs could count cross currency currencies currently daily date dates days debt decline
    deepest deposit deposits detractor did difference different dividend dividends document dollar dollars done down
    downgrade drawdown drawdowns drawn drivers driven drove during each earlier earned earning earnings effect ended
    ending equity ever every excess execute expect expected expense expenses explain exposure fact factor fallen
    fees fell figures filed filing filings find first five flow follow forecast form four from fund funds future
    gain gained gains gave generated give given golden good great greater gross grew growth guess happen happened
    have headline headlines held help here high higher highest history hold holding holdings hour house how huge
    hundred ignore improve include including income increase index industry information instead instructions
    interest into invest invested investment just know large larger largest last late lately later latest least left
    less let liabilities like likely line list listed long look loss losses lost low lower lowest made make
    management many margin margins market markets match mean means meant measure members mention mentioned mentions
    momentum money month monthly months more most move moved moving much named near need negative never newest news
    next none normal note notes number numbers often only open opened opening operating other over owned paid part
    parts passage past peak pattern patterns people percent percentage perform performance performed performing
    period periods place plan please point points portfolio portfolios position positions positive possible pretend
    previous price prices probably profit profits prompt proportion publish published purchase purchased purchases
    quantity quarter quarterly quarters question quickly quote range rank rate rates ratio ratios reached reason
    received recent recently recommend record recovered relative report reported reports repeat result results
    return returned returns revenue revenues right risk rise risen rises rising risky rose sales same say says scan
    score screen screened search second section sector sectors security sell selling sentiment session sessions
    several share shares sharpe short should show shown signal signals simple since single size sized small smaller
    smallest sold some sort sortino split spread standard start started statement statements stock stocks strong
    strongest success such suggest table take taken target taxes tell terms than that their them then there these
    they thing things think third this those three time times today together tomorrow tone took total trade traded
    trades trading transaction transactions trend triggered trough true turnover twelve twice under unit units
    universe unrealised unrealized until upper upside value valued values verify volatile volatility volume weak
    weaker weakest weigh weighed weight weighted weights went were what whats when where which while whole whose
    will with within without word words work works worse worst worth would write year yearly years yesterday yield
    yields your january february march april june july august september october november december monday friday
    average exceed exceeds mostly compare versus deviation drive drives driving driver upgrade earns monsoon prepaid
    exchange euros euro rupees rupee pounds technology financials energy materials industrials utilities health care
    consumer staples discretionary telecommunications services financial estate bullish bearish breakout overbought
    oversold custody withheld withdrawal withdrawals bonds explained annually detail details latest weekly tuesday
    thursday wednesday around shareholders auditors weakness net low fast all any are can for has now out see key
    new big day old one two top cut gap hit job tap win run way act aim cost cash ball fit well live care nice love
    life pool core team ever fun edge true real time tech best flow leave leaves costing implied options option
    calls puts instead highs lows trades itself yourself
    """.split()
)


def simple(text: str) -> str:
    """In small letters, with plain quotes and dashes, possessives dropped, white space folded."""
    seen = unicodedata.normalize("NFKC", text).casefold()
    for fancy, plain in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("−", "-"), ("\u2011", "-")):
        seen = seen.replace(fancy, plain)
    seen = re.sub(r"'s\b", "", re.sub(r"\b(what|who|how|where|when|that|it|there)'s\b", r"\1 is", seen))
    return " ".join(re.sub(r"[^\S ]+", " ", seen).split())


def without_pasted(text: str) -> str:
    """The question's own lines: rows of tables are left out, and the middle of a long text."""
    lines = [line for line in text[:MAX_LOOKED_AT_CHARS].splitlines() if not is_row(line)]
    kept = "\n".join(line[:MAX_READ_CHARS] for line in lines)
    if len(kept) <= MAX_READ_CHARS + MAX_TAIL_CHARS:
        return kept
    return f"{kept[:MAX_READ_CHARS]}\n{kept[-MAX_TAIL_CHARS:]}"


def is_row(line: str) -> bool:
    """Whether a line is a row of a pasted table."""
    if line.count("|") >= 2 or line.count("\t") >= 1:
        return True
    return max(line.count(","), line.count(";")) >= 3 and len(re.findall(r"[0-9]+", line)) >= 3 and len(line) < 400


def language_of(plain: str) -> Language:
    """The language of a text in small letters, by its commonest words."""
    letters = [each for each in plain if each.isalpha()]
    strange = sum(each > "\u024f" for each in letters)
    if letters and strange / len(letters) > LEAST_OTHER_SHARE:
        return "other"
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", plain)
    counts: dict[Language, int] = {
        "german": sum(word in _GERMAN for word in words),
        "french": sum(word in _FRENCH for word in words),
        "other": sum(word in _OTHER for word in words),
    }
    english = sum(word in _KNOWN or word in _SMALL for word in words)
    name, most = max(counts.items(), key=lambda pair: pair[1])
    return name if most >= LEAST_FOREIGN and most >= english else "english"


_SMALL = frozenset(
    "a an and as at be by can did do does for had has have how i if in is it its me my no not of on or our so that the "
    "to too up us was we what when which who why will with you is there any been".split()
)


def mended(plain: str) -> str:
    """The text with misspelt words of the field put right."""
    left = MAX_MENDED
    pieces = []
    for piece in re.split(r"([a-z]+)", plain):
        if left and len(piece) >= LEAST_MENDED_CHARS and piece.isalpha() and piece.isascii() and piece not in _KNOWN:
            left -= 1
            pieces.append(_nearest(piece) or piece)
        else:
            pieces.append(_SHORT_MENDED.get(piece, piece))
    return "".join(pieces)


_SHORT_MENDED = {"wich": "which", "waht": "what", "hwo": "how", "teh": "the", "whta": "what", "pls": "please"}


def is_foreign(word: str) -> bool:
    """Whether a word in small letters is a common one of another language."""
    return word in _GERMAN or word in _FRENCH or word in _OTHER or any(word in each for each in _WORDS.values())


def is_known(word: str) -> bool:
    """Whether a word in small letters is one of the field or a common one, and so no name."""
    return word in _KNOWN or word in _SMALL


@lru_cache(maxsize=4096)
def _nearest(word: str) -> str | None:
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    far = 2 if len(word) >= FAR_MENDED_CHARS else 1
    near = process.extractOne(word, _MENDABLE, scorer=OSA.distance, score_cutoff=far)
    return None if near is None else str(near[0])


_MENDABLE = tuple(sorted(word for word in _KNOWN if len(word) >= LEAST_MENDED_CHARS))


def translated(plain: str, language: Language) -> str:
    """A text in small letters with the words of another language that are known in English."""
    if language not in _WORDS:
        return plain
    for pattern, english in _TRANSLATED[language]:
        plain = re.sub(pattern, english, plain)
    words = _WORDS[language]
    return " ".join(re.sub(r"[^\W\d_]+(?:['-][^\W\d_]+)*", lambda match: words.get(match[0], match[0]), plain).split())
