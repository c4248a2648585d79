"""What figures measure: the shipped file, which files are refused, and which phrases of a text name what."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.research.measures import Measures
from core.settings import DATA

ROW = "  - {key: close, unit: price, of: share, words: [close, closing price]}\n"


def _load(folder: Path, rows: str) -> Measures:
    (folder / "measures.yaml").write_text(f"measures:\n{rows}", "utf-8")
    return Measures.load(folder / "measures.yaml")


def test_every_shipped_measure_is_named_by_its_words() -> None:
    measures = Measures.load(DATA / "measures.yaml")

    for measure in measures.all():
        assert measures.get(measure.key) == measure
        for words in measure.words:
            named = words in {"for", "at", "on", "to", "from", "of", "in", "by"}
            assert named or any(measure.key in phrase.keys for phrase in measures.phrases_in(words)), words


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROW + ROW, r"measures.yaml, line 3: measures.close: this key is given twice"),
        ("  - {key: close, unit: metres, of: share, words: []}\n", r"measures.yaml, line 2: .*unit"),
        ("  - {key: close, unit: price, of: share, words: [on]}\n", r"measures.yaml, line 2: .*words.0: .*string"),
        ("  - {key: close, unit: price, of: share, words: ['%']}\n", r"measures.yaml, line 2: .*a letter or a digit"),
        ("  - {key: close, unit: price, of: share, words: [], colour: red}\n", r"measures.yaml, line 2: .*colour"),
    ],
    ids=["twice", "unit", "bool", "sign", "extra"],
)
def test_a_mistake_is_named_with_its_line(rows: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=told):
        _load(tmp_path, rows)


def test_the_longest_phrase_counts_and_a_plural_is_the_same(tmp_path: Path) -> None:
    measures = _load(tmp_path, ROW + "  - {key: top, unit: price, of: share, words: [highest closing price]}\n")

    found = list(measures.phrases_in("The highest closing prices, and the close."))

    assert [(phrase.words, sorted(phrase.keys)) for phrase in found] == [
        ("highest closing prices", ["top"]),
        ("close", ["close"]),
    ]
