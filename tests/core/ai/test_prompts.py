"""Prompts in files: what they are called, which version they are, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.ai.prompts import MAX_BYTES, load_prompt, read_prompt
from core.errors import ConfigurationError
from core.settings import DATA

GOOD = "---\nname: terse\nversion: 2\n---\nJudge.\n\nIn one word.\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of which the name says nothing."""
    return tmp_path / "mine.md"


def test_every_shipped_prompt_can_be_read_under_its_name() -> None:
    files = sorted((DATA / "prompts").glob("*.md"))
    assert files
    for path in files:
        assert load_prompt(path.parent, path.stem) == read_prompt(path)


def test_name_and_version_come_from_the_head_and_any_change_makes_another_version(file: Path) -> None:
    file.write_text(GOOD, "utf-8")
    prompt = read_prompt(file)
    assert (prompt.name, prompt.text) == ("terse", "Judge.\n\nIn one word.")
    assert prompt.version.startswith("terse/2/")
    file.write_text(GOOD.replace("one word", "two words"), "utf-8")
    assert read_prompt(file).version != prompt.version
    file.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert read_prompt(file) == prompt, "ends of lines are no change"


def test_a_prompt_is_loaded_under_its_own_name_alone(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text(GOOD, "utf-8")
    with pytest.raises(ConfigurationError, match=r"other\.md, line 1: the head must give `name: other`"):
        load_prompt(tmp_path, "other")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: the head must give a name and a version"),
        (b"Judge.", "line 1: the head must give a name and a version"),
        (b"---\nname: terse\nversion: 2\n", "line 1: the head must give a name and a version"),
        (b"---\nname: terse\n---\nJudge.", "line 1: the head must give `version: "),
        (b"---\nname: terse\nauthor: ann\nversion: 2\n---\nJudge.", "line 3: the head has one line each for"),
        (b"---\nname: terse\nname: other\nversion: 2\n---\nJudge.", "line 3: the head has one line each for"),
        (b"---\nname: terse\nversion 2\n---\nJudge.", "line 3: the head has one line each for"),
        (b"---\nname: ../x\nversion: 2\n---\nJudge.", "line 2: the name is a word"),
        (b"---\nname: terse\nversion:  \n---\nJudge.", "line 3: the version is a word"),
        (b"---\nname: terse\nversion: 2\n---\n \n", "line 5: no text follows the head"),
        (b"---\nname: terse\nversion: 2\n---\nJudge.\n\xff", "line 6: the text is not UTF-8"),
        (b"-" * (MAX_BYTES + 1), "is larger than 64 KiB"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_prompt(file)
    assert refused.value.detail.startswith("mine.md")
    assert words in refused.value.detail


def test_what_is_no_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.md cannot be read"):
        read_prompt(tmp_path / "nothing.md")
    with pytest.raises(ConfigurationError, match=r"The prompt nothing\.md is missing"):
        load_prompt(tmp_path, "nothing")
