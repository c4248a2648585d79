"""The tables of market data: sources, quotes, instruments, universes, bars, news, filings, fundamentals."""

from __future__ import annotations
