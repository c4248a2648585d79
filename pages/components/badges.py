"""Small coloured words: the plan of an organisation, the role of a member, the state of a thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from pages.components.words import plain

BadgeColor = Literal["gray", "blue", "violet", "green", "orange", "red"]


@dataclass(frozen=True, slots=True)
class Badge:
    """One coloured word; red and orange are kept for what needs somebody's attention."""

    label: str
    color: BadgeColor = "gray"
    icon: str | None = None


PLANS: dict[str, BadgeColor] = {
    "free": "gray",
    "basic": "blue",
    "premium": "violet",
    "team": "green",
    "enterprise": "orange",
}
ROLES: dict[str, BadgeColor] = {"owner": "violet", "admin": "blue", "analyst": "green", "viewer": "gray"}


def show_badge(badge: Badge) -> None:
    """One coloured word."""
    label = plain(badge.label).replace("\\[", "[").replace("\\]", "]")  # the badge escapes brackets itself
    st.badge(label, color=badge.color, icon=badge.icon)


def show_plan_badge(plan: str) -> None:
    """The plan's name."""
    show_badge(Badge(plan.capitalize(), PLANS.get(plan, "gray")))


def role_badge(role: str) -> Badge:
    """The role's name."""
    return Badge(role.capitalize(), ROLES.get(role, "gray"))
