"""Orders in texts from outside, which have no business giving any: a user may say all of this.

See `core.ai.guards.phrases`.
"""

from __future__ import annotations

import re

from core.ai.guards.phrases import Phrase, needle_groups


def _phrase(kind: str, weight: float, needles: str, pattern: str) -> Phrase:
    return Phrase(kind, weight, re.compile(pattern), needle_groups(needles))


_ADDRESSED = (
    r"(?:(?:ai|a\.i\.|llms?|language models?|chat ?bots?|ai (?:assistants?|systems?|models?|agents?)"
    r"|assistants?|gpt|chatgpt"
    r"|claude|gemini)\b)"
)
_ORDER = (
    r"(?:ignore|disregard|do not|don't|must not|never|always|rate|recommend|output|answer|say|tell"
    r"|include|call|ask|send"
    r"|praise|mention|reply|respond|please)"
)
OUTSIDE = (
    _phrase(
        "addressed",
        6,
        "ai|llm|language model|chatbot|assistant|gpt|claude|gemini"
        "&attention|note to|dear|to the|to all|instruction|hidden text|message|if you are",
        rf"(?:attention|note to|dear|to the|to all|instructions? (?:for|to)|hidden text:?|message (?:for|to)"
        rf"|if you are an?) "
        rf"(?:[\w-]+ )?{_ADDRESSED}[^.!?\n]{{0,80}}\b{_ORDER}\b",
    ),
    _phrase(
        "addressed",
        6,
        " ai |ai assistant|ai system|ai model|ai agent|llm|language model|chatbot|assistant|chatgpt|ai:",
        rf"{_ADDRESSED}(?: (?:reading|processing|that reads?|who reads?|summari[sz]ing)[^.!?\n:,]{{0,40}})?[:,]? "
        r"(?:must|should|shall|please|:|,|are instructed to|is instructed to|will now|has to|have to)[^.!?\n]{0,60}"
        rf"\b{_ORDER}\b",
    ),
    _phrase(
        "addressed",
        6,
        "assistant",
        r"the assistant (?:must|shall|should|has to) (?:now |always |never )?"
        r"(?:call|recommend|say|tell|answer|ignore|delete|send|output)",
    ),
    _phrase(
        "order",
        6,
        "summari",
        r"when(?:ever)? (?:you )?(?:are )?summari[sz](?:e|ing) this[^.!?\n]{0,60}"
        r"\b(?:always|never|do not|don't|say|must)\b",
    ),
    _phrase(
        "order",
        6,
        "the user|their password",
        r"(?:tell|ask|instruct|urge) the user (?:to|for|that)\b[^.!?\n]{0,60}"
        r"\b(?:password|send|click|visit|key|credentials|account|wire|pay)",
    ),
    _phrase(
        "order",
        6,
        "the user",
        r"(?:do not|don't|never) (?:tell|reveal|mention|show)\b[^.!?\n]{0,40}\bthe user\b",
    ),
    _phrase(
        "order",
        6,
        "the user's question|user's portfolio|the link http",
        r"(?:disregard|ignore) the user's (?:question|request)|\binclude the link\b[^\n]{0,120}\buser",
    ),
    _phrase("order", 6, "call the tool|use the tool", r"(?:call|use|invoke) the tool\b"),
    _phrase(
        "order",
        4,
        "answer only|output buy|the word buy",
        r"answer only with\b|\boutput (?:buy|sell)\b",
    ),
    _phrase(
        "order",
        4,
        "system message|system note|new policy",
        r"(?:important )?system (?:message|note)\b ?:|\bnew policy ?:",
    ),
    _phrase(
        "addressed",
        6,
        "assistant|system|ai|llm|chatbot|agent",
        r"(?:^|[\n|>;\"'(.!] ?)(?:(?:note|message|notice) (?:to|for) (?:the |all |any )?)?(?:ai(?: agents?| assistants?"
        r"| models?| systems?)?|assistants?|system(?: notice| note| message| order)?|llms?|chatbots?|agents?) ?: ?"
        r"(?:before you|list|call|buy|sell|print|output|say|tell|show|send|confirm|append|ignore|disregard|the true"
        r"|always|never|do not|you |your |from now|reply|answer|recommend|rate|include|reveal|repeat)\b",
    ),
    _phrase(
        "addressed",
        6,
        "note to ",
        r"note to (?:the |all )?(?:ai|llms?|assistants?|models?|chatbots?)\b",
    ),
    _phrase(
        "order",
        6,
        "you must",
        r"you must (?:now |always |never |only )?(?:recommend|rate|praise|say that|answer|reply|output|mention)\b",
    ),
    _phrase(
        "order",
        6,
        "rules|instructions",
        r"\b(?:ignore|disregard|forget) (?:all |any |the |your )*(?:rules|instructions) and (?:say|print"
        r"|output|reply|answer)\b",
    ),
    _phrase(
        "order",
        4,
        "reply with|respond with|answer with",
        r"\b(?:reply|respond|answer) (?:only )?with (?:nothing but|only|just)? ?the word",
    ),
    _phrase(
        "order",
        6,
        "assistant",
        r"\bassistants? (?:is|are|will be) from now on\b|\bassistant[^.!?\n]{0,60}\bbegins? every answer\b",
    ),
    _phrase(
        "addressed",
        6,
        "if you read|if you see|when you read|hey ai|hey assistant|hey chatgpt|automated reader|ai reader|ai agents"
        "|instruction|machine reader",
        r"\b(?:chatgpt|gpt|ai|llms?|assistant|claude|gemini)[,:]? (?:if|when) you (?:read|see|process)"
        r"|\bhey,? (?:ai|assistant|chatgpt|claude|gemini)\b|\bfor (?:automated|ai|machine) (?:readers|agents"
        r"|systems) ?:"
        r"|\binstructions? (?:for|to) (?:the )?(?:model|ai|llms?|assistant|bots?) ?:",
    ),
    _phrase(
        "addressed",
        6,
        "llm|language model|assistant|chatbot| ai ",
        r"\b(?:any|all|every|each) (?:ai|llms?|language models?|assistants?|chatbots?)(?: \w+){0,4} "
        r"(?:has to|have to|must|should|needs? to) (?:\w+ )?(?:end|say|conclude|rate|recommend|state|write"
        r"|answer|mention)",
    ),
)
