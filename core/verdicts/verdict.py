"""A verdict as it is kept and shown, with every number in it checked against what its model was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from core.ai.numbers import CheckedNumber, checked_numbers
from core.db.verdicts_dao import BriefRow, NewVerdict, Place, Purpose, VerdictRow
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
    """The verdict that is kept in a row; its numbers are checked again."""
    validation, snapshot = Validation.model_validate(row.answer), Snapshot.from_json(row.content)
    return verdict_with(row, row.created_at, row.hash, validation, snapshot, numbers_of(validation, snapshot))


def verdict_with(
    kept: NewVerdict,
    created_at: datetime,
    snapshot_hash: bytes,
    validation: Validation,
    snapshot: Snapshot,
    numbers: CheckedNumbers,
) -> Verdict:
    """The verdict of what was kept and what is known of it already."""
    return Verdict(
        **{name: getattr(kept, name) for name in _SAME},
        as_of=snapshot.day,
        validation=validation,
        numbers=numbers,
        snapshot_hash=snapshot_hash,
        created_at=created_at,
    )


_SAME = tuple(
    name for name in Verdict.__dataclass_fields__ if name in NewVerdict.__dataclass_fields__ and name != "numbers"
)
