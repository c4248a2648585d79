"""That nothing can be bought here yet, how it is switched on, and what can be done until then."""

from __future__ import annotations

from collections.abc import Sequence

from core.principal import Principal
from pages.components.errors import show_message


def show(principal: Principal, missing: Sequence[str]) -> None:
    """One calm block, in place of what would be for sale."""
    title = "Nothing can be bought here yet"
    variables = " and ".join(missing)
    if principal.is_operator:
        hint = (
            f"Set {variables} to sell credits over Stripe, and STRIPE_PRICE_BASIC, STRIPE_PRICE_PREMIUM and "
            "STRIPE_PRICE_TEAM to sell plans. Until then you can grant credits and set plans yourself: under Admin, or "
            "with the commands “credits grant” and “plan set”."
        )
    else:
        hint = (
            f"Whoever runs this installation switches it on by setting {variables}. Until then they can grant credits "
            "to your organisation, and change its plan."
        )
    show_message(title, hint, icon=":material/toggle_off:")
