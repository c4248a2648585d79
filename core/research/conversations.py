"""Conversations as their owner keeps them: listed, searched, named, read with what they cost, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from core.accounts.permissions import Action, require
from core.ai.evidence import Evidence
from core.db import conversations_dao as dao
from core.db import metering_dao
from core.db.conversations_dao import AttachedRow, ConversationRow, CostRow, FoundRow, MessageRow, Place
from core.db.engine import Database, Transaction
from core.errors import Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.usage import Allowance, allowances_of
from core.portfolio.portfolios import PortfolioInfo, all_seen
from core.principal import Principal
from core.research.exports import Export, Form, exported
from core.research.reactions import Reaction, reactions_to

MAX_CONVERSATIONS = 200
MAX_MESSAGES = 1_000
MAX_FOUND = 50
"""Conversations that a search shows on the page."""
MAX_SOUGHT_CHARS = 200
MAX_TITLE_CHARS = 200
FIRST_TITLE_CHARS = 60
"""A title that is made of a question is cut to this length."""
BEFORE_CHARS, AFTER_CHARS = 30, 90
"""Characters of an excerpt before and after a hit, at most."""
AROUND = (BEFORE_CHARS + 1, AFTER_CHARS + 1)
"""As they are read: one more tells whether there is more."""
BRANCH = " (branch)"
"""Ends the title of a conversation that begins as another."""
UNTITLED = "New conversation"
"""Title of a conversation in which nothing was asked yet."""

_JOINERS = frozenset("\u200c\u200d")
"""They stand within words of several scripts, and within emoji, and count as printable."""
_SPACE = re.compile(r"\s+")
_NO_SUCH = "There is no such conversation."


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation with everything in it."""

    row: ConversationRow
    messages: list[MessageRow]
    cost: CostRow
    evidence: Mapping[UUID, Evidence]
    """What answers rest on, by the id of their message."""
    reactions: Mapping[UUID, Reaction]
    """What the reader thought of answers, by the id of their message."""
    attached: Mapping[UUID, Sequence[AttachedRow]]
    """Files that came with questions, by the id of their message."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What was said in a conversation, for the next question in it."""

    messages: list[MessageRow]
    portfolio_id: UUID | None
    """The portfolio that its questions are about."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Where in a conversation a sought text was found, in one line."""

    before: str
    hit: str
    after: str

    @property
    def text(self) -> str:
        """The whole line."""
        return f"{self.before}{self.hit}{self.after}"


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation of a list."""

    row: ConversationRow
    excerpt: Excerpt | None = None
    """Of the latest message that holds what was sought; None where only the title does, or nothing was sought."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page of conversations shows, as of one moment."""

    latest: list[ConversationRow]
    found: list[Found] | None
    """What the search brought; None where nothing is sought."""
    opened: Opened | None
    """None where none was asked for, or the caller has none of that id."""
    allowances: dict[str, Allowance]
    """The caller's quotas and what was charged this month, by metric."""
    portfolios: list[PortfolioInfo]
    """Those that a question can be about, the caller's own first."""


