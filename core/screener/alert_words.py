"""What an alert says: one message for all channels, and how it reads in the app, in a mail and to a program."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from core.db.alerts_dao import AlertRow
from core.ops.mail import Mail
from core.ops.notifications import Notice
from core.screener.screens import SavedScreen

if TYPE_CHECKING:
    import polars as pl

MAX_TOLD = 100
"""New matches that a message lists; it says how many there are in all."""
MAX_LINES = 20
"""New matches that people are shown at once."""
KIND = "alert"

_PRICES = ("close", "entry", "stop", "target")
_FIGURES = ("change", "reward_risk", "confidence", "rs_rating")
_TEXTS = ("symbol", "name", "currency", "direction")
_LISTS = ("signals", "why")


@dataclass(frozen=True)
class Told:
    """New matches of an alert at a scan."""

    alert: AlertRow
    screen: SavedScreen
    scan_id: UUID
    as_of: date
    rows: pl.DataFrame


def message_of(told: Told) -> dict[str, Any]:
    """What is recorded, and what a webhook is sent: JSON values, prices as decimal strings, a missing figure null."""
    wanted = [name for name in (*_TEXTS, *_PRICES, *_FIGURES, *_LISTS) if name in told.rows.columns]
    return {
        "alert": {"id": str(told.alert.id), "name": told.alert.name},
        "screen": {"id": str(told.screen.id), "name": told.screen.name, "version": told.screen.version},
        "universe": told.alert.universe_id,
        "scan": {"id": str(told.scan_id), "as_of": told.as_of.isoformat()},
        "total": told.rows.height,
        "matches": [
            {name: _plain(name, value) for name, value in row.items()}
            for row in told.rows.select(wanted).head(MAX_TOLD).to_dicts()
        ],
    }


def notice_of(message: Mapping[str, Any]) -> Notice:
    """How it reads in the app."""
    return Notice(KIND, _title(message), "\n".join(_lines(message)), _link(message))


def failure_notice(name: str, channel: str, said: str) -> Notice:
    """What the owner is told in the app of a message that never arrived."""
    way = {"mail": "by e-mail", "webhook": "by webhook"}.get(channel, channel)
    return Notice(KIND, f"{name}: new matches could not be sent {way}", said, "/screener")


def mail_of(message: Mapping[str, Any], to: str, address: str) -> Mail:
    """How it reads in a mail to the alert's owner; `address` is that of the workbench."""
    lines = "\n".join(f"- {line}" for line in _lines(message))
    scan, screen = message["scan"], message["screen"]
    text = (
        f"New matches of your screen {screen['name']} at the scan of {scan['as_of']}:\n\n{lines}\n\n"
        f"See them at\n\n{address}{_link(message)}\n\n"
        f"You get this since you made the alert {message['alert']['name']}; it can be paused or deleted there."
        f"\n\nAssay, an analyst workbench\n{address}\n"
    )
    return Mail(to, _title(message), text)


def body_of(message: Mapping[str, Any], delivery_id: UUID, address: str) -> bytes:
    """How it is sent to a webhook."""
    content = {"delivery": str(delivery_id), "event": "screener.matches", **message, "url": address + _link(message)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _title(message: Mapping[str, Any]) -> str:
    total, name = message["total"], message["alert"]["name"]
    if total == 1:
        return f"{name}: {message['matches'][0]['symbol']} matches"
    return f"{name}: {total:,} new matches"


def _lines(message: Mapping[str, Any]) -> Sequence[str]:
    shown = message["matches"][:MAX_LINES]
    lines = [_line(match) for match in shown]
    left = message["total"] - len(shown)
    return [*lines, f"and {left:,} more"] if left else lines


def _line(match: Mapping[str, Any]) -> str:
    name = match.get("name")
    who = f"{match['symbol']}, {name}" if name else str(match["symbol"])
    why = "; ".join(match.get("why") or ())
    return f"{who}: {why}" if why else who


def _link(message: Mapping[str, Any]) -> str:
    """The page with the alert's universe and screen open."""
    return "/screener?" + urlencode({"universe": message["universe"], "screen": message["screen"]["id"]})


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return f"{Decimal(str(value)):f}" if name in _PRICES and value is not None else value
