"""The tables of rolled-up usage."""

from __future__ import annotations
