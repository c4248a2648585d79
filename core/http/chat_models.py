"""What is asked in conversations over HTTP, and what is answered: with its steps, sources and checked figures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.http.models import Answer, AnswerFacts, Body, Moment, Money, Source
from core.http.template_models import MAX_VALUES, Values

MAX_ATTACHED = 20
"""Files that one call may name; how many a question may have is told by the assistant."""


class ConversationQuestion(Body):
    """A question to a model, in the conversation that the address names."""

    message: str = ""
    """The question; it may be empty where a template is given, and otherwise stands after the template's text."""
    template_id: str | None = None
    """A template that the question is made of."""
    variables: Values = Field({}, max_length=MAX_VALUES)
    """Values for the template, by name."""
    attachment_ids: list[str] = Field([], max_length=MAX_ATTACHED)
    """Files of the caller that come with the question, by the ids that they were uploaded under."""
    portfolio_id: str | None = None
    """A portfolio that the caller sees: what this question and the next ones in the conversation are about."""
    model: str | None = Field(None, min_length=1)
    """Id of a model, or "auto"."""
    stream: bool = False
    """Answer by Server-Sent Events."""


class ChatQuestion(ConversationQuestion):
    """A question to a model, in a conversation."""

    conversation_id: str | None = None
    """A conversation of the caller's; a new one where it is missing."""


class StepTaken(Answer):
    """One use of a tool on the way to an answer."""

    number: int
    """By which the answer cites it: [1], [2], …"""
    tool: str
    words: str
    """What was done."""
    state: Literal["running", "done", "failed"]
    error: str | None
    """Why it failed."""
    source: Source | None
    """Where its figures come from."""


class FigureChecked(Answer):
    """A number in an answer's text."""

    start: int
    end: int
    """Its place in the text, in characters."""
    text: str
    verified: bool
    """Whether a step returned it, for what the text says that it is."""
    step: int | None
    """Number of that step."""
    words: str
    """Which figure it is, or why it is none."""


class ChatSummary(AnswerFacts):
    """What is known of an answer in a conversation when it has ended: the last event of a stream."""

    conversation_id: str
    message_id: str
    steps: list[StepTaken]
    """What was done on the way to it."""
    figures: list[FigureChecked]
    """The numbers in its text."""
    notes: list[str]
    """What a reader has to know: that it stopped early, that something is missing."""


class ChatAnswer(ChatSummary):
    """An answer."""

    text: str


class BranchGiven(Body):
    """Where a conversation branches off."""

    message_id: str
    """The last message that the branch has in common with it."""


class ReactionGiven(Body):
    """What the caller thinks of an answer; nothing of both takes back what was kept."""

    reaction: Literal["up", "down"] | None = None
    note: str | None = None
    """At most 2,000 characters."""


class ReactionTold(Answer):
    """What the caller thought of an answer."""

    reaction: Literal["up", "down"] | None
    note: str | None
    changed_at: Moment | None
    """Null where nothing is kept."""


class AttachedFile(Answer):
    """A file that came with a question."""

    id: str
    name: str
    kind: str
    size_bytes: int


class NewConversation(Body):
    """A conversation to open."""

    title: str | None = None
    """1 to 200 characters; where it is missing the first question gives it one."""


class ConversationTitle(Body):
    """Another title."""

    title: str
    """1 to 200 characters, without those at its ends that are white space."""


class ConversationHead(Answer):
    """A conversation."""

    id: str
    title: str
    created_at: Moment
    updated_at: Moment
    """When something was last asked or answered in it."""
    portfolio_id: str | None
    """The portfolio that its questions are about."""
    branched_from: str | None
    """The conversation whose beginning it shares; it may be gone."""


class ConversationItem(ConversationHead):
    """A conversation in a list."""

    excerpt: str | None
    """A line of its latest message that holds what was sought; null where only the title does."""


class ConversationPage(Answer):
    """Conversations, the latest first."""

    data: list[ConversationItem]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""


class ConversationCost(Answer):
    """What a conversation cost so far, from the books: stopped and replaced answers included."""

    currency: Literal["USD"] = "USD"
    charged_usd: Money
    """What the caller was charged."""
    estimated: bool
    """Whether a charge rests on our own estimate of the tokens."""
    unresolved_usd: Money
    """Charged to nobody: the most that answers may have cost whose end is not known."""
    counted_from: Moment | None
    """From when on answers are counted: those before are kept no more; null: all are."""


class ConversationMessage(Answer):
    """A question or an answer; what is said of an answer is null on a question."""

    id: str
    role: Literal["user", "assistant"]
    text: str
    state: Literal["complete", "partial", "failed"]
    """`partial`: it was stopped or broke off; `failed`: no answer came."""
    created_at: Moment
    model: str | None
    provider: str | None
    cached: bool
    offline: bool
    estimated: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Money | None
    note: str | None
    """What went wrong, in a sentence."""
    route: str | None
    """Why this model answered; null where nothing is to be said."""
    sources: list[Source]
    steps: list[StepTaken]
    figures: list[FigureChecked]
    notes: list[str]
    confidence: float | None
    """Share of the figures that were verified; null where there are none."""
    attachments: list[AttachedFile]
    """Files that came with a question."""
    reaction: ReactionTold | None
    """What the caller thought of an answer; null where nothing is kept."""


class Conversation(ConversationHead):
    """A conversation with everything in it."""

    cost: ConversationCost
    messages: list[ConversationMessage]
    """In their order, without those that a newer answer took the place of."""
