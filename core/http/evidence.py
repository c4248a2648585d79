"""What an answer rests on, as a program reads it: sources, steps, and the numbers that were looked up."""

from __future__ import annotations

from typing import Any

from core.ai.evidence import Evidence, Source, Step
from core.http.chat_models import FigureChecked, StepTaken
from core.http.models import Source as SourceShown
from core.market.articles import safe_url


def evidence_fields(evidence: Evidence | None, text: str) -> dict[str, Any]:
    """The fields of an answer that say what it rests on; empty ones where no tool was used."""
    found = evidence or Evidence()
    sources = {source.model_dump_json(): source for step in found.steps if (source := source_shown(step.source))}
    return {
        "sources": list(sources.values()),
        "steps": [step_shown(step) for step in found.steps],
        "figures": [
            FigureChecked(
                start=mark.start,
                end=mark.end,
                text=text[mark.start : mark.end],
                verified=mark.is_verified,
                step=mark.step,
                words=mark.words,
            )
            for mark in found.marks
        ],
        "notes": list(found.notes),
        "confidence": found.verified_share,
    }


def step_shown(step: Step) -> StepTaken:
    """One use of a tool."""
    return StepTaken(
        number=step.number,
        tool=step.tool,
        words=step.words,
        state=step.state,
        error=step.error or None,
        source=source_shown(step.source),
    )


def source_shown(source: Source | None) -> SourceShown | None:
    """Where figures come from; an address that is none of the web is left out."""
    if source is None:
        return None
    as_of = None if source.as_of is None else source.as_of.isoformat()
    return SourceShown(title=source.title, url=safe_url(source.url) if source.url else None, as_of=as_of)
