"""Returns of a window: time-weighted, money-weighted, by month, year and holding, beside a benchmark (pure).

Time-weighted return multiplies the daily factors (value at the end + outflow) ÷ (value at the start + inflow). A day
without a value has no factor, and a window with such a day no time-weighted return; a day on which nothing was there
changes nothing. The money-weighted return is the yearly rate of `money_weighted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from core.portfolio.benchmark import Compared, compared, growth
from core.portfolio.money_weighted import DAYS_A_YEAR, LEAST_DAYS, money_weighted
from core.portfolio.report import Contribution, Performance, Period, Rate
from core.portfolio.series import Days, Floats, Series

NEARLY_THE_SAME = 0.001
"""Two yearly returns that differ by less are told to be nearly the same."""
MOST_NAMED = 3
"""Missing prices that a sentence names; the rest are counted."""
MOST_OWED = 0.75
"""Of what holdings are worth: where more money than that is below zero, a return has no meaning."""
LEAST_MONEY = 0.005
"""Less than this below zero is the rounding of what was entered, and nothing."""
SATURDAY = 5

NOTHING_YET = "Nothing has been valued yet: there is no day with a price."
NOTHING_THERE = "Nothing was held in this window."
NO_CLOSES = "The benchmark has no price for all of these days."

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Window:
    """Days of a series, and what stood before them."""

    series: Series
    begin: int
    end: int
    """Of the day after the last."""

    @property
    def days(self) -> Days:
        """The days of the window."""
        return self.series.days[self.begin : self.end]

    @property
    def value(self) -> Floats:
        """At each day's end."""
        return self.series.value[self.begin : self.end]

    @property
    def inflow(self) -> Floats:
        """Of each day."""
        return self.series.inflow[self.begin : self.end]

    @property
    def outflow(self) -> Floats:
        """Of each day."""
        return self.series.outflow[self.begin : self.end]

    @property
    def start(self) -> float:
        """The value at the end of the day before; 0 where the portfolio begins in the window."""
        return float(self.series.value[self.begin - 1]) if self.begin else 0.0

    @property
    def start_day(self) -> date | None:
        """That day; None where the portfolio begins in the window."""
        return _date(self.series.days[self.begin - 1]) if self.begin else None

    @property
    def factors(self) -> Floats:
        """Of each day; 1 where nothing was there, NaN where a value or flow is missing, −inf where nothing can be said,
        since the value is below zero or more is owed than holdings bear."""
        value = _rounded(self.value)
        found = _factors(self.before + self.inflow, value + self.outflow)
        cash = _rounded(self.series.cash[self.begin : self.end])
        return np.where(-cash > MOST_OWED * (value - cash), -np.inf, found)

    @property
    def before(self) -> Floats:
        """The value at the end of the day before each."""
        return _rounded(np.concatenate(([self.start], self.value[:-1])))


