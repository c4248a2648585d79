"""The themes can be read by people who see less well, and have all the colours that charts ask for."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from core.settings import ROOT

THEMES: dict[str, Any] = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
READABLE = 4.5
"""Least contrast of small text, by WCAG 2.2 AA."""
VISIBLE = 3.0
"""Least contrast of parts of the interface, by WCAG 2.2 AA."""
CAPTION_OPACITY = 0.6
SEMANTIC = ("red", "orange", "yellow", "green", "blue", "violet", "gray")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(THEMES[request.param])


def test_text_and_captions_are_readable_on_both_surfaces(theme: dict[str, Any]) -> None:
    for surface in (theme["backgroundColor"], theme["sidebar"]["backgroundColor"]):
        assert _contrast(theme["textColor"], surface) >= READABLE
        assert _contrast(_mixed(theme["textColor"], surface, CAPTION_OPACITY), surface) >= READABLE
        assert _contrast(theme["linkColor"], surface) >= READABLE


def test_the_main_button_is_readable_and_stands_out(theme: dict[str, Any]) -> None:
    assert _contrast("#FFFFFF", theme["primaryColor"]) >= READABLE
    assert _contrast(theme["primaryColor"], theme["backgroundColor"]) >= VISIBLE


@pytest.mark.parametrize("name", SEMANTIC)
def test_coloured_words_are_readable(theme: dict[str, Any], name: str) -> None:
    assert _contrast(theme[f"{name}Color"], theme["backgroundColor"]) >= READABLE


@pytest.mark.parametrize("palette", ["chartCategoricalColors", "chartSequentialColors", "chartDivergingColors"])
def test_palettes_hold_ten_colours_or_charts_fall_back_to_their_own(theme: dict[str, Any], palette: str) -> None:
    assert len(set(theme[palette])) == 10


def test_marks_of_charts_are_visible(theme: dict[str, Any]) -> None:
    assert min(_contrast(color, theme["backgroundColor"]) for color in theme["chartCategoricalColors"]) >= VISIBLE


def _channels(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(color: str) -> float:
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in _channels(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _mixed(front: str, back: str, opacity: float) -> str:
    pairs = zip(_channels(front), _channels(back), strict=True)
    return "#" + "".join(f"{round(f * opacity + b * (1 - opacity)):02x}" for f, b in pairs)
