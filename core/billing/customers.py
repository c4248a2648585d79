"""Organisations as customers of Stripe: made when they first need one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from core.billing.stripe_api import GoneAtStripe, StripeApi
from core.billing.telling import PAGE
from core.db import billing_dao as dao
from core.db.engine import Database
from core.principal import Principal
from core.settings import Settings

_T = TypeVar("_T")


class Customers:
    """Which customer an organisation is. An event names a customer, and what stands here says whose it is."""

    def __init__(self, database: Database, api: StripeApi, settings: Settings) -> None:
        self._database = database
        self._api = api
        self.back_url = f"{settings.address}{PAGE}"
        """Where Stripe's own pages lead back to."""

    def known(self, org_id: UUID) -> str | None:
        """The customer of an organisation; None where it is none yet."""
        with self._database.service() as connection:
            account = dao.account(connection, org_id)
        return account.customer_id if account else None

    def ask(self, principal: Principal, call: Callable[[str], _T]) -> _T:
        """What Stripe answers for the organisation's customer; one that is gone there is made anew.

        Customers go when they are deleted at Stripe, or when a key of another account is set.

        Raises:
            NotConfigured, PaymentsUnavailable: Stripe cannot be asked; and what the call raises.
        """
        customer_id = self._ensured(principal)
        try:
            return call(customer_id)
        except GoneAtStripe as gone:
            if gone.parameter != "customer":
                raise
        self.forget(customer_id)
        return call(self._ensured(principal))

    def _ensured(self, principal: Principal) -> str:
        """The customer of the principal's organisation, made at Stripe when missing; of two at once one is kept.

        Raises:
            NotConfigured, PaymentsUnavailable: Stripe cannot be asked.
        """
        known = self.known(principal.org_id)
        if known is not None:
            return known
        made = self._api.create_customer(name=principal.org_name, email=principal.email, org_id=str(principal.org_id))
        with self._database.service() as connection:
            account = dao.lock_account(connection, principal.org_id)
            if account.customer_id is None:
                dao.set_customer(connection, principal.org_id, made)
            return account.customer_id or made

    def checkout_ended(self, checkout_id: str) -> None:
        """A checkout of a plan came to a subscription, or is over."""
        with self._database.service() as connection:
            dao.end_checkout(connection, checkout_id)

    def forget(self, customer_id: str) -> bool:
        """A customer is gone at Stripe; False where they were none of ours."""
        with self._database.service() as connection:
            org_id = dao.org_of_customer(connection, customer_id)
            if org_id is not None:
                dao.set_customer(connection, org_id, None)
        return org_id is not None
