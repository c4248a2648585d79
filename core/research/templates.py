"""Templates: questions with variables, of one user, of an organisation, or of everybody; and those that are shipped.

    private    its author's alone
    shared     the organisation's: changed by its author and by managers
    public     everybody's: made and changed by operators; those that are shipped are changed by nobody

A template may ask for others that all who see it see too: a shared one for shared and public ones, a public one for
public ones. A title stands for the nearest of that name: one's own, the organisation's, a public one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, cast, get_args
from uuid import UUID

from core.accounts.permissions import Action, may, require
from core.db import templates_dao as dao
from core.db.engine import Database, Transaction
from core.db.templates_dao import HeadRow, TemplateRow, Wanted
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.notebook.words import checked_line, checked_text
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal
from core.research.template_texts import Find, Source, Variable, assembled, check_variables

Sharing = Literal["private", "shared", "public"]
SHARINGS: tuple[str, ...] = get_args(Sharing)
MAX_TEMPLATES = 200
"""That one user makes in an organisation."""
MAX_TITLE_CHARS = 80
MAX_CATEGORY_CHARS = 40
MAX_DESCRIPTION_CHARS = 500
MAX_TEXT_CHARS = 20_000
MAX_SOUGHT_CHARS = 100
OF_NAMES = 5
"""Version of the ids of shipped templates, which are made of their names; others have another."""
_NO_SUCH = "There is no such template."
_MOST_TITLED = 20


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
    flaw: str | None = None
    """Why it cannot be filled as it stands: a template that it asks for is gone, or asks for it. Then `inputs` are its
    own."""


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
        self._shipped = {template.id: template for template in shipped}

    def list(
        self,
        principal: Principal,
        *,
        sought: str = "",
        category: str = "",
        sharing: Sharing | None = None,
        after: str | None = None,
        most: int = MAX_TEMPLATES,
    ) -> TemplatePage:
        """Templates that the caller sees, by title; `sought` in title, description or text, in whatever case.

        Raises:
            InvalidRequest: `after` is of no page.
        """
        require(principal, Action.READ)
        place = None if after is None else _place(after)
        wanted = Wanted(_searchable(sought), _searchable(category), sharing, place, most + 1)
        with self._database.app(principal) as connection:
            rows = dao.page(connection, wanted)
            uses = dao.shipped_uses(connection, list(self._shipped))
        heads = [(row.place, _head(row, principal)) for row in rows]
        shipped = [each for each in self._shipped.values() if _is_wanted(each, wanted)]
        heads += [(each.title.lower(), _counted(each, uses)) for each in shipped]
        heads.sort(key=lambda pair: (pair[0], pair[1].id.bytes))
        shown = heads[:most]
        more = len(heads) > most
        return TemplatePage([head for _, head in shown], _told(shown[-1][0], shown[-1][1].id) if more else None)

    def categories(self, principal: Principal) -> Sequence[str]:
        """Categories of the templates that the caller sees, in order."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            found = {*dao.categories(connection), *(each.category for each in self._shipped.values())}
        return sorted(found, key=lambda name: (name.casefold(), name))

    def get(self, principal: Principal, template_id: UUID) -> Template:
        """One template.

        Raises:
            NotFound: none of that id that this caller sees.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return self._got(connection, principal, template_id)

    def create(self, principal: Principal, draft: TemplateDraft) -> Template:
        """Keeps a new one.

        Raises:
            InvalidRequest: the sentence says what is wrong, with names.
            Forbidden: a viewer, a token without the scope; or a public one, and the caller is no operator.
        """
        require(principal, Action.KEEP_TEMPLATES)
        _check_sharing(principal, draft.sharing)
        template_id, checked = new_id(), checked_draft(draft)
        with self._database.app(principal) as connection:
            if dao.count_own(connection) >= MAX_TEMPLATES:
                raise InvalidRequest(f"You have {MAX_TEMPLATES} templates; delete one that you no longer use.")
            source = _source_of(template_id, 1, checked)
            assembled(source, self._find(connection, source))
            if checked.sharing != "public":
                dao.add(connection, template_id, (principal.org_id, principal.user_id), _values(checked))
                _record(connection, principal, template_id, None, checked.sharing)
        if checked.sharing == "public":
            with self._database.service() as connection:
                dao.add(connection, template_id, (principal.org_id, principal.user_id), _values(checked))
                _record(connection, principal, template_id, None, checked.sharing)
        return self.get(principal, template_id)

    def change(
        self, principal: Principal, template_id: UUID, draft: TemplateDraft, *, after: int | None = None
    ) -> Template:
        """Keeps another text of one, written after its version `after` was read; None: after whichever it has.

        Raises:
            NotFound: as `get`.
            Conflict: somebody changed it meanwhile.
            InvalidRequest, Forbidden: as `create`; a shared one is changed by its author and by managers.
        """
        require(principal, Action.KEEP_TEMPLATES)
        checked = checked_draft(draft)
        with self._database.app(principal) as connection:
            known = self._to_change(connection, principal, template_id)
            if checked.sharing != known.sharing:
                _check_sharing(principal, checked.sharing)
                if not known.is_own:
                    raise Forbidden("Only its author may say who sees a template.")
            source = _source_of(template_id, known.version + 1, checked)
            assembled(source, self._find(connection, source))
            since = known.version if after is None else after
            is_public = "public" in (known.sharing, checked.sharing)
            kept = not is_public and dao.change(connection, template_id, _values(checked), after=since)
            if kept:
                _record(connection, principal, template_id, known.sharing, checked.sharing)
        if is_public:
            with self._database.service() as connection:
                kept = dao.change(connection, template_id, _values(checked), after=since)
                if kept:
                    _record(connection, principal, template_id, known.sharing, checked.sharing)
        if not kept:
            raise Conflict("Somebody changed this template meanwhile. Read it again, then change it.")
        return self.get(principal, template_id)

    def delete(self, principal: Principal, template_id: UUID) -> None:
        """Deletes one.

        Raises:
            NotFound, Forbidden: as `change`.
        """
        require(principal, Action.KEEP_TEMPLATES)
        with self._database.app(principal) as connection:
            known = self._to_change(connection, principal, template_id)
            gone = known.sharing != "public" and dao.delete(connection, template_id)
            if gone:
                _record(connection, principal, template_id, known.sharing, None)
        if known.sharing == "public":
            with self._database.service() as connection:
                gone = dao.delete(connection, template_id)
                if gone:
                    _record(connection, principal, template_id, known.sharing, None)
        if not gone:
            raise NotFound(_NO_SUCH)

    def filled(self, principal: Principal, template_id: UUID, variables: Mapping[str, object]) -> FilledTemplate:
        """The question that a template makes of these values.

        Raises:
            NotFound: as `get`.
            InvalidRequest: values that are missing, unknown or of the wrong kind, with their names; or a template that
                asks for itself, or for one that the caller does not see.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            source = self._source(connection, template_id)
            if source is None:
                raise NotFound(_NO_SUCH)
            whole = assembled(source, self._find(connection))
        version = f"template-{template_id.hex[-8:]}/{source.version}/{whole.digest}"
        return FilledTemplate(whole.filled(variables), version, template_id)

    def used(self, principal: Principal, template_id: UUID) -> None:
        """Counts a question that was made of it; of one that is gone nothing is counted."""
        with self._database.service() as connection:
            if template_id.version == OF_NAMES:
                dao.count_shipped_use(connection, template_id)
            else:
                dao.count_use(connection, template_id, principal.org_id, principal.user_id)

    def _got(self, connection: Transaction, principal: Principal, template_id: UUID) -> Template:
        shipped = self._shipped.get(template_id)
        if shipped is not None:
            return replace(shipped, used=dao.shipped_uses(connection, [template_id]).get(template_id, 0))
        row = dao.get(connection, template_id)
        if row is None:
            raise NotFound(_NO_SUCH)
        source, flaw = _source_of_row(row), None
        try:
            inputs = assembled(source, self._find(connection)).variables
        except InvalidRequest as error:
            inputs, flaw = source.variables, error.detail
        head = _head(row, principal)
        shown = {each.name: getattr(head, each.name) for each in fields(head)}
        return Template(**shown, text=row.text, variables=source.variables, inputs=inputs, flaw=flaw)

    def _to_change(self, connection: Transaction, principal: Principal, template_id: UUID) -> TemplateHead:
        """What a caller may change and delete.

        Raises:
            NotFound: there is none of that id.
            Forbidden: they see it alone.
        """
        if template_id in self._shipped:
            raise Forbidden("This template comes with the workbench and stays as it is; make your own of its text.")
        row = dao.get(connection, template_id)
        if row is None:
            raise NotFound(_NO_SUCH)
        head = _head(row, principal)
        if not head.may_change:
            who = "operators" if head.sharing == "public" else "its author, and owners and admins of the organisation,"
            raise Forbidden(f"You may use this template; only {who} may change it.")
        return head

    def _source(self, connection: Transaction, template_id: UUID) -> Source | None:
        shipped = self._shipped.get(template_id)
        if shipped is not None:
            return _source_of_shipped(shipped)
        row = dao.get(connection, template_id)
        return None if row is None else _source_of_row(row)

    def _find(self, connection: Transaction, draft: Source | None = None) -> Find:
        """How templates are found that others ask for; a draft stands in the place of what is kept of it."""

        def find(wanted: str, asker: Source) -> Source:
            found = [each for each in self._named(connection, wanted, draft) if _may_ask_for(asker, each)]
            called = wanted[:MAX_TITLE_CHARS]
            if not found:
                whose = "" if asker.sharing == "private" else f", which is {asker.sharing}, and sees no private ones"
                raise InvalidRequest(f"There is no template {called!r} for {asker.title!r}{whose}.")
            nearest = min(SHARINGS.index(each.sharing) for each in found)
            of_these = [each for each in found if SHARINGS.index(each.sharing) == nearest]
            if len(of_these) > 1:
                raise InvalidRequest(f"{len(of_these)} templates are called {called!r}; ask for one by its id.")
            return of_these[0]

        return find

    def _named(self, connection: Transaction, wanted: str, draft: Source | None) -> Sequence[Source]:
        try:
            template_id = UUID(wanted)
        except ValueError:
            return self._titled(connection, wanted, draft)
        found = draft if draft is not None and draft.id == template_id else self._source(connection, template_id)
        return [] if found is None else [found]

    def _titled(self, connection: Transaction, title: str, draft: Source | None) -> Sequence[Source]:
        kept = [_source_of_row(row) for row in dao.titled(connection, title, most=_MOST_TITLED)]
        shipped = [_source_of_shipped(each) for each in self._shipped.values() if each.title.lower() == title.lower()]
        if draft is not None:
            kept = [each for each in kept if each.id != draft.id]
            kept += [draft] if draft.title.lower() == title.lower() else []
        return [*kept, *shipped]


