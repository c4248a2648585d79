"""How figures are said: prices, money, shares of one, days, and tables; what is not defined is 'n/a'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from core.research.offline.dates import said

NOT_DEFINED = "n/a"
MOST_ROWS = 30
"""Rows of one table in an answer."""
LEAST_WHOLE = 1_000_000
"""From here on money is said without cents."""
SMALL_PRICE = 1.0


def number(value: Any, decimals: int = 2) -> str:
    """A plain number with thousands marked; a whole one without decimals."""
    if not _is_number(value):
        return NOT_DEFINED
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{decimals}f}"


def ratio(value: Any, decimals: int = 2) -> str:
    """A number that always has its decimals."""
    return f"{value:,.{decimals}f}" if _is_number(value) else NOT_DEFINED


def percent(value: Any, decimals: int = 2) -> str:
    """A share of one in percent."""
    return f"{100 * value:,.{decimals}f} %" if _is_number(value) else NOT_DEFINED


def signed_percent(value: Any, decimals: int = 2) -> str:
    """A change of one in percent, with its sign."""
    return f"{100 * value:+,.{decimals}f} %".replace("-", "−") if _is_number(value) else NOT_DEFINED


def price(value: Any, currency: str | None = "") -> str:
    """Of one share, with its currency."""
    if not _is_number(value):
        return NOT_DEFINED
    decimals = 4 if 0 < abs(value) < SMALL_PRICE else 2
    return f"{value:,.{decimals}f} {currency or ''}".strip()


def money(value: Any, currency: str | None = "") -> str:
    """An amount with its currency; in cents below a million."""
    if not _is_number(value):
        return NOT_DEFINED
    decimals = 0 if abs(value) >= LEAST_WHOLE and float(value).is_integer() else 2
    return f"{value:,.{decimals}f} {currency or ''}".strip()


def signed_money(value: Any, currency: str | None = "") -> str:
    """An amount with its sign."""
    if not _is_number(value):
        return NOT_DEFINED
    return f"{'+' if value >= 0 else '−'}{money(abs(value), currency)}"


def day(value: Any) -> str:
    """A day in words; what is none is said as it is."""
    found = as_day(value)
    return said(found) if found is not None else NOT_DEFINED


def as_day(value: Any) -> date | None:
    """A day as tools write it; None where it is none."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of at most thirty rows; what is left out is said."""
    lines = [_line(columns), _line(["---"] * len(columns)), *(_line(row) for row in rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        lines.append("\nMore rows are in the step's table.")
    return "\n".join(lines)


def listed(words: Sequence[str]) -> str:
    """Words as a sentence has them: a, b and c."""
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else "none"


def quoted(text: Any) -> str:
    """A text from outside, as a quotation on one line that can draw nothing."""
    plain = str(text)
    for sign in "\\`*_[]<>|#":
        plain = plain.replace(sign, " " if sign in "<>|" else f"\\{sign}")
    return f"“{' '.join(plain.split())}”"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
