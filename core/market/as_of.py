"""The moment up to which the market is seen: the one place that says what may be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum


class Reason(StrEnum):
    """Why the market is seen as of its date."""

    LIVE = "live"
    """A live quote source is configured: today."""
    SHIPPED = "shipped"
    """None is: the last session of the shipped history."""
    CHOSEN = "chosen"
    """The user chose a date for their session."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """A date of which nothing later is read by quotes, bars, news, filings, scans, records or prompts."""

    day: date
    reason: Reason
    now: datetime
    """The present moment, aware, in UTC; ages on pages are told from `moment`, not from it."""

    @property
    def is_live(self) -> bool:
        """Whether live sources are asked."""
        return self.reason is Reason.LIVE

    @property
    def moment(self) -> datetime:
        """The last moment that is seen: now, or the end of the day in UTC."""
        if self.is_live:
            return self.now
        return datetime.combine(self.day + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)
