"""The tables of what analysts keep: watchlists, theses, checklists."""

from __future__ import annotations
