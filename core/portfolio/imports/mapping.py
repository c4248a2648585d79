"""Which column holds what, and in which form: found by a preset, by the headings, by the cells, or chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from core.errors import InvalidRequest
from core.portfolio.imports.figures import (
    ORDERS,
    Dates,
    Seen,
    dates_seen,
    decimal_of,
    is_missing,
    number,
    order_words,
    possible_orders,
    short_years,
)
from core.portfolio.imports.outcomes import FIELDS, Asked, Choice, Question
from core.portfolio.imports.presets import GENERIC, MORE_OF, NEGATED, OTHER_KINDS, Preset, kind_of
from core.portfolio.imports.reading import Sheet, heading_key
from core.portfolio.transactions import LABELS, Kind, checked_currency

_NUMBERS = ("quantity", "price", "amount", "net", "fees", "fees_2", "fees_3", "taxes", "taxes_2", "fx_rate")
_MONEY = ("amount", "net")
MOST_WORDS = 60
"""Different words for kinds that are told, those first of which nothing is known; all are read."""
MOST_SEEN = 20_000
"""Cells of numbers by which the decimal sign is told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one file are read."""

    preset: Preset | None
    columns: Mapping[str, int]
    """Place of the column by our field."""
    currencies: Mapping[str, str]
    """Currency that a column's heading names, by our field."""
    kinds: Mapping[str, str]
    """Kind, `NEGATED` before it where its amount is given back, or one of `OTHER_KINDS`, by the word of a cell."""
    dates: Dates
    decimal: str
    is_cash_signed: bool
    """Whether amounts below zero are what was paid."""
    negative: frozenset[str]
    """Those of fees and taxes that are written below zero where they were paid."""
    uses_rate: bool
    currency: str
    """Of rows that name none."""
    symbol_names: Mapping[str, str]
    """Our symbols by the file's names, in capitals."""
    is_own_form: bool
    """Whether it is the form that we export."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what there is to say of it."""

    plan: Plan | None
    """None where a problem keeps every row from being read."""
    preset: Preset | None
    choice: Choice
    """With all that was found."""
    how: tuple[str, ...]
    kinds: Mapping[str, str]
    """The file's words for kinds; empty where nothing is known of one."""
    question: Question | None = None
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    sheet: Sheet
    choice: Choice
    preset: Preset | None
    columns: dict[str, int]
    currencies: dict[str, str]
    how: list[str] = field(default_factory=list)
    question: Question | None = None

    def cells(self, name: str) -> Iterator[str]:
        """The cells of a field that are not empty."""
        at = self.columns.get(name)
        return iter(()) if at is None else (cells[at] for _, cells in self.sheet.rows if cells[at])


def known_headings(presets: Mapping[str, Preset]) -> frozenset[str]:
    """Every heading that some preset knows, as it is compared; those that name a currency are left out."""
    names = {pattern.pattern for each in presets.values() for found in each.columns.values() for pattern in found}
    named = {name.replace("\\", "") for name in names if "(" not in name.replace("\\(", "")}
    return frozenset(
        named | {heading for each in presets.values() for found in each.recognised_by for heading in found}
    )


def planned(sheet: Sheet, presets: Mapping[str, Preset], choice: Choice, *, base_currency: str, today: date) -> Planned:
    """How a file is read, by the choice where it says and by the file where it does not.

    Raises:
        InvalidRequest: the choice names a preset, column, kind, order, sign or currency that there is not.
    """
    _check(choice, presets, sheet.headings)
    preset = _preset(sheet, presets, choice)
    columns, currencies = _columns(sheet, preset or presets[GENERIC], choice)
    found = _Found(sheet, choice, preset, columns, currencies)
    problems = _problems(columns)
    kinds = _kinds(found, presets[GENERIC])
    choice = replace(
        choice,
        preset=preset.id if preset else None,
        columns={name: sheet.headings[at] for name, at in columns.items() if name in FIELDS},
    )
    told = dict(sorted(kinds.items(), key=lambda each: bool(each[1]))[:MOST_WORDS])
    if problems:
        return Planned(None, preset, choice, (), told, None, problems)
    decimal = _decimal(found)
    dates = _dates(found, today)
    plan = Plan(
        preset=preset,
        columns=columns,
        currencies=currencies,
        kinds={word: kind for word, kind in kinds.items() if kind},
        dates=dates,
        decimal=decimal,
        is_cash_signed=_is_cash_signed(found, kinds),
        negative=frozenset(name for name in ("fees", "taxes") if _is_negative(found, name)),
        uses_rate=_uses_rate(found, decimal, base_currency),
        currency=checked_currency(choice.currency) if choice.currency else base_currency,
        symbol_names={" ".join(name.upper().split()): symbol for name, symbol in choice.symbol_names.items() if symbol},
        is_own_form=preset is not None and preset.id == GENERIC,
    )
    choice = replace(choice, currency=plan.currency)
    if found.question is None:
        choice = replace(choice, decimal=decimal, date_order=dates.order)
    return Planned(plan, preset, choice, (*_said(found, plan), *found.how), told, found.question)


