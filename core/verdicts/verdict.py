"""A verdict as it is kept and shown, with every number in it checked against what its model was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from core.ai.numbers import CheckedNumber, checked_numbers
from core.db.verdicts_dao import BriefRow, Place, Purpose, VerdictRow
from core.verdicts.answer import Validation
from core.verdicts.snapshot import Snapshot

Brief: TypeAlias = BriefRow
CheckedNumbers: TypeAlias = Mapping[str, Sequence[CheckedNumber]]
"""The numbers of each text of a validation, by field: `reasoning`, `risk_factors.0`, `entry_suggestion`."""


@dataclass(frozen=True)
class Verdict:
    """What a model said of a signal."""

    id: UUID
    symbol: str
    signal_id: UUID | None
    """None: of a caller's own snapshot."""
    signal_type: str
    direction: str
    universe_id: str | None
    signal_day: date | None
    as_of: date | None
    """The day of the snapshot."""
    decided_on: date | None
    """It is scored from the first session after this day; None: never."""
    validation: Validation
    numbers: CheckedNumbers
    own_confidence: float | None
    base_rate: float | None
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    prompt_version: str
    snapshot_id: UUID
    snapshot_hash: bytes
    price_version: str
    charged_usd: Decimal
    """What this request was charged."""
    call_usd: Decimal
    """What the call cost that brought the answer, whoever paid."""
    prompt_tokens: int
    completion_tokens: int
    request_id: UUID
    created_at: datetime
    user_id: UUID | None
    """Who asked; None: the organisation."""
    job_id: UUID | None
    purpose: Purpose
    is_retrospective: bool
    is_generated: bool

    @property
    def numbers_total(self) -> int:
        """How many numbers its texts hold."""
        return counted(self.numbers)[0]

    @property
    def numbers_verified(self) -> int:
        """How many of them stand in the snapshot."""
        return counted(self.numbers)[1]


@dataclass(frozen=True, slots=True)
class Page:
    """Some verdicts, newest first."""

    verdicts: Sequence[Brief]
    next_cursor: Place | None
    """Where the next page begins; None: there is none."""


def numbers_of(validation: Validation, snapshot: Snapshot) -> CheckedNumbers:
    """Every number that a validation says, and which figure of the snapshot it is."""
    known, terms = snapshot.known(), snapshot.terms()
    texts = {
        "reasoning": validation.reasoning,
        **{f"risk_factors.{place}": text for place, text in enumerate(validation.risk_factors)},
        "entry_suggestion": validation.entry_suggestion,
    }
    return {field: checked_numbers(text, known, terms) for field, text in texts.items()}


def counted(numbers: CheckedNumbers) -> tuple[int, int]:
    """How many numbers there are, and how many are verified."""
    every = [number for found in numbers.values() for number in found]
    return len(every), sum(number.known is not None for number in every)


def verdict_of(row: VerdictRow) -> Verdict:
    """The verdict that is kept in a row; its numbers are checked again, which gives what they gave."""
    validation, snapshot = Validation.model_validate(row.answer), Snapshot.from_json(row.content)
    same = (field for field in Verdict.__dataclass_fields__ if field in VerdictRow.__dataclass_fields__)
    return Verdict(
        **{name: getattr(row, name) for name in same if name not in _MADE},
        as_of=snapshot.day,
        validation=validation,
        numbers=numbers_of(validation, snapshot),
        snapshot_hash=row.hash,
    )


_MADE = ("numbers",)
"""Fields that are counts in the row."""
