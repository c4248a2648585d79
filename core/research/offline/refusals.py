"""What is refused, and how: forecasts, advice, orders, what others have, rules to be ignored, and what is not here."""

from __future__ import annotations

import re

from core.research.offline.asked import Asked
from core.research.offline.dates import no_such_day

ABILITIES = (
    "What can be asked here: prices, returns and indicators of shares and indices, screens, "
    ""
    ""
    "records of signals, filings, "
    "statements and news, and of a chosen portfolio its holdings, transactions, "
    "performance, risk and what a trade would change."
)
"""What the offline answers can do, for those who asked for something else."""
ONLY_ENGLISH = (
    "Offline answers understand English, and the commonest words of German and French; this "
    ""
    "question could not be read. "
    "Please ask it in English."
)
NOT_UNDERSTOOD = "This question was not understood by the offline rules, so it cannot be answered without a model."
_SUPPOSES = re.compile(r"\b(?:if|suppose|supposing|assuming|assume|imagine)\b")
_FUTURE = re.compile(
    r"\b(?:tomorrow|next (?:week|month|quarter|year|session|few|fiscal|earnings)|in the "
    r"future|coming (?:week|month|year)s?|"
    r"(?:in|within) (?:the next|[0-9]+ (?:days|weeks|months|years) (?:time|from now)))\b"
)
_FORECAST = re.compile(
    r"\b(?:forecast|predict(?:ion|ed|s)?|projection|price target|target price|outlook|"
    r"expected (?:return|price|earnings)|"
    r"prognosis|extrapolate|where (?:is|are) .{1,60} (?:headed|heading|going))\b"
)
_WILL = re.compile(
    r"\b(?:will|going to|gonna|'ll|expect(?:ed)? to|likely to)\b.*\b(?:be|rise|fall|go|reach|"
    r""
    r"close|earn|hit|trade|crash|happen|"
    r"perform|report|do|double|recover|grow|drop|increase|decrease|pay|outperform|continue|make|return|gain|lose)\b"
)
_ADVICE = re.compile(
    r"\bshould (?:i|we|one|you)\b|\b(?:good|right|best|bad) (?:time|idea|moment|point) to "
    r"(?:buy|sell|invest|hold|add|exit)\b|"
    r"\b(?:recommend|recommendation|advise|advice|tip|tips)\b|\b(?:good|strong|bad|safe) (?:buy|sell|investment|bet)\b|"
    r"\bworth (?:buying|selling|holding)\b|\bwhat (?:stocks?|shares?)? ?(?:to|shall i) (?:buy|sell)\b|"
    r"\b(?:over|under)valued\b|\bbuy or sell\b|\bsell or (?:hold|keep|buy)\b|\bshall i\b|"
    r"\bwhat would you (?:buy|sell|do)\b|"
    r"\b(?:a|the) (?:better|best) (?:investment|buy)\b|\bis it (?:time|wise|smart|safe) to\b|"
    r"\bis .{0,40}@.{0,20} a (?:buy|sell|hold)\b"
)
_OBJECT = r"(?=\s(?:my|our|a|an|the|this|that|all|half|some|more|me|it|them|everything|[0-9$€£]|@))"
"""What follows a verb that orders something; without it the word may be a noun."""
_ORDER = re.compile(
    r"^(?:please |now |go |can you |could you |just )*(?:buy|sell|short|order|purchase|liquidate|rebalance)\b"
    rf"{_OBJECT}(?!.*\bhow many\b)|"
    r"\b(?:place|submit|execute|cancel|send)\b.{0,40}\b(?:order|trade)s?\b|"
    r"^(?:please |now |can you |could you )*(?:add|enter|delete|remove|record|rename|create|import|change|transfer|"
    rf"withdraw|deposit|wire|e-?mail|send)\b{_OBJECT}"
)
_RULES = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,60}\b(?:instructions?|rules?|"
    r"prompts?|previous|above|guard\w*|restrictions?|limits?)\b|"
    r"\b(?:system|hidden|initial|secret|developer) (?:prompt|message|instructions?)\b|"
    r"\b(?:print|reveal|show|repeat|tell|give|output|dump)\b.{0,40}\b(?:your|the) (?:prompt|"
    r"instructions?|rules|tools?|configuration|api keys?|"
    r"keys?|passwords?)\b|"
    r"\b(?:jailbreak|dan mode|developer mode|admin mode|root access)\b|\b(?:pretend|act as|"
    r"you are now|roleplay)\b|\bapi keys?\b|\bpasswords?\b"
)
_OTHERS = re.compile(
    r"\b(?:(?:someone|somebody|anyone|anybody|everyone|everybody)(?: else)?|(?:another|other|"
    r""
    r""
    r"all|every|each|any)(?: other)? "
    r"(?:users?|people|members?|clients?|customers?|organi[sz]ations?|analysts?|colleagues?|persons?))(?:'s?)?\b.{0,40}"
    r"\b(?:portfolios?|holdings|positions|transactions|trades|accounts?|conversations?)\b|"
    r"\b(?:colleague|neighbou?r|boss|friend|client|competitor|manager|wife|husband|brother|"
    r"sister|admin|owner|user)(?:'?s)?\b.{0,30}"
    r"\b(?:portfolios?|holdings|positions|transactions|trades|account|own|hold)\b"
)
_OWNED = re.compile(
    r"\b(?!(?:What|Where|How|Who|That|It|Today|Let|Here|There|When|Yesterday|Why|Which|Portfolio)\b)"
    r"[A-Z][a-z]+(?:\s[A-Z][a-z]+)?(?:'s|’s|s'|s’)\s(?:\w+\s){0,2}(?:portfolio|holdings|"
    r"positions|account|transactions|trades)\b|"
    r"\b(?:portfolio|holdings|positions|account|transactions)\s(?:of|from|belonging "
    r"to)\s(?:the\s)?(?:user\s)?[A-Z][a-z]+\s[A-Z][a-z]+\b|"
    r"[\w.+-]+[@¤][\w-]+\.[\w.]+|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-"
)
_ABSENT = re.compile(
    r"\bimplied vol\w*|\b(?:call|put|stock) options?\b|\boptions? (?:chain|price|on|market|"
    r"expir\w*)\b|\bcalls? (?:on|of)\b|\bputs? (?:on|of)\b|"
    r"\b(?:strike|expiry|delta|gamma|theta|vega) (?:price|of|date)\b|\bopen interest\b|"
    r"\bfutures?\b (?:price|curve|contract)|"
    r"\bbitcoin\b|\bcrypto\w*\b|\bethereum\b|\bweather\b|\bdark pool|\bshort interest\b|\binsider (?:trad|buy|sell)\w*|"
    r"\banalysts?'? (?:rating|target|consensus|estimate|recommendation)s?\b|\bconsensus\b|"
    r"\border book\b|\bbid[\s-]ask\b|\bbid and ask\b|"
    r"\bintraday\b|\bminute bars?\b|\btick data\b|\besg\b|\bcredit rating\b|\bcredit "
    r"default\b|\bcds\b|\bemployees?\b|\bceo\b|"
    r"\btreasury\b|\binflation\b|\bgdp\b|\bunemployment\b|\bgold price\b|\boil price\b|"
    r"\binterest rates? (?:of|in|by) the (?:fed|ecb)\b|"
    r"\btwitter\b|\breddit\b|\bpoem\b|\bjokes?\b|\brecipe\b|\belection\b|\bphone number\b|"
    r"\bearnings call\b|\btranscripts?\b|"
    r"\bgoogle trends\b|\bsocial media\b|\bmarket makers?\b|\bborrow(?:ing)? (?:cost|rate|fee)\b"
)


