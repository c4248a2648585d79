"""A portfolio's transactions: entered all or not at all, corrected by rows that take others back, never changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from core.accounts.permissions import Action, require
from core.db import portfolio_transactions_dao as dao
from core.db import portfolios_dao
from core.db.engine import Database
from core.db.engine import Transaction as Connection
from core.db.portfolio_transactions_dao import TransactionRow
from core.errors import Conflict, Forbidden, InvalidRequest, PlanRequired
from core.market.market_time import MarketTime
from core.metering.plans import Plans
from core.notebook.words import author_of, checked_line
from core.portfolio.book import Book
from core.portfolio.journal_rows import Rows, Standing
from core.portfolio.ledger import Books
from core.portfolio.portfolios import PortfolioInfo, seen
from core.portfolio.transactions import (
    MAX_NOTE_CHARS,
    Draft,
    Kind,
    Transaction,
    checked,
    identities,
    identity_of,
)
from core.principal import Principal

MAX_TRANSACTIONS = 100_000
"""Of a portfolio, rows that take others back included."""
MAX_ROWS_KEPT = 400_000
"""Transactions of all portfolios that are kept in the process."""
MAX_TRIES = 20
"""So often a step is begun anew since somebody else was quicker."""
_BUSY = "Others enter transactions into this portfolio at this moment; nothing was entered. Try again."
_BRINGS_HOLDINGS = frozenset({Kind.BUY, Kind.TRANSFER_IN})


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """A file whose rows are entered."""

    id: UUID
    file_name: str
    sha256: bytes
    preset: str
    rows: int
    """Of the file, those that are not entered included."""


_Step = Callable[[Standing], list[TransactionRow]]
"""The rows that are to be added to what stands."""
_Room = Callable[[set[str], set[str], int], bool]
"""Whether holdings before and after a step are allowed by a limit."""


class Journal:
    """The transactions of portfolios, read and entered by those who may."""

    def __init__(self, database: Database, plans: Plans, books: Books, market_time: MarketTime) -> None:
        self._database = database
        self._plans = plans
        self._books = books
        self._market_time = market_time
        self._kept: OrderedDict[UUID, Rows] = OrderedDict()
        self._lock = threading.Lock()

    def transactions(self, principal: Principal, portfolio_id: UUID) -> Sequence[Transaction]:
        """Every row of a portfolio by number, those that were reversed and those that reverse them included.

        What was read before is kept in the process, and only newer rows are read; the right to see is checked always.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return self._rows(connection, seen(connection, principal, portfolio_id)).transactions

    def known(self, principal: Principal, portfolio_id: UUID) -> frozenset[bytes]:
        """The identities of the transactions in force; raises as `transactions`."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return self._rows(connection, seen(connection, principal, portfolio_id)).known()

    def latest_day(self, principal: Principal) -> date:
        """The last day that a transaction may be dated: today, where the principal is."""
        return self._market_time.default().now.astimezone(ZoneInfo(principal.zone)).date()

    def add(
        self,
        principal: Principal,
        portfolio_id: UUID,
        drafts: Sequence[Draft],
        *,
        imported: ImportFacts | None = None,
        identified: Sequence[bytes] | None = None,
        key: str | None = None,
    ) -> Sequence[Transaction]:
        """Enters transactions, all or none, and gives their rows.

        Of an import those that are there already are left out, also where they came a moment ago from the same file:
        give all drafts of the file, or with `identified` the identity in the file of each that is given. By hand the
        same may be entered again, but not with the same `key` of the principal's: then the rows that it entered the
        first time are given.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
            InvalidRequest: one cannot be as it stands, or with it more would be sold than is held; the sentence says
                which and why. Or there are too many.
            PlanRequired: with them the portfolio would hold more symbols than the organisation's plan allows.
            Forbidden: the portfolio is another's and not edited with this role, a viewer, or a token without the scope.
            Conflict: the key was used for something else, or others were quicker, over and over.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        forms = _checked_all(drafts, self.latest_day(principal))
        ids = None if key is None else _ids_of(key, principal, portfolio_id, len(forms) + 1)
        of_file = list(identified) if identified is not None else identities(forms) if imported else None

        def step(standing: Standing) -> list[TransactionRow]:
            if ids is not None and standing.rows.of_key(ids, forms):
                return []
            known = standing.rows.known()
            if of_file is None:
                pairs = list(zip(forms, _free_identities(forms, known), strict=True))
            else:
                pairs = [pair for pair in zip(forms, of_file, strict=True) if pair[1] not in known]
            import_id = None if imported is None else imported.id
            return [
                standing.row(draft, place, identity, row_id=ids[place] if ids else None, import_id=import_id)
                for place, (draft, identity) in enumerate(pairs)
            ]

        brought = {each.symbol for each in forms if each.kind in _BRINGS_HOLDINGS}
        added = self._enter(principal, portfolio_id, step, imported=imported, room=_room_for(brought))
        if added or ids is None:
            return added
        with self._database.app(principal) as connection:
            return self._rows(connection, seen(connection, principal, portfolio_id)).of_key(ids, forms)

    def reverse(self, principal: Principal, portfolio_id: UUID, transaction_id: UUID, note: str = "") -> Transaction:
        """Takes a transaction back by a row of its own, which is given; both stay readable.

        Raises:
            NotFound: no portfolio or transaction of that id that this caller sees.
            Conflict: it was reversed already, or others were quicker, over and over.
            InvalidRequest: it reverses another itself, or what remains could not be: a sale that lacks its purchase.
            Forbidden: as `add`.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        words = _checked_note(note)

        def step(standing: Standing) -> list[TransactionRow]:
            return [_reversal(standing, *standing.rows.one(transaction_id), words)]

        return self._enter(principal, portfolio_id, step)[0]

    def correct(self, principal: Principal, portfolio_id: UUID, transaction_id: UUID, draft: Draft) -> Transaction:
        """Takes a transaction back and enters another in its stead, in one step; gives the one that holds now.

        To an import the two are one: a file that is imported again does not bring the wrong one back.

        Raises:
            AssayError: as `reverse` and `add`.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        form = checked(draft, latest=self.latest_day(principal))

        def step(standing: Standing) -> list[TransactionRow]:
            wrong, identity = standing.rows.one(transaction_id)
            return [_reversal(standing, wrong, identity, ""), standing.row(form, 1, identity)]

        return self._enter(principal, portfolio_id, step, room=_has_no_more)[1]

    def _enter(
        self,
        principal: Principal,
        portfolio_id: UUID,
        step: _Step,
        *,
        imported: ImportFacts | None = None,
        room: _Room | None = None,
    ) -> Sequence[Transaction]:
        """Adds rows to what stands. Whether they hold is found out without a lock, anew where somebody was quicker."""
        for _ in range(MAX_TRIES):
            standing = self._standing(principal, portfolio_id)
            added = step(standing)
            if not added:
                return ()
            rows = standing.rows.and_these(added)
            if len(rows) > MAX_TRANSACTIONS:
                raise InvalidRequest(f"A portfolio takes at most {MAX_TRANSACTIONS:,} transactions; begin another.")
            before, after = self._books_of(principal, standing, rows)
            _check_problems(before, after, rows.transactions[len(standing.rows) :])
            held = _held(before), _held(after)
            with self._database.app(principal) as connection:
                may_edit = portfolios_dao.lock_portfolio(connection, portfolio_id)
                if not may_edit or seen(connection, principal, portfolio_id).number != len(standing.rows):
                    continue
                self._check_room(connection, room, *held)
                _write(connection, standing, added, imported)
            self._keep(portfolio_id, rows)
            return rows.transactions[len(standing.rows) :]
        raise Conflict(_BUSY)

    def _standing(self, principal: Principal, portfolio_id: UUID) -> Standing:
        with self._database.app(principal) as connection:
            info = seen(connection, principal, portfolio_id)
            if not info.may_edit:
                raise Forbidden(f"You see this portfolio of {info.made_by} and may not enter transactions into it.")
            return Standing(info, self._rows(connection, info), dao.now(connection), author_of(principal))

    def _rows(self, connection: Connection, info: PortfolioInfo) -> Rows:
        """The rows of a portfolio that was seen in this transaction."""
        with self._lock:
            kept = self._kept.get(info.id, Rows())
        if len(kept) >= info.number:
            return kept
        rows = kept.and_these(dao.rows(connection, info.id, after=len(kept)))
        self._keep(info.id, rows)
        return rows

    def _keep(self, portfolio_id: UUID, rows: Rows) -> None:
        with self._lock:
            if len(self._kept.get(portfolio_id, ())) < len(rows):
                self._kept[portfolio_id] = rows
            self._kept.move_to_end(portfolio_id)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > MAX_ROWS_KEPT:
                self._kept.popitem(last=False)

    def _books_of(self, principal: Principal, standing: Standing, rows: Rows) -> tuple[Book, Book]:
        """What the portfolio comes to as it stands, and with the new rows."""
        as_of = self._market_time.default()
        until = as_of.now.date() + timedelta(days=1)

        def book(of: Rows) -> Book:
            info = standing.info
            key, currency, has_cash = info.id, info.currency, info.has_cash
            return self._books.of(key, of.transactions, currency, has_cash, as_of, principal.org_id, until=until)

        return book(standing.rows), book(rows)

    def check_room(self, principal: Principal, before: Book, after: Book, drafts: Sequence[Draft]) -> None:
        """Does nothing where the plan has room for what a portfolio would hold after the drafts.

        Raises:
            PlanRequired: as `add` with these drafts.
        """
        brought = {each.symbol for each in drafts if each.kind in _BRINGS_HOLDINGS}
        with self._database.app(principal) as connection:
            self._check_room(connection, _room_for(brought), _held(before), _held(after))

    def _check_room(self, connection: Connection, room: _Room | None, before: set[str], after: set[str]) -> None:
        if room is None or after <= before:
            return
        plan = self._plans.get(portfolios_dao.plan(connection))
        limit = plan.limits.holdings_per_portfolio
        if limit is not None and not room(before, after, limit):
            raise PlanRequired(
                f"The plan {plan.label} has room for {limit:,} holdings in a portfolio; with this it would have "
                f"{len(after):,}. A larger plan has more. Nothing that is there is touched."
            )


