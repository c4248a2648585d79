"""What clients of OpenAI send: what is understood, what makes no difference, and what is refused by name.

A parameter that would change the answer, and that we cannot honour, is refused; one that would not is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BeforeValidator, Field, model_validator

from core.ai.answer import Question
from core.ai.providers.contract import Message
from core.http.models import Body
from core.http.parameters import InvalidParameter, checked_text, embedding_question
from core.metering.repeats import Idempotency

CHANNEL = "v1"
MAX_TOKENS = 1024
"""Output tokens of an answer for which none are asked."""
TEMPERATURE = 1.0
"""OpenAI's own."""
MAX_MESSAGES = 1_000
MAX_STOPS = 4
MAX_MODEL_CHARS = 200
ROLES: dict[object, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}

PASSED_OVER = frozenset(
    {
        "user",
        "metadata",
        "store",
        "seed",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "parallel_tool_calls",
    }
)
"""Parameters that make no difference to the answer."""
NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
    "moderation": (),
}
"""Parameters that we cannot honour, with the values (beside null) that ask for nothing."""
NEUTRAL_IN_MESSAGE: dict[str, tuple[object, ...]] = {
    "name": (),
    "refusal": (),
    "audio": (),
    "tool_calls": ([],),
    "function_call": (),
    "annotations": ([],),
}

_T = TypeVar("_T")


def _texts(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise ValueError("must be a text or a list of texts")


class StreamOptions(Body):
    """What a stream tells beside the text."""

    include_usage: bool | None = None
    """Send the usage in a chunk of its own, before the end."""
    include_obfuscation: bool | None = None
    """Makes no difference: nothing is padded."""


class ChatBody(Body):
    """`POST /v1/chat/completions`."""

    model: str = Field(min_length=1, max_length=MAX_MODEL_CHARS)
    """Id of a model, or "auto"."""
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_MESSAGES)
    """Roles system, developer, user and assistant; content as a text or as a list of text parts."""
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stop: Annotated[tuple[str, ...], BeforeValidator(_texts)] | None = Field(None, strict=False)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = None
    """`text`, `json_object`, or `json_schema`."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_we_cannot(cls, given: object) -> object:
        return _supported(given, NEUTRAL) if isinstance(given, dict) else given

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def question(self, idempotency: Idempotency | None = None) -> Question:
        """What is asked of the gateway.

        Raises:
            InvalidParameter: something in it is wrong, or not supported.
        """
        if self.stream_options is not None and not self.stream:
            raise InvalidParameter("stream_options is for streams: set stream to true.", "stream_options")
        return Question(
            messages=tuple(_message(message, f"messages.{at}") for at, message in enumerate(self.messages)),
            model=self.model,
            task="completion",
            max_tokens=self._max_tokens(),
            temperature=TEMPERATURE if self.temperature is None else self.temperature,
            top_p=self.top_p,
            stop=self._stops(),
            json_schema=_json_schema(self.response_format),
            channel=CHANNEL,
            is_exact=True,
            idempotency=idempotency,
        )

    def _max_tokens(self) -> int:
        old, new = self.max_tokens, self.max_completion_tokens
        if old is not None and new is not None and old != new:
            raise InvalidParameter("Send max_completion_tokens or max_tokens, not both.", "max_tokens")
        return new or old or MAX_TOKENS

    def _stops(self) -> tuple[str, ...]:
        stops = self.stop or ()
        if len(stops) > MAX_STOPS or not all(stops):
            raise InvalidParameter(f"The field stop takes at most {MAX_STOPS} texts, none of them empty.", "stop")
        return tuple(checked_text(stop, "stop") for stop in stops)


class EmbeddingBody(Body):
    """`POST /v1/embeddings`."""

    model: str = Field(min_length=1, max_length=MAX_MODEL_CHARS)
    input: Any
    """A text, or a list of them."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_we_cannot(cls, given: object) -> object:
        return _supported(given, {}) if isinstance(given, dict) else given

    def question(self, idempotency: Idempotency | None = None) -> Question:
        """What is asked of the gateway.

        Raises:
            InvalidParameter: the input is no text.
        """
        return embedding_question(
            self.input,
            model=self.model,
            dimensions=self.dimensions,
            channel=CHANNEL,
            idempotency=idempotency,
        )


def _supported(given: Mapping[str, _T], neutral: Mapping[str, tuple[object, ...]], where: str = "") -> dict[str, _T]:
    """What is left when everything is taken out that asks for nothing.

    Raises:
        InvalidParameter: something is asked for that we cannot honour.
    """
    left = {}
    for name, value in given.items():
        if name in neutral:
            if value is not None and not any(value == nothing for nothing in neutral[name]):
                raise InvalidParameter(
                    f"The parameter {where}{name} is not supported here; leave it out.", where + name
                )
        elif name not in PASSED_OVER or where:
            left[name] = value
    return left


def _message(given: Mapping[str, Any], where: str) -> Message:
    known = _supported(given, NEUTRAL_IN_MESSAGE, f"{where}.")
    role, content = known.pop("role", None), known.pop("content", None)
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidParameter(f"The role of {where} must be system, developer, user or assistant.", f"{where}.role")
    if known:
        name = next(iter(known))[:60]
        raise InvalidParameter(f"There is no field {name} in {where}, or it is not supported yet.", where)
    return Message(ROLES[role], checked_text(_content(content, f"{where}.content"), f"{where}.content"))


def _content(content: object, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InvalidParameter(f"The field {where} must be a text, or a list of text parts.", where)
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise InvalidParameter(f"The field {where}.{at} is no text part; only text is taken here.", f"{where}.{at}")
    return "\n".join(cast("str", part["text"]) for part in content)


def _json_schema(given: Mapping[str, Any] | None) -> Mapping[str, object] | None:
    kind = given.get("type") if given is not None else "text"
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    described = given.get("json_schema") if given is not None else None
    schema = described.get("schema") if isinstance(described, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise InvalidParameter(
            "The field response_format must be of type text, json_object, or json_schema with "
            '{"json_schema": {"name": …, "schema": {…}}}.',
            "response_format",
        )
    return cast("Mapping[str, object]", schema)
