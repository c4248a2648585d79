"""Checklists: what is to be looked at, shipped and an organisation's own, and what was ticked for each security."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel

from core.accounts.permissions import Action, require
from core.db import notebook_dao as dao
from core.db.engine import Database, Transaction
from core.db.notebook_dao import TemplateRow, TickRow
from core.errors import ConfigurationError, Conflict, InvalidRequest, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.symbols import checked_symbol
from core.notebook.words import author_of, checked_line
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal
from core.yaml_lines import load_yaml, validate

MAX_TEMPLATES = 50
"""Of an organisation's own, withdrawn ones included."""
MAX_ITEMS = 50
MAX_TITLE_CHARS = 80
MAX_ITEM_CHARS = 300
_NO_SUCH = "There is no such checklist; it may have been withdrawn."


class _ShippedItem(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z_]{1,40}$")
    text: str = Field(min_length=1, max_length=MAX_ITEM_CHARS)


class _ShippedTemplate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z_]{1,40}$")
    title: str = Field(min_length=1, max_length=MAX_TITLE_CHARS)
    items: list[_ShippedItem] = Field(min_length=1, max_length=MAX_ITEMS)


class _ShippedTemplates(RootModel[list[_ShippedTemplate]]):
    pass


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be looked at."""

    id: str
    """Empty for one that is new."""
    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A checklist as it is offered for every security."""

    id: str
    title: str
    items: tuple[Item, ...]
    is_own: bool
    """Whether the organisation wrote it."""
    updated_by: str = ""
    updated_at: datetime | None = None
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An item of a checklist for one security."""

    item: Item
    tick: TickRow | None
    """None where it was not ticked."""
    is_dropped: bool = False
    """Whether it was ticked, and is no longer on the checklist."""

    @property
    def has_changed(self) -> bool:
        """Whether it said something else when it was ticked."""
        return self.tick is not None and not self.is_dropped and self.tick.text != self.item.text


@dataclass(frozen=True, slots=True)
class Progress:
    """A checklist for one security, as of a date."""

    template: Template
    lines: tuple[Line, ...]

    @property
    def done(self) -> int:
        """How many of its items are ticked; dropped ones do not count."""
        return sum(line.tick is not None for line in self.lines if not line.is_dropped)

    @property
    def total(self) -> int:
        """How many items it has."""
        return sum(not line.is_dropped for line in self.lines)


class Checklists:
    """Checklists of an organisation, and what its members ticked together."""

    def __init__(self, database: Database, shipped: Sequence[Template]) -> None:
        self._database = database
        self._shipped = tuple(shipped)

    def templates(self, principal: Principal) -> list[Template]:
        """The shipped checklists, then the organisation's own that are still offered."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            own = [_own(row) for row in dao.templates(connection, most=MAX_TEMPLATES)]
        return [*self._shipped, *(each for each in own if not each.is_withdrawn)]

    def progress(self, principal: Principal, symbol: str, as_of: AsOf) -> list[Progress]:
        """Every checklist for a symbol, with what was ticked as of this date or an earlier one.

        A withdrawn checklist is among them where something of it was ticked.

        Raises:
            InvalidRequest: what cannot be a symbol.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return self._progress(connection, checked_symbol(symbol), as_of)

    def tick(
        self, principal: Principal, symbol: str, template: str, item: str, as_of: AsOf, *, is_done: bool = True
    ) -> list[Progress]:
        """Ticks an item for a symbol, or takes the tick back; gives the progress as it is then.

        Who ticked it first stays. A tick can be taken back from what is no longer on the checklist.

        Raises:
            NotFound: no such checklist, or no such item on it.
            InvalidRequest: what cannot be a symbol.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        wanted = checked_symbol(symbol)
        with self._database.app(principal) as connection:
            if is_done:
                text = self._text_of(connection, template, item)
                by = author_of(principal)
                dao.tick(connection, symbol=wanted, template=template, item=item, text_=text, by=by, as_of=as_of.day)
            else:
                dao.untick(connection, symbol=wanted, template=template, item=item)
            return self._progress(connection, wanted, as_of)

    def create(self, principal: Principal, title: str, items: Sequence[str]) -> Template:
        """Makes a checklist of the organisation's own.

        Raises:
            InvalidRequest: a title or item that cannot be, none, too many items or checklists.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        named, written = _checked_title(title), _checked_items([Item("", text) for text in items])
        with self._database.app(principal) as connection:
            if len(dao.templates(connection, most=MAX_TEMPLATES)) >= MAX_TEMPLATES:
                raise InvalidRequest(f"An organisation has at most {MAX_TEMPLATES} checklists of its own.")
            template_id = new_id()
            dao.add_template(connection, template_id, named, written, author_of(principal))
            _record(connection, principal, AuditAction.CHECKLIST_SET, template_id, None, len(written))
            return _one(connection, str(template_id))

    def change(
        self,
        principal: Principal,
        template_id: str,
        title: str,
        items: Sequence[Item],
        *,
        since: datetime | None = None,
    ) -> Template:
        """Changes a checklist of the organisation's own; an item keeps its id, and with it what was ticked.

        `since` is `updated_at` of the checklist that the change was made to.

        Raises:
            NotFound: the organisation has none of that id.
            Conflict: somebody else has changed it since.
            InvalidRequest: as `create`, or an id that is not on the checklist.
            Forbidden: a viewer, or a token without the scope.
        """
        require(principal, Action.KEEP_NOTES)
        named = _checked_title(title)
        with self._database.app(principal) as connection:
            dao.lock_template(connection, _uuid(template_id))
            current = _one(connection, template_id)
            if since is not None and since != current.updated_at:
                raise Conflict("Somebody changed this checklist meanwhile. Nothing was kept of this change.")
            known = {item.id for item in current.items}
            if not {item.id for item in items if item.id} <= known:
                raise InvalidRequest("Somebody changed this checklist meanwhile; look at it again.")
            written, was = _checked_items(items), len(current.items)
            dao.change_template(connection, _uuid(template_id), named, written, author_of(principal))
            _record(connection, principal, AuditAction.CHECKLIST_SET, _uuid(template_id), was, len(written))
            return _one(connection, template_id)

    def withdraw(self, principal: Principal, template_id: str) -> None:
        """Offers a checklist of the organisation's own no longer; what was ticked stays. Raises as `change`."""
        require(principal, Action.KEEP_NOTES)
        with self._database.app(principal) as connection:
            if not dao.withdraw_template(connection, _uuid(template_id), author_of(principal)):
                raise NotFound(_NO_SUCH)
            _record(connection, principal, AuditAction.CHECKLIST_REMOVED, _uuid(template_id), None, None)

    def _progress(self, transaction: Transaction, symbol: str, as_of: AsOf) -> list[Progress]:
        own = [_own(row) for row in dao.templates(transaction, most=MAX_TEMPLATES)]
        ticks = [tick for tick in dao.ticks(transaction, symbol) if tick.as_of <= as_of.day]
        every = [_progress(template, ticks) for template in (*self._shipped, *own)]
        return [each for each in every if not each.template.is_withdrawn or any(line.tick for line in each.lines)]

    def _text_of(self, transaction: Transaction, template_id: str, item_id: str) -> str:
        """What the item says."""
        template = next((each for each in self._shipped if each.id == template_id), None)
        template = template or _one(transaction, template_id)
        text = next((item.text for item in template.items if item.id == item_id), None)
        if text is None or template.is_withdrawn:
            raise NotFound("This item is no longer on the checklist; look at it again.")
        return text


