"""Oversight, composed: what managers see of their organisation, and operators of the whole installation."""

from __future__ import annotations

from dataclasses import dataclass

from core.ai.area import AiArea
from core.ai.catalogue import Catalogue
from core.db.engine import Database
from core.market.market import Market
from core.metering.plans import Plans
from core.metering.usage import Usage
from core.ops.jobs import Queue
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the area is composed of."""

    settings: Settings
    database: Database
    plans: Plans
    catalogue: Catalogue
    queue: Queue
    market: Market
    ai: AiArea
    usage: Usage


@dataclass(frozen=True, slots=True)
class AdminArea:
    """What the page of the administration calls."""


def open_admin(parts: AdminParts) -> AdminArea:
    """Composes the area."""
    del parts
    return AdminArea()
