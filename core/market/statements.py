"""Statements of a company, made of the facts it reported in XBRL.

A column is a period's own first and last day. The fiscal year and period that stand beside a fact are those of the
filing, and of a comparative figure they are the wrong ones. How long a period is decides what it is:

    350 to 380 days, in an annual report     a year
    80 to 100 days                           a quarter
    the rest of a year behind three quarters a fourth quarter, which nobody reports: the year less the other three
    a quarter of a statement that only runs  what has run since the year began, less what had run before

Of several filings of one figure the last counts, as of a date that of those filed until then: what was corrected later
is not seen. A value a thousand or a million times its neighbours is marked, never changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from core.market.scale import suspects
from core.market.sources.contract import CompanyFacts, Fact
from core.market.statement_table import Kind, LineRule, StatementTable, Unit

YEAR_DAYS = range(350, 381)
QUARTER_DAYS = range(80, 101)
LAST_QUARTER_DAYS = range(80, 121)
"""A fourth quarter may have 16 or 17 weeks."""
QUARTERS_BEFORE = 3
"""That a year has before its last."""
OVERLAP_DAYS = 15
"""Two columns of one kind share at most so many days."""
ANNUAL_FORMS = ("10-K", "20-F", "40-F")
MOST_YEARS = 6
MOST_QUARTERS = 9
_DAY = timedelta(days=1)


class Frequency(StrEnum):
    """What the columns of a statement are."""

    ANNUAL = "annual"
    QUARTERLY = "quarterly"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From one day to another, both included."""

    end: date
    start: date

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.end - self.start).days + 1


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure, and where it is from."""

    value: Decimal
    unit: str
    """As it was reported: USD, USD/shares, shares."""
    concept: str
    """`taxonomy:tag`; of a difference of two lines, both their keys."""
    form: str
    filed: date
    accession_number: str
    """The filing; of what was derived, the one that was filed last."""
    is_derived: bool = False
    is_suspect: bool = False
    """A thousand or a million times its neighbours, or derived from such a figure."""
    note: str = ""
    """How it was derived, or what is the matter with it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement; None where nothing was reported."""

    key: str
    label: str
    unit: Unit
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement over years or over quarters, the newest first."""

    key: str
    label: str
    frequency: Frequency
    periods: tuple[Period, ...]
    """A balance sheet is of their last days."""
    lines: tuple[Line, ...]
    """Those that have a figure in some column."""


@dataclass(frozen=True, slots=True)
class Statements:
    """What a company reported until a date."""

    cik: int
    name: str
    currency: str | None
    """None where it reported no money."""
    as_of: date
    statements: tuple[Statement, ...]
    last_filed: date | None

    def statement(self, key: str, frequency: Frequency) -> Statement:
        """One of them."""
        return next(one for one in self.statements if one.key == key and one.frequency is frequency)


Span = tuple[date | None, date]
"""First (None of a moment) and last day of a figure."""