def _record(
    transaction: Transaction, principal: Principal, template_id: UUID, before: str | None, after: str | None
) -> None:
    """Writes down that a template which others see was made, changed or deleted."""
    if {before, after} <= {None, "private"}:
        return
    action = AuditAction.TEMPLATE_REMOVED if after is None else AuditAction.TEMPLATE_SET
    event = audit_principal(
        principal,
        action,
        Subject("template", str(template_id)),
        before=None if before is None else {"sharing": before},
        after=None if after is None else {"sharing": after},
        as_operator="public" in (before, after),
    )
    Audit.record(transaction, event)


def checked_draft(draft: TemplateDraft) -> TemplateDraft:
    """A template as it is kept.

    Raises:
        InvalidRequest: the sentence says what is wrong, with names.
    """
    if draft.sharing not in SHARINGS:
        raise InvalidRequest(f"A template is {', '.join(SHARINGS[:-1])} or {SHARINGS[-1]}.")
    text = checked_text(draft.text, MAX_TEXT_CHARS, "template")
    if not text:
        raise InvalidRequest("A template needs a text.")
    check_variables(text, draft.variables)
    return TemplateDraft(
        title=checked_line(draft.title, MAX_TITLE_CHARS, "title"),
        text=text,
        category=checked_line(draft.category, MAX_CATEGORY_CHARS, "category"),
        description=checked_text(draft.description, MAX_DESCRIPTION_CHARS, "description"),
        sharing=draft.sharing,
        variables=tuple(draft.variables),
    )