def _record(
    transaction: Transaction,
    principal: Principal,
    action: AuditAction,
    template_id: UUID,
    before: int | None,
    after: int | None,
) -> None:
    """Writes down that a checklist was made, changed or withdrawn, with how many items it had and has."""
    sides = [None if items is None else {"items": items} for items in (before, after)]
    subject = Subject("checklist", str(template_id))
    Audit.record(transaction, audit_principal(principal, action, subject, before=sides[0], after=sides[1]))


def load_checklists(path: Path) -> tuple[Template, ...]:
    """The shipped checklists.

    Raises:
        ConfigurationError: the file has a mistake; the sentence names the line.
    """
    document = load_yaml(path)
    shipped = validate(document, _ShippedTemplates).root
    for number, each in enumerate(shipped):
        if len({item.id for item in each.items}) < len(each.items) or each.id in {one.id for one in shipped[:number]}:
            raise ConfigurationError(f"{document.name}, line {document.line_of((number,))}: an id is given twice.")
    return tuple(
        Template(each.id, each.title, tuple(Item(item.id, item.text) for item in each.items), is_own=False)
        for each in shipped
    )


def _progress(template: Template, ticks: Sequence[TickRow]) -> Progress:
    ticked = {tick.item: tick for tick in ticks if tick.template == template.id}
    lines = [Line(item, ticked.pop(item.id, None)) for item in template.items]
    dropped = [Line(Item(tick.item, tick.text), tick, is_dropped=True) for tick in ticked.values()]
    return Progress(template, (*lines, *dropped))


def _one(transaction: Transaction, template_id: str) -> Template:
    found = dao.templates(transaction, _uuid(template_id), most=1)
    if not found:
        raise NotFound(_NO_SUCH)
    return _own(found[0])


def _own(row: TemplateRow) -> Template:
    items = tuple(Item(item["id"], item["text"]) for item in row.items)
    return Template(str(row.id), row.title, items, True, row.updated_by, row.updated_at, row.is_withdrawn)


def _uuid(template_id: str) -> UUID:
    try:
        return UUID(template_id)
    except ValueError:
        raise NotFound(_NO_SUCH) from None


def _checked_title(title: str) -> str:
    return checked_line(title, MAX_TITLE_CHARS, "title")


def _checked_items(items: Sequence[Item]) -> list[dict[str, str]]:
    """The items as they are kept; a new one gets an id that no other ever has."""
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"A checklist has 1 to {MAX_ITEMS} items.")
    if len({item.id for item in items if item.id}) < sum(bool(item.id) for item in items):
        raise InvalidRequest("An item of a checklist is given twice.")
    return [{"id": item.id or new_id().hex, "text": checked_line(item.text, MAX_ITEM_CHARS, "item")} for item in items]