class Ledger:
    """Every figure of the table's lines that was filed until a date, by line and span."""

    def __init__(self, facts: CompanyFacts, as_of: date, table: StatementTable) -> None:
        self.as_of = as_of
        self._rules = {rule.key: rule for rule in table.lines()}
        wanted = table.concepts()
        seen = [fact for fact in facts.facts if concept_of(fact) in wanted and _is_sound(fact) and fact.filed <= as_of]
        self.currency = _currency(seen, self._rules["total_assets"], self._rules["revenue"])
        self.last_filed = max((fact.filed for fact in seen), default=None)
        self.annual_spans: Counter[Span] = Counter()
        self.quarter_spans: Counter[Span] = Counter()
        by_concept: dict[str, list[Fact]] = defaultdict(list)
        for fact in seen:
            by_concept[concept_of(fact)].append(fact)
        self._figures = {key: self._latest(rule, by_concept) for key, rule in self._rules.items()}
        self._suspects = {key: self._marked(figures) for key, figures in self._figures.items()}

    def cell(self, key: str, start: date | None, end: date) -> Cell | None:
        """The figure of a line over a span, as reported or, where it adds up, derived."""
        rule = self._rules[key]
        fact = self._figures[key].get((start if rule.kind is Kind.FLOW else None, end))
        if fact is not None:
            return self._reported(key, fact)
        if start is not None and rule.adds_up:
            derived = self._rest(key, start, end)
            if derived is not None:
                return derived
        return self._difference(rule, start, end)

    def newest(self, key: str) -> tuple[date, Cell] | None:
        """The newest figure of a moment, and its day."""
        days = [end for start, end in self._figures[key] if start is None]
        cell = self.cell(key, None, max(days)) if days else None
        return None if cell is None else (max(days), cell)

    def quarters_from(self, key: str, start: date, end: date) -> list[Fact] | None:
        """Reported quarters that follow one another without a gap over a span; None where there are none."""
        figures, found, at = self._figures[key], list[Fact](), start
        while at <= end and len(found) < QUARTERS_BEFORE:
            following = [f for s, f in figures.items() if s[0] == at and s[1] <= end and _days(s) in QUARTER_DAYS]
            if not following:
                return None
            found.append(max(following, key=_vintage))
            at = found[-1].end + _DAY
        return found if at > end else None

    def spans_from(self, start: date) -> Iterator[Span]:
        """Every span of reported money that begins on a day."""
        for key, figures in self._figures.items():
            if self._rules[key].adds_up:
                yield from (span for span in figures if span[0] == start)

    def _latest(self, rule: LineRule, by_concept: Mapping[str, Sequence[Fact]]) -> dict[Span, Fact]:
        """Of each span what was filed last; within one filing, under the concept that is named first."""
        units = _units(rule.unit, self.currency)
        found: dict[Span, Fact] = {}
        for concept in reversed(rule.concepts):
            for fact in by_concept.get(concept, ()):
                span = (fact.start, fact.end)
                if fact.unit not in units or (fact.start is None) != (rule.kind is Kind.MOMENT):
                    continue
                if rule.adds_up and fact.form.startswith(ANNUAL_FORMS) and _days(span) in YEAR_DAYS:
                    self.annual_spans[span] += 1
                if rule.adds_up and _days(span) in QUARTER_DAYS:
                    self.quarter_spans[span] += 1
                if span not in found or fact.filed >= found[span].filed:
                    found[span] = fact
        return found

    def _marked(self, figures: Mapping[Span, Fact]) -> frozenset[Span]:
        """The spans whose values are out of scale among those of the same length."""
        series: dict[int, list[tuple[date, Span, Decimal]]] = defaultdict(list)
        for span, fact in figures.items():
            series[round(_days(span) / 91)].append((span[1], span, fact.value))
        found: set[Span] = set()
        for one in series.values():
            one.sort()
            marks = suspects([value for _, _, value in one])
            found |= {span for (_, span, _), is_suspect in zip(one, marks, strict=True) if is_suspect}
        return frozenset(found)

    def _reported(self, key: str, fact: Fact) -> Cell:
        is_suspect = (fact.start, fact.end) in self._suspects[key]
        note = "about a thousand or a million times the figures beside it" if is_suspect else ""
        return Cell(
            value=fact.value,
            unit=fact.unit,
            concept=concept_of(fact),
            form=fact.form,
            filed=fact.filed,
            accession_number=fact.accession_number,
            is_suspect=is_suspect,
            note=note,
        )

    def _rest(self, key: str, start: date, end: date) -> Cell | None:
        """What is left of a longer span with the same end, when what went before is taken off."""
        figures = self._figures[key]
        longer = [f for s, f in figures.items() if s[1] == end and s[0] is not None and s[0] < start]
        for whole in sorted(longer, key=lambda fact: fact.start or fact.end, reverse=True):
            if whole.start is None or _days((whole.start, end)) > YEAR_DAYS[-1]:
                continue
            before, how = self.quarters_from(key, whole.start, start - _DAY), "the quarters before"
            if not before:
                direct = figures.get((whole.start, start - _DAY))
                before, how = ([direct] if direct else None), "what had run before"
            if before:
                span = "the year" if _days((whole.start, end)) in YEAR_DAYS else "the year so far"
                return self._derived(key, [whole, *before], f"{span} less {how}")
        return None

    def _derived(self, key: str, facts: Sequence[Fact], note: str) -> Cell:
        last = max(facts, key=_vintage)
        is_suspect = any((fact.start, fact.end) in self._suspects[key] for fact in facts)
        return Cell(
            value=facts[0].value - sum((fact.value for fact in facts[1:]), Decimal(0)),
            unit=facts[0].unit,
            concept=concept_of(facts[0]),
            form=last.form,
            filed=last.filed,
            accession_number=last.accession_number,
            is_derived=True,
            is_suspect=is_suspect,
            note=note + ("; one of them is out of scale" if is_suspect else ""),
        )

    def _difference(self, rule: LineRule, start: date | None, end: date) -> Cell | None:
        if rule.less is None:
            return None
        whole, part = (self.cell(key, start, end) for key in rule.less)
        if whole is None or part is None or whole.unit != part.unit:
            return None
        last = max(whole, part, key=lambda cell: (cell.filed, cell.accession_number))
        names = [self._rules[key].label.lower() for key in rule.less]
        return Cell(
            value=whole.value - part.value,
            unit=whole.unit,
            concept=" less ".join(rule.less),
            form=last.form,
            filed=last.filed,
            accession_number=last.accession_number,
            is_derived=True,
            is_suspect=whole.is_suspect or part.is_suspect,
            note=f"{names[0]} less {names[1]}",
        )


