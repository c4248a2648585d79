"""Which figures a written number may be by its value: equal, or what the figure is when it is rounded or scaled."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from math import isfinite

from core.ai.evidence import Figure, Unit
from core.ai.number_signs import claimed_sign
from core.ai.numbers import LARGEST, MOST_DECIMALS, Kind, WrittenNumber
from core.research.measures import Sign

MAX_MATCHES = 200
"""Figures that are looked at for one number."""
MAX_DIGITS = 18
"""A number with more digits is nobody's."""
MOST_ROUNDED = Decimal("0.2")
"""By such a share of itself a figure may be rounded: 3.4 is 3, and 0.7 is not 1."""

_TIMES: dict[Kind, dict[Unit, int]] = {
    "plain": {"price": 1, "money": 1, "number": 1, "fraction": 1},
    "percent": {"fraction": 100},
    "basis_points": {"fraction": 10_000},
    "currency": {"price": 1, "money": 1},
    "ratio": {"number": 1},
}
"""Which figures a kind of number may be, and how many times they are taken for it."""
_CURRENCIES: tuple[tuple[str, frozenset[str]], ...] = (
    (r"\b(?:CA|C)\$|\bCAD\b", frozenset({"CAD"})),
    (r"\bA\$|\bAUD\b", frozenset({"AUD"})),
    (r"\bHK\$|\bHKD\b", frozenset({"HKD"})),
    (r"\bS\$|\bSGD\b", frozenset({"SGD"})),
    (r"\bNZ\$|\bNZD\b", frozenset({"NZD"})),
    (r"\$|\bUSD\b|\bdollars?\b", frozenset({"USD"})),
    (r"€|\bEUR\b|\beuros?\b", frozenset({"EUR"})),
    (r"£|\bGBP\b|\bpounds?\b", frozenset({"GBP"})),
    (r"¥|\bJPY\b|\byen\b", frozenset({"JPY", "CNY"})),
    (r"₹|\bINR\b|\bRs\b|\brupees?\b", frozenset({"INR"})),
    (r"\bCHF\b", frozenset({"CHF"})),
)
_CURRENCY = [(re.compile(pattern), named) for pattern, named in _CURRENCIES]
_OR = re.compile(r",\s(?:or|i\.e\.)\s\Z")
_OTHERS = r"(?:SEK|NOK|DKK|PLN|CZK|HUF|CNY|KRW|BRL|ZAR|MXN|THB|TWD|ILS|TRY|RUB|GBX|GBp|BTC|ETH)"
_OTHER_AFTER = re.compile(rf"\s?(?:{_OTHERS}|pence|cents?|paise|kr|kronor|zloty|rand|won|yuan|bitcoins?|ct)\b")
_OTHER_BEFORE = re.compile(rf"\b{_OTHERS}\s?\Z")
_DOWN = re.compile(
    r"(?:f[äi]el(?:en|t)?|fällt|gefallen|sank(?:en)?|gesunken|verlor(?:en)?|verliert|Rückgang|Verlust|Minus|baiss\w*|perd\w*"
    r"|recul\w*)(?:\s(?:um|von|de|of|by))?\s?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Match:
    """A figure that a number may be by its value."""

    figure: Figure
    is_exact: bool


class FigureIndex:
    """Figures by unit and size."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        by_unit: dict[Unit, list[tuple[float, int, Figure]]] = {}
        for place, figure in enumerate(figures):
            if isfinite(figure.value):
                by_unit.setdefault(figure.unit, []).append((abs(figure.value), place, figure))
        self._rows = {unit: sorted(rows, key=lambda row: row[:2]) for unit, rows in by_unit.items()}
        self._sizes = {unit: [row[0] for row in rows] for unit, rows in self._rows.items()}

    def matches(self, number: WrittenNumber, kinds: tuple[Kind, ...]) -> list[Match]:
        """The figures that have the number's size, whatever their sign; those that are equal come first."""
        if len(number.digits) > MAX_DIGITS:
            return []
        found: dict[int, Match] = {}
        scale = number.scale or Decimal(1)
        size = float(number.digits) * float(scale)
        margin = 0.51 * 10.0**-number.decimals * float(scale) + 1e-9 * size
        for kind in kinds:
            for unit, times in _TIMES[kind].items():
                sizes = self._sizes.get(unit, [])
                low = bisect_left(sizes, (size - margin) / times)
                high = min(bisect_right(sizes, (size + margin) / times), low + MAX_MATCHES)
                for _, place, figure in self._rows.get(unit, [])[low:high]:
                    is_exact = _equal(figure.value, times, scale, number)
                    if is_exact is not None:
                        found.setdefault(place, Match(figure, is_exact))
        return sorted(found.values(), key=lambda match: not match.is_exact)


def _equal(value: float, times: int, scale: Decimal, number: WrittenNumber) -> bool | None:
    """Whether a figure is the number: True, False when it is so after rounding, None when it is not."""
    size = abs(Decimal(f"{value:.12g}")) * times / scale  # without the noise of binary fractions
    if size == number.value:
        return True
    is_coarse = abs(size - number.value) > MOST_ROUNDED * size
    if is_coarse or number.significant < 1 or number.decimals > MOST_DECIMALS or size >= LARGEST:
        return None
    step = Decimal(1).scaleb(-number.decimals)
    ways = (ROUND_HALF_UP, ROUND_HALF_DOWN)
    return False if any(size.quantize(step, way) == number.value for way in ways) else None


def currencies_of(written: str) -> frozenset[str]:
    """The currencies that a text may mean by its signs; empty: it names none."""
    return next((named for pattern, named in _CURRENCY if pattern.search(written)), frozenset())


def other_currency(text: str, number: WrittenNumber) -> bool:
    """Whether a currency stands beside a number that `currencies_of` does not know, or a hundredth of one."""
    return bool(
        _OTHER_AFTER.match(text, number.end) or _OTHER_BEFORE.search(text[max(0, number.start - 5) : number.start])
    )


def sign_fits(figure: Figure, sign: Sign, number: WrittenNumber, text: str) -> bool:
    """Whether a figure has the sign that a number is written with, or that words claim for it.

    Args:
        figure: what the number is by its size.
        sign: what the sign of its measure means.
        number: as it is written.
        text: the text that it stands in, in which names and dates are blank.
    """
    of = (figure.value > 0) - (figure.value < 0)
    if of == 0:
        return True
    written = explicit_sign(text[number.start : number.end])
    if sign == "none":
        return written != 1 or of == 1
    if written:
        return of == written
    if sign == "level":
        return of == 1
    claimed = claimed_sign(text, number.start, number.end) or -bool(
        _DOWN.search(text[max(0, number.start - 40) : number.start])
    )
    if claimed:
        return of == claimed
    if _OR.search(text[max(0, number.start - 8) : number.start]) and "percent" in number.kinds:
        fallen = re.search(
            r"\b(?:fell|dropped|declined|lost|slid|down)\b[^;|\n]*\Z", text[max(0, number.start - 80) : number.start]
        )
        return of == (-1 if fallen else 1)
    return of in number.signs if "percent" in number.kinds or "basis_points" in number.kinds else of == 1


def explicit_sign(written: str) -> int:
    """The sign that is written before the digits: -1, 1, or 0 where there is none."""
    before = re.split(r"[0-9]", written, maxsplit=1)[0]
    return -1 if re.search(r"[-\u2212\u2013]", before) else 1 if "+" in before else 0