class Conversations:
    """Conversations of one user in one organisation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def desk(self, principal: Principal, conversation_id: UUID | None, sought: str = "") -> Desk:
        """Everything that the page shows, read in one transaction."""
        sought = _text_in(sought)
        with self._database.app(principal) as connection:
            row = None if conversation_id is None else dao.conversation(connection, conversation_id)
            opened = None
            if row is not None:
                opened = _opened(connection, row)
            found = _found(dao.found(connection, sought, AROUND, most=MAX_FOUND), sought) if sought else None
            latest = dao.conversations(connection, most=MAX_CONVERSATIONS)
            allowances = allowances_of(metering_dao.allowances(connection))
            return Desk(latest, found, opened, allowances, all_seen(connection, principal))

    def latest(self, principal: Principal) -> list[ConversationRow]:
        """The caller's conversations, the latest first."""
        return [found.row for found in self.page(principal, most=MAX_CONVERSATIONS)]

    def page(self, principal: Principal, *, sought: str = "", before: Place | None = None, most: int) -> list[Found]:
        """Conversations, the latest first, at most `most`; with `sought` those that hold it, in title or messages.

        `before` pages on from the last row seen.
        """
        sought = _text_in(sought)
        with self._database.app(principal) as connection:
            if sought:
                return _found(dao.found(connection, sought, AROUND, most=most, before=before), sought)
            return [Found(row) for row in dao.conversations(connection, most=most, before=before)]

    def open(self, principal: Principal, conversation_id: UUID) -> Opened:
        """One of the caller's conversations with everything in it.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            row = dao.conversation(connection, conversation_id)
            if row is None:
                raise NotFound(_NO_SUCH)
            return _opened(connection, row)

    def messages(self, principal: Principal, conversation_id: UUID) -> list[MessageRow]:
        """The messages of one of the caller's conversations.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        return self.turns(principal, conversation_id).messages

    def turns(self, principal: Principal, conversation_id: UUID) -> Turns:
        """The messages of one of the caller's conversations, and the portfolio that they are about.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            row = dao.conversation(connection, conversation_id)
            if row is None:
                raise NotFound(_NO_SUCH)
            return Turns(dao.messages(connection, conversation_id, most=MAX_MESSAGES), row.portfolio_id)

    def create(self, principal: Principal, title: str | None = None) -> ConversationRow:
        """A conversation in which nothing was asked yet; without a title the first question gives it one.

        Raises:
            Forbidden: the caller may not ask, and would have no use for it.
            InvalidRequest: as `checked_title`.
        """
        if not principal.role.may_ask:
            raise Forbidden("Your role may read conversations, but not start one.")
        named, conversation_id = UNTITLED if title is None else checked_title(title), new_id()
        with self._database.app(principal) as connection:
            dao.add_conversation(connection, conversation_id, named)
            made = dao.conversation(connection, conversation_id)
        assert made is not None
        return made

    def branch(self, principal: Principal, conversation_id: UUID, message_id: UUID) -> UUID:
        """Begins another conversation with what was said in one up to a message, that message included; gives its id.

        Raises:
            NotFound: no conversation of that id that this caller may see, or no such message in it.
            Forbidden: as `create`.
        """
        require(principal, Action.ASK)
        with self._database.app(principal) as connection:
            row = dao.conversation(connection, conversation_id)
            if row is None:
                raise NotFound(_NO_SUCH)
            copies = {each: new_id() for each in dao.shown_until(connection, conversation_id, message_id)}
            if not copies:
                raise NotFound("There is no such message in this conversation.")
            target = new_id()
            dao.branch(connection, conversation_id, target, _branch_title(row.title), copies)
        return target

    def export(self, principal: Principal, conversation_id: UUID, form: Form) -> Export:
        """A conversation as a file.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        opened = self.open(principal, conversation_id)
        return exported(opened, form)

    def rename(self, principal: Principal, conversation_id: UUID, title: str) -> ConversationRow:
        """Gives one of the caller's conversations another title.

        Raises:
            InvalidRequest: as `checked_title`.
            NotFound: no conversation of that id that this caller may see.
        """
        named = checked_title(title)
        with self._database.app(principal) as connection:
            row = dao.rename_conversation(connection, conversation_id, named)
        if row is None:
            raise NotFound(_NO_SUCH)
        return row

    def set_portfolio(self, principal: Principal, conversation_id: UUID, portfolio_id: UUID | None) -> None:
        """Says which portfolio the next questions of a conversation are about; None: about none.

        Whether the caller sees that portfolio is checked with each question.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            if not dao.set_portfolio(connection, conversation_id, portfolio_id):
                raise NotFound(_NO_SUCH)

    def delete(self, principal: Principal, conversation_id: UUID) -> None:
        """Deletes one of the caller's conversations; its usage rows stay.

        Raises:
            NotFound: no conversation of that id that this caller may see.
        """
        with self._database.app(principal) as connection:
            if not dao.delete_conversation(connection, conversation_id):
                raise NotFound(_NO_SUCH)


def checked_title(given: str) -> str:
    """A title as it is kept: white space made single, none at its ends.

    Raises:
        InvalidRequest: nothing is left of it, it is too long, or it holds what cannot be seen.
    """
    title = " ".join(given.split())
    if not all(_is_printable(character) for character in title):
        raise InvalidRequest("A title cannot hold characters that are not shown; type it anew.")
    if not title.strip("".join(_JOINERS)):
        raise InvalidRequest("A title needs at least one character.")
    if len(title) > MAX_TITLE_CHARS:
        raise InvalidRequest(f"A title takes at most {MAX_TITLE_CHARS} characters; this one has {len(title):,}.")
    return title


def title_of(question: str) -> str:
    """The title that a first question gives its conversation."""
    line = " ".join("".join(filter(_is_printable, " ".join(question.split()))).split())
    if not line.strip("".join(_JOINERS)):
        return UNTITLED
    return line if len(line) <= FIRST_TITLE_CHARS else f"{line[: FIRST_TITLE_CHARS - 1].rstrip()}…"


def _opened(connection: Transaction, row: ConversationRow) -> Opened:
    messages = dao.messages(connection, row.id, most=MAX_MESSAGES)
    attached: dict[UUID, list[AttachedRow]] = {}
    for file in dao.attached(connection, row.id):
        attached.setdefault(file.message_id, []).append(file)
    return Opened(
        row,
        messages,
        dao.cost(connection, row.id),
        evidence_of(dao.evidence(connection, row.id)),
        reactions_to(connection, [message.id for message in messages if message.role == "assistant"]),
        attached,
    )


def _branch_title(title: str) -> str:
    room = MAX_TITLE_CHARS - len(BRANCH)
    return title if title.endswith(BRANCH) else f"{title[:room].rstrip()}{BRANCH}"


def evidence_of(kept: Mapping[UUID, Any]) -> dict[UUID, Evidence]:
    """What answers rest on, as it was kept; one that a later or an older program wrote in another form is left out."""
    found: dict[UUID, Evidence] = {}
    for message_id, value in kept.items():
        with suppress(ValidationError):
            found[message_id] = Evidence.model_validate(value)
    return found


def _found(rows: Iterable[FoundRow], sought: str) -> list[Found]:
    return [Found(row, _excerpt(row, len(sought))) for row in rows]


def _excerpt(row: FoundRow, hit_chars: int) -> Excerpt | None:
    """One line around a hit, cut between words."""
    if row.before is None or row.rest is None:
        return None
    before, hit, after = (_SPACE.sub(" ", part) for part in (row.before, row.rest[:hit_chars], row.rest[hit_chars:]))
    if len(row.before) > BEFORE_CHARS:
        before = "…" + (before.partition(" ")[2] or before)
    if len(row.rest) > hit_chars + AFTER_CHARS:
        after = (after.rpartition(" ")[0] or after) + "…"
    return Excerpt(before.lstrip(), hit, after.rstrip())


def _is_printable(character: str) -> bool:
    return character.isprintable() or character in _JOINERS


def _text_in(sought: str) -> str:
    """What is looked for, as it can stand in a title or message."""
    kept = "".join(character for character in sought if character != "\x00" and not "\ud800" <= character <= "\udfff")
    return kept.strip()[:MAX_SOUGHT_CHARS]