def build_statements(ledger: Ledger, facts: CompanyFacts, table: StatementTable) -> Statements:
    """All statements, over years and over quarters."""
    columns = {Frequency.ANNUAL: years(ledger)[:MOST_YEARS], Frequency.QUARTERLY: quarters(ledger)[:MOST_QUARTERS]}
    built = [
        Statement(rule.key, rule.label, frequency, tuple(periods), tuple(_lines(ledger, rule.lines, periods)))
        for frequency, periods in columns.items()
        for rule in table.statements
    ]
    return Statements(facts.cik, facts.name, ledger.currency, ledger.as_of, tuple(built), ledger.last_filed)


def years(ledger: Ledger) -> list[Period]:
    """The fiscal years, newest first."""
    return _apart(ledger.annual_spans)


def quarters(ledger: Ledger) -> list[Period]:
    """The quarters, newest first: as reported, and the fourth ones that are left of a year."""
    found = _apart(ledger.quarter_spans)
    ends = {period.end for period in found}
    for year in years(ledger):
        fourth = _fourth(ledger, year) if year.end not in ends else None
        if fourth is not None:
            found.append(fourth)
    return sorted(found, reverse=True)


def concept_of(fact: Fact) -> str:
    """`taxonomy:tag` of a fact."""
    return f"{fact.taxonomy}:{fact.tag}"


def _lines(ledger: Ledger, rules: Iterable[LineRule], periods: Sequence[Period]) -> Iterator[Line]:
    for rule in rules:
        cells = tuple(ledger.cell(rule.key, period.start, period.end) for period in periods)
        if any(cells):
            yield Line(rule.key, rule.label, rule.unit, cells)


def _apart(spans: Counter[Span]) -> list[Period]:
    """Periods that do not run into one another; of those that do, the one that more figures have."""
    kept: list[Period] = []
    for (start, end), _count in sorted(spans.items(), key=lambda item: (-item[1], item[0][1])):
        assert start is not None
        period = Period(end, start)
        if all(_shared_days(period, other) <= OVERLAP_DAYS for other in kept):
            kept.append(period)
    return sorted(kept, reverse=True)


def _fourth(ledger: Ledger, year: Period) -> Period | None:
    """What is left of a year behind its third quarter, as the spans from its first day tell."""
    ends = {end for _, end in ledger.spans_from(year.start)}
    ends |= {quarter.end for quarter in _apart(ledger.quarter_spans)}
    last = max((end for end in ends if (year.end - end).days in LAST_QUARTER_DAYS), default=None)
    return None if last is None else Period(year.end, last + _DAY)


def _shared_days(one: Period, other: Period) -> int:
    return (min(one.end, other.end) - max(one.start, other.start)).days + 1


def _days(span: Span) -> int:
    start, end = span
    return 0 if start is None else (end - start).days + 1


def _vintage(fact: Fact) -> tuple[date, str]:
    return fact.filed, fact.accession_number


def _is_sound(fact: Fact) -> bool:
    return fact.value.is_finite() and (fact.start is None or fact.start < fact.end)


def _units(unit: Unit, currency: str | None) -> tuple[str, ...]:
    of = {Unit.MONEY: (currency,), Unit.PER_SHARE: (f"{currency}/shares",), Unit.SHARES: ("shares",)}
    return tuple(name for name in of[unit] if name is not None)


def _currency(facts: Sequence[Fact], *anchors: LineRule) -> str | None:
    """The currency of the books: that in which most of the newest figures of assets and revenue are."""
    concepts = {concept for rule in anchors for concept in rule.concepts}
    money = [f for f in facts if concept_of(f) in concepts and len(f.unit) == 3 and f.unit.isupper()]
    newest = max((fact.filed for fact in money), default=None)
    counted = Counter(fact.unit for fact in money if fact.filed == newest)
    return min(counted, key=lambda unit: (-counted[unit], unit)) if counted else None
