"""What requests of every kind take, and take at most."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.ai.answer import EMBEDDING, PictureWish, Question
from core.ai.bounds import asked_tokens, estimated_usage, has_counted_text, recorded_s, worst_case_usd
from core.ai.catalogue import Catalogue
from core.ai.estimate import completion_estimate, prompt_estimate
from core.ai.opening import limits_of
from core.ai.painting import picture_question
from core.ai.prices import PriceBook
from core.ai.providers.contract import Message, TimeLimits, TokenUsage
from core.ai.recordings import recording_of, transcription_question
from core.settings import DATA
from tests.fakes.sounds import wav

PICTURE = picture_question(
    "A balance", PictureWish("1024x1024", "medium"), model="auto", channel="api", idempotency=None
)
SOUND = transcription_question(recording_of(wav(30)), language=None, model="auto", channel="api", idempotency=None)
CHAT = Question((Message("user", "What is beta?"),))
VECTORS = Question((Message("user", "one"),), task=EMBEDDING, max_tokens=0)
LIMITS = TimeLimits(5, 30, 20, 120)


def test_text_is_counted_as_it_always_was() -> None:
    assert asked_tokens(CHAT, CHAT.messages) == prompt_estimate(CHAT.messages)
    usage = estimated_usage(CHAT, CHAT.messages, (), "An answer.", deltas=3)
    assert usage == TokenUsage(prompt_estimate(CHAT.messages), completion_estimate("An answer.", 3))
    assert estimated_usage(VECTORS, VECTORS.messages, (), "[]", deltas=1).completion_tokens == 0


def test_a_picture_takes_what_the_table_says_whatever_its_file_is() -> None:
    usage = estimated_usage(PICTURE, PICTURE.messages, (), "x" * 500_000, deltas=1)

    assert usage == TokenUsage(prompt_estimate(PICTURE.messages), 439)
    assert estimated_usage(PICTURE, PICTURE.messages, (), "", deltas=0).completion_tokens == 0


def test_a_recording_takes_its_seconds() -> None:
    assert recorded_s(SOUND) == 30
    assert asked_tokens(SOUND, SOUND.messages) == 300
    assert estimated_usage(SOUND, SOUND.messages, (), "Said.", deltas=1) == TokenUsage(300, 2, audio_s=30)


@pytest.mark.parametrize("question", [PICTURE, SOUND], ids=["picture", "sound"])
def test_no_estimate_costs_more_than_what_is_held(question: Question, shipped_prices: PriceBook) -> None:
    for model in Catalogue.load(DATA / "models.yaml", shipped_prices).models_for(question.operation):
        price = shipped_prices.price_of(model.price, date(2026, 11, 22))
        held = worst_case_usd(question, price, asked_tokens(question, question.messages))
        usage = estimated_usage(question, question.messages, (), "words " * 1_000, deltas=1)

        assert Decimal(0) < price.cost(usage) <= held


def test_no_output_tokens_are_a_flaw_where_text_is_counted_alone() -> None:
    assert has_counted_text(CHAT, "text")
    assert has_counted_text(PICTURE, "text")
    assert not has_counted_text(CHAT, "")
    assert not has_counted_text(SOUND, "text")
    assert not has_counted_text(VECTORS, "text")


def test_what_comes_whole_may_take_the_whole_time() -> None:
    assert limits_of(PICTURE, LIMITS).first_token_s == limits_of(SOUND, LIMITS).first_token_s == 120
    assert limits_of(CHAT, LIMITS) is LIMITS
    assert limits_of(VECTORS, LIMITS) is LIMITS
