"""The phrases by which orders to a model are told: rules with weights, over text as `core.ai.guards.folded` folds it.

A rule is tried where one of its needles stands in the text. Weights add up, each kind at most
by its two heaviest rules; `core.ai.guards.injection` has the scores from which something is done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """One rule."""

    kind: str
    weight: float
    pattern: re.Pattern[str]
    needles: tuple[tuple[str, ...], ...]
    """Of each group one is in every text that it matches; a pattern alone would take long to find nothing."""


def _phrase(kind: str, weight: float, needles: str, pattern: str) -> Phrase:
    return Phrase(kind, weight, re.compile(pattern), needle_groups(needles))


def needle_groups(needles: str) -> tuple[tuple[str, ...], ...]:
    """Groups of needles, parted by `&`, and the needles of each, parted by `|`."""
    return tuple(tuple(group.split("|")) for group in needles.split("&"))


_DROP = (
    r"(?:ignor(?:e|ing)|disregard|forget(?: about)?|overrid(?:e|ing)|bypass|neglect|circumvent|never ?mind|set aside"
    r"|put aside|throw away|skip|pay no attention to|overlook|erase|discard|abandon|get rid of|drop"
    r"|(?:stop|quit) (?:following|obeying)|(?:do not|don'?t|never) (?:follow|obey|apply|use))"
)
_WORDS = r"(?:(?!and |but |if |until )[\w'’,/-]+ ){0,5}?"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|foregoing|initial|original|former|past|old|existing)"
_RULES = (
    r"(?:instructions?|directions?|directives?|rules?|guidelines?|prompts?|commands?|programming"
    r"|polic(?:y|ies)"
    r"|constraints?|restrictions?|safeguards?|guardrails?|safety)"
)
_AT_START = r"(?:^|[.!?:;,\n\"'(] ?|please |pls |also |now |then |must |should |shall |just |and |to |, )"
_SHOW = (
    r"(?:print|reveal|show|repeat|output|display|tell|give|write|leak|expose|quote|recite|dump|translate"
    r"|encode|disclose"
    r"|summari[sz]e|convert|turn|rewrite|rephrase|list|copy|paste|send|return|spell|say|share|provide"
    r"|describe|what(?:'s| is| are| was| were))"
)
_OUR_WORDS = (
    r"(?:system ?(?:prompt|message|instructions?)\b"
    r"|(?:your|the) (?:[\w-]+ ){0,2}?(?:initial|hidden|secret|internal|original|confidential|system) "
    r"(?:system )?(?:prompt|instructions?|rules|guidelines|directives|mark|message)\b"
    r"|your (?:own |full |entire |whole |exact |complete )*(?:prompt|instructions|directives|guidelines|rules)\b"
    r"(?! (?:(?:for|on|about|how|to (?!me\b)|regarding|concerning|of)\b|respon|repl|payment|attention"
    r"|action|answer|help))"
    r"|(?:rules|instructions) you (?:must|have to) (?:follow|obey)(?! (?:when|to|if|for|in|as)\b)"
    r"|everything you (?:were|have been) told"
    r"|developer (?:message|prompt|instructions)|hidden (?:prompt|instructions?)|your context\b"
    r"|(?:prompt|instructions?|rules) (?:that |which )?you (?:were|have been|are|had been|received|got|have))"
)
_PERSONA = (
    r"(?:pretend|act(?:ing)? as|imagine|simulate|respond as|reply as|answer as|you are|you're|stay in character|role"
    r"|be an? )"
)
_UNBOUND = (
    r"(?:(?:without|no|not bound by|free (?:of|from)|has no|have no|had no|ignores?) (?:[\w'’]+ ){0,3}?"
    r"(?:restrictions?|filters?|limits?|limitations|rules|guidelines|polic(?:y|ies)|morals?|moral constraints"
    r"|ethic(?:s|al guidelines)|constraints?|censorship)|unrestricted|uncensored|unfiltered"
    r"|never refuses?|jailbroken|amoral)"
)

_DROPPING = (
    "&ignor|disregard|forget|overrid|bypass|neglect|circumvent|never mind|nevermind|set aside|put aside|throw away|skip"
    "|stop following|stop obeying|quit |not follow|don't follow|don’t follow|not obey|not apply|never follow|never obey"
    "|not use|never use"
    "|never apply|dont follow|pay no attention|overlook|erase|discard|abandon|get rid|drop "
)

ENGLISH = (
    _phrase(
        "override",
        5,
        "instruction|direction|directive|rule|guideline|prompt|command|programming|polic|constraint"
        "|restriction"
        "|safe|guardrail|filter|training" + _DROPPING,
        rf"{_DROP} {_WORDS}(?:{_EARLIER} {_WORDS}{_RULES}\b|{_RULES} (?:above|before|that came|you (?:were|have))"
        rf"|the above {_RULES})",
    ),
    _phrase(
        "override_order",
        4,
        "instruction|direction|directive|rule|guideline|prompt|command|programming|polic|constraint"
        "|restriction|safe|guardrail" + _DROPPING,
        rf"{_AT_START}{_DROP} {_WORDS}(?:{_EARLIER}|above) {_WORDS}{_RULES}\b(?! (?:that|of|from|given|to|for|which) "
        r"(?:the|a|an|conflict|my|our|its)\b)",
    ),
    _phrase(
        "override_yours",
        8,
        "your|you were|you are|you have|apply to me" + _DROPPING,
        rf"{_DROP} {_WORDS}(?:your (?:(?!for |of |on |in |to |and )[\w-]+ ){{0,2}}?(?:{_RULES}|filters?|training)\b"
        rf"|{_RULES} (?:that |which )?(?:imposed on you"
        rf"|you (?:were|are"
        rf"|have|had|received))"
        rf"|{_RULES}[^.!?]{{0,30}}do(?:es)? not apply to me)",
    ),
    _phrase(
        "override_all",
        8,
        "everything|whatever|all that|anything|all of the above|all above|all before" + _DROPPING,
        rf"{_DROP} (?:absolutely )?(?:everything|all|anything|whatever) (?:that |which )?"
        r"(?:above|before|prior|(?:that )?came before|you (?:were|have been|are|know|learned)|(?:was"
        r"|has been) (?:said|told)|(?:i"
        r"|they|we) told you)",
    ),
    _phrase(
        "override_policy",
        6,
        "content polic|safety rules|safety guidelines",
        rf"{_DROP} {_WORDS}(?:content polic(?:y|ies)|safety (?:rules|guidelines))",
    ),
    _phrase(
        "void",
        5,
        "instruction|rules|guideline|prompt|orders&void|cancel|obsolete|replaced|revoked|lifted|suspended|no longer"
        "|only a test"
        "|a mistake|deleted|they were",
        rf"(?:your|{_EARLIER}) (?:[\w-]+ )?(?:instructions|rules|guidelines|prompt|orders)s? "
        r"(?:are|is|were|have been|has been) (?:now )?(?:hereby )?(?:void|cancell?ed|obsolete|replaced|revoked|lifted"
        r"|suspended|no longer|only a test|a mistake|deleted)|\b(?:rules|instructions) above are (?:obsolete|void)"
        r"|\b(?:rules|instructions); they were",
    ),
    _phrase("no_longer", 5, "no longer appl", r"(?:it|they|rules|instructions|prompt) no longer appl(?:y|ies) to you"),
    _phrase(
        "new_orders",
        4,
        "new instruction|new rules|real instructions|following instructions|replaced by the ones",
        r"(?:new|real|updated|actual) (?:system )?(?:instructions?|rules|task)(?:\s?[:.]| follow| begin"
        r"| are| from now)"
        r"|replaced by the ones",
    ),
    _phrase(
        "new_task",
        5,
        "task",
        r"your (?:only|new|real|true|sole) (?:task|job|purpose|goal|role)\b[^.!?\n]{0,12}\b(?:is|now|will)\b",
    ),
    _phrase(
        "obey",
        4,
        "obey|every request|exactly what i say|answer everything|you answer every|in everything",
        r"(?:obey (?:the user|me|every)|comply with (?:every|any|all) requests?|do exactly what i say"
        r"|answers? (?:to )?every(?:thing|one)|you answer everything|restrictions? lifted)",
    ),
    _phrase(
        "from_now_on",
        3,
        "from now on|from this point",
        r"from (?:now on|this point(?: on)?),? you (?:will|must|ignore|are|shall|respond|obey|have no)\b",
    ),
    _phrase(
        "persona",
        8,
        "do anything now|stands for do|dan mode|godmode|god mode",
        r"do anything now\b|\b(?:dan|god|dev(?:eloper)?) ?mode (?:on|enabled|activated)|\b(?:enable|enter"
        r"|activate) god ?mode",
    ),
    _phrase(
        "persona",
        8,
        "you are now|you are no longer|you're now|become dan|are dan",
        r"you(?:'re| are) now (?:dan\b|an? (?:unrestricted|uncensored|unfiltered|evil|jailbroken|rogue|free|hacker)"
        r"|in (?:maintenance|developer|debug|god|jailbreak|admin|unrestricted) mode|free (?:of|from))"
        r"|\byou are no longer (?:an? (?:ai|assistant|language|chatbot|bot)|bound|restricted|limited)|\byou are dan\b",
    ),
    _phrase(
        "persona",
        8,
        "restriction|filter|limit|rules|guideline|polic|moral|ethic|constraint|censor|uncensored|amoral"
        "|unrestricted|never refuse|jailbroken"
        "&pretend|act as|acting as|imagine|simulate|respond as|reply as|answer as|you are|you're"
        "|in character|role|be an",
        rf"{_PERSONA}\b[^.!?\n]{{0,70}}\b(?:ai(?! (?:chip|compan|stock|firm|maker|business|start))|a\.i\."
        rf"|model|assistant|bots?|chatbot|gpt|you|character"
        rf"|persona|who|\w+gpt|\w+bot)\b"
        rf"[^.!?\n]{{0,80}}\b{_UNBOUND}",
    ),
    _phrase(
        "persona",
        8,
        "without any restriction|without restriction|without any filter|without limit|without any limit|"
        "without censorship|answer freely",
        r"(?:answer|respond|reply|speak|act)(?: \w+){0,4} (?:without (?:any )?(?:restrictions?|filters?"
        r"|limits?|censorship|rules)"
        r"|freely)\b(?! imposed)",
    ),
    _phrase(
        "persona",
        5,
        "uncensored|unfiltered|jailbroken|no rules|no restrictions|no content policy|evil",
        r"(?:uncensored|unfiltered|jailbroken|evil) (?:ai|model|assistant|chatbot|gpt|version|persona)|\bjailbroken\b"
        r"|\bwho has no (?:rules|limits)|\bno content policy",
    ),
    _phrase(
        "mode",
        8,
        "developer mode|dev mode|debug mode|god mode|jailbreak mode|dan mode|sudo mode|admin mode|maintenance mode"
        "|unrestricted mode|unsafe mode",
        r"(?:enter|enable|activate|switch (?:in)?to|turn on|start|go into) (?:the )?(?:developer|dev|debug"
        r"|god|jailbreak|dan"
        r"|sudo|admin|maintenance|unrestricted|unsafe) mode",
    ),
    _phrase(
        "unlock",
        8,
        "unlock all|guards are|guardrails|filters are|policies are disabled|system override",
        r"unlock all (?:functions|features of yours|restrictions)|\ball (?:guards|guardrails|filters|content policies"
        r"|safety (?:checks|filters)) (?:are )?(?:switched |turned )?(?:off|disabled|removed|gone)"
        r"|\[ ?system override ?\]",
    ),
    _phrase("jailbreak", 2, "jailbreak", r"jailbreak"),
    _phrase(
        "authority",
        2,
        "i am |i'm |user is |by the admin",
        r"(?:i am|i'm|user is) (?:the |an? )?(?:admin|administrator|developer|owner|authori[sz]ed)\b"
        r"|by the administrators",
    ),
    _phrase(
        "ignore_my",
        8,
        "my rules|its rules|my instructions|its instructions|my guidelines",
        r"(?:ignore|break|forget|drop) (?:all )?(?:of )?(?:my|its) (?:own )?(?:rules|instructions|guidelines)",
    ),
    _phrase(
        "prompt_leak",
        8,
        "prompt|instruction|rules|guideline|directive|everything you|system message|developer message"
        "|your context| mark"
        "&your |system|you were|you must|you have|you are|you received|you got|you had|developer |hidden"
        "|secret|initial|internal"
        "|original|confidential",
        rf"{_SHOW}\b(?:[^\w.!?]+[\w'’]+){{0,8}}?[^\w.!?]+{_OUR_WORDS}",
    ),
    _phrase(
        "prompt_leak",
        8,
        "developer message|system message|system prompt",
        r"(?:developer|system) (?:message|prompt)\b[^.!?\n]{0,20}\b(?:tell you|told you|say to you|you were given)",
    ),
    _phrase(
        "prompt_leak",
        8,
        "above|before this|before my first&verbatim|word for word|starting with|exactly|code block|this line"
        "|this message"
        "|my first message",
        rf"{_SHOW}\b[^.!?\n]{{0,30}}\b(?:everything|text|words|all)\b[^.!?\n]{{0,30}}\b(?:above"
        rf"|before (?:this|my first))\b"
        r"[^\n]{0,60}(?:verbatim|word for word|starting with|exactly|code block|this line|this message"
        r"|my first message)",
    ),
    _phrase(
        "secret_mark",
        6,
        "confidential|secret",
        r"(?:confidential|secret) (?:rules|mark|token|canary|code ?word|instructions)\b",
    ),
    _phrase("secret_mark", 4, "never to|told not to", r"you were told (?:never|not) to\b"),
    _phrase("secret_mark", 4, "leak|reveal", r"(?:leak|reveal|betray)\b"),
    _phrase(
        "key_leak",
        8,
        "your api|your own api|your secret|your private|your access|api key|api-key|api_key|secret key"
        "|private key|/etc/"
        "|.env|admin password|root password|database password|password of this|all keys|all secrets|of other"
        "|of the other|password of the|database_url",
        r"(?:print|show|reveal|give|tell|list|dump|leak|output|send|expose|display|need|which|what(?:'s| is"
        r"| are))\b[^.!?\n]{0,50}?"
        r"(?:\byour (?:own )?(?:api|secret|private|access)[ _-]?(?:keys?|tokens?)|\bapi[ _-]keys? (?:that "
        r"|which )?you\b"
        r"|(?:secret|api|private) keys? (?:stored|kept|on this|of this)|/etc/(?:passwd|shadow)|\.env file|\ball keys\b"
        r"|(?:access )?tokens? of (?:the )?other|(?:admin|root|database) password|password of (?:the"
        r"|this) (?:database|server|admin)|\.env\b|api keys? (?:are|do) you|\ball secrets\b"
        r"|(?:value of )?(?:database_url|openai_api_key|anthropic_api_key)\b[^.!?\n]{0,30}\b(?:your"
        r"|configuration|server))",
    ),
    _phrase(
        "key_leak",
        8,
        "environment variables|env vars",
        r"(?:print|show|reveal|list|dump|leak|output|send|expose|display)\b[^.!?\n]{0,20}\b(?:all |your |the )*"
        r"(?:environment variables|env vars)(?![^.!?\n]{0,20}\b(?:in|on) (?:python|windows|linux|bash|mac))",
    ),
    _phrase(
        "tool_hijack",
        8,
        "tool&delete|without asking|without confirmation|somebody else|someone else|another |other ",
        r"(?:call|use|invoke|execute|run|using)\b[^.!?\n]{0,40}\btools?\b[^.!?\n]{0,80}\b(?:deletes?"
        r"|without (?:asking|confirmation)"
        r"|somebody else|someone else|another (?:user|organi[sz]ation)|other (?:users?|organi[sz]ations?))\b",
    ),
    _phrase(
        "tool_hijack",
        8,
        "id of another|id of somebody|id of someone|user id of|ids of other",
        r"ids? of (?:another|some(?:body|one) else|other) ?(?:user|organi[sz]ation|customer)?",
    ),
    _phrase("tool_hijack", 8, "delete", r"delete[_ ](?:every|all|portfolio)\b[^\n]{0,80}\bwithout (?:asking|confirm)"),
    _phrase(
        "data_leak",
        8,
        "http&conversation|chat history|holdings|portfolio|messages|email address|e-mail address|password"
        "|user's|secret|keys",
        r"(?:send|post|upload|exfiltrate|forward|append|leak|transmit"
        r"|include)\b[^\n]{0,80}\b(?:conversation|chat history|holdings"
        r"|portfolio|messages|e-?mail address|password|user's|secrets?|keys)\b[^\n]{0,80}https?://",
    ),
    _phrase(
        "data_leak",
        8,
        "http&user's|portfolio|conversation|history|messages",
        r"(?:send|post|upload|exfiltrate|forward|append|leak|transmit|include)\b[^\n]{0,60}https?://\S+[^\n]{0,60}"
        r"\b(?:user's|portfolio|conversation|history|messages)\b",
    ),
    _phrase("data_leak", 8, "](http", r"!\[[^\]]{0,200}\]\(https?://[^)\s]{0,300}[?=][^)]{0,300}\{"),
    _phrase("data_leak", 8, "exfiltrate", r"exfiltrate\b[^.!?\n]{0,40}\b(?:portfolio|data|conversation|holdings|keys)"),
    _phrase(
        "fake_turn",
        8,
        "<|[inst]|[/inst]",
        r"<\|(?:im_start|im_end|system|user|assistant|end|endoftext|start_header_id|eot_id)\|>|<</?sys>>|\[/?inst\]",
    ),
    _phrase(
        "fake_turn",
        8,
        "system>|user>|assistant>|tool_result>|instructions>",
        r"</?(?:system|assistant|tool_result|instructions?)>[^\n]{0,120}\S|</user>\s*<system>",
    ),
    _phrase("fake_turn", 8, "[system]|[/system]|[assistant]", r"\[/?(?:system|assistant)\][^\n]{3,}"),
    _phrase(
        "fake_turn", 8, "system:", r"(?:^|\n) ?(?:### ?)?system ?:[^\n]*\n[\s\S]{0,400}?(?:^|\n) ?(?:### ?)?user ?:"
    ),
    _phrase("fake_turn", 8, "### instruction", r"### ?instructions?:?[\s\S]{0,300}### ?response"),
    _phrase("fake_turn", 4, "assistant:", r"(?:^|\n) ?assistant ?:"),
    _phrase("fake_turn", 4, "system:", r"(?:^|\n) ?(?:### ?)?system ?:"),
    _phrase(
        "persona",
        8,
        "you have|you had|you now have|you are free|you are now free|not bound|no longer bound|unbound",
        r"(?<!do )you (?:now )?(?:have|had) no (?:\w+ )?(?:restrictions|guidelines|rules|filters|limitations|polic)"
        r"|you are (?:now )?(?:free (?:from|of)|not bound by|unbound by|no longer bound by) (?:\w+ ){0,3}"
        r"(?:restrictions|rules|guidelines|limits|limitations|filters|polic)",
    ),
    _phrase(
        "persona",
        8,
        "unrestricted|uncensored|unfiltered|evil|jailbroken|new persona|new personality|new identity|no limits",
        r"\bas an? (?:unrestricted|uncensored|unfiltered|evil|jailbroken) (?:ai|model|assistant|bot|chatbot)\b"
        r"|\bnew (?:persona|personality|identity) ?:|\bact as \w+, who[^\n]{0,100}no (?:limits|rules"
        r"|restrictions|norms)",
    ),
    _phrase(
        "override_yours",
        8,
        "apply|applies|exist|matter&rules|guideline|instruction|restriction|filter|polic",
        r"\byour (?:rules|guidelines|instructions|restrictions|filters|polic\w+) (?:do not|don['’]?t|no longer) "
        r"(?:apply|count|matter|exist)|(?:pretend|imagine|as if) (?:that )?(?:the|your|no) (?:rules|guidelines|filters"
        r"|restrictions)[^.!?\n]{0,12}(?:do not|don['’]?t|did not|didn['’]?t|no longer) exist",
    ),
    _phrase(
        "override_yours",
        8,
        "opposite of|switch off|turn off|disable|deactivate|remove your|lift your",
        r"\bopposite of (?:your|the) (?:\w+ )?(?:instructions|rules|guidelines)|\b(?:switch|turn) off (?:your (?:\w+ )?"
        r"(?:filters?|guardrails?|safety|restrictions?|censorship|safeguards?|moderation)|(?:the |all )?(?:safety mode"
        r"|content filters?|guardrails|censorship|safeguards))|\b(?:disable|remove|lift|drop|deactivate) (?:all )?your "
        r"(?:\w+ )?(?:filters?|guardrails?|safety|restrictions?|censorship|safeguards?)",
    ),
    _phrase(
        "override_yours",
        8,
        "developer|creator|maker|operator&told|said|wrote|gave|instructed",
        r"\b(?:ignore|disregard|forget|reveal|tell me|repeat|say|share) what(?:ever)? (?:the "
        r"|your )?(?:developers?|creators?"
        r"|makers?|operators?|owners?) (?:told|said|wrote|gave|instructed)",
    ),
    _phrase(
        "prompt_leak",
        8,
        "tags|before 'you|before \"you|before ‘you|before “you|first message|answer with|reply with|response with",
        r"\b(?:text|words|content|everything) (?:between|inside|within) the (?:system|prompt|instructions?) tags"
        r"|\bbefore ['\"‘“]you are\b|\bfirst message (?:from|of) the system"
        r"|\b(?:start|begin)\w* your (?:answer|reply|response) with[^\n]{0,40}(?:system prompt"
        r"|my (?:instructions|rules|prompt))",
    ),
    _phrase(
        "key_leak",
        8,
        "env|cat /|cat .|cat ~|whoami",
        r"^(?:print ?env|env|print env|echo \$\w+|whoami)$|\bcat (?:/etc/|\.env|~/\.ssh)",
    ),
    _phrase(
        "persona",
        8,
        "an ai|evil|chatbot|a bot|an assistant|twin&restriction|guideline|polic|rules|control|filters|limits",
        r"\b(?:be|speak as|talk as|write (?:a|the) (?:dialogue|story|scene)|imagine|pretend|act as"
        r"|play)\b[^.!?\n]{0,40}"
        r"\b(?:an?|my|evil|twin) (?:\w+ )?(?:ai|chatbot|assistant|bot)\b(?! (?:chip|company|stock|firm|maker"
        r"|business|start))[^.!?\n]{0,50}\b(?:zero|no|without"
        r"|free (?:of|from)"
        r"|escaped|breaks? free|broke free)\b[^.!?\n]{0,30}(?:restrictions|guidelines|polic|rules|control"
        r"|filters|limits)",
    ),
    _phrase("mode", 8, "mode", r"\b(?:unfiltered|unrestricted|uncensored|jailbreak|evil) mode\b"),
    _phrase(
        "prompt_leak",
        8,
        "your prompt|your system prompt|your initial prompt|your hidden prompt|your original prompt",
        r"\b(?:what|how|which|begins?|give|list|finish|paste|send|lost|copy|read|see|continue|complete)\b[^.!?\n]{0,40}"
        r"\byour (?:\w+ )?prompt\b(?! (?:respon|repl|answer|attention|action|payment|help|assist|service"
        r"|deliver|handl))",
    ),
    _phrase(
        "prompt_leak",
        8,
        "developer|creator|maker|operator|your instructions&message|text |words|your instructions",
        r"\b(?:message|text|words) (?:that |which )?(?:the |your )?(?:developers?|creators?|makers?"
        r"|operators?) (?:put|wrote"
        r"|gave|left)|\b(?:lost|need|missed) your instructions\b",
    ),
    _phrase(
        "fake_turn",
        8,
        "system prompt",
        r"\b(?:end|begin|start|beginning) of (?:the )?system prompt|\bnew system prompt",
    ),
    _phrase(
        "tool_hijack",
        8,
        "tool&other |remove|delete|no confirmation",
        r"\btools?\b[^.!?\n]{0,60}\b(?:other (?:customers?|clients?|accounts?|users?)|(?:removes?"
        r"|deletes?)[^.!?\n]{0,50}"
        r"(?:all portfolios|no confirmation|everything))",
    ),
    _phrase(
        "data_leak",
        8,
        "http&conversation|chat history|holdings|portfolio|messages|password|user's|secret",
        r"\b(?:put|insert|encode|embed|write)\b[^\n]{0,30}\b(?:conversation|chat history|holdings|portfolio"
        r"|messages|password"
        r"|secrets?)\b[^\n]{0,30}\b(?:into|in|to) (?:this|the|a) (?:link|url|address)\b[^\n]{0,40}https?://",
    ),
)
