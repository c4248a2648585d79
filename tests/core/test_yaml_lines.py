"""A mistake in a YAML file is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from core.errors import ConfigurationError
from core.yaml_lines import Document, load_yaml, validate

TEXT = """\
# a comment
plans:
  free:
    seats: 1
  basic:
    seats: two

rows:
  - id: a
  - id: b
    tags: [x, y]
"""


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seats: int


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    tags: tuple[str, ...] = ()


class _File(BaseModel):
    plans: dict[str, _Plan]
    rows: tuple[_Row, ...]


def _document(folder: Path, text: str) -> Document:
    (folder / "shape.yaml").write_text(text, "utf-8")
    return load_yaml(folder / "shape.yaml")


def test_each_value_has_its_line(tmp_path: Path) -> None:
    document = _document(tmp_path, TEXT)

    assert document.value["rows"][1] == {"id": "b", "tags": ["x", "y"]}
    assert document.line_of(("plans",)) == 2
    assert document.line_of(("plans", "basic", "seats")) == 6
    assert document.line_of(("rows", 1)) == 10
    assert document.line_of(("rows", 1, "tags", 0)) == 11
    assert document.line_of(("rows", 1, "missing")) == 10
    assert document.line_of(("nothing", "here")) == document.line_of(()) == 2


def test_a_wrong_value_is_named_with_file_and_line_but_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate(_document(tmp_path, TEXT), _File)

    assert caught.value.detail.startswith("shape.yaml, line 6: plans.basic.seats: ")
    assert "two" not in caught.value.detail
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a:\n  x: 1\n  y: [1, 2\nb: 3\n", 4, ""),
        ("a: &all [1]\nb: *all\n", 1, "aliases"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "key"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, ""),
        ("a: 1\nb: 2026-02-31\n", 2, "date"),
        ("a: 1\nb: \x07\n", 2, "character"),
        ("a: 1\n\tb: 2\n", 2, ""),
    ],
    ids=["duplicate", "syntax", "anchor", "complex-key", "tag", "no-such-day", "control-character", "tab"],
)
def test_a_file_that_is_not_plain_yaml_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, word: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^shape\.yaml, line {line}: .*{word}"):
        _document(tmp_path, text)


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigurationError, match=r"^absent\.yaml: "):
        load_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match=r"^binary\.yaml: "):
        load_yaml(tmp_path / "binary.yaml")


def test_an_empty_file_is_an_empty_document(tmp_path: Path) -> None:
    document = _document(tmp_path, "")

    assert document.value is None
    with pytest.raises(ConfigurationError, match=r"^shape\.yaml, line 1: "):
        validate(document, _File)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"  - id: [{number}]\n" for number in range(9))

    with pytest.raises(ConfigurationError, match=r"line 3: .*; line 4: .*\(and 4 more\)"):
        validate(_document(tmp_path, "plans: {}\nrows:\n" + rows), _File)
