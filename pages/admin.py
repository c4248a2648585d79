"""Admin: how the installation fares, for those who run it."""

from __future__ import annotations

from datetime import UTC, datetime

from core import workbench
from pages.components import source_states
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.session import require_operator

principal = require_operator()
market = workbench.current().market

page_head("Admin", plan=principal.plan)
with show_errors(principal):
    section("Sources of market data", "What each may be asked, what was asked of it, and whether it answers.")
    source_states.show("admin_sources", market.gate.states(market.sources.all), datetime.now(UTC), principal.zone)
