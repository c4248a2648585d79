"""What comes back from a provider, piece by piece: secrets are taken out, then the placeholders are put back.

What is decided at a place depends on the `MOST_HELD_BACK` characters from there on and on nothing else, so that the
result is the same however a text is cut into pieces, and no more than those are ever held back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from core.ai.guards.secret_kinds import (
    BEGINNING,
    BEGINNINGS,
    MOST_HELD_BACK,
    SecretKind,
    begins_a_word,
    end_of_run,
    told_kind,
)
from core.ai.guards.vault import Vault

REMOVED = "[secret removed]"
"""What stands in an answer where a secret stood."""
CANARY = "canary"

Note = Callable[[str], None]
"""Is told the kind of each thing that is found, as it is found, and once."""


class Outflow:
    """One answer on its way to whoever asked; used by one thread."""

    def __init__(self, vault: Vault, note: Note = lambda _kind: None, *, in_json: bool = False) -> None:
        self._note = note
        self._canary = vault.canary
        self._placeholders = vault.placeholders(in_json=in_json)
        self._found: dict[str, None] = {}
        self._waiting = ""
        self._before = ""
        """The last character before what waits."""
        self._swallowed: SecretKind | None = None
        """The kind of the secret in whose middle we are."""
        literals = [*BEGINNINGS, *self._placeholders, *([self._canary] if self._canary else [])]
        self._literal = BEGINNING if len(literals) == len(BEGINNINGS) else _any_of(literals)
        self._begun_ours = _begun(literals[len(BEGINNINGS) :])
        self._begun = _BEGUN | self._begun_ours
        self._firsts = frozenset(literal[0] for literal in literals)
        self._longest = max(map(len, literals))

    @property
    def found(self) -> tuple[str, ...]:
        """The kinds of what was found in the answer so far; empty where nothing was."""
        return tuple(self._found)

    @property
    def has_leaked(self) -> bool:
        """Whether the model said what it must never say: the answer is to be withheld, and nothing more comes."""
        return CANARY in self._found

    def push(self, piece: str) -> str:
        """What can be shown after this piece; empty where all of it waits."""
        self._waiting += piece
        return self._taken(is_over=False)

    def flush(self) -> str:
        """What waited, once the answer is over."""
        return self._taken(is_over=True)

    def _taken(self, *, is_over: bool) -> str:
        shown: list[str] = []
        while not self.has_leaked and self._waiting:
            if self._swallowed is not None:
                self._swallow(self._swallowed)
                continue
            found = self._literal.search(self._waiting)
            if found is None:
                shown.append(self._let_go(len(self._waiting) if is_over else self._without_begun()))
                break
            shown.append(self._let_go(found.start()))
            if not self._is_decided(found[0], is_over=is_over):
                break
            shown.append(self._decided(found[0]))
        if self.has_leaked:
            self._waiting = ""
        return "".join(shown)

    def _is_decided(self, literal: str, *, is_over: bool) -> bool:
        """Whether enough waits to tell what the literal at its beginning is."""
        if is_over or len(self._waiting) >= MOST_HELD_BACK:
            return True
        kind = BEGINNINGS.get(literal)
        if kind is None:
            return True
        may_grow = self._waiting in self._begun  # a longer beginning may yet come of it
        return not may_grow and end_of_run(kind, self._waiting, len(literal), MOST_HELD_BACK) < len(self._waiting)

    def _decided(self, literal: str) -> str:
        """What is shown for the literal at the beginning of what waits, or for its first character alone."""
        if literal == self._canary:
            self._tell(CANARY)
            return ""
        original = self._placeholders.get(literal)
        if original is not None:
            self._let_go(len(literal))
            return original
        kind = told_kind(self._waiting, 0, literal) if begins_a_word(self._before, len(self._before)) else None
        if kind is None:
            return self._let_go(1)
        self._tell(kind.name)
        self._swallowed = kind
        self._let_go(len(literal))
        return REMOVED

    def _swallow(self, kind: SecretKind) -> None:
        end = end_of_run(kind, self._waiting, 0, len(self._waiting))
        is_past = end < len(self._waiting)
        self._let_go(end)
        if is_past:
            self._swallowed = None

    def _let_go(self, number: int) -> str:
        gone, self._waiting = self._waiting[:number], self._waiting[number:]
        self._before = gone[-1:] or self._before
        return gone

    def _without_begun(self) -> int:
        """How much of what waits cannot be the beginning of a literal."""
        for at in range(max(0, len(self._waiting) + 1 - self._longest), len(self._waiting)):
            if self._waiting[at] in self._firsts and self._may_begin(at):
                return at
        return len(self._waiting)

    def _may_begin(self, at: int) -> bool:
        """Whether what waits from here on may be the beginning of a literal; a secret's begins a word."""
        tail = self._waiting[at:]
        if tail in self._begun_ours:
            return True
        return tail in _BEGUN and begins_a_word(self._before + self._waiting, len(self._before) + at)

    def _tell(self, kind: str) -> None:
        if kind not in self._found:
            self._found[kind] = None
            self._note(kind)


def _any_of(literals: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(literals, key=len, reverse=True))))


def _begun(literals: list[str]) -> frozenset[str]:
    """All that a literal may begin with, short of the whole."""
    return frozenset(literal[:number] for literal in literals for number in range(1, len(literal)))


_BEGUN = _begun([*BEGINNINGS])
