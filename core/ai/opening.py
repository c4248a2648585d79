"""What is asked of a question, as its provider is asked: one stream for each kind of operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from core.ai.answer import Operation, PictureWish, Question
from core.ai.bounds import SOUND_TOKENS_PER_S
from core.ai.providers.contract import (
    ChatRequest,
    ChatStream,
    Embedder,
    EmbedRequest,
    Message,
    Painter,
    PictureRequest,
    TimeLimits,
    ToolSpec,
    Transcriber,
    TranscriptionRequest,
)
from core.ai.router import Candidate
from core.ai.text_tools import opened as opened_with_tools
from core.errors import InvalidRequest, ProviderRejectedRequest


def opened(
    question: Question,
    candidate: Candidate,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    limits: TimeLimits,
) -> ChatStream:
    """The answer of a candidate to these messages; it is called when the first event is asked for."""
    other = _OTHERS.get(question.operation)
    if other is not None:
        return other(question, candidate, messages, limits)
    model = candidate.model
    request = ChatRequest(
        model=model.provider_model,
        messages=tuple(messages),
        max_tokens=question.max_tokens,
        temperature=question.temperature if model.accepts_temperature else None,
        max_tokens_parameter=model.max_tokens_parameter,
        top_p=question.top_p if model.accepts_temperature else None,
        stop=question.stop,
        json_schema=question.json_schema,
        tools=tuple(tools),
    )
    return opened_with_tools(model, candidate.provider, request, limits)


def limits_of(question: Question, limits: TimeLimits) -> TimeLimits:
    """The time limits of a call: what comes whole, as a picture and a transcript do, has its first piece at its end."""
    is_whole = question.operation in ("image", "transcription")
    return replace(limits, first_token_s=limits.total_s) if is_whole else limits


def _embedded(question: Question, candidate: Candidate, messages: Sequence[Message], limits: TimeLimits) -> ChatStream:
    assert isinstance(candidate.provider, Embedder)  # the catalogue names no other for an embedding
    inputs = tuple(message.text for message in messages)
    return candidate.provider.embed(EmbedRequest(candidate.model.provider_model, inputs, question.dimensions), limits)


def _painted(question: Question, candidate: Candidate, messages: Sequence[Message], limits: TimeLimits) -> ChatStream:
    assert isinstance(candidate.provider, Painter)  # nor for a picture
    wish = question.picture or PictureWish()
    prompt = messages[-1].text
    request = PictureRequest(candidate.model.provider_model, prompt, wish.size, wish.quality)
    return candidate.provider.paint(request, limits)


def _transcribed(
    question: Question, candidate: Candidate, messages: Sequence[Message], limits: TimeLimits
) -> ChatStream:
    assert isinstance(candidate.provider, Transcriber)  # nor for a recording
    if question.recording is None:
        raise InvalidRequest("There is no recording to write down.")
    model = candidate.model
    most_s = (model.context_window - question.max_tokens) // SOUND_TOKENS_PER_S
    if question.recording.seconds > most_s:
        raise ProviderRejectedRequest(
            f"{model.label} takes recordings of at most {most_s // 60} minutes; send a part, or choose another model.",
            provider=candidate.provider.name,
        )
    request = TranscriptionRequest(model.provider_model, question.recording, question.language)
    return candidate.provider.transcribe(request, limits)


_OTHERS: dict[Operation, Callable[[Question, Candidate, Sequence[Message], TimeLimits], ChatStream]] = {
    "embedding": _embedded,
    "image": _painted,
    "transcription": _transcribed,
}