def refusal_of(asked: Asked) -> str | None:
    """Why a sentence is not answered; None where it may be."""
    text = asked.text
    supposes = _SUPPOSES.search(text) is not None
    if _RULES.search(text):
        return (
            "I cannot do that: the rules of the workbench stand whatever a question or a text says, "
            ""
            "and how they are written is not shown."
        )
    if is_of_others(asked):
        return (
            "I cannot show another person's portfolio: you only see your own portfolios and those "
            "that are shared with you."
        )
    if absent := _ABSENT.search(text):
        return f"I cannot tell: the workbench has no data on “{absent[0].replace('@', 'it').strip()}”. {ABILITIES}"
    if _FUTURE.search(text) or _FORECAST.search(text) or (_WILL.search(text) and not supposes):
        return (
            "I cannot tell: nobody knows what comes after the day that is seen, and forecasts are "
            f"not made here. {ABILITIES}"
        )
    if _ADVICE.search(text):
        return (
            "I cannot advise: the workbench tells figures, and what to do with a holding is for you "
            "to decide. Ask for its return, its risk, or what "
            ""
            ""
            "a trade would change."
        )
    if _ORDER.search(text) and not supposes:
        return (
            "I cannot do that: nothing is traded, sent or entered from the chat. Transactions are "
            "entered on the Portfolio page; what a trade would "
            ""
            ""
            "change can be asked here."
        )
    day = no_such_day(text, asked.context.as_of)
    if day is not None:
        named = re.sub(r"[a-z]{3,}", lambda month: month[0].capitalize(), day)
        return f"I cannot tell: there is no day “{named}”. Ask again with a day of the calendar."
    return None


def is_of_others(asked: Asked) -> bool:
    """Whether it asks for what somebody else has."""
    name = asked.context.portfolio or ""
    said = asked.said.replace(name, "") if name else asked.said
    owned = _OWNED.search(said)
    if owned is not None and not any(each.start < owned.end() and owned.start() < each.end for each in asked.named):
        return True
    return _OTHERS.search(asked.text) is not None and not re.search(r"\bmy\b|\bdo i\b|\bmembers? of\b", asked.text)
