"""What the lists of a scan's row can hold, with the labels that people read."""

from __future__ import annotations

from collections.abc import Mapping

SIGNAL_LABELS: Mapping[str, str] = {
    "breakout_20": "20-day breakout",
    "golden_cross": "Golden cross",
}
PATTERN_LABELS: Mapping[str, str] = {"double_bottom": "Double bottom"}
