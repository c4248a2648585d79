"""Templates over HTTP: what they are given as, and how they are told."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.http.models import Answer, Body, Moment
from core.research.template_texts import MAX_CHOICES, MAX_VARIABLES, Value
from core.research.templates import MAX_SOUGHT_CHARS

Sharing = Literal["private", "shared", "public"]
VariableKind = Literal["text", "number", "date", "symbol", "choice"]
MAX_VALUES = 100
"""Values that one call may give; which of them are wanted is told by name."""
Values = dict[str, Value | None]


class TemplatesQuery(BaseModel):
    """Which templates."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    search: str = Field("", max_length=MAX_SOUGHT_CHARS)
    """Those whose title, description or text holds this, in whatever case."""
    category: str = Field("", max_length=MAX_SOUGHT_CHARS)
    sharing: Sharing | None = None
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(50, ge=1, le=200)


class VariableGiven(Body):
    """Something that is given each time a template is used."""

    name: str
    """As it stands in the text between double braces: lower-case letters, digits, underscores."""
    label: str = ""
    """As it is asked for; empty: its name."""
    kind: VariableKind = "text"
    default: str = ""
    """What is taken where nothing is given."""
    choices: list[str] = Field([], max_length=MAX_CHOICES)
    """Of the kind `choice`: what can be given."""
    is_required: bool = True


class NewTemplate(Body):
    """A template to keep."""

    title: str
    text: str
    """With `{{name}}` for each variable, and `{{template:Title}}` for the text of another template."""
    category: str = "General"
    description: str = ""
    sharing: Sharing = "private"
    """`private`: the caller's alone; `shared`: the organisation's; `public`: everybody's, by operators."""
    variables: list[VariableGiven] = Field([], max_length=MAX_VARIABLES)


class TemplateChange(Body):
    """What is to change of a template; what is not given stays."""

    title: str | None = None
    text: str | None = None
    category: str | None = None
    description: str | None = None
    sharing: Sharing | None = None
    variables: list[VariableGiven] | None = Field(None, max_length=MAX_VARIABLES)
    version: int | None = Field(None, ge=1)
    """The version that was read; where somebody changed it meanwhile, `conflict`."""


class ValuesGiven(Body):
    """Values for a template."""

    variables: Values = Field({}, max_length=MAX_VALUES)
    """By name; texts, or numbers."""


class VariableTold(Answer):
    """A variable of a template."""

    name: str
    label: str
    kind: VariableKind
    default: str
    choices: list[str]
    is_required: bool


class TemplateItem(Answer):
    """A template in a list."""

    id: str
    title: str
    category: str
    description: str
    sharing: Sharing
    shipped: bool
    """Whether it comes with the workbench; nobody can change it."""
    own: bool
    """Whether the caller made it."""
    changeable: bool
    """Whether the caller may change and delete it."""
    version: int
    used: int
    """How often a question was made of it."""
    updated_at: Moment | None


class TemplateAnswer(TemplateItem):
    """A template."""

    text: str
    variables: list[VariableTold]
    """Those that stand in its own text."""
    inputs: list[VariableTold]
    """All that are to be given: its own, and those of templates that it asks for."""
    flaw: str | None
    """Why it cannot be filled as it stands."""


class TemplatesPage(Answer):
    """Templates, by title."""

    data: list[TemplateItem]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""


class FilledAnswer(Answer):
    """The question that a template makes of values."""

    template_id: str
    text: str
    version: str
    """Changes with the template, and with those that it asks for."""