def _check(choice: Choice, presets: Mapping[str, Preset], headings: Sequence[str]) -> None:
    if choice.preset is not None and choice.preset not in presets:
        raise InvalidRequest(f"There is no preset {choice.preset[:40]!r}; there are {', '.join(presets)}.")
    for name, heading in choice.columns.items():
        if name not in FIELDS:
            raise InvalidRequest(f"{name[:40]!r} is no field; the fields are {', '.join(FIELDS)}.")
        if heading and heading not in headings:
            raise InvalidRequest(f"The file has no column {heading[:80]!r}.")
    for word, kind in choice.kinds.items():
        if kind.removeprefix(NEGATED) not in (*Kind, *OTHER_KINDS, ""):
            raise InvalidRequest(f"{kind[:40]!r}, chosen for {word[:40]!r}, is no kind of transaction.")
    if choice.date_order is not None and choice.date_order not in ORDERS:
        raise InvalidRequest(f"The order of dates is one of {', '.join(ORDERS)}.")
    if choice.decimal is not None and choice.decimal not in (".", ","):
        raise InvalidRequest("The decimal sign is . or , and nothing else.")


def _preset(sheet: Sheet, presets: Mapping[str, Preset], choice: Choice) -> Preset | None:
    if choice.preset is not None:
        return presets[choice.preset]
    keys = frozenset(map(heading_key, sheet.headings))
    fitting = [each for each in presets.values() if each.is_of(keys)]
    return max(fitting, key=lambda each: max(len(known) for known in each.recognised_by if known <= keys), default=None)


def _columns(sheet: Sheet, preset: Preset, choice: Choice) -> tuple[dict[str, int], dict[str, str]]:
    keys = [heading_key(each) for each in sheet.headings]
    columns: dict[str, int] = {}
    currencies: dict[str, str] = {}
    chosen = {name: sheet.headings.index(heading) for name, heading in choice.columns.items() if heading}
    left = {name for name, heading in choice.columns.items() if not heading}
    taken = set(chosen.values())
    for name, patterns in preset.columns.items():
        if name in chosen or name in left:
            continue
        matches = ((at, pattern.fullmatch(key)) for pattern in patterns for at, key in enumerate(keys))
        at, match = next(((at, match) for at, match in matches if match and at not in taken), (None, None))
        if at is None or match is None:
            continue
        columns[name] = at
        taken.add(at)
        if match.groups():
            currencies[name] = match[1].upper()
    return columns | chosen, currencies


def _problems(columns: Mapping[str, int]) -> tuple[str, ...]:
    problems = []
    if "day" not in columns:
        problems.append("No column was found that holds the date; say which does.")
    if not {"quantity", "amount", "net", "ratio"} & columns.keys():
        problems.append("No column was found that holds a quantity or an amount; say which does.")
    if "quantity" in columns and not {"symbol", "isin", "name"} & columns.keys():
        problems.append("No column was found that holds the symbol; say which does.")
    return tuple(problems)


def _kinds(found: _Found, generic: Preset) -> dict[str, str]:
    chosen = {heading_key(word): kind for word, kind in found.choice.kinds.items() if kind}
    labels = {label.casefold(): kind.value for kind, label in LABELS.items()}
    known = {**{kind.value: kind.value for kind in Kind}, **labels, **generic.kinds}
    if found.preset is not None:
        known |= found.preset.kinds
    return {word: kind_of(word, {**known, **chosen}) or "" for word in dict.fromkeys(found.cells("kind"))}


def _decimal(found: _Found) -> str:
    if found.choice.decimal:
        return found.choice.decimal
    if found.preset is not None and found.preset.decimal:
        return found.preset.decimal
    texts: list[str] = []
    for name in _NUMBERS:
        texts.extend(list(found.cells(name))[:MOST_SEEN])
    sign = decimal_of(texts)
    if sign is None:
        example = next(text for text in texts if "," in text)
        plain = example.replace(",", "")
        found.question = Question(
            Asked.DECIMAL,
            f"Numbers such as {example} can be read in two ways; say which sign is decimal.",
            {".": f"A point: {example} is {plain}", ",": f"A comma: {example} is {example.replace(',', '.')}"},
        )
    return sign or "."


