"""Findings about a portfolio, each with its figures and its rule: told, never advised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from core.portfolio.holdings import Standing, by_currency
from core.portfolio.income import share, total
from core.portfolio.report import Check, HoldingLine
from core.portfolio.series import Series

OK, NOTICE, WARNING = "ok", "notice", "warning"
TOP = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """From which share on a finding is a notice, and from which a warning."""

    notice: float
    warning: float

    def severity(self, found: float | None) -> str:
        """How a share is told; of an unknown one, a notice."""
        if found is None:
            return NOTICE
        return WARNING if found >= self.warning else NOTICE if found >= self.notice else OK


LARGEST = Bounds(0.10, 0.25)
FOREIGN = Bounds(0.30, 0.60)
FEES_OF_VALUE = Bounds(0.01, 0.02)
FEES_OF_GAIN = Bounds(0.10, 0.25)
STALE = Bounds(0.0, 0.10)
MONEY = Bounds(0.20, 0.50)
MISSING = Bounds(0.0, 0.05)


@dataclass(frozen=True, slots=True)
class Checked:
    """What checks look at."""

    standing: Standing
    series: Series
    currency: str
    """The portfolio's."""
    fees: Decimal | None
    """All that were ever paid, in the portfolio's currency."""
    gain: Decimal | None
    """The portfolio's total gain, after fees."""


def checks_of(checked: Checked) -> tuple[Check, ...]:
    """Every check, in their order; none where nothing is held and no money is there."""
    if not checked.standing.holdings and not checked.standing.cash:
        return ()
    return tuple(check(checked) for check in _CHECKS)


def _concentration(checked: Checked) -> Check:
    lines = checked.standing.holdings
    weights = [line.weight for line in lines if line.weight is not None]
    rule = f"{_rule(LARGEST)} of the value in one holding. The Herfindahl index sums the squares of all weights."
    if len(weights) < len(lines):
        words, severity = "The weights cannot be told: the value of a holding is not known.", NOTICE
    elif not weights:
        words, severity = "Nothing but money is held.", OK
    else:
        herfindahl = sum(weight * weight for weight in weights)
        words = (
            f"{lines[0].symbol} is {percent(weights[0])} of the value, "
            f"{_largest(len(weights))} {percent(sum(weights[:TOP]))}; the Herfindahl index is {herfindahl:.3f}."
        )
        severity = LARGEST.severity(weights[0])
    return Check("concentration", "Concentration", severity, words, rule)


def _currency(checked: Checked) -> Check:
    rule = f"{_rule(FOREIGN)} of the value in other currencies than {checked.currency}."
    parts, value = by_currency(checked.standing), checked.standing.value
    foreign = {code: share(part, value) for code, part in parts.items() if code != checked.currency}
    if value is None or value <= 0:
        words = "The shares of currencies cannot be told: the value is not known."
        return Check("currency", "Currencies", NOTICE, words, rule)
    if not foreign:
        return Check("currency", "Currencies", OK, f"All of the value is in {checked.currency}.", rule)
    told = ", ".join(f"{code} {percent(part or 0.0)}" for code, part in foreign.items())
    whole = sum(part or 0.0 for part in foreign.values())
    words = f"{percent(whole)} of the value is in other currencies than {checked.currency}: {told}."
    return Check("currency", "Currencies", FOREIGN.severity(whole), words, rule)


def _fees(checked: Checked) -> Check:
    rule = (
        f"{_rule(FEES_OF_VALUE)} of the value, or {percent(FEES_OF_GAIN.notice, 0)} and "
        f"{percent(FEES_OF_GAIN.warning, 0)} of the gain before fees, over all the time."
    )
    fees = checked.fees
    if fees is None:
        words = "The fees cannot be told: an exchange rate of a day on which some were paid is missing."
        return Check("fees", "Fees", NOTICE, words, rule)
    of_value = share(fees, checked.standing.value)
    of_gain = share(fees, total((checked.gain, fees)))
    told = [f"{percent(of_value, 2)} of the value"] if of_value is not None else []
    told += [f"{percent(of_gain)} of the gain before them"] if of_gain is not None else []
    words = f"Fees so far are {fees:,.2f} {checked.currency}" + (f": {' and '.join(told)}." if told else ".")
    severities = [
        bounds.severity(found)
        for bounds, found in ((FEES_OF_VALUE, of_value), (FEES_OF_GAIN, of_gain))
        if found is not None
    ]
    return Check("fees", "Fees", _worst(severities), words, rule)


