"""Templates: questions with variables, of one user, of an organisation, or of everybody; and those that are shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.db.engine import Database
from core.principal import Principal
from core.research.template_texts import Value, Variable

Sharing = Literal["private", "shared", "public"]


@dataclass(frozen=True, slots=True)
class TemplateHead:
    """A template in a list."""

    id: UUID
    title: str
    category: str
    description: str
    sharing: Sharing
    is_shipped: bool
    """Whether it comes with the workbench; nobody can change it."""
    is_own: bool
    may_change: bool
    """Whether this caller may change and delete it."""
    version: int
    used: int
    """How often a question was made of it."""
    updated_at: datetime | None
    """None: it is shipped."""


@dataclass(frozen=True, slots=True)
class Template(TemplateHead):
    """A template with its text."""

    text: str
    variables: tuple[Variable, ...]
    """Those that stand in its own text."""
    inputs: tuple[Variable, ...]
    """All that are to be given when it is filled: its own, and those of templates that it asks for."""


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    """A template as somebody wants it."""

    title: str
    text: str
    category: str = "General"
    description: str = ""
    sharing: Sharing = "private"
    variables: Sequence[Variable] = field(default=())


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """Templates of a list."""

    rows: Sequence[TemplateHead]
    next_place: str | None
    """Give it as `after` for the next page; None where there is none."""


@dataclass(frozen=True, slots=True)
class FilledTemplate:
    """The question that came of a template."""

    text: str
    version: str
    """Changes with the template's text and with those that it asks for: goes into `Question.prompt_version`."""
    template_id: UUID


class Templates:
    """Templates of one user in one organisation."""

    def __init__(self, database: Database, shipped: Sequence[Template] = ()) -> None:
        self._database = database
        self._shipped = shipped

    def list(
        self, principal: Principal, *, sought: str = "", category: str = "", after: str | None = None, most: int = 200
    ) -> TemplatePage:
        """Templates that the caller sees, by title; `sought` in title, description or text, in whatever case.

        Raises:
            InvalidRequest: `after` is of no page.
        """
        raise NotImplementedError

    def categories(self, principal: Principal) -> Sequence[str]:
        """Categories of the templates that the caller sees, in order."""
        raise NotImplementedError

    def get(self, principal: Principal, template_id: UUID) -> Template:
        """One template.

        Raises:
            NotFound: none of that id that this caller sees.
        """
        raise NotImplementedError

    def create(self, principal: Principal, draft: TemplateDraft) -> Template:
        """Keeps a new one.

        Raises:
            InvalidRequest: the sentence says what is wrong, with names.
            Forbidden: a viewer, a token without the scope; or a public one, and the caller is no operator.
        """
        raise NotImplementedError

    def change(self, principal: Principal, template_id: UUID, draft: TemplateDraft, *, after: int) -> Template:
        """Keeps another text of one, written after its version `after` was read.

        Raises:
            NotFound: as `get`.
            Conflict: somebody changed it meanwhile.
            InvalidRequest, Forbidden: as `create`; a shared one is changed by its author and by managers.
        """
        raise NotImplementedError

    def delete(self, principal: Principal, template_id: UUID) -> None:
        """Deletes one.

        Raises:
            NotFound, Forbidden: as `change`.
        """
        raise NotImplementedError

    def filled(self, principal: Principal, template_id: UUID, variables: Mapping[str, Value]) -> FilledTemplate:
        """The question that a template makes of these values.

        Raises:
            NotFound: as `get`.
            InvalidRequest: values that are missing, unknown or of the wrong kind, with their names; or a template that
                asks for itself, or for one that the caller does not see.
        """
        raise NotImplementedError

    def used(self, principal: Principal, template_id: UUID) -> None:
        """Counts a question that was made of it; of one that is gone nothing is counted."""
        raise NotImplementedError
