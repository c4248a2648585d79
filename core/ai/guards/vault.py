"""What was hidden of one question, under placeholders, and how it is put back."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from core.ai.guards.spans import Find, Span, without_overlaps

KINDS = ("EMAIL", "PHONE", "CARD", "IBAN", "ID", "SECRET", "TEXT")
"""What placeholders are of; a TEXT is one that only looks like a placeholder."""
MOST_REMEMBERED = 256
"""Texts whose hidden form is remembered, so that each round does not look for the same again."""

_NAME = rf"(?:{'|'.join(KINDS)})_[0-9]{{1,5}}"
_OPENINGS, _ENDS = ("<", "&lt;", "\\u003c"), (">", "&gt;", "\\u003e")
PLACEHOLDER = re.compile(rf"(?:<|&lt;|\\u003c)({_NAME})(?:>|&gt;|\\u003e)")
"""A placeholder, as we write it or as a model may: `<EMAIL_1>`."""


class Vault:
    """The originals behind the placeholders of one question; nothing of it is ever logged or kept."""

    def __init__(self, find: Find | None = None, *, canary: str | None = None, request_id: UUID | None = None) -> None:
        self.canary = canary
        """What a model is told and must never say; None where it is told none."""
        self.request_id = request_id
        """The request that it belongs to, for the log."""
        self.noted: set[str] = set()
        """What was noted already of this question, so that it is noted once."""
        self.made_harmless: dict[tuple[bool, str], tuple[str, float]] = {}
        """Texts, with whether all of each is from outside, as they may be shown, with the scores of their orders."""
        self._find = find
        self._originals: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._remembered: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Vault({len(self._originals)} hidden)"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was hidden so far."""
        return not self._originals

    @property
    def counts(self) -> Mapping[str, int]:
        """How many different originals of each kind there are, by its placeholder's word."""
        return dict(self._numbers)

    def hidden(self, text: str) -> str:
        """The text with a placeholder for each thing that must not leave; the text itself where there is none.

        The same thing has the same placeholder throughout a question.
        """
        if self._find is None or not text:
            return text
        with self._lock:
            known = self._remembered.get(text)
            if known is None:
                known = self._replaced(text, self._find(text))
                if len(self._remembered) < MOST_REMEMBERED:
                    self._remembered[text] = known
            return known

    def shown(self, text: str, *, in_json: bool = False) -> str:
        """The text with the originals in place of their placeholders; an unknown placeholder stays.

        With `in_json` an original is escaped as it has to be within a text of JSON.
        """
        if not self._originals:
            return text
        return PLACEHOLDER.sub(lambda match: self._original(match, in_json=in_json), text)

    def placeholders(self, *, in_json: bool = False) -> Mapping[str, str]:
        """The originals by each way in which a model may write their placeholders."""
        return {
            f"{opening}{name}{end}": _escaped(original) if in_json else original
            for name, original in self._originals.items()
            for opening in _OPENINGS
            for end in _ENDS
        }

    def _replaced(self, text: str, found: Sequence[Span]) -> str:
        literal = [Span(match.start(), match.end(), "TEXT") for match in PLACEHOLDER.finditer(text)]
        spans = without_overlaps([*found, *literal])
        if not spans:
            return text
        parts, at = [], 0
        for span in spans:
            parts += [text[at : span.start], f"<{self._name(text[span.start : span.end], span.kind)}>"]
            at = span.end
        return "".join([*parts, text[at:]])

    def _name(self, original: str, kind: str) -> str:
        name = self._names.get((kind, original))
        if name is None:
            self._numbers[kind] += 1
            name = self._names[kind, original] = f"{kind}_{self._numbers[kind]}"
            self._originals[name] = original
        return name

    def _original(self, match: re.Match[str], *, in_json: bool) -> str:
        original = self._originals.get(match[1])
        if original is None:
            return match[0]
        return _escaped(original) if in_json else original


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
