"""The themes can be read by people who see less well, and have all the colours that charts ask for."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from core.settings import ROOT
from pages.components.theme import contrast

THEMES: dict[str, Any] = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
READABLE = 4.5
"""Least contrast of small text, by WCAG 2.2 AA."""
VISIBLE = 3.0
"""Least contrast of parts of the interface, by WCAG 2.2 AA."""
CAPTION_OPACITY = 0.6
PLACEHOLDER_OPACITY = 0.6
CHOSEN_TINT = 0.1
"""How much of the main colour is in the ground of a chosen option."""
SEMANTIC = ("red", "orange", "yellow", "green", "blue", "violet", "gray")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(THEMES[request.param])


def test_text_and_captions_are_readable_on_both_surfaces(theme: dict[str, Any]) -> None:
    for surface in (theme["backgroundColor"], theme["sidebar"]["backgroundColor"]):
        assert contrast(theme["textColor"], surface) >= READABLE
        assert contrast(_mixed(theme["textColor"], surface, CAPTION_OPACITY), surface) >= READABLE
        assert contrast(theme["linkColor"], surface) >= READABLE


def test_the_main_button_is_readable_and_stands_out(theme: dict[str, Any]) -> None:
    assert contrast("#FFFFFF", theme["primaryColor"]) >= READABLE
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= VISIBLE


@pytest.mark.parametrize("name", SEMANTIC)
def test_coloured_words_are_readable(theme: dict[str, Any], name: str) -> None:
    assert contrast(theme[f"{name}Color"], theme["backgroundColor"]) >= READABLE
    assert contrast(theme[f"{name}Color"], theme["sidebar"]["backgroundColor"]) >= READABLE


def test_what_is_typed_and_its_placeholder_are_readable(theme: dict[str, Any]) -> None:
    for field in (theme["secondaryBackgroundColor"], theme["sidebar"]["secondaryBackgroundColor"]):
        assert contrast(theme["textColor"], field) >= READABLE
        assert contrast(_mixed(theme["textColor"], field, PLACEHOLDER_OPACITY), field) >= VISIBLE


def test_tables_and_code_are_readable(theme: dict[str, Any]) -> None:
    assert contrast(theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]) >= READABLE
    assert contrast(theme["codeTextColor"], theme["codeBackgroundColor"]) >= READABLE


def test_the_ring_around_the_focus_is_seen_on_every_surface(theme: dict[str, Any]) -> None:
    surfaces = [theme[name] for name in ("backgroundColor", "secondaryBackgroundColor")]
    for surface in (*surfaces, *(theme["sidebar"][name] for name in ("backgroundColor", "secondaryBackgroundColor"))):
        assert contrast(theme["linkColor"], surface) >= VISIBLE


def test_what_is_chosen_is_readable_on_its_tint(theme: dict[str, Any]) -> None:
    tint = _mixed(theme["primaryColor"], theme["backgroundColor"], CHOSEN_TINT)
    assert contrast(theme["linkColor"], tint) >= READABLE


@pytest.mark.parametrize("palette", ["chartCategoricalColors", "chartSequentialColors", "chartDivergingColors"])
def test_palettes_hold_ten_colours_or_charts_fall_back_to_their_own(theme: dict[str, Any], palette: str) -> None:
    assert len(set(theme[palette])) == 10


def test_marks_of_charts_are_visible(theme: dict[str, Any]) -> None:
    assert min(contrast(color, theme["backgroundColor"]) for color in theme["chartCategoricalColors"]) >= VISIBLE


def _channels(color: str) -> list[int]:
    return [int(color[at : at + 2], 16) for at in (1, 3, 5)]


def _mixed(front: str, back: str, opacity: float) -> str:
    pairs = zip(_channels(front), _channels(back), strict=True)
    return "#" + "".join(f"{round(f * opacity + b * (1 - opacity)):02x}" for f, b in pairs)