def _check_sharing(principal: Principal, sharing: str) -> None:
    if sharing == "public" and not principal.is_operator:
        raise Forbidden("Only operators of the installation may make a template public; share it in your organisation.")


def _may_ask_for(asker: Source, wanted: Source) -> bool:
    return SHARINGS.index(wanted.sharing) >= SHARINGS.index(asker.sharing)


def _head(row: HeadRow, principal: Principal) -> TemplateHead:
    may_change = principal.is_operator if row.sharing == "public" else row.is_own or principal.role.manages
    return TemplateHead(
        id=row.id,
        title=row.title,
        category=row.category,
        description=row.description,
        sharing=cast("Sharing", row.sharing),
        is_shipped=False,
        is_own=row.is_own,
        may_change=may_change and may(principal, Action.KEEP_TEMPLATES),
        version=row.version,
        used=row.used,
        updated_at=row.updated_at,
    )


def _counted(shipped: Template, uses: Mapping[UUID, int]) -> TemplateHead:
    head = {each.name: getattr(shipped, each.name) for each in fields(TemplateHead)}
    return TemplateHead(**{**head, "used": uses.get(shipped.id, 0)})


def _is_wanted(shipped: Template, wanted: Wanted) -> bool:
    sought, category = wanted.sought.lower(), wanted.category.lower()
    return (
        (not category or shipped.category.lower() == category)
        and wanted.sharing in (None, "public")
        and any(sought in each.lower() for each in (shipped.title, shipped.description, shipped.text))
        and (wanted.after is None or (shipped.title.lower(), shipped.id) > wanted.after)
    )