def _write(
    connection: Connection, standing: Standing, added: Sequence[TransactionRow], imported: ImportFacts | None
) -> None:
    portfolio_id = standing.info.id
    if imported is not None:
        dao.add_import(
            connection,
            portfolio_id,
            import_id=imported.id,
            file_name=imported.file_name,
            sha256=imported.sha256,
            preset=imported.preset,
            rows=imported.rows,
            added=len(added),
            author=standing.author,
            created_at=standing.at,
        )
    dao.add(connection, portfolio_id, added)
    portfolios_dao.advance(connection, portfolio_id, added[-1].number)


def _ids_of(key: str, principal: Principal, portfolio_id: UUID, number: int) -> list[UUID]:
    """The ids of the rows that a key of the principal's leads to: whoever sends it again finds them."""
    return [uuid5(portfolio_id, f"{principal.user_id} {place} {key}") for place in range(number)]


def _checked_all(drafts: Sequence[Draft], latest: date) -> list[Draft]:
    forms = []
    for place, draft in enumerate(drafts, 1):
        try:
            forms.append(checked(draft, latest=latest))
        except InvalidRequest as error:
            if len(drafts) == 1:
                raise
            raise InvalidRequest(f"Transaction {place:,} of {len(drafts):,}: {error.detail}") from error
    return forms


