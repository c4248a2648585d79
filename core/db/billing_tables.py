"""The tables of what is bought: customers, payments, subscriptions, and Stripe's events."""

from __future__ import annotations
