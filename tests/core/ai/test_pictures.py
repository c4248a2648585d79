"""How many tokens pictures take at most."""

from __future__ import annotations

import pytest

from core.ai.cache import KeyParts, cache_key
from core.ai.estimate import prompt_estimate
from core.ai.pictures import MAX_PATCHES, QUALITIES, SIZES, painted_tokens, picture_tokens
from core.ai.providers.contract import Message, Picture
from tests.fakes.pictures import picture


def _tokens(width: int, height: int) -> int:
    return picture_tokens(Picture("image/png", b"", width, height))


def _tiles_of_openai(width: int, height: int) -> int:
    """As its page says: within 2,048 pixels, the shorter side to 768, tiles of 512."""
    scale = min(1.0, 2048 / max(width, height))
    width, height = int(width * scale), int(height * scale)
    scale = min(1.0, 768 / min(width, height))
    width, height = max(1, int(width * scale)), max(1, int(height * scale))
    return 85 + 170 * -(-width // 512) * -(-height // 512)


def _tokens_of_anthropic(width: int, height: int) -> int:
    """As its page says: a token for 750 square pixels, within 2,576 pixels and 4,784 tokens."""
    scale = min(1.0, 2576 / max(width, height))
    return min(4_784, int(width * scale * height * scale / 750))


def _tokens_of_google(width: int, height: int) -> int:
    """As its page says: 258 for a small picture, or for each tile of a large one."""
    if max(width, height) <= 384:
        return 258
    tile = min(768, max(256, int(min(width, height) / 1.5)))
    return 258 * -(-width // tile) * -(-height // tile)


def _tokens_of_xai(width: int, height: int) -> int:
    return 256 * (min(6, -(-width // 448) * -(-height // 448)) + 1)


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (12, 8), (512, 512), (768, 768), (1024, 1024), (1024, 1536), (1568, 1568), (3000, 200), (2048, 2048)],
)
def test_no_vendor_counts_more_than_is_held(width: int, height: int) -> None:
    ours = _tokens(width, height)

    assert ours >= _tiles_of_openai(width, height)
    assert ours >= _tokens_of_anthropic(width, height)
    assert ours >= _tokens_of_google(width, height)
    assert ours >= _tokens_of_xai(width, height)
    assert ours >= min(1536, -(-width // 32) * -(-height // 32)) * 2.46
    assert ours >= min(16_384, -(-width // 28) * -(-height // 28))


def test_a_usual_picture_holds_a_few_thousand_tokens() -> None:
    assert 1_500 < _tokens(800, 600) < 2_500
    assert 3_000 < _tokens(1568, 1568) < 4_000


def test_a_huge_picture_is_counted_as_it_is_shrunk() -> None:
    assert _tokens(60_000, 40) < 100_000
    assert _tokens(8_000, 8_000) >= MAX_PATCHES


def test_a_larger_picture_never_holds_less() -> None:
    counts = [_tokens(side, side) for side in range(64, 4096, 64)]

    assert max(counts) == counts[-1]


def test_better_pictures_take_more_tokens_and_others_do_not_exist() -> None:
    for size in SIZES:
        counts = [painted_tokens(size, quality) for quality in QUALITIES]
        assert counts == sorted(counts)
        assert min(counts) > 0
    for size, quality in [("1024x1025", "low"), ("1024x1024", "max"), ("", "")]:
        with pytest.raises(ValueError, match="one of"):
            painted_tokens(size, quality)


def test_the_same_words_with_another_picture_are_another_question() -> None:
    def key(*pictures: Picture) -> bytes:
        message = Message("user", "What does this show?", pictures=pictures)
        return cache_key(KeyParts("chat", "auto", (message,), 100, 0.7, ""))

    one, other = picture(of="one"), picture(of="other")
    assert len({key(), key(one), key(other), key(one, other), key(other, one)}) == 5
    assert key(one) == key(picture(of="one"))


def test_a_picture_is_counted_in_the_hold_of_its_question() -> None:
    plain, shown = Message("user", "Look."), Message("user", "Look.", pictures=(picture(), picture()))

    assert prompt_estimate([shown]) == prompt_estimate([plain]) + 2 * picture_tokens(picture())
