"""`/api/ai/templates`: questions with variables, one's own, the organisation's, and everybody's."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from core.errors import NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.template_models import (
    FilledAnswer,
    NewTemplate,
    TemplateAnswer,
    TemplateChange,
    TemplateItem,
    TemplatesPage,
    TemplatesQuery,
    ValuesGiven,
    VariableGiven,
    VariableTold,
)
from core.principal import Principal
from core.research.template_texts import Variable
from core.research.templates import Template, TemplateDraft, TemplateHead
from core.workbench import Workbench

PATH = "/ai/templates"

router = APIRouter(route_class=SignedInRoute, tags=["Templates"])


@router.get(PATH, summary="Templates, by title")
async def list_templates(
    asked: Annotated[TemplatesQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> TemplatesPage:
    """The caller's own, those of the organisation, and public ones, page by page."""

    def listed() -> TemplatesPage:
        found = bench.templates.list(
            principal,
            sought=asked.search,
            category=asked.category,
            sharing=asked.sharing,
            after=asked.cursor,
            most=asked.limit,
        )
        return TemplatesPage(data=[TemplateItem(**_head(row)) for row in found.rows], next_cursor=found.next_place)

    return await in_thread(listed, threads)


@router.post(PATH, status_code=201, summary="Keep a template")
async def create_template(given: NewTemplate, principal: SignedIn, bench: Bench, threads: Threads) -> TemplateAnswer:
    """Its variables are checked against its text; one that asks for itself, directly or round about, is refused."""
    draft = TemplateDraft(
        title=given.title,
        text=given.text,
        category=given.category,
        description=given.description,
        sharing=given.sharing,
        variables=_variables(given.variables),
    )
    return _told(await in_thread(partial(bench.templates.create, principal, draft), threads))


@router.get(f"{PATH}/{{template_id}}", summary="A template")
async def get_template(template_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> TemplateAnswer:
    """One that the caller does not see is not found."""
    return _told(await in_thread(partial(bench.templates.get, principal, template_id_of(template_id)), threads))


@router.patch(f"{PATH}/{{template_id}}", summary="Change a template")
async def change_template(
    template_id: str, given: TemplateChange, principal: SignedIn, bench: Bench, threads: Threads
) -> TemplateAnswer:
    """A shared one is changed by its author and by owners and admins; each change is another version."""
    return _told(await in_thread(partial(_changed, template_id_of(template_id), given, bench, principal), threads))


@router.delete(f"{PATH}/{{template_id}}", status_code=204, summary="Delete a template")
async def delete_template(template_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """Questions that were made of it stay."""
    await in_thread(partial(bench.templates.delete, principal, template_id_of(template_id)), threads)


@router.post(f"{PATH}/{{template_id}}/fill", summary="The question that a template makes of values")
async def fill_template(
    template_id: str, given: ValuesGiven, principal: SignedIn, bench: Bench, threads: Threads
) -> FilledAnswer:
    """Nothing is asked. Values that are missing, unknown or of the wrong kind are told by name."""
    fill = partial(bench.templates.filled, principal, template_id_of(template_id), given.variables)
    filled = await in_thread(fill, threads)
    return FilledAnswer(template_id=str(filled.template_id), text=filled.text, version=filled.version)


def template_id_of(given: str) -> UUID:
    """The id of a template.

    Raises:
        NotFound: what cannot be an id names none that exists.
    """
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such template.") from None


def _changed(template_id: UUID, given: TemplateChange, bench: Workbench, principal: Principal) -> Template:
    known = bench.templates.get(principal, template_id)
    said: dict[str, Any] = {name: getattr(given, name) for name in _TEXTS if getattr(given, name) is not None}
    if given.variables is not None:
        said["variables"] = _variables(given.variables)
    kept = {name: getattr(known, name) for name in (*_TEXTS, "variables")}
    draft = TemplateDraft(**{**kept, **said})
    return bench.templates.change(principal, template_id, draft, after=given.version or known.version)


def _variables(given: list[VariableGiven]) -> tuple[Variable, ...]:
    return tuple(Variable(**{**dict(each), "choices": tuple(each.choices)}) for each in given)


def _head(row: TemplateHead) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "shipped": row.is_shipped,
        "own": row.is_own,
        "changeable": row.may_change,
        **{name: getattr(row, name) for name in _SAME},
    }


def _told(template: Template) -> TemplateAnswer:
    return TemplateAnswer(
        **_head(template),
        text=template.text,
        variables=[_variable(each) for each in template.variables],
        inputs=[_variable(each) for each in template.inputs],
        flaw=template.flaw,
    )


def _variable(variable: Variable) -> VariableTold:
    return VariableTold(
        name=variable.name,
        label=variable.asked,
        kind=variable.kind,
        default=variable.default,
        choices=list(variable.choices),
        is_required=variable.is_required,
    )


_TEXTS = ("title", "text", "category", "description", "sharing")
_SAME = ("title", "category", "description", "sharing", "version", "used", "updated_at")
"""Fields of a template that are called as those of its row."""
