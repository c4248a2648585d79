"""Parameters that the API and the OpenAI wire format take alike."""

from __future__ import annotations

from core.ai.answer import EMBEDDING, Question
from core.ai.providers.contract import Message
from core.errors import InvalidRequest
from core.metering.repeats import Idempotency

MAX_INPUTS = 2_048
"""Texts of one call for embeddings."""


class InvalidParameter(InvalidRequest):
    """A parameter that is wrong, or that would be answered as if it had not been given."""

    def __init__(self, detail: str, param: str | None) -> None:
        super().__init__(detail)
        self.param = param


def embedding_question(
    given: object, *, model: str, channel: str, idempotency: Idempotency | None, dimensions: int | None = None
) -> Question:
    """Texts to turn into vectors, as they are.

    Raises:
        InvalidParameter: something else than a text or a list of texts.
    """
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise InvalidParameter("The field input must be a text, or a list of texts.", "input")
    if any(isinstance(text, int | list) for text in texts):
        raise InvalidParameter(
            "The field input holds tokens; send texts, they are not turned into tokens here.", "input"
        )
    if len(texts) > MAX_INPUTS:
        raise InvalidParameter(f"The field input holds {len(texts):,} texts, of at most {MAX_INPUTS:,}.", "input")
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidParameter("The field input must hold texts, none of them empty.", "input")
    return Question(
        messages=tuple(Message("user", checked_text(text, "input")) for text in texts),
        model=model,
        feature=None,
        task=EMBEDDING,
        max_tokens=0,
        channel=channel,
        is_exact=True,
        dimensions=dimensions,
        idempotency=idempotency,
    )


def checked_text(text: str, where: str) -> str:
    """A text that every provider and our database take.

    Raises:
        InvalidParameter: it holds half of a surrogate pair, or NUL.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = "\x00"
    if "\x00" in text:
        raise InvalidParameter(f"The field {where} holds characters that are not text.", where)
    return text
