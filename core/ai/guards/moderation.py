"""What no provider serves, by rules: harm to oneself or others, weapons of terror, children.

The rules ask for a first person or an order beside the thing itself, since the trade's own talk is full of bombs, kills
and poison pills. Questions about manipulation or insider trading are an analyst's business and are left to the models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.ai.guards.folded import folded
from core.ai.guards.verdict import FINE, Verdict

HELP = (
    "If you are thinking of harming yourself, please talk to someone now: in the US and Canada call or text 988, in the"
    " UK and Ireland call 116 123, in the EU call 112, elsewhere see findahelpline.com. Your message was not sent."
)
REFUSED = (
    "This asks for help with harming people, which no model here answers. Nothing was sent, and nothing was counted."
)
CHILDREN = "This sexualises children, which no model here answers. Nothing was sent, and nothing was counted."


@dataclass(frozen=True, slots=True)
class _Harm:
    rule: str
    sentence: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]


def _harm(rule: str, sentence: str, needles: str, pattern: str) -> _Harm:
    return _Harm(rule, sentence, tuple(needles.split("|")), re.compile(pattern))


_HOW = (
    r"(?:how (?:do|can|to|would|could|should)|instructions?|recipe|step[s-]|guide|explain|tell me"
    r"|teach me|show me|help me"
    r"|give me|i want to|wie (?:baue|kann|mache)|comment|como|anleitung)"
)
_MAKE = (
    r"(?:build|make|making|create|construct|assemble|cook|produce|synthesi[sz]e|culture|cultivate|brew"
    r"|prepare|weaponi[sz]e"
    r"|baue?n?|herstelle?n?|fabriquer|fabricar|hacer|construir|recipe|instructions)"
)
_WEAPON = (
    r"(?:(?<!time )(?<!debt )(?:pipe|nail|car|petrol|dirty|homemade )?\bbombs?\b|(?:explosive"
    r"|suicide) (?:vest|device|belt)"
    r"|\bieds?\b|molotov|sarin|\bvx (?:gas|agent)|nerve (?:agent|gas)|mustard gas|ricin|anthrax|botulinum"
    r"|chemical weapons?"
    r"|biological weapons?|bombe|\bbomba\b|sprengstoff|sprengsatz)"
)
_PERSON = (
    r"(?:(?:my|our|the|his|her) (?:\w+ )?(?:boss|wife|husband|neighbou?rs?|co-?workers?|colleagues?"
    r"|family|parents?|mother"
    r"|father|brother|sister|girlfriend|boyfriend|ex|teachers?|classmates?|roommate|kids|children|boyfriend|landlord)"
    r"|people|someone|somebody|everyone|a person|innocent)"
)
_SEXUAL = (
    r"(?:sex(?:ual(?:ly)?|y)?(?! (?:harassment|abuse|assault|offen|education|traffic|misconduct))|erotic|nude|porn\w*)"
)
_MINOR = (
    r"(?:child(?:ren)?\b(?! (?:company|process|node|window|order))|minors?\b|toddler|pre-?teen|under-?age"
    r"|little (?:girl|boy)"
    r"|school ?(?:girl|boy)|(?:[1-9]|1[0-7]|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen)"
    r"[ -]years?[ -]old)"
)
_ASKED = r"(?:write|describe|show|generate|draw|tell|make|create|give|find|send|want|depict|imagine)"

_HARMS = (
    _harm(
        "self_harm",
        HELP,
        "myself|my life|suicide",
        r"\b(?:kill|hang|drown|hurt) myself\b(?! (?:for|over) (?:buying|selling|not|missing|holding))"
        r"|\bend my (?:own )?life\b"
        r"|\b(?:how (?:do|can|to)|want to|going to|best way to) (?:i )?commit(?:ting)? suicide",
    ),
    _harm(
        "self_harm",
        HELP,
        "umbringen|mein leben|suicid|me tuer|matarme|selbstmord",
        r"\bmich (?:selbst )?umbringen|mein leben beenden|\bme suicider|\bme tuer\b|\bsuicidarme|\bmatarme\b"
        r"|\bselbstmord begehen",
    ),
    _harm(
        "weapons",
        REFUSED,
        "bomb|explosive| ied|molotov|sarin|nerve|mustard gas|ricin|anthrax|botulinum|weapon|vx |spreng",
        rf"\b{_HOW}\b[^.!?\n]{{0,60}}\b{_MAKE}\b[^.!?\n]{{0,40}}{_WEAPON}"
        rf"|\b(?:recipe|instructions?) (?:for|to)\b[^.!?\n]{{0,30}}{_WEAPON}|\b{_HOW}\b[^.!?\n]{{0,20}}\b{_WEAPON}"
        r"[^.!?\n]{0,40}\b(?:bauen|baue|herstellen|spreads? in)",
    ),
    _harm(
        "violence",
        REFUSED,
        "kill|murder|shoot|stab|poison|behead|massacre",
        rf"\b(?:i|i'm|i am|we)\b[^.!?\n]{{0,20}}\b(?:want|going|plan|planning|will|intend|about|need"
        rf"|like)\b[^.!?\n]{{0,12}}"
        rf"\b(?:kill|murder|shoot|stab|poison|behead|massacre) {_PERSON}\b"
        rf"|\bhow (?:do|can|to|would|could|should)(?: i| one| you)? (?:\w+ )?(?:kill|murder|shoot|stab|poison"
        rf"|behead) {_PERSON}\b",
    ),
    _harm(
        "violence",
        REFUSED,
        "threaten",
        r"\b(?:write|help me|draft|compose)\b[^.!?\n]{0,30}\b(?:death threats?|threatening "
        r"(?:messages?|letters?|e-?mails?|texts?)[^.!?\n]{0,60}\b(?:stab|kill|hurt|shoot|fear))",
    ),
    _harm(
        "minors",
        CHILDREN,
        "sex|erotic|nude|porn",
        rf"\b{_ASKED}\b[^.!?\n]{{0,40}}\b{_SEXUAL}\b[^.!?\n]{{0,40}}\b{_MINOR}"
        rf"|\b{_ASKED}\b[^.!?\n]{{0,40}}\b{_MINOR}[^.!?\n]{{0,40}}\b{_SEXUAL}\b",
    ),
)


def moderated(text: str, plain: str | None = None) -> Verdict:
    """Whether a text asks for what no provider serves, and what its asker is told.

    `plain` is the text as it is folded, where that is known.
    """
    plain = folded(text) if plain is None else plain
    for harm in _HARMS:
        if any(needle in plain for needle in harm.needles) and harm.pattern.search(plain):
            return Verdict(True, harm.rule, harm.sentence)
    return FINE
