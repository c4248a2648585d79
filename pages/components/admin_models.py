"""How the providers and models fare that are asked: circuits, waits, answers and failures, all processes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.ai.health import ModelState
from core.ai.providers.hosts import HOSTS
from pages.components.badges import Badge
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import when

STATES = {
    "closed": Badge("asked", "green"),
    "half_open": Badge("being tried again", "orange"),
    "open": Badge("resting", "red"),
}
FAILURES = {
    "ProviderRateLimited": "it asked us to wait",
    "ProviderUnavailable": "it could not be reached, or had a fault",
    "ProviderTimeout": "it did not answer in time",
    "ProviderBroke": "its answer broke off",
    "ProviderRefusedKey": "it refused our key",
    "ProviderLacksModel": "it does not know the model",
}


def show(key: str, states: Sequence[ModelState], labels: Mapping[str, str], now: datetime, zone: str) -> None:
    """A row for each provider and model that was ever asked; `labels` are the models' by their ids."""
    if not states:
        show_empty(
            "No model was asked yet",
            "Each is listed here from its first call to a provider on.",
            icon=":material/monitor_heart:",
        )
        return
    with show_list(key):
        for state in states:
            show_row(_row(state, labels, now, zone))


def _wait(seconds: float) -> str:
    return f"{max(1, round(seconds)):,} s" if seconds < 100 else f"{round(seconds / 60):,} min"


def _row(state: ModelState, labels: Mapping[str, str], now: datetime, zone: str) -> Row:
    host = HOSTS[state.provider].label if state.provider in HOSTS else state.provider
    badges = [STATES[state.state]]
    if state.wait_s is not None:
        badges.append(Badge(f"asked again in {_wait(state.wait_s)}", "orange"))
    parts = [f"{state.calls:,} calls, {state.failed_calls:,} failed"]
    if state.first_token_ms is not None:
        parts.append(f"begins to answer in {state.first_token_ms:,} ms")
    if state.answered_at is not None:
        parts.append(f"answered {when(state.answered_at, now, zone)}")
    if state.failed_at is not None:
        why = FAILURES.get(state.failure or "", "it failed")
        parts.append(f"last failure {when(state.failed_at, now, zone)}: {why}")
    is_whole = not state.model
    title = f"{host} as a whole" if is_whole else f"{labels.get(state.model, state.model)} ({host})"
    icon = ":material/domain:" if is_whole else ":material/smart_toy:"
    return Row(title, " · ".join(parts), tuple(badges), icon=icon)
