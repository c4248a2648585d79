"""Whether an exchange trades at a moment, and when that changes."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from core.errors import NotFound
from core.market.calendars import Calendars
from core.market.instruments import Instrument
from pages.components.badges import Badge, show_badge


def show(calendars: Calendars, instrument: Instrument, moment: datetime) -> None:
    """A badge: open or closed at that moment, until when, by the exchange's own clock."""
    show_badge(badge(calendars, instrument, moment))


def badge(calendars: Calendars, instrument: Instrument, moment: datetime) -> Badge:
    """What the clock says."""
    try:
        is_open = calendars.is_open(instrument.exchange, moment)
        changes = (calendars.next_close if is_open else calendars.next_open)(instrument.exchange, moment)
    except NotFound:
        return Badge(f"{instrument.market}: hours not known", "gray", ":material/schedule:")
    words = f"{instrument.market} {'open' if is_open else 'closed'}"
    if changes is not None:
        words += f"{' until' if is_open else ', opens'} {_told(changes, moment, instrument.zone)}"
    return Badge(words, "green" if is_open else "gray", ":material/schedule:")


def _told(at: datetime, moment: datetime, zone: str) -> str:
    there, now = at.astimezone(ZoneInfo(zone)), moment.astimezone(ZoneInfo(zone))
    city = zone.rpartition("/")[2].replace("_", " ")
    if there.date() == now.date():
        return f"{there:%H:%M} {city}"
    return f"{there:%a} {there.day} {there:%b} {there:%H:%M} {city}"
