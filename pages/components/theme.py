"""The theme's colours in Python, and the few lines of style that the theme's own settings cannot say."""

from __future__ import annotations

import streamlit as st

_OPTIONS = {
    "primary": "primaryColor",
    "text": "textColor",
    "background": "backgroundColor",
    "border": "borderColor",
    "link": "linkColor",
    "red": "redColor",
    "orange": "orangeColor",
    "green": "greenColor",
    "gray": "grayColor",
}
_STYLE = """<style>
:root :is(a, button, [role="radio"], [role="tab"]):focus-visible { outline: 2px solid LINK; outline-offset: 2px; }
:root:root :is([role="radio"][aria-checked="true"], [role="tab"][aria-selected="true"]),
:root:root button[kind="tertiary"]:is(:hover, :focus-visible, :active) { color: LINK; border-color: LINK; }
:root:root [role="spinbutton"][contenteditable] { padding-inline: 4px; line-height: 24px; }
:root:root button[aria-label="Clear all"] { min-width: 24px; min-height: 24px; }
</style>"""
"""Roles and states alone are named, no class of Streamlit's.

The ring around what has the keyboard's focus is half transparent by itself, and hard to see in the dark. There the
main colour has to be deep enough for the white words of a button, which is too deep for words in that colour. The
parts of a date, and the button that empties a choice, are smaller by themselves than WCAG 2.2 asks for.
"""


def show_style() -> None:
    """What every page needs once, before anything is drawn; it takes no place."""
    st.html(_STYLE.replace("LINK", theme_color("link")))


def theme_color(name: str) -> str:
    """A colour of the theme that the visitor uses."""
    return str(st.get_option(f"theme.{_theme()}.{_OPTIONS[name]}"))


def badge_color(name: str) -> str:
    """A colour that is deep enough for white words on it, in both themes."""
    return str(st.get_option(f"theme.light.{_OPTIONS[name]}"))


def categorical_colors() -> tuple[str, ...]:
    """The colours that tell things apart, in the theme that the visitor uses."""
    return tuple(st.get_option(f"theme.{_theme()}.chartCategoricalColors"))


def diverging_colors() -> tuple[str, ...]:
    """The colours from far below to far above nothing, in the theme that the visitor uses."""
    return tuple(st.get_option(f"theme.{_theme()}.chartDivergingColors"))


def contrast(one: str, other: str) -> float:
    """How far two colours, as #RRGGBB, stand apart: 1 to 21, as WCAG 2.2 reckons it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _theme() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
