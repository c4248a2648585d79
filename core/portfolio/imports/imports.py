"""Imports of brokers' files into a portfolio: shown first with every row's fate, then entered whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import PurePath
from typing import Any
from uuid import UUID, uuid5

from core.accounts.permissions import Action, require
from core.db import portfolio_imports_dao as dao
from core.db.engine import Database
from core.db.portfolio_imports_dao import ImportRow
from core.errors import Conflict, Forbidden, InvalidRequest
from core.ids import new_id
from core.market.symbols import visible
from core.portfolio.imports.assembling import Assembler
from core.portfolio.imports.judging import File, ImportParts, Judge
from core.portfolio.imports.mapping import Plan, Planned, known_headings, planned
from core.portfolio.imports.outcomes import Choice, Fate, ImportResult, Preview, RowFate, SymbolUse
from core.portfolio.imports.presets import Preset
from core.portfolio.imports.reading import Sheet, heading_key, read_sheet
from core.portfolio.imports.symbols import Called
from core.portfolio.journal import ImportFacts
from core.portfolio.transactions import Draft, Transaction
from core.principal import Principal

__all__ = ["BY_HEADINGS", "ImportParts", "ImportRow", "Imports", "Progress"]

Progress = Callable[[int, int, str], None]
"""Steps done, steps in all, and what is being done in words."""

MOST_NAME_CHARS = 200
MOST_MAPPING_CHARS = 18_000
"""Of a remembered mapping; a longer one is not kept."""
MOST_PAST = 100
SAMPLE_ROWS = 5
BY_HEADINGS = "headings"
"""In place of a preset's id, where none knows a file."""
_STEPS = 4


