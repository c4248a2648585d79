"""Flags: which there are and for whom they are on, a form to make or change one, and a button that deletes it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial
from typing import Protocol
from uuid import UUID

import streamlit as st

from core.ai.flags import Flag
from core.errors import InvalidRequest
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import counted

HINT = (
    "`model:ID` and `provider:NAME` decide who is offered a model or a provider: while there is such a flag, only "
    "those for whom it is on."
)


class Keeper(Protocol):
    """What keeps flags."""

    def keep(self, principal: Principal, flag: Flag) -> Flag:
        """Makes or changes one."""
        ...

    def remove(self, principal: Principal, name: str) -> None:
        """Deletes one."""
        ...


def show(key: str, flags: Sequence[Flag], keeper: Keeper, principal: Principal, plans: Collection[str]) -> None:
    """The flags as they stand, and the form."""
    if flags:
        with show_list(key):
            for flag in flags:
                with show_row(_row(flag)):
                    confirm_button(
                        f"{key}_{flag.name}",
                        "Delete",
                        Question(
                            "Delete this flag?",
                            "A model or provider that it withholds is offered to everyone again; anything else that "
                            "asks for it is off.",
                            "Delete flag",
                            subject=flag.name,
                            done="Flag deleted",
                        ),
                        partial(keeper.remove, principal, flag.name),
                    )
    else:
        show_empty("No flags", "A flag switches something on for some before it is there for all.")
    _show_form(key, flags, keeper, principal, plans)


def words(flag: Flag) -> str:
    """For whom a flag is on."""
    if not flag.is_on:
        return "off for everyone"
    named = [*flag.plans]
    if flag.org_ids:
        named.append(counted(len(flag.org_ids), "organisation"))
    if flag.user_ids:
        named.append(counted(len(flag.user_ids), "user"))
    who = ", ".join(named) or "everyone"
    return f"on for {who}" if flag.percentage == 100 else f"on for {flag.percentage.normalize():f} % of {who}"


def _row(flag: Flag) -> Row:
    badge = Badge("on", "green") if flag.is_on else Badge("off")
    details = " · ".join(part for part in (words(flag), flag.description) if part)
    return Row(flag.name, details, (badge,), icon=":material/flag:")


def _show_form(key: str, flags: Sequence[Flag], keeper: Keeper, principal: Principal, plans: Collection[str]) -> None:
    known = {flag.name: flag for flag in flags}
    with st.expander("Make or change a flag", icon=":material/edit:"):
        chosen = st.selectbox("Flag", ["", *known], format_func=lambda name: name or "A new one", key=f"{key}_chosen")
        flag = known.get(chosen or "", Flag(""))
        with st.form(f"{key}_form_{flag.name}", border=False):
            name = flag.name or text_field("Name", required=True, max_chars=120, hint=HINT)
            description = text_field("What it is for", flag.description, max_chars=500)
            is_on = st.toggle("On", flag.is_on, help="Off: off for everybody, whatever is chosen below.")
            chosen_plans = st.multiselect(
                "Plans",
                list(plans),
                list(flag.plans),
                placeholder="All plans",
                help="With no plan, organisation and user named, everybody is meant.",
            )
            org_ids = text_field("Ids of organisations, separated by commas", ", ".join(map(str, flag.org_ids)))
            user_ids = text_field("Ids of users, separated by commas", ", ".join(map(str, flag.user_ids)))
            percentage = st.number_input(
                "Share of them, in %",
                0.0,
                100.0,
                float(flag.percentage),
                1.0,
                format="%.2f",
                help="The share of those users for whom it is on; a user stays on one side as it grows.",
            )
            if submit_button("Save flag"):
                with saving("Flag saved", principal):
                    keeper.keep(
                        principal,
                        Flag(
                            name=name,
                            description=description,
                            is_on=is_on,
                            plans=tuple(chosen_plans),
                            org_ids=ids_of(org_ids),
                            user_ids=ids_of(user_ids),
                            percentage=Decimal(str(percentage)),
                        ),
                    )


def ids_of(text: str) -> tuple[UUID, ...]:
    """The ids in a list that a person typed.

    Raises:
        InvalidRequest: one of them is no id.
    """
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        try:
            found.append(UUID(part))
        except ValueError:
            raise InvalidRequest(f"{part[:60]!r} is not an id of an organisation or a user.") from None
    return tuple(found)
