"""The templates that come with the workbench, in `data/templates.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, RootModel

from core.errors import InvalidRequest
from core.research.template_texts import Assembled, Kind, Source, Variable, assembled
from core.research.templates import Template, TemplateDraft, checked_draft
from core.yaml_lines import Document, load_yaml, validate

SPACE = UUID("6f2d7c64-0f0e-4a0c-9a53-5f8f3c1f7b10")
"""Of the ids of shipped templates, which are made of the names in the file."""


class _Variable(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    label: str = ""
    kind: Kind = "text"
    default: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = True


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z_]{1,40}$")
    version: int = Field(ge=1)
    title: str
    category: str
    description: str
    text: str
    variables: tuple[_Variable, ...] = ()


class _Templates(RootModel[list[_Template]]):
    pass


def load_templates(path: Path) -> tuple[Template, ...]:
    """The shipped templates, each as everybody sees it.

    Raises:
        ConfigurationError: the file has a mistake; the sentence names the line.
    """
    document = load_yaml(path)
    given = validate(document, _Templates).root
    sources = {each.title.lower(): _source(document, place, each) for place, each in enumerate(given)}
    if len(sources) < len(given) or len({each.id for each in given}) < len(given):
        raise document.error((), "two templates have one title or one id.")
    found = []
    for place, each in enumerate(given):
        source = sources[each.title.lower()]
        whole = _assembled(document, place, source, sources)
        found.append(
            Template(
                id=source.id,
                title=source.title,
                category=each.category,
                description=each.description.strip(),
                sharing="public",
                is_shipped=True,
                is_own=False,
                may_change=False,
                version=each.version,
                used=0,
                updated_at=None,
                text=source.text,
                variables=source.variables,
                inputs=whole.variables,
            )
        )
    return tuple(found)


def _source(document: Document, place: int, given: _Template) -> Source:
    variables = tuple(Variable(**dict(each)) for each in given.variables)
    draft = TemplateDraft(given.title, given.text, given.category, given.description, "public", variables)
    try:
        checked = checked_draft(draft)
    except InvalidRequest as error:
        raise document.error((place,), error.detail) from None
    return Source(uuid5(SPACE, given.id), checked.title, "public", given.version, checked.text, variables)


def _assembled(document: Document, place: int, source: Source, sources: Mapping[str, Source]) -> Assembled:
    def find(wanted: str, _asker: Source) -> Source:
        try:
            return sources[wanted.lower()]
        except KeyError:
            raise InvalidRequest(f"there is no shipped template {wanted!r}.") from None

    try:
        return assembled(source, find)
    except InvalidRequest as error:
        raise document.error((place,), error.detail) from None