def performance(
    series: Series,
    *,
    benchmark: str = "",
    closes: Floats | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Performance:
    """The returns of a window.

    Args:
        series: the portfolio's values by day.
        benchmark: its symbol or name, as it is told.
        closes: the benchmark's closes on the days of the series, in the portfolio's currency, NaN where there is none
            (`Valuer.benchmark`); None: there is no benchmark.
        first: the first day whose gain is in the window; None: from the first transaction on.
        last: the last such day; None: the last of the series.
    """
    window = _window(series, first, last)
    if window is None:
        return _nothing(benchmark, NOTHING_YET if not len(series.days) else NOTHING_THERE)
    factors = window.factors
    other = _compared(window, closes)
    time_weighted, money = _time_weighted(window, factors), _money_weighted(window, window.value, window.start)
    missing = int(np.isnan(factors).sum())
    return Performance(
        first=_date(window.days[0]),
        last=_date(window.days[-1]),
        time_weighted=time_weighted,
        money_weighted=money,
        benchmark=benchmark,
        benchmark_time_weighted=_benchmark_rate(window, other),
        benchmark_money_weighted=_benchmark_money(window, other),
        explanation=explained(time_weighted, money),
        days=_dates(window.days),
        value=_optional(window.value),
        contributions=_optional(np.cumsum(series.inflow - series.outflow)[window.begin : window.end]),
        index=_optional(growth(np.where(np.isfinite(factors), factors, np.nan))),
        benchmark_value=_optional(other.value) if other else [None] * len(factors),
        benchmark_index=_optional(growth(other.factors)) if other else [None] * len(factors),
        months=_periods(window, factors, other, "M"),
        years=_periods(window, factors, other, "Y"),
        contributors=_contributors(window),
        missing_days=int(np.isnan(window.value).sum()),
        notes=_notes(window, missing),
    )


def explained(time_weighted: Rate, money: Rate) -> str:
    """Why the two returns differ, in a sentence; both are told by the year where the window is long enough."""
    if time_weighted.value is None or money.value is None:
        lacking, why = (
            ("time-weighted", time_weighted.note) if time_weighted.value is None else ("money-weighted", money.note)
        )
        return f"There is no {lacking} return to compare: {why[:1].lower()}{why[1:]}" if why else ""
    is_yearly = time_weighted.annual is not None and money.annual is not None
    by_time = time_weighted.annual if is_yearly and time_weighted.annual is not None else time_weighted.value
    by_money = money.annual if is_yearly and money.annual is not None else money.value
    span = " a year" if is_yearly else ""
    timed, weighted = f"{100 * by_time:.1f} %{span}", f"{100 * by_money:.1f} %{span}"
    if abs(by_money - by_time) < NEARLY_THE_SAME:
        return f"The two returns are nearly the same ({timed}): it hardly mattered when money came and went."
    way, when = ("below", "worse") if by_money < by_time else ("above", "better")
    return (
        f"The money-weighted return ({weighted}) is {way} the time-weighted one ({timed}): more money was there on the "
        f"{when} days."
    )


def _window(series: Series, first: date | None, last: date | None) -> _Window | None:
    days = series.days
    begin = 0 if first is None else int(np.searchsorted(days, np.datetime64(first, "D")))
    end = len(days) if last is None else int(np.searchsorted(days, np.datetime64(last, "D"), side="right"))
    return _Window(series, begin, end) if begin < end else None


def _nothing(benchmark: str, why: str) -> Performance:
    none = Rate(None, note=why)
    return Performance(
        None, None, none, none, benchmark, none, none, why, (), (), (), (), (), (), (), (), (), 0, notes=(why,)
    )


def _factors(before: Floats, after: Floats) -> Floats:
    """after ÷ before, of each day: NaN where either is not known, −inf where either is below zero.

    1 where before is 0: what comes of nothing, such as a dividend that is paid after all was sold, is a gain without a
    return.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(before == 0, 1.0, np.where((before > 0) & (after >= 0), after / before, -np.inf))
    return np.where(np.isnan(before) | np.isnan(after), np.nan, found)


def _time_weighted(window: _Window, factors: Floats) -> Rate:
    """The product of all factors less 1, and by the year from 30 days on, told from where something was there."""
    held = _is_held(window)
    begin = int(np.argmax(held))
    first = window.start_day if window.start_day is not None and begin == 0 else _date(window.days[begin])
    last = _date(window.days[-1])
    known = int(np.isfinite(window.value).sum())
    if np.isnan(factors).any():
        return Rate(None, None, first, last, known, _words_of_missing(window, factors))
    if np.isneginf(factors).any():
        day = _date(window.days[int(np.argmax(np.isneginf(factors)))])
        words = f"On {day} nearly all of the value is owed, as money is below zero: deposits may not have been entered."
        return Rate(None, None, first, last, known, words)
    if not held.any():
        return Rate(None, None, first, last, known, NOTHING_THERE)
    total = float(np.prod(factors))
    length = (last - first).days
    annual = total ** (DAYS_A_YEAR / length) - 1 if length >= LEAST_DAYS and total >= 0 else None
    return Rate(total - 1, annual, first, last, known)


def _is_held(window: _Window) -> Bools:
    """Days on which there was something to gain or lose with."""
    found: Bools = (window.before != 0) | (window.inflow > 0)
    return found


def _rounded(values: Floats) -> Floats:
    """Values, and 0 for those that are below zero by less than `LEAST_MONEY`."""
    return np.where((values < 0) & (values > -LEAST_MONEY), 0.0, values)


def _money_weighted(window: _Window, value: Floats, start: float) -> Rate:
    """The rate of the window's flows, with the value at its start paid in and that at its end paid out."""
    if not np.isfinite(value[-1]):
        return Rate(None, note=f"The value on {_date(window.days[-1])} is not known.")
    if not np.isfinite(start):
        return Rate(None, note=f"The value on {window.start_day} is not known.")
    days, paid = _own_days(window)
    if not np.isfinite(paid).all():
        return Rate(None, note="A flow is not known: its price or rate is missing.")
    flows = [(_date(days[at]), -float(paid[at])) for at in np.flatnonzero(paid)]
    if window.start_day is not None:
        flows.append((window.start_day, -start))
    flows.append((_date(window.days[-1]), float(value[-1])))
    return money_weighted(flows)


def _own_days(window: _Window) -> tuple[Days, Floats]:
    """The days on which what counts in the window moved, and what came in less what went out."""
    flows = window.series.flows
    if flows is None:
        return window.days, window.inflow - window.outflow
    at = np.searchsorted(window.series.days, flows.days)
    is_own = (at >= window.begin) & (at < window.end)
    return flows.days[is_own], flows.amounts[is_own]


def _compared(window: _Window, closes: Floats | None) -> Compared | None:
    if closes is None:
        return None
    before = float(closes[window.begin - 1]) if window.begin else None
    return compared(window.start, before, closes[window.begin : window.end], window.inflow - window.outflow)


def _benchmark_rate(window: _Window, other: Compared | None) -> Rate:
    if other is None:
        return Rate(None, note="No benchmark was asked for.")
    first, last = window.start_day or _date(window.days[0]), _date(window.days[-1])
    known = int(np.isfinite(other.factors).sum())
    total = float(np.prod(other.factors))
    if not np.isfinite(total):
        return Rate(None, None, first, last, known, NO_CLOSES)
    length = (last - first).days
    annual = total ** (DAYS_A_YEAR / length) - 1 if length >= LEAST_DAYS else None
    return Rate(total - 1, annual, first, last, known)


def _benchmark_money(window: _Window, other: Compared | None) -> Rate:
    if other is None:
        return Rate(None, note="No benchmark was asked for.")
    if not np.isfinite(other.value[-1]):
        return Rate(None, note=NO_CLOSES)
    found = _money_weighted(window, other.value, other.start)
    if other.value[-1] < 0:
        note = "More was taken out than the benchmark would have held; the rest would have been borrowed."
        return replace(found, note=f"{found.note} {note}".strip())
    return found


def _periods(window: _Window, factors: Floats, other: Compared | None, unit: str) -> list[Period]:
    """Returns by month (`M`) or year (`Y`) of the window."""
    labels = window.days.astype(f"datetime64[{unit}]")
    begins = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
    ends = np.concatenate((begins[1:], [len(labels)]))
    held = _is_held(window)
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        part = slice(begin, end)
        product = float(np.prod(factors[part])) if np.isfinite(factors[part]).all() and held[part].any() else None
        against = float(np.prod(other.factors[part])) if other is not None else np.nan
        day = _date(window.days[begin])
        found.append(
            Period(
                year=day.year,
                month=day.month if unit == "M" else None,
                time_weighted=None if product is None else product - 1,
                benchmark=against - 1 if np.isfinite(against) else None,
                is_whole=_is_whole(window, begin, end, labels[begin]),
            )
        )
    return found


def _is_whole(window: _Window, begin: int, end: int, label: np.datetime64) -> bool:
    """Whether the series was there before the period, and reaches its last weekday."""
    if window.begin + begin == 0:
        return False
    last = _date((label + 1).astype("datetime64[D]")) - timedelta(days=1)
    while last.weekday() >= SATURDAY:
        last -= timedelta(days=1)
    return end < len(window.days) or _date(window.days[-1]) >= last


def _contributors(window: _Window) -> list[Contribution]:
    """What each holding brought, largest gain first, those that are not known last."""
    part = slice(window.begin, window.end)
    values, flows = window.series.holdings[:, part], window.series.holding_flows[:, part]
    if not len(values):
        return []
    start = window.series.holdings[:, window.begin - 1] if window.begin else np.zeros(len(values))
    was_there = (start != 0) | (values != 0).any(axis=1) | (flows != 0).any(axis=1)
    gains = values[:, -1] - start - flows.sum(axis=1)
    before = np.concatenate((start[:, None], values[:, :-1]), axis=1) + np.maximum(flows, 0.0)
    factors = _factors(before, values + np.maximum(-flows, 0.0))
    products = np.prod(np.where(np.isneginf(factors), np.nan, factors), axis=1)
    basis = window.start + float(window.inflow.sum())
    found = [
        Contribution(
            symbol=window.series.symbols[at],
            gain=_number(gains[at]),
            share=_number(gains[at] / basis) if basis > 0 else None,
            time_weighted=_number(products[at] - 1),
        )
        for at in np.flatnonzero(was_there).tolist()
    ]
    return sorted(found, key=lambda each: (each.gain is None, -(each.gain or 0.0), each.symbol))


def _notes(window: _Window, missing: int) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(_words_of_missing(window, np.where(np.isnan(window.factors), np.nan, 1.0)))
    if window.end == len(window.series.days) and (window.series.pending_inflow or window.series.pending_outflow):
        last = _date(window.series.days[-1])
        notes.append(f"What moved after {last} is in no figure yet: that day is the last with prices.")
    return tuple(notes)


def _words_of_missing(window: _Window, factors: Floats) -> str:
    """Which days have no value, and what was missing on them."""
    missing = window.series.missing
    days, before = _dates(window.days[np.isnan(window.value)]), window.start_day
    if not days:
        days = [before] if before is not None and before in missing else _dates(window.days[np.isnan(factors)])
    names = sorted({name for day in days for name in missing.get(day, ())})
    named = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    when = f"{days[0]} has" if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]} have"
    return f"{when} no value: prices or rates are missing ({named})." if named else f"{when} no value."


def _optional(values: Floats) -> list[float | None]:
    is_known = np.isfinite(values)
    if is_known.all():
        return list(values.tolist())
    return [value if known else None for value, known in zip(values.tolist(), is_known.tolist(), strict=True)]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _dates(days: Days) -> Sequence[date]:
    found: list[date] = days.astype("datetime64[D]").astype(object).tolist()
    return found


def _date(day: np.datetime64) -> date:
    found: date = day.astype("datetime64[D]").astype(object)
    return found
