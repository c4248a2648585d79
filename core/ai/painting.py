"""The question for a picture."""

from __future__ import annotations

from core.ai.answer import IMAGE, PictureWish, Question
from core.ai.pictures import painted_tokens
from core.ai.providers.contract import Message
from core.metering.repeats import Idempotency


def picture_question(
    prompt: str, wish: PictureWish, *, model: str, channel: str, idempotency: Idempotency | None
) -> Question:
    """A picture of what a text says; size and quality are part of the question.

    Raises:
        ValueError: there is no such size or quality.
    """
    return Question(
        messages=(Message("user", prompt),),
        model=model,
        feature=None,
        task=IMAGE,
        max_tokens=painted_tokens(wish.size, wish.quality),
        channel=channel,
        data_version=f"{wish.size} {wish.quality}",
        picture=wish,
        idempotency=idempotency,
    )
