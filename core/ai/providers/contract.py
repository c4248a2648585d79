"""What the gateway asks of a provider, whatever its wire format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

MAX_ARGUMENT_CHARS = 4_000
"""Characters of the arguments that one use of a tool may take."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """JSON Schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool used."""

    id: str
    """The provider's own, or one that its adapter gave; unique in a conversation."""
    name: str
    """As the model wrote it: there may be no such tool."""
    arguments: str
    """As the model wrote them: may be no JSON."""
    carried: str = ""
    """What its provider wants back with it, as its adapter wrote it: signed thinking. No other adapter reads it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a model is shown, or made."""

    media_type: Literal["image/png", "image/jpeg", "image/webp"]
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound to be written down."""

    media_type: str
    data: bytes = field(repr=False)
    seconds: int
    """How long it is, rounded up."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation as a model is shown it."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    """On an assistant's turn: the tools that it asked for."""
    call: ToolCall | None = None
    """On a tool's turn: what it is the result of."""
    pictures: tuple[Picture, ...] = ()
    """On a user's turn: what is shown with the text, to models that see."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to one model."""

    model: str
    """The provider's own id of the model."""
    messages: tuple[Message, ...]
    max_tokens: int
    """Always sent: the hold was computed with it."""
    temperature: float | None
    """None for a model that takes none: then it is not sent."""
    max_tokens_parameter: str | None = None
    """The model's own name for `max_tokens` on the wire; None is the host's usual name."""
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    """Texts at which the answer ends; they are not part of it."""
    json_schema: Mapping[str, object] | None = None
    """The JSON Schema that the answer has to follow, where the provider can be told; empty: any JSON object."""
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask to have done; empty: nothing, also where earlier turns did."""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to turn into vectors, by one model."""

    model: str
    """The provider's own id of the model."""
    inputs: tuple[str, ...]
    dimensions: int | None = None
    """Length of the vectors where the model lets it be chosen; None is the model's own."""


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """A picture to make, by one model."""

    model: str
    """The provider's own id of the model."""
    prompt: str
    size: str
    """Width and height in pixels: `1024x1024`."""
    quality: str
    """`low`, `medium` or `high`."""


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """A recording to write down, by one model."""

    model: str
    """The provider's own id of the model."""
    recording: Recording
    language: str | None = None
    """ISO 639-1; None: the model finds out."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long each stage of a call may take, in seconds."""

    connect_s: float
    first_token_s: float
    between_tokens_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """What a provider says it counted; may be impossible: the gateway checks it, the adapter only reads."""

    prompt_tokens: int
    """All input tokens, those read from the provider's cache included."""
    completion_tokens: int
    """All output tokens, hidden reasoning included."""
    cached_prompt_tokens: int = 0
    """Input tokens read from the provider's cache; part of `prompt_tokens`."""
    cache_write_prompt_tokens: int = 0
    """Input tokens written to the provider's cache, where it says so; part of `prompt_tokens`."""
    audio_s: int = 0
    """Seconds of sound, rounded up, where a model is priced by them."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of an answer that is complete."""

    reason: str
    """`stop`, `length`, `content_filter`, or the provider's own word."""
    usage: TokenUsage | None
    """None where the provider sent none. Of cumulative usage chunks, the last."""
    calls: tuple[ToolCall, ...] = ()
    """The tools that the model asks for, in its order; whoever asked it answers with their results."""


class ChatStream(Protocol):
    """An answer on its way: deltas, then exactly one Finish, or a ProviderError.

    A stream that ends without a finish reason raises `ProviderBroke`. Once the provider has given a finish
    reason the answer is complete: whatever happens to the connection after that, the last event is `Finish`.
    """

    usage: TokenUsage | None
    """The last usage the provider sent so far, also when the stream was cut or broke."""

    @property
    def was_sent(self) -> bool:
        """Whether the request has left us: the provider may bill its input even if nothing comes back."""
        ...

    def __iter__(self) -> Iterator[Delta | Finish]:
        """The events in order; may be iterated once."""
        ...

    def abort(self) -> None:
        """From any thread, any number of times: wakes a blocked read at once and closes the connection.

        The iteration then ends with `ProviderBroke`, unless the answer was complete already; the caller knows
        why it aborted. Harmless after the end.
        """
        ...

    def close(self) -> None:
        """Frees the connection; the provider stops generating. Safe after the end and after `abort`."""
        ...


class Provider(Protocol):
    """An AI company or host that can be asked."""

    name: str
    """Key of the provider, as in the table of models."""
    is_offline: bool
    """Whether answers come from data that is shipped with the workbench."""

    def chat(self, request: ChatRequest, limits: TimeLimits) -> ChatStream:
        """The answer to `request`; returns at once, and calls the provider when the first event is asked for.

        So `abort` can wake the call in every stage: connecting, waiting for the first token, between tokens.
        A refused, late or failed connection is raised by the iteration, as a kind of `ProviderError`.
        """
        ...

    def close(self) -> None:
        """Closes idle connections; no call follows."""
        ...


@runtime_checkable
class Embedder(Provider, Protocol):
    """A provider that also turns texts into vectors."""

    def embed(self, request: EmbedRequest, limits: TimeLimits) -> ChatStream:
        """The vectors of `request.inputs`, in order; returns at once, and calls when the first event is asked for.

        A stream like any other answer: one `Delta` whose text is `embedded_text` of the vectors, then a `Finish`
        whose usage has no completion tokens. A reply with another number of vectors, or with one that is not a list
        of finite numbers, raises `ProviderBroke`.
        """
        ...


@runtime_checkable
class Painter(Provider, Protocol):
    """A provider that also makes pictures."""

    def paint(self, request: PictureRequest, limits: TimeLimits) -> ChatStream:
        """The picture; returns at once, and calls when the first event is asked for.

        A stream like any other answer: one `Delta` whose text is `painted_text` of the picture, then a `Finish`. What
        cannot be read as a picture raises `ProviderBroke`.
        """
        ...


@runtime_checkable
class Transcriber(Provider, Protocol):
    """A provider that also writes recordings down."""

    def transcribe(self, request: TranscriptionRequest, limits: TimeLimits) -> ChatStream:
        """The words of the recording; returns at once, and calls when the first event is asked for.

        A stream like any other answer: one `Delta` with the text (none where nothing is said), then a `Finish`, whose
        usage has `audio_s` where the provider bills by time.
        """
        ...
