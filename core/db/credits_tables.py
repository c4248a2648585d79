"""The tables of credits: wallets, the ledger, free credits, boosts."""

from __future__ import annotations