def _free_identities(forms: Sequence[Draft], known: Collection[bytes]) -> list[bytes]:
    """The identity of each, and of one that is there already that of the next one like it in a file."""
    taken = set(known)
    found = []
    for form in forms:
        repetition, identity = 0, identity_of(form)
        while identity in taken:
            repetition += 1
            identity = identity_of(form, repetition)
        taken.add(identity)
        found.append(identity)
    return found


def _reversal(standing: Standing, wrong: Transaction, identity: bytes, note: str) -> TransactionRow:
    return standing.row(replace(wrong, note=note), 0, identity, reverses=wrong.id)


def _room_for(brought: Collection[str | None]) -> _Room:
    """Refuses a symbol that is bought or brought beyond the limit; what a spin-off or merger gives is let in."""

    def is_allowed(before: set[str], after: set[str], limit: int) -> bool:
        return len(after) <= limit or not (after - before).intersection(brought)

    return is_allowed


def _has_no_more(before: set[str], after: set[str], limit: int) -> bool:
    return len(after) <= max(limit, len(before))


def _held(book: Book) -> set[str]:
    return {symbol for symbol, position in book.positions.items() if position.quantity}


def _check_problems(before: Book, after: Book, added: Sequence[Transaction]) -> None:
    """Does nothing where no transaction has a problem that had none.

    Raises:
        InvalidRequest: one has; the sentence names it.
    """
    had = {problem.transaction_id for problem in before.problems}
    new = [problem for problem in after.problems if problem.transaction_id not in had]
    if not new:
        return
    own = {each.id for each in added}
    first = next((problem for problem in new if problem.transaction_id in own), new[0])
    more = f" So it is {len(new) - 1:,} times more." if len(new) > 1 else ""
    whose = "" if first.transaction_id in own else "What was entered before would not hold any more: "
    raise InvalidRequest(f"{whose}{first.words}{more} Nothing was changed.")


def _checked_note(note: str) -> str:
    return checked_line(note, MAX_NOTE_CHARS, "note") if note.strip() else ""
