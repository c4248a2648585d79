"""The words by which intents and complexity are known: English first, the most usual of German and French beside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.ai.intents import Intent

_STRONG: dict[Intent, str] = {
    "summary": "summarise summarize summarised summarized summary summaries summarising summarizing tldr gist recap "
    "condense digest synopsis shorten fasse zusammenfassen zusammenfassung zusammengefasst kurzfassung "
    "résume résumer résumé synthèse",
    "sentiment": "sentiment sentiments tone bullish bearish mood optimism optimistic pessimism pessimistic stimmung "
    "tonfall tonalität tonalité humeur",
    "code": "python sql javascript typescript rust golang java vba macro excel pandas numpy polars regex refactor "
    "debug compile backtester backtesting keyerror typeerror valueerror traceback dataframe groupby "
    "postgres postgresql idempotency vectorised vectorized implementiere implémente programmiere "
    "multithreaded mutex async",
    "web": "latest newest google online internet web aktuell aktuelle aktuellen aktueller nachrichten actuel "
    "actuelle actuels actuelles currently",
    "analysis": "analyse analyze analysing analyzing analysiere evaluate assess assesses bewerte beurteile évalue "
    "compare vergleiche derive decompose optimise optimize stress dcf wacc lbo drawdown volatility "
    "volatilität volatilité backtest overbought oversold overvalued undervalued hedge hedging attribution "
    "montecarlo rentabilité rebalance sensitivities",
    "extraction": "extract extrahiere extrais extraire parse cik accession subsidiaries tabellarisch",
    "chat": "teach tutor lessons lesson define",
}
_USUAL: dict[Intent, str] = {
    "summary": "overview boil outline bullets abridge minutes points überblick stichpunkte stichpunkten shorter "
    "headline brief",
    "sentiment": "positive negative neutral feel feels feeling positiv negativ neutre positif négatif négative "
    "confident defensive cautious emotional euphoric gloomy headline headlines optimistisch pessimistisch "
    "haussier",
    "code": "function code script query queries loop array formula funktion fonction macro schema api library "
    "module modules tests test benchmark compiler class bug database migrations json csv pipeline "
    "deployment concurrency lock scheduler latency protocol",
    "web": "news recent recently search yesterday headlines today heute gestern aujourd links website press "
    "announced announcement announcements annonces dernières source sources suche recherche research "
    "published reports current cite",
    "analysis": "risk risks risky risiko rendite return returns performance valuation beta rsi macd ratio portfolio "
    "depot holdings margins leverage exposure correlation diversification duration scenario scenarios "
    "sensitive sensitivity calculate compute berechne calcule cheap expensive concentrated growth yield "
    "debt drives rank forecast value worth lost gained why warum pourquoi downgrade convincing justified "
    "recession above below momentum var cvar sharpe signal breakout model",
    "extraction": "list pull collect table columns json named names tickers ticker filed filing date dates deadlines "
    "liste figure figures numbers number currencies percentage amount amounts welche quel noms montant "
    "auditor coupon ledger normalise transcript parties covenants schedule exhibit every",
    "chat": "hello hi hey hallo bonjour thanks thank danke merci explain explains understand introduction course "
    "story describe means mean explique erkläre difference learn beginner",
}
WEIGHT_STRONG, WEIGHT_USUAL = 3.0, 1.2
WORDS: dict[str, tuple[tuple[Intent, float], ...]] = {}
"""What a word says of the intent, and how much."""
for _table, _weight in ((_STRONG, WEIGHT_STRONG), (_USUAL, WEIGHT_USUAL)):
    for _intent, _words in _table.items():
        for _word in dict.fromkeys(_words.split()):
            WORDS[_word] = (*WORDS.get(_word, ()), (_intent, _weight))

_PHRASES: tuple[tuple[str, Intent, float], ...] = (
    ("sum up", "summary", 3.0),
    ("sum that up", "summary", 3.0),
    ("tl;dr", "summary", 4.0),
    ("key point", "summary", 3.0),
    ("short version", "summary", 3.0),
    ("one sentence", "summary", 1.5),
    ("a sentence", "summary", 1.0),
    ("one line", "summary", 1.5),
    ("two lines", "summary", 2.0),
    ("ten lines", "summary", 1.5),
    ("main points", "summary", 2.0),
    ("points clés", "summary", 3.0),
    ("article about", "summary", 1.5),
    ("positive or negative", "sentiment", 3.0),
    ("good or bad", "sentiment", 3.0),
    ("gut oder schlecht", "sentiment", 3.0),
    ("good news", "sentiment", 2.5),
    ("bad news", "sentiment", 2.5),
    ("unit test", "code", 3.0),
    ("one-liner", "code", 3.0),
    ("thread-safe", "code", 3.0),
    ("rate limit", "code", 2.0),
    ("race condition", "code", 4.0),
    ("lock-free", "code", 4.0),
    ("matching engine", "code", 4.0),
    ("c++", "code", 4.0),
    ("r script", "code", 3.0),
    ("csv file", "code", 2.0),
    ("select ", "code", 1.0),
    ("data pipeline", "code", 3.0),
    ("right now", "web", 3.0),
    ("this morning", "web", 2.5),
    ("look up", "web", 3.0),
    ("look for recent", "web", 3.0),
    ("up-to-date", "web", 3.0),
    ("most recent", "web", 1.5),
    ("search for", "web", 2.5),
    ("news on", "web", 2.5),
    ("any news", "web", 3.0),
    ("this week", "web", 0.8),
    ("next week", "web", 1.5),
    ("report earnings", "web", 2.0),
    ("with links", "web", 2.5),
    ("with the source", "web", 2.0),
    ("p/e", "analysis", 1.5),
    ("what drives", "analysis", 2.0),
    ("why did", "analysis", 2.0),
    ("why is", "analysis", 2.0),
    ("how much", "analysis", 1.2),
    ("how risky", "analysis", 2.0),
    ("how sensitive", "analysis", 2.0),
    ("average", "analysis", 0.8),
    ("free cash flow", "analysis", 1.2),
    ("discounted cash flow", "analysis", 4.0),
    ("value at risk", "analysis", 2.0),
    ("head-and-shoulders", "analysis", 2.0),
    ("hat sich mein", "analysis", 2.5),
    ("wie hoch", "analysis", 1.5),
    ("accretion", "analysis", 2.0),
    ("which of my", "analysis", 2.5),
    ("capital structure", "analysis", 3.0),
    ("turn this into", "extraction", 3.0),
    ("put this", "extraction", 2.0),
    ("in this text", "extraction", 2.0),
    ("from this text", "extraction", 2.5),
    ("out of this", "extraction", 2.5),
    ("in this:", "extraction", 2.0),
    ("named here", "extraction", 3.0),
    ("form type", "extraction", 3.0),
    ("welche zahlen", "extraction", 3.0),
    ("du texte", "extraction", 2.0),
    ("e-mail address", "extraction", 2.5),
    ("pull the", "extraction", 2.5),
    ("pull every", "extraction", 2.5),
    ("pull out", "extraction", 2.5),
    ("give me the", "extraction", 0.8),
    ("what is a", "chat", 2.0),
    ("what is an", "chat", 0.5),
    ("what does", "chat", 1.0),
    ("what are ", "chat", 1.0),
    ("what kinds", "chat", 2.0),
    ("stand for", "chat", 2.5),
    ("difference between", "chat", 2.0),
    ("how do ", "chat", 1.2),
    ("how does", "chat", 1.5),
    ("how are ", "chat", 1.2),
    ("walk me through", "chat", 2.5),
    ("tell me how", "chat", 2.5),
    ("i'm new to", "chat", 3.0),
    ("who are you", "chat", 3.0),
    ("can you help", "chat", 2.0),
    ("was ist ein", "chat", 2.0),
    ("wie funktioniert", "chat", 3.0),
    ("comment fonctionne", "chat", 3.0),
    ("qu'est-ce", "chat", 3.0),
    ("good morning", "chat", 3.0),
    ("should i know", "chat", 2.5),
)
PHRASES: dict[str, tuple[tuple[str, Intent, float], ...]] = {}
"""What a turn of phrase says of the intent, and how much; by its first word."""
for _phrase, _intent, _weight in _PHRASES:
    _first = re.findall(r"[^\W\d_]+", _phrase)[0]
    PHRASES[_first] = (*PHRASES.get(_first, ()), (_phrase, _intent, _weight))

STEPS = frozenset(
    "analyse analyze compare contrast explain show rank propose recommend derive test tests optimise "
    "optimize decompose discuss describe assess evaluate weigh define handle relate distinguish normalise "
    "normalize reconcile flag mark convert compute calculate collect cite tabulate check rate score "
    "classify extract list summarise summarize condense group note find research build design implement "
    "write rewrite port review prove verify debug plan teach separate aggregate correct determine argue "
    "examine value merge detect parse map quote point say tell give conclude isolate measure judge search "
    "produce profile split label walk".split()
)
"""Verbs that each ask for a step of their own."""
HARD = frozenset(
    "derive dcf wacc lbo cvar optimise optimize backtester reconcile normalise normalised normalize "
    "decompose covenants brinson scenarios sensitivities sensitivity robust significant minimise "
    "concurrency architecture lock thread engine distributed isolation idempotency pricer barrier greeks "
    "stochastic calculus scholes turnover parity drawdown contradict contradictions securitisation "
    "clearing antitrust remedies stress basis literature terminal exercises problems schema".split()
)
"""Words of tasks that take thought, or knowledge of the trade."""
SCOPE = frozenset(
    "all every each full complete everything entire whole both alle jede chaque tous several many two "
    "three four five six seven eight nine ten twelve twenty thirty forty zwei drei vier fünf zehn deux "
    "trois quatre cinq dix compare compared comparison against versus difference disagree vergleiche "
    "vergleich worldwide".split()
)
"""Words that widen a task over several things, or hold them against one another."""
