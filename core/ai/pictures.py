"""How many tokens a picture takes at most, that a model is shown or that it makes, and where the figures are from."""

from __future__ import annotations

from core.ai.providers.contract import Picture

TOKENS_AT_LEAST = 1_800
"""What vendors count who cut every picture into a fixed number of tiles: OpenAI's older models 85 and 170 for each of
up to 8 tiles (1,445), xAI 256 for each of up to 7 (1,792), Google's newer ones 1,120."""
PATCH_PX = 28
"""Side of the smallest square that is one token (Mistral and Qwen merge patches of 14 pixels; Anthropic counts a token
for 750 square pixels)."""
MAX_PATCHES = 16_384
"""Most tokens of those who count patches; they shrink what is larger."""
WEIGHED_PATCH_PX = 32
MAX_WEIGHED_PATCHES = 1_536
PATCH_WEIGHT = 2.46
"""OpenAI's small models count up to 1,536 patches of 32 pixels, each as up to 2.46 tokens; its newer ones up to 2,500
patches as 1.2 tokens each, which is less."""
TILE_TOKENS = 258
TILE_PX = (256, 768)
"""Google's older models cut a picture into squares of its shorter side ÷ 1.5, within these pixels, each 258 tokens."""

SIZES = ("1024x1024", "1024x1536", "1536x1024")
"""Of pictures that are made, width by height; every painting model knows them."""
QUALITIES = ("low", "medium", "high")
PAINTED_TOKENS = {"low": 196, "medium": 439, "high": 1_756}
"""Output tokens of a square picture by its quality, of the GPT Image 2.5 family; one that is not square takes fewer
(158, 343, 1,372). Litellm's table has them as the price of a picture, at 30 USD per million tokens."""


def painted_tokens(size: str, quality: str) -> int:
    """Output tokens that a picture takes at most, by any painting model of the catalogue.

    Raises:
        ValueError: there is no such size or quality.
    """
    if size not in SIZES or quality not in PAINTED_TOKENS:
        raise ValueError(f"size is one of {', '.join(SIZES)}, quality one of {', '.join(QUALITIES)}")
    return PAINTED_TOKENS[quality]


def picture_tokens(picture: Picture) -> int:
    """Input tokens for a hold: not fewer than any vendor counts for a picture of this size.

    The vendors' pages on pictures give the rules (see the constants above). A model that counts far more than these, as
    GPT-4o mini does with up to 48,000 tokens, is not shown pictures: the models file gives it no `vision`.
    """
    patches = min(_squares(picture, PATCH_PX) + _ceil(picture.height, PATCH_PX), MAX_PATCHES)
    weighed = int(min(_squares(picture, WEIGHED_PATCH_PX), MAX_WEIGHED_PATCHES) * PATCH_WEIGHT) + 1
    smallest, largest = TILE_PX
    tile_px = min(max(int(min(picture.width, picture.height) / 1.5), smallest), largest)
    return max(TOKENS_AT_LEAST, patches, weighed, _squares(picture, tile_px) * TILE_TOKENS)


def _squares(picture: Picture, side_px: int) -> int:
    return _ceil(picture.width, side_px) * _ceil(picture.height, side_px)


def _ceil(amount: int, unit: int) -> int:
    return -(-amount // unit)
