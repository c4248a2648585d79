"""How an answer's model was found, in the words that stand under the answer."""

from __future__ import annotations

from core.ai.router import AUTO, BY_NAME, Candidate, Route


def route_words(route: Route, asked_for: str, answered: Candidate) -> str:
    """Why this model answered; empty where somebody named it, it answered at once, and the platform paid.

    `asked_for` is the id of a model, or `auto`.
    """
    parts = [f"Auto: {route.reason}" if asked_for == AUTO else _named(route), _instead(route, answered)]
    if answered.key is not None:
        whose = "your organisation's key" if answered.key.is_shared else "your key"
        parts.append(f"{whose} …{answered.key.last_four}, no credits")
    words = "; ".join(part for part in parts if part)
    return words[:1].upper() + words[1:]


def _named(route: Route) -> str:
    return "" if route.reason == BY_NAME else route.reason


def _instead(route: Route, answered: Candidate) -> str:
    """Why it was not the first one that answered; empty where it was."""
    first = route.candidates[0].model
    if answered.model.id == first.id:
        return ""
    if route.escalation is not None and answered.model.id == route.escalation.model.id:
        return f"answered by {answered.model.label}, as {first.label} gave no usable answer"
    return f"answered by {answered.model.label} after {first.label} did not answer"