class Imports:
    """Reads files of transactions and enters them."""

    def __init__(self, database: Database, parts: ImportParts) -> None:
        self._database = database
        self._parts = parts
        self.presets = parts.presets
        """How the files of brokers and programs are read, by id."""
        self._known = known_headings(parts.presets)

    def preview(
        self, principal: Principal, portfolio_id: UUID, content: bytes, file_name: str, choice: Choice | None = None
    ) -> Preview:
        """How a file would be read, and what would become of each of its rows; nothing is entered.

        Args:
            principal: who asks.
            portfolio_id: where to.
            content: the file.
            file_name: what it is called.
            choice: how it is read; None: as the principal read the last file with these headings, or as its preset
                says, or by its headings.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
            Forbidden: the principal may not enter transactions into it.
            PayloadTooLarge: more bytes or rows than are taken.
            InvalidRequest: no table, or a choice that cannot be.
        """
        file = self._read(principal, portfolio_id, content, file_name, choice)
        preview = self._judged(principal, file)[0]
        words = Judge(self._parts, principal, file).no_room(preview.drafts) if preview.drafts else ""
        return replace(preview, problems=(*preview.problems, words)) if words else preview

    def run(
        self,
        principal: Principal,
        portfolio_id: UUID,
        content: bytes,
        file_name: str,
        choice: Choice | None = None,
        *,
        leaves_out_refused: bool = False,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Enters a file's transactions, all of them or none; those that are there already are not entered again.

        Args:
            principal: who asks.
            portfolio_id: where to.
            content: the file.
            file_name: what it is called.
            choice: as in `preview`; one that is given is remembered for the next file with these headings.
            leaves_out_refused: whether the others are entered where some rows are refused.
            progress: is told how far it is.

        Raises:
            InvalidRequest: the file leaves a question open that the choice does not answer, or cannot be read at all.
            PlanRequired: the plan of the organisation has no room for so many holdings.
            Conflict: others entered transactions over and over.
            AssayError: as `preview`.
        """
        tell = progress or _tell_nobody
        tell(0, _STEPS, "The file is read")
        file = self._read(principal, portfolio_id, content, file_name, choice)
        result = self._entered(principal, file, content, new_id(), tell, leaves_out_refused=leaves_out_refused)
        if choice is not None and result.is_imported:
            self._remember(principal, file)
        tell(_STEPS, _STEPS, "Done")
        return result

    def run_once(
        self,
        principal: Principal,
        portfolio_id: UUID,
        content: bytes,
        file_name: str,
        choice: Choice,
        *,
        key: str | None,
        leaves_out_refused: bool = False,
    ) -> ImportResult | ImportRow:
        """As `run`, for a program: nothing is remembered, and with a key of the principal's a file is entered once.

        Returns:
            What the import did; or the import that the key led to before, of the same content.

        Raises:
            Conflict: the key was used for another file, or as `run`.
            AssayError: as `run`.
        """
        import_id = new_id() if key is None else uuid5(portfolio_id, f"import {principal.user_id} {key}")
        if key is not None and (before := self._under_key(principal, portfolio_id, import_id)) is not None:
            if before.sha256 != hashlib.sha256(content).digest():
                raise Conflict("This Idempotency-Key was used for another file; choose another key.")
            return before
        file = self._read(principal, portfolio_id, content, file_name, choice)
        return self._entered(principal, file, content, import_id, _tell_nobody, leaves_out_refused=leaves_out_refused)

    def _under_key(self, principal: Principal, portfolio_id: UUID, import_id: UUID) -> ImportRow | None:
        require(principal, Action.KEEP_PORTFOLIOS)
        self._parts.portfolios.get(principal, portfolio_id)
        with self._database.app(principal) as connection:
            return dao.one(connection, portfolio_id, import_id)

    def _entered(
        self,
        principal: Principal,
        file: File,
        content: bytes,
        import_id: UUID,
        tell: Progress,
        *,
        leaves_out_refused: bool,
    ) -> ImportResult:
        if file.read.question is not None:
            raise InvalidRequest(file.read.question.words)
        tell(1, _STEPS, "Every row is checked")
        preview, identified = self._judged(principal, file)
        if preview.problems:
            raise InvalidRequest(preview.problems[0])
        if preview.counts[Fate.REFUSED] and not leaves_out_refused:
            return ImportResult(False, _not_imported(preview), preview, None, ())
        sha256 = hashlib.sha256(content).digest()
        tell(2, _STEPS, f"{len(identified):,} transactions are entered")
        facts = ImportFacts(
            id=import_id,
            file_name=file.name,
            sha256=sha256,
            preset=preview.preset or BY_HEADINGS,
            # A row may hold a fee of its own currency, which is a second transaction.
            rows=max(len(preview.rows), len(identified)),
        )
        added: Sequence[Transaction] = ()
        if identified:
            added = self._parts.journal.add(
                principal,
                file.info.id,
                [draft for draft, _ in identified],
                imported=facts,
                identified=[identity for _, identity in identified],
            )
        tell(3, _STEPS, "The mapping is remembered")
        words = _imported(preview, len(added), self._before(principal, file.info.id, sha256, import_id))
        return ImportResult(True, words, preview, import_id if added else None, added)

    def past(self, principal: Principal, portfolio_id: UUID) -> Sequence[ImportRow]:
        """The files that were imported into a portfolio, the newest first.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        self._parts.portfolios.get(principal, portfolio_id)
        with self._database.app(principal) as connection:
            return dao.imports(connection, portfolio_id, most=MOST_PAST)

    def _read(
        self, principal: Principal, portfolio_id: UUID, content: bytes, file_name: str, choice: Choice | None
    ) -> File:
        require(principal, Action.KEEP_PORTFOLIOS)
        info = self._parts.portfolios.get(principal, portfolio_id)
        if not info.may_edit:
            raise Forbidden(f"You see this portfolio of {info.made_by} and may not enter transactions into it.")
        sheet = read_sheet(content, self._score)
        latest = self._parts.journal.latest_day(principal)
        remembered = self._remembered(principal, sheet) if choice is None else None
        read = None
        if remembered is not None:
            read = _as_before(sheet, self.presets, remembered, info.currency, latest)
        is_remembered = read is not None
        if read is None:
            read = planned(sheet, self.presets, choice or Choice(), base_currency=info.currency, today=latest)
        name = visible(PurePath(file_name).name)[:MOST_NAME_CHARS] or "file"
        return File(name, sheet, read, is_remembered, info, self._parts.market_time.default(), latest)

    def _score(self, headings: Sequence[str]) -> int:
        return len({heading_key(each) for each in headings} & self._known)

    def _judged(self, principal: Principal, file: File) -> tuple[Preview, list[tuple[Draft, bytes]]]:
        """The preview, and every draft that would be entered with its identity in the file."""
        read = file.read
        if read.plan is None:
            return self._preview(file, [], (), read.problems), []
        rows, names = _assembled(file, read.plan)
        fresh, uses, problems = Judge(self._parts, principal, file).judge(rows, names)
        preview = self._preview(file, rows, uses, problems)
        pairs = [pair for row, pairs in zip(rows, fresh, strict=True) if row.fate is Fate.ADDED for pair in pairs]
        return preview, pairs

    def _preview(
        self, file: File, rows: Sequence[RowFate], uses: Sequence[SymbolUse], problems: tuple[str, ...]
    ) -> Preview:
        read, counted = file.read, Counter(row.fate for row in rows)
        how = (*file.sheet.how, *read.how)
        return Preview(
            file_name=file.name,
            preset=read.preset.id if read.preset else None,
            title=read.preset.title if read.preset else "By its headings",
            headings=file.sheet.headings,
            sample=tuple(tuple(cells) for _, cells in file.sheet.rows[:SAMPLE_ROWS]),
            choice=read.choice,
            is_remembered=file.is_remembered,
            rows=rows,
            counts={fate: counted[fate] for fate in Fate},
            how=(*how, "Columns and kinds are those of your last file with these headings.")
            if file.is_remembered
            else how,
            kinds=read.kinds,
            symbols=tuple(uses),
            question=read.question,
            problems=problems,
        )

    def _remembered(self, principal: Principal, sheet: Sheet) -> Choice | None:
        with self._database.app(principal) as connection:
            kept = dao.mapping(connection, _headings_hash(sheet))
        return None if kept is None else _choice_of(kept)

    def _remember(self, principal: Principal, file: File) -> None:
        choice, base = file.read.choice, file.info.currency
        kept = {
            "preset": choice.preset,
            "columns": dict(choice.columns),
            "kinds": dict(choice.kinds),
            "date_order": choice.date_order,
            "decimal": choice.decimal,
            "currency": None if choice.currency == base else choice.currency,
            "symbol_names": dict(choice.symbol_names),
        }
        if len(json.dumps(kept)) > MOST_MAPPING_CHARS:
            return
        with self._database.app(principal) as connection:
            dao.keep_mapping(connection, _headings_hash(file.sheet), kept)

    def _before(self, principal: Principal, portfolio_id: UUID, sha256: bytes, this: UUID) -> ImportRow | None:
        """An earlier import of the same content."""
        with self._database.app(principal) as connection:
            found = dao.imports(connection, portfolio_id, sha256=sha256, most=2)
        return next((row for row in found if row.id != this), None)


def _tell_nobody(_done: int, _total: int, _words: str) -> None:
    """Of a program's import nobody watches the steps."""


def _assembled(file: File, plan: Plan) -> tuple[list[RowFate], Mapping[str, Called]]:
    assembler = Assembler(plan, file.sheet.headings, latest=file.latest)
    rows = [assembler.fate(line, cells) for line, cells in file.sheet.rows]
    rows += [RowFate(line, Fate.REFUSED, reason, text=text) for line, reason, text in file.sheet.broken]
    if file.sheet.broken:
        rows.sort(key=lambda row: row.line)
    return rows, assembler.names.used


def _as_before(
    sheet: Sheet, presets: Mapping[str, Preset], choice: Choice, base_currency: str, today: date
) -> Planned | None:
    """The file read as one before it; its own form of dates and numbers counts first. None where it does not fit."""
    try:
        own = replace(choice, date_order=None, decimal=None)
        read = planned(sheet, presets, own, base_currency=base_currency, today=today)
        if read.question is not None:
            read = planned(sheet, presets, choice, base_currency=base_currency, today=today)
    except InvalidRequest:
        return None
    return read


def _choice_of(kept: Mapping[str, Any]) -> Choice:
    return Choice(
        preset=kept.get("preset"),
        columns=kept.get("columns") or {},
        kinds=kept.get("kinds") or {},
        date_order=kept.get("date_order"),
        decimal=kept.get("decimal"),
        currency=kept.get("currency"),
        symbol_names=kept.get("symbol_names") or {},
    )


def _headings_hash(sheet: Sheet) -> bytes:
    return hashlib.sha256("\x1f".join(heading_key(each) for each in sheet.headings).encode()).digest()


def _counted(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


def _not_imported(preview: Preview) -> str:
    refused = preview.counts[Fate.REFUSED]
    first = next(row for row in preview.rows if row.fate is Fate.REFUSED)
    return (
        f"Nothing was imported: {_counted(refused, 'row is', 'rows are')} refused, the first on line {first.line}: "
        f"{first.reason} Correct the file, or leave such rows out."
    )


def _imported(preview: Preview, added: int, before: ImportRow | None) -> str:
    parts = [f"{_counted(added, 'transaction was', 'transactions were')} added."]
    if known := preview.counts[Fate.KNOWN]:
        parts.append(f"{_counted(known, 'row was', 'rows were')} there already.")
    if refused := preview.counts[Fate.REFUSED]:
        parts.append(f"{_counted(refused, 'row is', 'rows are')} refused and left out.")
    if ignored := preview.counts[Fate.IGNORED]:
        parts.append(f"{_counted(ignored, 'row is', 'rows are')} no transaction.")
    if before is not None and not added:
        parts.append(f"The same file was imported on {before.created_at:%Y-%m-%d}, as {before.file_name}.")
    return " ".join(parts)
