"""What a model wrote is shown as words: formulas stay, money is no formula, nothing is fetched or spoofed."""

from __future__ import annotations

import random

import pytest

from pages.components.chat_text import Reader, readable
from pages.components.words import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It costs $5 and $10.", "It costs \\$5 and \\$10."),
        ("between $AAPL and $MSFT/$GOOG", "between \\$AAPL and \\$MSFT/\\$GOOG"),
        ("from $1.5bn to 200$ a share", "from \\$1.5bn to 200\\$ a share"),
        ("already \\$7", "already \\$7"),
    ],
)
def test_money_is_no_formula(text: str, shown: str) -> None:
    assert readable(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$R_p$ and $x$ and $$E=mc^2$$", "$R_p$ and $x$ and $$E=mc^2$$"),
        ("a \\(x^2\\) b", "a $x^2$ b"),
        ("\\[ \\sigma = 1 \\]", "$$\\sigma = 1$$"),
        ("$\\frac{R_p - R_f}{\\sigma_p}$ costs $5", "$\\frac{R_p - R_f}{\\sigma_p}$ costs \\$5"),
    ],
)
def test_formulas_stay(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_a_picture_becomes_a_link_that_fetches_nothing() -> None:
    assert readable("![chart](https://x.example/a.png)") == "[Image: chart](https://x.example/a.png)"
    assert "![" not in readable("![a][b] ![c](d) !\\[e]")


def test_a_diagram_is_shown_as_text() -> None:
    assert readable("```mermaid\ngraph TD\n```\n") == "```text\ngraph TD\n```\n"


@pytest.mark.parametrize("text", [":green-badge[Verified]", ":red[x]", ":material/verified: ok", ":streamlit:"])
def test_the_pages_own_marks_cannot_be_written_by_a_model(text: str) -> None:
    shown = readable(text)
    assert shown != text
    assert shown.startswith(("\\:", ":\u2060"))


def test_code_is_left_as_it_is() -> None:
    text = "`$a$ :red[x]`\n\n```python\nx = '$a$ ![b](c)'\n```\nthen $5"
    assert readable(text) == text.replace("then $5", "then \\$5")


def test_a_growing_answer_reads_as_the_finished_one() -> None:
    source = random.Random(7)
    for _ in range(3_000):
        text = "".join(source.choice("$`\\!:[]()ab 5\n*_=~") for _ in range(source.randint(1, 40)))
        size, reader = source.randint(1, 5), Reader()
        pieces = [reader.feed(text[start : start + size]) for start in range(0, len(text), size)]
        assert "".join(pieces) + reader.close() == readable(text), text


def test_a_title_is_shown_as_it_was_typed() -> None:
    assert plain("*a* $5 [b] :red[c]") == "\\*a\\* \\$5 \\[b\\] \\:red\\[c\\]"
