"""The planner: reads a conversation, decides which tools to use next, and tells the answer once they have returned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Protocol

from core.ai.providers.contract import ChatRequest, ToolCall
from core.ai.providers.glossary import Glossary
from core.research.offline import refusals
from core.research.offline.asked import MAX_TURNS_BACK, Asked, Context, context_of, part, read
from core.research.offline.dates import windows_in
from core.research.offline.entities import Names
from core.research.offline.intents import Intent, intent_of
from core.research.offline.steps import Steps, WantedError
from core.settings import DATA

LABEL = "Offline answer: computed by rules from the tools' results; no model was asked."
MAX_PARTS = 6
"""Questions of one message that are answered."""
MAX_CALLS = 12
"""Calls that are asked for at once."""
EMPTY = "There is no question in this message. " + refusals.ABILITIES
_JOINTS = re.compile(r",? and (?:also )?|; |, (?=what|how|which|when)")
_HELP = re.compile(
    r"\s*(?:hello|hi|hey|help|good (?:morning|day|evening)|thanks?|thank you|what can (?:you|i) (?:do|ask)\b.*|"
    r"who are you|how (?:do|can) i use (?:this|it|you)\b.*)[\s!.?]*\Z",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:what|how|which|when|where|who|why|did|is|are|was|were|does|do)\b")
_ASKS = re.compile(
    r"\?\s*$|^(?:and |please |pls |now |also )*(?:what|whats|how|which|when|where|who|why|is|"
    r""
    r"are|did|does|do|has|have|was|were|can|could|"
    r"show|list|give|tell|compare|find|name|explain|compute|calculate|count|plot|chart|get|"
    r"should|will|would|buy|sell|ignore|"
    r"print|if|suppose)\b"
)
_WANTS = re.compile(r"\b(?:need|want|would like|looking for|interested|wonder|wondering|curious|asked)\b")

Answer = str | tuple[ToolCall, ...] | None


class Shipped(Protocol):
    """What is shipped of instruments."""

    @property
    def instruments(self) -> Sequence[Listed]:
        """Symbols with their names, the more important first."""
        ...


class Listed(Protocol):
    """An instrument's line."""

    @property
    def symbol(self) -> str:
        """As we spell it."""
        ...

    @property
    def name(self) -> str:
        """Of the company."""
        ...


class Markets(Protocol):
    """What the planner needs of the market: public names alone."""

    @property
    def lists(self) -> Shipped:
        """Instruments that are shipped."""
        ...


