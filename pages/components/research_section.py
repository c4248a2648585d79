"""Research of a portfolio: opened once the user agreed to what it uses, made part by part, read on one timeline.

Opening the part of the page begins what is not there; no rerun does: whether it was opened is known by an input that
Streamlit forgets as soon as it is no longer drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.principal import Principal
from core.research.bundle import Bundle, PartName, TimelineItem
from pages.components import (
    research_consent,
    research_detail,
    research_holding,
    research_parts,
    research_timeline,
    research_tones,
)
from pages.components.errors import show_errors
from pages.components.research_detail import Reading
from pages.components.research_parts import Look
from pages.components.research_words import left
from pages.components.states import show_empty

ASK_EVERY_S = 1.5
QUOTA = "chat_queries_day"
VIEWER = "Analysts, admins and owners can open it; what they open is read by everybody who sees this portfolio."


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks at the research of which portfolio."""

    key: str
    principal: Principal
    portfolio_id: UUID

    @property
    def is_opened(self) -> bool:
        """Whether it was not there in the run before."""
        return research_timeline.search_key(self.key) not in st.session_state

    @property
    def chosen_key(self) -> str:
        """Of the item whose detail is open."""
        return f"{self.key}_chosen"


def show(key: str, principal: Principal, portfolio_id: UUID) -> None:
    """Whatever there is of it, and the button or the progress of what is not."""
    desk, bundles = Desk(key, principal, portfolio_id), workbench.current().bundles
    bundle = bundles.state(principal, portfolio_id)
    if not bundle.held and not bundle.items:
        show_empty(
            "Nothing is held", "Research is about what a portfolio holds on the date above.", icon=":material/inbox:"
        )
        return
    may_ask = may(principal, Action.ASK)
    if may_ask and bundle.needs and not bundles.agreed(principal):
        _show_question(desk, bundle)
        may_ask = False
    elif desk.is_opened:
        st.session_state.pop(desk.chosen_key, None)
        if may_ask:
            bundle = _opened(desk, bundle)
    if bundle.needs == len(bundle.parts) and not may_ask:
        if not may(principal, Action.ASK):
            show_empty("Nobody has opened this yet", VIEWER, icon=":material/library_books:")
        return
    _show_bundle(desk, bundle, may_ask=may_ask)


def _show_question(desk: Desk, bundle: Bundle) -> None:
    bench, principal = workbench.current(), desk.principal
    quota = bench.usage.quota(principal, QUOTA)
    if research_consent.show(f"{desk.key}_consent", bundle, quota, datetime.now(UTC), principal.zone):
        bench.bundles.agree(principal)
        bench.bundles.begin(principal, desk.portfolio_id)
        st.rerun()


def _opened(desk: Desk, bundle: Bundle) -> Bundle:
    """Begins what is not there; what failed a while ago is left to its button."""
    missing: list[PartName] = [part.name for part in bundle.parts if part.state == "missing"]
    if not missing or not bundle.held:
        return bundle
    bundles = workbench.current().bundles
    with show_errors(desk.principal):
        bundles.begin(desk.principal, desk.portfolio_id, missing)
    return bundles.state(desk.principal, desk.portfolio_id)


def _show_bundle(desk: Desk, bundle: Bundle, *, may_ask: bool) -> None:
    labels, zone = {model.id: model.label for model in workbench.current().catalogue.all()}, desk.principal.zone
    if bundle.is_making:
        _watch(desk, bundle, may_ask=may_ask)
    else:
        _show_parts(desk, bundle, may_ask=may_ask)
    research_tones.show(bundle.part("sentiment"), bundle.held, labels)
    sought = research_timeline.show_filters(desk.key, bundle)
    if len(sought.symbols) == 1:
        symbol = sought.symbols[0]
        research_holding.show(symbol, bundle, lambda: research_detail.show_ask(symbol, desk.portfolio_id))

    def open_item(item: TimelineItem) -> None:
        st.session_state[desk.chosen_key] = item

    research_timeline.show(f"{desk.key}_timeline", bundle, sought, labels, zone, open_item)
    chosen: TimelineItem | None = st.session_state.get(desk.chosen_key)
    if chosen is not None:
        research_detail.show(f"{desk.key}_detail", chosen, _reading(desk, labels), lambda: _closed(desk))


def _closed(desk: Desk) -> None:
    st.session_state.pop(desk.chosen_key, None)


def _watch(desk: Desk, bundle: Bundle, *, may_ask: bool) -> None:
    """The parts as they come; the page runs anew once one of them has changed."""
    before = _states(bundle)

    @st.fragment(run_every=ASK_EVERY_S)
    def watch() -> None:
        with show_errors(desk.principal, has_action=False):
            now = workbench.current().bundles.state(desk.principal, desk.portfolio_id)
            if _states(now) != before:
                st.rerun()
            _show_parts(desk, now, may_ask=may_ask)

    watch()


def _states(bundle: Bundle) -> Sequence[object]:
    return [(part.name, part.state, part.content.made_at) for part in bundle.parts]


def _show_parts(desk: Desk, bundle: Bundle, *, may_ask: bool) -> None:
    bench, now, zone = workbench.current(), datetime.now(UTC), desk.principal.zone
    labels = {model.id: model.label for model in bench.catalogue.all()}
    look = Look(labels, now, zone, may_ask, _left(desk.principal) if may_ask else "")
    wanted = research_parts.show(f"{desk.key}_parts", bundle, look)
    if wanted:
        with show_errors(desk.principal):
            bench.bundles.begin(desk.principal, desk.portfolio_id, wanted)
            st.rerun()


def _left(principal: Principal) -> str:
    return left(workbench.current().usage.quota(principal, QUOTA), datetime.now(UTC), principal.zone)


def _reading(desk: Desk, labels: dict[str, str]) -> Reading:
    details, principal = workbench.current().details, desk.principal
    return Reading(
        principal=principal,
        portfolio_id=desk.portfolio_id,
        labels=labels,
        text=lambda item: details.text(principal, item.symbol, item.reference),
        write={
            "news": lambda item: details.news(principal, item.symbol, item.url),
            "filing": lambda item: details.filing(principal, item.symbol, item.reference),
            "profile": lambda item: details.profile(principal, item.symbol),
        },
        left=lambda: _left(principal),
        may_ask=may(principal, Action.ASK),
        may_read_filings=may(principal, Action.FETCH_FILINGS),
    )
