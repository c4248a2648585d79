"""Arithmetic as a model writes it: read by a parser of our own, computed in Decimals, within limits; never evaluated.

sum     = product (("+" | "-") product)*
product = signed (("*" | "/") signed)*
signed  = ("+" | "-") signed | power
power   = atom ("^" signed)?
atom    = number "%"? | name "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

from core.errors import InvalidRequest

MAX_CHARS = 200
MAX_DEPTH = 20
MAX_TOKENS = 100
LARGEST = Decimal(10) ** 18
"""No number on the way is larger."""
MOST_EXPONENT = 1_000
MOST_PLACES = 12
"""To which `round` rounds."""
_CONTEXT = Context(prec=34, rounding=ROUND_HALF_UP, Emax=9_999, Emin=-9_999)
for _trap in (DivisionByZero, InvalidOperation, Overflow):
    _CONTEXT.traps[_trap] = True
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[-+]?[0-9]{1,2})?)|(?P<name>[a-z]+)|(?P<sign>\*\*|[-+*/^(),%]))"
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number in an expression."""

    text: str
    """Its digits as they are written, without sign and percent sign; `1.2e-05` is one too."""
    is_percent: bool
    is_negative: bool
    """Whether a minus that belongs to it alone stands before it."""

    @property
    def value(self) -> Decimal:
        """As it counts: 12 % is 0.12; without its minus."""
        number = Decimal(self.text)
        return number / 100 if self.is_percent else number


Meaning = Callable[[Literal], Decimal]
"""What a number in an expression stands for, without its minus."""


def computed(expression: str, meaning: Meaning) -> Decimal:
    """The value of an expression.

    Raises:
        InvalidRequest: it cannot be read, is too long, too deep or too large, or divides by zero. What `meaning`
            raises is raised.
    """
    parser = _Parser(_tokens(expression), meaning)
    try:
        value = parser.whole()
    except DivisionByZero as error:
        raise InvalidRequest("The expression divides by zero.") from error
    except DecimalException as error:
        raise InvalidRequest("The expression has no value: a root or power of a negative number.") from error
    return value


def _tokens(expression: str) -> list[str]:
    if len(expression) > MAX_CHARS:
        raise InvalidRequest(f"An expression has at most {MAX_CHARS} characters.")
    text, found, at = expression.translate(_SIGNS).lower().strip(), [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidRequest(
                f"'{text[at:].strip()[:1]}' cannot stand in an expression; it takes numbers, + - * / ^ ( ), min, max, "
                "abs, round, sqrt."
            )
        found.append(match.group().strip())
        at = match.end()
    if len(found) > MAX_TOKENS:
        raise InvalidRequest(f"An expression has at most {MAX_TOKENS} numbers and signs.")
    return ["^" if each == "**" else each for each in found]


class _Parser:
    """Reads and computes at once, from left to right."""

    def __init__(self, tokens: Sequence[str], meaning: Meaning) -> None:
        self._tokens = tokens
        self._meaning = meaning
        self._at = 0
        self._depth = 0

    def whole(self) -> Decimal:
        """The value of all of it."""
        value = self._sum()
        if self._at < len(self._tokens):
            raise InvalidRequest(f"'{self._tokens[self._at]}' cannot stand where it does in the expression.")
        return value

    def _sum(self) -> Decimal:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidRequest(f"An expression is at most {MAX_DEPTH} parentheses deep.")
        value = self._product()
        while (sign := self._next_of("+-")) is not None:
            other = self._product()
            value = _checked(_CONTEXT.add(value, other) if sign == "+" else _CONTEXT.subtract(value, other))
        self._depth -= 1
        return value

    def _product(self) -> Decimal:
        value = self._signed()
        while (sign := self._next_of("*/")) is not None:
            other = self._signed()
            value = _checked(_CONTEXT.multiply(value, other) if sign == "*" else _CONTEXT.divide(value, other))
        return value

    def _signed(self) -> Decimal:
        signs = 0
        while (sign := self._next_of("+-")) is not None:
            signs += sign == "-"
        value = self._power(is_negative=signs % 2 == 1)
        return -value if signs % 2 else value

    def _power(self, *, is_negative: bool) -> Decimal:
        base = self._atom(is_negative=is_negative)
        if self._next_of("^") is None:
            return base
        exponent = self._signed()
        if abs(exponent) > MOST_EXPONENT:
            raise InvalidRequest(f"An exponent is at most {MOST_EXPONENT:,}.")
        return _checked(_CONTEXT.power(base, exponent))

    def _atom(self, *, is_negative: bool) -> Decimal:
        word = self._taken()
        if word == "(":
            value = self._sum()
            self._expect(")")
            return value
        if word[:1].isdigit() or word.startswith("."):
            is_percent = self._next_of("%") is not None
            return _checked(self._meaning(Literal(word, is_percent, is_negative)))
        if word in _FUNCTIONS:
            return self._called(word)
        raise InvalidRequest(f"'{word}' is not known; an expression takes {', '.join(_FUNCTIONS)} and numbers.")

    def _called(self, name: str) -> Decimal:
        self._expect("(")
        values = [self._sum()]
        while self._next_of(",") is not None:
            values.append(self._round_places() if name == "round" else self._sum())
        self._expect(")")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise InvalidRequest(f"{name} takes {least if least == most else f'{least} to {most}'} numbers.")
        return _checked(function(values))

    def _round_places(self) -> Decimal:
        """A count of decimals is no figure of anybody's."""
        word = self._taken()
        if not word.isdigit() or int(word) > MOST_PLACES:
            raise InvalidRequest(f"round takes a whole number of decimals, at most {MOST_PLACES}.")
        return Decimal(word)

    def _taken(self) -> str:
        if self._at >= len(self._tokens):
            raise InvalidRequest("The expression ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _next_of(self, signs: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at] in tuple(signs):
            self._at += 1
            return self._tokens[self._at - 1]
        return None

    def _expect(self, sign: str) -> None:
        if self._next_of(sign) is None:
            found = f"'{self._tokens[self._at]}'" if self._at < len(self._tokens) else "its end"
            raise InvalidRequest(f"The expression has {found} where '{sign}' is needed.")


def _checked(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) > LARGEST:
        raise InvalidRequest("A number in the expression becomes too large.")
    return value


def _rounded(values: Sequence[Decimal]) -> Decimal:
    places = int(values[1]) if len(values) > 1 else 0
    return values[0].quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _CONTEXT)


_FUNCTIONS: dict[str, tuple[int, int, Callable[[Sequence[Decimal]], Decimal]]] = {
    "min": (1, 20, min),
    "max": (1, 20, max),
    "abs": (1, 1, lambda values: abs(values[0])),
    "round": (1, 2, _rounded),
    "sqrt": (1, 1, lambda values: _CONTEXT.sqrt(values[0])),
}
"""Fewest and most numbers that each takes, and what it does."""
