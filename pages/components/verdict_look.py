"""How a verdict looks and reads wherever it stands: its word, sign and colour, its confidence, and what it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Context, Decimal

from pages.components.badges import Badge, BadgeColor
from pages.components.money import age


@dataclass(frozen=True, slots=True)
class Look:
    """One of the four decisions; the sign and the word tell them apart without the colour."""

    sign: str
    """In a line of text."""
    icon: str
    color: BadgeColor
    meaning: str


LOOKS: Mapping[str, Look] = {
    "BUY": Look("▲", ":material/trending_up:", "green", "the price is likelier to rise over the next 20 sessions"),
    "SELL": Look("▼", ":material/trending_down:", "red", "the price is likelier to fall over the next 20 sessions"),
    "HOLD": Look("■", ":material/pause:", "gray", "no view either way: it is counted, and not scored"),
    "AVOID": Look("⊘", ":material/do_not_disturb_on:", "orange", "the signal's direction is not worth following"),
}
"""By the verdict, in the order in which they are listed."""
ADVICE = "A model's answer, not advice: it can be wrong, and what was right before need not be again."
MAY_KNOW = (
    "Retrospective: given of a day whose next sessions have passed. The model may know more than it was sent, and its "
    "record here may be better than it will be."
)
GENERATED = "Of generated bars: no real company, and no real outcome."


def badge(decision: str) -> Badge:
    """The word with its sign and colour."""
    look = LOOKS[decision]
    return Badge(decision, look.color, look.icon)


def told(decision: str, confidence: float) -> str:
    """In a cell or a line: ▲ BUY 68 %."""
    return f"{LOOKS[decision].sign} {decision} {share(confidence)}"


def share(value: float | None, digits: int = 0) -> str:
    """A share in per cent: 68 %; a dash where it is not known."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """A share with the interval that it lies in: 61 % (52–69)."""
    if value is None or low is None or high is None:
        return share(value)
    return f"{share(value)} ({low * 100:.0f}–{high * 100:.0f})"


def move(value: float | None) -> str:
    """How far a price went, with its sign: +3.2 %; a dash where it is not known yet."""
    return "–" if value is None else f"{value * 100:+.1f} %".replace("-", "−")


def about(amount: Decimal) -> Decimal:
    """An estimate to its first two digits, rounded up: nobody is charged more than was said."""
    return Context(prec=2, rounding=ROUND_UP).plus(amount)


def aged(made_at: datetime, now: datetime) -> str:
    """How long ago it was given: 5 minutes."""
    return age((now - made_at).total_seconds())
