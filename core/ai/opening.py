"""What is asked of a question, as its provider is asked: one stream for each kind of operation."""

from __future__ import annotations

from collections.abc import Sequence

from core.ai.answer import Question
from core.ai.providers.contract import ChatRequest, ChatStream, Embedder, EmbedRequest, Message, TimeLimits, ToolSpec
from core.ai.router import Candidate
from core.ai.text_tools import opened as opened_with_tools


def opened(
    question: Question,
    candidate: Candidate,
    messages: Sequence[Message],
    tools: Sequence[ToolSpec],
    limits: TimeLimits,
) -> ChatStream:
    """The answer of a candidate to these messages; it is called when the first event is asked for."""
    model = candidate.model
    if question.is_embedding:
        assert isinstance(candidate.provider, Embedder)  # the catalogue names no other for an embedding
        inputs = tuple(message.text for message in messages)
        return candidate.provider.embed(EmbedRequest(model.provider_model, inputs, question.dimensions), limits)
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
