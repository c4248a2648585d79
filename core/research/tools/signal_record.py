"""The tool `signal_record`: what the signals of one type were worth, beside all other entries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


class SignalRecordArguments(Arguments):
    """Of which signal, and where."""

    signal: str = Field(min_length=1, max_length=60, description="Id or label of a signal, such as golden_cross.")
    symbol: Symbol | None = Field(None, description="On this symbol alone.")
    universe: str = Field("", max_length=100, description="Id or title; the default universe where left out.")
    sessions: Literal[1, 5, 20, 60] = Field(20, description="Sessions that an entry is held.")
