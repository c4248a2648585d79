"""The tables of the screener: scans, signals, records, screens, alerts."""

from __future__ import annotations