def _values(draft: TemplateDraft) -> dict[str, object]:
    values = {name: getattr(draft, name) for name in ("sharing", "title", "category", "description", "text")}
    return {**values, "variables": [asdict(variable) for variable in draft.variables]}


def _variables(kept: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """Variables as they were kept; fields that another program wrote are passed over."""
    known = {each.name for each in fields(Variable)}
    found = [{name: value for name, value in each.items() if name in known} for each in kept]
    return tuple(Variable(**{**each, "choices": tuple(each.get("choices", ()))}) for each in found)


def _source_of_row(row: TemplateRow) -> Source:
    return Source(row.id, row.title, row.sharing, row.version, row.text, _variables(row.variables))


def _source_of_shipped(shipped: Template) -> Source:
    return Source(shipped.id, shipped.title, "public", shipped.version, shipped.text, shipped.variables)


def _source_of(template_id: UUID, version: int, draft: TemplateDraft) -> Source:
    return Source(template_id, draft.title, draft.sharing, version, draft.text, tuple(draft.variables))


def _searchable(sought: str) -> str:
    """What is looked for, as it can stand in a text."""
    kept = "".join(each for each in sought if each != "\x00" and not "\ud800" <= each <= "\udfff")
    return kept.strip()[:MAX_SOUGHT_CHARS]


def _told(place: str, template_id: UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps([place, str(template_id)]).encode()).decode()


def _place(told: str) -> tuple[str, UUID]:
    try:
        place, template_id = json.loads(base64.b64decode(told.encode("ascii"), altchars=b"-_", validate=True))
        if isinstance(place, str) and "\x00" not in place and place.isprintable():
            return place, UUID(template_id)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidRequest("The field cursor is not one that this call gave.")
