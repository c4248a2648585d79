"""What a model wrote, as markdown that shows words alone: no picture, no mark of ours, no chance formula.

A model's text is untrusted, and it comes in pieces. `Reader` judges it from left to right and holds back what
cannot be judged yet, so that a growing answer and a finished one read the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_FORMULA_CHARS = 120
"""A formula in a line is no longer; what opens one and goes on beyond is a sum of money."""
MAX_HELD_CHARS = 2_000
"""Most that is held back while a block of code or a formula of its own is not closed."""

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^\n]*)\n")
_MAYBE_FENCE = re.compile(r"[ \t]*(`{1,2}|~{1,2})?$|[ \t]*(`{3,}|~{3,})[^\n]*$")
_RUN = re.compile(r"[^\\`$!:\n]+")
_INLINE = re.compile(rf"\$(?![\s$])([^$\n]{{1,{MAX_FORMULA_CHARS}}}?)(?<![\s\\])\$(?!\d)")
END_OF_MARK = "\ue001"
"""Stands behind a number that will be marked; it ends a sum of money."""
_MONEY = re.compile(rf"\$(?:\d[\d.,]*(?:k|m|bn|B|K|M|T)?|[A-Z]{{1,5}})(?:[\s.,;:!?)/\u2013{END_OF_MARK}-]|$)|\$(?=\s)")
_NAMES = re.compile(r"\\[A-Za-z]+(?:\{[^{}]*\})?")
_PROSE = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_LETTERS = re.compile(r"[A-Za-z](?:\s*[-+*/<>]\s*[A-Za-z0-9])*")
_ICON = re.compile(r":(?:material/|streamlit:)")
_PICTURE_LANGUAGES = re.compile(r"\s*mermaid\b", re.IGNORECASE)


class Reader:
    """Turns pieces of an answer into pieces of markdown."""

    def __init__(self) -> None:
        self._held = ""
        self._is_final = False
        self._starts_line = True
        self._fence: str | None = None

    def feed(self, delta: str) -> str:
        """What can be shown now that this piece has come."""
        return "".join(piece for piece, _ in self._judged(delta))

    def close(self) -> str:
        """What was held back, once nothing more comes."""
        self._is_final = True
        return self.feed("")

    def whole(self, text: str) -> Iterator[tuple[str, bool]]:
        """A whole answer in pieces of markdown, each with whether it is words, among which marks of ours can stand."""
        self._is_final = True
        yield from self._judged(text)

    def _judged(self, delta: str) -> Iterator[tuple[str, bool]]:
        text, self._held = self._held + delta, ""
        position = 0
        while position < len(text):
            was_in_fence = self._fence is not None
            step = self._in_fence(text, position) if was_in_fence else self._token(text, position)
            if step is None:
                self._held = text[position:]
                break
            piece, length = step
            is_code = was_in_fence or self._fence is not None or (len(piece) > 1 and piece[0] in "`$")
            yield piece, not is_code
            position += length
            self._starts_line = text[position - 1] == "\n"

    def _in_fence(self, text: str, start: int) -> tuple[str, int] | None:
        end = text.find("\n", start) + 1
        if not end and not self._is_final:
            return None
        line = text[start : end or len(text)]
        assert self._fence is not None
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = None
        return line, len(line)

    def _token(self, text: str, start: int) -> tuple[str, int] | None:
        if self._starts_line:
            fence = _FENCE.match(text, start)
            if fence:
                indent, self._fence, language = fence.groups()
                plain = "text" if _PICTURE_LANGUAGES.match(language) else language
                return f"{indent}{self._fence}{plain}\n", fence.end() - start
            if not self._is_final and _MAYBE_FENCE.match(text, start):
                return None
        run = _RUN.match(text, start)
        if run:
            return run.group(), run.end() - start
        return _SPECIAL.get(text[start], _as_is)(text, start, self._is_final)


def readable(text: str) -> str:
    """A whole answer as markdown."""
    reader = Reader()
    return reader.feed(text) + reader.close()


def _as_is(text: str, start: int, _is_final: bool) -> tuple[str, int] | None:
    return text[start], 1


def _backslash(text: str, start: int, is_final: bool) -> tuple[str, int] | None:
    """An escape stays; TeX's own brackets become the dollars that the page understands."""
    following = text[start + 1 : start + 2]
    if not following:
        return ("\\", 1) if is_final else None
    if following not in "([":
        return text[start : start + 2], 2
    dollars, closing = ("$", "\\)") if following == "(" else ("$$", "\\]")
    end = text.find(closing, start + 2)
    if end > 0 and "\n\n" not in text[start:end]:
        return f"{dollars}{text[start + 2 : end].strip()}{dollars}", end + 2 - start
    if is_final or _is_given_up(text, start):
        return text[start : start + 2], 2
    return None


def _code(text: str, start: int, is_final: bool) -> tuple[str, int] | None:
    length = len(text) - len(text[start:].lstrip("`")) - start
    ticks = text[start : start + length]
    closed = re.compile(rf"(?<!`){ticks}(?!`)").search(text, start + length)
    if closed and "\n\n" not in text[start : closed.end()] and (is_final or closed.end() < len(text)):
        return text[start : closed.end()], closed.end() - start
    return (ticks, length) if is_final or _is_given_up(text, start) else None


def _dollar(text: str, start: int, is_final: bool) -> tuple[str, int] | None:
    """A formula stays one; every other dollar sign is money."""
    if text.startswith("$$", start):
        end = text.find("$$", start + 2)
        if end > 0:
            return text[start : end + 2], end + 2 - start
        return ("\\$\\$", 2) if is_final or len(text) - start > MAX_HELD_CHARS else None
    if start + 1 == len(text) and not is_final:
        return None
    money, formula = _MONEY.match(text, start), _INLINE.match(text, start)
    if money and (is_final or money.end() < len(text) or money.group()[-1:].isspace()):
        return "\\$", 1
    if formula and (is_final or formula.end() < len(text)):
        return (formula.group(), formula.end() - start) if _is_formula(formula.group(1)) else ("\\$", 1)
    rest = text[start:]
    if is_final or "\n" in rest or len(rest) > MAX_FORMULA_CHARS or (not formula and "$" in rest[1:-1]):
        return "\\$", 1
    return None


def _bang(text: str, start: int, is_final: bool) -> tuple[str, int] | None:
    """A picture becomes a link to it: nothing is fetched until somebody asks for it."""
    if start + 1 == len(text) and not is_final:
        return None
    return ("[Image: ", 2) if text.startswith("![", start) else ("!", 1)


def _colon(text: str, start: int, is_final: bool) -> tuple[str, int] | None:
    """A colon before a word would be read as one of the page's own marks: a badge, a colour, an icon.

    Icons are replaced in the text itself, where no escape helps: a character without width parts them.
    """
    if start + 1 == len(text) and not is_final:
        return None
    if _ICON.match(text, start):
        return ":\u2060", 1
    if not is_final and any(mark.startswith(text[start:]) for mark in (":material/", ":streamlit:")):
        return None
    return ("\\:" if text[start + 1 : start + 2].isalpha() else ":", 1)


def _is_formula(inner: str) -> bool:
    words = _NAMES.sub(" ", inner)
    if _PROSE.search(words):
        return False
    return bool(re.search(r"[\\^_=]", inner) or _LETTERS.fullmatch(inner))


def _is_given_up(text: str, start: int) -> bool:
    return "\n\n" in text[start:] or len(text) - start > MAX_HELD_CHARS


_SPECIAL = {"\\": _backslash, "`": _code, "$": _dollar, "!": _bang, ":": _colon}