def _staleness(checked: Checked) -> Check:
    lines = checked.standing.holdings
    stale = [line for line in lines if line.price.is_stale]
    rule = (
        "A notice where a price is older than the last session of its exchange, a warning from "
        f"{percent(STALE.warning, 0)} of the value on, or where a price is not known at all."
    )
    if not stale:
        words = "Every price is of the last session." if lines else "There are no holdings that need a price."
        return Check("staleness", "Prices", OK, words, rule)
    of_value = share(total(line.value for line in stale), checked.standing.value)
    worth = f" = {percent(of_value)} of the value" if of_value is not None else ""
    words = f"{len(stale)} of {len(lines)} prices are stale{worth}: {_names(stale)}."
    is_missing = any(line.price.price is None for line in stale)
    return Check("staleness", "Prices", WARNING if is_missing else STALE.severity(of_value), words, rule)


def _generated(checked: Checked) -> Check:
    made = [line for line in checked.standing.holdings if line.price.is_generated]
    rule = "A warning where a price was made up by a program, of an instrument that does not exist."
    if not made:
        return Check("generated", "Generated prices", OK, "No price is generated.", rule)
    of_value = share(total(line.value for line in made), checked.standing.value)
    worth = f" = {percent(of_value)} of the value" if of_value is not None else ""
    words = f"{len(made)} of {len(checked.standing.holdings)} prices are generated{worth}: {_names(made)}."
    return Check("generated", "Generated prices", WARNING, words, rule)


def _money(checked: Checked) -> Check:
    rule = f"{_rule(MONEY)} of the value in money, and a warning where a balance is below zero."
    standing = checked.standing
    if standing.cash_value is None:
        is_kept = bool(standing.cash)
        words = "The worth of a balance is not known." if is_kept else "This portfolio keeps no money."
        return Check("cash", "Money", NOTICE if is_kept else OK, words, rule)
    overdrawn = [line for line in standing.cash if line.amount < 0]
    if overdrawn:
        told = ", ".join(f"{line.amount:,.2f} {line.currency}" for line in overdrawn)
        return Check("cash", "Money", WARNING, f"A balance is below zero: {told}. A deposit may be missing.", rule)
    of_value = share(standing.cash_value, standing.value)
    worth = f"{standing.cash_value:,.2f} {checked.currency}"
    if of_value is None:
        return Check("cash", "Money", OK if not standing.cash_value else NOTICE, f"{worth} are money.", rule)
    words = f"{worth} are money: {percent(of_value)} of the value."
    return Check("cash", "Money", MONEY.severity(of_value), words, rule)


def _missing_days(checked: Checked) -> Check:
    rule = (
        "A notice where a day has no value because a price or exchange rate is missing, a warning from "
        f"{percent(MISSING.warning, 0)} of the days on, or where it is the last. No return is told across such a day."
    )
    series = checked.series
    missing, days = int(np.isnan(series.value).sum()), len(series.days)
    if not missing:
        return Check("missing_days", "Missing days", OK, f"Each of {days:,} days has a value.", rule)
    last = max(series.missing, default=None)
    named = f"; the last is {last} ({', '.join(series.missing[last][:TOP])})" if last is not None else ""
    words = f"{missing:,} of {days:,} days have no value{named}."
    is_last = bool(np.isnan(series.value[-1]))
    return Check("missing_days", "Missing days", WARNING if is_last else MISSING.severity(missing / days), words, rule)


_CHECKS: Sequence[Callable[[Checked], Check]] = (
    _concentration,
    _currency,
    _fees,
    _staleness,
    _generated,
    _money,
    _missing_days,
)


def percent(fraction: float, places: int = 1) -> str:
    """A fraction as it is said: 0.183 is 18.3 %."""
    return f"{fraction * 100:.{places}f} %"


def _rule(bounds: Bounds) -> str:
    return f"A notice from {percent(bounds.notice, 0)}, a warning from {percent(bounds.warning, 0)}"


def _largest(count: int) -> str:
    return f"the {TOP} largest are" if count > TOP else "all holdings are"


def _names(lines: Sequence[HoldingLine]) -> str:
    names = [line.symbol for line in lines[:TOP]]
    more = len(lines) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _worst(severities: Sequence[str]) -> str:
    return max(severities, key=(OK, NOTICE, WARNING).index, default=OK)
