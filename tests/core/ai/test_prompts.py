"""Prompts in files: what they are called, which version they are, and how a mistake is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from core.ai.prompts import MAX_BYTES, load_prompt, read_prompt
from core.errors import ConfigurationError
from core.research.bundle_calls import SCHEMAS
from core.settings import DATA
from core.verdicts.answer import SCHEMA as VERDICT
from core.yaml_lines import load_yaml

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


def test_a_changed_prompt_has_another_version() -> None:
    known = load_yaml(DATA / "prompts" / "versions.yaml").value
    shipped = [read_prompt(path) for path in sorted((DATA / "prompts").glob("*.md"))]
    assert set(known) == {prompt.name for prompt in shipped}
    for prompt in shipped:
        versions = {str(version): digest for version, digest in known[prompt.name].items()}
        assert versions.get(prompt.number) == prompt.digest, (
            f"{prompt.name}.md says something else than its version {prompt.number}: raise the version, and add it "
            f"with {prompt.digest} to data/prompts/versions.yaml"
        )
        assert len(set(versions.values())) == len(versions)


def test_a_prompt_that_asks_for_json_names_the_fields_of_its_schema() -> None:
    schemas = {"verdict": VERDICT, "holdings_summary": SCHEMAS["news"], "holdings_tone": SCHEMAS["sentiment"]}
    asked = set()
    for path in sorted((DATA / "prompts").glob("*.md")):
        prompt = read_prompt(path)
        assert (prompt.schema is not None) == ("one JSON object" in prompt.text), path.name
        if prompt.schema is not None:
            asked.add(prompt.schema)
            for field in _fields(schemas[prompt.schema]):
                assert f'"{field}"' in prompt.text, f"{path.name} does not name {field}"
    assert asked == set(schemas)
    assert SCHEMAS["filings"] == SCHEMAS["news"]


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """Names of all fields of a schema."""
    for name, child in schema.get("properties", {}).items():
        yield name
        yield from _fields(child.get("items", child))


def test_the_head_may_name_what_is_given_and_a_schema(file: Path) -> None:
    file.write_text(GOOD.replace("version: 2", "schema: tone\nversion: 2\nvariables: facts,  outside_1"), "utf-8")
    prompt = read_prompt(file)
    assert (prompt.variables, prompt.schema, prompt.number) == (("facts", "outside_1"), "tone", "2")
    file.write_text(GOOD.replace("version: 2", "version: 3"), "utf-8")
    plain = read_prompt(file)
    assert (plain.variables, plain.schema, plain.number) == ((), None, "3")
    assert plain.digest != prompt.digest


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
        (b"---\nname: terse\nversion: 2\nvariables: a, A\n---\nJudge.", "line 4: variables are names"),
        (b"---\nname: terse\nversion: 2\nvariables: \n---\nJudge.", "line 4: variables are names"),
        (b"---\nname: terse\nversion: 2\nvariables: a, a\n---\nJudge.", "line 4: there are at most 20 variables"),
        (b"---\nname: terse\nversion: 2\nschema: a, b\n---\nJudge.", "line 4: the schema is a word"),
        (b"---\nname: terse\nversion: 2\nschema: ../x\n---\nJudge.", "line 4: the schema is a word"),
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
