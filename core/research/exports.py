"""A conversation as a file, to be read elsewhere: Markdown for people, JSON for programs.

Both hold what the page shows: questions with the files that came with them, answers with their steps, sources and
checked figures, reactions, and what it cost by the books.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from core.ai.evidence import Evidence, Source
from core.db.conversations_dao import AttachedRow, ConversationRow, CostRow, MessageRow
from core.errors import InvalidRequest
from core.market.articles import safe_url
from core.research.reactions import Reaction

Form = Literal["markdown", "json"]
MAX_NAME_CHARS = 40
_MEDIA = {"markdown": ("md", "text/markdown; charset=utf-8"), "json": ("json", "application/json")}
_MARKUP = re.compile(r"([\\`*_\[\]<>|#])")


class Whole(Protocol):
    """A conversation with everything in it."""

    @property
    def row(self) -> ConversationRow:
        """Its row."""
        ...

    @property
    def messages(self) -> Sequence[MessageRow]:
        """What was said, in order."""
        ...

    @property
    def cost(self) -> CostRow:
        """What it cost."""
        ...

    @property
    def evidence(self) -> Mapping[UUID, Evidence]:
        """What answers rest on."""
        ...

    @property
    def reactions(self) -> Mapping[UUID, Reaction]:
        """What was thought of answers."""
        ...

    @property
    def attached(self) -> Mapping[UUID, Sequence[AttachedRow]]:
        """Files that came with questions."""
        ...


@dataclass(frozen=True, slots=True)
class Export:
    """A conversation as a file."""

    name: str
    """For the file: ASCII letters, digits and hyphens, with its ending."""
    media_type: str
    data: bytes


def exported(whole: Whole, form: Form) -> Export:
    """A conversation in one of the forms.

    Raises:
        InvalidRequest: there is no such form.
    """
    if form not in _MEDIA:
        raise InvalidRequest("A conversation is exported as markdown or as json.")
    ending, media_type = _MEDIA[form]
    text = "\n".join(_markdown(whole)) + "\n" if form == "markdown" else _json(whole)
    name = f"{_slug(whole.row.title)}-{whole.row.updated_at.astimezone(UTC):%Y-%m-%d}.{ending}"
    return Export(name, media_type, text.encode("utf-8", "replace"))


def _json(whole: Whole) -> str:
    row, cost = whole.row, whole.cost
    told = {
        "id": str(row.id),
        "title": row.title,
        "created_at": _moment(row.created_at),
        "updated_at": _moment(row.updated_at),
        "portfolio_id": None if row.portfolio_id is None else str(row.portfolio_id),
        "branched_from": None if row.branched_from is None else str(row.branched_from),
        "cost": {
            "currency": "USD",
            "charged_usd": _amount(cost.charged_usd),
            "estimated": cost.is_estimated,
            "unresolved_usd": _amount(cost.unresolved_usd),
            "counted_from": None if cost.counted_from is None else _moment(cost.counted_from),
        },
        "messages": [_message(whole, message) for message in whole.messages],
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


def _message(whole: Whole, message: MessageRow) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": str(message.id),
        "role": message.role,
        "created_at": _moment(message.created_at),
        "state": message.state,
        "text": message.text,
    }
    if message.role == "user":
        files = whole.attached.get(message.id, ())
        return {**told, "attachments": [{"name": f.name, "kind": f.kind, "bytes": f.size_bytes} for f in files]}
    reaction, evidence = whole.reactions.get(message.id), whole.evidence.get(message.id) or Evidence()
    return {
        **told,
        "model": message.model,
        "provider": message.provider,
        "cached": message.is_cached,
        "offline": message.is_offline,
        "estimated": message.is_estimated,
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "cost_usd": None if message.cost_usd is None else _amount(message.cost_usd),
        "credits": _amount(message.credits),
        "note": message.note,
        "route": message.route,
        "steps": [
            {
                "number": step.number,
                "tool": step.tool,
                "words": step.words,
                "state": step.state,
                "error": step.error or None,
                "source": _source(step.source),
            }
            for step in evidence.steps
        ],
        "figures": [
            {
                "start": mark.start,
                "end": mark.end,
                "text": message.text[mark.start : mark.end],
                "verified": mark.is_verified,
                "step": mark.step,
                "words": mark.words,
            }
            for mark in evidence.marks
        ],
        "notes": list(evidence.notes),
        "confidence": evidence.verified_share,
        "reaction": None if reaction is None else {"reaction": reaction.reaction, "note": reaction.note},
    }


def _source(source: Source | None) -> dict[str, Any] | None:
    if source is None:
        return None
    as_of = None if source.as_of is None else source.as_of.isoformat()
    url = safe_url(source.url) if source.url else None
    return {"title": source.title, "url": url, "as_of": as_of, "generated": source.is_generated}


def _markdown(whole: Whole) -> Iterator[str]:
    row, cost = whole.row, whole.cost
    yield f"# {_line(row.title)}"
    yield ""
    estimated = " (partly estimated)" if cost.is_estimated else ""
    since = f" since {_moment(cost.counted_from)}, as older usage is kept no more" if cost.counted_from else ""
    yield f"Begun {_moment(row.created_at)}. Charged{since}: {_amount(cost.charged_usd)} USD{estimated}."
    if cost.unresolved_usd:
        yield f"Answers of unknown end may have cost {_amount(cost.unresolved_usd)} USD more; nobody was charged."
    for message in whole.messages:
        yield ""
        yield from _question(whole, message) if message.role == "user" else _answer(whole, message)


def _question(whole: Whole, message: MessageRow) -> Iterator[str]:
    yield f"## Question, {_moment(message.created_at)}"
    yield ""
    yield from (f"> {line}".rstrip() for line in message.text.splitlines())
    files = whole.attached.get(message.id, ())
    if files:
        yield ""
        yield f"Attached: {', '.join(f'{_line(file.name)} ({file.kind})' for file in files)}"


def _answer(whole: Whole, message: MessageRow) -> Iterator[str]:
    who = ", ".join(each for each in (message.model, message.provider) if each)
    state = {"partial": ", cut off", "failed": ", failed"}.get(message.state, "")
    yield f"## Answer, {_moment(message.created_at)}{f' ({who})' if who else ''}{state}"
    yield ""
    yield message.text
    evidence = whole.evidence.get(message.id) or Evidence()
    if evidence.steps:
        yield from ("", "### Steps", "")
        yield from (_step(step.number, step.words, step.error, step.source) for step in evidence.steps)
    if evidence.marks:
        yield from ("", "### Figures", "", "| figure | verified | step | which |", "| --- | --- | --- | --- |")
        for mark in evidence.marks:
            figure, which = _line(message.text[mark.start : mark.end]), _line(mark.words)
            yield f"| {figure} | {'yes' if mark.is_verified else 'no'} | {mark.step or ''} | {which} |"
    yield ""
    yield from (f"Note: {_line(note)}" for note in (*evidence.notes, *([message.note] if message.note else [])))
    if message.route:
        yield f"Route: {_line(message.route)}"
    yield _price(message)
    reaction = whole.reactions.get(message.id)
    if reaction is not None:
        yield f"Reaction: {reaction.reaction or 'none'}.{f' {_line(reaction.note)}' if reaction.note else ''}"


def _step(number: int, words: str, error: str, source: Source | None) -> str:
    told = f"{number}. {_line(words)}"
    if error:
        told += f" (failed: {_line(error)})"
    if source is not None:
        as_of = "" if source.as_of is None else f", as of {source.as_of.isoformat()}"
        url = safe_url(source.url) if source.url else None
        generated = ", generated" if source.is_generated else ""
        told += f" — {_line(source.title)}{as_of}{generated}{f', <{url}>' if url else ''}"
    return told


def _price(message: MessageRow) -> str:
    if message.is_cached:
        return "Cost: 0 USD, answered from the cache."
    if message.cost_usd is None:
        return "Cost: not known."
    where = ", offline" if message.is_offline else ""
    where += f"; {_amount(message.credits)} credits" if message.credits else ""
    return f"Cost: {_amount(message.cost_usd)} USD{', estimated' if message.is_estimated else ''}{where}."


def _line(text: str) -> str:
    """On one line, with no markup in it."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_NAME_CHARS].strip("-") or "conversation"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _amount(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"