def planner(market: Markets) -> Callable[[ChatRequest], Answer]:
    """Answers requests that offer tools, by rules; None where the glossary is to answer."""
    return Planner(market).answer


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing that is asked for."""

    asked: Asked
    intent: Intent | None
    text: str = ""
    """What is said at once, where no intent is."""


class Planner:
    """A pure function of the request; the names of all instruments are read once. Safe to share between threads."""

    def __init__(self, market: Markets) -> None:
        self._market = market

    @cached_property
    def _names(self) -> Names:
        return Names((row.symbol, row.name) for row in self._market.lists.instruments)

    @cached_property
    def _glossary(self) -> Glossary:
        return Glossary.load(DATA / "glossary")

    def answer(self, request: ChatRequest) -> Answer:
        """The calls that are wanted next, or the answer; None where it is the glossary's."""
        asked_at = next(
            (at for at in range(len(request.messages) - 1, -1, -1) if request.messages[at].role == "user"), None
        )
        if asked_at is None or request.json_schema is not None:
            return None
        turns = [message for message in request.messages[asked_at + 1 :] if message.role == "tool"]
        if not request.tools and not turns:
            return None
        question = request.messages[asked_at].text
        if _HELP.match(question):
            return f"{refusals.ABILITIES}\n\n{LABEL}"
        if not re.search(r"\w", question):
            return f"{EMPTY}\n\n{LABEL}"
        context = context_of(request.messages) or Context(as_of=date.today())  # noqa: DTZ011 (only where none is told)
        earlier = [message.text for message in request.messages[:asked_at] if message.role == "user"][-MAX_TURNS_BACK:]
        parts = self._parts(question, earlier, context)
        if parts is None:
            return None
        return _told(parts, Steps(turns, [tool.name for tool in request.tools]))

    def _parts(self, question: str, earlier: Sequence[str], context: Context) -> list[_Part] | None:
        """What a question asks for; None where it is the glossary's."""
        sentences = read(question, context, self._names)
        before = self._before(earlier, context)
        if self._is_term(question, sentences):
            return None
        found: list[_Part] = []
        for asked in _questions(sentences):
            found += self._of_sentence(asked, found[-1].asked if found and found[-1].intent else before)
        known = _distinct([each for each in found if each.intent is not None or each.text])
        if known:
            return known[:MAX_PARTS]
        if before is None and self._glossary.match(question).entries and not any(each.named for each in sentences):
            return None
        is_foreign = any(each.language != "english" for each in sentences)
        told = refusals.ONLY_ENGLISH if is_foreign else f"{refusals.NOT_UNDERSTOOD} {refusals.ABILITIES}"
        return [_Part(sentences[0], None, told)] if sentences else [_Part(Asked("", "", context), None, told)]

    def _before(self, earlier: Sequence[str], context: Context) -> Asked | None:
        """The last earlier question that was understood, with what it leant on itself."""
        known: Asked | None = None
        for text in earlier:
            for asked in read(text, context, self._names):
                leaning = _leant(asked, known)
                if intent_of(leaning) is not None:
                    known = leaning
        return known

    def _is_term(self, question: str, sentences: Sequence[Asked]) -> bool:
        """Whether nothing but a term of the glossary is asked for."""
        if any(each.named or each.windows or each.has(_OWN) for each in sentences):
            return False
        match = self._glossary.match(question)
        compares = any(each.has(r"^compare\b") for each in sentences)
        if not match.entries or not match.is_whole or (compares and len(match.entries) < 2):
            return False
        has_portfolio = any(each.context.portfolio is not None for each in sentences)
        means_own = has_portfolio and any(
            each.has(r"\bwhat (?:is|was) the\b|^(?!what|how|why|which|who|when)(?:the )?[\w\s-]+\?*$")
            for each in sentences
        )
        return not (
            means_own
            and any(intent_of(each) for each in sentences)
            and not any(each.has(r"\b(?:an?|mean|define|explain|computed|calculated)\b") for each in sentences)
        )

    def _of_sentence(self, asked: Asked, before: Asked | None) -> Iterator[_Part]:
        refusal = refusals.refusal_of(asked)
        if refusal is not None:
            yield _Part(asked, None, refusal)
            return
        leaning = _leant(asked, before)
        clauses = _clauses(leaning) if _ASKS.search(asked.text) else [leaning]
        for each in clauses:
            yield _part(each, intent_of(each))


_OWN = r"\b(?:my|our|mine|ours|i|we)\b|^(?:show|list|plot)\b"
"""Says that a question is about what somebody holds, and not about a term."""


def _questions(sentences: Sequence[Asked]) -> list[Asked]:
    """The sentences that ask, each with the names and days of the statements before it; all where none does."""
    asking = [each for each in sentences if _ASKS.search(each.text) and (intent_of(each) or refusals.refusal_of(each))]
    if not asking:
        wanting = [each for each in sentences if _WANTS.search(each.text) and intent_of(each)]
        asking = wanting[-1:] or [each for each in sentences if refusals.refusal_of(each)] or list(sentences)
    found = []
    for each in asking:
        stated = [other for other in sentences[: sentences.index(each)] if not _ASKS.search(other.text)]
        found.append(_with(each, stated))
    return found


def _with(asked: Asked, stated: Sequence[Asked]) -> Asked:
    """A question with the names and days that statements before it named, where it names none itself."""
    windows = asked.windows or next((each.windows for each in reversed(stated) if each.windows), ())
    named = asked.named
    if not named and not asked.is_own and asked.has_pronoun:
        named = next((each.named for each in reversed(stated) if each.named), ())
    return replace(asked, windows=windows, named=named)


def _leant(asked: Asked, before: Asked | None) -> Asked:
    """A question that leans on one before it, with what it takes over from there."""
    if before is None or not (asked.leans or asked.has_pronoun or intent_of(asked) is None):
        return asked
    named = asked.named or (() if asked.is_own else before.named)
    with_names = replace(asked, named=named)
    if intent_of(with_names) is not None and not _is_bare(asked):
        return with_names
    if not (asked.windows or asked.named):
        return asked
    return replace(before, said=asked.said, named=asked.named or before.named, windows=asked.windows or before.windows)


