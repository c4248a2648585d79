"""Monthly budgets: what is used of each organisation's, and the forms that set theirs and a member's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, Protocol
from uuid import UUID

import streamlit as st

from core.admin.budgets import MAX_BUDGET_USD, MAX_SHOWN, projected
from core.admin.changes import Effect
from core.db.budgets_dao import BudgetRow
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.forms import begin_with, saving, search_field, submit_button
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import when

NEARLY = Decimal("0.8")
_CENT = Decimal("0.01")


class Keeper(Protocol):
    """What finds budgets and sets them."""

    def found(self, principal: Principal, words: str = "", *, everything: bool) -> Sequence[BudgetRow]:
        """Those that are found."""
        ...

    def set(self, principal: Principal, org_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Sets one."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, over what, by what."""

    principal: Principal
    keeper: Keeper
    everything: bool
    may_set: bool


def show(key: str, desk: Desk) -> None:
    """What is used of each budget; operators look for an organisation by its name."""
    words = ""
    if desk.everything:
        words = search_field(
            "Search budgets",
            "Name or id of an organisation",
            key=f"{key}_words",
            hint="Organisations with a budget come first.",
        )
    found = desk.keeper.found(desk.principal, words, everything=desk.everything)
    if not found:
        show_empty("No organisation is found", "Names are searched.", icon=":material/domain_disabled:")
        return
    with show_list(key):
        for row in found:
            with show_row(_row(row, desk.principal.zone)):
                if desk.may_set and st.button(
                    "Budget",
                    icon=":material/savings:",
                    type="tertiary",
                    key=f"{key}_{row.org_id.hex}_set",
                    help="Sets what its calls may cost in a month.",
                ):
                    _ask(f"{key}_asked", desk, row)
    if len(found) == MAX_SHOWN:
        st.caption(f"The first {MAX_SHOWN}; look for a name to find the others.")


def budget_field(
    label: str, budget_usd: Decimal | None, *, key: str, width: int | Literal["stretch"] = "stretch"
) -> Decimal | None:
    """A budget in whole cents; None where it is left empty."""
    given = st.number_input(
        label,
        min_value=0.0,
        max_value=float(MAX_BUDGET_USD),
        value=None,
        step=10.0,
        format="%.2f",
        key=begin_with(key, None if budget_usd is None else float(budget_usd)),
        help="A calendar month in the organisation's time zone.",
        width=width,
    )
    return None if given is None else Decimal(str(given)).quantize(_CENT, ROUND_HALF_UP)


def _row(row: BudgetRow, zone: str) -> Row:
    if row.budget_usd is None:
        return Row(row.name, f"{_usd(row.used_usd)} this month, without a bound", (), icon=":material/savings:")
    share = row.used_usd / row.budget_usd if row.budget_usd else Decimal(1)
    ahead = projected(row)
    parts = [
        f"{_usd(row.used_usd)} of {_usd(row.budget_usd)} this month",
        "" if ahead is None else f"{_usd(ahead)} at the pace so far",
        "" if row.resets_at is None else f"starts anew {when(row.resets_at, row.at, zone)}",
    ]
    return Row(row.name, " · ".join(part for part in parts if part), (_badge(share),), icon=":material/savings:")


def _badge(share: Decimal) -> Badge:
    if share >= 1:
        return Badge("Used up", "red", ":material/block:")
    return Badge(f"{100 * share:.0f} % used", "orange" if share >= NEARLY else "green")


@st.dialog("Monthly budget", icon=":material/savings:")
def _ask(key: str, desk: Desk, row: BudgetRow) -> None:
    with st.form(f"{key}_form", border=False):
        st.text(row.name)
        budget = budget_field("USD a month; empty: no budget", row.budget_usd, key=f"{key}_usd")
        st.caption(
            "It counts from the next request on, what is used this month included. A call that could go beyond it is "
            "refused for everybody in the organisation, nightly verdicts too; answers of the cache and calls on own "
            "keys go on. Managers are told at 80 %, when it is used up, and when the pace will not last the month."
        )
        if submit_button("Set budget", key=f"{key}_send"):
            with saving("The budget is set", desk.principal):
                desk.keeper.set(require(), row.org_id, budget)


def _usd(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT, ROUND_HALF_UP):,} USD"
