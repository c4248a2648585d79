"""The tables of oversight: alerts, their channels and deliveries."""

from __future__ import annotations
