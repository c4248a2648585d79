"""What every address shows while it cannot be known who is signed in."""

from __future__ import annotations

from core.errors import DatabaseUnavailable
from pages.components import session
from pages.components.errors import show_outage


def is_over() -> bool:
    """Whether the database answers again."""
    try:
        session.current_principal()
    except DatabaseUnavailable:
        return False
    return True


show_outage(is_over)
