"""The components that pages share: each is in the gallery, and each holds against the texts that people really have."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from core.settings import ROOT
from pages.components.avatar import INKS, avatar_svg, color_of, initials, ink_on
from pages.components.theme import contrast
from pages.components.words import plain, usd_figure
from tests.gallery.exhibits import EXCUSED, EXHIBITS
from tests.gallery.texts import PEOPLE, TEXTS
from tests.pages.test_theme import READABLE, THEMES

GALLERY = str(ROOT / "tests" / "gallery" / "app.py")
MODULES = {path.stem: path for path in (ROOT / "pages" / "components").glob("[a-z]*.py")}


def test_every_component_is_in_the_gallery_or_excused_with_a_reason() -> None:
    drawn_alone = {
        name for name, path in MODULES.items() if "from core import workbench" not in path.read_text("utf-8")
    }
    assert drawn_alone - EXHIBITS.keys() - EXCUSED.keys() == set(), "show them in tests/gallery/exhibits.py"
    assert MODULES.keys() >= EXHIBITS.keys() | EXCUSED.keys(), "named there, and gone"
    assert drawn_alone >= EXCUSED.keys(), "what needs a workbench needs no other excuse"
    assert not EXHIBITS.keys() & EXCUSED.keys()
    assert all(EXCUSED.values())


@pytest.mark.parametrize("name", EXHIBITS)
def test_every_component_draws_each_of_its_states(name: str) -> None:
    gallery = AppTest.from_file(GALLERY, default_timeout=20)
    gallery.query_params["component"] = name
    gallery.run()
    assert not gallery.exception
    captions = [caption.value for caption in gallery.caption]
    assert all(exhibit.__doc__ in captions for exhibit in EXHIBITS[name])


@pytest.mark.parametrize(
    ("name", "email", "letters"),
    [
        ("Ann Miller", "x@example.com", "AM"),
        ("  ann   b.  miller ", "x@example.com", "AM"),
        ("Cher", "x@example.com", "C"),
        ("", "ben.okafor@example.com", "BO"),
        (" \u200b ", "ben@example.com", "B"),
        ("E\u0301milie Z\u030ciz\u030ckova\u0301", "x@example.com", "ÉŽ"),
        ("q\u0323\u0307uux", "x@example.com", "Q\u0323\u0307"),
        ("ßen Öz", "x@example.com", "ßÖ"),
        ("Ελένη Παπαδοπούλου", "x@example.com", "ΕΠ"),
        ("Анна Каренина", "x@example.com", "АК"),
        ("王小明", "x@example.com", "王"),
        ("김 민수", "x@example.com", "김"),
        ("ليلى حداد", "x@example.com", "ل"),
        ("प्रिया शर्मा", "x@example.com", "प्"),
        ("(Ann) “Miller”", "x@example.com", "AM"),
        ("🦊 --", "ann@example.com", "A"),
        ("🦊", "@", "?"),
        ("", "", "?"),
        ("x" * 10_000, "x@example.com", "X"),
    ],
)
def test_initials_are_one_or_two_letters_as_a_reader_sees_them(name: str, email: str, letters: str) -> None:
    assert initials(name, email) == letters


def test_the_colour_of_a_person_follows_their_address_however_it_is_written() -> None:
    colors = tuple(THEMES["light"]["chartCategoricalColors"])
    assert color_of(" Ann@Example.com ", colors) == color_of("ann@example.com", colors)
    assert len({color_of(f"user{number}@example.com", colors) for number in range(200)}) == len(colors)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_initials_are_readable_on_every_colour(theme: str) -> None:
    for color in THEMES[theme]["chartCategoricalColors"]:
        assert ink_on(color) in INKS
        assert contrast(ink_on(color), color) >= READABLE


@pytest.mark.parametrize("name", [*PEOPLE.values(), ('"/><script>', 'a"b<c>@example.com')])
def test_a_picture_is_a_picture_whatever_the_name_is(name: tuple[str, str]) -> None:
    picture = ET.fromstring(avatar_svg(*name))  # noqa: S314
    assert [part.tag.rpartition("}")[2] for part in picture] == ["circle", "text"]
    assert "".join(picture.itertext()) == initials(*name)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("*a* $5 [b] :red[c]", "\\*a\\* \\$5 \\[b\\] \\:red\\[c\\]"),
        ("- one\n\n    two", "\\- one two"),
        ("1. one", "1\\. one"),
        ("---", "\\---"),
        ("-5 % of 1.5 by e-mail", "-5 % of 1.5 by e-mail"),
        ("before  ", "before "),
        ("&lt;b&gt;", "\\&lt;b\\&gt;"),
        ("https://example.com", "https\\://\u2060example.com"),
        ("ann@example.com", "ann@\u2060example.com"),
        ("www.example.com", "www\u2060.example.com"),
        ("abc \u202egnp.exe", "\u2068abc \u202egnp.exe\u2069"),
        ("نص", "\u2068نص\u2069"),
        ("Žižka", "Žižka"),
    ],
)
def test_nothing_of_a_text_is_read_as_markup_or_turns_what_stands_around_it(text: str, written: str) -> None:
    assert plain(text) == written


def _run(script: Callable[[], None]) -> AppTest:
    return AppTest.from_function(script, default_timeout=10).run()


def test_a_secret_stays_until_the_person_has_it_and_is_gone_then() -> None:
    def script() -> None:
        import streamlit as st

        from pages.components import secret_once

        st.button("Something else", key="else")
        if st.button("Make", key="make"):
            secret_once.keep("token", "assay_123")
        st.session_state["is_shown"] = secret_once.show("token", "token")

    app = _run(script)
    assert not app.code
    app.button("make").click().run()
    assert app.code[0].value == "assay_123"
    app.button("else").click().run()
    assert app.code[0].value == "assay_123"
    app.button("token_put_away").click().run()
    assert not app.code
    assert not app.session_state["is_shown"]
    assert "token_secret" not in app.session_state


def test_what_fails_is_said_in_the_form_and_what_was_saved_in_passing() -> None:
    def script() -> None:
        import streamlit as st

        from core.errors import Conflict
        from pages.components.forms import saving, submit_button, text_field
        from pages.components.headings import page_head

        page_head("Profile")
        with st.form("profile"):
            name = text_field("Name", required=True)
            if submit_button("Save"):
                with saving("Saved *it*"):
                    if name == "taken":
                        raise Conflict("This name is taken.")
                    st.session_state["name"] = name

    app = _run(script)
    app.text_input[0].set_value("taken")
    app.button[0].click().run()
    assert not app.exception  # a form takes no other button
    assert app.warning[0].value == "**This name is taken.**"
    assert app.text_input[0].value == "taken"
    app.text_input[0].set_value("  Ann  ")
    app.button[0].click().run()
    assert not app.warning
    assert app.session_state["name"] == "Ann"
    assert [toast.value for toast in app.toast] == ["Saved \\*it\\*"]
    app.run()
    assert not app.toast


def test_the_texts_of_the_gallery_are_hard() -> None:
    everything = "".join((*TEXTS.values(), *(name for name, _ in PEOPLE.values())))
    assert "<script>" in everything
    assert max(len(word) for word in everything.split()) > 100
    assert not everything.isascii()


def test_every_page_with_a_title_begins_alike_and_so_says_what_was_just_saved() -> None:
    with_their_own = [path.name for path in (ROOT / "pages").rglob("*.py") if "st.title(" in path.read_text("utf-8")]
    assert with_their_own == ["headings.py"]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "0.00"),
        ("0.00012", "0.00012"),
        ("1234.5", "1,234.50"),
        ("-0.0696", "-0.0696"),
        ("-1.5", "-1.50"),
        ("-1234", "-1,234.00"),
    ],
)
def test_an_amount_keeps_its_sign_and_its_digits(amount: str, words: str) -> None:
    assert usd_figure(Decimal(amount)) == words
