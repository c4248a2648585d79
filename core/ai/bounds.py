"""What a request takes of tokens and seconds, and takes at most, whatever it is asked for: text, a picture, or words.

For vectors and text these are the counts of `estimate`. Of a picture that is made, the prompt is counted like any text
and the picture by the vendor's table. Of a recording, a tenth of a second is one token of input, as the vendors count
who charge tokens for sound, and what is charged by time is charged by its seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from core.ai.answer import Operation, Question
from core.ai.estimate import completion_estimate, prompt_estimate
from core.ai.prices import Price
from core.ai.providers.contract import Message, TokenUsage, ToolCall, ToolSpec

SOUND_TOKENS_PER_S = 10
TRANSCRIPT_TOKENS = 2_000
"""Most tokens of what is written down by a model that charges for them (OpenAI's limit)."""


def asked_tokens(question: Question, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
    """Input tokens of a question at most, when it is asked with these messages and tools."""
    if question.recording is not None:
        return question.recording.seconds * SOUND_TOKENS_PER_S
    return prompt_estimate(messages, tools)


def recorded_s(question: Question) -> int:
    """Seconds of sound in a question, as they are held."""
    return 0 if question.recording is None else question.recording.seconds


def worst_case_usd(question: Question, price: Price, prompt_tokens: int) -> Decimal:
    """The most that a question of at most so many tokens can cost, in USD."""
    return price.worst_case(prompt_tokens, question.max_tokens, recorded_s(question))


def estimated_usage(
    question: Question,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    text: str,
    *,
    deltas: int,
    calls: Sequence[ToolCall] = (),
) -> TokenUsage:
    """The tokens of an answer whose usage is not known; vectors have none of their own, a picture those it may take."""
    written = _WRITTEN[question.operation](question, text, deltas, calls)
    return TokenUsage(asked_tokens(question, messages, tools), written, audio_s=recorded_s(question))


def has_counted_text(question: Question, text: str, calls: Sequence[ToolCall] = ()) -> bool:
    """Whether a usage without output tokens cannot be right: vectors have none, nor has sound charged by its time."""
    return question.operation in ("chat", "image") and bool(text or calls)


_WRITTEN: dict[Operation, Callable[[Question, str, int, Sequence[ToolCall]], int]] = {
    "chat": lambda question, text, deltas, calls: completion_estimate(text, deltas, calls),
    "embedding": lambda question, text, deltas, calls: 0,
    "image": lambda question, text, deltas, calls: question.max_tokens if text else 0,
    "transcription": lambda question, text, deltas, calls: completion_estimate(text, deltas),
}