def _dates(found: _Found, today: date) -> Dates:
    seen = dates_seen(found.cells("day"))
    form = Dates("ymd", today.year, found.sheet.is_excel)
    order = found.choice.date_order or _settled_order(seen, found.preset)
    if order is None:
        order = "dmy"
        fitting = [each for each in ORDERS if each in seen.orders or not seen.orders]
        options = possible_orders(seen.example, fitting, form) if seen.example else []
        if len(options) > 1 and found.question is None:
            found.question = Question(
                Asked.DATE_ORDER,
                f"Dates such as {seen.example} can be read in more than one way, and the file does not settle which.",
                {each: order_words(each, seen.example, form) for each in options},
            )
    form = replace(form, order=order)
    if seen.has_short_years:
        found.how.append(short_years(form))
    if seen.example and found.question is None:
        found.how.append(f"Dates such as {seen.example} are read with the {ORDERS[order]}.")
    return form


def _settled_order(seen: Seen, preset: Preset | None) -> str | None:
    """The order of a file's dates where they have only one, or their program's; None where it has to be asked for."""
    if len(seen.orders) == 1:
        return next(iter(seen.orders))
    own = preset.date_order if preset else None
    is_fitting = own in seen.orders or not seen.orders
    return own if not seen.example or (own != "ymd" and is_fitting) else None


def _is_cash_signed(found: _Found, kinds: Mapping[str, str]) -> bool:
    if found.preset is not None and found.preset.signs:
        return found.preset.signs == "cash"
    at = found.columns.get("kind")
    money = [found.columns[name] for name in _MONEY if name in found.columns]
    if at is None or not money:
        return True
    paid, costs = {Kind.BUY.value, Kind.WITHDRAWAL.value}, {Kind.FEE.value, Kind.TAX.value}
    signs: dict[bool, set[bool]] = {True: set(), False: set()}
    for _, cells in found.sheet.rows:
        kind = kinds.get(cells[at])
        amounts = [cells[place] for place in money if not is_missing(cells[place])]
        if amounts and kind in paid | costs:
            signs[kind in paid].add(any(map(_is_below, amounts)))
    return True in signs[True] or (not signs[True] and signs[False] == {True})


def _is_negative(found: _Found, name: str) -> bool:
    texts = [
        text
        for each in (name, *MORE_OF[name])
        for text in found.cells(each)
        if any("1" <= sign <= "9" for sign in text)
    ]
    below = sum(map(_is_below, texts))
    return below * 2 > len(texts)


def _is_below(text: str) -> bool:
    return text.lstrip("$€£ ").startswith(("-", "−", "(")) or text.endswith("-")


def _uses_rate(found: _Found, decimal: str, base_currency: str) -> bool:
    if "fx_rate" not in found.columns:
        return False
    if "fx_rate" in found.choice.columns or (found.preset is not None and found.preset.id == GENERIC):
        return True
    if found.preset is None or not found.preset.rate_is_to_base:
        found.how.append("The column of exchange rates is not used: the market's rates of each day are.")
        return False
    at, rate = found.columns.get("currency"), found.columns["fx_rate"]
    own = [cells[rate] for _, cells in found.sheet.rows if at is not None and cells[at].upper() == base_currency]
    is_base = bool(own) and all(_is_one(text, decimal) for text in own)
    if not is_base:
        found.how.append(
            f"The file's exchange rates are not to {base_currency}, or do not show that they are: the market's rates "
            "of each day are used."
        )
    return is_base


def _is_one(text: str, decimal: str) -> bool:
    try:
        return number(text, decimal) == 1
    except ValueError:
        return False


def _said(found: _Found, plan: Plan) -> Iterable[str]:
    yield f"Read as {found.preset.title}." if found.preset else "Read by its headings; no preset knows them."
    if plan.decimal == ",":
        yield "Numbers have a decimal comma."
    if "kind" not in plan.columns:
        yield "No column tells the kind: the sign of quantities and amounts does."
    if "currency" not in plan.columns and "settled_currency" not in plan.columns:
        yield f"No column tells the currency: {plan.currency} is taken."
    used = set(plan.columns.values())
    left = [heading for at, heading in enumerate(found.sheet.headings) if at not in used]
    if left and not found.preset:
        yield f"Columns that are not used: {', '.join(left)[:500]}."
