"""From the cells of a row to the transactions that it tells of, or the reason why it cannot be one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from core.errors import InvalidRequest
from core.market.sources.figures import Unit, unit
from core.portfolio.exports import plain_text
from core.portfolio.imports.figures import day_of, is_missing, number, ratio
from core.portfolio.imports.mapping import Plan
from core.portfolio.imports.outcomes import BY_SIGN, IGNORE, TRANSFER_BY_SIGN, Fate, RowFate
from core.portfolio.imports.presets import MORE_OF, NEGATED
from core.portfolio.imports.reading import heading_key
from core.portfolio.imports.symbols import Called, SymbolNames
from core.portfolio.transactions import LABELS, OF_MONEY, TRADES, TRANSFERS, Draft, Kind, checked, fields_of

PLACES = 10
MOST_OFF = Decimal("0.02")
"""Money that is so far away from quantity × price is told."""
MAX_TEXT_CHARS = 200
_TOTALS = re.compile(
    r"((sub|grand )?totals?|transactions? totals?|sum|summe|gesamt|saldo|(opening|closing|account|ending) balance|"
    r"balance|anfangs(be)?stand|end(be)?stand|\*+)\b.*",
    re.IGNORECASE,
)
_SIGNED = {BY_SIGN: (Kind.DEPOSIT, Kind.WITHDRAWAL), TRANSFER_BY_SIGN: (Kind.TRANSFER_IN, Kind.TRANSFER_OUT)}
_WORDS = {
    "fees_2": "fees",
    "fees_3": "fees",
    "taxes_2": "taxes",
    "net": "amount",
    "fx_rate": "exchange rate",
    "cost_share": "share of the cost",
}
_NUMBERS = {
    **{name: name for name in ("quantity", "price", "amount", "net", "fees", "taxes", "fx_rate", "cost_share")},
    **{more: name for name, others in MORE_OF.items() for more in others},
}
"""The number that a column is part of."""
_CHARGES = frozenset({Kind.FEE, Kind.TAX})
_MOVES = frozenset({Kind.DEPOSIT, Kind.WITHDRAWAL})
Told = dict[str, str]
"""The cells of a row that are not empty, by our field."""
_HAVE_SYMBOLS = frozenset({Kind.INTEREST, Kind.FEE, Kind.TAX})
"""Kinds that may have a symbol and need none: what cannot be one goes into the note."""


@dataclass(slots=True)
class _Row:
    """What the cells of one row say."""

    kind: Kind
    is_negated: bool
    day: date
    own: Unit
    """Currency of the price."""
    currency: str
    """In which the transaction is entered: of the money that moved, where the row tells it."""
    numbers: dict[str, Decimal]
    is_tax_settled: bool = False
    """Whether taxes were brought into `currency`."""
    given_back: Decimal = Decimal(0)
    """Fees and taxes below zero that are a transaction of their own, though money after fees has them in it."""
    ratio: Decimal | None = None
    symbol: str | None = None
    notes: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    extra: list[Draft] = field(default_factory=list)

    def get(self, name: str) -> Decimal | None:
        """A number that the row has and that is not 0."""
        return self.numbers.get(name) or None


class Assembler:
    """Reads the rows of one file by its plan."""

    def __init__(self, plan: Plan, headings: Sequence[str], *, latest: date) -> None:
        """`latest` is the last day that a transaction may be dated."""
        self._plan = plan
        self._latest = latest
        self._headings = [heading_key(each) for each in headings]
        self._left_out = [
            (self._headings.index(rule.heading), rule)
            for rule in (plan.preset.left_out if plan.preset else ())
            if rule.heading in self._headings
        ]
        self._places = tuple(plan.columns.items())
        self._days: dict[str, date] = {}
        self._units: dict[str, Unit | None] = {}
        self.names = SymbolNames(plan.preset, plan.symbol_names)

    def fate(self, line: int, cells: Sequence[str]) -> RowFate:
        """What becomes of a row by itself: added, ignored or refused."""
        text = " | ".join(filter(None, cells))[:MAX_TEXT_CHARS]
        told = {name: cells[at] for name, at in self._places if cells[at]}
        if reason := self._reason_to_ignore(cells, told):
            return RowFate(line, Fate.IGNORED, reason, text=text)
        try:
            row = self._row(told)
            drafts = self._drafts(row, told)
            made = tuple(checked(each, latest=self._latest) for each in drafts)
        except InvalidRequest as error:
            return RowFate(line, Fate.REFUSED, error.detail, text=text)
        return RowFate(line, Fate.ADDED, notices=tuple(row.notices), drafts=made, text=text)

    def _reason_to_ignore(self, cells: Sequence[str], told: Told) -> str:
        word = told.get("kind", "")
        kind = self._plan.kinds.get(word, "")
        for at, rule in self._left_out:
            is_of_rule = not rule.kinds or kind in rule.kinds
            if is_of_rule and (cells[at].casefold() in rule.words) != rule.is_unless:
                return rule.reason
        if kind == IGNORE:
            return f"Rows of the kind {word[:60]!r} are left out."
        if self._is_day(told.get("day", "")):
            return ""
        filled = [cell for cell in cells if cell]
        pairs = zip(cells, self._headings, strict=True)
        if all(heading_key(cell) == heading for cell, heading in pairs if cell):
            return "It is the heading again."
        if len(filled) == 1:
            return "It is a line of text and no row."
        return "It is a total or a balance." if _TOTALS.match(filled[0]) else ""

    def _is_day(self, text: str) -> bool:
        if text not in self._days:
            try:
                self._days[text] = day_of(text, self._plan.dates)
            except ValueError:
                return False
        return True

    def _row(self, told: Told) -> _Row:
        plan = self._plan
        day = told.get("day", "")
        if not day:
            raise InvalidRequest("The date is missing.")
        if not self._is_day(day):
            raise InvalidRequest(f"{day[:40]!r} is no date.")
        numbers = self._numbers(told)
        own = self._unit(told, "currency", plan.currency) or Unit(plan.currency)
        settled = self._unit(told, "settled_currency", self._heading_currency(numbers)) or own
        kind, is_negated = self._kind(told, numbers)
        row = _Row(kind, is_negated, self._days[day], own, own.currency or plan.currency, numbers)
        row.ratio = self._ratio(told)
        self._name(row, told)
        if own.per_currency != 1:
            self._in_whole_currency(row, own, settled)
        if settled.currency and settled.currency != row.currency and (row.get("amount") or row.get("net")):
            self._settle(row, told, settled.currency)
        self._charges(row, told)
        return row

    def _kind(self, told: Told, numbers: dict[str, Decimal]) -> tuple[Kind, bool]:
        meant = BY_SIGN
        if "kind" in self._plan.columns:
            word = told.get("kind", "")
            meant = self._plan.kinds.get(word, "")
            if not meant:
                raise InvalidRequest(
                    f"The kind {word[:60]!r} is not known; say what it is." if word else "The kind is missing."
                )
        if meant not in _SIGNED:
            return Kind(meant.removeprefix(NEGATED)), meant.startswith(NEGATED)
        quantity = numbers.get("quantity")
        signed = quantity or numbers.get("amount") or numbers.get("net")
        if not signed:
            raise InvalidRequest("It has neither a quantity nor an amount.")
        up, down = TRADES_BY_SIGN if meant == BY_SIGN and quantity else _SIGNED[meant]
        return (up if signed > 0 else down), False

    def _numbers(self, told: Told) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for name in told:
            of = _NUMBERS.get(name)
            if of is None:
                continue
            value = self._number(told, name)
            if value is not None:
                found[of] = found.get(of, 0) + (-value if of in self._plan.negative else value)
        if not self._plan.uses_rate or (found.get("fx_rate") == 1 and not self._plan.is_own_form):
            found.pop("fx_rate", None)
        return found

    def _number(self, told: Told, name: str) -> Decimal | None:
        text = told[name]
        try:
            return number(text, self._plan.decimal)
        except ValueError:
            sign = "point" if self._plan.decimal == "." else "comma"
            raise InvalidRequest(
                f"The {_WORDS.get(name, name)} {text[:40]!r} is no number with a decimal {sign}."
            ) from None

    def _ratio(self, told: Told) -> Decimal | None:
        text = told.get("ratio", "")
        try:
            return ratio(text, self._plan.decimal) if text else None
        except (ValueError, ArithmeticError):
            raise InvalidRequest(f"The ratio {text[:40]!r} is none; 2 or 2:1 is two for one.") from None

    def _unit(self, told: Told, name: str, otherwise: str) -> Unit | None:
        """The unit that a column tells, or the other one; None where there is none."""
        text = told.get(name, "")
        if is_missing(text):
            text = otherwise
        if text not in self._units:
            self._units[text] = unit(text) or unit(text.upper())
        found = self._units[text]
        if found is None and text:
            raise InvalidRequest(f"{text[:20]!r} is no currency; it has three letters such as USD.")
        return found

    def _heading_currency(self, numbers: dict[str, Decimal]) -> str:
        currencies = self._plan.currencies
        return next((currencies[name] for name in ("amount", "net") if name in currencies and name in numbers), "")

    def _name(self, row: _Row, told: Told) -> None:
        note = plain_text(told.get("note", ""))
        symbol, isin, name, exchange = (
            plain_text(told.get(each, "")) for each in ("symbol", "isin", "name", "exchange")
        )
        called = Called(symbol, isin, name, exchange, row.own.currency or "")
        preset = self._plan.preset
        if preset and preset.symbol_in and not called.symbol and (found := preset.symbol_in.search(note)):
            called = called._replace(symbol=found[1])
        row.notes.append(note)
        needed, optional = fields_of(row.kind)
        if "symbol" not in needed | optional or (row.kind in TRANSFERS and not row.get("quantity")):
            row.notes.append(called.symbol or called.name)
            return
        if row.kind in _HAVE_SYMBOLS:
            called = called._replace(name="")
            if preset and not preset.payments_have_symbols:
                row.notes.append(called.theirs)
                return
        try:
            row.symbol = self.names.symbol(called)
        except InvalidRequest:
            if row.kind not in _HAVE_SYMBOLS:
                raise
            row.notes.append(called.theirs)

    @staticmethod
    def _in_whole_currency(row: _Row, own: Unit, settled: Unit) -> None:
        """Pence as pounds: the price, and money too where no other currency is told for it."""
        is_all = settled == own
        for name in ("price", *(("amount", "net", "fees", "taxes") if is_all else ())):
            if name in row.numbers:
                row.numbers[name] /= own.per_currency

    def _settle(self, row: _Row, told: Told, currency: str) -> None:
        """Enters the row in the currency of the money that moved; what a share cost in its own goes into the note."""
        price, quantity, taxes = row.get("price"), row.get("quantity"), row.get("taxes")
        if price is not None:
            row.notes.append(f"{price.normalize():f} {row.currency} a share")
        of_taxes = self._unit(told, "taxes_currency", currency)
        if taxes is not None and of_taxes and of_taxes.currency == row.currency:
            withheld, net = taxes / of_taxes.per_currency, row.get("net")
            before = abs(price * quantity) if price and quantity else Decimal(0)
            if net is not None and before > withheld:
                row.numbers["taxes"] = round(withheld * abs(net) / (before - withheld), PLACES)
                row.is_tax_settled = True
        row.numbers.pop("price", None)
        row.numbers.pop("fx_rate", None)
        row.currency = currency

    def _charges(self, row: _Row, told: Told) -> None:
        """Fees and taxes of another currency, and those that were given back, as transactions of their own."""
        for name, kind in (("fees", Kind.FEE), ("taxes", Kind.TAX)):
            amount = row.get(name)
            if amount is None:
                continue
            unit_told = self._unit(told, f"{name}_currency", self._plan.currencies.get(name, ""))
            currency = unit_told.currency if unit_told and unit_told.currency else row.currency
            if name == "taxes" and row.is_tax_settled:
                currency = row.currency
            if row.kind in _CHARGES or (currency == row.currency and amount > 0):
                continue
            if currency == row.currency:
                row.given_back += amount
            symbol = None if row.kind in _MOVES else row.symbol
            row.extra.append(Draft(kind, row.day, currency, symbol, amount=amount, note=LABELS[row.kind]))
            del row.numbers[name]

    def _drafts(self, row: _Row, told: Told) -> list[Draft]:
        if row.kind in TRADES:
            self._trade(row)
        elif row.kind in OF_MONEY:
            self._payment(row)
        elif row.kind in TRANSFERS:
            self._transfer(row)
        needed, optional = fields_of(row.kind)
        allowed = needed | optional
        quantity, price = row.numbers.get("quantity"), row.numbers.get("price")
        if quantity and quantity < 0 and row.kind in (Kind.BUY, Kind.TRANSFER_IN):
            raise InvalidRequest(f"A {LABELS[row.kind].lower()} has a quantity above zero, and this is {quantity}.")
        other = plain_text(told.get("other_symbol", ""))
        reference = told.get("reference", "")[:MAX_TEXT_CHARS]
        draft = Draft(
            row.kind,
            row.day,
            row.currency,
            row.symbol if "symbol" in allowed else None,
            quantity=abs(quantity) if quantity and "quantity" in allowed else None,
            price=price if "price" in allowed else None,
            amount=row.numbers.get("amount") if "amount" in allowed else None,
            fees=row.numbers.get("fees", Decimal(0)),
            taxes=row.numbers.get("taxes", Decimal(0)),
            fx_rate=row.numbers.get("fx_rate"),
            ratio=row.ratio if "ratio" in allowed else None,
            other_symbol=other if other and "other_symbol" in allowed else None,
            cost_share=row.numbers.get("cost_share") if "cost_share" in allowed else None,
            note="; ".join(each for each in row.notes if each),
            reference=reference,
        )
        return [draft, *(replace(each, reference=reference) for each in row.extra)]

    def _gross(self, row: _Row) -> Decimal | None:
        """Money before fees and taxes, without a sign for trades and signed as it is for others."""
        amount, net = row.get("amount"), row.get("net")
        charges = row.given_back + row.numbers.get("fees", Decimal(0)) + row.numbers.get("taxes", Decimal(0))
        if row.kind in TRADES | TRANSFERS:
            if amount is not None:
                return abs(amount)
            if net is None:
                return None
            is_out = row.kind in (Kind.SELL, Kind.TRANSFER_OUT)
            return abs(net) + (charges if is_out else -charges)
        if amount is not None or net is None:
            return amount
        return net if row.kind in _CHARGES | _MOVES else net + charges

    def _trade(self, row: _Row) -> None:
        quantity, price = row.get("quantity"), row.numbers.get("price")
        if self._plan.is_own_form and price is not None:
            return
        gross = self._gross(row)
        row.numbers.pop("amount", None)
        if quantity is None or gross is None:
            return
        quantity = abs(quantity)
        if gross < 0:
            raise InvalidRequest("The amount is smaller than the fees and taxes in it.")
        if price is None:
            price = row.numbers["price"] = round(gross / quantity, PLACES)
        usual = quantity * price
        if gross != usual:
            row.numbers["amount"] = gross
        # Of a quantity that the broker rounded, one of its last digit is no difference.
        last_digit = Decimal(1).scaleb(int(quantity.as_tuple().exponent))
        if abs(gross - usual) > max(MOST_OFF * max(gross, usual), last_digit * price):
            row.notices.append(f"The amount {gross.normalize():f} is not quantity × price, {usual.normalize():f}.")

    def _payment(self, row: _Row) -> None:
        amount = self._gross(row)
        if amount is None:
            amount = self._without_amount(row)
        elif row.kind in _MOVES:
            amount = self._moved(row, amount)
        elif row.kind in _CHARGES and self._plan.is_cash_signed and not row.is_negated:
            amount = -amount
        row.numbers.pop("amount", None)
        if amount is not None:
            row.numbers["amount"] = -abs(amount) if row.is_negated else amount

    @staticmethod
    def _without_amount(row: _Row) -> Decimal | None:
        """Quantity × price, or of a fee or tax what stands in its own column alone."""
        quantity, price = row.get("quantity"), row.get("price")
        if quantity is not None and price is not None:
            return abs(quantity) * price
        name = {Kind.FEE: "fees", Kind.TAX: "taxes"}.get(row.kind)
        return row.numbers.pop(name, None) if name else None

    def _moved(self, row: _Row, amount: Decimal) -> Decimal:
        if self._plan.is_cash_signed and row.kind is Kind.DEPOSIT and amount < 0:
            row.kind = Kind.WITHDRAWAL
        elif row.kind is Kind.WITHDRAWAL or self._plan.is_cash_signed:
            return abs(amount)
        return abs(amount) if row.kind is Kind.WITHDRAWAL else amount

    def _transfer(self, row: _Row) -> None:
        gross, quantity = self._gross(row), row.get("quantity")
        if row.symbol is None:
            row.numbers.pop("quantity", None)
            row.numbers.pop("price", None)
            if gross is not None:
                row.numbers["amount"] = gross
            return
        row.numbers.pop("amount", None)
        if "price" not in row.numbers and gross and gross > 0 and quantity is not None:
            row.numbers["price"] = round(gross / abs(quantity), PLACES)


TRADES_BY_SIGN = (Kind.BUY, Kind.SELL)
"""A quantity above zero was bought, one below was sold."""