def _is_bare(asked: Asked) -> bool:
    """Whether it has nothing but names and days, as in 'and in April?' or 'what about @?'."""
    text = asked.text
    for window in reversed(asked.windows):
        text = text[: window.start] + text[window.end :]
    rest = re.sub(
        r"\b(?:and|what|how|about|for|in|the|same|of|on|then|now|or|also|please|over|during|but|"
        r"to|with|it|is|was)\b|[@?.,!]",
        " ",
        text,
    )
    return not rest.strip()


def _clauses(asked: Asked) -> list[Asked]:
    """A sentence's questions, where it asks several things of different kinds."""
    whole = intent_of(asked)
    if whole is None or whole.is_whole:
        return [asked]
    for joint in _JOINTS.finditer(asked.text):
        left, right = part(asked, 0, joint.start()), part(asked, joint.end(), len(asked.text))
        is_question = _BEGINS.match(right.text) is not None
        if is_question:
            left = replace(left, windows=windows_in(left.text, asked.context.as_of))
        one, two = intent_of(left), intent_of(right)
        words = re.findall(r"[a-z]{2,}", right.text)
        if one is None or two is None or one.name == two.name or len(words) < 2:
            continue
        if right.has_pronoun and not (is_question and not asked.shares):
            continue
        if {one.name, two.name} <= _RELATED or (two.name in _LOOSE and "@" not in right.text):
            continue
        return [left, *_clauses(right)]
    return [asked]


_RELATED = frozenset(("value", "cash", "totals", "line", "listing", "past_value", "count"))
"""Kinds whose questions are often one in two halves."""
_LOOSE = frozenset(("history", "quote", "line", "value", "totals", "listing", "period_missing", "window_gain"))
"""Kinds that a half without a name of its own is not taken for."""


def _part(asked: Asked, intent: Intent | None) -> _Part:
    if asked.unclear and not asked.named and (intent is None or intent.needs == "share"):
        unclear = asked.unclear[0]
        choices = " or ".join(f"{each.name} ({each.symbol})" for each in unclear.choices)
        return _Part(asked, None, f"Which company do you mean by “{unclear.words}”: {choices}?")
    if intent is None:
        return _Part(asked, None)
    has_portfolio = asked.context.portfolio is not None
    if not has_portfolio and (intent.needs == "portfolio" or (intent.name == "screen" and _of_holdings(asked))):
        return _Part(asked, None, _which_portfolio(asked.context))
    if intent.needs == "share" and not asked.shares:
        return _Part(asked, None, "Which company do you mean? Name it, or give its symbol.")
    if intent.needs == "either" and not asked.shares and not has_portfolio:
        return _Part(asked, None, "Which company do you mean? Name it, or choose a portfolio above the input.")
    return _Part(asked, intent)


def _of_holdings(asked: Asked) -> bool:
    return asked.is_own


def _which_portfolio(context: Context) -> str:
    names = context.portfolios
    which = f": {', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else ""
    return f"Which portfolio do you mean{which}? No portfolio is chosen: choose one above the input, and ask again."


def _distinct(parts: Sequence[_Part]) -> list[_Part]:
    kept: list[_Part] = []
    for each in parts:
        same = (other for other in kept if other.intent == each.intent and other.text == each.text)
        if not any(
            other.asked.named == each.asked.named and other.asked.windows == each.asked.windows for other in same
        ):
            kept.append(each)
    return kept


def _told(parts: Sequence[_Part], steps: Steps) -> str | tuple[ToolCall, ...]:
    """The answer, or the calls that it still wants."""
    texts: list[str] = []
    wanted: dict[str, ToolCall] = {}
    for each in parts:
        if each.intent is None:
            texts.append(each.text)
            continue
        try:
            texts.append(each.intent.tell(each.asked, steps))
        except WantedError as error:
            wanted.update({call.id: call for call in error.calls})
    if wanted:
        return tuple(wanted.values())[:MAX_CALLS]
    return "\n\n".join([*dict.fromkeys(text for text in texts if text), LABEL])
